"""Ways out of a trace: each raises, so that no gradient is lost without a word."""

import array
import copy
import importlib
import json
import math
import struct

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.libraries import installed
from tl_arrayapi.errors import WatchedError

# Under vmap there is no value to convert, with a gradient or without.
WORDS = "stop_gradient|under vmap"


def _assigned(x):
    host = np.zeros(3)
    host[0] = x[0]
    return host


def _added(x):
    host = np.zeros(3)
    host += x
    return host


# What these read is refused by us: the error names stop_gradient.
NAMED = {
    "float": lambda x: float(x[0]),
    "complex": lambda x: complex(x[0]),
    "math.sin": lambda x: math.sin(x[0]),
    "math.floor": lambda x: math.floor(x[0]),
    "math.fsum": lambda x: math.fsum(x),
    "percent": lambda x: "%f" % x[0],  # noqa: UP031  (the operator is what is tested)
    "array.array": lambda x: array.array("d", x),
    "numpy.asarray": np.asarray,
    "numpy.array of a list": lambda x: np.array([x[0], x[1]]),
    "numpy.array of rows": lambda x: np.array([x, x]),
    "numpy.float64": lambda x: np.float64(x[0]),
    "numpy.mean": np.mean,
    "numpy.dot": lambda x: np.dot(x, x),
    "numpy.concatenate": lambda x: np.concatenate([x, x]),
    "numpy.where": lambda x: np.where(np.asarray([True, False, True]), x, 0.0),
    "numpy.full": lambda x: np.full(3, x[0]),
    "numpy.sort": np.sort,
    "numpy.linalg.norm": np.linalg.norm,
    "numpy.linalg.det": lambda x: np.linalg.det([[x[0], x[1]], [x[1], x[2]]]),
    "numpy.fft.fft": np.fft.fft,
    "numpy.einsum": lambda x: np.einsum("i,i->", x, x),
    "numpy.interp": lambda x: np.interp(x, np.arange(3.0), np.arange(3.0)),
    "numpy.from_dlpack": np.from_dlpack,
}

# Others refuse these in their own words.
REFUSED = {
    "numpy.exp": np.exp,
    "numpy.add": lambda x: np.add(np.ones(3), x),
    "numpy.add.reduce": np.add.reduce,
    "numpy.sum": np.sum,
    "struct": lambda x: struct.pack("d", x[0]),
    "assignment to an item of an ndarray": _assigned,
    "ndarray.fill": lambda x: np.zeros(3).fill(x[0]),
    "in-place addition to an ndarray": _added,
    "round": lambda x: round(x[0]),
    "format": lambda x: format(x[0], ".2f"),
    "json": lambda x: json.dumps(x[0]),
    "memoryview": memoryview,
    "bytes": lambda x: bytes(x[0]),
    "hash": hash,
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "index": lambda x: [10, 20, 30][x[0]],
    "range": lambda x: range(x[0]),
}


def under_grad(action, x):
    def loss(x):
        action(x)
        return tl.array_namespace(x).sum(x)

    return tl.grad(loss)(x)


def under_jvp(action, x):
    def f(x):
        action(x)
        return x * 1.0

    return tl.jvp(f, (x,), (x,))


def under_vmap(action, x):
    space = tl.namespace(tl.array_namespace(x))

    def f(x):
        action(x)
        return x * 1.0

    return tl.vmap(f)(tl.stop_gradient(space.stack([x, x])).value)


each_transform = pytest.mark.parametrize("transform", [under_grad, under_jvp, under_vmap])


@each_transform
@pytest.mark.parametrize("name", NAMED)
def test_what_reads_a_watched_array_is_refused_and_names_stop_gradient(xp, name, transform):
    with pytest.raises(WatchedError, match=WORDS):
        transform(NAMED[name], xp.asarray([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_take_an_array_refuses_it(xp, name):
    with pytest.raises((TypeError, AttributeError, IndexError, ValueError, struct.error)):
        under_grad(REFUSED[name], xp.asarray([1.0, 2.0, 3.0]))


def test_constants_may_leave(xp):
    def loss(x):
        space = tl.array_namespace(x)
        constant = tl.stop_gradient(x)
        assert float(constant[0]) == 1.0
        np.testing.assert_array_equal(np.asarray(constant), [1.0, 2.0, 3.0])
        assert math.fsum(constant) == 6.0
        return space.sum(x)

    tl.grad(loss)(xp.asarray([1.0, 2.0, 3.0]))


def test_numpys_copy_of_a_constant_is_its_own(xp):
    constant = tl.namespace(xp.namespace).lift(xp.asarray([1.0, 2.0]))
    copied = np.array(constant)
    copied[0] = 9.0
    np.testing.assert_array_equal(np.asarray(constant), [1.0, 2.0])
    assert np.asarray(constant, dtype="float32").dtype == np.float32


def test_builtin_functions_over_elements_keep_the_gradient(xp):
    def loss(x):
        return sum(x) + max(x) * min(x) + math.prod(x) + copy.copy(x)[0]

    g = tl.grad(loss)(xp.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [1 + 3 + 6 + 1, 1 + 3, 1 + 1 + 2], rtol=1e-5)


def test_copies_keep_the_gradient_and_are_not_written_to(xp):
    def loss(x):
        shallow, deep = copy.copy(x), copy.deepcopy({"nested": x})["nested"]
        x[0] = 0.0
        return tl.array_namespace(x).sum(shallow * deep * 1.0)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0]))), [2.0, 4.0])


def test_decisions_read_values_and_leave_no_trace(xp):
    def loss(x):
        return x[0] * 2 if x[0] > x[1] else x[1] * int(x[2])

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0, 3.0]))), [0.0, 3.0, 0.0])


# ---- functions of the libraries themselves
def _torch():
    import torch

    return {
        "exp": torch.exp,
        "sum": torch.sum,
        "stack": lambda x: torch.stack([x[0], x[1]]),
        "as_tensor": torch.as_tensor,
        "tensor of a list": lambda x: torch.tensor([x[0], x[1]]),
        "from_dlpack": torch.from_dlpack,
        "add": lambda x: torch.add(torch.ones(3), x),
        "linalg.norm": torch.linalg.norm,
        "nn.functional": torch.nn.functional.softplus,
        "item of a tensor": lambda x: torch.zeros(3).__setitem__(0, x[0]),
        "fill_": lambda x: torch.zeros(3).fill_(x[0]),
    }


def _jax():
    import jax

    return {
        "exp": jax.numpy.exp,
        "sum": jax.numpy.sum,
        "asarray": jax.numpy.asarray,
        "array of a list": lambda x: jax.numpy.array([x[0], x[1]]),
        "from_dlpack": jax.numpy.from_dlpack,
        "add": lambda x: jax.numpy.add(jax.numpy.ones(3), x),
        "at set": lambda x: jax.numpy.zeros(3).at[0].set(x[0]),
        "jit": lambda x: jax.jit(lambda t: t * 2)(x),
        "lax": lambda x: jax.lax.sin(x),
        "device_put": jax.device_put,
    }


def _dask():
    import dask.array

    return {
        "exp": dask.array.exp,
        "sum": lambda x: dask.array.sum(x).compute(),
        # One chunk is the Array itself, still watched; several are joined by NumPy.
        "from_array": lambda x: dask.array.from_array(x, chunks=2).compute(),
        "stack": lambda x: dask.array.stack([x, x]).compute(),
        "add": lambda x: dask.array.add(dask.array.ones(3), x).compute(),
        "map_blocks": lambda x: dask.array.ones(3).map_blocks(np.add, x).compute(),
    }


def _strict():
    import array_api_strict

    return {
        "exp": array_api_strict.exp,
        "sum": array_api_strict.sum,
        "asarray": array_api_strict.asarray,
        "from_dlpack": array_api_strict.from_dlpack,
        "add": lambda x: array_api_strict.add(array_api_strict.ones(3), x),
        "stack": lambda x: array_api_strict.stack([x, x]),
        "operator": lambda x: array_api_strict.ones(3) * x,
    }


LIBRARIES = {"torch": _torch, "jax.numpy": _jax, "dask.array": _dask, "array_api_strict": _strict}


@pytest.mark.parametrize("library", LIBRARIES)
@each_transform
def test_no_function_of_a_library_takes_a_traced_array(library, transform, subtests):
    if not installed(library):
        pytest.skip(f"{library} is not installed")
    backend = tl.backends.get(importlib.import_module(library))
    for name, action in LIBRARIES[library]().items():
        x = backend.from_host(np.asarray([1.0, 2.0, 3.0]))
        with subtests.test(name), pytest.raises((TypeError, AttributeError, ValueError)):
            transform(action, x)
