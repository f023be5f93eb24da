"""The mean loss over samples, in this process or on a cluster: one float64, whoever works on it.

Every sample is one forward of its own, on one thread, so that its loss depends on parameters and sample alone; where a
module is compiled, stacked samples are mapped over a fixed number at a time. The losses are added up without rounding.
"""

from collections.abc import Callable
from typing import Any

from tl_arrayapi.distributed.exact import ExactSum, PlainSum
from tl_arrayapi.distributed.partition import fold
from tl_arrayapi.distributed.runner import connected
from tl_arrayapi.distributed.samples import Chunk, cut, located
from tl_arrayapi.errors import BackendError
from tl_arrayapi.module import ScalarModule

__all__ = ["mean_loss"]


def _losses(module: ScalarModule, chunk: Chunk) -> list[float]:
    mapped = chunk.stacked and module.options.backend == "compiled"
    return _mapped(module, chunk) if mapped else _one_by_one(module, chunk)


def _mapped(module: ScalarModule, chunk: Chunk) -> list[float]:
    losses = []
    for places, columns in chunk.columns(module):
        with located(places[0]):
            (found,) = module.backend.persist([module.losses(columns)])
        losses += module.backend.to_host(found)[: len(places)].tolist()
    return losses


def _one_by_one(module: ScalarModule, chunk: Chunk) -> list[float]:
    losses = []
    for place, xs in chunk.samples(module):
        with located(place):
            losses.append(module.forward(xs))
    # Read together: a device then works through the chunk without waiting for the host.
    return [float(module.backend.to_host(loss)) for loss in module.backend.persist(losses)]


def _exact(module: ScalarModule, chunk: Chunk) -> ExactSum:
    return ExactSum.of(_losses(module, chunk), chunk.weights)


def _plain(module: ScalarModule, chunk: Chunk) -> PlainSum:
    losses = _losses(module, chunk)
    weights = [1.0] * len(losses) if chunk.weights is None else chunk.weights
    return fold(PlainSum.merge, [PlainSum(w * x, w) for x, w in zip(losses, weights, strict=True)])


def mean_loss(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    exact: bool = True,
    micro_batch: int = 64,
    progress: Callable[[int, int], Any] | None = None,
    receipt: bool = False,
) -> float:
    """Return the mean of the module's loss over samples, rounded once to float64; nothing changes.

    ``samples`` is a sequence of tuples of inputs, or `stack_samples`; each is one forward. ``client`` is None (this
    process), a ``distributed.Client``, a cluster, or the address of a scheduler. ``weights``, one a sample, finite and
    at least 0, make it ``sum(w * loss) / sum(w)``; a sample of weight 0 is left out. ``micro_batch`` is the number of
    samples of a small task. ``progress`` is called with (samples done, samples).

    The result is the same 64 bits for every number of workers, and in this process on a machine of the same kind,
    because losses are added up as integers (see `exact`) and BLAS is held to one thread (by threadpoolctl: install it).
    ``exact=False`` adds float64 numbers up in a fixed tree instead. NaN and Inf among the losses give what IEEE gives.
    Since that one thread is a whole process's, tasks of one worker take turns: give each worker one thread.

    Raises StructureError, ShapeError, DTypeError or ArgumentError for samples or weights that cannot be right, before
    anything runs; ClusterError where the cluster fails, naming the chunk and keeping the cause.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 2.0, 6.0)])
    6.0
    >>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 2.0, 6.0)], weights=[3.0, 1.0, 0.0])
    2.5
    """
    if receipt:
        raise BackendError("receipts are not in this version: leave receipt out")
    chunks = cut(module, samples, weights, micro_batch)
    with connected(client) as runner:
        if exact:
            return runner.total(_exact, module, chunks, progress, alike=True).mean
        return runner.total(_plain, module, chunks, progress, alike=False).mean
