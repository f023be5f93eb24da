"""Ground, the lowest level over one library: constants, and everything that is asked of the library itself.

It knows how to call the library's functions under the names of the table, and how Python numbers and plain arrays
become operands.
"""

import numbers
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import array_api_compat

from tl_arrayapi.autograd.array import Array, Level, device_of, fail
from tl_arrayapi.autograd.debug import is_debugging, look
from tl_arrayapi.autograd.embed import embed, put, writers
from tl_arrayapi.autograd.primitive import PRIMITIVES, Kind, Primitive
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import BackendError, DTypeError, NamespaceError

__all__ = ["EXTENSIONS", "Extension", "Ground", "Library"]

EXTENSIONS = ("linalg", "fft", "special")
"""The sub-namespaces: the standard's two, and one of special functions."""

_SCALARS = (bool, int, float, complex)
_MOST_SCALARS = 4096


class Library:
    """The functions of one library under the standard's names, its faster or corrected forms first, as rules call
    them.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._functions: Mapping[str, Callable[..., Any]] = {
            "embed": lambda x, shape, key: embed(self, x, shape, key),
            "getitem": lambda x, key: x[key],
            "put": lambda x, value, key: put(self, x, value, key),
            "relu": lambda x: backend.namespace.maximum(x, backend.namespace.zeros_like(x)),
            "scatter_add": lambda x, indices, shape, axis: backend.scatter_add(shape, indices, x, axis),
            "writers": lambda indices, count: writers(self, indices, count),
            **backend.functions,
        }

    def __getattr__(self, name: str) -> Any:
        found: Any = self._functions.get(name)
        if found is None:
            found = getattr(self._backend.namespace, name, None)
        if name in EXTENSIONS:
            found = Extension(name, found, self)
        if found is None:
            if name.startswith("__"):
                raise AttributeError(name)
            raise _lacking(name, self._backend.name)
        setattr(self, name, found)
        return found

    def has(self, primitive: Primitive) -> bool:
        """Say whether the library, or its backend, has a function for ``primitive``."""
        return self._found(primitive) is not None

    def _found(self, primitive: Primitive) -> Callable[..., Any] | None:
        name, where = primitive.name, primitive.where
        found = self._functions.get(f"{where}.{name}" if where else name)
        if found is not None:
            return found
        if where == "special":
            return self._backend.special(name)
        found = getattr(getattr(self._backend.namespace, where, None) if where else self._backend.namespace, name, None)
        return _by_position(found, primitive.positional) if found is not None and primitive.positional else found

    def function(self, primitive: Primitive) -> Callable[..., Any]:
        """Return the library's function for ``primitive``, or one that says that the library has none."""
        found = self._found(primitive)
        if found is None:
            name = f"{primitive.where}.{primitive.name}" if primitive.where else primitive.name
            return _missing(name, self._backend.name)
        return _gathered(found) if primitive.gather is not None else found


class Extension:
    """The functions of one extension of the standard, as `Library` has those of its main part."""

    def __init__(self, name: str, inner: Any, library: Library) -> None:
        self._name = name
        self._inner = inner
        self._library = library

    def __getattr__(self, name: str) -> Any:
        primitive = PRIMITIVES.get((self._name, name))
        found = getattr(self._inner, name, None) if primitive is None else self._library.function(primitive)
        if found is None:
            raise AttributeError(f"{self._name}.{name}")
        setattr(self, name, found)
        return found


def _gathered(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays, **static: function(list(arrays), **static)


def _by_position(function: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return ``function`` taking by keyword what the standard has by position only, and libraries name as they like."""

    def call(*operands: Any, **static: Any) -> Any:
        return function(*operands, *(static.pop(name) for name in names if name in static), **static)

    return call


def _missing(name: str, library: str) -> Callable[..., Any]:
    def function(*operands: Any, **static: Any) -> Any:
        raise _lacking(name, library)

    return function


def _lacking(name: str, library: str) -> BackendError:
    return BackendError(
        f"{library} has no function {name!r}: write it with others, or give the library a backend that has it"
    )


class Ground(Level):
    """The level of constants over one library."""

    __slots__ = (
        "_functions",
        "_index_dtype",
        "_inexact",
        "_kinds",
        "_results",
        "_scalars",
        "_types",
        "_wider",
        "backend",
        "library",
        "memory",
        "plain",
    )

    traces: ClassVar[bool] = False
    """Whether operations are written down, not done."""

    def __init__(self, backend: Backend, namespace: Any) -> None:
        self.number = -1
        self.namespace = namespace
        self.ground = self
        self.backend = backend
        self.library = Library(backend)
        self._functions = {p: self.library.function(p) for p in PRIMITIVES.values()}
        self.nodes = []
        self._scalars: dict[Any, Any] = {}
        self._types: set[type] = set()
        self.plain: set[type] = set()  # the library's types, where one look at the type is check enough
        self._kinds: dict[tuple[Any, Any], bool] = {}
        self._inexact: dict[Any, bool] = {}
        self._wider: dict[Any, Any] = {}
        self._results: dict[Any, list[Any]] = {}
        self._index_dtype: Any = None
        # The builtin, where the backend has no other idea: it is asked for every argument and result.
        self.memory: Callable[[Any], Any] = id if type(backend).memory is Backend.memory else backend.memory

    @property
    def functions(self) -> dict[Primitive, Callable[..., Any]] | None:  # type: ignore[override]
        """The library's functions; None while every result is to be looked at, which `process` does."""
        return None if is_debugging() else self._functions

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run ``primitive`` on the library's own arrays."""
        values = tuple(x.value if type(x) is Array else x for x in operands)
        try:
            out = self.library_function(primitive)(*values, **static)
        except Exception as error:
            fail(primitive, values, error)
            raise
        if is_debugging():
            look(primitive, values, out, self)
        return self.lift(out, primitive.result)

    def library_function(self, primitive: Primitive) -> Callable[..., Any]:
        """Return the library's function for ``primitive``."""
        return self._functions[primitive]

    def lift(self, out: Any, result: type | None = None) -> Any:
        """Wrap what the library returned: an array, or a tuple of them, which becomes a ``result`` if that is given."""
        if isinstance(out, (tuple, list)):
            parts = [Array(x, self) for x in out]
            return tuple(parts) if result is None else result(*parts)
        return Array(out, self)

    def describe(self, array: Array) -> str:
        """Say that nothing here is watched."""
        return "a constant"

    # ---- operands
    def lift_operands(self, primitive: Primitive, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return ``operands`` with Python numbers turned into 0-d arrays of their neighbours' dtype; refuse what is
        no array of this library.
        """
        for x in operands:
            if type(x) is not Array or x.level.ground is not self:
                break
        else:
            return operands
        like = None
        has_number = False
        operands = tuple([x if type(x) is Array or type(x) in self._types else self.as_number(x) for x in operands])
        for i, x in enumerate(operands):
            if isinstance(x, _SCALARS) and not hasattr(x, "shape"):
                has_number = True
                continue
            self.check_type(x, f"operand {i} of {primitive.name}")
            # A condition says nothing of what is chosen, nor a boolean of a number beside it.
            if not (i == 0 and primitive.name == "where") and (like is None or self.is_kind(like.dtype, "bool")):
                like = x
        return tuple(self._number(x, like) if type(x) in _SCALARS else x for x in operands) if has_number else operands

    def is_own(self, x: Any) -> bool:
        """Say whether ``x`` is an array of this library."""
        return type(x) in self._types or (
            array_api_compat.is_array_api_obj(x) and array_api_compat.array_namespace(x) is self.backend.namespace
        )

    def as_number(self, x: Any) -> Any:
        """Return a scalar of NumPy's, such as ``numpy.log(2)``, as the Python number that all other libraries take it
        for, and a number of a class derived from Python's as one of those; anything else as it is.
        """
        if isinstance(x, _SCALARS) and type(x) not in _SCALARS and not hasattr(x, "shape"):
            base: Any = next(kind for kind in _SCALARS if isinstance(x, kind))
            return base(x)
        if not hasattr(x, "item") or not isinstance(x, numbers.Number):
            return x
        number: Any = x
        return x if array_api_compat.array_namespace(x) is self.backend.namespace else number.item()

    def _number(self, x: Any, like: Any) -> Any:
        return self.library.asarray(x) if like is None else self.scalar(x, like.dtype, like)

    def scalar(self, value: Any, dtype: Any, like: Any) -> Any:
        """Return ``value`` as a 0-d array of ``dtype``, on the device of ``like``; the same number gives the same
        array again.
        """
        backend = self.backend
        device = None if backend.one_device else device_of(like, backend)
        key = (value, dtype, device, type(value))
        found = self._scalars.get(key)
        if found is None:
            found = self._new_scalar(value, dtype, device)
            # 0.0 equals -0.0 and is another number; NaN never equals itself and would pile up.
            if backend.keep_scalars and value != 0 and value == value and len(self._scalars) < _MOST_SCALARS:
                self._scalars[key] = found
        return found

    def _new_scalar(self, value: Any, dtype: Any, device: Any) -> Any:
        kind = type(value)
        if kind is complex and self.is_kind(dtype, "real floating"):
            dtype = self.library.result_type(dtype, self.library.complex64)
        elif (
            (kind in (float, complex) and not self.is_inexact(dtype))
            or (kind is int and self.is_kind(dtype, "bool"))
            or (kind is bool and not self.is_kind(dtype, "bool"))
        ):
            dtype = None
        return self.library.asarray(value, dtype=dtype, **({} if device is None else {"device": device}))

    def check_type(self, x: Any, where: str) -> None:
        """Raise where ``x`` is neither one of ours nor an array of this library."""
        kind = type(x)
        if kind is Array:
            if x.level.namespace.backend is not self.backend:
                raise NamespaceError(_mixed(x.level.namespace.backend.name, self.backend.name, where))
            return
        if kind not in self._types:
            if isinstance(x, type) or not array_api_compat.is_array_api_obj(x):
                raise NamespaceError(
                    f"{where} is of type {kind.__name__}: give an array of {self.backend.name}, or a Python number"
                )
            inner = array_api_compat.array_namespace(x)
            if inner is not self.backend.namespace:
                raise NamespaceError(_mixed(inner.__name__, self.backend.name, where))
            self._types.add(kind)
            if type(self.backend).check is Backend.check:
                self.plain.add(kind)
        self.backend.check(x, where)

    @property
    def index_dtype(self) -> Any:
        """The library's own dtype for indices."""
        if self._index_dtype is None:
            self._index_dtype = self.library.arange(0).dtype
        return self._index_dtype

    def is_inexact(self, dtype: Any) -> bool:
        """Return whether ``dtype`` is real or complex floating, remembered."""
        found = self._inexact.get(dtype)
        if found is None:
            found = self._inexact[dtype] = self.is_kind(dtype, ("real floating", "complex floating"))
        return found

    def wider(self, dtype: Any) -> Any:
        """Return the dtype to add up many numbers of ``dtype`` in: float32 for a float of 16 bits, None for all
        others.
        """
        if dtype not in self._wider:
            half = self.is_kind(dtype, "real floating") and self.library.finfo(dtype).bits == 16
            self._wider[dtype] = self.library.float32 if half else None
        return self._wider[dtype]

    def default_dtype(self, kind: type, device: Any) -> Any:
        """Return the dtype that the library gives to a Python number of that type, on ``device``."""
        return self.library.asarray(kind(1), **({} if device is None else {"device": device})).dtype

    def result_dtypes(self, primitive: Primitive, operands: list[tuple[Any, int]], static: dict[str, Any]) -> list[Any]:
        """Return the dtypes that ``primitive`` gives for operands of these dtypes and numbers of axes, remembered: the
        library is asked, with next to no elements.
        """
        key = (primitive, tuple((self.backend.dtype_name(dtype), rank) for dtype, rank in operands), repr(static))
        found = self._results.get(key)
        if found is None:
            # Ones can be divided by and are matrices that can be factored; half of one point is none.
            length = 2 if primitive.kind is Kind.TRANSFORM else 1
            ones = [self.library.ones((length,) * rank, dtype=dtype) for dtype, rank in operands]
            out = self._functions[primitive](*ones, **static)
            found = self._results[key] = [x.dtype for x in (out if isinstance(out, (tuple, list)) else (out,))]
        return found

    def is_kind(self, dtype: Any, kind: Any) -> bool:
        """Return the standard's ``isdtype``, remembered."""
        found = self._kinds.get((dtype, kind))
        if found is None:
            try:
                found = bool(self.library.isdtype(dtype, kind))
            except (TypeError, ValueError) as error:
                raise DTypeError(f"{dtype!r} is not a dtype of {self.backend.name}") from error
            self._kinds[dtype, kind] = found
        return found


def _mixed(given: str, expected: str, where: str) -> str:
    return f"{where} is an array of {given} among arrays of {expected}: convert it first, with asarray or from_dlpack"
