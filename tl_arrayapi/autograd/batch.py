"""Batch, the level of `vmap`: it runs an operation on single examples as one operation on all of them.

A value of this level is a `Batched`: an array of the level below whose first axis runs over the examples, and which
shows the shape of one. What is done to an operation follows from the primitive's kind, not from the primitive: the
axis of the examples is kept in front, and everything else moves one place on.
"""

from typing import Any

from tl_arrayapi.autograd.array import Array, Level, StandIn, bottom
from tl_arrayapi.autograd.batching import BY_KIND, BY_NAME
from tl_arrayapi.autograd.primitive import Primitive
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.autograd.tape import next_number
from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError

__all__ = ["Batch", "Batched"]


class Batched(StandIn):
    """An array whose first axis runs over examples, shown as one of them."""

    __slots__ = ("data",)

    def __init__(self, data: Array) -> None:
        self.data = data

    @property
    def below(self) -> Array:
        """The array of all examples."""
        return self.data

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.data.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return self.data.ndim - 1

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self.data.dtype

    @property
    def device(self) -> Any:
        """The device."""
        return self.data.device

    def __repr__(self) -> str:
        return f"{self.data.shape[0]} of shape {self.shape}: {bottom(self.data)!r}"

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise WatchedError(
            f"under vmap an array has a value for every example, and no single one to branch on or to convert "
            f"({user_line()}): use xp.where, or stack the results of a loop"
        )

    __bool__ = __int__ = __float__ = __complex__ = __index__ = _refuse
    __array__ = __dlpack__ = __dlpack_device__ = _refuse


class Batch(Level):
    """Run operations for ``size`` examples at once."""

    __slots__ = ("_open", "size")

    def __init__(self, namespace: Any, size: int) -> None:
        self.number = next_number()
        self.namespace = namespace
        self.ground = namespace.ground
        self.functions = None
        self.nodes = []
        self.size = size
        self._open = True

    def spread(self, data: Any, axis: int) -> Array:
        """Return the examples that lie along ``axis`` of ``data`` as one array of this level."""
        data = self.namespace.lift(data)
        # Moved only where they lie elsewhere: a view of a result would have to be copied before it is handed back.
        return self._wrap(data if axis in (0, -data.ndim) else self.namespace.moveaxis(data, axis, 0))

    def _wrap(self, data: Array) -> Array:
        # The index says that this array differs between examples: a constant has none.
        return Array(Batched(data), self, 0)

    def gather(self, out: Any, axis: int) -> Array:
        """Return a result as an array of the level below, its examples along ``axis``; what is the same for all is
        repeated.
        """
        xp = self.namespace
        if type(out) is Array and out.level is self and out.index is not None:
            data = out.value.data
        else:
            out = xp.lift(out)
            data = xp.broadcast_to(out, (self.size, *out.shape))
        moved: Array = data if axis in (0, -data.ndim) else xp.moveaxis(data, 0, axis)
        return moved

    def stop(self, array: Array) -> Array:
        """Stop all examples."""
        data = array.value.data if array.index is not None else array.value
        return self._wrap(data.level.stop(data)) if type(data) is Array else array

    def close(self) -> None:
        """Refuse further operations: the function that was mapped has returned."""
        self._open = False

    def describe(self, array: Array) -> str:
        """Say over how many examples an array runs."""
        return f"of {self.size} examples"

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run ``primitive`` below, on all examples."""
        if not self._open:
            raise TraceError(
                f"an array is used in {primitive.name} after the mapped function has returned ({user_line()}): "
                f"return it from the function"
            )
        values, mine = [], []
        for x in operands:
            own = type(x) is Array and x.level is self
            mine.append(own)
            # Lifted, so that every operand below has a shape and a namespace's functions.
            values.append(x.value.data if own else x if type(x) is Array else Array(x, self.ground))
        rule = BY_NAME.get(primitive.name) or BY_KIND.get(primitive.kind)
        if rule is None:
            raise NoRuleError(
                f"{primitive.name} cannot be mapped over examples ({user_line()}): call it outside of vmap, or map "
                f"with a loop"
            )
        out = rule(self, primitive, values, mine, static)
        if isinstance(out, tuple):
            parts = [self._wrap(x) for x in out]
            return tuple(parts) if primitive.result is None else primitive.result(*parts)
        return self._wrap(out)
