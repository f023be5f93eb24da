"""The progress display: lines off a terminal, a live bar on one."""

import contextlib
import io
import os
import pty
import sys

import pytest

from tl_arrayapi.report import display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_on(stream: io.StringIO, total: int, done: int = 0) -> str:
    with display(stream) as shown:
        shown.begin("training", total, done)
        for step in range(done, total):
            shown.advance(f"loss {step}")
    return stream.getvalue()


def test_off_a_terminal_a_long_task_makes_ten_lines_without_control_codes():
    text = shown_on(io.StringIO(), 300)
    lines = text.splitlines()
    assert len(lines) == 10
    assert lines[0] == "training 30/300  loss 29"
    assert lines[-1] == "training 300/300  loss 299"
    assert text.isprintable() or set(text) - set("\n") == {c for c in text if c.isprintable()}


def test_off_a_terminal_each_part_of_a_short_task_makes_a_line():
    assert len(shown_on(io.StringIO(), 4).splitlines()) == 4


def test_a_task_that_goes_on_counts_from_where_it_was():
    assert shown_on(io.StringIO(), 10, done=8).splitlines() == ["training 9/10  loss 8", "training 10/10  loss 9"]


def test_on_a_terminal_there_is_a_bar_with_the_last_note(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = shown_on(Terminal(), 30)
    assert "\x1b[" in text
    assert "━" in text
    assert "30/30" in text
    assert "loss 29" in text


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown_on(Terminal(), 30)


def test_the_default_stream_is_standard_error(capsys):
    with display() as shown:
        shown.begin("training", 1)
        shown.advance("loss 1")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "training 1/1  loss 1\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_real_terminal_is_left_with_its_cursor_visible(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with open(theirs, "w") as stream, display(stream) as shown:
        shown.begin("training", 2)
        shown.advance("loss 1")
    text = ""
    with contextlib.suppress(OSError):  # how Linux says that the other end was closed
        while part := os.read(ours, 1 << 16):
            text += part.decode()
    os.close(ours)
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
