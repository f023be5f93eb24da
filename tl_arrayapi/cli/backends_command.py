"""``tl-arrayapi backends``: the libraries found, their versions and devices, and what each can do."""

import json
from typing import Any

import click

from tl_arrayapi.backends import Backend, Library, available
from tl_arrayapi.errors import DTypeError, TLError

__all__ = ["describe", "run"]

_DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


def run(as_json: bool) -> None:
    """Print what is known of each library: a table, or a JSON list."""
    found = [describe(library) for library in available()]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for entry in found:
        click.echo(f"{entry['name']} {entry['version'] or ''}".rstrip())
        for what, text in _lines(entry):
            click.echo(f"    {what + ':':<9} {text}")


def describe(library: Library) -> dict[str, Any]:
    """Return what is known of a library; an installed one is imported. ``problem`` says why one cannot be used.

    >>> from tl_arrayapi.backends import available
    >>> describe(available()[0])["name"]
    'numpy'
    """
    entry: dict[str, Any] = {"name": library.name, "installed": library.installed, "version": library.version}
    if not library.installed:
        install = f"tl-arrayapi[{library.extra}]" if library.extra else library.name
        return {**entry, "problem": f"not installed: pip install '{install}'"}
    try:
        backend = library.backend()
        entry["version"] = library.version or backend.version()
        return {**entry, **_abilities(backend), "problem": None}
    except TLError as error:
        return {**entry, "problem": " ".join(str(error).split())}


def _abilities(backend: Backend) -> dict[str, Any]:
    info = getattr(backend.namespace, "__array_namespace_info__", None)
    can = info().capabilities() if info is not None else {}
    return {
        "devices": [str(device) for device in backend.devices()],
        "dtypes": [name for name in _DTYPES if _has(backend, name)],
        "lazy": backend.lazy,
        "boolean_indexing": can.get("boolean indexing"),
        "data_dependent_shapes": can.get("data-dependent shapes"),
        "backend": "portable" if type(backend) is Backend else "its own",
    }


def _has(backend: Backend, dtype: str) -> bool:
    try:
        backend.dtype(dtype)
    except DTypeError:
        return False
    return True


def _lines(entry: dict[str, Any]) -> list[tuple[str, str]]:
    if entry["problem"]:
        return [("problem", entry["problem"])] if entry["installed"] else [("missing", entry["problem"])]
    can = [
        "gradients, modules, training",
        "lazy" if entry["lazy"] else "eager",
        *([] if entry["boolean_indexing"] is False else ["boolean indexing"]),
        *([] if entry["data_dependent_shapes"] is False else ["shapes that depend on data"]),
    ]
    return [
        ("devices", ", ".join(entry["devices"]) or "one"),
        ("dtypes", ", ".join(entry["dtypes"])),
        ("can do", ", ".join(can)),
        ("backend", entry["backend"]),
    ]
