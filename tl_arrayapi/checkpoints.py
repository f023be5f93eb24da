"""Checkpoints of a module: its parameters by name, the optimiser's state, the step, and what made them.

Which bytes are a sound file is storage's business; here is what they mean, and whether they fit a module. Arrays go to
the file, and come from it, one by one.
"""

import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from tl_arrayapi import backends, storage
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.differences import Differences, compared
from tl_arrayapi.errors import CheckpointError, DTypeError, StructureError
from tl_arrayapi.storage.scan import Scanner

__all__ = ["CheckpointInfo", "Target", "compare", "load", "read_checkpoint", "renamed", "save"]

_FORMAT = "tl_arrayapi"
_VERSIONS = ("1", "2")
_STATE = "optimizer."
_MOST = 2**63
_FEW = 1000
# Rows of a large array that are copied to the host, or computed, at once.
_BLOCK = 16 << 20

_Path = str | PathLike[str]
_Sampler = Mapping[str, int | str]


@dataclass(frozen=True)
class CheckpointInfo:
    """Tell what a checkpoint holds beside its values.

    ``step`` and ``seed`` are those of the module that was saved, 0 where another program wrote the file; ``sampler`` is
    what `ScalarModule.save` was given; ``versions`` are of this package, Python, NumPy and the library that made it;
    ``tensors`` are the dtypes and shapes of the parameters by name, and ``state`` those of the optimiser's.

    >>> CheckpointInfo(3, 0, {"epoch": 1}, {}, {"w": ("float32", (2,))}, {}).step
    3
    """

    step: int
    seed: int
    sampler: dict[str, int | str]
    versions: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    state: dict[str, tuple[str, tuple[int, ...]]]


def renamed(own: Sequence[str], names: Mapping[str, str] | None) -> list[str]:
    """Return the names that parameters have in a file: those of ``names``, or their own.

    >>> renamed(("w", "b"), {"w": "linear.weight"})
    ['linear.weight', 'b']
    """
    given = dict(names or {})
    if unknown := [name for name in given if name not in own]:
        raise StructureError(f"names maps the module's names, {', '.join(own)}, to those of a file; got {unknown}")
    found = [given.get(name, name) for name in own]
    if len(set(found)) < len(found) or not all(isinstance(name, str) for name in found):
        raise StructureError(f"names must give each parameter a name of its own; it gives {found}")
    return found


@dataclass(frozen=True)
class Target:
    """The parameters that a checkpoint is for: their names there, their shapes, and what arrays they are."""

    names: Sequence[str]
    shapes: Sequence[tuple[int, ...]]
    dtype: str
    backend: Backend
    device: Any


def save(
    path: _Path,
    params: Mapping[str, Any],
    backend: Backend,
    opt_state: Any = None,
    step: int = 0,
    seed: int = 0,
    allow_nonfinite: bool = False,
    *,
    sampler: _Sampler | None = None,
    shard_size: int | None = None,
) -> None:
    """Write parameters, optimiser state, step, seed and the sampler's position to ``path``, whole or not at all."""
    if step >= _MOST:
        raise CheckpointError(f"the step {step} is not below {_MOST}: a checkpoint keeps 63 bits of it")
    for name in params:
        if name.startswith(_STATE):
            raise CheckpointError(
                f"the parameter name {name!r} begins with {_STATE!r}, which is kept for the optimiser: rename it"
            )

    def checked(x: Any, at: str) -> Any:
        found = namespace_of_type(x)
        if found is not None and found.backend is not backend:
            raise CheckpointError(f"{at} is an array of {found.backend.name}, and the module's are of {backend.name}")
        return x if found is None else _Leaf(x)

    state, structure = storage.pack_state(map_tree(checked, opt_state, "opt_state"), _Leaf)
    tensors = {name: _tensor(name, p, backend) for name, p in params.items()}
    tensors |= {_STATE + name: _tensor(_STATE + name, leaf.array, backend) for name, leaf in state.items()}
    # The package that this module is part of: it is loaded; to import it from here would turn the layers round.
    package = sys.modules[__name__.partition(".")[0]]
    numpy = backends.get(None)
    versions = {
        "tl_arrayapi": package.__version__,
        "python": platform.python_version(),
        numpy.name: numpy.version(),
        backend.name: backend.version(),
    }
    metadata = {
        "format": _FORMAT,
        "version": _VERSIONS[-1],
        "step": str(step),
        "seed": str(seed),
        "sampler": json.dumps(_checked_sampler(sampler or {})),
        "optimizer": structure,
        "made_with": json.dumps(versions),
    }
    storage.save_tensors(path, tensors, metadata, shard_size=shard_size, allow_nonfinite=allow_nonfinite)


@dataclass(frozen=True)
class _Leaf:
    """An array in a state."""

    array: Any


def _tensor(name: str, x: Any, backend: Backend) -> storage.Tensor:
    dtype = backend.dtype_name(x.dtype)
    if dtype not in storage.CODES:
        raise CheckpointError(f"tensor {name!r} is {dtype}, which the format lacks: save it in another dtype")
    return storage.Tensor(storage.CODES[dtype], tuple(x.shape), lambda: _blocks(x, dtype, backend))


def _blocks(x: Any, dtype: str, backend: Backend) -> Iterator[Any]:
    """Yield the values of an array on the host, some rows at a time."""
    size = storage.nbytes(storage.CODES[dtype], x.shape[1:])
    rows = max(1, _BLOCK // size) if x.shape and size else 0
    if not rows or rows >= x.shape[0]:
        yield _on_host(x, dtype, backend)
        return
    for start in range(0, x.shape[0], rows):
        yield _on_host(x[start : start + rows, ...], dtype, backend)


def _on_host(x: Any, dtype: str, backend: Backend) -> Any:
    if dtype != "bfloat16":
        return backend.to_host(x)
    xp = backends.get(None).namespace
    wide = backend.to_host(backend.namespace.astype(x, backend.dtype("float32")))
    return xp.astype(xp.asarray(wide, order="C").view("u4") >> 16, xp.uint16)


def _checked_sampler(sampler: Any) -> dict[str, int | str]:
    if not isinstance(sampler, Mapping):
        raise CheckpointError(f"sampler maps names to whole numbers and strings; got a {type(sampler).__name__}")
    for name, value in sampler.items():
        fits = type(value) is str or (type(value) is int and -_MOST <= value < 2 * _MOST)
        if not isinstance(name, str) or not fits:
            raise CheckpointError(
                f"sampler maps names to whole numbers of at most 64 bits, and strings; got {name!r:.40}: {value!r:.40}"
            )
    return dict(sampler)


# ---------------------------------------------------------------- reading
def read_checkpoint(path: _Path) -> CheckpointInfo:
    """Return what a checkpoint holds beside its values; these are not read, so that it takes no time or memory.

    Any safetensors file is taken, and any index of several. Raises `CheckpointError` where it is not sound.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModuleDef(lambda w: w * w, init_params=[3.0]).instantiate()
    >>> module.save("m.safetensors", step=7, sampler={"epoch": 2})
    >>> info = tl.read_checkpoint("m.safetensors")
    >>> info.step, info.sampler, info.tensors
    (7, {'epoch': 2}, {'w': ('float32', ())})
    """
    with storage.open_checkpoint(path) as found:
        return _info(found)


def compare(path: _Path, target: Target) -> Differences:
    """Say where a checkpoint does not fit; no value is read."""
    with storage.open_checkpoint(path) as found:
        return _compared(_info(found), target)


def load(path: _Path, target: Target, *, strict: bool, allow_nonfinite: bool) -> tuple[dict[str, Any], Any, int]:
    """Return the parameters that fit, as arrays of the library by name, the optimiser state (None where none was saved)
    and the step. With ``strict`` all must fit.
    """
    with storage.open_checkpoint(path) as found:
        info = _info(found)
        differences = _compared(info, target)
        fitting = [name for name in target.names if name not in differences.names]
        if (strict and differences) or (not fitting and target.names):
            raise CheckpointError(f"it does not fit the module: {differences}")
        state = (
            storage.unpack_state(
                {name.removeprefix(_STATE): _Leaf(name) for name in info.state}, found.metadata.get("optimizer", "null")
            )
            if _is_ours(found)
            else None
        )
        widened = {info.tensors[name][0] for name in fitting}
        arrays = {}
        for name, x in found.tensors({*fitting, *info.state}, allow_nonfinite=allow_nonfinite):
            stored = storage.DTYPES[found.entries[name].code][0]
            # A state goes with its parameters, and is as wide as they become.
            arrays[name] = _placed(x, stored, target.dtype if stored in widened else stored, target)
    params = {name: arrays[name] for name in fitting}
    return params, map_tree(lambda x, at: arrays[x.array] if type(x) is _Leaf else x, state, ""), info.step


def _placed(x: Any, stored: str, dtype: str, target: Target) -> Any:
    if stored == "bfloat16":
        xp = backends.get(None).namespace
        x = (xp.astype(x, xp.uint32) << 16).view("f4")
    return target.backend.take_host(x, dtype, target.device)


def _compared(info: CheckpointInfo, target: Target) -> Differences:
    differences = compared(info.tensors, dict(zip(target.names, target.shapes, strict=True)), target.dtype)
    wanted = [*(info.tensors[name] for name in target.names if name in info.tensors), *info.state.values()]
    if any(dtype == "bfloat16" for dtype, _ in wanted):
        try:
            target.backend.dtype("bfloat16")
        except DTypeError as error:
            raise CheckpointError(
                f"it has bfloat16 tensors, which {target.backend.name} does not have: load it with a library that "
                "does, or convert it"
            ) from error
    return differences


def _is_ours(found: storage.Checkpoint) -> bool:
    return found.metadata.get("format") == _FORMAT


def _info(found: storage.Checkpoint) -> CheckpointInfo:
    kinds = {name: (storage.DTYPES[e.code][0], e.shape) for name, e in found.entries.items()}
    metadata = found.metadata
    if not _is_ours(found):
        return CheckpointInfo(0, 0, {}, {}, kinds, {})
    if metadata.get("version") not in _VERSIONS:
        raise CheckpointError(
            f"the checkpoint's version is {metadata.get('version')!r:.100}, and this library reads "
            f"{', '.join(_VERSIONS)}: load it with the library that wrote it"
        )
    sampler = _texts(metadata.get("sampler", "{}"), "sampler")
    versions = _texts(metadata.get("made_with", "{}"), "made_with")
    return CheckpointInfo(
        _whole(metadata.get("step", ""), "step", _MOST),
        _whole(metadata.get("seed", ""), "seed", 2 * _MOST),
        _checked_sampler(sampler),
        {name: str(version) for name, version in versions.items()},
        {name: kind for name, kind in kinds.items() if not name.startswith(_STATE)},
        {name: kind for name, kind in kinds.items() if name.startswith(_STATE)},
    )


def _texts(text: str, what: str) -> dict[str, Any]:
    """Return the flat object that is in the metadata."""
    scanner = Scanner(text.encode("utf-8", "surrogatepass"), what)
    found = {
        key: scanner.string() if scanner.at_string() else scanner.number() for key in scanner.members(_FEW, "entries")
    }
    scanner.end()
    return found


def _whole(text: str, what: str, limit: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < limit):
        raise CheckpointError(f"the {what} is {text[:40]!r}: a whole number below {limit} is expected")
    return int(text)
