"""The fast tests of hostile files take nearly every branch of what reads files; a branch nobody tries is nobody's."""

import json
import os
import subprocess
import sys

import pytest

from tests.sources import ROOT

# What reads: whole modules, and of those that also write, the functions that read.
LOADERS = {
    "tl_arrayapi/storage/header.py": None,
    "tl_arrayapi/storage/index.py": None,
    "tl_arrayapi/storage/reading.py": None,
    "tl_arrayapi/storage/scan.py": None,
    "tl_arrayapi/storage/state.py": None,
    "tl_arrayapi/storage/files.py": {"load", "open_checkpoint", "_at", "_text"},
    "tl_arrayapi/storage/pieces.py": {"digest_of", "begin", "fill", "_read", "working"},
    "tl_arrayapi/storage/tensors.py": {"host_dtype", "empty", "check_values", "native"},
    "tl_arrayapi/checkpoints.py": {
        *("load", "read_checkpoint", "compare", "_placed", "_compared", "_is_ours", "_info", "_texts", "_whole"),
    },
    "tl_arrayapi/differences.py": None,
    "tl_arrayapi/init/plan_json.py": None,
    "tl_arrayapi/init/json_file.py": {
        f"JsonFile.{name}" for name in ("read", "parsed", "_path", "_text", "_distinct", "_finite", "_short")
    },
    "tl_arrayapi/distributed/receipts/numbers.py": None,
    "tl_arrayapi/distributed/receipts/receipt_json.py": None,
}
TESTS = ["tests/hostile", "tests/storage/test_sharded.py", "tests/storage/test_state.py"]
# They take no branch that others do not, and long while every line is noted.
LONG = "more_tensors_than_the_bound or many_names_and_files"
LEAST = 0.95


@pytest.mark.slow
def test_the_fast_tests_take_95_percent_of_the_branches_of_every_loader(tmp_path):
    found = measured(tmp_path)
    taken = {path: share(found[path], functions) for path, functions in LOADERS.items()}
    # One branch of a small file is more than five in a hundred.
    few = {path: f"{part} of {whole}" for path, (part, whole) in taken.items() if part < min(LEAST * whole, whole - 1)}
    assert not few
    assert sum(part for part, _ in taken.values()) >= LEAST * sum(whole for _, whole in taken.values())


def measured(folder):
    """Run the tests in a process of its own, and return what coverage.py says of each file."""
    environment = os.environ | {"COVERAGE_FILE": str(folder / "data")}
    command = [sys.executable, "-m", "coverage"]
    pytest_ = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", f"not ({LONG})", *TESTS]
    include = "--include=" + ",".join(LOADERS)
    steps = [["run", "--branch", include, *pytest_], ["json", "-q", "-o", str(folder / "report.json")]]
    for step in steps:
        done = subprocess.run([*command, *step], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads((folder / "report.json").read_text())["files"]


def share(file, functions):
    """Return how many branches were taken, of how many."""
    parts = [file] if functions is None else [file["functions"][name] for name in functions]
    summaries = [part["summary"] for part in parts]
    return sum(s["covered_branches"] for s in summaries), sum(s["num_branches"] for s in summaries)
