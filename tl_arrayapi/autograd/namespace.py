"""Namespace: the differentiable Array API namespace over a library.

It holds no operation of its own: its functions are made from the table of primitives, from the composites, and from
the library's own functions for what makes arrays or only asks about dtypes. It does not know what a level does.
"""

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

import array_api_compat

from tl_arrayapi import backends
from tl_arrayapi.autograd import composites, creation, special
from tl_arrayapi.autograd.array import Array, Level
from tl_arrayapi.autograd.functions import function_of, install_operators
from tl_arrayapi.autograd.ground import EXTENSIONS, Ground
from tl_arrayapi.autograd.primitive import PRIMITIVES
from tl_arrayapi.autograd.rules import __all__ as _rules  # importing the rules fills the table
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import BackendError, NamespaceError

__all__ = ["Extension", "Namespace", "array_namespace", "namespace", "namespace_of_type"]

assert _rules
install_operators()

_CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
_ASKING = ("__array_api_version__", "isdtype")
_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
)
_PASSED_ON = frozenset((*_CONSTANTS, *_ASKING, *_DTYPES))
_WRITTEN: dict[str, dict[str, Callable[..., Any]]] = {
    "": composites.COMPOSITES,
    **composites.EXTENSIONS,
    "special": special.COMPOSITES,
}


class Namespace:
    """The Array API functions over one library, each of which takes Arrays, that library's arrays and Python numbers,
    and returns Arrays.

    >>> import numpy, tl_arrayapi as tl
    >>> xp = tl.namespace(numpy)
    >>> xp.sum(xp.asarray([1.0, 2.0]))
    Array(np.float64(3.0), a constant)
    """

    creation: Mapping[str, Mapping[str, Callable[..., Any]]] = creation.CREATION
    """What makes arrays, by extension and name."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.inner = backend.namespace
        self.__name__ = f"tl_arrayapi[{self.inner.__name__}]"
        self.ground = Ground(backend, self)

    def __getattr__(self, name: str) -> Any:
        found = self._find(name)
        setattr(self, name, found)
        return found

    def _find(self, name: str) -> Any:
        if name in _PASSED_ON and hasattr(self.inner, name):
            return getattr(self.inner, name)
        # Special functions are no part of the standard: a library's own are found by its backend.
        if name in EXTENSIONS and (name == "special" or hasattr(self.inner, name)):
            return Extension(self, name)
        found = self.function("", name)
        if found is None:
            raise _absent(self, name)
        return found

    def function(self, where: str, name: str) -> Callable[..., Any] | None:
        """Return the function ``name`` of the extension ``where`` ("": of the main part); None where there is none.

        What is written with others is on every library; all else is there where the library, or its backend, has it.
        """
        inner = getattr(self.inner, where, None) if where else self.inner
        primitive = PRIMITIVES.get((where, name))
        if where == "special" and name in special.NEEDED and self.function(where, special.NEEDED[name]) is None:
            return None
        if name in _WRITTEN[where]:
            function = composites.bound(_WRITTEN[where][name], self)
        elif name in self.creation[where] and hasattr(inner, name):
            function = composites.bound(self.creation[where][name], self)
        elif primitive is not None and self.ground.library.has(primitive):
            function = function_of(primitive, self.ground)
        else:
            return None
        return self._shown(function, name, inner)

    def _shown(self, function: Callable[..., Any], name: str, inner: Any) -> Callable[..., Any]:
        return _named(function, name, inner)

    def __dir__(self) -> list[str]:
        names = {*_names(""), *_PASSED_ON, *EXTENSIONS}
        return sorted(name for name in names if hasattr(self, name))

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return namespace, (self.inner.__name__,)

    # ---- for the engine
    def at_version(self, version: str) -> "Namespace":
        """Return this namespace where its library knows ``version`` of the standard; the functions are the same in
        all of them.
        """
        known = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
        if version not in known:
            raise BackendError(
                f"version {version!r} of the Array API standard is not known: one of {', '.join(known)} is"
            )
        return self

    def lift(self, x: Any, where: str = "an argument") -> Array:
        """Return ``x`` as an Array: itself if it is one, a constant if it is an array of this library or a Python
        number.
        """
        if type(x) is Array:
            return x
        x = self.ground.as_number(x)
        if isinstance(x, (bool, int, float, complex)) and not hasattr(x, "shape"):
            x = self.ground.library.asarray(x)
        self.ground.check_type(x, where)
        return Array(x, self.ground)


class Extension:
    """The functions of one extension of the standard over a library: its own, and those written with others."""

    def __init__(self, namespace: Namespace, where: str) -> None:
        self.__name__ = f"{namespace.__name__}.{where}"
        self._namespace = namespace
        self._where = where

    def __getattr__(self, name: str) -> Any:
        found = self._namespace.function(self._where, name)
        if found is None:
            raise _absent(self._namespace, f"{self._where}.{name}")
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return sorted(name for name in _names(self._where) if hasattr(self, name))

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._namespace, self._where)


def _names(where: str) -> set[str]:
    primitives = {name for (place, name), primitive in PRIMITIVES.items() if place == where and primitive.public}
    return primitives | set(_WRITTEN[where]) | set(creation.CREATION[where])


def _absent(namespace: Namespace, name: str) -> AttributeError:
    return AttributeError(
        f"{namespace.__name__} has no attribute {name!r}: the Array API standard does not have it, or "
        f"{namespace.inner.__name__} does not"
    )


def _named(function: Callable[..., Any], name: str, holder: Any) -> Callable[..., Any]:
    """Give ``function`` the name, the text and the signature of the library's own."""
    inner = getattr(holder, name, None)
    function.__name__ = function.__qualname__ = name
    if inner is not None:
        function.__doc__ = getattr(inner, "__doc__", None)
        if _tells_signature(inner) or not _tells_signature(function, whole=True):
            function.__wrapped__ = inner  # type: ignore[attr-defined]
    return function


def _tells_signature(function: Any, whole: bool = False) -> bool:
    """Say whether ``function`` has a signature to show; ``whole``: that names all its parameters. Many functions that
    are written in C have none.
    """
    try:
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):
        return False
    return not whole or kinds.isdisjoint({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})


_NAMESPACES: dict[Backend, Namespace] = {}
_OF_TYPE: dict[type, Namespace | None] = {}
_LOCK = threading.Lock()


def namespace(xp: Any = None) -> Namespace:
    """Return the differentiable namespace over ``xp``: an Array API module or namespace object, raw, compat's or one
    of these; None is NumPy.

    The same library gives the same object. A value that is no namespace raises `BackendError`.

    >>> import numpy, array_api_compat.numpy, tl_arrayapi as tl
    >>> tl.namespace(numpy) is tl.namespace(array_api_compat.numpy)
    True
    """
    if isinstance(xp, Namespace):
        return xp
    backend = backends.get(xp)
    found = _NAMESPACES.get(backend)
    if found is None:
        with _LOCK:
            found = _NAMESPACES.setdefault(backend, Namespace(backend))
    return found


def namespace_of_type(x: Any) -> Namespace | None:
    """Return the differentiable namespace of the library of ``x``, or None where ``x`` is no array."""
    kind = type(x)
    try:
        return _OF_TYPE[kind]
    except KeyError:
        is_array = not isinstance(x, type) and array_api_compat.is_array_api_obj(x)
        found = _OF_TYPE[kind] = namespace(array_api_compat.array_namespace(x)) if is_array else None
        return found


def array_namespace(*xs: Any) -> Any:
    """Return the namespace of arrays: inside a differentiated function the differentiable one, elsewhere the
    library's own.

    Python numbers and None are passed over. Arrays of two libraries, or no array at all, raise `NamespaceError`.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: tl.array_namespace(x).sum(x * x))(numpy.asarray([1.0, 2.0]))
    array([2., 4.])
    """
    level: Level | None = None
    plain: Namespace | None = None
    for x in xs:
        if type(x) is Array:
            if level is None or x.level.number > level.number:
                level = x.level
        elif (x is not None and not isinstance(x, (bool, int, float, complex))) or hasattr(x, "shape"):
            found = namespace_of_type(x)
            if found is None:
                raise NamespaceError(
                    f"{type(x).__name__} is not an array of any Array API library: give arrays, or Python numbers "
                    f"beside them"
                )
            if plain is not None and found is not plain:
                raise NamespaceError(
                    f"arrays of {plain.inner.__name__} and {found.inner.__name__} are mixed: convert one of them first"
                )
            plain = found
    if level is not None:
        ours: Namespace = level.namespace
        if plain is not None and plain.backend is not ours.backend:
            raise NamespaceError(
                f"arrays of {plain.inner.__name__} and {ours.inner.__name__} are mixed: convert one of them first"
            )
        return ours
    if plain is None:
        raise NamespaceError("no array was given: a namespace is that of at least one array")
    return plain.inner
