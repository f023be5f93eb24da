"""The digest of a loss as Python has it, for losses that cannot be traced.

Hashed are the bytecode, names and constants of the function, its defaults, what its closure holds, and what it refers
to by global names; functions and classes of the same package are followed, others are hashed by name. Arrays are hashed
by their values. Where a line stands, and comments, do not matter; the names of variables and the version of Python do.
"""

import dis
import functools
import hashlib
import types
from collections.abc import Callable, Mapping, Set
from typing import Any

from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.distributed.receipts.values import digest_array, digest_text

__all__ = ["bytecode_digest"]


def bytecode_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256, in hexadecimal, of a function and of what it refers to.

    Of objects that are neither data nor functions, the class and the attributes count.

    >>> scale = 2.0
    >>> before = bytecode_digest(lambda x: scale * x)
    >>> before == bytecode_digest(lambda x: scale * x), before == bytecode_digest(lambda x: scale + x)
    (True, False)
    """
    walk = _Walk(_package(function))
    walk.add(function)
    return walk.state.hexdigest()


def _package(x: Any) -> str:
    return (getattr(x, "__module__", None) or type(x).__module__).partition(".")[0]


class _Walk:
    """One pass over what a function refers to; what was met before is hashed as the number that it has then."""

    def __init__(self, package: str) -> None:
        self.state = hashlib.sha256()
        self._package = package
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no two things have the same id

    def add(self, x: Any) -> None:
        """Add a value to the hash."""
        if x is None or x is Ellipsis or isinstance(x, bool | int | float | complex | str | bytes | range | slice):
            digest_text(self.state, type(x).__name__, repr(x))
        elif isinstance(x, tuple):
            # Python may share equal tuples, or not: each is hashed in full.
            self._add_all("tuple", x)
        elif isinstance(x, types.CodeType):
            self._add_code(x)
        elif (found := namespace_of_type(x)) is not None:
            digest_text(self.state, "array")
            digest_array(self.state, found.backend, x)
        elif id(x) in self._met:
            digest_text(self.state, "met", repr(self._met[id(x)]))
        else:
            self._met[id(x)] = len(self._met)
            self._kept.append(x)
            self._add_new(x)

    def _add_new(self, x: Any) -> None:
        if isinstance(x, types.ModuleType):
            digest_text(self.state, "module", x.__name__)
        elif isinstance(x, types.FunctionType | type):
            self._add_defined(x)
        elif isinstance(x, types.MethodType):
            self._add_all("method", [x.__func__, x.__self__])
        elif isinstance(x, functools.partial):
            self._add_all("partial", [x.func, x.args, x.keywords])
        elif isinstance(x, list):
            self._add_all("list", x)
        elif isinstance(x, Mapping):
            self._add_all("mapping", [item for pair in x.items() for item in pair])
        elif isinstance(x, Set):
            self._add_all("set", sorted(x, key=repr))
        else:
            self._add_all("object", [type(x), getattr(x, "__name__", ""), getattr(x, "__dict__", {})])

    def _add_all(self, kind: str, items: Any) -> None:
        digest_text(self.state, kind, str(len(items)))
        for item in items:
            self.add(item)

    def _add_defined(self, x: Any) -> None:
        """Add a function or a class: what it is made of where it is of the package, its name otherwise."""
        digest_text(self.state, type(x).__name__)
        if _package(x) != self._package:
            digest_text(self.state, x.__module__ or "", x.__qualname__)
        elif isinstance(x, type):
            own = {name: value for name, value in vars(x).items() if name not in _OF_EVERY_CLASS}
            self._add_all(x.__qualname__, [*x.__bases__, own])
        else:
            cells = [cell.cell_contents for cell in x.__closure__ or () if cell != types.CellType()]
            self._add_all("function", [x.__code__, x.__defaults__, x.__kwdefaults__, cells, _globals_of(x)])

    def _add_code(self, code: types.CodeType) -> None:
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        self._add_all("code", [code.co_code, code.co_exceptiontable, counts, names, code.co_consts])


_OF_EVERY_CLASS = {"__dict__", "__doc__", "__firstlineno__", "__module__", "__static_attributes__", "__weakref__"}


def _globals_of(function: types.FunctionType) -> dict[str, Any]:
    """Return the globals that a function, or a function within it, reads, by name."""
    found: dict[str, Any] = {}
    codes = [function.__code__]
    for code in codes:
        codes += [x for x in code.co_consts if isinstance(x, types.CodeType)]
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname == "LOAD_GLOBAL" and name in function.__globals__:
                found[name] = function.__globals__[name]
    return dict(sorted(found.items()))
