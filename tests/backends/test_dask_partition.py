"""Programs on Dask's arrays: what functions make of a cut, one program a chunk, and why not where there is none."""

import pickle
from collections import Counter
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import tl_arrayapi as tl
from tests.backends.graphs import graph_of, runtime
from tests.backends.random_graphs import random_graph
from tests.libraries import load
from tl_arrayapi import backends
from tl_arrayapi.autograd.programs import runtime_of
from tl_arrayapi.graph.evaluate import evaluate

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from dask.callbacks import Callback  # noqa: E402  (after importorskip)

from tl_arrayapi.backends.dask.partition import DaskProgram, blocks  # noqa: E402  (after importorskip)
from tl_arrayapi.backends.dask.partition.axes import axes_of  # noqa: E402  (after importorskip)
from tl_arrayapi.backends.dask.partition.grid import grid_of  # noqa: E402  (after importorskip)
from tl_arrayapi.backends.dask.partition.joins import Join  # noqa: E402  (after importorskip)
from tl_arrayapi.backends.dask.partition.lattice import Lattice, Split  # noqa: E402  (after importorskip)
from tl_arrayapi.backends.dask.partition.positions import Positions  # noqa: E402  (after importorskip)

NUMPY = load("numpy")


def of_namespace(xp):
    return runtime_of(tl.namespace(xp).ground, None)


def traced(f, *args):
    graph, captured = graph_of(NUMPY, f, *args)
    assert not captured
    return graph


def program_of(graph):
    portable = backends.get(da).portable(graph, of_namespace(da))
    return DaskProgram(graph, portable, of_namespace)


def expected(graph, args):
    functions = runtime(NUMPY)
    return evaluate(graph, args, functions.function, functions.number, functions.dtype)


def chunked(args, chunks):
    return [da.from_array(x, chunks=c) for x, c in zip(args, chunks, strict=True)]


def computed(program, args, chunks):
    outputs = program(*chunked(args, chunks))
    return dask.compute(*outputs, scheduler="synchronous")


def assert_same(program, args, chunks, tolerance=1e-10):
    lazy = program(*chunked(args, chunks))
    for out, want, array in zip(
        dask.compute(*lazy, scheduler="synchronous"), expected(program.graph, args), lazy, strict=True
    ):
        assert (array.shape, array.dtype, np.shape(out)) == (want.shape, want.dtype, want.shape)
        np.testing.assert_allclose(out, want, rtol=tolerance, atol=tolerance)


class Tasks(Callback):
    """Count the tasks that run, by what they are: data that is there already is none."""

    def __init__(self):
        super().__init__(posttask=self.count)
        self.counts = Counter()

    def count(self, key, result, dsk, state, worker):
        name = key if isinstance(key, str) else key[0]
        self.counts[name.partition("-")[0]] += 1


def tasks(program, args, chunks):
    """Return how many tasks of each sort run after Dask's own optimisation."""
    with Tasks() as ran:
        dask.persist(*program(*chunked(args, chunks)), scheduler="synchronous")
    return ran.counts


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    monkeypatch.setattr(blocks, "_PER_PART", 0)


# ---- what each function makes of a cut
ROWS, COLUMNS = Split(0), Split(1)
SHAPES = {"x": (6, 4), "y": (6, 4), "w": (4, 3), "stack": (6, 4, 4), "flat": (24,), "row": (4,), "labels": (6,)}


def split_after(f, **cuts):
    """Return how the first output of ``f`` is held where its arguments are cut so: "joined" or "gathered" if whole."""
    args = [np.zeros(SHAPES[name], "int64" if name == "labels" else "float64") for name in cuts]
    graph = traced(lambda *xs: (f(tl.array_namespace(*xs), *xs),), *args)
    lattice = Lattice(graph, list(cuts.values()), Positions(graph).axes)
    (out,) = graph.outputs
    if lattice.gathered:
        return "gathered"
    return "joined" if lattice.levels[out] else lattice.splits[out]


@pytest.mark.parametrize(
    ("f", "cuts", "found"),
    [
        (lambda xp, x, y: x + y, {"x": ROWS, "y": ROWS}, ROWS),
        (lambda xp, x, y: x + y, {"x": ROWS, "y": None}, ROWS),
        (lambda xp, x, y: x + y, {"x": ROWS, "y": COLUMNS}, "gathered"),
        (lambda xp, x, row: x * row, {"x": ROWS, "row": None}, ROWS),
        (lambda xp, x, row: x * row, {"x": None, "row": ROWS}, COLUMNS),
        (lambda xp, x: xp.astype(x, xp.float32), {"x": COLUMNS}, COLUMNS),
        (lambda xp, x: xp.where(x > 0, x, 0.0), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.sum(x, axis=0), {"x": ROWS}, "joined"),
        (lambda xp, x: xp.sum(x, axis=1), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.max(x, axis=0, keepdims=True), {"x": COLUMNS}, COLUMNS),
        (lambda xp, x: xp.max(x), {"x": ROWS}, "joined"),
        (lambda xp, x: xp.argmax(x, axis=0), {"x": ROWS}, "gathered"),
        (lambda xp, x: xp.argmax(x, axis=1), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.cumulative_sum(x, axis=0), {"x": ROWS}, "gathered"),
        (lambda xp, x: xp.cumulative_sum(x, axis=1), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.argsort(x, axis=0), {"x": COLUMNS}, COLUMNS),
        (lambda xp, x, w: x @ w, {"x": ROWS, "w": None}, ROWS),
        (lambda xp, x, w: x @ w, {"x": None, "w": COLUMNS}, COLUMNS),
        (lambda xp, x, w: x @ w, {"x": COLUMNS, "w": ROWS}, "joined"),
        (lambda xp, x, w: x @ w, {"x": COLUMNS, "w": None}, "joined"),
        (lambda xp, x, row: x @ row, {"x": ROWS, "row": None}, ROWS),
        (lambda xp, stack, w: stack @ w, {"stack": ROWS, "w": None}, ROWS),
        (lambda xp, stack, w: stack @ w, {"stack": Split(1), "w": None}, Split(1)),
        (lambda xp, x: xp.permute_dims(x, (1, 0)), {"x": ROWS}, COLUMNS),
        (lambda xp, x: xp.expand_dims(x, axis=0), {"x": ROWS}, COLUMNS),
        (lambda xp, x: xp.reshape(x, (24,)), {"x": ROWS}, Split(0, 4)),
        (lambda xp, x: xp.reshape(x, (24,)), {"x": COLUMNS}, "gathered"),
        (lambda xp, flat: xp.reshape(flat, (6, 4)), {"flat": Split(0, 8)}, Split(0, 2)),
        (lambda xp, flat: xp.reshape(flat, (6, 4)), {"flat": Split(0, 6)}, "gathered"),
        (lambda xp, flat: xp.reshape(flat, (4, 6)), {"flat": Split(0, 12)}, Split(0, 2)),
        (lambda xp, x: xp.reshape(x, (8, 3)), {"x": Split(0, 3)}, Split(0, 4)),
        (lambda xp, stack: xp.reshape(stack, (24, 4)), {"stack": ROWS}, Split(0, 4)),
        (lambda xp, row: xp.broadcast_to(row, (5, 4)), {"row": ROWS}, COLUMNS),
        (lambda xp, x: xp.flip(x, axis=0), {"x": ROWS}, "gathered"),
        (lambda xp, x: xp.flip(x, axis=1), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.roll(x, 1, axis=1), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.tile(x, (1, 2)), {"x": ROWS}, ROWS),
        (lambda xp, x: xp.tile(x, (2, 1)), {"x": ROWS}, "gathered"),
        (lambda xp, x, y: xp.concat([x, y], axis=1), {"x": ROWS, "y": ROWS}, ROWS),
        (lambda xp, x, y: xp.concat([x, y], axis=0), {"x": ROWS, "y": ROWS}, "gathered"),
        (lambda xp, x, y: xp.stack([x, y], axis=0), {"x": ROWS, "y": None}, COLUMNS),
        (lambda xp, stack: xp.tril(stack), {"stack": ROWS}, ROWS),
        (lambda xp, stack: xp.tril(stack), {"stack": COLUMNS}, "gathered"),
        (lambda xp, x: x[:, 1:3], {"x": ROWS}, ROWS),
        (lambda xp, x: x[:, 1], {"x": ROWS}, ROWS),
        (lambda xp, x: x[1:], {"x": ROWS}, "gathered"),
        (lambda xp, w, labels: xp.take(w, labels % 4, axis=0), {"w": None, "labels": ROWS}, ROWS),
        (lambda xp, w, labels: xp.take(w, labels % 4, axis=0), {"w": COLUMNS, "labels": None}, COLUMNS),
        (lambda xp, x, labels: xp.take_along_axis(x, labels[:, None], axis=1), {"x": ROWS, "labels": ROWS}, ROWS),
        (lambda xp, row, x: xp.searchsorted(row, x[:, 0]), {"row": None, "x": ROWS}, ROWS),
        (lambda xp, stack: xp.linalg.inv(stack), {"stack": ROWS}, ROWS),
        (lambda xp, stack: xp.linalg.eigh(stack).eigenvectors, {"stack": ROWS}, ROWS),
        (lambda xp, stack: xp.linalg.inv(stack), {"stack": COLUMNS}, "gathered"),
        (lambda xp, stack, x: xp.linalg.solve(stack, x[..., None]), {"stack": ROWS, "x": ROWS}, ROWS),
    ],
)
def test_a_cut_goes_through_a_function_as_its_axes_go(f, cuts, found):
    assert split_after(f, **cuts) == found


def test_what_a_cut_axis_is_reduced_by_joins_the_parts():
    joins = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "count_nonzero": "add"}
    for name, join in {**joins, "all": "logical_and", "any": "logical_or"}.items():
        graph = traced(lambda x, name=name: (getattr(tl.array_namespace(x), name)(x, axis=0),), np.ones((6, 4)))
        assert axes_of(graph.equations[0]).combine == join


def test_nothing_empty_is_cut():
    (equation,) = traced(lambda x: (x + 1.0,), np.ones((0, 4))).equations
    assert axes_of(equation).results == ((None, None),)


# ---- positions
def rows_of(f, *args):
    """Return the rows that the positions of the first take of ``f`` stay in."""
    graph = traced(f, *args)
    take = next(e for e in graph.equations if e.name == "take")
    return Positions(graph).rows(take.operands[1], take.operands[0].shape[take.get("axis")])


X, LABELS = np.zeros((6, 4)), np.zeros(6, "int64")


def test_take_along_the_last_axis_stays_in_its_row():
    assert rows_of(lambda x, i: (tl.array_namespace(x).take_along_axis(x, i[:, None], axis=1),), X, LABELS) == 6


def test_indexing_by_a_range_and_labels_stays_in_its_row():
    def f(x, i):
        return (x[tl.array_namespace(x).arange(6), i],)

    graph = traced(f, X, LABELS)
    lattice = Lattice(graph, [ROWS, ROWS], Positions(graph).axes)
    assert not lattice.gathered
    assert lattice.splits[graph.outputs[0]] == ROWS


def test_take_along_the_first_axis_does_not_stay_in_its_row():
    assert rows_of(lambda x, i: (tl.array_namespace(x).take_along_axis(x, i[None, :4], axis=0),), X, LABELS) is None


def flat_take(index):
    """Return a function that takes from the flat array at a place that is off by ``index`` of the row and label."""

    def f(x, i):
        xp = tl.array_namespace(x)
        flat = index(xp, xp.arange(6) * 4, i)
        return (xp.take(xp.reshape(x, (24,)), flat, axis=0),)

    return f


def test_positions_of_unchecked_labels_may_leave_their_row():
    assert rows_of(flat_take(lambda xp, row, i: row + i), X, LABELS) is None


def test_positions_of_labels_that_are_bounded_stay():
    assert rows_of(flat_take(lambda xp, row, i: row + i % 4), X, LABELS) == 6
    assert rows_of(flat_take(lambda xp, row, i: row + xp.clip(i, 0, 3)), X, LABELS) == 6
    assert rows_of(flat_take(lambda xp, row, i: row + xp.where((i < 0) | (i > 3), 0, i)), X, LABELS) == 6


def test_positions_one_beyond_their_row_leave_it():
    assert rows_of(flat_take(lambda xp, row, i: row + i % 5), X, LABELS) is None
    assert rows_of(flat_take(lambda xp, row, i: row + xp.clip(i, -1, 3)), X, LABELS) is None
    assert rows_of(flat_take(lambda xp, row, i: row + xp.where((i < 0) | (i > 4), 0, i)), X, LABELS) is None


def test_a_comparison_says_nothing_of_the_other_branch():
    assert rows_of(flat_take(lambda xp, row, i: row + xp.where((i < 0) | (i > 3), i, 0)), X, LABELS) is None
    assert rows_of(flat_take(lambda xp, row, i: row + xp.where((i < 0) & (i > 3), 0, i)), X, LABELS) is None


def test_positions_of_a_dtype_that_wraps_around_are_not_bounded():
    def f(x, i):
        xp = tl.array_namespace(x)
        small = xp.astype(i % 4, xp.int8)
        row = xp.astype(xp.arange(100), xp.int8) * 4
        return (xp.take(xp.reshape(x, (400,)), row + small, axis=0),)

    assert rows_of(f, np.zeros((100, 4)), np.zeros(100, "int64")) is None


def test_positions_that_share_what_they_are_made_of_are_bounded_in_no_time():
    def index(xp, row, i):
        i = i % 2
        for _ in range(60):
            i = xp.minimum(i + i, 1)
        return row + i

    assert rows_of(flat_take(index), X, LABELS) == 6


# ---- the grid
def test_the_largest_input_gives_the_cut_and_others_follow():
    grid = grid_of([(((4, 4, 2), (3,)), 8), (((5, 5),), 8), (((3,),), 8)], 1000)
    assert (grid.steps, grid.splits) == ((2, 2, 1), (Split(0, 2), Split(0, 2), None))
    assert grid.chunks == (None, ((4, 4, 2),), None)


def test_empty_chunks_are_left_out():
    assert grid_of([(((2, 0, 4), (3,)), 8)], 1000).chunks == (((2, 4), (3,)),)


def test_an_array_of_one_chunk_beside_an_empty_one_is_whole():
    assert grid_of([(((5, 0),), 8)], 1000).splits == (None,)


# ---- whole programs
def regression(w, b, x, y):
    def loss(w, b):
        return tl.array_namespace(w, x).mean((x @ w + b - y) ** 2)

    value, (gw, gb) = tl.value_and_grad(loss, argnums=(0, 1))(w, b)
    return value, w - 0.1 * gw, b - 0.1 * gb


def classes(w1, b1, w2, b2, x, labels):
    def loss(w1, b1, w2, b2):
        xp = tl.array_namespace(w1, x)
        z = xp.tanh(x @ w1 + b1) @ w2 + b2
        z = z - xp.max(z, axis=-1, keepdims=True)
        total = xp.log(xp.sum(xp.exp(z), axis=-1))
        return xp.mean(total - xp.take_along_axis(z, labels[:, None], axis=1)[:, 0])

    value, grads = tl.value_and_grad(loss, argnums=(0, 1, 2, 3))(w1, b1, w2, b2)
    return (value, *(p - 0.1 * g for p, g in zip((w1, b1, w2, b2), grads, strict=True)))


def layer_norm(gain, x):
    def loss(gain):
        xp = tl.array_namespace(gain, x)
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        return xp.sum((gain * centred / xp.sqrt(xp.var(x, axis=-1, keepdims=True) + 1e-5)) ** 3)

    return tl.value_and_grad(loss)(gain)


def batch_norm(gain, x):
    def loss(gain, x):
        xp = tl.array_namespace(gain, x)
        return xp.sum((gain * (x - xp.mean(x, axis=0)) / xp.sqrt(xp.var(x, axis=0) + 1e-5)) ** 3)

    value, grads = tl.value_and_grad(loss, argnums=(0, 1))(gain, x)
    return (value, *grads)


def attention(wq, wk, wv, x):
    def loss(wq, wk, wv):
        xp = tl.array_namespace(wq, x)
        scores = (x @ wq) @ xp.matrix_transpose(x @ wk) / 8.0
        e = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        return xp.mean((e / xp.sum(e, axis=-1, keepdims=True) @ (x @ wv) + x) ** 2)

    value, grads = tl.value_and_grad(loss, argnums=(0, 1, 2))(wq, wk, wv)
    return (value, *grads)


def recurrent(wx, wh, x):
    def loss(wx, wh):
        xp = tl.array_namespace(wx, x)
        h = xp.zeros((x.shape[0], wh.shape[0]), dtype=x.dtype)
        for t in range(x.shape[1]):
            h = xp.tanh(x[:, t, :] @ wx + h @ wh)
        return xp.mean(h**2)

    value, grads = tl.value_and_grad(loss, argnums=(0, 1))(wx, wh)
    return (value, *grads)


def convolution(kernel, x):
    def loss(kernel):
        xp = tl.array_namespace(kernel, x)
        length = x.shape[1] - kernel.shape[0] + 1
        return xp.mean(sum(x[:, i : i + length] * kernel[i] for i in range(kernel.shape[0])) ** 2)

    return tl.value_and_grad(loss)(kernel)


def embedding(table, indices):
    def loss(table):
        xp = tl.array_namespace(table)
        return xp.sum(xp.take(table, indices, axis=0) ** 2)

    return tl.value_and_grad(loss)(table)


def noisy(x):
    """Positions along the cut axis, as dropout masks have them."""
    xp = tl.array_namespace(x)
    places = xp.reshape(xp.arange(x.shape[0] * x.shape[1]), x.shape)
    return x * xp.astype(places % 3 > 0, x.dtype), xp.sum(x * xp.astype(places, x.dtype))


def of_a_whole(x, y):
    """A cut array beside a whole one of the same length, which each chunk cuts for itself."""
    return tl.array_namespace(x).sum(x * y), x - y


def scanned(x):
    xp = tl.array_namespace(x)
    return xp.cumulative_sum(x, axis=0) * 2, xp.sum(xp.exp(-(x**2)))


def gram(x):
    xp = tl.array_namespace(x)
    return xp.sum(x @ x.T), xp.tanh(x @ x.T)


def untouched(x, w):
    return x, w, tl.array_namespace(x).zeros(3)


INTEGERS = np.random.default_rng(1).integers(-4, 5, size=50)
CASES = {
    "regression": (regression, [normal(3, 1), normal(1), normal(50, 3), normal(50, 1)], (None, None, 0, 0)),
    "classes": (
        classes,
        [normal(7, 8), normal(8), normal(8, 5), normal(5), normal(50, 7), INTEGERS],
        (None, None, None, None, 0, 0),
    ),
    "layer_norm": (layer_norm, [normal(7), normal(50, 7)], (None, 0)),
    "batch_norm": (batch_norm, [normal(7), normal(50, 7)], (None, 0)),
    "attention": (attention, [normal(6, 6), normal(6, 6), normal(6, 6), normal(50, 5, 6)], (None, None, None, 0)),
    "recurrent": (recurrent, [normal(3, 4), normal(4, 4), normal(50, 5, 3)], (None, None, 0)),
    "convolution": (convolution, [normal(3), normal(50, 9)], (None, 0)),
    "embedding": (embedding, [normal(11, 3), INTEGERS + 4], (None, 0)),
    "noisy": (noisy, [normal(50, 3)], (0,)),
    "of_a_whole": (of_a_whole, [normal(50, 3), normal(50, 3, seed=1)], (0, None)),
    "scanned": (scanned, [normal(50, 3)], (0,)),
    "gram": (gram, [normal(50, 4)], (0,)),
    "untouched": (untouched, [normal(50, 4), normal(2)], (0, None)),
    "columns": (regression, [normal(50, 1), normal(1), normal(3, 50), normal(3, 1)], (None, None, 1, None)),
}
PROGRAMS = {name: program_of(traced(f, *args)) for name, (f, args, _) in CASES.items()}


def cut_lengths(draw, total):
    ends = sorted(draw(st.sets(st.integers(1, total - 1), max_size=6)))
    return tuple(b - a for a, b in zip([0, *ends], [*ends, total], strict=True))


@st.composite
def chunkings(draw):
    name = draw(st.sampled_from(sorted(CASES)))
    _, args, axes = CASES[name]
    lengths = cut_lengths(draw, 50)
    found = []
    for x, axis in zip(args, axes, strict=True):
        mine = lengths if draw(st.integers(0, 3)) else cut_lengths(draw, 50)  # now and then, otherwise than others
        found.append(tuple(mine if i == axis else (n,) for i, n in enumerate(x.shape)))
    return name, found


@given(chunkings())
def test_any_chunking_gives_what_the_evaluator_does(case):
    name, chunks = case
    assert_same(PROGRAMS[name], CASES[name][1], chunks)


@pytest.mark.parametrize("name", CASES)
def test_blocks_of_a_chunk_give_what_the_evaluator_does(name, small_blocks):
    f, args, axes = CASES[name]
    chunks = [
        tuple((20, 29, 1) if i == axis else (n,) for i, n in enumerate(x.shape))
        for x, axis in zip(args, axes, strict=True)
    ]
    assert_same(program_of(traced(f, *args)), args, chunks)


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_of_whole_numbers_give_the_bits_of_the_evaluator(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    graph = random_graph(seed, int(rng.integers(3, 30)))
    args = [rng.integers(-3, 4, v.shape).astype("float64") for v in graph.inputs]
    axis = int(rng.integers(2))
    chunks = [tuple(random_cut(rng, n) if i == axis else (n,) for i, n in enumerate(v.shape)) for v in graph.inputs]
    monkeypatch.setattr(blocks, "BLOCK_BYTES", (1, 100, 1 << 23)[seed % 3])
    monkeypatch.setattr(blocks, "_PER_PART", 0)
    outputs = computed(program_of(graph), args, chunks)
    for out, want in zip(outputs, expected(graph, args), strict=True):
        np.testing.assert_array_equal(out, want, strict=np.ndim(want) > 0)  # Dask computes scalars for no axes


def random_cut(rng, length):
    ends = sorted({0, length, *rng.integers(0, length + 1, 3).tolist()})
    return tuple(b - a for a, b in pairwise(ends)) or (0,)


def test_chunks_along_both_axes_are_brought_to_rows_and_that_is_said():
    _, args, _ = CASES["regression"]
    program = PROGRAMS["regression"]
    assert_same(program, args, [-1, -1, (20, 2), (20, 1)])
    assert program.report().notes == ("input 2: chunks (2, 1) become (3,)",)


def test_parameters_in_several_chunks_become_one():
    _, args, _ = CASES["regression"]
    lazy = PROGRAMS["regression"](*chunked(args, [(2, 1), -1, (20, 3), (20, 1)]))
    assert_same(PROGRAMS["regression"], args, [(2, 1), -1, (20, 3), (20, 1)])
    assert [x.numblocks for x in lazy] == [(), (1, 1), (1,)]


def test_a_regression_is_one_task_a_chunk_and_one_for_all_the_rest():
    _, args, _ = CASES["regression"]
    program = PROGRAMS["regression"]
    assert tasks(program, args, [-1, -1, (10, 3), (10, 1)]) == {"chunk": 5, "once": 1, "output": 3}
    assert [step.what for step in program.report().steps] == ["in each of 5 chunks, round 0", "once, round 1"]


def test_labels_cost_no_task_of_their_own():
    _, args, _ = CASES["classes"]
    chunks = [-1, -1, -1, -1, (10, 7), (10,)]
    assert tasks(PROGRAMS["classes"], args, chunks) == {"chunk": 5, "once": 1, "output": 5}


def test_many_parts_are_joined_by_a_tree(monkeypatch):
    from tl_arrayapi.backends.dask.partition import plan

    monkeypatch.setattr(plan, "FAN_IN", 3)
    f, args, _ = CASES["regression"]
    program = program_of(traced(f, *args))
    chunks = [-1, -1, (5, 3), (5, 1)]
    assert tasks(program, args, chunks) == {"chunk": 10, "join": 3 + 1, "once": 1, "output": 3}
    assert_same(program, args, chunks)


def test_arrays_of_one_chunk_are_one_task():
    _, args, _ = CASES["regression"]
    assert tasks(PROGRAMS["regression"], args, [-1, -1, -1, -1]) == {"once": 1, "output": 3}
    assert_same(PROGRAMS["regression"], args, [-1, -1, -1, -1])


def test_an_output_that_is_cut_keeps_its_chunks():
    x = normal(50, 3)
    program = program_of(traced(lambda x: (tl.array_namespace(x).tanh(x),), x))
    (out,) = program(da.from_array(x, chunks=(20, 3)))
    assert out.chunks == ((20, 20, 10), (3,))


def test_calling_computes_nothing():
    def refuse(*args, **keywords):
        raise AssertionError("something was computed")

    _, args, _ = CASES["batch_norm"]
    with dask.config.set(scheduler=refuse):
        assert len(PROGRAMS["batch_norm"](*chunked(args, [-1, (20, 7)]))) == 3


def test_two_runs_in_threads_give_the_same_bits():
    _, args, _ = CASES["classes"]
    chunks = [-1, -1, -1, -1, (7, 7), (7,)]
    runs = [dask.compute(*PROGRAMS["classes"](*chunked(args, chunks)), scheduler="threads") for _ in range(5)]
    assert all(a.tobytes() == b.tobytes() for run in runs for a, b in zip(run, runs[0], strict=True))


def test_parts_are_joined_in_the_order_of_chunks():
    parts = [(np.float32(x),) for x in (1e8, 1.0, -1e8, 1.0, 3.0)]
    assert Join(("add",))(parts) == ((np.float32(1e8) + np.float32(1) + (np.float32(-1e8) + np.float32(1))) + 3,)


def test_the_graph_of_tasks_is_small_and_pickles():
    _, args, _ = CASES["classes"]
    outputs = PROGRAMS["classes"](*chunked(args, [-1, -1, -1, -1, (7, 7), (7,)]))
    added = {k: v for k, v in dict(outputs[0].__dask_graph__()).items() if str(k).find("chunk-0") >= 0}
    assert len(added) == 8
    assert len(pickle.dumps(list(added.values()))) < 20_000


def test_outputs_are_arrays_that_dask_goes_on_with():
    _, args, _ = CASES["regression"]
    program = PROGRAMS["regression"]
    chunks = [-1, -1, (20, 3), (20, 1)]
    _, w, b = program(*chunked(args, chunks))
    again = program(w, b, *chunked(args, chunks)[2:])
    want = expected(program.graph, [*expected(program.graph, args)[1:], *args[2:]])
    for got, expect in zip(dask.compute(*again, (w * 2).sum(), scheduler="synchronous")[:3], want, strict=True):
        np.testing.assert_allclose(got, expect, rtol=1e-10)


def test_labels_outside_of_their_classes_are_refused_where_they_are():
    _, args, _ = CASES["classes"]
    wrong = [*args[:-1], np.where(np.arange(50) == 30, 5, args[-1])]
    with pytest.raises(IndexError):
        computed(PROGRAMS["classes"], wrong, [-1, -1, -1, -1, (20, 7), (20,)])


# ---- compiled functions and modules
def test_a_compiled_function_of_chunked_arrays_is_one_task_a_chunk():
    _, args, _ = CASES["classes"]
    given_arrays = chunked(args, [-1, -1, -1, -1, (10, 7), (10,)])
    with Tasks() as ran:
        dask.persist(*tl.compile(classes)(*given_arrays), scheduler="synchronous")
    assert ran.counts == {"chunk": 5, "once": 1, "output": 5}


@pytest.mark.parametrize("optimiser", [tl.optim.sgd(0.1), tl.optim.adam(0.1)], ids=["sgd", "adam"])
def test_a_step_of_a_module_runs_a_tenth_of_the_tasks_and_gives_the_losses(optimiser):
    def loss(w1, b1, w2, b2, x, labels):
        xp = tl.array_namespace(w1, x)
        z = xp.tanh(x @ w1 + b1) @ w2 + b2
        right = xp.astype(labels[:, None] == xp.arange(5), z.dtype)
        return xp.mean(xp.log(xp.sum(xp.exp(z), axis=-1)) - xp.sum(right * z, axis=-1))

    _, args, _ = CASES["classes"]
    inputs = chunked([args[4].astype("float32"), args[5] % 5], [(5, 7), (5,)])
    losses, ran = {}, {}
    for way in ("eager", "compiled"):
        module = tl.ScalarModule.create(loss, args[:4], options=tl.Options(xp=da, backend=way))
        state, losses[way] = module.init_optim(optimiser), []
        for _ in range(3):
            with dask.config.set(scheduler="synchronous"), Tasks() as counter:
                state, value = module.step_with_loss(optimiser, state, inputs)
            losses[way].append(float(value))
            ran[way] = counter.counts.total()
    assert losses["compiled"] == pytest.approx(losses["eager"], rel=1e-5)
    assert 10 * ran["compiled"] <= ran["eager"]


def test_a_dropout_mask_is_made_chunk_by_chunk_and_is_that_of_the_eager_engine():
    def loss(w, x, *, key=None):
        xp = tl.array_namespace(w, x)
        h = x @ w
        return xp.mean((h * xp.astype(tl.random.bernoulli(key, 0.5, h.shape), h.dtype)) ** 2)

    inputs = chunked([normal(50, 3).astype("float32")], [(7, 3)])
    losses = {}
    for way in ("eager", "compiled"):
        module = tl.ScalarModule.create(loss, [normal(3, 4)], options=tl.Options(xp=da, backend=way))
        with dask.config.set(scheduler="synchronous"), Tasks() as counter:
            losses[way] = [float(module.step(0.1, inputs)) for _ in range(3)]
    assert losses["compiled"] == pytest.approx(losses["eager"], rel=1e-5)
    assert counter.counts["chunk"] == 3 * 8
    assert counter.counts["once"] == 3


def test_what_is_to_be_exact_runs_as_the_eager_engine_does():
    graph = traced(regression, *CASES["regression"][1])
    exact = runtime_of(tl.namespace(da).ground, None, fast=False)
    assert not isinstance(backends.get(da).lower(graph, exact), DaskProgram)


# ---- what cannot be shared out
def test_what_needs_a_large_axis_whole_runs_portably_and_says_why(monkeypatch):
    from tl_arrayapi.backends.dask.partition import lattice

    monkeypatch.setattr(lattice, "GATHERED_BYTES", 100)
    f, args, _ = CASES["scanned"]
    program = program_of(traced(f, *args))
    assert_same(program, args, [(20, 3)])
    (note,) = program.report().notes
    assert note.startswith("cumulative_sum needs an array of shape (50, 3) whole along axis 0, which is in chunks, at ")
    assert "test_dask_partition.py" in note
    assert "cumulative_sum" in program.source


def test_what_comes_together_is_noted_with_its_line():
    _, args, _ = CASES["scanned"]
    computed(PROGRAMS["scanned"], args, [(20, 3)])
    (note,) = PROGRAMS["scanned"].report().notes
    assert note.startswith("cumulative_sum takes float64[50, 3] whole: its chunks come together, at ")


def test_chunks_of_unknown_lengths_run_portably_and_say_why():
    x = da.from_array(normal(50, 3), chunks=(20, 3))
    program = program_of(traced(lambda x: (x * 2.0,), normal(50, 3)))
    (out,) = program(x[x[:, 0] > -100.0])
    np.testing.assert_allclose(out.compute(scheduler="synchronous"), normal(50, 3) * 2)
    assert program.report().notes == ("input 0 has chunks of unknown lengths: call its compute_chunk_sizes() first",)


def test_chunks_too_large_to_make_run_portably_and_say_why():
    f, args, _ = CASES["of_a_whole"]
    program = program_of(traced(f, *args))
    with dask.config.set({"array.chunk-size": "100B"}):
        assert_same(program, args, [(5, 3), (50, 1)])
    (note,) = program.report().notes
    assert note.startswith("input 1, of shape (50, 3), fits no cut along one axis as it is")


def test_a_program_says_what_runs_together():
    _, args, _ = CASES["regression"]
    computed(PROGRAMS["regression"], args, [-1, -1, (20, 3), (20, 1)])
    source = PROGRAMS["regression"].source
    assert "# round 0, one task a chunk" in source
    assert "float64[20, 1] = matmul" in source


def test_each_chunking_is_planned_once():
    f, args, _ = CASES["regression"]
    program = program_of(traced(f, *args))
    for chunks in (20, 20, 10):
        computed(program, args, [-1, -1, (chunks, 3), (chunks, 1)])
    assert len(program._plans) == 2


# ---- clusters
@pytest.mark.slow
def test_processes_give_the_bits_that_threads_do():
    distributed = pytest.importorskip("distributed")
    _, args, _ = CASES["classes"]
    chunks = [-1, -1, -1, -1, (7, 7), (7,)]
    want = computed(PROGRAMS["classes"], args, chunks)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = client.gather(client.compute(PROGRAMS["classes"](*chunked(args, chunks))))
    assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(found, want, strict=True))
