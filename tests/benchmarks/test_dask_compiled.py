"""What is timed on Dask: both backends take the same step, and the compiled one runs a tenth of the tasks."""

import pytest

pytest.importorskip("dask.array")

from benchmarks import dask_compiled

SMALL = {
    "mlp": lambda: dask_compiled.digits(rows=60, chunk=10),
    "logistic": lambda: dask_compiled.logistic(rows=2000, chunk=100),
}


def test_every_case_is_tried_here():
    assert SMALL.keys() == dask_compiled.CASES.keys()


@pytest.mark.parametrize("case", SMALL)
def test_a_compiled_step_runs_a_tenth_of_the_tasks(case, monkeypatch):
    monkeypatch.setattr(dask_compiled, "CASES", {case: SMALL[case]})
    found = dask_compiled.measure(rounds=1)[case]
    assert 10 * found["tasks"]["compiled"] <= found["tasks"]["eager"]
    assert found["seconds"].keys() == set(dask_compiled.WAYS)
