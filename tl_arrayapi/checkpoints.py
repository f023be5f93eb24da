"""Checkpoints of a module: its parameters by name, the optimiser's state, the step, and what made them, in one
safetensors file.

Which bytes are a sound file is storage's business; here is what they mean, and whether they fit a module.
"""

import json
import platform
from collections.abc import Sequence
from os import PathLike
from typing import Any

from tl_arrayapi import storage
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import CheckpointError

__all__ = ["load", "save"]

_FORMAT = "tl_arrayapi"
_VERSION = "1"
_STATE = "optimizer."
_MOST_STEPS = 2**63
_WIDTHS = {"bfloat16": 1, "float16": 1, "float32": 2, "float64": 3}


def save(
    path: str | PathLike[str],
    params: dict[str, Any],
    backend: Backend,
    opt_state: Any,
    step: int,
    seed: int,
    allow_nonfinite: bool,
) -> None:
    """Write parameters, optimiser state and step to ``path``, whole or not at all."""
    if step >= _MOST_STEPS:
        raise CheckpointError(f"the step {step} is not below {_MOST_STEPS}: a checkpoint keeps 63 bits of it")
    for name in params:
        if name.startswith(_STATE):
            raise CheckpointError(
                f"the parameter name {name!r} begins with {_STATE!r}, which is kept for the optimiser: rename it"
            )

    def host(x: Any, at: str) -> Any:
        found = namespace_of_type(x)
        if found is not None and found.backend is not backend:
            raise CheckpointError(f"{at} is an array of {found.backend.name}, and the module's are of {backend.name}")
        return x if found is None else backend.to_host(x)

    state, structure = storage.pack_state(map_tree(host, opt_state, "opt_state"))
    tensors = {name: backend.to_host(p) for name, p in params.items()} | {_STATE + name: x for name, x in state.items()}
    metadata = {
        "format": _FORMAT,
        "version": _VERSION,
        "step": str(step),
        "seed": str(seed),
        "optimizer": structure,
        "made_with": json.dumps({"python": platform.python_version(), backend.name: backend.version()}),
    }
    storage.save(path, tensors, metadata, allow_nonfinite=allow_nonfinite)


def load(
    path: str | PathLike[str],
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    dtype: str,
    backend: Backend,
    device: Any,
    allow_nonfinite: bool,
) -> tuple[list[Any], Any, int]:
    """Return the parameters as arrays of the library, the optimiser state (None where none was saved), and the step."""
    tensors, metadata = storage.load(path, allow_nonfinite=allow_nonfinite)
    step, structure = _header(path, metadata)
    _check_names(path, [n for n in tensors if not n.startswith(_STATE)], names)
    for name, shape in zip(names, shapes, strict=True):
        _check_tensor(path, name, tensors[name], shape, dtype)
    state = storage.unpack_state(
        {n.removeprefix(_STATE): x for n, x in tensors.items() if n.startswith(_STATE)}, structure
    )

    stored = {tensors[name].dtype.name for name in names}

    def placed(x: Any) -> Any:
        # A state goes with its parameters, and is as wide as they become.
        return backend.from_host(x, dtype if x.dtype.name in stored else x.dtype.name, device)

    params = [backend.from_host(tensors[name], dtype, device) for name in names]
    return params, map_tree(lambda x, at: placed(x) if namespace_of_type(x) is not None else x, state, ""), step


def _header(path: Any, metadata: dict[str, str]) -> tuple[int, str]:
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is a safetensors file, but no checkpoint of a module: it has format {metadata.get('format')!r}, "
            f"and {_FORMAT!r} is expected"
        )
    if metadata.get("version") != _VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {metadata.get('version')!r}, and this library reads {_VERSION!r}: load "
            f"it with the library that wrote it"
        )
    step, structure = metadata.get("step", ""), metadata.get("optimizer", "")
    if not (step.isascii() and step.isdecimal() and len(step) < 20 and int(step) < _MOST_STEPS):
        raise CheckpointError(f"{path} has the step {step[:40]!r}: a whole number is expected")
    return int(step), structure


def _check_names(path: Any, found: Sequence[str], wanted: Sequence[str]) -> None:
    missing, extra = [n for n in wanted if n not in found], [n for n in found if n not in wanted]
    if missing or extra:
        parts = [
            f"{what}: {', '.join(names)}"
            for what, names in (("missing", missing), ("not in the module", extra))
            if names
        ]
        raise CheckpointError(
            f"{path} holds other parameters than the module ({'; '.join(parts)}): load it into the module that it "
            f"was saved from"
        )


def _check_tensor(path: Any, name: str, x: Any, shape: tuple[int, ...], dtype: str) -> None:
    if tuple(x.shape) != shape:
        raise CheckpointError(f'{path} has "{name}" in shape {tuple(x.shape)}, and the module has {shape}')
    stored = x.dtype.name
    widens = stored in _WIDTHS and dtype in _WIDTHS and _WIDTHS[stored] < _WIDTHS[dtype]
    if stored != dtype and not widens:
        raise CheckpointError(
            f'{path} has "{name}" in {stored}, which {dtype} does not hold exactly: load it into a module of dtype '
            f"{stored}"
        )
