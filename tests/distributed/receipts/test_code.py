"""The code digest: what a loss computes where it can be traced, how it is written where it cannot."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import WIDTH, module, squared_error
from tl_arrayapi.distributed.receipts.bytecode import bytecode_digest
from tl_arrayapi.distributed.receipts.program import program_digest

KINDS = (((WIDTH,), "float64"), ((3,), "float64"))


def program(loss, kinds=KINDS):
    return program_digest(module(loss), kinds)


# ---- programs
def test_programs_of_the_same_equations_have_one_digest_however_they_are_written():
    def rewritten(weights, bias, inputs, targets):
        # Other names, other lines.
        numpy_like = tl.array_namespace(weights)
        prediction = numpy_like.tanh(inputs @ weights)

        distance = prediction + bias - targets
        return numpy_like.sum(distance * distance)

    assert program(rewritten) == program(squared_error)


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, b, x, y: squared_error(w, b, x, y) * 1.0,
        lambda w, b, x, y: squared_error(w, b, y @ w.T, y),
        lambda w, b, x, y: tl.array_namespace(x).mean((tl.array_namespace(x).tanh(x @ w) + b - y) ** 2),
    ],
)
def test_other_equations_are_another_digest(loss):
    assert program(loss) != program(squared_error)


def test_a_program_is_one_for_shapes_and_dtypes():
    kinds = [KINDS, (((WIDTH,), "float64"), ((1,), "float64")), (((WIDTH,), "float32"), ((3,), "float64"))]
    assert len({program(squared_error, kind) for kind in kinds}) == 3


def test_values_that_a_loss_captures_are_part_of_it_and_read_each_time():
    scale = np.ones(3)
    scaled = module(lambda w, b, x, y: squared_error(w, b, x, y * scale))
    before = program_digest(scaled, KINDS)
    assert before == program_digest(scaled, KINDS)
    scale[1] = 2.0
    assert before != program_digest(scaled, KINDS)


def test_a_mask_of_bools_can_be_captured():
    mask = np.asarray([True, False, True])

    def loss(w, b, x, y):
        return squared_error(w, b, x, tl.array_namespace(x).where(mask, y, -y))

    assert program(loss) != program(squared_error)


def test_a_loss_with_a_key_has_a_program():
    assert program(lambda w, b, x, y, *, key: squared_error(w, b, x, y)) == program(squared_error)


def test_a_loss_that_looks_at_values_has_none():
    assert program(lambda w, b, x, y: squared_error(w, b, x, y) if float(x[0]) > 0 else x[0] * 0) is None


# ---- bytecode
def made(scale=1.0, power=2, by=np.add, loop=(1, 2)):
    def loss(w, x, power=power):
        return by(w, x) ** power * scale + helper(len(loop))

    return loss


def helper(x):
    return x + CONSTANT


CONSTANT = 5


def test_functions_that_are_written_alike_have_one_digest():
    assert bytecode_digest(made()) == bytecode_digest(made())


@pytest.mark.parametrize(
    "other", [{"scale": 2.0}, {"power": 3}, {"by": np.subtract}, {"loop": (1, 2, 3)}, {"scale": np.ones(2)}]
)
def test_closures_and_defaults_are_part_of_the_code(other):
    assert bytecode_digest(made(**other)) != bytecode_digest(made())


def test_the_values_of_arrays_are_part_of_the_code():
    assert bytecode_digest(made(np.ones(2))) == bytecode_digest(made(np.ones(2)))
    assert bytecode_digest(made(np.ones(2))) != bytecode_digest(made(np.ones(2) + 1))


def test_what_a_function_refers_to_is_part_of_it(monkeypatch):
    before = bytecode_digest(made())
    monkeypatch.setitem(globals(), "CONSTANT", 6)
    assert bytecode_digest(made()) != before


def test_a_function_within_a_function_refers_to_globals_too(monkeypatch):
    def outer(x):
        return [helper(v) for v in x], (lambda: CONSTANT)()

    before = bytecode_digest(outer)
    monkeypatch.setitem(globals(), "helper", lambda x: x - CONSTANT)
    assert bytecode_digest(outer) != before


class Model:
    """A loss that is an object."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, w, x):
        return self.scale * w * x

    def method(self, w, x):
        return self(w, x) + 1


def test_objects_methods_and_partial_functions_have_digests_of_their_values():
    losses = [
        Model(1.0),
        Model(2.0),
        Model(1.0).method,
        Model(2.0).method,
        functools.partial(helper, 1),
        functools.partial(helper, 2),
        functools.partial(made(), power=3),
    ]
    digests = [bytecode_digest(loss) for loss in losses]
    assert len(set(digests)) == len(digests)
    assert bytecode_digest(Model(1.0)) == digests[0]


def test_what_refers_to_itself_has_a_digest():
    def loss(x):
        return loss(x - 1) if x else held

    held = [loss]
    held.append(held)
    assert bytecode_digest(loss) == bytecode_digest(loss)


def test_a_closure_that_is_not_filled_yet_has_a_digest():
    def loss(x):
        return x + later

    digest = bytecode_digest(loss)
    later = 1
    assert bytecode_digest(loss) != digest


def test_sets_and_dicts_have_the_digest_of_what_is_in_them():
    assert bytecode_digest(made(loop={"a", "b"})) == bytecode_digest(made(loop={"b", "a"}))
    assert bytecode_digest(made(loop={"a": 1})) != bytecode_digest(made(loop={"a": 2}))


@pytest.mark.slow
def test_other_processes_find_the_same_digests():
    code = (
        "from tests.distributed.receipts.test_code import *; "
        "print(bytecode_digest(made(loop={'a', 'b', 'c'})), program(squared_error))"
    )
    command = [sys.executable, "-c", code]
    # Fresh ones, whose sets have other orders: this one has been through many tests.
    seeds = [{**os.environ, "PYTHONHASHSEED": str(seed)} for seed in (1, 2, 3)]
    found = {subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout for env in seeds}
    assert len(found) == 1
