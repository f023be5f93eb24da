"""Derivatives made of the pullback: `jvp`, `hvp`, `jacobian`, `hessian`, and the check of them all."""

import itertools
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.containers import leaves, map_tree
from tl_arrayapi.autograd.namespace import array_namespace, namespace, namespace_of_type
from tl_arrayapi.autograd.transforms import grad, pullback_of
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import DTypeError, GradientError, ShapeError, StructureError
from tl_arrayapi.init.splitmix64 import unit_sample

__all__ = ["check_grads", "hessian", "hvp", "jacobian", "jvp"]


def _is_array(x: Any) -> bool:
    return type(x) is Array or namespace_of_type(x) is not None


def _is_inexact(x: Any) -> bool:
    xp = x.level.namespace if type(x) is Array else namespace_of_type(x)
    return xp is not None and xp.ground.is_inexact(x.dtype)


def _space(x: Any) -> Any:
    """Return the differentiable namespace over the library of ``x``."""
    return namespace(array_namespace(x))


def jvp(f: Callable[..., Any], args: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return ``f(*args)`` and its derivative along ``tangents``: the product of the Jacobian with a vector.

    ``tangents`` has an entry for each argument, of its structure, shapes and dtypes (None for a leaf that is not a
    floating array). The pullback is linear, and its own pullback is the derivative forwards.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.jvp(lambda x: x * x, (numpy.asarray([1.0, 2.0]),), (numpy.asarray([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    _check_tangents(args, tangents)
    out, pullback = pullback_of(f, *args)

    def pulled(g: Any) -> list[Any]:
        return [d for d in leaves(pullback(g)) if d is not None]

    zeros = map_tree(lambda x, path: array_namespace(x).zeros_like(x) if _is_array(x) else x, out, "")
    _, push = pullback_of(pulled, zeros)
    floating = map(_is_inexact, leaves(args))
    return out, push([t for t, wanted in zip(leaves(tangents), floating, strict=True) if wanted])[0]


def _check_tangents(args: tuple[Any, ...], tangents: tuple[Any, ...]) -> None:
    if not any(map(_is_inexact, leaves(args))):
        raise DTypeError("no argument is a floating array: there is nothing to differentiate by")
    if not isinstance(args, tuple) or not isinstance(tangents, (tuple, list)) or len(args) != len(tangents):
        raise StructureError("args and tangents must be tuples with an entry for each argument")
    for i, (x, t) in enumerate(zip(args, tangents, strict=True)):
        flat, given = leaves(x), leaves(t)
        if len(flat) != len(given):
            raise StructureError(
                f"tangents[{i}] has {len(given)} leaves, and args[{i}] has {len(flat)}: they must be nested alike"
            )
        for leaf, tangent in zip(flat, given, strict=True):
            if not _is_inexact(leaf):
                continue
            if not _is_array(tangent) or tuple(tangent.shape) != tuple(leaf.shape):
                raise ShapeError(
                    f"tangents[{i}] must hold arrays of the shapes of args[{i}]: {tuple(leaf.shape)} is expected"
                )
            if tangent.dtype != leaf.dtype:
                raise DTypeError(f"tangents[{i}] must have the dtype of args[{i}], {leaf.dtype}; got {tangent.dtype}")


def hvp(f: Callable[..., Any], args: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the product of the Hessian of ``f`` at ``args`` with the vector ``tangents``: a tuple, one entry an
    argument.

    ``f`` returns a 0-d real floating array; all leaves of the arguments are floating arrays.

    >>> import numpy, tl_arrayapi as tl
    >>> def cubes(x):
    ...     return tl.array_namespace(x).sum(x**3)
    >>> tl.hvp(cubes, (numpy.asarray([1.0, 2.0]),), (numpy.asarray([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    _check_tangents(args, tangents)
    every = tuple(range(len(args)))
    # The Hessian is symmetric: what it makes of a vector forwards is what it makes of it backwards, at half the cost.
    return pullback_of(grad(f, every), *args)[1](tuple(tangents))


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of ``f`` with respect to the arguments at ``argnums``.

    For an array of shape s and a result of shape r it has shape r + s. Containers in the result hold containers as in
    the argument. One row of the identity is pulled back for each element of the result, all at once by `vmap`.

    A complex result of a real argument has a complex Jacobian. That of a complex argument is the complex derivative,
    which holomorphic functions have; others, such as ``conj``, are functions of two real numbers: split them.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.jacobian(lambda x: x * x)(numpy.asarray([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @wraps(f)
    def run(*args: Any) -> Any:
        wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        places = [i % len(args) if -len(args) <= i < len(args) else _no_argument(i, len(args)) for i in wanted]

        def chosen(*parts: Any) -> Any:
            whole = list(args)
            for i, part in zip(places, parts, strict=True):
                whole[i] = part
            return f(*whole)

        parts = tuple(args[i] for i in places)
        for i, part in zip(places, parts, strict=True):
            map_tree(_check_leaf, part, f"args[{i}]")
        out, pullback = pullback_of(chosen, *parts)
        zeros = map_tree(lambda x, path: array_namespace(x).zeros_like(x), out, "")
        rows = [_rows(pullback, zeros, place) for place in range(len(leaves(out)))]
        found = iter(rows)
        result = map_tree(lambda x, path: _one(next(found), argnums), out, "")
        return result

    return run


def _no_argument(i: int, count: int) -> int:
    raise StructureError(f"argnums names argument {i}, and the function was called with {count} positional arguments")


def _check_leaf(x: Any, path: str) -> None:
    if not _is_inexact(x):
        raise DTypeError(f"{path} has no derivative: a real or complex floating array is needed")


def _one(parts: tuple[Any, ...], argnums: int | tuple[int, ...]) -> Any:
    return parts[0] if isinstance(argnums, int) else parts


def _rows(pullback: Callable[[Any], tuple[Any, ...]], zeros: Any, place: int) -> tuple[Any, ...]:
    """Return the Jacobian of the leaf of the result at ``place``, one tree an argument."""
    flat = leaves(zeros)
    leaf = flat[place]
    shape, count = tuple(leaf.shape), math.prod(leaf.shape)
    space = _space(leaf)
    identity = space.reshape(space.eye(count, dtype=leaf.dtype, device=_device(leaf)), (count, *shape))

    def pulled(row: Any) -> tuple[Any, ...]:
        entries = iter([row if i == place else x for i, x in enumerate(flat)])
        return pullback(map_tree(lambda x, path: next(entries), zeros, ""))

    def stacked(rows: Any) -> Any:
        return vmap(pulled)(rows if type(leaf) is Array else rows.value)

    real = stacked(identity)
    # A pullback by real numbers is real: of a complex result it gives one part at a time.
    is_complex = space.isdtype(leaf.dtype, "complex floating")
    imaginary = iter(leaves(stacked(identity * -1j))) if is_complex else None

    def whole(x: Any, path: str) -> Any:
        part = next(imaginary) if imaginary is not None else None
        if x is None:
            return None
        xp = array_namespace(x)
        if part is not None and not xp.isdtype(x.dtype, "complex floating"):
            x = xp.astype(x, leaf.dtype) + 1j * xp.astype(part, leaf.dtype)
        return xp.reshape(x, shape + tuple(x.shape[1:]))

    return tuple(map_tree(whole, part, "") for part in real)


def _device(x: Any) -> Any:
    return _space(x).lift(x).device


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the Hessian of ``f``, the Jacobian of its gradient, with respect to the
    arguments at ``argnums``.

    ``f`` returns a 0-d real floating array. For one array of shape s it has shape s + s.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.hessian(lambda x: tl.array_namespace(x).sum(x**3))(numpy.asarray([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(f, argnums), argnums)


def check_grads(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int = 2,
    *,
    eps: float | None = None,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> None:
    """Compare the derivatives of ``f`` at ``args``, forwards and backwards and up to ``order``, with central
    differences; raise `GradientError` where they differ.

    The derivative is taken along one fixed random direction, and seen through one fixed random cotangent. The
    tolerances are those of torch.autograd.gradcheck; ``eps`` is 1e-6 for float64, as there, and the cube root of the
    dtype's precision for a smaller one, where ``atol`` and ``rtol`` should be made larger.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.check_grads(lambda x: tl.array_namespace(x).sin(x) * x, (numpy.asarray([0.3, 1.2]),), order=2)
    """
    if order < 1:
        return
    floating = [i for i, x in enumerate(args) if any(map(_is_inexact, leaves(x)))]
    if not floating:
        raise DTypeError("no argument is a floating array: there is no derivative to check")
    direction = tuple(_random(x, 1 + i) for i, x in enumerate(args))
    width = eps if eps is not None else _width([x for arg in args for x in leaves(arg) if _is_inexact(x)])
    out, pullback = pullback_of(f, *args)
    cotangent = _random(out, 1000)
    # Not f itself: its arrays would then be the library's own, and have less, special functions for one.
    ahead, behind = (pullback_of(f, *_moved(args, direction, sign * width))[0] for sign in (1, -1))
    expected = (_dot(ahead, cotangent) - _dot(behind, cotangent)) / (2 * width)
    backwards = sum(_dot(back, along) for back, along in zip(pullback(cotangent), direction, strict=True))
    forwards = _dot(jvp(f, args, direction)[1], cotangent)
    for how, got in (("backwards", backwards), ("forwards", forwards)):
        if not abs(got - expected) <= atol + rtol * abs(expected):
            raise GradientError(
                f"the derivative taken {how} is {got!r}, and central differences give {expected!r} (eps {width:.1e}, "
                f"atol {atol:.1e}, rtol {rtol:.1e}): look at the rules that f uses"
            )
    if order > 1:

        def slopes(*inner: Any) -> list[Any]:
            back = pullback_of(f, *inner)[1](cotangent)
            return [x for i in floating for x in leaves(back[i]) if x is not None]

        check_grads(slopes, args, order - 1, eps=eps, atol=atol, rtol=rtol)


def _width(arrays: list[Any]) -> float:
    precision = max(float(_space(x).finfo(x.dtype).eps) for x in arrays)
    return 1e-6 if precision < 1e-12 else precision ** (1 / 3)


def _random(tree: Any, seed: int) -> Any:
    """Return numbers in [-1, 1) in the places of floating arrays, zeros or None elsewhere."""
    place = itertools.count()

    def drawn(x: Any, path: str) -> Any:
        if not _is_inexact(x):
            return None
        start = next(place) * 2**32
        values = [2 * unit_sample(seed, start + i) - 1 for i in range(math.prod(x.shape))]
        xp = array_namespace(x)
        return xp.reshape(xp.asarray(values, dtype=x.dtype, device=_device(x)), tuple(x.shape))

    return map_tree(drawn, tree, "")


def _moved(args: tuple[Any, ...], direction: tuple[Any, ...], width: float) -> tuple[Any, ...]:
    steps = iter([step for along in direction for step in leaves(along)])

    def moved(x: Any, path: str) -> Any:
        step = next(steps)
        return x if step is None else x + width * step

    return tuple(map_tree(moved, x, "") for x in args)


def _dot(tree: Any, other: Any) -> float:
    """Return the real part of the sum of products, over the leaves that both have."""
    total = 0.0
    for x, y in zip(leaves(tree), leaves(other), strict=True):
        if x is not None and y is not None:
            product = _space(x).sum(_space(x).lift(x) * _space(y).lift(y))
            total += complex(product).real
    return total
