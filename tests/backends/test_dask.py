"""Dask: arrays of unknown shape are refused, what it does otherwise than the standard is put right, fills are lazy."""

import itertools
import pickle

import cloudpickle
import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi import backends, init
from tl_arrayapi.errors import ShapeError

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


@pytest.fixture(autouse=True)
def _in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def never():
    """A scheduler that fails the test: nothing may be computed."""

    def refuse(*args, **keywords):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=refuse):
        yield


@pytest.fixture
def backend():
    return backends.get(da)


def lazy(values, chunks):
    return da.from_array(np.asarray(values), chunks=chunks)


# ---- unknown shapes
def unknown():
    x = lazy([1.0, -2.0, 3.0, 4.0], 2)
    return x[x > 0]


def test_an_array_of_unknown_shape_is_refused_with_the_way_out(backend, never):
    with pytest.raises(ShapeError, match=r"args\[0\] has unknown chunk sizes.*compute_chunk_sizes"):
        backend.check(unknown(), "args[0]")


def test_gradients_refuse_an_array_of_unknown_shape_wherever_it_stands(never):
    xp, x = tl.namespace(da), lazy([1.0], 1)
    for call in (
        lambda: tl.grad(xp.sum)(unknown()),
        lambda: tl.grad(lambda x: xp.sum(x * unknown()))(x),
        lambda: tl.grad(lambda x, y: xp.sum(x) + xp.sum(y))(x, unknown()),
        lambda: tl.vjp(lambda x: x, unknown()),
    ):
        with pytest.raises(ShapeError, match="compute_chunk_sizes"):
            call()


def test_modules_refuse_an_input_of_unknown_shape_by_its_name():
    module = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w).sum(w * x), init_params=[[1.0]]).instantiate(xp=da)
    with pytest.raises(ShapeError, match=r'input 0 \("x"\) has unknown chunk sizes.*compute_chunk_sizes'):
        module.step(0.1, (unknown().astype("float32"),))


def test_the_way_out_works():
    x = unknown()
    x.compute_chunk_sizes()
    grad = tl.grad(lambda x: tl.array_namespace(x).sum(x * x))(x)
    np.testing.assert_array_equal(grad.compute(), [2.0, 6.0, 8.0])


# ---- what Dask does otherwise
def test_cholesky_gives_the_lower_factor_unless_the_upper_is_asked_for():
    root = np.tril(np.arange(1.0, 17.0).reshape(4, 4))
    xp, x = tl.namespace(da), lazy(root @ root.T, 2)
    lower, upper = (np.asarray(xp.linalg.cholesky(x, upper=flag)) for flag in (False, True))
    np.testing.assert_allclose(lower, root, atol=1e-9)
    np.testing.assert_allclose(upper, root.T, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(xp.linalg.cholesky(x)), lower)


@pytest.mark.parametrize(
    ("shape", "chunks"), [((6, 4), (4, 3)), ((4, 6), (3, 4)), ((24,), (5,)), ((2, 3, 4), (1, 2, 3))]
)
@pytest.mark.parametrize("target", [(8, 3), (3, 8), (24,), (2, 3, 4), (4, 3, 2), (-1, 6), (1, 24, 1)])
def test_arrays_in_uneven_chunks_take_every_shape(shape, chunks, target):
    values = np.arange(24.0).reshape(shape)
    out = tl.namespace(da).reshape(lazy(values, chunks), target)
    expected = values.reshape(target)
    assert out.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(out), expected)


def test_a_reshape_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"reshape|size"):
        tl.namespace(da).reshape(lazy(np.ones(6), 4), (4, 2))


def test_gradients_flow_through_an_uneven_reshape():
    weights = np.arange(24.0).reshape(8, 3)
    grad = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).reshape(x, (8, 3)) * lazy(weights, 5)))
    np.testing.assert_array_equal(grad(lazy(np.ones((6, 4)), (4, 3))).compute(), weights.reshape(6, 4))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_rows_are_added_whatever_the_chunks(backend, axis, chunks):
    updates, indices = np.arange(20.0).reshape(4, 5), np.asarray([2, -1, 2, 0, 2])[: (4, 5)[axis]]
    shape = (3, 5) if axis == 0 else (4, 3)
    out = backend.scatter_add(shape, lazy(indices, chunks), lazy(updates, chunks), axis)
    assert out.shape == shape
    np.testing.assert_array_equal(
        out.compute(), backends.get(None).scatter_add(shape, indices, updates, axis), strict=True
    )


# ---- fills
CHUNKINGS = [-1, (4, 3), ((1, 5, 4), (6, 1))]
SCHEMES = [
    init.uniform(-1.0, 2.0, 5),
    init.xavier_uniform(7, 10, 3),
    init.normal(0.0, 1.0, 9),
    init.ones(),
    init.zeros(),
]


@pytest.mark.parametrize("scheme", [*SCHEMES, init.flat([n / 7 for n in range(70)])], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_fill_has_the_same_bits_in_all_chunks_as_on_numpy(scheme, dtype):
    expected = init.materialize(scheme, (10, 7), dtype=dtype)
    for chunks in CHUNKINGS:
        out = init.materialize(scheme, (10, 7), da, dtype, chunks=chunks)
        assert out.dtype == expected.dtype
        assert out.compute().tobytes() == expected.tobytes()


def test_a_fill_is_cut_as_it_is_asked_for(never):
    for chunks in CHUNKINGS:
        out = init.materialize(init.zeros(), (10, 7), da, chunks=chunks)
        assert out.chunks == da.core.normalize_chunks(chunks, (10, 7))


def test_a_fill_passes_no_data_through_its_graph(never):
    def graph_bytes(n):
        out = init.materialize(init.uniform(0.0, 1.0, 1), (n, 1000), da, "float64", chunks=(n // 4, 1000))
        return len(cloudpickle.dumps(dict(out.__dask_graph__()), protocol=pickle.HIGHEST_PROTOCOL))

    # Eight megabytes of values more, and hardly a byte of graph.
    assert graph_bytes(2000) < graph_bytes(1000) + 1000 < 50_000


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_a_fill_of_one_element_or_none(shape):
    expected = init.materialize(init.uniform(0.0, 1.0, 1), shape)
    out = init.materialize(init.uniform(0.0, 1.0, 1), shape, da)
    assert isinstance(out, da.Array)
    np.testing.assert_array_equal(out.compute(), expected, strict=True)


@pytest.mark.parametrize("chunks", [((1, 2),), (3, 4, 5), "many", ((5, 4), (7,))])
def test_chunks_that_do_not_fit_are_refused(chunks):
    with pytest.raises(ShapeError, match="do not fit shape"):
        init.materialize(init.zeros(), (10, 7), da, chunks=chunks)


# ---- laziness
def test_nothing_is_computed_unasked(backend, never):
    x = lazy(np.ones((4, 3)), 2)
    grad = tl.grad(lambda x: tl.array_namespace(x).mean(tl.array_namespace(x).tanh(x * 2.5 + 1.0)))(x)
    assert isinstance(grad, da.Array)
    assert (grad.shape, grad.dtype) == ((4, 3), x.dtype)
    assert backend.device_of(grad) == "cpu"
    assert backend.result(grad) is grad
    backend.check(grad, "the gradient")


def test_persisting_leaves_nothing_to_compute(backend):
    x = lazy(np.ones((4, 3)), 2) * 2.0 + 1.0
    pair = [x, x.sum()]
    assert any(map(callable_tasks, pair))
    kept = backend.persist(pair)
    assert [int(np.prod(y.numblocks)) for y in kept] == [len(dict(y.__dask_graph__())) for y in kept] == [4, 1]
    assert not any(map(callable_tasks, kept))
    np.testing.assert_array_equal(kept[1].compute(), 36.0)


def callable_tasks(x):
    """Count the tasks of a graph that are more than data."""
    tasks = dict(x.__dask_graph__()).values()
    return sum(not isinstance(task, dask._task_spec.DataNode | np.ndarray | np.generic) for task in tasks)


def test_a_graph_does_not_grow_with_the_steps():
    module = tl.ScalarModuleDef(
        lambda w, x: tl.array_namespace(w).sum((w - x) ** 2), init_params=[np.ones(4)]
    ).instantiate(xp=da)
    xs, opt = module.asarrays((np.zeros(4),)), tl.optim.adam(0.1)
    state, sizes = module.init_optim(opt), []
    for _ in range(3):
        state = module.step_with(opt, state, xs)
        sizes.append([len(dict(x.__dask_graph__())) for x in (*module.params, *state["m"], *state["v"])])
    assert sizes[0] == sizes[1] == sizes[2]


def test_an_array_on_the_host_is_a_copy_of_what_was_given(backend):
    host = np.arange(3.0)
    there = backend.from_host(host)
    names = {backend.from_host(host).name for _ in range(3)}
    host[:] = 0
    np.testing.assert_array_equal(backend.to_host(there), [0.0, 1.0, 2.0])
    # Hashing the data for a name would read all of it.
    assert len(names) == 3


def test_every_chunking_gives_the_same_gradient():
    values = np.random.default_rng(3).normal(size=(6, 4))
    grads = [
        tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).exp(x) / (1 + x * x)))(lazy(values, chunks))
        for chunks in itertools.product((1, 4, 6), (3, 4))
    ]
    for grad in grads:
        np.testing.assert_array_equal(grad.compute(), grads[0].compute())
