"""Backends that other packages offer, through the entry-point group "tl_arrayapi.backends".

One that cannot be used is reported by a warning that names it, and left out: it must not take the others with it.
"""

import functools
import warnings
from typing import Any

from tl_arrayapi.backends.base import API_VERSION, GROUP, Backend

__all__ = ["matching", "plug_ins"]


@functools.cache
def plug_ins() -> tuple[type[Backend], ...]:
    """Load all backends of other packages, once, and return those that can be used."""
    # Deferred, because it takes longer to import than the rest of the package.
    from importlib.metadata import entry_points

    found = []
    for entry in entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:  # noqa: BLE001  (whatever another package's import may raise)
            _leave_out(f"{entry.name!r} ({entry.value})", f"it cannot be loaded: {error!r}")
            continue
        problem = _problem(loaded)
        if problem:
            _leave_out(f"{entry.name!r} ({entry.value})", problem)
        else:
            found.append(loaded)
    return tuple(found)


def matching(namespace: Any) -> list[type[Backend]]:
    """Return the backends of other packages that say that they describe ``namespace``."""
    found = []
    for plugged in plug_ins():
        try:
            matches = plugged.matches(namespace)
        except Exception as error:  # noqa: BLE001  (whatever another package's code may raise)
            _leave_out(f"{plugged.name!r} ({plugged.__module__})", f"its matches() raises {error!r}")
            continue
        if matches:
            found.append(plugged)
    return found


def _leave_out(name: str, why: str) -> None:
    warnings.warn(f"the backend {name} is left out: {why}", stacklevel=3)


def _problem(loaded: Any) -> str:
    """Say why a loaded entry cannot serve as a backend; an empty string where it can."""
    if not isinstance(loaded, type):
        return f"it is a {type(loaded).__name__}, and a class is expected"
    version = getattr(loaded, "api_version", None)
    if version != API_VERSION:
        return f"its api_version is {version!r}, and this version of tl_arrayapi has {API_VERSION}"
    missing = [name for name in dir(Backend) if not name.startswith("_") and not hasattr(loaded, name)]
    return f"it lacks {', '.join(missing)}: derive it from tl_arrayapi.backends.Backend" if missing else ""
