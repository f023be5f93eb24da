"""The page of functions: complete, and without a cell in which nothing was checked."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

from tests.proof.catalogue import CATALOGUE
from tests.proof.page import FEATURES, KINDS, LIBRARIES, page
from tests.proof.tally import Tally
from tests.sources import ROOT

PAGE = ROOT / "docs" / "functions.md"


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of the tables of functions, by function."""
    found = {}
    for line in text.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|")) if line.startswith("|") else ("",)
        if name.startswith("`"):
            found[name.strip("`")] = cells
    return found


def test_the_page_lists_every_function_of_the_standard_and_no_cell_is_zero():
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert set(found) == set(CATALOGUE)
    for name, (_, *cells) in found.items():
        assert len(cells) == len(LIBRARIES)
        for library, cell in zip(LIBRARIES, cells, strict=True):
            assert re.fullmatch(r"([1-9][0-9]*[a-z] ?)+", cell), f"{name} on {library}: {cell!r}"


def test_the_page_counts_derivatives_where_it_promises_them():
    for name, (promise, *cells) in rows(PAGE.read_text(encoding="utf-8")).items():
        letters = {"differentiable": "gs", "zero": "z"}.get(promise.split()[0].strip(";"), "")
        for library, cell in zip(LIBRARIES, cells, strict=True):
            refused_throughout = re.fullmatch(r"[0-9]+r", cell)
            assert refused_throughout or all(letter in cell for letter in letters), f"{name} on {library}: {cell!r}"


def test_every_kind_of_operand_and_dtype_was_tried_on_every_library():
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text[text.index("## Operands") :].splitlines() if line.startswith("| ")]
    assert len(lines) == 2 * 2 + len(FEATURES) + len(KINDS)
    for line in lines:
        assert "| 0 |" not in line
    assert text.count("| has none |") == 1  # torch, of negative strides


def test_a_cell_says_how_often_what_was_checked():
    counts = {
        "versions": {"numpy": "2"},
        "checks": {"add|numpy|value|float64": 3, "add|numpy|value|int8": 2, "add|numpy|gradient|float64": 3},
        "features": {"0-d|numpy": 4},
    }
    text = page(counts)
    assert rows(text)["add"][1:] == ["5v 3g", "0", "0", "0", "0"]
    assert "8 checks" in text
    assert f"| {FEATURES['0-d']} | 4 | has none" in text
    assert "| real floating | 6 | 0" in text
    assert "| signed integers | 2 | 0" in text


def test_the_command_writes_the_page(tmp_path):
    counts, target = tmp_path / "counts.json", tmp_path / "page.md"
    counts.write_text(json.dumps({"versions": {}, "checks": {"exp|dask|oracle|float32": 7}, "features": {}}))
    subprocess.run([sys.executable, "-m", "tests.proof", counts, target], cwd=ROOT, check=True)
    assert rows(target.read_text())["exp"][4] == "7o"


def test_counts_of_workers_are_added_up(tmp_path):
    first, second, controller = Tally(None), Tally(None), Tally(tmp_path / "counts.json")
    for worker in (first, second):
        worker.add("add", "numpy", "value", "int8", {"0-d"})
        output: dict[str, object] = {}
        worker.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace(workeroutput=output)))
        controller.pytest_testnodedown(SimpleNamespace(workeroutput=output))
    controller.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace()))
    found = json.loads((tmp_path / "counts.json").read_text())
    assert found["checks"] == {"add|numpy|value|int8": 2}
    assert found["features"] == {"0-d|numpy": 2}
