"""The throughput of a run: rates and what is left, on whatever display."""

import io
import itertools

import pytest

from tl_arrayapi.report import Throughput, progress_bar
from tl_arrayapi.report.progress import Lines


def lines(counts, total, every=1.0):
    """Return the lines shown for counts that come ``every`` so many seconds."""
    stream = io.StringIO()
    progress = Throughput(Lines(stream), "mean loss", clock=itertools.count(0.0, every).__next__)
    for done in counts:
        progress(done, total)
    return stream.getvalue().splitlines()


def test_each_line_tells_the_rate_since_the_beginning_and_the_time_left():
    assert lines([250, 1000], 2000) == [
        "mean loss 250/2000  250 samples/s, 7 s left",
        "mean loss 1000/2000  500 samples/s, 2 s left",
    ]


def test_the_last_line_has_nothing_left():
    assert lines([1000], 1000, every=0.5) == ["mean loss 1000/1000  2,000 samples/s"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(10, "10 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min"), (7200, "2 h"), (86400, "24 h")],
)
def test_time_left_is_told_in_a_unit_that_suits_it(seconds, told):
    # Half is done, in as many seconds as are left.
    (line,) = lines([100], 200, every=float(seconds))
    assert line.endswith(f", {told} left")


def test_a_slow_run_tells_a_fraction():
    assert lines([1], 1, every=4.0) == ["mean loss 1/1  0.25 samples/s"]


def test_a_run_without_a_known_end_has_a_line_each_time_it_doubles():
    assert lines([1, 2, 3, 4, 5, 6, 7, 8], None) == [
        "mean loss 1  1 samples/s",
        "mean loss 2  1 samples/s",
        "mean loss 4  1 samples/s",
        "mean loss 8  1 samples/s",
    ]


def test_nothing_is_shown_before_the_first_report(capsys):
    with progress_bar():
        pass
    assert capsys.readouterr() == ("", "")


def test_a_clock_that_stands_still_divides_by_nothing():
    assert len(lines([5], 5, every=0.0)) == 1


def test_a_terminal_shows_counts_and_rate_without_a_known_end(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with progress_bar("mean loss", stream) as progress:
        progress(40, None)
        progress(70, None)
    assert "70/?" in stream.getvalue()
    assert "samples/s" in stream.getvalue()
