"""`where` in the replay: a cotangent stays 0 behind a branch that was not taken, whatever the rules there make of it.

Such a cotangent is accompanied by a mask of its shape, False where it is 0. The rules of elementwise functions may put
a NaN there, 0 times infinity, and it stays in its place; it is dirty, and made clean before elements are mixed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tl_arrayapi.autograd.cotangents import PART, Node, by_rule, conform
from tl_arrayapi.autograd.primitive import Kind
from tl_arrayapi.autograd.reach import narrowed, reached
from tl_arrayapi.autograd.rules.elementwise import WHERE
from tl_arrayapi.autograd.rules.reduction import restored

__all__ = ["Masks", "guard_where", "is_guarded"]

_GUARDED: ContextVar[bool] = ContextVar("guarded", default=True)

# Their rules pass a cotangent on, or change its sign: they make no NaN.
_HARMLESS = frozenset(("add", "conj", "copysign", "imag", "negative", "positive", "real", "remainder", "subtract"))

is_guarded = _GUARDED.get
"""Say whether a `where` masks what is behind its branches."""


@contextmanager
def guard_where(enabled: bool = True) -> Iterator[None]:
    """Say, for the gradients computed meanwhile in this thread, whether ``where`` guards the branch not taken.

    The derivative of ``xp.where(x > 0, xp.log(x), 0.0)`` at 0 is 0: the cotangent of the logarithm is 0 there, and
    stays 0, although its rule would make NaN of 0 times infinity. This is the default. With ``enabled`` False it is
    what IEEE arithmetic gives, as in other libraries, and the backward pass saves the masks.

    >>> import numpy, tl_arrayapi as tl
    >>> def safe(x):
    ...     xp = tl.array_namespace(x)
    ...     return xp.where(x > 0, xp.log(x), 0.0)
    >>> with numpy.errstate(all="ignore"):
    ...     tl.grad(safe)(numpy.asarray(0.0))
    ...     with tl.guard_where(False):
    ...         tl.grad(safe)(numpy.asarray(0.0))
    array(0.)
    array(nan)
    """
    token = _GUARDED.set(enabled)
    try:
        yield
    finally:
        _GUARDED.reset(token)


class Masks:
    """The masks of one replay, by the places of the nodes whose cotangents they accompany."""

    __slots__ = ("_dirty", "_masks", "_xp")

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._masks: dict[int, Any] = {}
        self._dirty: set[int] = set()

    def __contains__(self, place: int) -> bool:
        return place in self._masks

    def add(self, cotangents: list[Any], place: int, d: Any, mask: Any = None, dirty: bool = False) -> None:
        """Add ``d`` to the cotangent at ``place``."""
        before = cotangents[place]
        if before is None:
            cotangents[place] = d
            if mask is not None:
                self._masks[place] = mask
                if dirty:
                    self._dirty.add(place)
            return
        other = self._masks.get(place)
        if mask is not other:
            # What is False in one may be True in the other: each is made clean first.
            d, before = self._clean(d, mask, dirty), self._clean(before, other, place in self._dirty)
            self._dirty.discard(place)
            dirty = False
            if mask is None or other is None:
                self._masks.pop(place, None)
            else:
                self._masks[place] = mask | other
        if dirty:
            self._dirty.add(place)
        cotangents[place] = before + d

    def finish(self, cotangents: list[Any]) -> None:
        """Make clean what has come to the leaves."""
        for place in self._dirty:
            cotangents[place] = self._clean(cotangents[place], self._masks[place], True)

    def pull(self, cotangents: list[Any], place: int, node: Node, g: Any) -> None:
        """Run the rules of the node at ``place``, a `where` or one whose cotangent ``g`` has a mask, and add what they
        give.
        """
        primitive, parents, operands, static, out = node
        mask = self._masks.pop(place, None)
        dirty = place in self._dirty
        self._dirty.discard(place)
        if primitive.kind is not Kind.ELEMENTWISE or primitive is WHERE:
            for parent, d, kept, soiled in self._pulled(mask, self._clean(g, mask, dirty), node):
                self.add(cotangents, parent, d, kept, soiled)
            return
        xp = self._xp
        dirty = dirty or primitive.name not in _HARMLESS
        for parent, rule, x in zip(parents, primitive.vjps, operands, strict=True):
            if parent is not None and rule is not None:
                d = rule(xp, g, out, *operands, **static)
                if d.shape == x.shape:
                    self.add(cotangents, parent, d if d.dtype is x.dtype else conform(xp, d, x), mask, dirty)
                else:
                    d = conform(xp, self._clean(d, mask, dirty), x)
                    self.add(cotangents, parent, d, narrowed(xp, mask, x.shape), False)

    def _pulled(self, mask: Any, g: Any, node: Node) -> Iterator[tuple[int, Any, Any, bool]]:
        """Yield (parent, cotangent, mask, whether it is dirty) for every watched operand of what is not elementwise."""
        xp = self._xp
        primitive, parents, operands, static, out = node
        masks = None if mask is None else reached(primitive, xp, mask, out, operands)
        if primitive.kind is Kind.CONTRACTION and masks is not None:
            # What has no part in what is taken would be multiplied by 0 in the cotangent of the other factor.
            operands = tuple(self._clean(x, m, True) for x, m in zip(operands, masks, strict=True))
        found = by_rule(xp, g, (primitive, parents, operands, static, out))
        if masks is not None:
            kept = iter([m for m, parent in zip(masks, parents, strict=True) if parent is not None])
            for parent, x, d in found:
                yield parent, conform(xp, d, x), next(kept), True
        elif primitive is WHERE:
            yield from self._branches(mask, found, out, parents, operands)
        elif primitive is PART:
            for parent, _, d in found:
                yield parent, d, xp.any(mask), False
        elif primitive.kind is Kind.CAST:
            for parent, x, d in found:
                yield parent, conform(xp, d, x), mask, False
        elif primitive.kind is Kind.REDUCTION:
            for parent, x, d in found:
                whole = restored(xp, mask, x, static.get("axis"), static.get("keepdims", False))
                yield parent, conform(xp, d, x), xp.broadcast_to(whole, tuple(x.shape)), primitive.name != "sum"
        elif primitive.kind in (Kind.MOVEMENT, Kind.INDEXING):
            # Their rules move cotangents, and masks alike.
            moved = by_rule(xp, xp.astype(mask, g.dtype), node)
            for (parent, x, d), (_, _, m) in zip(found, moved, strict=True):
                yield parent, conform(xp, d, x), conform(xp, m, x) != 0, False
        else:
            # Each element of such an operand may have a part in each of the result: it is masked whole, or not at all.
            some = xp.any(mask)
            for parent, x, d in found:
                yield parent, conform(xp, d, x), xp.broadcast_to(some, tuple(x.shape)), True

    def _branches(
        self, mask: Any, found: Iterator[Any], out: Any, parents: tuple[Any, ...], operands: tuple[Any, ...]
    ) -> Iterator[tuple[int, Any, Any, bool]]:
        """Yield what the two branches of a `where` get."""
        xp = self._xp
        chosen = xp.broadcast_to(operands[0], tuple(out.shape))
        taken = iter([t for t, parent in ((True, parents[1]), (False, parents[2])) if parent is not None])
        for parent, x, d in found:
            kept = chosen if next(taken) else ~chosen
            kept = kept if mask is None else kept & mask
            yield parent, conform(xp, d, x), narrowed(xp, kept, x.shape), False

    def _clean(self, d: Any, mask: Any, dirty: bool) -> Any:
        return self._xp.where(mask, d, self._xp.zeros_like(d)) if dirty else d
