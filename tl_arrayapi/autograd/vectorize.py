"""`vmap`: a function of one example, run on all examples at once."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.batch import Batch
from tl_arrayapi.autograd.containers import leaves
from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.autograd.transforms import find_namespace, hand_back
from tl_arrayapi.errors import ArgumentError, ShapeError, StructureError

__all__ = ["vmap"]

_Axes = Any  # an int, None, or containers of them


def vmap(f: Callable[..., Any], in_axes: _Axes = 0, out_axes: _Axes = 0) -> Callable[..., Any]:
    """Return a function that maps ``f`` over examples, with one operation for all of them where ``f`` has one for each.

    ``in_axes`` says along which axis the examples lie: one integer for all arguments, or a tuple with an entry an
    argument; None is for an argument that is the same for all examples. ``out_axes`` says where they lie in the
    result. For nested arguments and results an entry is an integer or None for the whole, or nested alike. A function
    mapped over a gradient gives a gradient for every example.

    Raises `ShapeError` where the numbers of examples differ, `ArgumentError` for an axis that is not there,
    `StructureError` where the axes are nested otherwise than the arguments, and `WatchedError` where ``f`` branches
    on an example's value.

    >>> import numpy, tl_arrayapi as tl
    >>> x, w = numpy.asarray([[1.0, 2.0], [3.0, 4.0]]), numpy.asarray([1.0, 1.0])
    >>> tl.vmap(lambda x, w: x @ w, in_axes=(0, None))(x, w)
    array([3., 7.])
    """

    @wraps(f)
    def run(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise StructureError(
                f"in_axes has {len(axes)} entries for {len(args)} arguments: give one for each, or one integer for all"
            )
        sizes: dict[str, int] = {}
        _walk(lambda x, axis, path: _note_size(x, axis, path, sizes), args, axes, "args")
        if not sizes:
            raise ArgumentError("no argument is mapped: in_axes must name an axis of at least one array")
        if len(set(sizes.values())) > 1:
            raise ShapeError(
                f"the numbers of examples differ: {', '.join(f'{path} has {n}' for path, n in sizes.items())}"
            )
        xp, inside = find_namespace(args, {})
        batch = Batch(xp, next(iter(sizes.values())))
        try:
            out = f(*_walk(lambda x, axis, path: _spread(batch, x, axis, path), args, axes, "args"))
        finally:
            batch.close()
        # No result may share the memory of an argument.
        plain = [] if inside else [x for x in leaves(args) if namespace_of_type(x) is not None]
        taken: set[Any] = set(map(xp.ground.memory, plain))
        return _walk(lambda x, axis, path: _collected(batch, x, axis, path, inside, taken), out, out_axes, "the result")

    return run


def _walk(function: Callable[[Any, Any, str], Any], tree: Any, axes: _Axes, path: str) -> Any:
    """Return ``tree`` with every leaf replaced by ``function(leaf, axis, path)``."""
    if isinstance(tree, (tuple, list)):
        nested = axes if isinstance(axes, (tuple, list)) else (axes,) * len(tree)
        if len(nested) != len(tree):
            raise StructureError(f"{path} has {len(tree)} entries, and its axes have {len(nested)}")
        items = [_walk(function, x, a, f"{path}[{i}]") for i, (x, a) in enumerate(zip(tree, nested, strict=True))]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        named = axes if isinstance(axes, dict) else dict.fromkeys(tree, axes)
        if named.keys() != tree.keys():
            raise StructureError(f"{path} has the keys {list(tree)}, and its axes have {list(named)}")
        return {key: _walk(function, x, named[key], f'{path}["{key}"]') for key, x in tree.items()}
    if axes is not None and not isinstance(axes, int):
        raise StructureError(f"the axis of {path} is an integer or None; got {axes!r}")
    return function(tree, axes, path)


def _note_size(x: Any, axis: int | None, path: str, sizes: dict[str, int]) -> None:
    if axis is None:
        return
    shape = getattr(x, "shape", None)
    if shape is None or (type(x) is not Array and namespace_of_type(x) is None):
        raise ArgumentError(
            f"{path} is a {type(x).__name__}, and has no axis to map: give None as its entry of in_axes"
        )
    if not -len(shape) <= axis < len(shape):
        raise ArgumentError(f"{path} has no axis {axis}: its shape is {tuple(shape)}")
    sizes[path] = int(shape[axis])


def _spread(batch: Batch, x: Any, axis: int | None, path: str) -> Any:
    if axis is not None:
        return batch.spread(x, axis)
    # What is the same for all is lifted as well: a library's own operators may not know ours.
    return batch.namespace.lift(x, path) if namespace_of_type(x) is not None else x


def _collected(batch: Batch, x: Any, axis: int | None, path: str, inside: bool, taken: set[Any]) -> Any:
    if axis is None:
        if type(x) is Array and x.level is batch and x.index is not None:
            raise ArgumentError(f"{path} differs between examples: give its axis in out_axes, not None")
        return hand_back([x], batch.ground, inside, taken)[0] if type(x) is Array else x
    return hand_back([batch.gather(x, axis)], batch.ground, inside, taken)[0]
