"""Updates of many arrays that lie one after another, as one."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.graph.passes.running import Sketch, lines, run, same_bits
from tests.graph.passes.tracing import join, split, trace
from tl_arrayapi import optim
from tl_arrayapi.graph import Graph
from tl_arrayapi.graph.passes.base import together
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.fold import fold
from tl_arrayapi.graph.passes.movement import movement
from tl_arrayapi.graph.passes.norms import norms
from tl_arrayapi.graph.passes.pack import pack
from tl_arrayapi.graph.passes.pipeline import optimise
from tl_arrayapi.graph.verify import verify

SHAPES = [(2, 3), (3,), (), (1, 4)]
SIZE = 14
packing = together("packing", movement, fold, pack, cse)


def packed(graph: Graph, given: list) -> list[str]:
    found = dce(packing.settled(graph))
    verify(found)
    assert same_bits(run(graph, *given), run(found, *given))
    return lines(found)


def flat(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 2, SIZE).astype("float32")


def grads() -> list[np.ndarray]:
    return [np.asarray(x) for x in split(flat(9), SHAPES)]


def test_a_step_of_many_parameters_is_one_step():
    def step(p, lr, *grads):
        return join([x - lr * g for x, g in zip(split(p, SHAPES), grads, strict=True)])

    found = packed(*trace(step, flat(0), np.asarray(0.1, "float32"), *grads()))
    assert [line.partition(" = ")[2] for line in found[-4:-1]] == [
        "concat(y0, x3, y1, y2, axis=0)",
        "multiply(x1, y3)",
        "subtract(x0, y4)",
    ]


OPTIMISERS = {
    "sgd": optim.sgd(0.1),
    "momentum": optim.momentum(0.1),
    "adagrad": optim.adagrad(0.1),
    "rmsprop": optim.rmsprop(0.1),
    "adamw": optim.adamw(0.1),
    "adadelta": optim.adadelta(0.1),
    "lion": optim.lion(0.1),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_steps_flat_arrays(name: str):
    opt = OPTIMISERS[name]
    state = opt.init(split(flat(0), SHAPES))
    slots = [slot for slot in state if slot != "step"]

    def step(numbers, *arrays):
        params, *columns = [split(x, SHAPES) for x in arrays[: 1 + len(slots)]]
        old = {"step": 0, **dict(zip(slots, columns, strict=True))}
        scalars = [numbers[i] for i in range(numbers.shape[0])]
        new, made = opt.update(scalars, old, params, list(arrays[1 + len(slots) :]))
        return [join(new), *[join(made[slot]) for slot in slots]]

    numbers = np.asarray(opt.scalars(state), "float32")
    graph, given = trace(step, numbers, *[flat(i) for i in range(1 + len(slots))], *grads())
    found = dce(packing.settled(graph))
    verify(found)
    assert same_bits(run(graph, *given), run(found, *given))
    assert sum(e.name == "concat" for e in found.equations) == 1
    assert all(e.results[0].shape in ((SIZE,), ()) for e in found.equations if e.kind == "elementwise")
    assert len(found.equations) < len(graph.equations) / 2


def test_slices_of_an_array_join_to_it():
    s = Sketch()
    x = s.given(10)
    pieces = [s.getitem(x, slice(0, 4)), s.reshape(s.reshape(s.getitem(x, slice(4, 10)), 2, 3), 6)]
    assert packed(s.graph(s.concat(*pieces)), [np.arange(10, dtype="float32")]) == ["return x0"]


@pytest.mark.parametrize("slices", [[(0, 4), (5, 10)], [(4, 10), (0, 4)], [(0, 4), (4, 9)], [(1, 4), (4, 10)]], ids=str)
def test_slices_that_do_not_make_up_an_array_are_joined(slices: list[tuple[int, int]]):
    s = Sketch()
    x = s.given(10)
    graph = s.graph(s.concat(*[s.getitem(x, slice(*bounds)) for bounds in slices]))
    assert pack(graph) is graph


def test_pieces_of_one_number_are_that_number():
    s = Sketch()
    x = s.given(5)
    joined = s.concat(*[s.multiply(s.getitem(x, slice(*b)), s.full(3.0, b[1] - b[0])) for b in ((0, 2), (2, 5))])
    assert packed(s.graph(joined), [np.ones(5, "float32")]) == ["y0 = multiply(x0, 3.0)", "return y0"]


LEFT = {
    "different functions": lambda s, x, y: s.concat(s.exp(x), s.sin(y)),
    "functions of different numbers": lambda s, x, y: s.concat(s.multiply(x, 2.0), s.multiply(y, 3.0)),
    "functions of rows": lambda s, x, y: s.concat(
        s.reshape(s.add(s.broadcast_to(x, 2, 3), y), 6), s.reshape(s.add(s.broadcast_to(y, 2, 3), x), 6)
    ),
    "functions of two arrays each, none of them a slice": lambda s, x, y: s.concat(s.multiply(x, y), s.multiply(y, y)),
    "joined along another axis": lambda s, x, y: s.concat(s.exp(s.reshape(x, 1, 3)), s.exp(s.reshape(y, 1, 3)), axis=1),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_differs_is_joined_as_it_is(case: str):
    s = Sketch()
    graph = s.graph(LEFT[case](s, s.given(3), s.given(3)))
    assert pack(graph) is graph


def test_what_runs_block_by_block_is_not_cut_in_two():
    s = Sketch()
    p, u, v, rate = s.given(40_000), s.given(20_000), s.given(20_000), s.given()
    parts = [s.getitem(p, slice(0, 20_000)), s.getitem(p, slice(20_000, 40_000))]
    steps = [s.subtract(part, s.multiply(rate, g)) for part, g in zip(parts, (s.exp(u), s.sin(v)), strict=True)]
    graph = s.graph(s.concat(*steps))
    assert pack(graph) is graph


def test_the_pipeline_packs_a_step_behind_a_gradient():
    def loss(w, b, x):
        xp = tl.array_namespace(w)
        return xp.mean(xp.tanh(x @ w + b))

    def step(p, lr, x):
        w, b = split(p, [(3, 4), (4,)])
        g = tl.grad(loss, argnums=(0, 1))(w, b, x)
        return join([w - lr * g[0], b - lr * g[1]])

    graph, _ = trace(step, np.ones(16, "float32"), np.asarray(0.1, "float32"), np.ones((5, 3), "float32"))
    found = optimise(graph)
    assert [e.name for e in found.equations[-3:]] == ["concat", "multiply", "subtract"]
    assert found.equations[-1].operands[0] == found.inputs[0]


def test_the_norm_of_arrays_that_are_joined_is_that_of_the_array_joined():
    clipped = optim.chain(optim.clip_by_global_norm(1.0), optim.momentum(0.1))
    state = clipped.init(split(flat(0), SHAPES))

    def step(p, v, *grads):
        new, made = clipped.step(((), {**state[1], "velocity": split(v, SHAPES)}), split(p, SHAPES), list(grads))
        return join(new), join(made[1]["velocity"])

    graph, given = trace(step, flat(0), flat(1), *grads())
    found = optimise(graph)
    verify(found)
    assert [e.name for e in found.equations].count("matmul") == 1
    assert [e.name for e in found.equations].count("concat") == 1
    for x, y in zip(run(graph, *given), run(found, *given), strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-6)


def test_a_sum_of_squares_of_other_arrays_stays():
    s = Sketch()
    xs = [s.given(3) for _ in range(4)]
    squares = [s.matmul(x, x) for x in xs]
    graph = s.graph(s.add(s.add(squares[0], squares[1]), squares[2]), s.concat(*xs))
    assert norms(graph) is graph


def test_arrays_joined_in_another_order_have_the_same_norm():
    s = Sketch()
    xs = [s.given(3), s.given(2), s.given(4)]
    squares = [s.matmul(x, x) for x in xs]
    graph = s.graph(s.add(squares[2], s.add(squares[0], squares[1])), s.concat(*xs))
    found = dce(together("shared", movement, cse).settled(norms(graph)))
    assert lines(found) == ["y0 = concat(x0, x1, x2, axis=0)", "y1 = matmul(y0, y0)", "return y1, y0"]


def test_pieces_of_one_number_are_repeated_once():
    s = Sketch()
    graph = s.graph(s.concat(s.full(0.5, 2), s.full(0.5, 3)))
    assert lines(dce(pack(graph))) == ["y0 = broadcast_to(0.5, shape=(5,))", "return y0"]
