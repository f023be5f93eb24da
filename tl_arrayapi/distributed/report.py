"""The report of a run as one HTML page: what was done, by whom and when, what was sent again, what was left out.

The page holds all that it shows, and no script: it can be sent to others, and opened without a network. Names in it
come from files and clusters: none is taken for HTML. Nothing here knows a cluster.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from tl_arrayapi.distributed.record import Record
from tl_arrayapi.distributed.timeline import timeline
from tl_arrayapi.errors import ArgumentError

__all__ = ["html", "readable_bytes", "write_report"]

_SLOWEST = 10

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --faint: #8885; --read: #e69f00; --work: #0072b2; --bad: #d55e00 }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --work: #56b4e9 } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); max-width: 1080px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top }
tr + tr td { border-top: 1px solid var(--faint) } td.number { text-align: right; font-variant-numeric: tabular-nums }
td:not(.number) { overflow-wrap: anywhere }
svg { width: 100%; font-size: 11px } svg text { fill: var(--ink) } .lane, .tick { stroke: var(--faint); fill: none }
.read { fill: var(--read) } .work { fill: var(--work) } .again rect { stroke: var(--bad); stroke-width: 2 }
.bad { color: var(--bad) } .key::before { content: "\\25A0 " } .key.read { color: var(--read) }
.key.work { color: var(--work) }
"""


def write_report(record: Record, path: str | os.PathLike[str], facts: Mapping[str, str] | None = None) -> None:
    """Write the report of ``record`` to ``path`` as HTML, whole or not at all; ``facts`` are shown first.

    Raises ArgumentError where the file cannot be written.

    >>> record = Record()
    >>> record.stop()
    >>> write_report(record, "run.html", {"mean loss": "0.5"})
    """
    where = os.fspath(path)
    beside = f"{where}.{secrets.token_hex(8)}.tmp"
    try:
        with open(beside, "x", encoding="utf-8") as file:
            file.write(html(record, facts))
        os.replace(beside, where)
    except OSError as error:
        raise ArgumentError(
            f"the report cannot be written to {where!r} ({error.strerror}): give a path in a folder that is there"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def html(record: Record, facts: Mapping[str, str] | None = None) -> str:
    """Return the report of ``record`` as an HTML page; of a run that has not stopped, what is known so far.

    >>> html(Record(), {"mean loss": "0.5"})[:15]
    '<!DOCTYPE html>'
    """
    title = f"Run of {datetime.fromtimestamp(record.started, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            # What is shown comes from elsewhere: whatever it were taken for, nothing would run, or be fetched.
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            _overview(record, facts or {}),
            *_work(record),
            *_slowest(record),
            *_skipped(record),
            "</body></html>\n",
        ]
    )


def readable_bytes(count: float) -> str:
    """Return a number of bytes with three digits and a unit, powers of 1,000.

    >>> readable_bytes(999), readable_bytes(1_234_567)
    ('999 B', '1.23 MB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} PB"


def _overview(record: Record, facts: Mapping[str, str]) -> str:
    pieces = sum(totals.pieces for totals in record.workers.values())
    read = sum(totals.nbytes for totals in record.workers.values())
    running = "" if record.stopped is not None else " (not ended)"
    rows = [
        *facts.items(),
        ("where", record.where),
        *([("Dask's dashboard", record.dashboard)] if record.dashboard else []),
        ("time", f"{record.seconds:.3g} s{running}"),
        ("samples", f"{record.samples_done:,} in {pieces:,} pieces"),
        *([("tasks", f"{record.tasks:,}")] if record.tasks else []),
        ("throughput", f"{_rate(record.samples_done, record.seconds)} samples/s"),
        ("bytes", f"{readable_bytes(read)} of samples, {readable_bytes(record.sent)} sent by the client"),
        ("retries", f"{record.resent:,} pieces sent again, {record.duplicated:,} given to a second worker"),
        ("workers", f"{len(record.workers):,} at work, {record.workers_lost:,} lost"),
        ("left out", f"{len(record.skipped):,} pieces"),
    ]
    return _table([], rows)


def _work(record: Record) -> Iterable[str]:
    if not record.workers:
        return
    drawn, pieces = len(record.done), sum(totals.pieces for totals in record.workers.values())
    some = f" The first {drawn:,} of {pieces:,} pieces are drawn." if drawn < pieces else ""
    yield "<h2>Timeline</h2>"
    yield (
        '<p><span class="key read">reading</span> <span class="key work">working</span>; what was sent again has a '
        f"frame. Point at a bar to see its name.{some}</p>"
    )
    yield timeline(record)
    yield "<h2>Workers</h2>"
    columns = ["worker", "pieces", "samples", "reading", "working", "of the time", "bytes", "samples/s when busy"]
    rows = []
    for worker, totals in record.workers.items():
        busy = totals.read_seconds + totals.work_seconds
        rows.append(
            (
                worker,
                totals.pieces,
                totals.samples,
                f"{totals.read_seconds:.3g} s",
                f"{totals.work_seconds:.3g} s",
                f"{100 * busy / max(record.seconds, 1e-9):.0f} %",
                readable_bytes(totals.nbytes),
                _rate(totals.samples, busy),
            )
        )
    yield _table(columns, rows)


def _slowest(record: Record) -> Iterable[str]:
    if not record.done:
        return
    slowest = sorted(record.done, key=lambda done: done.start - done.stop)[:_SLOWEST]
    yield "<h2>Slowest pieces</h2>"
    columns = ["piece", "worker", "time", "reading", "working", "samples", "bytes", "attempts"]
    rows = [
        (
            done.name,
            done.worker,
            f"{done.stop - done.start:.3g} s",
            f"{done.read_seconds:.3g} s",
            f"{done.work_seconds:.3g} s",
            done.samples,
            readable_bytes(done.nbytes),
            done.attempts,
        )
        for done in slowest
    ]
    yield _table(columns, rows)


def _skipped(record: Record) -> Iterable[str]:
    if not record.skipped:
        return
    yield '<h2 class="bad">Left out</h2>'
    rows = [(one.name, "unknown" if one.samples is None else one.samples, one.reason) for one in record.skipped]
    yield _table(["piece", "samples", "reason"], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    head = f"<tr>{''.join(f'<th>{escape(column)}</th>' for column in columns)}</tr>" if columns else ""
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{head}\n{body}\n</table>"


def _cell(value: str | int) -> str:
    return f"<td>{escape(value)}</td>" if isinstance(value, str) else f'<td class="number">{value:,}</td>'


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds > 0 else "-"
