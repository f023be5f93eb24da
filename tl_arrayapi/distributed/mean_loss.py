"""The mean loss over samples, in this process or on a cluster: one float64, whoever works on it.

Samples are mapped over a fixed number at a time, on one thread, so that a sample's loss depends on parameters and
sample alone; the losses are added up without rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy

from tl_arrayapi.distributed.evaluation import ExactLosses, PlainLosses, Tally
from tl_arrayapi.distributed.receipts import Receipt
from tl_arrayapi.distributed.record import Record, Skipped
from tl_arrayapi.distributed.report import write_report
from tl_arrayapi.distributed.runner import Terms, connected
from tl_arrayapi.distributed.samples import Source, open_samples
from tl_arrayapi.distributed.sizing import suited
from tl_arrayapi.errors import ArgumentError, StructureError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count, nonnegative

__all__ = ["Evaluation", "evaluate", "mean_loss"]

_Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]


@dataclass(frozen=True)
class Evaluation:
    """Hold what `evaluate` found. Where it was exact, each number is rounded once.

    ``mean``, ``sum`` and ``variance`` (the mean squared distance to the mean) are weighted; ``weight`` is the sum of
    the weights and ``count`` the number of samples, but for those of weight 0. ``losses`` are those of all samples in
    their order, where asked for: NaN stands for one of weight 0 or left out. ``skipped`` tells what was left out,
    ``record`` what was done where.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> evaluate(module, [module.asarrays([x]) for x in (1.0, 3.0)]).variance
    4.0
    """

    mean: float
    sum: float
    variance: float
    count: int
    weight: float
    losses: _Floats | None
    receipt: Receipt | None
    skipped: tuple[Skipped, ...]
    record: Record = field(repr=False)


def evaluate(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    exact: bool = True,
    micro_batch: int = 64,
    chunk_size: int | None = None,
    progress: Callable[[int, int | None], Any] | None = None,
    losses: bool = False,
    receipt: bool = False,
    bad: str = "fail",
    finite: bool = False,
    timeout: float | None = None,
    report: str | PathLike[str] | None = None,
) -> Evaluation:
    """Return mean, sum and variance of the module's loss over samples, and on request each loss, and a receipt.

    The arguments, and the errors, are those of `mean_loss`. ``losses=True`` keeps the loss of each sample, 8 bytes for
    each on the client.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> found = evaluate(module, [module.asarrays([x]) for x in (1.0, 2.0, 6.0)], losses=True)
    >>> found.mean, found.sum, found.count, found.losses.tolist()
    (6.0, 18.0, 3, [2.0, 4.0, 12.0])
    """
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    if bad not in ("fail", "skip"):
        raise ArgumentError(f"bad is 'fail' or 'skip', what to do with samples that cannot be read; got {bad!r}")
    if receipt and not exact:
        raise ArgumentError("a receipt is for an exact sum: leave exact=False out, or receipt")
    if timeout is not None and not nonnegative("timeout", timeout):
        raise ArgumentError("timeout must be above 0, in seconds, or None")
    source = open_samples(module, samples, weights, micro_batch, chunk_size)
    job: Any = ExactLosses(micro_batch, finite, losses, receipt) if exact else PlainLosses(micro_batch, finite, losses)
    terms = Terms(progress, alike=exact, skip=bad == "skip", together=chunk_size is None, timeout=timeout)
    sums: Any = None
    try:
        with connected(client) as runner:
            if chunk_size is None:
                source = suited(source, micro_batch, runner.fewest)
            tally: Tally[Any] | None = runner.total(job, module, source, terms)
        if tally is not None and tally.count:
            sums = tally.sums if exact else tally.sums.total()
    finally:
        terms.record.stop()
        if report is not None:
            write_report(terms.record, report, None if sums is None else {"mean loss": repr(sums.mean)})
    if tally is None or sums is None:
        raise StructureError(f"there are no samples{_but_skipped(terms.record)}: a mean needs one at least")
    return Evaluation(
        mean=sums.mean,
        sum=sums.total,
        variance=sums.variance,
        count=tally.count,
        weight=sums.weight,
        losses=_in_order(tally, source) if losses else None,
        receipt=_receipt(module, tally, terms.record) if receipt else None,
        skipped=tuple(terms.record.skipped),
        record=terms.record,
    )


def _receipt(module: ScalarModule, tally: Tally[Any], record: Record) -> Receipt:
    assert tally.evidence is not None
    assert tally.micro_batch is not None
    (fingerprint,) = record.environments  # those that differ were refused
    return Receipt.of(module, tally.evidence, tally.micro_batch, fingerprint, record.skipped)


def _but_skipped(record: Record) -> str:
    if not record.skipped:
        return ""
    first = record.skipped[0]
    return f" but {len(record.skipped)} chunks that were left out, the first one {first.name} ({first.reason})"


def _in_order(tally: Tally[Any], source: Source) -> _Floats:
    parts = sorted(tally.parts, key=lambda part: part.number)
    if source.total is None or any(part.first is None for part in parts):
        return numpy.concatenate([part.losses for part in parts])
    found = numpy.full(source.total, numpy.nan)
    for part in parts:
        found[(part.first or 0) + numpy.asarray(part.offsets, dtype=numpy.int64)] = part.losses
    return found


def mean_loss(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    exact: bool = True,
    micro_batch: int = 64,
    chunk_size: int | None = None,
    progress: Callable[[int, int | None], Any] | None = None,
    receipt: bool = False,
    bad: str = "fail",
    finite: bool = False,
    timeout: float | None = None,
    report: str | PathLike[str] | None = None,
) -> Any:
    """Return the mean of the module's loss over samples, rounded once to float64; nothing changes. With ``receipt``,
    return it with a `Receipt`.

    ``samples`` is a sequence of tuples of inputs, `stack_samples`, a tuple of Dask arrays, a Dask bag, a list of
    Delayed, an iterator of batches, or paths: `tl_arrayapi.distributed.samples` tells more. ``weights``, one a sample,
    finite and at least 0, make it ``sum(w * loss) / sum(w)``; a sample of weight 0 is left out. ``client`` is None
    (this process), a ``distributed.Client``, a cluster, or the address of a scheduler.

    The loss is mapped over ``micro_batch`` samples at a time and compiled, whatever the module's backend: over 8, or
    each by itself, where the library's products depend on a sample's place among more. One that cannot be traced runs
    once a sample, as all do with ``micro_batch=1``, whose losses are those of `forward`. The
    result is the same 64 bits for every number of workers and chunking, and in this process on a machine of the same
    kind: a sample's loss depends on parameters, sample and ``micro_batch`` alone, losses are added up as integers (see
    `exact`) and BLAS is held to one thread (by threadpoolctl: install it; since that thread is a whole process's, give
    each worker one). ``exact=False`` is faster: the fastest programs, and float64 numbers added up in a tree that
    depends on the chunks. NaN and Inf among the losses give what IEEE gives, or are bad where ``finite``.

    A task has ``chunk_size`` samples; by default chunks suit their number, and a task has as many as take some 100 ms,
    of those that are on one worker. ``progress`` is called with (samples done,
    samples), the latter None where only reading all tells. ``bad`` says what becomes of a chunk that cannot be read or
    has no loss: "fail", or "skip" it, and say so in the receipt and the report. ``report`` is the path of an HTML page
    on the run, which is written when it ends, well or not. After ``timeout`` seconds the call fails.

    Raises StructureError, ShapeError, DTypeError or ArgumentError for samples or weights that cannot be right, before
    anything runs where that can be told without reading them; ClusterError where the cluster fails, naming the chunk
    and keeping the cause, or where workers differ in what changes bits. No error leaves a task behind.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 2.0, 6.0)])
    6.0
    >>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 2.0, 6.0)], weights=[3.0, 1.0, 0.0])
    2.5
    """
    found = evaluate(
        module,
        samples,
        client,
        weights=weights,
        exact=exact,
        micro_batch=micro_batch,
        chunk_size=chunk_size,
        progress=progress,
        receipt=receipt,
        bad=bad,
        finite=finite,
        timeout=timeout,
        report=report,
    )
    return found.mean if found.receipt is None else (found.mean, found.receipt)
