"""Array: an array as the standard has it, immutable, that leaves its trace only when asked to."""

import copy

import numpy as np
import pytest

import tl_arrayapi as tl


def watch(xp, values, then):
    """Run ``then`` on a watched array of ``values``."""
    seen = []

    def loss(x):
        seen.append(then(x))
        return tl.array_namespace(x).sum(x)

    tl.grad(loss)(xp.asarray(values))
    return seen[0]


@pytest.mark.parametrize(
    "convert", [float, complex, np.asarray, np.sum, np.from_dlpack, memoryview], ids=lambda f: f.__name__
)
def test_a_watched_array_does_not_leave_in_silence(xp, convert):
    def leave(x):
        with pytest.raises((tl.errors.WatchedError, TypeError)) as caught:
            convert(x[0])
        return caught.value

    error = watch(xp, [1.0, 2.0], leave)
    if convert in (float, complex, np.asarray, np.from_dlpack):
        assert "stop_gradient" in str(error)
        assert "test_array.py" in str(error), "the user's line is quoted"


@pytest.mark.parametrize("function", [np.sin, np.add, np.matmul], ids=lambda f: f.__name__)
def test_numpy_functions_refuse_a_watched_array(function):
    def leave(x):
        with pytest.raises(TypeError):
            function(x) if function is np.sin else function(x, x)

    watch(pytest.importorskip("tests.libraries").load("numpy"), [1.0, 2.0], leave)


def test_bool_and_int_allow_control_flow_in_eager_mode(xp):
    def loss(x):
        space = tl.array_namespace(x)
        count = int(space.sum(space.astype(x > 0, space.int32)))
        return space.sum(x) * count if x[0] > 0 else space.sum(x)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0, -1.0]))), [2.0] * 3)


def test_a_stopped_array_may_leave(xp):
    assert watch(xp, [1.5, 2.0], lambda x: float(tl.stop_gradient(x)[0])) == 1.5
    assert watch(xp, [1.5, 2.0], lambda x: np.asarray(tl.stop_gradient(x)).tolist()) == [1.5, 2.0]


def test_printing_shows_the_value_and_that_it_is_watched():
    xp = pytest.importorskip("tests.libraries").load("numpy")
    assert watch(xp, [1.5], repr) == "Array(array([1.5]), watched)"
    assert repr(tl.namespace(np).ones(1)) == "Array(array([1.]), a constant)"


def test_attributes_are_canonical(xp):
    def look(x):
        assert x.shape == (2, 3)
        assert type(x.shape) is tuple
        assert (x.ndim, x.size, len(x)) == (2, 6, 2)
        assert x.T.shape == x.mT.shape == (3, 2)
        assert x.dtype == xp.asarray([1.0]).dtype
        assert x.to_device(x.device) is x
        assert [row.shape for row in x] == [(3,), (3,)]
        with pytest.raises(TypeError):
            hash(x)

    watch(xp, np.ones((2, 3)), look)


def test_numpy_arrays_and_scalars_on_the_left_defer_to_ours():
    x = np.asarray([1.0, 2.0])
    for left in (np.asarray([3.0, 4.0]), np.float64(3.0), 3.0, 3):
        g = tl.grad(lambda x, left=left: tl.array_namespace(x).sum(left * x))(x)
        np.testing.assert_array_equal(g, np.broadcast_to(left, (2,)))


@pytest.mark.parametrize("number", [2, 2.5, -0.0, float("inf")])
def test_python_numbers_take_the_dtype_of_their_neighbour(xp, number):
    if xp.has("float32"):
        x = xp.asarray([1.0, 2.0], dtype="float32")
        out = watch(
            type("x", (), {"asarray": staticmethod(lambda v: x)}), None, lambda a: (a * number, number - a, a > number)
        )
        assert out[0].dtype == x.dtype == out[1].dtype
        assert xp.to_numpy(tl.stop_gradient(out[0]).value).tolist() == [number, 2 * number]


def test_minus_zero_and_zero_stay_apart():
    ours = tl.namespace(np)
    one = ours.asarray([1.0])
    first, second = one * 0.0, one * -0.0
    assert not np.signbit(first.value)[0]
    assert np.signbit(second.value)[0]


def test_in_place_operators_rebind_and_leave_the_operand_alone(xp):
    def loss(x):
        y = x
        y *= 2.0
        return tl.array_namespace(x).sum(x * y)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0]))), [4.0, 8.0])


def test_an_error_of_the_library_names_the_operation_and_the_users_line():
    with pytest.raises(ValueError, match=r"matmul|mismatch") as caught:
        tl.grad(lambda x: tl.array_namespace(x).sum(x @ np.ones((4, 2))))(np.ones((2, 3)))
    assert any(
        "matmul(float64[2, 3], float64[4, 2])" in note and "test_array.py" in note for note in caught.value.__notes__
    )


def test_an_array_that_escaped_its_function_is_refused(xp):
    kept = []
    tl.grad(lambda x: (kept.append(x * 1.0), tl.array_namespace(x).sum(x))[1])(xp.asarray([1.0]))
    with pytest.raises(tl.errors.TraceError, match="after the function"):
        kept[0] * 2.0


def test_copying_a_module_of_arrays_does_not_copy_a_trace(xp):
    out = watch(xp, [1.0, 2.0], lambda x: copy.copy(tl.stop_gradient(x)))
    np.testing.assert_allclose(xp.to_numpy(out.value), [1.0, 2.0])


def test_a_scalar_of_numpy_is_a_number_to_every_library(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = np.log(2.0) * x + x * np.float32(2.0) - np.int64(1)
        y[0] = np.float64(3.0) * y[0]
        return space.sum(space.where(y > np.float64(0.0), y, np.float64(0.0)))

    g = tl.grad(loss)(xp.asarray([1.0, 2.0]))
    slope = np.log(2.0) + 2.0
    np.testing.assert_allclose(xp.to_numpy(g), [3 * slope, slope], rtol=10 * xp.tolerance)


def test_a_square_is_recorded_as_one_not_as_a_power(xp):
    x = xp.asarray([1.0, -2.0, 0.0])
    rows = tl.explain(lambda x: tl.array_namespace(x).sum(x**2 + x**3), x).rows
    assert [row.operation for row in rows][1:3] == ["square", "pow"]
    np.testing.assert_allclose(xp.to_numpy(tl.grad(lambda x: tl.array_namespace(x).sum(x**2))(x)), [2.0, -4.0, 0.0])
