"""The public functions and the operators of Array, made from the table of primitives.

Most of the time of a small operation is spent in this module: each function first tries the short way, in which the
library's own arrays go straight to the library's own function, and leaves the rest to `bind`.
"""

from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.array import NO_STATIC, Array, Level, bind, fail
from tl_arrayapi.autograd.primitive import PRIMITIVES, Kind, Primitive

__all__ = ["function_of", "install_operators"]


def _unary(primitive: Primitive, default: Level | None) -> Callable[..., Any]:
    records = not primitive.zero_gradient

    def function(x: Any, /) -> Any:
        if type(x) is Array:
            level = x.level
            functions = level.functions
            if functions is not None:
                value = x.value
                try:
                    out = functions[primitive](value)
                except Exception as error:
                    fail(primitive, (value,), error)
                    raise
                index = x.index
                if index is None or not records:
                    return Array(out, level)
                nodes = level.nodes
                nodes.append((primitive, (index,), (value,), NO_STATIC, out))
                return Array(out, level, len(nodes) - 1)
        return bind(primitive, (x,), NO_STATIC, default)

    return function


def _binary(primitive: Primitive, default: Level | None) -> Callable[..., Any]:
    records = not primitive.zero_gradient

    def function(x1: Any, x2: Any, /) -> Any:
        # The short way: both operands are of one level, or one of them is a constant, and nothing below is an Array.
        if type(x1) is not Array:
            return bind(primitive, (x1, x2), NO_STATIC, default)
        level = x1.level
        value1 = x1.value
        if type(x2) is Array:
            other = x2.level
            if other is not level and other is not level.ground:
                if other.ground is not level:
                    return bind(primitive, (x1, x2), NO_STATIC, default)
                level = other
            value2, index2 = x2.value, x2.index
        elif level.functions is None:
            return bind(primitive, (x1, x2), NO_STATIC, default)
        elif type(x2) is float or type(x2) is int:
            value2, index2 = level.ground.scalar(x2, value1.dtype, value1), None
        elif type(x2) in level.ground.plain:
            value2, index2 = level.hold(x2), None
        else:
            return bind(primitive, (x1, x2), NO_STATIC, default)
        functions = level.functions
        if functions is None:
            return bind(primitive, (x1, x2), NO_STATIC, default)
        try:
            out = functions[primitive](value1, value2)
        except Exception as error:
            fail(primitive, (value1, value2), error)
            raise
        index1 = x1.index
        if not records or (index1 is None and index2 is None):
            return Array(out, level)
        nodes = level.nodes
        nodes.append((primitive, (index1, index2), (value1, value2), NO_STATIC, out))
        return Array(out, level, len(nodes) - 1)

    return function


def _general(primitive: Primitive, default: Level | None) -> Callable[..., Any]:
    count, names = primitive.operands, primitive.positional

    def function(*args: Any, **static: Any) -> Any:
        operands = args[:count]
        if len(operands) < count or len(args) > count + len(names):
            raise TypeError(
                f"{primitive.name}() takes {count} arrays{' and ' + ', '.join(names) if names else ''}; got "
                f"{len(args)} arguments"
            )
        if len(args) > count:
            static.update(zip(names, args[count:], strict=False))
        x = operands[0]
        if count == 1 and type(x) is Array:
            level = x.level
            functions = level.functions
            if functions is not None and primitive.vjps:
                value = x.value
                try:
                    out = functions[primitive](value, **static)
                except Exception as error:
                    fail(primitive, (value,), error)
                    raise
                index = x.index
                if index is None:
                    return Array(out, level)
                nodes = level.nodes
                nodes.append((primitive, (index,), (value,), static, out))
                return Array(out, level, len(nodes) - 1)
        return bind(primitive, operands, static, default)

    return function


def _gathering(primitive: Primitive, default: Level | None) -> Callable[..., Any]:
    def function(arrays: Any, /, **static: Any) -> Any:
        return bind(primitive, tuple(arrays), static, default)

    return function


def function_of(primitive: Primitive, default: Level | None = None) -> Callable[..., Any]:
    """Return the public function of ``primitive``: it takes Arrays, arrays of ``default``'s library and Python
    numbers.
    """
    if primitive.gather is not None:
        return _gathering(primitive, default)
    plain = not primitive.positional and (primitive.zero_gradient or len(primitive.vjps) == primitive.operands)
    if plain and primitive.kind in (Kind.ELEMENTWISE, Kind.CONTRACTION) and primitive.operands < 3:
        return (_unary if primitive.operands == 1 else _binary)(primitive, default)
    return _general(primitive, default)


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def operator(self: Array, other: Any) -> Any:
        ground = self.level.ground
        if type(other) is float or type(other) is int:
            other = Array(ground.scalar(other, self.value.dtype, self.value), ground)
        elif type(other) in ground.plain:
            other = Array(self.level.hold(other), ground)
        return function(other, self)

    return operator


def _squaring(power: Callable[..., Any], square: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``power``, for which ``x**2`` is the square: the rule of a power looks out for every exponent, and takes
    several times as long.
    """

    def operator(self: Array, exponent: Any) -> Any:
        return square(self) if type(exponent) is int and exponent == 2 else power(self, exponent)

    return operator


_BINARY = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}


def install_operators() -> None:
    """Give Array the operators of the primitives in the table; done once, when the rules have been imported."""
    for dunder, name in {**_BINARY, **_COMPARISONS}.items():
        function = function_of(PRIMITIVES["", name])
        if name == "pow":
            function = _squaring(function, function_of(PRIMITIVES["", "square"]))
        setattr(Array, f"__{dunder}__", function)
        if dunder in _BINARY:
            setattr(Array, f"__r{dunder}__", _reflected(function))
    for dunder, name in _UNARY.items():
        setattr(Array, f"__{dunder}__", function_of(PRIMITIVES["", name]))
