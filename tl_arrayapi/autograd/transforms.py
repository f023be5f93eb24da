"""The transforms that users call: each runs a function on watched Arrays of one new tape and hands back plain arrays
of the library.

A transform inside another works on the outer one's Arrays, and then returns Arrays: nesting is all that higher order
takes.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, cast

from tl_arrayapi.autograd.array import Array, StandIn, bottom, held, stripped
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.namespace import Namespace, array_namespace, namespace_of_type
from tl_arrayapi.autograd.tape import Tape
from tl_arrayapi.errors import DTypeError, NamespaceError, ShapeError, StructureError, TraceError

__all__ = [
    "Run",
    "checked_loss",
    "evaluate",
    "find_namespace",
    "grad",
    "gradient_of",
    "hand_back",
    "pullback_of",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

_NUMBERS = (bool, int, float, complex)
_WRITTEN = (
    "an array that the function captured was used, and then written to in place, while a gradient still needs its "
    "values: write to a copy, or compute the new values in another array"
)
_CONTAINERS = (tuple, list, dict)


class Run:
    """One run of a function on a tape: what was watched, where, and what came out."""

    __slots__ = ("by_value", "held", "inside", "make", "taken", "tape", "watched", "xp")

    def __init__(self, make: Callable[[Any], Tape] = Tape, by_value: bool = False) -> None:
        self.make = make
        self.by_value = by_value
        self.tape: Tape
        self.xp: Namespace
        self.watched: list[Any] = []  # values, in the order of the leaves
        self.held: list[Any] = []  # plain arrays that callers hold: no result may share their memory
        self.taken: set[Any] = set()  # that memory
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
        if xp is None:
            xp, self.inside = find_namespace(args, keywords)
        self.xp = xp
        tape = self.tape = self.make(xp)
        tape.by_value = self.by_value
        for i in argnums:
            x = args[i]
            if isinstance(x, _CONTAINERS):
                map_tree(lambda leaf, path: self._note(leaf, path, strict), x, f"args[{i}]")
            else:
                self._note(x, i, strict)
        leaves = iter(tape.watch(self.watched))
        lifted = list(args)
        for i in argnums:
            lifted[i] = self._replaced(args[i], leaves, strict)
        for i, x in enumerate(args):
            if i not in argnums:
                lifted[i] = map_tree(self._lift, x, f"args[{i}]") if isinstance(x, _CONTAINERS) else self._lift(x, i)
        named = {name: map_tree(self._lift, x, name) for name, x in keywords.items()}
        try:
            out = f(*lifted, **named)
        except BaseException as error:
            if not tape.close() or "read-only" in str(error):
                error.add_note(_WRITTEN)
            raise
        if not tape.close():
            raise TraceError(_WRITTEN)
        return out

    def _note(self, x: Any, path: str | int, strict: bool) -> None:
        """Put ``x`` among what is watched, where it can have a gradient."""
        ground = self.xp.ground
        if type(x) in ground.plain and ground.is_inexact(x.dtype):
            self.watched.append(x)
            self.held.append(x)
            return
        if _is_array(x):
            ground.check_type(x, _named(path))
        if not self._differentiable(x):
            if strict:
                number = x.value.weak if type(x) is Array and isinstance(x.value, StandIn) else None
                given = (
                    f"a {(number or type(x)).__name__}"
                    if number is not None or not _is_array(x)
                    else f"an array of dtype {x.dtype}"
                )
                raise DTypeError(
                    f"{_named(path)} has no gradient: it is {given}, and a real or complex floating array is needed. "
                    "Convert it, or leave it out of argnums"
                )
            return
        self.watched.append(x)
        if type(x) is not Array:
            self.held.append(x)

    def _differentiable(self, x: Any) -> bool:
        # A number among the arguments of a compiled function is a number to a gradient within, as it is without.
        if type(x) is Array and isinstance(x.value, StandIn) and x.value.weak is not None:
            return False
        return _is_array(x) and self.xp.ground.is_inexact(x.dtype)

    def _replaced(self, tree: Any, values: Iterator[Any], strict: bool) -> Any:
        """Return ``tree`` with ``values`` in the places of what was watched, and with the rest lifted."""
        if isinstance(tree, _CONTAINERS):
            return map_tree(lambda x, path: self._replaced(x, values, strict), tree, "")
        return next(values) if strict or self._differentiable(tree) else self._lift(tree, "an argument")

    def _lift(self, x: Any, path: str | int) -> Any:
        """Return ``x`` as a constant of the tape, where it is a plain array."""
        if type(x) not in self.xp.ground.plain:
            if type(x) is Array or namespace_of_type(x) is None:
                return x
            self.xp.ground.check_type(x, _named(path))
        self.held.append(x)
        return self.tape.lift(x)

    # ---- results
    def below(self, out: Any) -> Any:
        """Return an output as the caller expects it: an Array inside another transform, a plain array elsewhere."""
        while type(out) is Array and out.level is self.tape:
            out = out.value
        if not _is_array(out):
            return out
        return hand_back([out], self.xp.ground, self.inside, self._taken())[0]

    def _taken(self) -> set[Any]:
        if self.held:
            self.taken.update(map(self.xp.ground.memory, self.held))
            self.held = []
        return self.taken

    def pull(self, pairs: list[tuple[Any, Any]], release: bool, inside: bool) -> list[Any]:
        """Return the cotangents of all that was watched for ``pairs`` of an output and its cotangent, in one replay:
        zeros where no output depends on it.
        """
        tape = self.tape
        seeds = [
            (out.index, g) for out, g in pairs if type(out) is Array and out.level is tape and out.index is not None
        ]
        found = tape.pull(seeds, release=release)
        complete = [self.xp.zeros_like(x) if d is None else d for x, d in zip(self.watched, found, strict=True)]
        # Inside another transform nothing is handed to the caller yet, and what is held may be no array at all.
        taken = set() if inside else self._taken()
        if not release:
            # Its own set, for a pullback may be called again, when the memory of its former results may be free.
            taken = {*taken, *(self.xp.ground.memory(g) for _, g in pairs if type(g) is not Array)}
        return hand_back(complete, self.xp.ground, inside, taken)

    def restore(self, tree: Any, cotangents: Iterator[Any], strict: bool) -> Any:
        """Return ``tree`` with ``cotangents`` in the places of what was watched, and None in all others."""
        if isinstance(tree, _CONTAINERS):
            return map_tree(lambda x, path: self.restore(x, cotangents, strict), tree, "")
        return next(cotangents) if strict or self._differentiable(tree) else None


def find_namespace(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Namespace, bool]:
    """Return the namespace of the arrays in the arguments, and whether one of them is of another transform around."""
    arrays: list[Any] = []
    plain: list[Any] = []

    def visit(x: Any, path: str) -> None:
        if type(x) is Array:
            arrays.append(x)
        elif not plain and namespace_of_type(x) is not None:
            plain.append(x)

    for x in (*args, *keywords.values()):
        if isinstance(x, _CONTAINERS):
            map_tree(visit, x, "")
        else:
            visit(x, "")
    if arrays:
        return cast(Namespace, array_namespace(*arrays)), True
    if not plain:
        raise NamespaceError(
            "no argument is an array: give arrays of one Array API library, such as numpy.asarray(2.0) for a number"
        )
    return cast(Namespace, namespace_of_type(plain[0])), False


def hand_back(values: list[Any], ground: Any, inside: bool, taken: set[Any]) -> list[Any]:
    """Return ``values`` as Arrays ``inside`` another transform; elsewhere as plain arrays in memory of their own, which
    is added to what is ``taken``.
    """
    if inside:
        return [held(x) if type(x) is Array else Array(x, ground) for x in values]
    memory, own = ground.memory, ground.backend.result
    found = []
    for x in values:
        x = stripped(x)
        if type(x) is not Array:
            x = own(x)
            place = memory(x)
            if place in taken:
                x = ground.backend.namespace.asarray(x, copy=True)
                place = memory(x)
            taken.add(place)
        found.append(x)
    return found


def _named(path: str | int) -> str:
    return f"args[{path}]" if isinstance(path, int) else path


def _is_array(x: Any) -> bool:
    return type(x) is Array or namespace_of_type(x) is not None


def _positions(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in wanted:
        if not isinstance(i, int) or not -count <= i < count:
            raise StructureError(
                f"argnums={argnums!r} names an argument that is not there: the function was called with {count} "
                "positional arguments"
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
    return gradient_of(f, argnums)


def gradient_of(
    f: Callable[..., Any], argnums: int | tuple[int, ...], xp: Namespace | None = None
) -> Callable[..., tuple[Any, Any]]:
    """Return what `value_and_grad` returns, for arguments known to be plain arrays of ``xp`` where it is given.

    >>> import numpy, tl_arrayapi as tl
    >>> gradient_of(lambda x: x * x, 0, tl.namespace(numpy))(numpy.asarray(3.0))
    (array(9.), array(6.))
    """
    known: dict[int, tuple[int, ...]] = {}  # by the number of arguments

    @wraps(f)
    def run(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        positions = known.get(len(args))
        if positions is None:
            positions = known[len(args)] = _positions(argnums, len(args))
        trace = Run()
        out = trace.call(f, args, keywords, positions, strict=True, xp=xp)
        checked_loss(trace.xp, out)
        value = trace.below(out)
        plain = bottom(value)
        one = trace.xp.ground.scalar(1.0, plain.dtype, plain)
        trace.held.append(one)
        grads = iter(trace.pull([(out, one)], release=True, inside=trace.inside))
        found = tuple([trace.restore(args[i], grads, strict=True) for i in positions])
        return value, found[0] if isinstance(argnums, int) else found

    return run


def checked_loss(xp: Any, out: Any) -> Any:
    """Return what a function returned, or raise where it is no loss: a 0-d array, real and floating.

    >>> import numpy, tl_arrayapi as tl
    >>> checked_loss(tl.namespace(numpy), numpy.asarray(2.0))
    array(2.)
    """
    if type(out) is not Array:
        if isinstance(out, _NUMBERS) and not hasattr(out, "shape"):
            raise DTypeError(
                f"the loss is the Python number {out!r}, not an array: it depends on no argument. Return a 0-d array"
            )
        if not _is_array(out):
            raise DTypeError(
                f"the loss must be a 0-d array; got a {type(out).__name__}: return one array, such as xp.mean(errors)"
            )
        xp.ground.check_type(out, "the loss")
    if tuple(out.shape) != ():
        raise ShapeError(
            f"the loss must be a 0-d array; got shape {tuple(out.shape)}: reduce it with xp.mean or xp.sum"
        )
    if not xp.ground.is_kind(out.dtype, "real floating"):
        raise DTypeError(f"the loss must be real and floating; got dtype {out.dtype}: use xp.abs, xp.real or xp.astype")
    return out


def evaluate(loss: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], xp: Namespace) -> Any:
    """Return ``loss(*args, **keywords)``, checked to be a loss: the same functions run as under `value_and_grad`, and
    nothing is recorded.
    """
    trace = Run()
    out = trace.call(loss, args, keywords, (), strict=True, xp=xp)
    return trace.below(checked_loss(trace.xp, out))


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
    # The pullback needs the arguments as they are now, its own results, and what the function captured: none of these
    # may be the caller's to write to.
    own = map_tree(_own_copy, args, "args")
    out, pullback = _pullback(Run(by_value=True), f, own)
    return map_tree(_own_copy, out, ""), pullback


def _own_copy(x: Any, path: str) -> Any:
    xp = None if type(x) is Array else namespace_of_type(x)
    return x if xp is None else xp.inner.asarray(x, copy=True)


def pullback_of(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return what `vjp` returns, for a caller that writes neither to the arguments nor to the result.

    >>> import numpy
    >>> pullback_of(lambda x: x * x, numpy.asarray(3.0))[1](numpy.asarray(1.0))
    (array(6.),)
    """
    return _pullback(Run(), f, args)


def _pullback(trace: Run, f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    out = trace.call(f, args, {}, tuple(range(len(args))), strict=False)

    def pullback(g: Any) -> tuple[Any, ...]:
        pairs: list[tuple[Any, Any]] = []
        _pair(trace, out, g, "the result", pairs)
        if not pairs:
            raise StructureError("the function returned no array: there is nothing to pull back")
        inside = trace.inside or any(type(cotangent) is Array for _, cotangent in pairs)
        cotangents = iter(trace.pull(pairs, release=False, inside=inside))
        return tuple(trace.restore(x, cotangents, strict=False) for x in args)

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
    return map_tree(lambda leaf, path: leaf.level.stop(leaf) if type(leaf) is Array else leaf, x, "")
