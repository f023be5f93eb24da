"""The registry: which backend describes a library. It alone loads backends, each on the first use of its library.

Built-in backends are known by the name of the namespace that they describe; other packages add theirs through the
entry-point group "tl_arrayapi.backends". A library that has none gets the portable `Backend`.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import array_api_compat

from tl_arrayapi.backends.base import API_VERSION, Backend
from tl_arrayapi.errors import BackendError, MissingLibraryError

__all__ = ["GROUP", "Library", "available", "backend_of", "get"]

GROUP = "tl_arrayapi.backends"


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
_BY_NAME = {known.name: known for known in _BUILT_IN}
_BY_NAMESPACE = {known.namespace: known for known in _BUILT_IN}

# By identity, and holding the namespace so that the identity stays its own: namespace objects need not be hashable.
_BACKENDS: dict[int, tuple[Any, Backend]] = {}
_OF_TYPE: dict[type, Backend] = {}
_LOCK = threading.RLock()


def get(xp: Any = None) -> Backend:
    """Return the backend of a library: of its name, its namespace (raw, compat's or a `tl.namespace`), or, where
    None, of NumPy.

    The same library gives the same object. A name is one of those that `available` lists, or the path of any
    importable Array API namespace. Raises `MissingLibraryError` where a known library is not installed, and
    `BackendError` for what is no namespace.

    >>> import numpy
    >>> get("numpy") is get(numpy) is get(None)
    True
    """
    if xp is None:
        xp = "numpy"
    if isinstance(xp, str):
        xp = _imported(xp)
    elif isinstance(getattr(xp, "backend", None), Backend):
        return xp.backend  # type: ignore[no-any-return]
    found = _BACKENDS.get(id(xp))
    if found is not None:
        return found[1]
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
        if not array_api_compat.is_array_api_obj(array):
            raise BackendError(f"a {type(array).__name__} is not an array of any Array API library")
        found = _OF_TYPE[type(array)] = get(array_api_compat.array_namespace(array))
    return found


def _imported(name: str) -> Any:
    known = _BY_NAME.get(name)
    try:
        return importlib.import_module(name if known is None else known.module)
    except ImportError as error:
        if known is None:
            raise BackendError(
                f"no Array API library {name!r}: one of {', '.join(_BY_NAME)}, or the path of an importable "
                f"namespace, is expected ({error})"
            ) from error
        how = f"pip install 'tl-arrayapi[{known.extra}]'" if known.extra else f"pip install {name}"
        raise MissingLibraryError(f"{name} is not installed ({error}): {how}") from error
    except ValueError as error:
        raise BackendError(
            f"{name!r} is not the name of a library: one of {', '.join(_BY_NAME)} is expected"
        ) from error


def _canonical(xp: Any) -> Any:
    """Return the namespace that the arrays of ``xp`` have: compat's, where compat wraps the library."""
    make = getattr(xp, "empty", None)
    if not callable(make) or not hasattr(xp, "__name__"):
        raise BackendError(
            f"{xp!r} is not an Array API namespace: give a module such as numpy, or the name of a library"
        )
    try:
        return array_api_compat.array_namespace(make(0))
    except TypeError as error:
        raise BackendError(f"{xp.__name__} is not an Array API namespace ({error})") from error


def _class_for(namespace: Any) -> type[Backend]:
    known = _BY_NAMESPACE.get(namespace.__name__)
    plugged = [found for found in _plug_ins() if found.matches(namespace)]
    if known is None:
        return plugged[0] if plugged else Backend
    for found in plugged:
        if known.name in found.replaces:
            return found
    if known.backend is None:
        return plugged[0] if plugged else Backend
    module, _, name = known.backend.partition(":")
    loaded: type[Backend] = getattr(importlib.import_module(f"tl_arrayapi.backends.{module}"), name)
    return loaded


@functools.cache
def _plug_ins() -> tuple[type[Backend], ...]:
    """Load the backends of other packages; one that cannot be used warns and is left out."""
    found = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:  # noqa: BLE001  (whatever another package's import may raise)
            warnings.warn(
                f"the backend {entry.name!r} ({entry.value}) cannot be loaded and is left out: {error!r}", stacklevel=2
            )
            continue
        problem = _problem(loaded)
        if problem:
            warnings.warn(f"the backend {entry.name!r} ({entry.value}) is left out: {problem}", stacklevel=2)
            continue
        found.append(loaded)
    return tuple(found)


def _problem(loaded: Any) -> str:
    """Say why a loaded entry cannot serve as a backend; an empty string where it can."""
    if not isinstance(loaded, type):
        return f"it is a {type(loaded).__name__}, and a class is expected"
    version = getattr(loaded, "api_version", None)
    if version != API_VERSION:
        return f"its api_version is {version!r}, and this version of tl_arrayapi has {API_VERSION}"
    missing = [name for name in dir(Backend) if not name.startswith("_") and not hasattr(loaded, name)]
    return f"it lacks {', '.join(missing)}: derive it from tl_arrayapi.backends.Backend" if missing else ""


@dataclass(frozen=True)
class Library:
    """One library that `available` found: its name, whether it is installed, in which version, and the extra that
    installs it.

    `backend` imports it.
    """

    name: str
    installed: bool
    version: str | None
    extra: str | None

    def backend(self) -> Backend:
        """Return the library's backend; this imports the library."""
        return get(self.name)


def available() -> list[Library]:
    """List the libraries that this package knows by name and those that plug-ins add, without importing any of them.

    >>> [library.installed for library in available() if library.name == "numpy"]
    [True]
    """
    listed = [_listed(known) for known in _BUILT_IN]
    names = {library.name for library in listed}
    added = {found.name: found for found in _plug_ins() if found.name and found.name not in names}
    return listed + [Library(name, True, None, None) for name in added]


def _listed(known: _BuiltIn) -> Library:
    if importlib.util.find_spec(known.module.partition(".")[0]) is None:
        return Library(known.name, False, None, known.extra)
    for distribution in known.distributions:
        try:
            return Library(known.name, True, importlib.metadata.version(distribution), known.extra)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Library(known.name, True, None, known.extra)
