"""A module on its way to workers: pickled once, loaded once in each process that works with it.

Nothing here knows a cluster: whoever moves a replica moves its bytes.
"""

import importlib
import pickle
import threading
from functools import cached_property
from typing import Any

from tl_arrayapi.distributed.environment import Settings, fingerprint
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule

__all__ = ["Replica"]


class Replica:
    """Hold one version of a module as bytes, and load it where it is first used.

    Raises ClusterError where the module's loss, or what it refers to, cannot be pickled.
    """

    def __init__(self, module: ScalarModule) -> None:
        # Dask needs it, and ships with it: a replica goes to its workers.
        cloudpickle = importlib.import_module("cloudpickle")
        loss = getattr(module.definition.loss, "__qualname__", repr(module.definition.loss))
        try:
            self._blob: bytes = cloudpickle.dumps(module)
        except Exception as error:
            raise ClusterError(
                f"the loss {loss!r} cannot be sent to workers ({type(error).__name__}: {error}): it, and what it "
                "refers to, must be picklable; open files, locks and connections inside the loss, not outside"
            ) from error
        self._loss = loss
        self._settings = Settings.of(module.backend)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self._blob, self._loss, self._settings)

    @property
    def module(self) -> ScalarModule:
        """The module, an own one of this process."""
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> ScalarModule:
        self._settings.apply()
        try:
            module: ScalarModule = pickle.loads(self._blob)
        except Exception as error:
            raise ClusterError(
                f"a worker cannot load the module with the loss {self._loss!r} ({type(error).__name__}: {error}): "
                "install on the workers what the loss imports, or send its file with client.upload_file"
            ) from error
        return module

    @cached_property
    def fingerprint(self) -> str:
        """What describes this process to others: see `environment.fingerprint`."""
        return fingerprint(self.module.backend)


def _received(blob: bytes, loss: str, settings: Settings) -> Replica:
    replica = Replica.__new__(Replica)
    replica._blob, replica._loss, replica._settings, replica._lock = blob, loss, settings, threading.Lock()
    return replica
