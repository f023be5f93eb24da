"""A module's parameters: described, and stored from their first use on; read, replaced, and written to files.

Parameters are replaced, never written to: what was handed out stays as it was.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from tl_arrayapi import backends, checkpoints
from tl_arrayapi.autograd.namespace import Namespace, namespace
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.definition import Definition, Initial
from tl_arrayapi.differences import Differences
from tl_arrayapi.init.digest import digest_of
from tl_arrayapi.inputs import Slot, check_count
from tl_arrayapi.optim.checks import count
from tl_arrayapi.options import Options

__all__ = ["Parameters"]


class Parameters(ABC):
    """Hold the parameters of a definition in the storage of one library; `tl.ScalarModule` adds what runs them.

    >>> import tl_arrayapi as tl
    >>> isinstance(tl.ScalarModule.create(lambda w: w * w, [3.0]), Parameters)
    True
    """

    def __init__(self, definition: Definition, options: Options, params: list[Any] | Initial) -> None:
        self.definition = definition
        self.options = options
        self.backend: Backend = options.library
        self.steps_done = 0
        """How many updates the parameters have seen; the key of a loss that takes one is made of it."""
        self._xp: Namespace = namespace(options.xp)
        self._initial = params if isinstance(params, Initial) else Initial()
        self._storing = threading.RLock()
        self._stored: list[Any] | None = None  # until the first use
        self._count = len(definition.param_shapes)
        self._dtype = self.backend.dtype(options.dtype)
        self._device = self._device_of(params)
        self._param_slots = [
            Slot(f'parameter {i} ("{name}")', shape, self._xp, self._dtype, self._device)
            for i, (name, shape) in enumerate(zip(definition.param_names, definition.param_shapes, strict=True))
        ]

    def _device_of(self, params: list[Any] | Initial) -> Any:
        """Return the device of the parameters, None where it need not be told."""
        if self.backend.one_device or not self._count:
            return None
        if not isinstance(params, Initial):
            return self.backend.device_of(params[0])
        where = {} if self.options.device is None else {"device": self.options.device}
        return self.backend.device_of(self.backend.namespace.zeros((0,), dtype=self._dtype, **where))

    @abstractmethod
    def _owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        """Return parameters as they are kept: copies, unless they are ``given_away``."""

    def _store(self, params: Sequence[Any], *, given_away: bool) -> None:
        with self._storing:
            self._stored = self._owned(params, given_away=given_away)

    @property
    def _params(self) -> list[Any]:
        """The parameters as they are kept; who asks first gives them storage."""
        return self._materialized() if self._stored is None else self._stored

    def _materialized(self) -> list[Any]:
        """Return the parameters, filled now unless another thread was faster."""
        with self._storing:
            if self._stored is None:
                self._stored = self._owned(self._initial.arrays(self.options), given_away=True)
            return self._stored

    @property
    def is_materialized(self) -> bool:
        """Whether the parameters have storage; asking gives them none."""
        return self._stored is not None

    @property
    def described(self) -> Initial | None:
        """What the parameters will be filled from at first use; None where they are in memory."""
        return None if self.is_materialized else self._initial

    @property
    def param_shapes(self) -> list[tuple[int, ...]]:
        """The parameters' shapes."""
        return list(self.definition.param_shapes)

    @property
    def param_names(self) -> list[str]:
        """The parameters' names."""
        return list(self.definition.param_names)

    @property
    def params(self) -> list[Any]:
        """The parameters: plain arrays of the library, the caller's own."""
        xp = self.backend.namespace
        return [xp.asarray(p, copy=True) for p in self._params]

    @property
    def named_params(self) -> dict[str, Any]:
        """The parameters by name, in order."""
        return dict(zip(self.definition.param_names, self.params, strict=True))

    def host_params(self) -> list[Any]:
        """Return the present values as NumPy arrays, read now and the caller's own; bfloat16 as float32, exactly.

        >>> import tl_arrayapi as tl
        >>> module = tl.ScalarModule.create(lambda w, x: (w - x) ** 2, [1.0])
        >>> before, loss, after = module.host_params(), module.step(0.25, module.asarrays([3.0])), module.host_params()
        >>> before, after
        ([array(1., dtype=float32)], [array(2., dtype=float32)])
        """
        copied = backends.get(None).namespace.asarray
        return [copied(self._on_host(p), copy=True) for p in self._params]

    def _on_host(self, param: Any) -> Any:
        xp = self.backend.namespace
        return self.backend.to_host(xp.astype(param, xp.float32) if self.options.dtype == "bfloat16" else param)

    def digest(self) -> str:
        """Return the SHA-256, in hexadecimal, of the parameters as they are now: their names, shapes and values.

        Just filled, they have the digest of their plan, on every library: see `init.Plan.digest`.
        """
        names = self.definition.param_names
        return digest_of(zip(names, self._params, strict=True), self.backend, self.options.dtype)

    def set_params(self, params: Sequence[Any]) -> None:
        """Replace all parameters by copies of ``params``, arrays of the module's library, dtype, device and shapes;
        all or none.
        """
        self._check_params(params)
        self._store(params, given_away=False)

    def adopt(self, params: Sequence[Any]) -> None:
        """Replace all parameters by ``params`` themselves, which the caller gives away; all or none."""
        self._check_params(params)
        self._store(params, given_away=True)

    def _check_params(self, params: Sequence[Any]) -> None:
        check_count(params, self._count, "parameters")
        for slot, p in zip(self._param_slots, params, strict=True):
            slot.check(p, integers=False)

    # ---- files
    def save(
        self,
        path: str | PathLike[str],
        opt_state: Any = None,
        step: int = 0,
        *,
        sampler: Mapping[str, int | str] | None = None,
        names: Mapping[str, str] | None = None,
        shard_size: int | None = None,
        allow_nonfinite: bool = False,
    ) -> None:
        """Write parameters, optimiser state, step and seed to a safetensors file, which is replaced whole or left as it
        was.

        ``sampler`` is a note on where in the samples training stands, and comes back from `tl.read_checkpoint`.
        ``names`` maps parameters to other names in the file. With ``shard_size``, bytes, ``path`` becomes the index of
        files of that size. NaN and infinities are refused, unless ``allow_nonfinite``.
        """
        names_there = checkpoints.renamed(self.definition.param_names, names)
        checkpoints.save(
            path,
            dict(zip(names_there, self._params, strict=True)),
            self.backend,
            opt_state,
            count("step", step),
            seed=self.options.seed,
            sampler=sampler,
            shard_size=shard_size,
            allow_nonfinite=allow_nonfinite,
        )

    def load(
        self,
        path: str | PathLike[str],
        *,
        names: Mapping[str, str] | None = None,
        strict: bool = True,
        allow_nonfinite: bool = False,
    ) -> tuple[Any, int]:
        """Read what `save` wrote, or another program; return the optimiser state and the step.

        ``path`` is a safetensors file, or the index of several; ``names`` maps parameters to other names there. Raises
        `CheckpointError`, and changes nothing, where it is not sound or does not fit; what `compare` lists, all of it,
        is in the message. Not ``strict``, the parameters that fit are loaded, and the others keep their values.
        """
        target = self._target(names)
        found, state, step = checkpoints.load(path, target, strict=strict, allow_nonfinite=allow_nonfinite)
        kept = self.params if len(found) < len(target.names) else []
        self.adopt([found[name] if name in found else kept[i] for i, name in enumerate(target.names)])
        self.steps_done = step
        return state, step

    def compare(self, path: str | PathLike[str], *, names: Mapping[str, str] | None = None) -> Differences:
        """Say where a checkpoint does not fit this module: what is missing, extra, misshapen or wider; no value is
        read.
        """
        return checkpoints.compare(path, self._target(names))

    def _target(self, names: Mapping[str, str] | None) -> checkpoints.Target:
        there = checkpoints.renamed(self.definition.param_names, names)
        return checkpoints.Target(there, self.definition.param_shapes, self.options.dtype, self.backend, self._device)
