"""The registry: which backend describes a library. It alone loads backends, each on the first use of its library.

Built-in backends are known by the name of the namespace that they describe; other packages add theirs as plug-ins. A
library that has none gets the portable `Backend`.
"""

import importlib
import importlib.util
import sys
import threading
from dataclasses import dataclass
from typing import Any

import array_api_compat

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.backends.plugins import matching, plug_ins
from tl_arrayapi.errors import BackendError, MissingLibraryError

__all__ = ["Library", "available", "backend_of", "get"]


@dataclass(frozen=True)
class _BuiltIn:
    """A library that this package has a backend for, or at least a name: where to import it, and what installs it."""

    name: str
    module: str
    namespace: str
    backend: str | None
    extra: str | None
    distributions: tuple[str, ...]


_BUILT_IN = (
    _BuiltIn("numpy", "numpy", "array_api_compat.numpy", "numpy:NumPyBackend", None, ("numpy",)),
    _BuiltIn(
        "cupy", "cupy", "array_api_compat.cupy", "cupy:CuPyBackend", "cuda12", ("cupy-cuda12x", "cupy-cuda13x", "cupy")
    ),
    _BuiltIn("dask", "dask.array", "array_api_compat.dask.array", "dask:DaskBackend", "dask", ("dask",)),
    _BuiltIn("torch", "torch", "array_api_compat.torch", "torch:TorchBackend", "torch", ("torch",)),
    _BuiltIn("jax", "jax.numpy", "jax.numpy", "jax:JaxBackend", "jax", ("jax",)),
    _BuiltIn("array_api_strict", "array_api_strict", "array_api_strict", None, "test", ("array-api-strict",)),
)
_BY_NAMESPACE = {known.namespace: known for known in _BUILT_IN}
_BY_MODULE = {known.module: known for known in _BUILT_IN} | _BY_NAMESPACE
_BY_NAME = {known.name: known for known in _BUILT_IN} | _BY_MODULE

# By identity, and holding the namespace so that the identity stays its own: namespace objects need not be hashable.
_BACKENDS: dict[int, tuple[Any, Backend]] = {}
_OF_TYPE: dict[type, Backend] = {}
_LOCK = threading.RLock()


def get(xp: Any = None) -> Backend:
    """Return the backend of a library: of its name, of its namespace, or, where None, of NumPy.

    A namespace may be raw, compat's or a `tl.namespace`: the same library gives the same object. A name is one of those
    that `available` lists, or the path of any importable Array API namespace. Raises `MissingLibraryError` where a
    known library is not installed, and `BackendError` for what is no namespace.

    >>> import numpy
    >>> get("numpy") is get(numpy) is get(None)
    True
    """
    if xp is None:
        xp = "numpy"
    if isinstance(xp, str):
        xp = _imported(xp)
    found = _BACKENDS.get(id(xp))
    if found is not None:
        return found[1]
    wrapped = getattr(xp, "backend", None)
    if isinstance(wrapped, Backend):
        return wrapped
    namespace = _canonical(xp)
    with _LOCK:
        found = _BACKENDS.get(id(namespace))
        backend = found[1] if found is not None else _class_for(namespace)(namespace)
        _BACKENDS[id(namespace)] = namespace, backend
        _BACKENDS[id(xp)] = xp, backend
    return backend


def backend_of(array: Any) -> Backend:
    """Return the backend of the library of ``array``; raises `BackendError` where it is no array.

    >>> import numpy
    >>> backend_of(numpy.ones(2)).name
    'numpy'
    """
    found = _OF_TYPE.get(type(array))
    if found is None:
        if isinstance(array, type) or not array_api_compat.is_array_api_obj(array):
            raise BackendError(f"a {type(array).__name__} is not an array of any Array API library: give an array")
        namespace = array_api_compat.array_namespace(array)
        found = get(namespace)
        # A class that wraps arrays of several libraries has a namespace over each: its type does not tell which.
        if namespace is found.namespace:
            _OF_TYPE[type(array)] = found
    return found


def _imported(name: str) -> Any:
    known = _BY_NAME.get(name)
    try:
        return importlib.import_module(name if known is None else known.namespace)
    except ImportError as error:
        if known is not None:
            how = f"pip install 'tl-arrayapi[{known.extra}]'" if known.extra else f"pip install {known.name}"
            raise MissingLibraryError(f"{known.name} is not installed ({error}): {how}") from error
        raise _unknown(name, error) from error
    except (TypeError, ValueError) as error:  # "" and ".name" are no absolute paths
        raise _unknown(name, error) from error


def _unknown(name: str, error: Exception) -> BackendError:
    names = ", ".join(library.name for library in available())
    return BackendError(
        f"no Array API library {name!r} ({error}): give one of {names}, or the path of an importable namespace"
    )


def _canonical(xp: Any) -> Any:
    """Return the namespace that the arrays of ``xp`` have: compat's, where compat wraps the library."""
    name = getattr(xp, "__name__", None)
    known = _BY_MODULE.get(name) if isinstance(name, str) and sys.modules.get(name) is xp else None
    if known is not None:
        return importlib.import_module(known.namespace)
    make = getattr(xp, "empty", None) or getattr(xp, "zeros", None)
    if not callable(make):
        raise BackendError(
            f"{xp!r} is not an Array API namespace: give a module such as numpy, or the name of a library"
        )
    try:
        return array_api_compat.array_namespace(make(0))
    except (TypeError, ValueError) as error:
        raise BackendError(f"{name or xp!r} is not an Array API namespace: {error}") from error


def _class_for(namespace: Any) -> type[Backend]:
    known = _BY_NAMESPACE.get(getattr(namespace, "__name__", ""))
    plugged = matching(namespace)
    if known is not None and known.backend is not None:
        for found in plugged:
            if known.name in found.replaces:
                return found
        module, _, name = known.backend.partition(":")
        loaded: type[Backend] = getattr(importlib.import_module(f"tl_arrayapi.backends.{module}"), name)
        return loaded
    return plugged[0] if plugged else Backend


@dataclass(frozen=True)
class Library:
    """One library that `available` found: its name, whether it is installed, in which version, and its extra.

    `backend` imports it, and knows its devices and dtypes.

    >>> Library("numpy", True, "2.4.6", None).backend().devices()
    ['cpu']
    """

    name: str
    installed: bool
    version: str | None
    extra: str | None

    def backend(self) -> Backend:
        """Return the library's backend; this imports the library, or raises `MissingLibraryError`."""
        return get(self.name)


def available() -> list[Library]:
    """List the libraries that this package knows by name and those that plug-ins add, without importing any of them.

    >>> [library.installed for library in available() if library.name == "numpy"]
    [True]
    """
    listed = [_listed(known) for known in _BUILT_IN]
    names = {library.name for library in listed}
    added = sorted({found.name for found in plug_ins()} - names - {""})
    return listed + [Library(name, _is_there(name), None, None) for name in added]


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _listed(known: _BuiltIn) -> Library:
    from importlib.metadata import PackageNotFoundError, version

    if not _is_there(known.module):
        return Library(known.name, False, None, known.extra)
    for distribution in known.distributions:
        try:
            return Library(known.name, True, version(distribution), known.extra)
        except PackageNotFoundError:
            continue
    return Library(known.name, True, None, known.extra)
