"""What is known of one input before its values are read, and what a module asks of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from tl_arrayapi.distributed.samples.packed import Packed, itemsize
from tl_arrayapi.errors import DTypeError, ShapeError, TLError
from tl_arrayapi.module import ScalarModule

__all__ = ["Kind", "check_kinds"]


@dataclass(frozen=True)
class Kind:
    """One input: what errors call it, the shape of one sample's, and the name of its dtype.

    >>> Kind("input 0", (3,), "float32").nbytes
    12
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """The bytes of one sample's."""
        return math.prod(self.shape) * itemsize(self.dtype)

    def check(self, count: int, x: Packed, where: str) -> Packed:
        """Return ``x``, read for ``count`` samples ``where``, if it is what was announced; raise otherwise."""
        if x.shape != (count, *self.shape):
            raise ShapeError(
                f"{where}: {self.name} has shape {x.shape}, and {(count, *self.shape)} was announced: what is read "
                "must not change meanwhile"
            )
        if x.dtype != self.dtype:
            raise DTypeError(
                f"{where}: {self.name} is {x.dtype}, and {self.dtype} was announced: what is read must not change "
                "meanwhile"
            )
        return x


def check_kinds(module: ScalarModule, kinds: Sequence[Kind], fix: str) -> None:
    """Raise where samples of these ``kinds`` are not inputs of ``module``; ``fix`` says how to convert them."""
    named = "; ".join(f"{kind.name}: {kind.dtype} of shape {kind.shape}" for kind in kinds)
    backend, device = module.backend, module.options.device
    try:
        # Zeros stand for a sample: only their kind is looked at.
        module.check_inputs(
            tuple(
                backend.from_host(numpy.zeros(kind.shape, _on_host(kind.dtype)), kind.dtype, device) for kind in kinds
            )
        )
    except TLError as error:
        raise type(error)(f"{error} (a sample is {named}; {fix})") from error


def _on_host(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype
