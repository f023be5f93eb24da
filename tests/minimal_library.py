"""An Array API library of this file's own, in plain Python: the least that the package asks of one.

Arrays are immutable and hold Python numbers in a tuple. There is no NumPy in it, no DLPack and no backend; `namespace`
is an object, not a module; dtypes are objects; ``__array__`` raises. It has what the standard says of the functions
that it has, and no more: operands have one dtype, or are Python numbers.
"""

import itertools
import math
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

__all__ = ["Array", "Namespace", "namespace"]

Shape = tuple[int, ...]


# ---- dtypes
@dataclass(frozen=True)
class DType:
    """A dtype: its name, and the function that brings a Python number into its range and precision."""

    name: str
    kind: str
    convert: Callable[[Any], Any]

    def __repr__(self) -> str:
        return f"minimal.{self.name}"


def _single(value: Any) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _wrapped(bits: int, signed: bool) -> Callable[[Any], int]:
    half = 1 << (bits - 1) if signed else 0
    return lambda value: (int(value) + half) % (1 << bits) - half


DTYPES = {
    dtype.name: dtype
    for dtype in [
        DType("bool", "bool", bool),
        DType("int64", "signed integer", _wrapped(64, signed=True)),
        DType("uint64", "unsigned integer", _wrapped(64, signed=False)),
        DType("float32", "real floating", _single),
        DType("float64", "real floating", float),
    ]
}
BOOL, INT64, FLOAT64 = DTYPES["bool"], DTYPES["int64"], DTYPES["float64"]
_KINDS = {
    "integral": ("signed integer", "unsigned integer"),
    "numeric": ("signed integer", "unsigned integer", "real floating"),
}


def _has_kind(dtype: DType, kind: Any) -> bool:
    if isinstance(kind, tuple):
        return any(_has_kind(dtype, one) for one in kind)
    return dtype is kind or dtype.kind in _KINDS.get(kind, (kind,))


# ---- arrays
class Array:
    """An immutable array in row-major order."""

    __slots__ = ("_values", "dtype", "shape")

    def __init__(self, values: Sequence[Any], shape: Shape, dtype: DType) -> None:
        assert len(values) == math.prod(shape)
        object.__setattr__(self, "_values", tuple(map(dtype.convert, values)))
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "dtype", dtype)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("arrays are immutable")

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return namespace

    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError("this library has nothing to do with NumPy")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return len(self._values)

    @property
    def device(self) -> str:
        return "here"

    def to_device(self, device: str, /, *, stream: Any = None) -> "Array":
        if device != "here":
            raise ValueError(f"no device {device!r}")
        return self

    @property
    def mT(self) -> "Array":
        return _permute_dims(self, (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    @property
    def T(self) -> "Array":
        return self.mT

    def _only(self) -> Any:
        if self.shape != ():
            raise TypeError(f"only a 0-d array is a number; this one has shape {self.shape}")
        return self._values[0]

    def __bool__(self) -> bool:
        return bool(self._only())

    def __int__(self) -> int:
        return int(self._only())

    def __float__(self) -> float:
        return float(self._only())

    def __index__(self) -> int:
        return int(operator.index(self._only()))

    def __getitem__(self, key: Any) -> "Array":
        picked, shape = [], []
        for item, n in itertools.zip_longest(_whole_key(key, self.ndim), self.shape):
            if isinstance(item, slice):
                picked.append(range(*item.indices(n)))
                shape.append(len(picked[-1]))
            else:
                place = operator.index(item)
                if not -n <= place < n:
                    raise IndexError(f"index {place} of an axis of {n}")
                picked.append(range(place % n, place % n + 1))
        return Array([self._values[i] for i in _places(self.shape, picked)], tuple(shape), self.dtype)

    def __repr__(self) -> str:
        return f"Array({list(self._values)}, {self.shape}, {self.dtype})"


def _whole_key(key: Any, ndim: int) -> list[Any]:
    items = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (ndim - len(items) + 1)
    if len(items) != ndim:
        # The standard leaves a key that is too short, and has no Ellipsis, unspecified.
        raise IndexError(f"{ndim} indices are expected; got {key!r}")
    return items


def _strides(shape: Shape) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _places(shape: Shape, picked: Sequence[Sequence[int]]) -> Iterator[int]:
    """Yield the flat places of a product of positions along each axis."""
    along = [[i * stride for i in places] for places, stride in zip(picked, _strides(shape), strict=True)]
    return map(sum, itertools.product(*along))


def _broadcast_shapes(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True)
    found = []
    for lengths in columns:
        others = {n for n in lengths if n != 1}
        if len(others) > 1:
            raise ValueError(f"shapes {shapes} do not broadcast")
        found.append(others.pop() if others else 1)
    return tuple(found)


def _broadcast_to(x: Array, /, shape: Shape) -> Array:
    if _broadcast_shapes(x.shape, shape) != tuple(shape):
        raise ValueError(f"shape {x.shape} does not broadcast to {shape}")
    own = (1,) * (len(shape) - x.ndim) + x.shape
    # Along a broadcast axis every position is position 0.
    strides = [0 if n == 1 else stride for n, stride in zip(own, _strides(own), strict=True)]
    along = [[i * stride for i in range(n)] for n, stride in zip(shape, strides, strict=True)]
    return Array([x._values[sum(place)] for place in itertools.product(*along)], tuple(shape), x.dtype)


# ---- elementwise functions
def _operands(*given: Any) -> list[Array]:
    dtypes = {x.dtype for x in given if isinstance(x, Array)}
    if len(dtypes) != 1:
        raise TypeError(f"operands must have one dtype; got {dtypes or given}")
    (dtype,) = dtypes
    return [x if isinstance(x, Array) else _scalar(x, dtype) for x in given]


def _scalar(x: Any, dtype: DType) -> Array:
    allowed = {"bool": bool, "real floating": (int, float)}.get(dtype.kind, int)
    if (type(x) is bool and dtype is not BOOL) or not isinstance(x, allowed):
        raise TypeError(f"{x!r} is no scalar for {dtype}")
    return Array([x], (), dtype)


def _elementwise(function: Callable[..., Any], kinds: Any, result: DType | None = None) -> Callable[..., Array]:
    def apply(*given: Any) -> Array:
        operands = _operands(*given)
        dtype = operands[0].dtype
        if not _has_kind(dtype, kinds):
            raise TypeError(f"{function} takes {kinds}; got {dtype}")
        shape = _broadcast_shapes(*(x.shape for x in operands))
        rows = zip(*(_broadcast_to(x, shape)._values for x in operands), strict=True)
        return Array([function(*row) for row in rows], shape, result or dtype)

    return apply


def _divided(x: float, y: float) -> float:
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)
    return x / y


def _power(x: Any, y: Any) -> Any:
    try:
        return x**y
    except OverflowError:
        return math.inf


FLOATING, NUMERIC, BITS = "real floating", "numeric", ("bool", "integral")
ELEMENTWISE = {
    "add": _elementwise(operator.add, NUMERIC),
    "subtract": _elementwise(operator.sub, NUMERIC),
    "multiply": _elementwise(operator.mul, NUMERIC),
    "divide": _elementwise(_divided, FLOATING),
    "pow": _elementwise(_power, NUMERIC),
    "negative": _elementwise(operator.neg, NUMERIC),
    "tanh": _elementwise(math.tanh, FLOATING),
    "sqrt": _elementwise(math.sqrt, FLOATING),
    "square": _elementwise(lambda x: x * x, NUMERIC),
    "equal": _elementwise(operator.eq, (*BITS, FLOATING), BOOL),
    "less": _elementwise(operator.lt, NUMERIC, BOOL),
    "greater": _elementwise(operator.gt, NUMERIC, BOOL),
    "greater_equal": _elementwise(operator.ge, NUMERIC, BOOL),
    "bitwise_invert": _elementwise(lambda x: not x if isinstance(x, bool) else ~x, BITS),
    "bitwise_and": _elementwise(operator.and_, BITS),
    "bitwise_or": _elementwise(operator.or_, BITS),
    "bitwise_xor": _elementwise(operator.xor, BITS),
    "bitwise_left_shift": _elementwise(operator.lshift, "integral"),
    "bitwise_right_shift": _elementwise(operator.rshift, "integral"),
}
_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "pow",
    "eq": "equal",
    "lt": "less",
    "gt": "greater",
    "ge": "greater_equal",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
for _dunder, _name in _OPERATORS.items():
    _function = ELEMENTWISE[_name]
    setattr(Array, f"__{_dunder}__", lambda x, y, f=_function: f(x, y))
    if _dunder not in ("eq", "lt", "gt", "ge"):
        setattr(Array, f"__r{_dunder}__", lambda x, y, f=_function: f(y, x))
Array.__neg__ = lambda x: ELEMENTWISE["negative"](x)
Array.__invert__ = lambda x: ELEMENTWISE["bitwise_invert"](x)


# ---- the other functions
def _asarray(obj: Any, /, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None) -> Array:
    if isinstance(obj, Array):
        return obj if dtype in (None, obj.dtype) else _astype(obj, dtype)
    values, shape = _flattened(obj)
    if dtype is None:
        types = set(map(type, values))
        dtype = BOOL if types == {bool} else INT64 if types == {int} else FLOAT64
    return Array(values, shape, dtype)


def _flattened(obj: Any) -> tuple[list[Any], Shape]:
    if isinstance(obj, (list, tuple)):
        parts = [_flattened(item) for item in obj]
        if len({shape for _, shape in parts}) > 1:
            raise ValueError("nested lists must have one shape")
        shape = (len(parts), *(parts[0][1] if parts else ()))
        return [value for values, _ in parts for value in values], shape
    if isinstance(obj, (bool, int, float)):
        return [obj], ()
    raise TypeError(f"{type(obj).__name__} is neither a number nor a list of numbers")


def _where(condition: Array, x1: Any, x2: Any, /) -> Array:
    operands = _operands(x1, x2)
    shape = _broadcast_shapes(condition.shape, *(x.shape for x in operands))
    rows = zip(*(_broadcast_to(x, shape)._values for x in (condition, *operands)), strict=True)
    return Array([a if c else b for c, a, b in rows], shape, operands[0].dtype)


def _full(shape: Any, value: Any, dtype: DType) -> Array:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return Array([value] * math.prod(shape), shape, dtype)


def _filled(shape: Any, fill_value: Any, *, dtype: DType | None = None, device: Any = None) -> Array:
    return _full(shape, fill_value, dtype or FLOAT64)


def _zeros(shape: Any, *, dtype: DType | None = None, device: Any = None) -> Array:
    return _full(shape, 0, dtype or FLOAT64)


def _ones(shape: Any, *, dtype: DType | None = None, device: Any = None) -> Array:
    return _full(shape, 1, dtype or FLOAT64)


def _zeros_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    return _full(x.shape, 0, dtype or x.dtype)


def _ones_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    return _full(x.shape, 1, dtype or x.dtype)


def _arange(
    start: int, /, stop: int | None = None, step: int = 1, *, dtype: DType | None = None, device: Any = None
) -> Array:
    values = range(start) if stop is None else range(start, stop, step)
    return Array(values, (len(values),), dtype or INT64)


def _astype(x: Array, dtype: DType, /, *, copy: bool = True, device: Any = None) -> Array:
    return Array(x._values, x.shape, dtype)


def _reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Array:
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        shape = tuple(x.size // rest if n == -1 else n for n in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"shape {x.shape} cannot become {shape}")
    return Array(x._values, tuple(shape), x.dtype)


def _permute_dims(x: Array, /, axes: Shape) -> Array:
    strides = _strides(x.shape)
    along = [[i * strides[a] for i in range(x.shape[a])] for a in axes]
    values = [x._values[sum(place)] for place in itertools.product(*along)]
    return Array(values, tuple(x.shape[a] for a in axes), x.dtype)


def _concat(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    first = [_permute_dims(x, (axis, *(a for a in range(x.ndim) if a != axis))) for x in arrays]
    joined = [value for x in first for value in x._values]
    shape = (sum(x.shape[0] for x in first), *first[0].shape[1:])
    back = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
    return _permute_dims(Array(joined, shape, arrays[0].dtype), tuple(back))


def _take(x: Array, indices: Array, /, *, axis: int) -> Array:
    chosen = [operator.index(i) for i in indices._values]
    if any(not -x.shape[axis] <= i < x.shape[axis] for i in chosen):
        raise IndexError(f"indices {chosen} of an axis of {x.shape[axis]}")
    picked: list[Any] = [range(n) for n in x.shape]
    picked[axis] = [i % x.shape[axis] for i in chosen]
    shape = (*x.shape[:axis], len(chosen), *x.shape[axis + 1 :])
    return Array([x._values[i] for i in _places(x.shape, picked)], shape, x.dtype)


def _moveaxis(x: Array, source: int, destination: int, /) -> Array:
    axes = list(range(x.ndim))
    axes.insert(destination, axes.pop(source))
    return _permute_dims(x, tuple(axes))


def _expand_dims(x: Array, /, *, axis: int = 0) -> Array:
    place = axis % (x.ndim + 1)
    return Array(x._values, (*x.shape[:place], 1, *x.shape[place:]), x.dtype)


def _sum(x: Array, /, *, axis: Any = None, dtype: DType | None = None, keepdims: bool = False) -> Array:
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)]
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = _permute_dims(x, (*kept, *axes))._values
    length = math.prod(x.shape[a] for a in axes)
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a in kept)
    sums = [math.fsum(rows[i * length : (i + 1) * length]) for i in range(math.prod(x.shape[a] for a in kept))]
    return Array(sums, shape, dtype or x.dtype)


def _matmul(x1: Array, x2: Array, /) -> Array:
    if x1.ndim != 2 or x2.ndim != 2 or x1.shape[1] != x2.shape[0]:
        raise ValueError(f"matmul takes two matrices here; got shapes {x1.shape} and {x2.shape}")
    inner, columns = x2.shape
    products = [
        math.fsum(x1._values[i * inner + k] * x2._values[k * columns + j] for k in range(inner))
        for i in range(x1.shape[0])
        for j in range(columns)
    ]
    return Array(products, (x1.shape[0], columns), _operands(x1, x2)[0].dtype)


def _result_type(*given: Any) -> DType:
    return _operands(*(x if isinstance(x, Array) else Array([0], (), x) for x in given))[0].dtype


def _finfo(dtype: Any, /) -> SimpleNamespace:
    single = (dtype.dtype if isinstance(dtype, Array) else dtype).name == "float32"
    bits, eps, normal = (32, 2.0**-23, 2.0**-126) if single else (64, 2.0**-52, 2.0**-1022)
    return SimpleNamespace(bits=bits, eps=eps, smallest_normal=normal)


Array.__matmul__ = lambda x, y: _matmul(x, y)


class Namespace:
    """The library: some functions of the standard, its dtypes, and nothing else."""

    __name__ = "minimal"

    def __init__(self) -> None:
        functions = {
            "arange": _arange,
            "asarray": _asarray,
            "astype": _astype,
            "broadcast_to": _broadcast_to,
            "concat": _concat,
            "empty": _zeros,
            "expand_dims": _expand_dims,
            "finfo": _finfo,
            "full": _filled,
            "isdtype": _has_kind,
            "matmul": _matmul,
            "matrix_transpose": lambda x: x.mT,
            "moveaxis": _moveaxis,
            "ones": _ones,
            "ones_like": _ones_like,
            "permute_dims": _permute_dims,
            "reshape": _reshape,
            "result_type": _result_type,
            "sum": _sum,
            "take": _take,
            "where": _where,
            "zeros": _zeros,
            "zeros_like": _zeros_like,
            **ELEMENTWISE,
        }
        vars(self).update(functions | DTYPES)

    def __repr__(self) -> str:
        return f"<minimal, an Array API library of {len(vars(self))} names>"


namespace = Namespace()
