"""How compiled results are held against eager ones: bit for bit, or as close as sums in another order can be.

A program that no pass has reassociated gives the bits of the function. One that has been may be off by some units in
the last place for every addition that it does one after another: `depth` counts them, along the longest way through the
program that was traced.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

import tl_arrayapi as tl
from tests.libraries import Library
from tl_arrayapi import backends
from tl_arrayapi.autograd.array import bottom
from tl_arrayapi.autograd.compiled import Compiled
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.graph.graph import Graph, Var

__all__ = [
    "assert_exact",
    "assert_near",
    "assert_same_bits",
    "depth",
    "eager",
    "exactly",
    "hosts",
    "quickly",
    "same_bits",
]

Host = np.ndarray[Any, Any]

UNITS = 4
"""Units in the last place that a rounding, and its share in those after it, may be off."""


def exactly(xp: Library, f: Callable[..., Any]) -> Compiled:
    """Return ``f`` compiled, with passes that are exact alone."""
    return tl.compile(f, fast_kernels=_fast(xp), reassociate=False)


def quickly(xp: Library, f: Callable[..., Any]) -> Compiled:
    """Return ``f`` compiled, with all passes."""
    return tl.compile(f, fast_kernels=_fast(xp))


def _fast(xp: Library) -> bool:
    # NumPy's lowering takes milliseconds; the compilers of PyTorch and JAX take seconds for each program.
    return xp.variant.module == "numpy"


def eager(xp: Library, f: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f`` run by the eager engine; on plain arrays it would run on the library's own functions."""
    ours = tl.namespace(xp.namespace)

    def run(*args: Any) -> Any:
        out = f(*map_tree(lambda x, path: ours.lift(x) if is_array_api_obj(x) else x, args, "args"))
        return map_tree(lambda x, path: bottom(x), out, "out")

    return run


def hosts(xp: Library, found: Any) -> list[Host]:
    """Return all arrays in a structure, in order, as NumPy's; lazy ones are computed together."""
    return [xp.to_numpy(x) for x in backends.get(xp.namespace).persist(list(_arrays(found)))]


def _arrays(found: Any) -> Iterator[Any]:
    if isinstance(found, dict | tuple | list):
        for part in found.values() if isinstance(found, dict) else found:
            yield from _arrays(part)
    elif found is not None:
        yield found


def same_bits(got: Host, expected: Host) -> bool:
    """Say whether two arrays are the same, the sign of zeros included; one NaN is as good as another."""
    if (got.shape, got.dtype) != (expected.shape, expected.dtype):
        return False
    if got.dtype.kind == "c":
        return same_bits(got.real, expected.real) and same_bits(got.imag, expected.imag)
    equal = np.array_equal(got, expected, equal_nan=got.dtype.kind == "f")
    numbers = ~np.isnan(expected) if got.dtype.kind == "f" else np.zeros(got.shape, bool)
    return equal and np.array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))


def assert_same_bits(xp: Library, got: Any, expected: Any) -> None:
    """Fail unless two structures hold the same arrays of the library, to the bit."""
    ours, theirs = hosts(xp, got), hosts(xp, expected)
    assert len(ours) == len(theirs)
    for one, another in zip(ours, theirs, strict=True):
        assert same_bits(one, another), f"\n{one!r} is not\n{another!r}"


def assert_exact(xp: Library, compiled: Compiled, got: Any, expected: Any, given: Any) -> None:
    """Fail unless ``got``, which ``compiled`` made with exact passes, has the bits of ``expected``.

    PyTorch's complex products, and LAPACK's factors of complex matrices on Dask, have other last bits for operands that
    lie in memory otherwise, as they may after a pass.
    """
    if xp.name in ("torch", "dask") and any(x.dtype.kind == "c" for x in hosts(xp, [given, expected])):
        assert_near(xp, got, expected, hosts(xp, expected), depth(compiled.graph), given)
    else:
        assert_same_bits(xp, got, expected)


def depth(graph: Graph) -> int:
    """Return how many roundings there are one after another on the longest way through ``graph``."""
    found: dict[Any, int] = {}
    for equation in graph.equations:
        before = max((found.get(x, 0) for x in equation.operands if type(x) is Var), default=0)
        terms = max((x.size for x in equation.operands), default=1) if equation.kind not in _MOVING else 0
        if equation.kind == "elementwise":
            terms = 1
        elif equation.kind == "reduction" and equation.results[0].size:
            terms = equation.operands[0].size // equation.results[0].size
        elif equation.name == "matmul":
            terms = equation.operands[0].shape[-1]
        for v in equation.results:
            found[v] = before + max(terms, 0)
    return max((found.get(x, 0) for x in graph.outputs), default=0)


_MOVING = ("movement", "cast", "creation")


def assert_near(xp: Library, got: Any, eager: Any, exact: list[Host], steps: int, given: Any = ()) -> None:
    """Fail unless ``got`` is as near to ``exact``, which was computed in double precision, as ``eager`` is, but for
    ``UNITS`` units in the last place of the largest number among results and ``given`` for each of so many steps.
    """
    ours, theirs = hosts(xp, got), hosts(xp, eager)
    largest = max((_largest(x) for x in [*exact, *hosts(xp, given)]), default=0.0)
    for one, another, truth in zip(ours, theirs, exact, strict=True):
        assert (one.shape, one.dtype) == (another.shape, another.dtype)
        if one.dtype.kind not in "fc":
            assert np.array_equal(one, another)
            continue
        assert np.array_equal(np.isfinite(one), np.isfinite(another))
        allowed = UNITS * max(steps, 1) * float(np.finfo(one.dtype).eps) * largest + 2 * _largest(another - truth)
        off = _largest(one - truth)
        assert off <= allowed, f"off by {off}, and {allowed} is allowed:\n{one!r} is not\n{truth!r}"


def _largest(x: Host) -> float:
    """Return the largest magnitude of a finite number in ``x``."""
    if x.dtype.kind not in "fc":
        return 0.0
    return float(np.max(np.abs(x), where=np.isfinite(x), initial=0.0))
