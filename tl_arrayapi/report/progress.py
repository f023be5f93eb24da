"""How far a run has come: a live bar on a terminal, a line now and then elsewhere. It all goes to one text stream."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

__all__ = ["Bar", "Display", "Lines", "display"]


class Display(Protocol):
    """Show the tasks of a run, one after another."""

    def begin(self, what: str, total: int | None, done: int = 0) -> None:
        """Start a task of ``total`` parts (None where nobody knows), ``done`` of them behind it."""

    def advance(self, note: str, parts: int = 1) -> None:
        """Say that one more part of the task is done, or several, and how it stands."""


class Lines:
    """Show a task by some ten plain lines, for logs and pipes; where its end is not known, by one each time it doubles.

    >>> lines = Lines(sys.stdout)
    >>> lines.begin("training", total=20)
    >>> for step in range(4):
    ...     lines.advance(f"loss {1 / (step + 1):.2f}")
    training 2/20  loss 0.50
    training 4/20  loss 0.25
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._what, self._done = "", 0
        self._total: int | None = None

    def begin(self, what: str, total: int | None, done: int = 0) -> None:
        """Start a task."""
        self._what, self._total, self._done = what, total, done

    def advance(self, note: str, parts: int = 1) -> None:
        """Count parts; write a line where another tenth of the task is done."""
        before = self._stage
        self._done += parts
        if self._stage > before:
            of = "" if self._total is None else f"/{self._total}"
            print(f"{self._what} {self._done}{of}  {note}", file=self._stream, flush=True)

    @property
    def _stage(self) -> int:
        return self._done.bit_length() if self._total is None else 10 * self._done // max(1, self._total)


class Bar:
    """Show each task by a live bar, with rich. ``progress`` is a running `rich.progress.Progress`."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None

    def begin(self, what: str, total: int | None, done: int = 0) -> None:
        """Start a task, below the last one."""
        self._task = self._progress.add_task(what, total=total, completed=done, note="")

    def advance(self, note: str, parts: int = 1) -> None:
        """Count parts, and show the note."""
        self._progress.update(self._task, advance=parts, note=note)


@contextlib.contextmanager
def display(stream: TextIO | None = None) -> Iterator[Display]:
    """Yield a display on ``stream`` (standard error where None): a bar if it is a terminal, lines otherwise.

    Without rich there are lines, too.

    >>> import io
    >>> with display(io.StringIO()) as shown:
    ...     type(shown).__name__
    'Lines'
    """
    stream = sys.stderr if stream is None else stream
    plain = not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown")
    if plain or importlib.util.find_spec("rich") is None:
        yield Lines(stream)
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=Console(file=stream)) as running:
        yield Bar(running)
