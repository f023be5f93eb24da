"""`compile`: a function traced once for each shape of its arguments, and run as straight code from then on."""

import functools
import itertools
import logging
import pickle
import threading
from collections.abc import Callable
from types import MethodType
from typing import Any, NamedTuple

from tl_arrayapi.autograd.arguments import Arguments, ArraySpec, Signature, Spec, packed, unpacked
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.debug import is_debugging
from tl_arrayapi.autograd.namespace import Namespace, namespace_of_type
from tl_arrayapi.autograd.programs import Compilation, compiled_program, lowered, rebuilding
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.autograd.tracer import ForeignArrayError
from tl_arrayapi.errors import ArgumentError, StructureError, TraceError
from tl_arrayapi.graph.graph import Graph

__all__ = ["CacheInfo", "Compiled", "compile"]

_LOG = logging.getLogger("tl_arrayapi.compile")
_MOST_PROGRAMS = 128


class CacheInfo(NamedTuple):
    """How often a compiled function had a program for its arguments, and how often it had to make one."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


def compile(f: Callable[..., Any], *, fast_kernels: bool = True, reassociate: bool = True) -> "Compiled":
    """Return ``f`` as a compiled function: traced once for each structure, shapes and dtypes of its arguments, and
    run as straight code of the library from then on.

    Arguments are arrays of one library, numbers, and tuples, lists and dicts of them; what is neither is static, and
    part of what a program is made for. So is the truth of a bool; a number of another kind is an input, and a new one
    makes no new program. While ``f`` is traced its arrays have shapes and dtypes, and no values: branching on one
    raises `TraceError`. Results are plain arrays in memory of their own. Arrays that ``f`` captures are read at every
    call, in the state in which they are then.

    ``reassociate`` lets sums and products be computed in another order than ``f`` has, as fast code does; without it
    results are those of ``f`` bit for bit, where the library's functions give the same for the same. ``fast_kernels``
    lets PyTorch and JAX run the program through their own compilers.

    >>> import numpy, tl_arrayapi as tl
    >>> step = tl.compile(lambda w, g, lr: w - lr * g)
    >>> step(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 1.0]), 0.5)
    array([0.5, 1.5])
    >>> step(numpy.asarray([1.0, 2.0]), numpy.asarray([1.0, 1.0]), 0.25), step.cache_info().misses
    (array([0.75, 1.75]), 1)
    """
    if not callable(f):
        raise ArgumentError(f"compile takes a function; got a {type(f).__name__}")
    return Compiled(f, fast_kernels, reassociate)


class Compiled:
    """A compiled function: see `compile`. ``cache_info()`` tells hits and misses, ``explain()`` what a program does.

    >>> import numpy, tl_arrayapi as tl
    >>> twice = tl.compile(lambda x: x + x)
    >>> type(twice) is tl.Compiled, twice(numpy.asarray([1.0, 2.0]))
    (True, array([2., 4.]))
    >>> twice.graph
    Graph of 1 equation, 1 input, 1 output
    """

    def __init__(self, f: Callable[..., Any], fast_kernels: bool = True, reassociate: bool = True) -> None:
        functools.update_wrapper(self, f)
        self._f: Callable[..., Any] | None = f
        self._fast = fast_kernels
        self._reassociate = reassociate
        self._programs: dict[Any, Compilation] = {}
        self._used: dict[Any, int] = {}
        self._clock = itertools.count()
        self._lock = threading.RLock()
        self._hits = self._misses = 0
        # The program used last, where its arguments were arrays side by side.
        self._ready: tuple[Signature, Compilation, Callable[[list[Any]], Any]] | None = None

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Return what the function returns for these arguments."""
        ready = self._ready
        if ready is not None and not keywords and ready[0].fits(args):
            self._hits += 1
            return ready[2](ready[1].program(*args, *ready[1].captured))
        found = Arguments((args, keywords) if keywords else args)
        if found.traced or found.xp is None or is_debugging():
            # A transform around it, nothing to compile for, or results that are to be looked at one by one.
            return self._function()(*args, **keywords)
        made = self._programs.get(found.key)
        if made is None:
            try:
                made = self._made(found, args, keywords)
            except ForeignArrayError:
                # A transform around it, of an array that the function captures.
                return self._function()(*args, **keywords)
        else:
            self._hits += 1
        self._used[found.key] = next(self._clock)
        arrays = [
            self._number(var.dtype, x, found) if spec.weak is not None else x
            for spec, x, var in zip(found.specs, found.leaves, made.traced.inputs, strict=True)
        ]
        results = rebuilding(made.results)
        if found.device is None and found.are_arrays(args):
            self._ready = Signature(args), made, results
        return results(made.program(*arrays, *made.captured))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _function(self) -> Callable[..., Any]:
        if self._f is None:
            raise TraceError(
                "this compiled function was unpickled with its programs and without the Python function, which could "
                "not be pickled: it runs for arguments of the structures and shapes that it had been called with"
            )
        return self._f

    def _number(self, dtype: str, x: Any, found: Arguments) -> Any:
        assert found.xp is not None
        where = {} if found.device is None else {"device": found.device}
        return found.xp.ground.library.asarray(x, dtype=found.xp.backend.dtype(dtype), **where)

    # ---- programs
    def _made(self, found: Arguments, args: Any, keywords: Any) -> Compilation:
        with self._lock:
            made = self._programs.get(found.key)
            if made is not None:
                return made
            made = self._compilation(found, args, keywords)
            self._misses += 1
            while len(self._programs) >= _MOST_PROGRAMS:
                oldest = min(self._programs, key=lambda key: self._used.get(key, -1))
                del self._programs[oldest]
                self._used.pop(oldest, None)
            self._programs[found.key] = made
        _LOG.debug(
            "compiled %s for %s in %.1f ms",
            getattr(self, "__name__", "a function"),
            ", ".join(f"{x.dtype}{list(x.shape)}" for x in made.traced.inputs),
            1000 * sum(made.seconds.values()),
        )
        return made

    def _compilation(self, found: Arguments, args: Any, keywords: Any) -> Compilation:
        function, xp = self._function(), found.xp
        assert xp is not None
        # The dtype of a number is what the library makes of one of its kind.
        specs = [
            spec if spec.weak is None else Spec((), xp.ground.default_dtype(spec.weak, found.device), spec.weak)
            for spec in found.specs
        ]

        def call(arrays: list[Array]) -> Any:
            leaves = iter(arrays)

            def lifted(x: Any, path: str) -> Any:
                is_leaf = type(x) in (float, int, complex, ArraySpec) or namespace_of_type(x) is not None
                return next(leaves) if is_leaf else x

            return function(*map_tree(lifted, args, ""), **map_tree(lifted, keywords, ""))

        return compiled_program(call, specs, xp, found.device, fast=self._fast, reassociate=self._reassociate)

    def trace(self, *args: Any, **keywords: Any) -> ProgramReport:
        """Return the report of the program for these arguments, arrays or `ArraySpec`, which is made if there is none;
        nothing is run.
        """
        found = Arguments((args, keywords) if keywords else args)
        if found.traced or found.xp is None:
            raise StructureError("a program is made for plain arrays, or ArraySpec: give at least one")
        made = self._programs.get(found.key) or self._made(found, args, keywords)
        self._used[found.key] = next(self._clock)
        return ProgramReport(made)

    def explain(self, *args: Any, **keywords: Any) -> ProgramReport:
        """Return the report of the program for these arguments, or of the one used last; printing it gives a table."""
        return self.trace(*args, **keywords) if args or keywords else ProgramReport(self._latest())

    @property
    def graph(self) -> Graph:
        """The graph of the program used last, as it was lowered."""
        return self._latest().graph

    @property
    def source(self) -> str:
        """The source of the program used last."""
        return self._latest().program.source

    def _latest(self) -> Compilation:
        if not self._programs:
            raise TraceError("no program has been made yet: call the function, or its trace(), with arguments first")
        return self._programs[max(self._programs, key=lambda key: self._used.get(key, -1))]

    def cache_info(self) -> CacheInfo:
        """Return how many calls found a program, how many had to make one, and how many there are."""
        return CacheInfo(self._hits, self._misses, _MOST_PROGRAMS, len(self._programs))

    def cache_clear(self) -> None:
        """Forget all programs."""
        with self._lock:
            self._programs.clear()
            self._used.clear()
            self._ready = None
            self._hits = self._misses = 0

    def __repr__(self) -> str:
        return f"<compiled {getattr(self, '__qualname__', self._f)}>"

    # ---- pickling: the function, where that can be, and the graphs
    def __reduce__(self) -> tuple[Any, ...]:
        programs = [(packed(key), _stored(key[0], made)) for key, made in self._programs.items()]
        names = {name: getattr(self, name, None) for name in ("__name__", "__qualname__", "__doc__")}
        return _restored, (_picklable(self._f), names, self._fast, self._reassociate, programs)


def _picklable(f: Any) -> Any:
    try:
        pickle.dumps(f)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return f


def _stored(xp: Namespace, made: Compilation) -> Any:
    return made.traced, [xp.backend.to_host(x) for x in made.captured], made.results


def _restored(f: Any, names: dict[str, Any], fast: bool, reassociate: bool, programs: list[Any]) -> Compiled:
    found = Compiled(f if f is not None else _absent, fast, reassociate)
    found._f = f
    for name, value in names.items():
        if value is not None:
            setattr(found, name, value)
    for key, (traced, host, results) in programs:
        xp, device, *_ = key = unpacked(key)
        captured = [xp.backend.from_host(x, None, device) for x in host]
        found._programs[key] = lowered(traced, captured, results, xp, device, fast, reassociate)
    return found


def _absent(*args: Any, **keywords: Any) -> Any:
    raise TraceError("the Python function of this compiled function was not pickled")
