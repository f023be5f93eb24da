"""The identity, and orthogonal matrices: orthonormal, uniform, and the same bits on every library."""

import numpy as np
import pytest

from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init import matrices

SHAPES = [(1, 1), (2, 2), (1, 7), (7, 1), (5, 3), (3, 5), (64, 64), (70, 65), (130, 20), (20, 130), (4, 3, 2, 2)]


def reflections(normal):
    """Return Stewart's product from its definition, in NumPy's own operations: the oracle."""
    rows, columns = normal.shape
    signs = -np.where(np.diag(normal) < 0, -1.0, 1.0)
    product = np.eye(rows, columns) * signs
    for k in range(columns - 1, -1, -1):
        v = np.zeros(rows)
        v[k:] = normal[k:, k]
        v[k] -= signs[k] * np.linalg.norm(v)
        product -= np.outer(v, v @ product) * (2.0 / (v @ v))
    return product


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_orthogonal_matrix_is_the_product_of_its_reflections(shape):
    rows, columns = shape[0], int(np.prod(shape[1:]))
    tall = (max(rows, columns), min(rows, columns))
    normal = init.materialize(init.normal(0, 1, 11), tall, dtype="float64")
    expected = reflections(normal) if rows >= columns else reflections(normal).T
    found = init.materialize(init.orthogonal(seed=11), shape, dtype="float64")
    assert found.shape == shape
    assert np.max(np.abs(found.reshape(rows, columns) - expected)) < 1e-13


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-13), ("float32", 1e-5), ("float16", 2e-2)])
def test_the_rows_or_columns_are_orthonormal_up_to_the_gain(dtype, error):
    for shape in SHAPES:
        q = init.materialize(init.orthogonal(gain=2.0, seed=3), shape, dtype=dtype).reshape(shape[0], -1) / 2.0
        q = (q if q.shape[0] >= q.shape[1] else q.T).astype("float64")
        assert np.max(np.abs(q.T @ q - np.eye(q.shape[1]))) < error


@pytest.mark.parametrize("shape", [(3, 5), (70, 65)], ids=str)
def test_every_library_makes_the_same_matrix(xp, shape):
    for scheme in (init.orthogonal(1.5, seed=8), init.eye()):
        found = init.materialize(scheme, shape, xp.namespace, "float32", xp.device)
        assert np.array_equal(xp.to_numpy(found), init.materialize(scheme, shape))


def test_leaving_out_rows_that_cannot_change_changes_no_bit(monkeypatch):
    expected = init.materialize(init.orthogonal(seed=2), (300, 280))
    for groups in (1, 2, 100):
        monkeypatch.setattr(matrices, "_GROUPS", groups)
        assert np.array_equal(init.materialize(init.orthogonal(seed=2), (300, 280)), expected)


def test_a_vector_of_zeros_is_not_reflected():
    normal = np.asarray([[1.0, 2.0], [2.0, 0.0], [0.5, 0.0]])
    product = matrices._product_of_reflections(np, normal, np.eye(3, 2))
    assert np.max(np.abs(product.T @ product - np.eye(2))) < 1e-15


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 4)])
def test_an_empty_matrix_stays_empty(shape):
    assert init.materialize(init.orthogonal(), shape).shape == shape


def test_a_shape_that_is_no_matrix_is_refused():
    for shape in ((), (3,)):
        with pytest.raises(PlanError, match="is none"):
            init.materialize(init.orthogonal(), shape)
    for shape in ((), (3,), (2, 2, 2)):
        with pytest.raises(PlanError, match="is none"):
            init.materialize(init.eye(), shape)


def test_no_value_belongs_to_an_index_alone():
    for scheme in (init.eye(), init.orthogonal()):
        with pytest.raises(PlanError, match="shape"):
            init.value_at(scheme, 0)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_the_identity_has_ones_where_row_and_column_meet(shape):
    assert np.array_equal(init.materialize(init.eye(), shape, dtype="float64"), np.eye(*shape))
