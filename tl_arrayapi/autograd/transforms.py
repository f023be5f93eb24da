"""The transforms that users call: each runs a function on watched Arrays of one new tape and hands back plain arrays
of the library.

A transform inside another works on the outer one's Arrays, and then returns Arrays: nesting is all that higher order
takes.
"""

from collections.abc import Callable
from functools import reduce, wraps
from operator import add
from typing import Any, cast

from tl_arrayapi.autograd.array import Array, bottom, watched
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.namespace import Namespace, array_namespace, namespace_of_type
from tl_arrayapi.autograd.tape import Tape
from tl_arrayapi.errors import DTypeError, NamespaceError, ShapeError, StructureError

__all__ = ["evaluate", "grad", "stop_gradient", "value_and_grad", "vjp"]

_NUMBERS = (bool, int, float, complex)
_CONTAINERS = (tuple, list, dict)
_INEXACT = ("real floating", "complex floating")


class Run:
    """One run of a function on a tape: what was watched, where, and what came out."""

    __slots__ = ("inside", "make", "taken", "tape", "watched", "xp")

    def __init__(self, make: Callable[[Any], Tape] = Tape) -> None:
        self.make = make
        self.tape: Tape
        self.watched: list[Array] = []
        self.taken: set[Any] = set()  # the memory that callers hold: no result may share it
        self.inside = False

    def call(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        argnums: tuple[int, ...],
        strict: bool,
        xp: Namespace | None = None,
    ) -> Any:
        """Run ``f`` with the arrays of ``args[i]``, i in argnums, watched and all others lifted; return what it
        returns.

        With ``strict`` a leaf that cannot have a gradient is refused by its path; without, it is passed on as a
        constant.
        """
        self.xp = xp = self._namespace(args, keywords) if xp is None else xp
        tape = self.tape = self.make(xp)
        # Leaves come first on the tape, so what is watched is watched before anything is lifted.
        lifted = list(args)
        for i in argnums:
            lifted[i] = self._each(lambda x, path: self._watch(x, path, strict), args[i], f"args[{i}]")
        for i, x in enumerate(args):
            if i not in argnums:
                lifted[i] = self._each(self._lift, x, f"args[{i}]")
        named = {name: self._each(self._lift, x, name) for name, x in keywords.items()}
        try:
            return f(*lifted, **named)
        finally:
            tape.close()

    def _each(self, function: Callable[[Any, str], Any], x: Any, path: str) -> Any:
        return map_tree(function, x, path) if isinstance(x, _CONTAINERS) else function(x, path)

    def _namespace(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Namespace:
        """Return the namespace of the arguments, and note whether another transform runs around this one."""
        found: list[Any] = []

        def visit(x: Any, path: str) -> None:
            if type(x) is Array:
                self.inside = True
                found.append(x)
            elif not found and namespace_of_type(x) is not None:
                found.append(x)

        for x in (*args, *keywords.values()):
            self._each(visit, x, "")
        if not found:
            raise NamespaceError(
                "no argument is an array: give arrays of one Array API library, such as numpy.asarray(2.0) for a number"
            )
        if self.inside:
            return cast(Namespace, array_namespace(*(x for x in found if type(x) is Array)))
        return cast(Namespace, namespace_of_type(found[0]))

    def _watch(self, x: Any, path: str, strict: bool) -> Any:
        is_array = type(x) is Array or namespace_of_type(x) is not None
        if not is_array or not self.xp.ground.is_kind(x.dtype, _INEXACT):
            if strict:
                given = f"an array of dtype {x.dtype}" if is_array else f"a {type(x).__name__}"
                raise DTypeError(
                    f"{path} has no gradient: it is {given}, and a real or complex floating array is needed. Convert "
                    f"it, or leave it out of argnums"
                )
            return self._lift(x, path)
        self.xp.ground.check_type(x, path)
        leaf = self.tape.watch(x)
        self._take(x)
        self.watched.append(leaf)
        return leaf

    def _lift(self, x: Any, path: str) -> Any:
        if type(x) is Array:
            return x
        if isinstance(x, _NUMBERS) and not hasattr(x, "shape"):
            return x
        if namespace_of_type(x) is None:
            return x
        self.xp.ground.check_type(x, path)
        self._take(x)
        return self.tape.lift(x)

    def _take(self, x: Any) -> None:
        if type(x) is not Array:
            self.taken.add(self.xp.backend.memory(x))

    # ---- results
    def below(self, out: Any) -> Any:
        """Return the value of an output one level below: a plain array where no outer transform runs."""
        while type(out) is Array and out.level is self.tape:
            out = out.value
        return self.result(out, self.inside, self.taken)

    def result(self, value: Any, inside: bool, taken: set[Any]) -> Any:
        """Return ``value`` as the caller expects it: an Array ``inside`` another transform; elsewhere a plain array,
        in memory that is not ``taken``.
        """
        if inside:
            return value if type(value) is Array or not _is_array(value) else Array(value, self.xp.ground)
        while type(value) is Array and value.index is None:
            value = value.value
        if type(value) is Array or not _is_array(value):
            return value
        backend = self.xp.backend
        value = backend.result(value)
        memory = backend.memory(value)
        if memory in taken:
            value = backend.namespace.asarray(value, copy=True)
            memory = backend.memory(value)
        taken.add(memory)
        return value

    def pull(self, out: Any, g: Any, release: bool, inside: bool) -> list[Any]:
        """Return the cotangents of all that was watched, zeros where the output does not depend on it."""
        index = out.index if type(out) is Array and out.level is self.tape else None
        found = self.tape.pull(index, g, release=release)
        zeros_like = self.xp.ground.library.zeros_like
        taken = set(self.taken)
        return [
            self.result(zeros_like(bottom(leaf)) if d is None else d, inside, taken)
            for leaf, d in zip(self.watched, found, strict=True)
        ]


def _is_array(x: Any) -> bool:
    return type(x) is Array or namespace_of_type(x) is not None


def _restore(tree: Any, cotangents: Any, strict: bool) -> Any:
    """Return ``tree`` with its watched leaves replaced by ``cotangents``, an iterator, in order."""
    if not isinstance(tree, _CONTAINERS):
        return next(cotangents) if strict or _has_gradient(tree) else None
    return map_tree(lambda x, path: next(cotangents) if strict or _has_gradient(x) else None, tree, "")


def _has_gradient(x: Any) -> bool:
    xp = x.level.namespace if type(x) is Array else namespace_of_type(x)
    return xp is not None and xp.ground.is_kind(x.dtype, _INEXACT)


def _positions(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in wanted:
        if not isinstance(i, int) or not -count <= i < count:
            raise StructureError(
                f"argnums={argnums!r} names an argument that is not there: the function was called with {count} "
                f"positional arguments"
            )
    positions = tuple(i % count for i in wanted)
    if len(set(positions)) < len(positions):
        raise StructureError(f"argnums={argnums!r} names an argument twice")
    return positions


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes ``f`` and its gradient with respect to the arguments at ``argnums``.

    ``f`` returns a 0-d real floating array. Arguments are arrays, or tuples, lists and dicts of arrays, nested; the
    gradient has the structure of the argument, or is a tuple of such for several argnums. All are plain arrays of the
    arguments' library; where ``f`` does not depend on an array its gradient is zeros. The gradient of a complex array
    is that of JAX's convention: df = Re(g dz), without conjugation.

    Raises `ShapeError` or `DTypeError` if ``f`` returns anything else, `DTypeError` naming the path of a leaf that
    has no gradient, and `NamespaceError` where libraries are mixed.

    >>> import numpy, tl_arrayapi as tl
    >>> def loss(w, x):
    ...     return tl.array_namespace(w, x).sum((w * x) ** 2)
    >>> tl.value_and_grad(loss)(numpy.asarray([1.0, 2.0]), numpy.asarray([3.0, 1.0]))
    (array(13.), array([18.,  4.]))
    """

    @wraps(f)
    def run(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        positions = _positions(argnums, len(args))
        trace = Run()
        out = _checked_loss(trace, trace.call(f, args, keywords, positions, strict=True))
        value = trace.below(out)
        one = trace.xp.ground.library.ones_like(bottom(value))
        grads = iter(trace.pull(out, one, release=True, inside=trace.inside))
        found = tuple(_restore(args[i], grads, strict=True) for i in positions)
        return value, found[0] if isinstance(argnums, int) else found

    return run


def _checked_loss(trace: Run, out: Any) -> Any:
    if isinstance(out, _NUMBERS) and not hasattr(out, "shape"):
        raise DTypeError(
            f"the loss is the Python number {out!r}, not an array: it depends on no argument. Return a 0-d array"
        )
    if not _is_array(out):
        raise DTypeError(
            f"the loss must be a 0-d array; got a {type(out).__name__}: return one array, such as xp.mean(errors)"
        )
    if tuple(out.shape) != ():
        raise ShapeError(
            f"the loss must be a 0-d array; got shape {tuple(out.shape)}: reduce it with xp.mean or xp.sum"
        )
    if not trace.xp.ground.is_kind(out.dtype, "real floating"):
        raise DTypeError(f"the loss must be real and floating; got dtype {out.dtype}: use xp.abs, xp.real or xp.astype")
    trace.xp.ground.check_type(out, "the loss")
    return out


def evaluate(loss: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], xp: Namespace) -> Any:
    """Return ``loss(*args, **keywords)``, checked to be a loss: the same functions run as under `value_and_grad`, and
    nothing is recorded.
    """
    trace = Run()
    out = trace.call(loss, args, keywords, (), strict=True, xp=xp)
    return trace.below(_checked_loss(trace, out))


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the gradient of ``f`` with respect to the arguments at ``argnums``:
    `value_and_grad` without the value.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: x * x)(numpy.asarray(3.0))
    array(6.)
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def run(*args: Any, **keywords: Any) -> Any:
        return both(*args, **keywords)[1]

    return run


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return ``f(*args)`` and its pullback, a function from a cotangent of the result to the cotangents of the
    arguments.

    The result may be of any shape, and nested; the cotangent has its structure, shapes and dtypes. The pullback
    returns a tuple, one entry an argument, with None for a leaf that is not a floating array, and may be called again.

    >>> import numpy, tl_arrayapi as tl
    >>> out, pullback = tl.vjp(lambda x: x * x, numpy.asarray([1.0, 2.0]))
    >>> pullback(numpy.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    trace = Run()
    out = trace.call(f, args, {}, tuple(range(len(args))), strict=False)

    def pullback(g: Any) -> tuple[Any, ...]:
        pairs: list[tuple[Any, Any]] = []
        _pair(trace, out, g, "the result", pairs)
        if not pairs:
            raise StructureError("the function returned no array: there is nothing to pull back")
        inside = trace.inside or any(type(cotangent) is Array for _, cotangent in pairs)
        found = [trace.pull(x, cotangent, release=False, inside=inside) for x, cotangent in pairs]
        cotangents = iter([reduce(add, parts) for parts in zip(*found, strict=True)])
        return tuple(_restore(x, cotangents, strict=False) for x in args)

    return map_tree(lambda x, path: trace.below(x), out, ""), pullback


def _pair(trace: Run, out: Any, g: Any, path: str, pairs: list[tuple[Any, Any]]) -> None:
    """Pair every array of a result with its cotangent."""
    if isinstance(out, (tuple, list)):
        if not isinstance(g, (tuple, list)) or len(g) != len(out):
            raise StructureError(
                f"the cotangent of {path} must be a {type(out).__name__} of {len(out)}; got {_kind(g)}"
            )
        for i, (x, c) in enumerate(zip(out, g, strict=True)):
            _pair(trace, x, c, f"{path}[{i}]", pairs)
        return
    if isinstance(out, dict):
        if not isinstance(g, dict) or (list(g) != list(out) and set(g) != set(out)):
            raise StructureError(f"the cotangent of {path} must be a dict with the keys {list(out)}; got {_kind(g)}")
        for key, x in out.items():
            _pair(trace, x, g[key], f'{path}["{key}"]', pairs)
        return
    if not _is_array(out):
        return
    if not _is_array(g):
        raise NamespaceError(f"the cotangent of {path} must be an array; got {_kind(g)}")
    trace.xp.ground.check_type(g, f"the cotangent of {path}")
    if tuple(g.shape) != tuple(out.shape):
        raise ShapeError(f"the cotangent of {path} must have its shape, {tuple(out.shape)}; got {tuple(g.shape)}")
    if g.dtype != out.dtype:
        raise DTypeError(f"the cotangent of {path} must have its dtype, {out.dtype}; got {g.dtype}")
    pairs.append((out, g))


def _kind(x: Any) -> str:
    return f"{type(x).__name__} of {len(x)}" if isinstance(x, (tuple, list, dict)) else type(x).__name__


def stop_gradient(x: Any) -> Any:
    """Return ``x`` as a constant: the same values, through which no gradient flows. Containers are stopped leaf by
    leaf.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: x * tl.stop_gradient(x))(numpy.asarray(3.0))
    array(3.)
    """
    return map_tree(lambda leaf, path: _stopped(leaf), x, "")


def _stopped(x: Any) -> Any:
    if type(x) is not Array:
        return x
    ground = x.level.namespace.ground
    while type(x) is Array and watched(x):
        below = x.level.stop(x)
        if below is x:
            return x
        x = below
    while type(x) is Array and x.index is None:
        x = x.value
    return x if type(x) is Array else Array(x, ground)
