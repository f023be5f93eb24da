"""Run the conformance suite over a library and over our namespace of it: ``python -m tests.conformance --help``."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tests.conformance.comparison import Outcomes, compare
from tests.libraries import VARIANTS

LIBRARIES = ("numpy", "array_api_strict", "torch", "jax", "dask")
FLAGS = ("--disable-deadline", "--derandomize", "-q", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider")


def modules(library: str) -> tuple[str, str]:
    """Return what the suite is told to test: the library's namespace, and ours over it.

    Both runs make our namespace, because Hypothesis also draws constants that it finds in imported sources.
    """
    made = f"import tl_arrayapi, {VARIANTS[library].namespace} as inner; ours = tl_arrayapi.namespace(inner)"
    return f"exec('{made}; xp = inner')", f"exec('{made}; xp = ours')"


def run(suite: Path, module: str, selection: Sequence[str], examples: int) -> Outcomes:
    """Run the suite's tests named in ``selection`` over ``module``, and return their outcomes."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "outcomes.json")
        environment = {
            **os.environ,
            "ARRAY_API_TESTS_MODULE": module,
            "CONFORMANCE_OUTCOMES": str(found),
            "JAX_ENABLE_X64": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "pytest", *FLAGS, "-p", "tests.conformance.outcomes"]
        command += [f"--max-examples={examples}", *selection]
        done = subprocess.run(command, cwd=suite, env=environment, stdout=2, check=False)  # 2: stderr
        if done.returncode not in (0, 1):
            raise SystemExit(f"the suite did not run over {module}: pytest ended with {done.returncode}")
        outcomes: Outcomes = json.loads(found.read_text(encoding="utf-8"))
        return outcomes


def commit_of(suite: Path) -> str:
    """Return the commit that the suite is at."""
    done = subprocess.run(["git", "-C", suite, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def kept(file: Path | None, find: Callable[[], Outcomes]) -> Outcomes:
    """Return the outcomes in ``file``; where there is no such file yet, find them, and write them there."""
    if file is not None and file.exists():
        found: Outcomes = json.loads(file.read_text(encoding="utf-8"))
        return found
    found = find()
    if file is not None:
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def measure(
    suite: Path, library: str, selection: Sequence[str], examples: int, file: Path | None = None
) -> dict[str, Any]:
    """Run the suite over ``library`` and over ours; return counts and differences as JSON has them.

    The outcomes over the library are read from ``file`` if it exists, and kept there otherwise.
    """
    import tl_arrayapi as tl

    inner, ours = modules(library)
    run_inner = partial(run, suite, inner, examples=examples)
    run_ours = partial(run, suite, ours, examples=examples)
    before = kept(file, partial(run_inner, selection))
    asked = {test: outcome for test, outcome in before.items() if test.startswith(tuple(selection))}

    def run_inner_again(tests: Sequence[str], attempt: int) -> Outcomes:
        return run(suite, inner, tests, attempt * examples)

    found = compare(asked, run_ours(selection), run_inner_again, run_ours)
    return {
        "library": library,
        "version": tl.backends.get(VARIANTS[library].module).version(),
        "suite": commit_of(suite),
        "examples": examples,
        **asdict(found),
    }


def row(result: dict[str, Any]) -> str:
    """Return one line of the table in docs/conformance.md."""
    counts = [
        " / ".join(str(result[run][kind]) for kind in ("passed", "failed", "skipped")) for run in ("inner", "ours")
    ]
    return f"| {result['library']} {result['version']} | {counts[0]} | {counts[1]} | {len(result['extra'])} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a library, write the results; 1 where a test fails that passes over the library, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="the folder of a clone of data-apis/array-api-tests")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="may be repeated; all where left out")
    parser.add_argument("--only", action="append", metavar="TESTS", help="a part of the suite; may be repeated")
    parser.add_argument("--max-examples", type=int, default=20, help="examples a test (default 20)")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to keep what was found over each library")
    asked = parser.parse_args(arguments)
    results = []
    for library in asked.library or LIBRARIES:
        file = None if asked.keep is None else asked.keep / f"{library}.json"
        results.append(measure(asked.suite, library, asked.only or ["array_api_tests"], asked.max_examples, file))
        print(row(results[-1]), flush=True)
        for test, message in results[-1]["extra"].items():
            print(f"  {test}\n    {message.splitlines()[0] if message else ''}")
        for test in results[-1]["missing"]:
            print(f"  {test}\n    did not run over ours")
        if asked.json is not None:
            asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(any(result["extra"] or result["missing"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
