"""The timeline of a run as an SVG picture: a lane for each worker, a bar for each piece. Nothing here knows a page."""

import math
from collections.abc import Sequence
from html import escape

from tl_arrayapi.distributed.record import Done, Record

__all__ = ["timeline"]

_WIDTH, _NAMES, _AXIS = 1000.0, 170.0, 22.0
_THICK, _THIN, _HIGH = 18.0, 2.0, 900.0
_TICKS = 10


def timeline(record: Record) -> str:
    """Return the pieces of ``record`` as an ``<svg>`` element: reading, then working, by the time since the run began.

    The clock of another machine may differ: the pieces of a worker that would lie outside the run are moved into it
    together. The element's classes, "read", "work", "again" and "lane", are for the page to colour.

    >>> record = Record(started=100.0)
    >>> record.add(Done("samples 0 to 9", "this process", 101.0, 103.0, 0.5, 1.5, 10, 80))
    >>> record.stopped = 104.0
    >>> "samples 0 to 9: 2 s, of which reading 0.5 s" in timeline(record)
    True
    """
    workers = list(dict.fromkeys(done.worker for done in record.done))
    thick = min(_THICK, max(_THIN, _HIGH / max(1, len(workers))))
    height = thick * len(workers) + _AXIS
    scale = (_WIDTH - _NAMES) / max(record.seconds, 1e-9)
    parts = [f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="timeline of the run">']
    for second in _ticks(record.seconds):
        x = _NAMES + second * scale
        parts.append(f'<path class="tick" d="M{x:.2f} 0V{height - _AXIS:.2f}"/>')
        parts.append(f'<text x="{x:.2f}" y="{height - 6:.2f}" text-anchor="middle">{second:g} s</text>')
    for lane, worker in enumerate(workers):
        own = [done for done in record.done if done.worker == worker]
        y = lane * thick
        if thick >= _THICK / 2:
            parts.append(f'<text x="0" y="{y + 0.75 * thick:.2f}">{escape(worker)}</text>')
        parts.append(f'<path class="lane" d="M{_NAMES:g} {y + thick:.2f}H{_WIDTH:g}"/>')
        moved = _moved(record, own)
        parts += [_bar(done, _NAMES + (done.start + moved) * scale, y, 0.85 * thick, scale) for done in own]
    return "\n".join([*parts, "</svg>"])


def _bar(done: Done, x: float, y: float, height: float, scale: float) -> str:
    seconds = max(0.0, done.stop - done.start)
    reading = min(done.read_seconds, seconds)
    again = f", attempt {done.attempts}" if done.attempts > 1 else ""
    told = f"{done.name}: {seconds:.3g} s, of which reading {done.read_seconds:.3g} s{again}"
    box = f'y="{y:.2f}" height="{height:.2f}"'
    return (
        f"<g{' class=again' if again else ''}><title>{escape(told)}</title>"
        f'<rect class="read" x="{x:.2f}" width="{reading * scale:.2f}" {box}/>'
        f'<rect class="work" x="{x + reading * scale:.2f}" width="{(seconds - reading) * scale:.2f}" {box}/></g>'
    )


def _moved(record: Record, own: Sequence[Done]) -> float:
    """Return what to add to a worker's times so that they count from the beginning of the run, and lie within it."""
    first = min(done.start for done in own) - record.started
    last = max(done.stop for done in own) - record.started
    late = max(0.0, last - record.seconds)
    return -record.started - (first if first < 0 else min(first, late))


def _ticks(seconds: float) -> list[float]:
    """Return at most eleven round times from 0 to ``seconds``."""
    if not seconds > 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(seconds / _TICKS))
    step = next(power * round_ for round_ in (1, 2, 5, 10, 20) if power * round_ * _TICKS >= seconds)
    return [i * step for i in range(math.floor(seconds / step) + 1)]
