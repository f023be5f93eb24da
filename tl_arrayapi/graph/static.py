"""Static arguments: what they may be made of, and the one form in which an equation of each function has them.

Tracing brings every call into this form, and passes keep it, so that they and the lowerings see few functions, with all
arguments spelled out: axes counted from the front, shapes without -1, keys with an entry for every axis.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tl_arrayapi.graph.dtypes import ITEM_BYTES
from tl_arrayapi.graph.graph import Equation

__all__ = ["REWRITTEN", "is_plain", "problems"]

REWRITTEN: dict[str, str] = {
    "expand_dims": "reshape",
    "matrix_transpose": "permute_dims",
    "moveaxis": "permute_dims",
    "squeeze": "reshape",
    **dict.fromkeys(("empty", "empty_like", "full_like", "ones", "ones_like", "zeros", "zeros_like"), "full"),
}
"""Functions that no equation has, and what stands for each."""


def is_plain(value: Any) -> bool:
    """Say whether a static argument is a number, a name or None, or tuples and slices of them: exactly these types, so
    that what is printed tells the argument.

    >>> is_plain((1, slice(0, 2, 1), "float32", None)), is_plain([1])
    (True, False)
    """
    if type(value) is tuple:
        return all(map(is_plain, value))
    if type(value) is slice:
        return all(map(is_plain, (value.start, value.stop, value.step)))
    return value is None or type(value) in (bool, int, float, complex, str)


# ---- what an argument may be
_Check = Callable[[Any, Equation], bool]


def _rank(equation: Equation) -> int:
    return equation.operands[0].ndim if equation.operands else 0


def _is_length(n: Any) -> bool:
    return type(n) is int and n >= 0


def _is_shape(value: Any, equation: Equation) -> bool:
    return type(value) is tuple and all(map(_is_length, value))


def _is_axis(value: Any, equation: Equation) -> bool:
    rank = max((v.ndim for v in (*equation.operands, *equation.results)), default=0)
    return type(value) is int and 0 <= value < rank


def _is_axis_or_none(value: Any, equation: Equation) -> bool:
    return value is None or _is_axis(value, equation)


def _are_axes(value: Any, equation: Equation) -> bool:
    return type(value) is tuple and all(type(a) is int and 0 <= a < _rank(equation) for a in value)


def _are_sorted_axes(value: Any, equation: Equation) -> bool:
    return _are_axes(value, equation) and list(value) == sorted(set(value))


def _are_shifts(value: Any, equation: Equation) -> bool:
    axes = equation.get("axis")
    return type(value) is tuple and type(axes) is tuple and len(value) == len(axes) and all(map(_is_int, value))


def _is_int(value: Any, equation: Equation | None = None) -> bool:
    return type(value) is int


def _is_flag(value: Any, equation: Equation) -> bool:
    return type(value) is bool


def _is_number(value: Any, equation: Equation) -> bool:
    return type(value) in (bool, int, float, complex)


def _is_dtype(value: Any, equation: Equation) -> bool:
    return type(value) is str and value in ITEM_BYTES


def _is_key(value: Any, equation: Equation) -> bool:
    indexed = [equation.get("shape")] if equation.name == "embed" else [x.shape for x in equation.operands[:1]]
    if not indexed or not _is_shape(indexed[0], equation):
        return True  # what is wrong is said elsewhere: an operand is missing, or the shape is none
    (shape,) = indexed
    return (
        type(value) is tuple
        and len(value) == len(shape)
        and all(_selects(part, n) for part, n in zip(value, shape, strict=True))
    )


def _selects(part: Any, n: int) -> bool:
    if type(part) is not slice:
        return type(part) is int and 0 <= part < n
    start, stop, step = part.start, part.stop, part.step
    return all(type(bound) is int for bound in (start, stop, step)) and step > 0 and 0 <= start <= stop <= n


@dataclass(frozen=True)
class _Argument:
    expected: str
    check: _Check


_SHAPE = _Argument("a tuple of lengths", _is_shape)
_AXIS = _Argument("an axis counted from the front", _is_axis)
_AXIS_OR_NONE = _Argument("an axis counted from the front, or None", _is_axis_or_none)
_AXES = _Argument("a tuple of axes counted from the front", _are_axes)
_SORTED_AXES = _Argument("a tuple of axes counted from the front, in ascending order", _are_sorted_axes)
_SHIFTS = _Argument("a tuple with one int for each axis", _are_shifts)
_INT = _Argument("an int", _is_int)
_FLAG = _Argument("True or False", _is_flag)
_NUMBER = _Argument("a number", _is_number)
_DTYPE = _Argument("the name of a dtype", _is_dtype)
_KEY = _Argument("a tuple with an int, or a slice of three ints that stay inside, for every axis", _is_key)


@dataclass(frozen=True)
class _Form:
    """The static arguments that an equation must have, and those that it may have."""

    required: Mapping[str, _Argument] = field(default_factory=dict)
    optional: Mapping[str, _Argument] = field(default_factory=dict)


_REDUCTION = _Form({"axis": _SORTED_AXES, "keepdims": _FLAG})
_FORMS: dict[str, _Form] = {
    "arange": _Form({"start": _NUMBER, "stop": _NUMBER, "step": _NUMBER, "dtype": _DTYPE}),
    "argsort": _Form({"axis": _AXIS}, {"descending": _FLAG, "stable": _FLAG}),
    "astype": _Form({"dtype": _DTYPE}),
    "broadcast_to": _Form({"shape": _SHAPE}),
    "embed": _Form({"shape": _SHAPE, "key": _KEY}),
    "flip": _Form({"axis": _SORTED_AXES}),
    "full": _Form({"value": _NUMBER, "shape": _SHAPE, "dtype": _DTYPE}),
    "permute_dims": _Form({"axes": _AXES}),
    "reshape": _Form({"shape": _SHAPE}),
    "roll": _Form({"shift": _SHIFTS, "axis": _AXES}),
    "scatter_add": _Form({"shape": _SHAPE, "axis": _AXIS}),
    "take": _Form({"axis": _AXIS}),
    "tile": _Form({"repetitions": _SHAPE}),
    "writers": _Form({"count": _INT}),
    **dict.fromkeys(("all", "any", "count_nonzero", "max", "min"), _REDUCTION),
    **dict.fromkeys(("argmax", "argmin"), _Form({"axis": _AXIS_OR_NONE, "keepdims": _FLAG})),
    **dict.fromkeys(("concat", "stack"), _Form({"axis": _AXIS})),
    **dict.fromkeys(
        ("cumulative_prod", "cumulative_sum"), _Form({"axis": _AXIS}, {"dtype": _DTYPE, "include_initial": _FLAG})
    ),
    **dict.fromkeys(("getitem", "put"), _Form({"key": _KEY})),
    **dict.fromkeys(("prod", "sum"), _Form(_REDUCTION.required, {"dtype": _DTYPE})),
    **dict.fromkeys(("tril", "triu"), _Form({"k": _INT})),
}


def problems(equation: Equation) -> Iterator[str]:
    """Yield what is wrong with the static arguments of an equation.

    >>> from tl_arrayapi.graph import Var
    >>> x, y = Var(0, (2, 3), "float32"), Var(1, (3,), "float32")
    >>> list(problems(Equation("sum", "reduction", (x,), (("axis", 0), ("keepdims", False)), (y,))))
    ['axis is a tuple of axes counted from the front, in ascending order; got 0']
    """
    if (instead := REWRITTEN.get(equation.name)) is not None:
        yield f"{equation.name} is written as {instead}"
        return
    names = [name for name, _ in equation.static]
    if names != sorted(set(names)):
        yield f"static arguments come once each, in the order of their names; got {', '.join(names)}"
    for name, value in equation.static:
        if not is_plain(value):
            yield f"{name} is made of numbers, names, None, tuples and slices; got {value!r}"
    given = equation.arguments
    if (form := _FORMS.get(equation.name)) is None:
        if (dtype := given.get("dtype")) is not None and not _is_dtype(dtype, equation):
            yield f"dtype is {_DTYPE.expected}; got {dtype!r}"
        return
    for name in form.required:
        if name not in given:
            yield f"{name} is not given"
    for name, value in given.items():
        argument = form.required.get(name) or form.optional.get(name)
        if argument is None:
            yield f"{equation.name} has no argument {name} here"
        elif not argument.check(value, equation):
            yield f"{name} is {argument.expected}; got {value!r}"
