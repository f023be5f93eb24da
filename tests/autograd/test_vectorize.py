"""vmap: every primitive mapped over examples equals a loop over them, alone, under a gradient and around one."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, Case

pytestmark = pytest.mark.usefixtures("backends")

SIZE = 3


def examples(case: Case) -> list[list[np.ndarray]]:
    """Return SIZE variations of the operands of a case, all inside its domain."""
    scales = (1.0, 0.9, 0.8)
    return [[x * scale for x in case.operands] for scale in scales]


def called(case: Case):
    return lambda *operands: case.function(tl.array_namespace(*operands), *operands)


def loss_of(case: Case):
    def loss(*operands):
        out = called(case)(*operands)
        return tl.array_namespace(out).sum(out * out)

    return loss


# What a function needs of its operands does not change when only some of them are mapped.
def mapped_subsets(case: Case) -> list[tuple[int | None, ...]]:
    if len(case.operands) == 1:
        return [(0,)]
    return [(0, 0), (0, None), (None, 0)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_mapped_function_equals_a_loop(xp, case):
    rows = examples(case)
    f = called(case)
    for axes in mapped_subsets(case):
        stacked = [xp.asarray(np.stack([r[i] for r in rows]) if a == 0 else rows[0][i]) for i, a in enumerate(axes)]
        got = tl.vmap(f, in_axes=axes)(*stacked)
        lifted = tl.namespace(xp.namespace).lift
        for k, row in enumerate(rows):
            operands = [xp.asarray(row[i] if a == 0 else rows[0][i]) for i, a in enumerate(axes)]
            expected = xp.to_numpy(tl.stop_gradient(f(*map(lifted, operands))).value)
            np.testing.assert_allclose(xp.to_numpy(got)[k], expected, rtol=20 * xp.tolerance, atol=20 * xp.tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_mapped_gradient_and_the_gradient_of_a_map_equal_a_loop(case):
    rows = examples(case)
    every = tuple(range(len(case.operands)))
    loss = loss_of(case)
    each = [tl.grad(loss, every)(*row) for row in rows]
    stacked = [np.stack(column) for column in zip(*rows, strict=True)]
    mapped = tl.vmap(tl.grad(loss, every))(*stacked)

    def total(*operands):
        out = tl.vmap(loss)(*operands)
        return tl.array_namespace(out).sum(out)

    around = tl.grad(total, every)(*stacked)
    for i in every:
        expected = np.stack([g[i] for g in each])
        np.testing.assert_allclose(mapped[i], expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(around[i], expected, rtol=1e-10, atol=1e-10)


def test_maps_nest_and_choose_their_axes(xp):
    m = np.arange(24.0).reshape(2, 3, 4)
    f = tl.vmap(tl.vmap(lambda row, w: row @ w, in_axes=(0, None)), in_axes=(1, None), out_axes=1)
    w = np.asarray([1.0, -1.0, 2.0, 0.5])
    np.testing.assert_allclose(xp.to_numpy(f(xp.asarray(m), xp.asarray(w))), m @ w, rtol=100 * xp.tolerance)
    outer = tl.vmap(lambda x: tl.vmap(lambda y: x * y)(xp.asarray([1.0, 2.0])))(xp.asarray([3.0, 4.0, 5.0]))
    np.testing.assert_allclose(xp.to_numpy(outer), [[3.0, 6.0], [4.0, 8.0], [5.0, 10.0]])


def test_containers_are_mapped_leaf_by_leaf(xp):
    args = {"w": (xp.asarray([[1.0, 2.0], [3.0, 4.0]]), xp.asarray([10.0, 20.0])), "b": xp.asarray([1.0, 1.0])}
    f = tl.vmap(lambda p: {"y": [p["w"][0] * p["w"][1] + p["b"]]}, in_axes=({"w": 0, "b": None},))
    np.testing.assert_allclose(xp.to_numpy(f(args)["y"][0]), [[11.0, 21.0], [61.0, 81.0]])


def test_a_result_that_is_the_same_for_all_is_repeated_or_left_alone(xp):
    x, w = xp.asarray([1.0, 2.0]), xp.asarray([5.0, 6.0, 7.0])
    np.testing.assert_allclose(xp.to_numpy(tl.vmap(lambda x, w: w, in_axes=(0, None))(x, w)), [[5.0, 6.0, 7.0]] * 2)
    _, alone = tl.vmap(lambda x, w: (x, w * 2.0), in_axes=(0, None), out_axes=(0, None))(x, w)
    np.testing.assert_allclose(xp.to_numpy(alone), [10.0, 12.0, 14.0])
    with pytest.raises(tl.errors.ArgumentError, match="differs between examples"):
        tl.vmap(lambda x: x, out_axes=None)(x)


def test_results_share_no_memory_with_arguments_nor_with_one_another():
    x, w = np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([5.0, 6.0])
    same, kept = tl.vmap(lambda x, w: (x, w), in_axes=(0, None), out_axes=(0, None))(x, w)
    first, second = tl.vmap(lambda x: (x * 2.0,) * 2)(x)
    assert not any(np.shares_memory(a, b) for a, b in ((same, x), (kept, w), (first, second)))


@pytest.mark.parametrize(
    ("axes", "error", "words"),
    [
        ((0,), "StructureError", "2 arguments"),
        ((None, None), "ArgumentError", "no argument is mapped"),
        ((0, 1), "ArgumentError", r"args\[1\] has no axis 1"),
        ((0, 0), "ShapeError", r"args\[0\] has 2, args\[1\] has 3"),
        ((0, "0"), "StructureError", "integer or None"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes, error, words):
    with pytest.raises(getattr(tl.errors, error), match=words):
        tl.vmap(lambda x, y: x, in_axes=axes)(np.ones((2, 2)), np.ones(3))


@pytest.mark.parametrize("convert", [bool, int, float, np.asarray], ids=lambda f: f.__name__)
def test_branching_on_an_example_is_refused_with_the_users_line(convert):
    with pytest.raises(tl.errors.WatchedError, match=r"xp\.where") as caught:
        tl.vmap(lambda x: x * convert(x))(np.ones(2))
    assert "test_vectorize.py" in str(caught.value)


def test_a_function_without_a_batching_rule_is_refused(xp):
    with pytest.raises(tl.errors.NoRuleError, match=r"nonzero cannot be mapped|unique_values cannot be mapped"):
        tl.vmap(lambda x: tl.array_namespace(x).unique_values(x))(xp.asarray([[1.0, 1.0], [2.0, 3.0]]))


def test_an_array_that_escaped_the_map_is_refused():
    kept = []
    tl.vmap(lambda x: (kept.append(x), x)[1])(np.ones(2))
    with pytest.raises(tl.errors.TraceError, match="mapped function has returned"):
        kept[0] * 2.0


def test_creation_inside_a_map_sees_one_example(xp):
    def f(x):
        space = tl.array_namespace(x)
        return x + space.ones_like(x) + space.zeros(x.shape, dtype=x.dtype, device=x.device) + space.full_like(x, 2.0)

    np.testing.assert_allclose(xp.to_numpy(tl.vmap(f)(xp.asarray([[1.0, 2.0], [3.0, 4.0]]))), [[4.0, 5.0], [6.0, 7.0]])


def test_gathers_with_mapped_indices_equal_a_loop(xp):
    table, rows = np.arange(12.0).reshape(4, 3), np.asarray([[0, -1], [2, 2], [3, 1]])

    def f(t, i):
        return tl.array_namespace(t).take(t, i, axis=0)

    many = np.stack([table, 2 * table, 3 * table])
    for axes, tables in (((None, 0), table), ((0, 0), many), ((0, None), many)):
        indices = rows if axes[1] == 0 else rows[0]
        got = xp.to_numpy(tl.vmap(f, in_axes=axes)(xp.asarray(tables), xp.asarray(indices)))
        for k in range(3):
            t = tables[k] if axes[0] == 0 else tables
            np.testing.assert_allclose(got[k], t[indices[k] if axes[1] == 0 else indices])
        mapped = tl.vmap(f, in_axes=axes)
        g = tl.grad(lambda t, i, mapped=mapped: tl.array_namespace(t).sum(mapped(t, i) ** 2))
        expected = np.zeros_like(tables)
        for k in range(3):
            at = indices[k] if axes[1] == 0 else indices
            np.add.at(expected[k] if axes[0] == 0 else expected, at, 2 * (tables[k] if axes[0] == 0 else tables)[at])
        np.testing.assert_allclose(xp.to_numpy(g(xp.asarray(tables), xp.asarray(indices))), expected)
