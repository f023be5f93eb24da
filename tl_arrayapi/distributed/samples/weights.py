"""Weights of samples: those given are checked at once, those read when they are read."""

import math
from collections.abc import Sequence
from typing import Any

import numpy
from array_api_compat import array_namespace, is_array_api_obj

from tl_arrayapi import backends
from tl_arrayapi.errors import ArgumentError, StructureError
from tl_arrayapi.optim.checks import nonnegative

__all__ = ["checked_weights", "given_weights"]


def given_weights(weights: Any, total: int | None) -> numpy.ndarray[Any, Any]:
    """Return ``weights`` as float64, or raise unless there is one a sample, finite, at least 0, and not all 0.

    ``total`` is the number of samples, None where it is not known yet.
    """
    expected = "a sequence of numbers" if total is None else f"a sequence of {total} numbers"
    if is_array_api_obj(weights):
        weights = backends.get(array_namespace(weights)).to_host(weights)
    if not isinstance(weights, Sequence | numpy.ndarray) or isinstance(weights, str | bytes):
        raise StructureError(f"weights are a {type(weights).__name__}: {expected} is expected")
    if total is not None and len(weights) != total:
        raise StructureError(f"there are {len(weights)} weights for {total} samples: one for each is expected")
    if isinstance(weights, numpy.ndarray) and weights.ndim == 1 and weights.dtype.kind in "iuf":
        found = weights.astype(numpy.float64)
        _check(found, "weights")
    else:
        plain = weights.tolist() if isinstance(weights, numpy.ndarray) else weights
        found = numpy.asarray([nonnegative(f"weights[{i}]", w) for i, w in enumerate(plain)])
    if not found.any():
        raise ArgumentError("the weights add up to 0: a mean needs one weight above 0 at least")
    with numpy.errstate(over="ignore"):
        total_weight = float(found.sum())
    if not math.isfinite(total_weight):
        raise ArgumentError("the weights add up to more than float64 holds: divide them by their largest")
    return found


def checked_weights(weights: numpy.ndarray[Any, Any], where: str) -> numpy.ndarray[Any, Any]:
    """Return weights that were read ``where`` as float64, or raise ArgumentError unless they are finite and at least 0.

    >>> checked_weights(numpy.asarray([1, 0]), "samples 0 to 1")
    array([1., 0.])
    """
    found = weights.astype(numpy.float64)
    _check(found, f"{where}: weights")
    return found


def _check(weights: numpy.ndarray[Any, Any], name: str) -> None:
    bad = numpy.flatnonzero(~((weights >= 0) & (weights < numpy.inf)))
    if len(bad):
        nonnegative(f"{name}[{bad[0]}]", weights[bad[0]].item())
