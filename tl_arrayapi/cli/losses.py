"""A loss, or a whole definition, by its name on the command line, and the module that it makes with a checkpoint."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tl_arrayapi.checkpoints import CheckpointInfo, read_checkpoint
from tl_arrayapi.errors import ArgumentError, CheckpointError, StructureError
from tl_arrayapi.inputs import read_signature
from tl_arrayapi.module import ScalarModule, ScalarModuleDef
from tl_arrayapi.options import Options

__all__ = ["dtype_of", "load_loss", "restored"]


def load_loss(where: str) -> Any:
    """Return what ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME`` names: a loss, or a `ScalarModuleDef`.

    A file goes to workers with its loss; a module must be installed there. Raises ArgumentError where there is no such
    thing.

    >>> load_loss("math:hypot")(3.0, 4.0)
    5.0
    """
    source, _, name = where.rpartition(":")
    if not source or not name.isidentifier():
        raise ArgumentError(f"--loss is {where!r}: FILE.py:NAME or PACKAGE.MODULE:NAME is expected")
    try:
        module = _from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except Exception as error:
        raise ArgumentError(f"--loss: {source} cannot be loaded ({type(error).__name__}: {error})") from error
    found = getattr(module, name, None)
    if not callable(found) and not isinstance(found, ScalarModuleDef):
        raise ArgumentError(f"--loss: {source} has no function or ScalarModuleDef of the name {name!r}")
    return found


def _from_file(path: Path) -> ModuleType:
    # A name that no installed module has, and that can be typed by nobody.
    spec = importlib.util.spec_from_file_location(f"{path.stem} of the command line", path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    if importlib.util.find_spec("cloudpickle") is not None:
        # Dask ships with it. Workers have no module of this name: what is defined in the file is sent whole.
        importlib.import_module("cloudpickle").register_pickle_by_value(module)
    return module


def dtype_of(checkpoint: Path) -> str:
    """Return the dtype that all parameters of a checkpoint have; raise ArgumentError where they have several."""
    dtypes = sorted({dtype for dtype, _ in read_checkpoint(checkpoint).tensors.values()})
    if len(dtypes) != 1:
        raise ArgumentError(f"{checkpoint} has parameters of {', '.join(dtypes) or 'no dtype'}: say which with --dtype")
    return dtypes[0]


def restored(found: Any, checkpoint: Path, options: Options) -> ScalarModule:
    """Return the module of a loss or a definition, with the parameters of a checkpoint.

    A checkpoint keeps names, and no order: a loss is taken for a definition where its first arguments have them. Raises
    CheckpointError where the checkpoint does not fit.
    """
    if isinstance(found, ScalarModuleDef):
        definition = found
    else:
        definition = _defined(found, read_checkpoint(checkpoint), checkpoint)
    module = definition.instantiate_with(None, options)
    module.load(checkpoint)
    return module


def _defined(loss: Any, info: CheckpointInfo, checkpoint: Path) -> ScalarModuleDef:
    names = (read_signature(loss).names or ())[: len(info.tensors)]
    if set(names) != set(info.tensors):
        raise CheckpointError(
            f"{checkpoint} has the parameters {', '.join(info.tensors)}, and the first arguments of the loss are "
            f"{', '.join(names) or 'not named'}: name in --loss a ScalarModuleDef that has these parameters"
        )
    try:
        return ScalarModuleDef(loss, param_shapes=[info.tensors[name][1] for name in names])
    except StructureError as error:
        raise CheckpointError(f"{checkpoint} does not fit the loss: {error}") from error
