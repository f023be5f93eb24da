"""``tl-arrayapi evaluate``: the mean loss of a checkpoint over samples in files, here or on a cluster."""

import json
import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from tl_arrayapi.cli.connection import Where
from tl_arrayapi.cli.interrupt import interruption
from tl_arrayapi.cli.losses import dtype_of, load_loss, restored
from tl_arrayapi.distributed import evaluate, files
from tl_arrayapi.errors import ArgumentError, BackendError, DeviceError, DTypeError, MissingLibraryError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.options import Options
from tl_arrayapi.report import progress_bar

__all__ = ["run"]


def run(
    ctx: click.Context,
    checkpoint: Path,
    data: Sequence[str],
    *,
    loss: str,
    columns: Sequence[str],
    weights: str | None,
    namespace: str,
    dtype: str | None,
    device: str | None,
    backend: str,
    where: Where,
    receipt: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate, and print what comes out; ``options`` are those of `distributed.evaluate`."""
    where.check(ctx)
    if receipt is not None and not options["exact"]:
        raise click.UsageError("--receipt is for what is exact: leave --fast away", ctx)
    module = _module(ctx, checkpoint, loss, namespace, dtype, device, backend)
    samples = files(*data, columns=columns or None)
    with ExitStack() as stack:
        stop = stack.enter_context(interruption())
        client = stack.enter_context(where.client())
        if client is not None:
            click.echo(f"dashboard: {client.dashboard_link}", err=True)
        shown = stack.enter_context(progress_bar())

        def progress(done: int, total: int | None) -> None:
            shown(done, total)
            # The engine takes back what is under way, and the cluster ends in good order.
            if stop.is_set():
                raise KeyboardInterrupt

        found = evaluate(
            module,
            samples,
            client,
            weights=None if weights is None else files(weights),
            progress=progress,
            receipt=receipt is not None,
            **options,
        )
    if receipt is not None and found.receipt is not None:
        found.receipt.to_json(receipt)
    _tell(found, receipt, options["report"], as_json)


def _module(
    ctx: click.Context,
    checkpoint: Path,
    loss: str,
    namespace: str,
    dtype: str | None,
    device: str | None,
    backend: str,
) -> ScalarModule:
    """Return the module; what the options or the library refuse was bad usage."""
    try:
        found, dtype = load_loss(loss), dtype or dtype_of(checkpoint)
        if namespace.partition(".")[0] == "jax" and dtype == "float64":
            # Read when JAX is imported, here and in the workers. Who set it otherwise is told by an error that follows.
            os.environ.setdefault("JAX_ENABLE_X64", "1")
        # Nothing is filled only to be replaced by the checkpoint.
        options = Options(xp=namespace, dtype=dtype, device=device, backend=backend, lazy=True)
    except MissingLibraryError:
        raise
    except (ArgumentError, BackendError, DeviceError, DTypeError) as error:
        raise click.UsageError(str(error), ctx) from error
    return restored(found, checkpoint, options)


def _tell(found: Any, receipt: Path | None, report: Path | None, as_json: bool) -> None:
    record = found.record
    if as_json:
        document = {
            "mean": _number(found.mean),
            "variance": _number(found.variance),
            "samples": found.count,
            "weight": found.weight,
            "skipped": [{"name": one.name, "samples": one.samples, "reason": one.reason} for one in found.skipped],
            "workers": len(record.workers),
            "seconds": round(record.seconds, 3),
            "receipt": None if receipt is None else str(receipt),
            "report": None if report is None else str(report),
        }
        click.echo(json.dumps(document, allow_nan=False))
        return
    click.echo(f"mean loss: {found.mean!r}")
    click.echo(f"variance:  {found.variance!r}")
    click.echo(f"samples:   {found.count:,}")
    rate = found.count / max(record.seconds, 1e-9)
    click.echo(f"time:      {record.seconds:.3g} s, {rate:,.0f} samples/s, {len(record.workers)} at work")
    for one in found.skipped:
        click.echo(f"left out:  {one.name}: {one.reason}")
    for name, path in (("receipt", receipt), ("report", report)):
        if path is not None:
            click.echo(f"{name + ':':<10} {path}")


def _number(value: float) -> float | None:
    # JSON has no NaN and no infinity.
    return value if math.isfinite(value) else None
