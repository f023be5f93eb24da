"""Functions written with others give the values, dtypes and special cases that NumPy's own give, at every level."""

import math
import warnings

import array_api_compat.numpy as host
import numpy as np
import pytest

import tl_arrayapi as tl

MATRIX = [[3, 1, 2], [4, 0, 5]]
SQUARE = [[3, 1, 2], [4, 0, 5], [1, 7, 6]]
SPECIAL = [[math.nan, -0.0, math.inf], [-math.inf, 0.0, 1.5]]
INTEGERS = ("int8", "uint8")
NUMBERS = (*INTEGERS, "float32", "complex64")
FLOATS = ("float32",)

# A name, the arguments' values, the function of (xp, *arrays), and the dtypes to try.
CALLS = [
    ("mean", (MATRIX,), lambda xp, x: xp.mean(x, axis=0), ("float64", *FLOATS, "complex64")),
    ("mean of nothing", ([[], []],), lambda xp, x: xp.mean(x, axis=1), FLOATS),
    ("mean of special values", (SPECIAL,), lambda xp, x: xp.mean(x, axis=1), FLOATS),
    ("mean over no axis", (MATRIX,), lambda xp, x: xp.mean(x, axis=()), FLOATS),
    ("var", (MATRIX,), lambda xp, x: xp.var(x, axis=1, correction=1, keepdims=True), FLOATS),
    ("var of special values", (SPECIAL,), lambda xp, x: xp.var(x, axis=0), FLOATS),
    ("std", (MATRIX,), lambda xp, x: xp.std(x), FLOATS),
    ("clip", (MATRIX,), lambda xp, x: xp.clip(x, 1, 4), (*INTEGERS, *FLOATS)),
    ("clip from below", (MATRIX,), lambda xp, x: xp.clip(x, min=2), (*INTEGERS, *FLOATS)),
    ("clip by arrays", (MATRIX, [1, 1, 3]), lambda xp, x, y: xp.clip(x, max=y), (*INTEGERS, *FLOATS)),
    ("clip of special values", (SPECIAL,), lambda xp, x: xp.clip(x, -1.0, 1.0), FLOATS),
    ("clip by special values", (MATRIX, SPECIAL), lambda xp, x, y: xp.clip(x, min=y), FLOATS),
    ("unstack", (MATRIX,), lambda xp, x: xp.unstack(x, axis=-1)[1], ("bool", *NUMBERS)),
    ("broadcast_arrays", (MATRIX, [[1], [2]]), lambda xp, x, y: xp.broadcast_arrays(x, y)[1], ("bool", *NUMBERS)),
    ("meshgrid", ([1, 2], [3, 4, 5]), lambda xp, x, y: xp.meshgrid(x, y)[1], NUMBERS),
    ("meshgrid of numbers", (1, [2, 3]), lambda xp, x, y: xp.meshgrid(x, y, indexing="ij")[0], NUMBERS),
    ("meshgrid of nothing", ([], [2, 3]), lambda xp, x, y: xp.meshgrid(x, y)[1], NUMBERS),
    ("diff", (MATRIX,), lambda xp, x: xp.diff(x, axis=0), NUMBERS),
    ("diff twice", (SQUARE, [[9], [8], [7]]), lambda xp, x, y: xp.diff(x, n=2, prepend=y), NUMBERS),
    ("diff no times", (MATRIX,), lambda xp, x: xp.diff(x, n=0), NUMBERS),
    ("diff of little", (MATRIX,), lambda xp, x: xp.diff(x, axis=0, n=3), NUMBERS),
    ("sort", (MATRIX,), lambda xp, x: xp.sort(x, descending=True), (*INTEGERS, *FLOATS)),
    ("tensordot", (MATRIX, SQUARE), lambda xp, x, y: xp.tensordot(x, y, axes=1), NUMBERS),
    ("tensordot of axes", (MATRIX, SQUARE), lambda xp, x, y: xp.tensordot(x, y, axes=((1,), (-1,))), NUMBERS),
    ("tensordot over none", (MATRIX, [1, 2]), lambda xp, x, y: xp.tensordot(x, y, axes=0), NUMBERS),
    ("tensordot over all", (MATRIX, MATRIX), lambda xp, x, y: xp.tensordot(x, y), NUMBERS),
    ("vecdot", (MATRIX, [1, 2, 3]), lambda xp, x, y: xp.vecdot(x, y), NUMBERS),
    ("vecdot of columns", (MATRIX, MATRIX), lambda xp, x, y: xp.vecdot(x, y, axis=-2), NUMBERS),
    ("take_along_axis", (MATRIX,), lambda xp, x: xp.take_along_axis(x, xp.argsort(x, axis=0), axis=0), INTEGERS),
    ("linalg.diagonal", (SQUARE,), lambda xp, x: xp.linalg.diagonal(x, offset=-1), ("bool", *NUMBERS)),
    ("linalg.diagonal outside", (SQUARE,), lambda xp, x: xp.linalg.diagonal(x, offset=5), NUMBERS),
    ("linalg.outer", ([1, 2], [3, 4, 5]), lambda xp, x, y: xp.linalg.outer(x, y), NUMBERS),
    ("linalg.tensordot", (MATRIX, SQUARE), lambda xp, x, y: xp.linalg.tensordot(x, y, axes=1), NUMBERS),
    ("linalg.trace", (SQUARE,), lambda xp, x: xp.linalg.trace(x, offset=1), ("int8", *FLOATS)),
    ("linalg.vecdot", (MATRIX, [1, 2, 3]), lambda xp, x, y: xp.linalg.vecdot(x, y), NUMBERS),
    *(
        (f"vector_norm {p}", (MATRIX,), lambda xp, x, p=p: xp.linalg.vector_norm(x, axis=1, ord=p), FLOATS)
        for p in (math.inf, -math.inf, 0, 1, 2, 3, 0.5, -1)
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "function", "dtype"),
    [pytest.param(v, f, dtype, id=f"{name}-{dtype}") for name, v, f, dtypes in CALLS for dtype in dtypes],
)
def test_value_and_dtype_are_numpys(xp, values, function, dtype):
    own = [xp.asarray(v, dtype) for v in values]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.asarray(function(host, *(np.asarray(v, dtype) for v in values)))
        out = function(tl.namespace(xp.namespace), *own)
        seen = []
        tl.vjp(lambda *xs: seen.append(function(tl.array_namespace(*xs), *xs)) or seen[0], *own)
        for found in (out, seen[0]):
            assert tl.backends.get(xp.namespace).dtype_name(found.dtype) == expected.dtype.name
            value = found.value
            np.testing.assert_allclose(xp.to_numpy(value), expected, rtol=1e-6, strict=False)
