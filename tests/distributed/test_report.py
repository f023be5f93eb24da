"""The HTML report of a run: all of it is there, and nothing of it is taken for HTML."""

import re
from html.parser import HTMLParser

import pytest

from tl_arrayapi.distributed.record import Done, Record, Skipped
from tl_arrayapi.distributed.report import html, readable_bytes, write_report
from tl_arrayapi.distributed.timeline import timeline
from tl_arrayapi.errors import ArgumentError


def record(*done: Done, stopped: float = 110.0, **more) -> Record:
    found = Record("tcp://127.0.0.1:8786", started=100.0, **more)
    for one in done:
        found.add(one)
    found.stopped = stopped
    return found


def done(first: int = 0, worker: str = "tcp://127.0.0.1:1", start: float = 101.0, stop: float = 103.0, **more) -> Done:
    return Done(f"samples {first} to {first + 9}", worker, start, stop, 0.5, stop - start - 0.5, 10, 2_000, **more)


class Page(HTMLParser):
    """Read a page: its tags, the texts in its cells, and whether all that is opened is closed."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data


def bars(picture: str) -> list[tuple[float, float]]:
    """Return where bars begin, and how wide they are, in seconds."""
    scale = (1000 - 170) / 10
    numbers = re.findall(r'<rect class="(?:read|work)" x="([\d.-]+)" width="([\d.-]+)"', picture)
    return [((float(x) - 170) / scale, float(width) / scale) for x, width in numbers]


def test_a_report_is_one_sound_page_without_scripts_or_addresses_to_fetch():
    text = html(record(done(), done(10, worker="tcp://127.0.0.1:2"), skipped=[Skipped("x.npy", None, "no such file")]))
    page = Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert not {"src", "href"} & set(re.findall(r"(\w+)=", text))
    assert "default-src 'none'" in text


def test_the_overview_tells_throughput_bytes_retries_and_losses():
    run = record(done(), done(10), sent=3_500, resent=1_200, duplicated=4, workers_lost=2)
    cells = Page(html(run, {"mean loss": "0.25"})).cells
    told = dict(zip(cells[::2], cells[1::2], strict=False))
    assert told["mean loss"] == "0.25"
    assert told["time"] == "10 s"
    assert told["samples"] == "20 in 2 pieces"
    assert told["throughput"] == "2 samples/s"
    assert told["bytes"] == "4 kB of samples, 3.5 kB sent by the client"
    assert told["retries"] == "1,200 pieces sent again, 4 given to a second worker"
    assert told["workers"] == "1 at work, 2 lost"


def test_each_worker_has_its_row_of_time_and_bytes():
    run = record(done(), done(10, start=104.0, stop=107.0), done(20, worker="tcp://127.0.0.1:2"))
    cells = Page(html(run)).cells
    row = cells.index("tcp://127.0.0.1:1")
    assert cells[row : row + 8] == ["tcp://127.0.0.1:1", "2", "20", "1 s", "4 s", "50 %", "4 kB", "4"]


def test_names_and_reasons_are_shown_as_they_are():
    sneaky = "</td><script>alert(1)</script>&amp;"
    run = record(Done(sneaky, sneaky, 101.0, 102.0, 0.0, 1.0, 1, 1), skipped=[Skipped(sneaky, 3, sneaky)])
    run.where = run.dashboard = sneaky
    page = Page(html(run, {sneaky: sneaky}))
    assert "script" not in page.tags
    assert not page.open
    assert page.cells.count(sneaky) == 9


def test_a_run_that_goes_on_or_did_nothing_has_a_report():
    assert "(not ended)" in html(Record())
    assert not Page(html(record())).open
    assert not Page(html(record(stopped=100.0))).open


def test_what_is_left_out_is_listed_with_its_reason():
    run = record(skipped=[Skipped("rows 0 to 9 of x", 10, "sample 3 is NaN"), Skipped("y.npy", None, "no file")])
    assert Page(html(run)).cells[-6:] == ["rows 0 to 9 of x", "10", "sample 3 is NaN", "y.npy", "unknown", "no file"]


def test_the_slowest_pieces_come_first():
    run = record(*(done(10 * i, stop=102.0 + 0.1 * i) for i in range(12)))
    cells = Page(html(run)).cells[-8 * 10 :]
    assert cells[::8] == [f"samples {10 * i} to {10 * i + 9}" for i in range(11, 1, -1)]


def test_more_pieces_than_are_kept_are_counted():
    run = record(done())
    run.workers["tcp://127.0.0.1:1"].pieces = 20_000
    assert "The first 1 of 20,000 pieces are drawn." in html(run)


# ---- the timeline
def test_a_bar_is_as_long_as_its_piece_and_reading_comes_first():
    assert bars(timeline(record(done()))) == [pytest.approx((1.0, 0.5), abs=0.01), pytest.approx((1.5, 1.5), abs=0.01)]


@pytest.mark.parametrize(("off", "begins"), [(-3600.0, 0.0), (3600.0, 7.0), (0.0, 1.0)])
def test_pieces_of_a_worker_whose_clock_differs_are_moved_into_the_run(off, begins):
    picture = timeline(record(done(start=101.0 + off, stop=102.0 + off), done(10, start=103.0 + off, stop=104.0 + off)))
    starts = [x for x, _ in bars(picture)][::2]
    assert starts == pytest.approx([begins, begins + 2.0], abs=0.01)


def test_a_piece_that_was_sent_again_is_framed():
    assert "class=again" not in timeline(record(done()))
    assert "attempt 2" in timeline(record(done(attempts=2)))
    assert "class=again" in timeline(record(done(attempts=2)))


def test_a_thousand_workers_fit():
    run = record(*(done(worker=f"tcp://127.0.0.1:{port}") for port in range(1000)))
    height = float(re.search(r'viewBox="0 0 1000 ([\d.]+)"', timeline(run)).group(1))
    assert height <= 2_100


@pytest.mark.parametrize("seconds", [1e-6, 0.3, 1.0, 59.0, 1e5])
def test_the_axis_has_some_round_marks(seconds):
    picture = timeline(record(done(), stopped=100.0 + seconds))
    assert 4 <= picture.count('class="tick"') <= 11


# ---- the file
def test_a_report_replaces_the_one_before(tmp_path):
    path = tmp_path / "run.html"
    write_report(record(), path)
    write_report(record(), path, {"mean loss": "0.5"})
    assert "0.5" in path.read_text(encoding="utf-8")
    assert [found.name for found in tmp_path.iterdir()] == ["run.html"]


def test_a_report_that_cannot_be_written_is_an_error_that_names_the_path(tmp_path):
    with pytest.raises(ArgumentError, match=r"nowhere.*No such file"):
        write_report(record(), tmp_path / "nowhere" / "run.html")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ArgumentError, match=r"taken"):
        write_report(record(), tmp_path / "taken")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_bytes_are_given_three_digits():
    found = [readable_bytes(n) for n in (0, 999, 1000, 999_600, 10**9, 2 * 10**15)]
    assert found == ["0 B", "999 B", "1 kB", "1 MB", "1 GB", "2 PB"]
