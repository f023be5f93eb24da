"""The receipt of an evaluation: what was evaluated, by what, where, and the exact sum that came of it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.receipts.bytecode import bytecode_digest
from tl_arrayapi.distributed.receipts.data import MODULUS
from tl_arrayapi.distributed.receipts.evidence import Evidence, Known
from tl_arrayapi.distributed.receipts.receipt_schema import receipt_schema
from tl_arrayapi.distributed.record import Skipped
from tl_arrayapi.errors import ReceiptError
from tl_arrayapi.module import ScalarModule

__all__ = ["Receipt", "ReceiptPart", "environment_of"]

_PROGRAM, _BYTECODE = "program:", "bytecode:"


@dataclass(frozen=True)
class ReceiptPart:
    """Hold what is known of the samples at the places from ``start`` up to ``stop``: the digest of their data, and the
    exact sum of their losses.
    """

    start: int
    stop: int
    data: str
    sum: ExactSum


@dataclass(frozen=True)
class Receipt:
    """Say what a mean loss is the mean of: equal for every number of workers, chunking, order and kind of source.

    ``parameters`` is the module's digest, ``code`` that of its loss (``"program:"`` and the SHA-256 of its traced
    program, or ``"bytecode:"`` and that of its Python code where it cannot be traced or samples have many shapes),
    ``data`` that of the samples with their weights, in any order. ``sum`` is the exact sum of the losses,
    ``micro_batch`` the number of samples computed at once, ``environment`` what else may change a loss's bits. Neither
    ``parts`` nor ``skipped``, the pieces that were left out, count when receipts are compared.

    The digests guard against accidents, not against forgers: see `receipts.data`.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> samples = [module.asarrays([x]) for x in (1.0, 2.0, 6.0)]
    >>> mean, receipt = tl.distributed.mean_loss(module, samples, receipt=True)
    >>> mean, receipt.mean, receipt.count
    (6.0, 6.0, 3)
    >>> receipt.verify(module, samples)
    >>> receipt.verify(module, samples[:2])
    Traceback (most recent call last):
    tl_arrayapi.errors.ReceiptError: the receipt does not hold: the 2 samples and weights given are neither the 3 of ...
    """

    parameters: str
    code: str
    data: str
    sum: ExactSum
    micro_batch: int
    environment: str
    parts: tuple[ReceiptPart, ...] = field(default=(), compare=False, repr=False)
    skipped: tuple[Skipped, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(
        cls,
        module: ScalarModule,
        evidence: Evidence,
        micro_batch: int,
        fingerprint: str,
        skipped: Sequence[Skipped] = (),
    ) -> "Receipt":
        """Return the receipt for evidence that was found with ``module`` where the environment has ``fingerprint``."""
        length, last = 1 << evidence.level, evidence.last or 0
        parts = [
            ReceiptPart(number * length, min((number + 1) * length, last + 1), _hexadecimal(part), part.sum)
            for number, part in sorted(evidence.parts.items())
        ]
        return cls(
            module.digest(),
            _code(module, evidence),
            _hexadecimal(evidence.whole),
            evidence.whole.sum,
            micro_batch,
            environment_of(module, fingerprint),
            tuple(parts),
            tuple(skipped),
        )

    @property
    def count(self) -> int:
        """The number of samples."""
        return self.sum.count

    @property
    def mean(self) -> float:
        """The mean loss, rounded once to float64."""
        return self.sum.mean

    def merge(self, other: "Receipt") -> "Receipt":
        """Return the receipt for the samples of both, which must have none in common; the order does not matter.

        Raises ReceiptError where parameters, code, micro-batch or environment differ, or the data are the same.
        """
        differences = self._differences(other)
        if differences:
            raise ReceiptError(f"these receipts are of different things and cannot be merged: {'; '.join(differences)}")
        if self.data == other.data and self.count:
            raise ReceiptError("both receipts are for the same samples: merged they would count twice")
        data = f"{(int(self.data, 16) + int(other.data, 16)) % MODULUS:0128x}"
        # Without the parts of one, the parts would not be the whole.
        complete = all(receipt.parts or not receipt.count for receipt in (self, other))
        parts = sorted([*self.parts, *other.parts], key=lambda part: (part.start, part.stop, part.data))
        return Receipt(
            self.parameters,
            self.code,
            data,
            self.sum.merge(other.sum),
            self.micro_batch,
            self.environment,
            tuple(parts) if complete else (),
            tuple(sorted([*self.skipped, *other.skipped], key=repr)),
        )

    def verify(
        self,
        module: ScalarModule,
        samples: Any,
        client: Any = None,
        *,
        weights: Any = None,
        progress: Callable[[int, int | None], Any] | None = None,
    ) -> None:
        """Compute the losses of ``samples`` again, and raise ReceiptError, naming what differs, unless they are those
        of this receipt, bit for bit in their sum.

        ``samples``, with their ``weights``, are all that the receipt is for, in any order and of any source, or those
        of one of its ``parts``. The other arguments are those of `mean_loss`, and its errors may be raised, too.
        """
        from tl_arrayapi.distributed.mean_loss import mean_loss

        if (found := module.digest()) != self.parameters:
            raise ReceiptError(f"the parameters differ: their digest is {found}, and the receipt's {self.parameters}")
        _, receipt = mean_loss(
            module,
            samples,
            client,
            weights=weights,
            micro_batch=self.micro_batch,
            progress=progress,
            receipt=True,
        )
        # A part of samples of many shapes may have one shape, and so a program.
        by_bytecode = self.code.startswith(_BYTECODE)
        self.check(replace(receipt, code=_bytecode(module)) if by_bytecode else receipt)

    def check(self, found: "Receipt") -> None:
        """Raise ReceiptError, naming what differs, unless ``found`` says of all samples, or of one part, what this
        receipt does.
        """
        differences = self._differences(found)
        known = {self.data: ("all samples", self.sum)}
        for part in self.parts:
            known.setdefault(part.data, (f"samples {part.start} to {part.stop - 1}", part.sum))
        if found.data not in known:
            differences.append(
                f"the {found.count} samples and weights given are neither the {self.count} of the receipt nor one of "
                f"its {len(self.parts)} parts"
            )
        else:
            name, expected = known[found.data]
            if found.sum != expected:
                differences.append(
                    f"the losses of {name} add up to {found.sum.sum!r}, and by the receipt to {expected.sum!r}"
                )
        if differences:
            raise ReceiptError(f"the receipt does not hold: {'; '.join(differences)}")

    def _differences(self, other: "Receipt") -> list[str]:
        named = {
            "parameters": "parameters differ",
            "code": "code differs",
            "micro_batch": "micro-batch differs",
            "environment": "environment differs",
        }
        return [
            f"the {name} ({getattr(self, key)} and {getattr(other, key)})"
            for key, name in named.items()
            if getattr(self, key) != getattr(other, key)
        ]

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the receipt to a file, replaced whole or left as it was; raise ReceiptError where it cannot be."""
        from tl_arrayapi.distributed.receipts.receipt_json import write_receipt

        write_receipt(path, self)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Receipt":
        """Read the file that `to_json` wrote; raise ReceiptError, naming the place, for any other."""
        from tl_arrayapi.distributed.receipts.receipt_json import read_receipt

        return read_receipt(path)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of what `to_json` writes, a fresh dict.

        >>> Receipt.json_schema()["properties"]["format"]
        {'const': 'tl_arrayapi.receipt'}
        """
        return receipt_schema()


def environment_of(module: ScalarModule, fingerprint: str) -> str:
    """Describe what may change the bits of a loss, apart from parameters, code and samples."""
    options = module.options
    return (
        f"{fingerprint}, {options.backend}, products {options.matmul_precision}, "
        f"fast kernels {'on' if options.fast_kernels else 'off'}, device {options.device or 'default'}"
    )


def _hexadecimal(known: Known) -> str:
    return f"{known.data:0128x}"


def _code(module: ScalarModule, evidence: Evidence) -> str:
    programs = list(evidence.programs.values())
    if len(programs) == 1 and programs[0] is not None:
        return f"{_PROGRAM}{programs[0]}"
    return _bytecode(module)


def _bytecode(module: ScalarModule) -> str:
    return f"{_BYTECODE}{bytecode_digest(module.definition.loss)}"
