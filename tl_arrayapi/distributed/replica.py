"""A module on its way to workers: what stays the same is pickled once and loaded once in each process, parameters go
once for each version.

Nothing here knows a cluster: whoever moves a replica moves its bytes.
"""

import importlib
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from tl_arrayapi.definition import Initial
from tl_arrayapi.distributed.environment import Settings, fingerprint, keep_freed_memory
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.runners import Findings

__all__ = ["Replica", "Version"]

# What modules of this process have tried out of libraries, by what else may change bits.
_findings: dict[tuple[Settings, str], Findings] = {}


@dataclass(frozen=True)
class Version:
    """Hold the parameters of a module after some step: values on the host, or what they are filled from."""

    values: Initial | tuple[numpy.ndarray[Any, Any], ...]
    steps_done: int

    @classmethod
    def of(cls, module: ScalarModule) -> "Version":
        """Take down what ``module`` is now."""
        return cls(module.described or tuple(module.host_params()), module.steps_done)

    @property
    def nbytes(self) -> int:
        """The bytes that travel; what describes values is small."""
        return 0 if isinstance(self.values, Initial) else sum(x.nbytes for x in self.values)

    def put_into(self, module: ScalarModule) -> None:
        """Make ``module`` what this is."""
        options = module.options
        if isinstance(self.values, Initial):
            arrays = self.values.arrays(options)
        else:
            arrays = [options.library.from_host(x, options.dtype, options.device) for x in self.values]
        module.adopt(arrays)
        module.steps_done = self.steps_done


class Replica:
    """Hold a module as bytes, but for its parameters, and load it where it is first used: programs that it compiles
    there are there for later versions.

    Raises ClusterError where the module's loss, or what it refers to, cannot be pickled.
    """

    def __init__(self, module: ScalarModule) -> None:
        # Dask needs it, and ships with it: a replica goes to its workers.
        cloudpickle = importlib.import_module("cloudpickle")
        loss = getattr(module.definition.loss, "__qualname__", repr(module.definition.loss))
        try:
            self._blob: bytes = cloudpickle.dumps((_bare(module.definition), module.options, module.requires_grad))
        except Exception as error:
            raise ClusterError(
                f"the loss {loss!r} cannot be sent to workers ({type(error).__name__}: {error}): it, and what it "
                "refers to, must be picklable; open files, locks and connections inside the loss, not outside"
            ) from error
        self._key = _key(module)
        self._loss = loss
        self._settings = Settings.of(module.backend)
        self._lock = threading.RLock()
        self._held: Version | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self._blob, self._loss, self._settings)

    def is_of(self, module: ScalarModule) -> bool:
        """Say whether this is ``module``, whatever its parameters are now."""
        return self._key == _key(module)

    @property
    def nbytes(self) -> int:
        """The bytes that travel."""
        return len(self._blob)

    @contextmanager
    def at(self, version: Version) -> Iterator[ScalarModule]:
        """Give the module, an own one of this process, with the parameters of ``version``; threads take turns."""
        with self._lock:
            module = self._module
            if self._held is not version:
                self._held = None
                version.put_into(module)
                self._held = version
            yield module

    @cached_property
    def _module(self) -> ScalarModule:
        self._settings.apply()
        keep_freed_memory()
        try:
            definition, options, flags = pickle.loads(self._blob)
        except Exception as error:
            raise ClusterError(
                f"a worker cannot load the module with the loss {self._loss!r} ({type(error).__name__}: {error}): "
                "install on the workers what the loss imports, or send its file with client.upload_file"
            ) from error
        module = ScalarModule(definition, options, Initial())
        module.requires_grad = flags
        module.share_findings(_findings.setdefault((self._settings, options.matmul_precision), Findings()))
        return module

    @cached_property
    def fingerprint(self) -> str:
        """What describes this process to others: see `environment.fingerprint`."""
        with self._lock:
            return fingerprint(self._module.backend)


def _key(module: ScalarModule) -> tuple[Any, ...]:
    return module.definition, module.options, tuple(module.requires_grad)


def _bare(definition: Any) -> Any:
    """Return ``definition`` without initial values, which may be large."""
    bare = copy(definition)
    bare.init_params = bare.plan = None
    return bare


def _received(blob: bytes, loss: str, settings: Settings) -> Replica:
    replica = Replica.__new__(Replica)
    replica._blob, replica._loss, replica._settings, replica._lock = blob, loss, settings, threading.RLock()
    replica._held = None
    return replica
