"""Every function of the standard, by family: how its calls are drawn, over which dtypes, and what is promised of it.

A domain is that of the first derivative: away from poles, branch cuts and points where a convention holds. Those points
have tests of their own (tests/autograd/test_numerics.py). A function that is missing here fails a test.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.proof.calls import (
    ALL,
    COMPLEX,
    FLOATING,
    INTEGERS,
    NUMERIC,
    REAL,
    REAL_NUMERIC,
    Call,
    Function,
    Holds,
    called,
    joined,
)
from tests.proof.linear import LINALG, PRODUCTS
from tests.proof.shapes import Draw
from tests.proof.transforms import FFT

__all__ = ["CATALOGUE", "FAMILIES"]

Domain = tuple[float, float]
ANY: Domain = (-2.0, 2.0)
SMALL: Domain = (-0.8, 0.8)
POSITIVE: Domain = (0.3, 3.0)
BITS = (*INTEGERS, "bool")


# ---- elementwise
def unary(domain: Domain, *names: str, dtypes: tuple[str, ...] = FLOATING, **said: Any) -> list[Function]:
    def entry(name: str) -> Function:
        return Function(name, lambda d: called(name, (d.values(d.shape(), *domain),)), dtypes, **said)

    return [entry(name) for name in names]


def binary(
    domain1: Domain, domain2: Domain, *names: str, dtypes: tuple[str, ...] = FLOATING, **said: Any
) -> list[Function]:
    def entry(name: str) -> Function:
        return Function(name, lambda d: _binary_call(d, name, domain1, domain2), dtypes, **said)

    return [entry(name) for name in names]


def _binary_call(d: Draw, name: str, domain1: Domain, domain2: Domain) -> Call:
    shape1, shape2 = d.shapes(2)
    x, y = d.values(shape1, *domain1), d.values(shape2, *domain2)
    form = d.one_of(("two arrays", "two arrays", "a number second", "a number first"))
    if form == "a number second":
        return called(name, (x,), y.ravel()[0].item() if y.size else 1)
    if form == "a number first" and x.size:
        number = x.ravel()[0].item()
        return Call(f"{name}({number}, {y.shape})", (y,), lambda xp, y: getattr(xp, name)(number, y))
    return called(name, (x, y))


def _pow(d: Draw) -> Call:
    # Integers take no negative exponent.
    lowest = -2.0 if d.dtype in FLOATING else 0.0
    return _binary_call(d, "pow", (0.3, 2.0), (lowest, 3.0))


def _clip(d: Draw) -> Call:
    shape, low, high = d.shapes(3)
    whole = np.broadcast_shapes(shape, low, high)
    x = d.values(whole, *ANY)
    bounds = {"min": d.values(low, -1.5, -0.5), "max": d.values(high, 0.5, 1.5)}
    form = d.one_of(("arrays", "numbers", "min", "max", "neither"))
    if form == "arrays":
        return called("clip", (x, *bounds.values()))
    chosen = {"numbers": ("min", "max"), "neither": ()}.get(form, (form,))
    return called("clip", (x,), **{name: 1 if name == "max" else -1 if x.dtype.kind != "u" else 0 for name in chosen})


def _where(d: Draw) -> Call:
    condition, shape1, shape2 = d.shapes(3)
    return called("where", (d.values(condition, 0, 1, "bool"), d.values(shape1, *ANY), d.values(shape2, *ANY)))


TIE = "a tie shares the gradient half and half"

ELEMENTWISE = [
    *unary(ANY, "abs", "negative", "positive", "square", dtypes=NUMERIC),
    *unary(ANY, "sign", dtypes=NUMERIC, note="0 for real operands; that of z / abs(z) for complex ones"),
    *unary(SMALL, "acos", "asin", "atanh", "atan", "asinh", "tan"),
    *unary((1.3, 3.0), "acosh"),
    *unary(ANY, "cos", "cosh", "exp", "expm1", "sin", "sinh", "tanh"),
    *unary(POSITIVE, "log", "log10", "log2", "reciprocal"),
    *unary(POSITIVE, "sqrt", note="0 at 0"),
    *unary((-0.6, 2.0), "log1p"),
    *unary(ANY, "conj"),
    *unary(ANY, "imag", "real", dtypes=COMPLEX),
    *binary(ANY, ANY, "add", "multiply", "subtract", dtypes=NUMERIC),
    *binary(ANY, POSITIVE, "divide"),
    *binary(POSITIVE, POSITIVE, "atan2", dtypes=REAL, note="0 at (0, 0)"),
    *binary(POSITIVE, POSITIVE, "hypot", dtypes=REAL, note="0 at (0, 0)"),
    *binary(ANY, ANY, "logaddexp", dtypes=REAL, note="half and half where both operands are the same infinity"),
    *binary(ANY, ANY, "maximum", "minimum", dtypes=REAL_NUMERIC, note=TIE),
    *binary(ANY, ANY, "copysign", dtypes=REAL, note="0 for the second operand"),
    *binary((0.4, 9.0), (0.6, 2.0), "remainder", dtypes=REAL_NUMERIC, oracle="jax"),
    Function("pow", _pow, NUMERIC, note="0 where the base is 0 and the derivative would be infinite or undefined"),
    Function("clip", _clip, REAL_NUMERIC, note=f"{TIE}, as with maximum and minimum", oracle="jax"),
    Function("where", _where, ALL, note="nothing comes back from the branch not taken, NaN included"),
    *unary((-3.0, 3.0), "ceil", "floor", "round", "trunc", dtypes=REAL_NUMERIC, holds=Holds.ZERO),
    *unary(ANY, "isfinite", "isinf", "isnan", dtypes=NUMERIC, holds=Holds.ZERO),
    *unary(ANY, "signbit", dtypes=REAL, holds=Holds.ZERO),
    *unary(ANY, "logical_not", dtypes=("bool",), holds=Holds.ZERO),
    *unary((-5.0, 5.0), "bitwise_invert", dtypes=BITS, holds=Holds.ZERO),
    *binary(ANY, ANY, "equal", "not_equal", dtypes=ALL, holds=Holds.ZERO),
    *binary(ANY, ANY, "less", "less_equal", "greater", "greater_equal", dtypes=REAL_NUMERIC, holds=Holds.ZERO),
    *binary((0.4, 9.0), (0.6, 2.0), "floor_divide", dtypes=REAL_NUMERIC, holds=Holds.ZERO),
    *binary(ANY, ANY, "nextafter", dtypes=REAL, holds=Holds.ZERO),
    *binary((-5.0, 5.0), (-5.0, 5.0), "bitwise_and", "bitwise_or", "bitwise_xor", dtypes=BITS, holds=Holds.ZERO),
    *binary((0.0, 5.0), (0.0, 3.0), "bitwise_left_shift", "bitwise_right_shift", dtypes=INTEGERS, holds=Holds.ZERO),
    *binary(ANY, ANY, "logical_and", "logical_or", "logical_xor", dtypes=("bool",), holds=Holds.ZERO),
]


# ---- statistics, searching, sorting
def reduction(
    *names: str,
    dtypes: tuple[str, ...] = FLOATING,
    domain: Domain = ANY,
    empty: bool = False,
    static: Callable[[Draw], dict[str, Any]] = lambda d: {},
    **said: Any,
) -> list[Function]:
    def entry(name: str) -> Function:
        def draw(d: Draw) -> Call:
            shape = d.shape(empty=empty)
            named = {"axis": d.axes(shape), "keepdims": d.flag(), **static(d)}
            return called(name, (d.values(shape, *domain),), **named)

        return Function(name, draw, dtypes, **said)

    return [entry(name) for name in names]


def _spread(name: str) -> Callable[[Draw], Call]:
    """Variance and deviation are of at least two elements."""

    def draw(d: Draw) -> Call:
        shape = tuple(n + 1 for n in d.shape(ranks=(1, 3), empty=False))
        named = {"axis": d.axes(shape), "keepdims": d.flag(), "correction": d.one_of((0.0, 1.0, 0.5))}
        return called(name, (d.values(shape, *ANY),), **named)

    return draw


def along_one_axis(
    *names: str,
    dtypes: tuple[str, ...],
    flags: tuple[str, ...],
    domain: Domain = ANY,
    whole: bool = False,
    empty: bool = True,
    **said: Any,
) -> list[Function]:
    """Return functions along one axis, which may be None where ``whole``, and with ``flags`` that are on or off."""

    def entry(name: str) -> Function:
        def draw(d: Draw) -> Call:
            shape = d.shape(ranks=(1, 3), empty=empty)
            axis = None if whole and d.flag() else d.axis(shape)
            return called(name, (d.values(shape, *domain),), axis=axis, **{flag: d.flag() for flag in flags})

        return Function(name, draw, dtypes, **said)

    return [entry(name) for name in names]


def _diff(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3), empty=False)
    axis, x = d.axis(shape), d.values(shape, *ANY)
    ends = [name for name in ("prepend", "append") if d.flag()]
    more = tuple(d.values(shape, *ANY) for _ in ends)
    # Libraries differ in whether 0 differences have the ends.
    n = d.integer(1 if ends else 0, 2)
    return Call(
        f"diff({shape}, axis={axis}, n={n}, {', '.join(ends)})",
        (x, *more),
        lambda xp, x, *arrays: xp.diff(x, axis=axis, n=n, **dict(zip(ends, arrays, strict=True))),
    )


def _searchsorted(d: Draw) -> Call:
    # Dask's own finds for no values at all places of another shape.
    x, wanted = d.values(d.shape(ranks=(1, 1), empty=False), *ANY), d.values(d.shape(empty=False), *ANY)
    side = d.one_of(("left", "right"))
    return Call(
        f"searchsorted(sort({x.shape}), {wanted.shape}, side={side!r})",
        (x, wanted),
        lambda xp, x, wanted: xp.searchsorted(xp.sort(x), wanted, side=side),
    )


def _isin(d: Draw) -> Call:
    # Not inverted: array-api-strict 2.6.1 takes no notice of that, and a map over it does.
    return called("isin", (d.values(d.shape(), *ANY), d.values(d.shape(ranks=(1, 2)), *ANY)))


def _unique(name: str) -> Callable[[Draw], Call]:
    return lambda d: called(name, (d.values(d.shape(), *ANY),))


def _nonzero(d: Draw) -> Call:
    return called("nonzero", (d.values(d.shape(ranks=(1, 3)), *ANY),))


SHARED = "elements that tie share the gradient evenly"
GATHERED = "the values are a gather; counts and indices are integers"

STATISTICS = [
    *reduction("sum", dtypes=NUMERIC, empty=True),
    *reduction("prod", dtypes=NUMERIC, empty=True, note="right where elements are 0, to any order"),
    *reduction("mean"),
    *reduction("max", "min", dtypes=REAL_NUMERIC, note=SHARED),
    Function("var", _spread("var"), FLOATING, oracle="jax"),
    Function("std", _spread("std"), FLOATING, note="0 where there is no spread", oracle="jax"),
    *reduction("all", "any", dtypes=ALL, empty=True, holds=Holds.ZERO),
    *reduction("count_nonzero", dtypes=ALL, empty=True, holds=Holds.ZERO),
    *along_one_axis("cumulative_sum", "cumulative_prod", dtypes=NUMERIC, flags=("include_initial",)),
    *along_one_axis("argmax", "argmin", dtypes=REAL_NUMERIC, flags=("keepdims",), whole=True, empty=False,
                    holds=Holds.ZERO),
    *along_one_axis("argsort", dtypes=REAL_NUMERIC, flags=("descending", "stable"), holds=Holds.ZERO),
    *along_one_axis("sort", dtypes=REAL_NUMERIC, flags=("descending", "stable"), note="that of the permutation"),
    Function("diff", _diff, NUMERIC),
    Function("searchsorted", _searchsorted, REAL_NUMERIC, Holds.ZERO),
    Function("isin", _isin, (*INTEGERS, "bool"), Holds.ZERO),
    Function("nonzero", _nonzero, ALL, Holds.ZERO, maps=False),
    *(
        Function(name, _unique(name), ALL, note=GATHERED, oracle="", maps=False, refused=("dask",))
        for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values")
    ),
]  # fmt: skip


# ---- manipulation and indexing
def moved(name: str, static: Callable[[Draw, tuple[int, ...]], dict[str, Any]], least: int = 0) -> Function:
    """Return a function of one array that moves its elements."""

    def draw(d: Draw) -> Call:
        shape = d.shape(ranks=(least, 3))
        return called(name, (d.values(shape, *ANY),), **static(d, shape))

    return Function(name, draw, ALL)


def _astype(d: Draw) -> Call:
    kept = REAL + COMPLEX if d.dtype in REAL else COMPLEX if d.dtype in COMPLEX else ALL
    wide = tuple(name for name in kept if not name.endswith(("32", "x64"))) if d.dtype in FLOATING else kept
    name = d.one_of(wide)
    x = d.values(d.shape(), 0.0, 2.0)
    return Call(f"astype({x.shape}, {name})", (x,), lambda xp, x: xp.astype(x, getattr(xp, name)))


def _broadcast_arrays(d: Draw) -> Call:
    return called("broadcast_arrays", tuple(d.values(shape, *ANY) for shape in d.shapes(d.integer(1, 3))))


def _broadcast_to(d: Draw) -> Call:
    whole = d.shape()
    return called("broadcast_to", (d.values(d.broadcastable(whole), *ANY),), shape=whole)


def _concat(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3))
    axis = d.one_of((None, *range(-len(shape), len(shape))))

    def part() -> Any:
        return d.values(tuple(d.integer(0, 2) if axis is not None and i == axis % len(shape) else n
                              for i, n in enumerate(shape)), *ANY)  # fmt: skip

    return joined("concat", tuple(part() for _ in range(d.integer(1, 3))), axis=axis)


def _stack(d: Draw) -> Call:
    shape = d.shape(ranks=(0, 2))
    arrays = tuple(d.values(shape, *ANY) for _ in range(d.integer(1, 3)))
    return joined("stack", arrays, axis=d.integer(-len(shape) - 1, len(shape)))


def _expand_dims(d: Draw, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"axis": d.integer(-len(shape) - 1, len(shape))}


def _moveaxis(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3))
    x, source, destination = d.values(shape, *ANY), d.axis(shape), d.axis(shape)
    return called("moveaxis", (x,), source, destination)


def _permute_dims(d: Draw, shape: tuple[int, ...]) -> dict[str, Any]:
    axes = list(range(len(shape)))
    return {"axes": tuple(axes.pop(d.integer(0, len(axes) - 1)) for _ in shape)}


def _repeat(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3))
    axis = d.one_of((None, *range(len(shape))))
    x, count = d.values(shape, *ANY), math.prod(shape) if axis is None else shape[axis]
    if d.flag():
        return called("repeat", (x,), d.integer(0, 3), axis=axis)
    repeats = d.values((count,), 0, 3, "int64")
    return Call(
        f"repeat({shape}, {repeats}, axis={axis})",
        (x,),
        lambda xp, x: xp.repeat(x, xp.asarray(repeats.tolist(), dtype=xp.int64), axis=axis),
    )


def _reshape(d: Draw, shape: tuple[int, ...]) -> dict[str, Any]:
    count = math.prod(shape)
    return {"shape": d.one_of(((count,), shape[::-1], (1, count), (*shape, 1), *(((-1,),) if count else ())))}


def _roll(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3))
    axis = d.one_of((None, d.axis(shape), tuple(range(len(shape)))))
    shift = tuple(d.integer(-4, 4) for _ in axis) if isinstance(axis, tuple) else d.integer(-4, 4)
    return called("roll", (d.values(shape, *ANY),), shift, axis=axis)


def _squeeze(d: Draw) -> Call:
    shape = d.shape(ranks=(0, 2))
    place = d.integer(0, len(shape))
    return called("squeeze", (d.values((*shape[:place], 1, *shape[place:]), *ANY),), place)


def _tile(d: Draw) -> Call:
    return called("tile", (d.values(d.shape(ranks=(0, 2)), *ANY),), tuple(d.shape(ranks=(0, 3))))


def _unstack(d: Draw) -> Call:
    shape = tuple(max(n, 1) for n in d.shape(ranks=(1, 3)))
    return called("unstack", (d.values(shape, *ANY),), axis=d.axis(shape))


def _triangle(d: Draw, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"k": d.integer(-2, 2)}


def _take(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3), empty=False)
    axis = d.axis(shape)
    indices = d.values((d.integer(0, 4),), 0, shape[axis] - 1, "int64")
    return called("take", (d.values(shape, *ANY), indices), axis=axis)


def _take_along_axis(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3), empty=False)
    axis = d.axis(shape)
    wanted = tuple(d.integer(1, 3) if i == axis % len(shape) else n for i, n in enumerate(shape))
    indices = d.values(wanted, 0, shape[axis] - 1, "int64")
    return called("take_along_axis", (d.values(shape, *ANY), indices), axis=axis)


def _meshgrid(d: Draw) -> Call:
    vectors = tuple(d.values(d.shape(ranks=(1, 1)), *ANY) for _ in range(d.integer(1, 3)))
    return called("meshgrid", vectors, indexing=d.one_of(("xy", "ij")))


MANIPULATION = [
    Function("astype", _astype, ALL, note="back to the operand's dtype; 0 through integers and bool"),
    Function("broadcast_arrays", _broadcast_arrays, ALL),
    Function("broadcast_to", _broadcast_to, ALL),
    Function("concat", _concat, ALL),
    moved("expand_dims", _expand_dims),
    moved("flip", lambda d, shape: {"axis": d.axes(shape)}),
    moved("matrix_transpose", lambda d, shape: {}, least=2),
    Function("moveaxis", _moveaxis, ALL),
    moved("permute_dims", _permute_dims),
    Function("repeat", _repeat, ALL),
    moved("reshape", _reshape),
    Function("roll", _roll, ALL),
    Function("squeeze", _squeeze, ALL),
    Function("stack", _stack, ALL),
    Function("tile", _tile, ALL),
    moved("tril", _triangle, least=2),
    moved("triu", _triangle, least=2),
    Function("unstack", _unstack, ALL),
    Function("take", _take, ALL, note="an index that comes twice adds up"),
    Function("take_along_axis", _take_along_axis, ALL, note="an index that comes twice adds up"),
    Function("meshgrid", _meshgrid, NUMERIC),
]


# ---- making arrays, and asking
def made(
    name: str, draw: Callable[[Draw], Callable[[Any], Any]], dtypes: tuple[str, ...] = ALL, **said: Any
) -> Function:
    """Return a function that makes an array: ``draw`` gives the call, a function of the namespace."""
    return Function(name, lambda d: Call(f"{name}(...)", (), draw(d)), dtypes, Holds.CONSTANT, maps=None, **said)


def like(name: str, *more: Any, show: Callable[[Any], Any] = lambda x: x) -> Function:
    def draw(d: Draw) -> Call:
        x = d.values(d.shape(), *ANY)
        return Call(f"{name}({x.shape})", (x,), lambda xp, x: show(getattr(xp, name)(x, *more)))

    return Function(name, draw, ALL, Holds.ZERO, maps=None)


def _filled(name: str, *more: Any) -> Function:
    def draw(d: Draw) -> Callable[[Any], Any]:
        shape, dtype = d.shape(), d.dtype
        return lambda xp: getattr(xp, name)(shape, *more, dtype=getattr(xp, dtype))

    return made(name, draw)


def _asarray(d: Draw) -> Call:
    x, copy = d.values(d.shape(), *ANY), d.one_of((True, None))

    def run(xp: Any, array: Any) -> Any:
        return xp.asarray(array, copy=copy), xp.asarray(x.tolist(), dtype=getattr(xp, str(x.dtype)))

    return Call(f"asarray of an array and of numbers, {x.shape}, copy={copy}", (x,), run)


def _arange(d: Draw) -> Callable[[Any], Any]:
    start, count, step, dtype = d.integer(0, 3), d.integer(0, 5), d.integer(1, 3), d.dtype
    return lambda xp: xp.arange(start, start + count * step, step, dtype=getattr(xp, dtype))


def _eye(d: Draw) -> Callable[[Any], Any]:
    rows, columns, k, dtype = d.integer(0, 3), d.one_of((None, 0, 2, 4)), d.integer(-2, 2), d.dtype
    return lambda xp: xp.eye(rows, columns, k=k, dtype=getattr(xp, dtype))


def _linspace(d: Draw) -> Callable[[Any], Any]:
    low, high, count, ends, dtype = d.integer(-3, 3), d.integer(-3, 3), d.integer(1, 5), d.flag(), d.dtype
    return lambda xp: xp.linspace(low, high, count, endpoint=ends, dtype=getattr(xp, dtype))


def _from_dlpack(d: Draw) -> Callable[[Any], Any]:
    dtype = d.dtype
    return lambda xp: xp.from_dlpack(xp.ones(3, dtype=getattr(xp, dtype)))


def _shape_of(x: Any) -> tuple[Any, Any]:
    return tuple(x.shape), x.dtype


def _empty(d: Draw) -> Callable[[Any], Any]:
    shape, dtype = d.shape(), d.dtype
    return lambda xp: _shape_of(xp.empty(shape, dtype=getattr(xp, dtype)))


def _broadcast_shapes(d: Draw) -> Callable[[Any], Any]:
    shapes = d.shapes(3)
    return lambda xp: tuple(xp.broadcast_shapes(*shapes))


def _can_cast(d: Draw) -> Callable[[Any], Any]:
    source, target = d.dtype, d.one_of(ALL)
    return lambda xp: bool(xp.can_cast(getattr(xp, source), getattr(xp, target)))


def _limits(name: str, *attributes: str) -> Callable[[Draw], Callable[[Any], Any]]:
    def draw(d: Draw) -> Callable[[Any], Any]:
        dtype = d.dtype

        def ask(xp: Any) -> Any:
            found = getattr(xp, name)(getattr(xp, dtype))
            return tuple(getattr(found, attribute) for attribute in attributes)

        return ask

    return draw


def _isdtype(d: Draw) -> Callable[[Any], Any]:
    kinds = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")
    dtype, kind = d.dtype, d.one_of((*kinds, ("bool", "integral")))
    return lambda xp: bool(xp.isdtype(getattr(xp, dtype), kind))


def _result_type(d: Draw) -> Call:
    x = d.values(d.shape(), *ANY)
    dtype = d.dtype
    return Call(f"result_type({dtype})", (x,), lambda xp, x: xp.result_type(x, getattr(xp, dtype)))


def _info(d: Draw) -> Callable[[Any], Any]:
    def ask(xp: Any) -> Any:
        info = xp.__array_namespace_info__()
        dtypes = {name: info.dtypes(kind=kind) for name, kind in (("all", None), ("real", "real floating"))}
        return info.default_device(), info.default_dtypes(), dtypes, sorted(info.capabilities()), list(info.devices())

    return ask


CREATION = [
    Function("asarray", _asarray, ALL, note="an array keeps its gradient, also in a list", oracle="jax"),
    made("arange", _arange, REAL_NUMERIC),
    made("empty", _empty),
    made("eye", _eye),
    made("from_dlpack", _from_dlpack, tuple(name for name in ALL if name != "bool")),
    _filled("full", 1),
    made("linspace", _linspace, FLOATING),
    _filled("ones"),
    _filled("zeros"),
    like("empty_like", show=_shape_of),
    like("full_like", 1),
    like("ones_like"),
    like("zeros_like"),
    made("__array_namespace_info__", _info, ("float64",)),
    made("broadcast_shapes", _broadcast_shapes, ("float64",)),
    made("can_cast", _can_cast),
    made("finfo", _limits("finfo", "bits", "eps", "max", "min", "smallest_normal"), FLOATING),
    made("iinfo", _limits("iinfo", "bits", "max", "min"), INTEGERS),
    made("isdtype", _isdtype),
    Function("result_type", _result_type, ALL, Holds.CONSTANT, maps=None),
]

FAMILIES = {
    "Making arrays, and asking about them": CREATION,
    "Elementwise": ELEMENTWISE,
    "Statistics, searching and sorting": STATISTICS,
    "Manipulation and indexing": MANIPULATION,
    "Linear algebra": PRODUCTS + LINALG,
    "Fourier transforms": FFT,
}
CATALOGUE = {function.name: function for family in FAMILIES.values() for function in family}
