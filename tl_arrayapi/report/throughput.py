"""How fast a run goes over its samples, and how long it will yet take. Nothing here knows what is done with them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from tl_arrayapi.report.progress import Display, display

__all__ = ["Throughput", "progress_bar"]


class Throughput:
    """Show on a display what a run reports: call it with the samples done, and all (None where nobody knows).

    Rates are means since this was made. ``clock`` tells seconds.

    >>> import sys
    >>> from tl_arrayapi.report.progress import Lines
    >>> seconds = iter([0.0, 2.0, 4.0])
    >>> progress = Throughput(Lines(sys.stdout), "mean loss", clock=lambda: next(seconds))
    >>> progress(1_000, 4_000)
    mean loss 1000/4000  500 samples/s, 6 s left
    >>> progress(4_000, 4_000)
    mean loss 4000/4000  1,000 samples/s
    """

    def __init__(self, shown: Display, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._shown, self._what, self._clock = shown, what, clock
        self._began = clock()
        self._done: int | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Show that ``done`` samples of ``total`` are behind the run."""
        if self._done is None:
            self._shown.begin(self._what, total)
            self._done = 0
        rate = done / max(self._clock() - self._began, 1e-9)
        left = "" if total is None or done >= total or not rate else f", {_duration((total - done) / rate)} left"
        self._shown.advance(f"{f'{rate:,.0f}' if rate >= 10 else f'{rate:.2g}'} samples/s{left}", done - self._done)
        self._done = done


@contextlib.contextmanager
def progress_bar(what: str = "mean loss", stream: TextIO | None = None) -> Iterator[Throughput]:
    """Yield what shows the progress of a run over samples, for the argument ``progress`` of `distributed.mean_loss`.

    It goes to ``stream`` (standard error where None): a bar if that is a terminal and rich is installed, or else lines.

    >>> import sys
    >>> with progress_bar("counting", sys.stdout) as progress:
    ...     progress(5, 5)  # doctest: +ELLIPSIS
    counting 5/5  ... samples/s
    """
    with display(stream) as shown:
        yield Throughput(shown, what)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
