"""Receipts made piece by piece, as an engine makes them, without one."""

from typing import Any

import numpy as np

from tests.distributed.problems import module as network
from tl_arrayapi.distributed.receipts import Evidence, Receipt, evidence
from tl_arrayapi.distributed.samples import open_samples

__all__ = ["evidence_of", "losses_of", "receipt_of"]


def losses_of(module: Any, chunk: Any) -> Any:
    return np.asarray([float(module.forward(xs)) for _, xs in chunk.samples(module)])


def evidence_of(module: Any, samples: Any, weights: Any = None, chunk_size: int = 7) -> list[Evidence]:
    """Return the evidence of each piece."""
    found = []
    for piece in open_samples(module, samples, weights, chunk_size=chunk_size):
        chunk = piece.load(*piece.inputs)
        found.append(evidence(module, chunk, losses_of(module, chunk)))
    return found


def receipt_of(
    samples: Any, weights: Any = None, chunk_size: int = 7, module: Any = None, order: Any = None
) -> Receipt:
    """Return the receipt, the evidence merged in some order."""
    module = network() if module is None else module
    pieces = evidence_of(module, samples, weights, chunk_size)
    whole = Evidence.none()
    for i in order.sample(range(len(pieces)), len(pieces)) if order else range(len(pieces)):
        whole = whole.merge(pieces[i])
    return Receipt.of(module, whole, 1, "here")
