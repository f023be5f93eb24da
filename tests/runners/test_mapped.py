"""Losses of many samples at once: a sample's bits are its own."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.errors import TraceError, UnsteadyError, WatchedError
from tl_arrayapi.runners.mapped import MappedLosses

pytestmark = pytest.mark.usefixtures("backend")


def network(w, b, x, y):
    xp = tl.array_namespace(w, b, x, y)
    z = xp.tanh(x @ w) @ xp.matrix_transpose(w) + b
    return xp.sum((z - y) ** 2) + xp.max(z)


def problem(xp, count):
    rng = np.random.default_rng(0)
    m = tl.ScalarModuleDef(network, init_params=[rng.normal(size=(7, 40)), rng.normal(size=7)]).instantiate(
        xp=xp.namespace, dtype=xp.real, device=xp.device
    )
    return m, rng.normal(size=(count, 7)), rng.normal(size=(count, 7))


def losses(xp, m, x, y, rows=8, steady=True):
    return xp.to_numpy(m.mapped_losses((xp.asarray(x), xp.asarray(y)), rows, steady=steady))


@pytest.mark.parametrize("cut", [1, 5, 8, 27])
def test_a_sample_has_the_same_bits_in_any_company(xp, cut):
    m, x, y = problem(xp, 150)
    whole = losses(xp, m, x, y)
    order = np.random.default_rng(1).permutation(150)[:cut]
    assert (losses(xp, m, np.ascontiguousarray(x[order]), np.ascontiguousarray(y[order])) == whole[order]).all()


@pytest.mark.parametrize("steady", [True, False])
def test_losses_are_those_of_one_forward_after_another(xp, steady):
    m, x, y = problem(xp, 19)
    each = [float(xp.to_numpy(m.forward((xp.asarray(a), xp.asarray(b))))) for a, b in zip(x, y, strict=True)]
    close = {"float64": 1e-12, "float32": 1e-4}[xp.real]
    np.testing.assert_allclose(losses(xp, m, x, y, steady=steady), each, rtol=close)


def test_a_loss_that_cannot_be_mapped_says_so():
    m = tl.ScalarModuleDef(lambda w, x: w * x if x > 0 else -w * x, init_params=[2.0]).instantiate(dtype="float64")
    assert m.is_mapped
    with pytest.raises(WatchedError, match="branch"):
        m.mapped_losses((np.asarray([1.0, -3.0]),), 64, steady=True)
    assert not m.is_mapped


def test_a_library_that_computes_by_place_is_refused(monkeypatch):
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[2.0]).instantiate(dtype="float64")
    run = MappedLosses._in_rows

    def drifting(self, params, block, rows):
        return run(self, params, block, rows) + 1e-9 * np.arange(len(block[0]))

    monkeypatch.setattr(MappedLosses, "_in_rows", drifting)
    with pytest.raises(UnsteadyError, match="micro_batch=1"):
        m.mapped_losses((np.ones(70),), 64, steady=True)


def test_calls_of_many_blocks_are_given_up_where_they_change_a_bit(monkeypatch):
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[2.0]).instantiate(dtype="float64")
    run, sizes = MappedLosses._in_rows, []

    def drifting(self, params, block, rows):
        sizes.append(len(block[0]))
        return run(self, params, block, rows) + (1e-9 if len(block[0]) > rows else 0.0)

    monkeypatch.setattr(MappedLosses, "_in_rows", drifting)
    assert m.mapped_losses((np.arange(70.0),), 4, steady=True).tolist() == (2 * np.arange(70.0)).tolist()
    sizes.clear()
    m.mapped_losses((np.arange(70.0),), 4, steady=True)
    assert set(sizes) == {4}


def test_whatever_a_loss_raises_while_it_is_mapped_it_is_not_mapped_then():
    # NumPy takes an index without axes, and the standard has none.
    m = tl.ScalarModuleDef(lambda w, x, i: tl.array_namespace(w).take(w * x, i, axis=0), init_params=[[1.0, 2.0]])
    m = m.instantiate(dtype="float64")
    rows = tl.stack_samples(np.asarray([[1.0, 5.0], [3.0, 4.0]]), np.asarray([1, 0]))
    with pytest.raises(TraceError, match="many samples at once"):
        m.mapped_losses(rows.arrays, 64, steady=True)
    with pytest.raises(TraceError, match="many samples at once"):
        m.mapped_gradients(rows.arrays, np.ones(2))
    assert tl.distributed.mean_loss(m, rows) == (10.0 + 3.0) / 2
    assert tl.distributed.loss_and_grads(m, rows)[1][0].tolist() == [1.5, 2.5]
