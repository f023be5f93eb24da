"""What samples must be that nothing is known of before they are read, checked where they are read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.autograd.namespace import namespace_of_type
from tl_arrayapi.distributed.samples.chunk import Chunk, stack
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.errors import DTypeError, NamespaceError, ShapeError, StructureError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.train import StackedSamples

__all__ = ["Expected"]


@dataclass(frozen=True)
class Expected:
    """What a module asks of its inputs: the dtype of floating ones, their number, and their shapes or None.

    ``home`` is the name of its library, whose arrays stay where they are, None where all go to the host. ``ragged``
    says whether samples read together may be of several shapes: they may where each is run by itself anyway.
    """

    dtype: str
    fewest: int
    most: int | None
    shapes: tuple[tuple[int | None, ...], ...] | None
    home: str | None
    ragged: bool

    @classmethod
    def of(cls, module: ScalarModule, ragged: bool) -> "Expected":
        """Return what ``module`` expects."""
        signature, given = module.definition.signature, len(module.param_shapes)
        most = None if signature.names is None else len(signature.names) - given
        shapes = module.definition.input_shapes
        fewest = max(signature.required - given, 0) if shapes is None else len(shapes)
        return cls(
            module.options.dtype, fewest, most if shapes is None else fewest, shapes, module.backend.name, ragged
        )

    def chunk(self, name: str, first: int | None, samples: Any) -> Chunk:
        """Return the chunk of samples: a tuple of arrays is stacked samples, any other iterable one of tuples.

        Raises StructureError, ShapeError, DTypeError or NamespaceError, naming what is wrong in ``name``.
        """
        if isinstance(samples, StackedSamples):
            samples = samples.arrays
        if isinstance(samples, tuple) and all(namespace_of_type(x) is not None for x in samples):
            return self._stacked(name, first, samples)
        if not isinstance(samples, Iterable) or isinstance(samples, str | bytes) or hasattr(samples, "shape"):
            raise StructureError(
                f"{name} is a {type(samples).__name__}: a tuple of arrays that share their first axis, that of the "
                "samples, or a list of samples, each a tuple of arrays, is expected"
            )
        return self._listed(name, first, list(samples))

    def _stacked(self, name: str, first: int | None, columns: tuple[Any, ...]) -> Chunk:
        self._check_count(name, columns)
        packed = tuple(self._packed(f"input {k} of {name}", x, self.home) for k, x in enumerate(columns))
        lengths = [x.shape[0] if x.shape else None for x in packed]
        if None in lengths or len(set(lengths)) > 1:
            raise StructureError(
                f"{name} is a tuple of arrays of shapes {', '.join(str(x.shape) for x in packed)}: stacked samples "
                "share their first axis; give single samples in a list"
            )
        for k, x in enumerate(packed):
            self._check_shape(f"input {k} of {name}", k, x.shape[1:])
        (length,) = set(lengths)
        return Chunk(name, first, range(length or 0), None, True, packed)

    def _listed(self, name: str, first: int | None, samples: Sequence[Any]) -> Chunk:
        rows = [self._row(f"sample {i} of {name}", sample) for i, sample in enumerate(samples)]
        kinds = [tuple((len(x.shape), x.dtype) for x in row) for row in rows]
        for i, kind in enumerate(kinds):
            if kind != kinds[0]:
                raise ShapeError(
                    f"sample {i} of {name} has {_shown(kind)}, and sample 0 has {_shown(kinds[0])}: samples of one "
                    "kind are expected"
                )
        shapes = [tuple(x.shape for x in row) for row in rows]
        uniform = len(set(shapes)) == 1
        if rows and not uniform and not self.ragged:
            # What shares a partition must not decide how a sample is run, and so its bits.
            i = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
            raise ShapeError(
                f"sample {i} of {name} has inputs of shapes {shapes[i]}, and sample 0 has {shapes[0]}: give samples of "
                "several shapes as a list of tuples, or ask for micro_batch=1"
            )
        return Chunk(name, first, range(len(rows)), None, uniform, stack(rows) if uniform else tuple(rows))

    def _row(self, name: str, sample: Any) -> tuple[Packed, ...]:
        if not isinstance(sample, tuple | list):
            raise StructureError(f"{name} is a {type(sample).__name__}: a tuple of the loss's inputs is expected")
        self._check_count(name, sample)
        row = tuple(self._packed(f"input {k} of {name}", x, None) for k, x in enumerate(sample))
        for k, x in enumerate(row):
            self._check_shape(f"input {k} of {name}", k, x.shape)
        return row

    def _packed(self, name: str, x: Any, home: str | None) -> Packed:
        try:
            packed = Packed.read(x, home)
        except NamespaceError as error:
            raise NamespaceError(f"{name}: {error}") from error
        if packed.dtype != self.dtype and packed.dtype.startswith(("float", "bfloat", "complex")):
            raise DTypeError(f"{name} must be {self.dtype}; got {packed.dtype}: convert it where it is made")
        return packed

    def _check_count(self, name: str, inputs: Sequence[Any]) -> None:
        if len(inputs) < self.fewest or (self.most is not None and len(inputs) > self.most):
            counts = str(self.fewest) if self.most == self.fewest else f"{self.fewest} to {self.most or 'any number'}"
            raise StructureError(f"{name} has {len(inputs)} inputs, and the loss takes {counts}")

    def _check_shape(self, name: str, k: int, shape: tuple[int, ...]) -> None:
        wanted = None if self.shapes is None else self.shapes[k]
        if wanted is not None and (
            len(shape) != len(wanted) or any(m is not None and n != m for n, m in zip(shape, wanted, strict=True))
        ):
            shown = ", ".join("any" if n is None else str(n) for n in wanted)
            raise ShapeError(f"{name} has shape {shape}, and ({shown}) is expected of one sample")


def _shown(kind: Sequence[tuple[int, str]]) -> str:
    return "inputs of " + ", ".join(f"{axes} axes of {dtype}" for axes, dtype in kind)
