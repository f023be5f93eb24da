"""Where a library's products change bits with the place of a row: fewer samples at a time, and still one mean."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import module, samples
from tl_arrayapi.distributed import loss_and_grads, mean_loss
from tl_arrayapi.distributed.evaluation import same_micro_batch
from tl_arrayapi.errors import UnsteadyError
from tl_arrayapi.runners.findings import Findings, Steadiness
from tl_arrayapi.runners.mapped import MappedLosses


def computing_by_place(monkeypatch, above):
    """Have losses of more than so many samples at a time depend on the place of a sample among them."""
    run = MappedLosses._in_rows

    def drifting(self, params, block, rows):
        found = run(self, params, block, rows)
        return found * (1 + 1e-6 * (np.arange(len(found)) % rows)) if rows > above else found

    monkeypatch.setattr(MappedLosses, "_in_rows", drifting)


@pytest.mark.parametrize(("above", "taken"), [(8, 8), (1, 1)])
def test_so_many_samples_are_computed_at_a_time_as_keep_their_bits(monkeypatch, above, taken):
    m, rows = module(), samples(301)
    expected = mean_loss(m, rows, micro_batch=taken)
    computing_by_place(monkeypatch, above)
    m = module()  # what was found out of the library is known to the old one
    found, receipt = mean_loss(m, rows, receipt=True)
    assert found == expected
    assert receipt.micro_batch == taken
    receipt.verify(m, rows[::-1])
    for size in (1, 7, 64, 300):
        assert mean_loss(m, rows, chunk_size=size, receipt=True) == (found, receipt)
    assert loss_and_grads(m, rows)[0] == found


def test_parts_computed_in_other_numbers_are_not_merged():
    assert same_micro_batch(8, 8) == same_micro_batch(None, 8) == same_micro_batch(8, None) == 8
    with pytest.raises(UnsteadyError, match="give micro_batch=8, or exact=False"):
        same_micro_batch(64, 8)


def test_a_loss_that_is_sure_of_itself_does_not_hide_that_places_matter(monkeypatch):
    def sure(w, x):
        z = 50.0 * w * x
        return tl.array_namespace(w).log1p(tl.array_namespace(w).exp(-z))

    m = tl.ScalarModuleDef(sure, init_params=[2.0]).instantiate(dtype="float32")
    run = MappedLosses._in_rows

    def drifting(self, params, block, rows):
        found = run(self, params, block, rows)
        # The last bits of a product that is added to 1: only of small ones is anything left.
        return found + np.where(found > 1e-3, 1e-4 * (np.arange(len(found)) % rows), 0).astype("float32")

    monkeypatch.setattr(MappedLosses, "_in_rows", drifting)
    with pytest.raises(UnsteadyError, match="its place among 64"):
        m.mapped_losses((np.linspace(0.3, 1.0, 64, dtype="float32"),), 64, steady=True)


@pytest.mark.parametrize(("w", "x"), [(0.0, 3.0), (2.0, 0.0)])
def test_zeros_do_not_hide_that_places_matter(monkeypatch, w, x):
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[w]).instantiate(dtype="float64")
    computing_by_place(monkeypatch, 8)
    mean_loss(m, tl.stack_samples(np.full(100, x)))
    m.set_params([np.asarray(2.0)])
    found, receipt = mean_loss(m, tl.stack_samples(np.arange(100.0)), receipt=True)
    assert (found, receipt.micro_batch) == (99.0, 8)


def test_trying_it_out_says_nothing_where_the_loss_is_not_defined_for_what_is_tried():
    def loss(w, x):
        return tl.array_namespace(w).log(w * x - 0.5)

    m = tl.ScalarModuleDef(loss, init_params=[1.0]).instantiate(dtype="float64")
    assert mean_loss(m, tl.stack_samples(np.full(100, 1.5))) == 0.0


PROGRAM = textwrap.dedent(
    """
    import numpy as np
    import tl_arrayapi as tl

    def loss(w, b, v, x, y):
        xp = tl.array_namespace(w, x)
        z = xp.tanh(x @ w + b) @ v
        return xp.log(xp.sum(xp.exp(z - xp.max(z)))) + xp.max(z) - xp.sum(y * z)

    rng = np.random.default_rng(0)
    init = [rng.normal(size=shape) / 8 for shape in ((64, 128), (128,), (128, 10))]
    module = tl.ScalarModuleDef(loss, init_params=init).instantiate(dtype="float32")
    x = rng.normal(size=(700, 64)).astype("float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, size=700)]
    whole, receipt = module.mean_loss(tl.stack_samples(x, y), receipt=True)
    assert receipt.micro_batch >= 8, "one by one would take thirty times as long"
    other = rng.permutation(700)
    for size in (1, 3, 50, 64, 699):
        for order in (np.arange(700), other):
            found = module.mean_loss(tl.stack_samples(x[order], y[order]), chunk_size=size, receipt=True)
            assert found == (whole, receipt), size
    first = module.mean_loss(tl.stack_samples(x[:37], y[:37]), receipt=True)[1]
    rest = module.mean_loss(tl.stack_samples(x[37:], y[37:]), receipt=True)[1]
    assert first.merge(rest) == receipt
    """
)


# What NumPy calls the instructions that OpenBLAS's kernels need, of old and now.
INSTRUCTIONS = {"Haswell": {"AVX2", "X86_V3"}, "SkylakeX": {"AVX512_SKX", "X86_V4"}}


@pytest.mark.parametrize("kernels", ["Haswell", "SkylakeX", None])
def test_the_mean_does_not_depend_on_places_with_the_kernels_of_any_processor(kernels):
    known = np.show_config(mode="dicts")["SIMD Extensions"]
    if kernels is not None and not INSTRUCTIONS[kernels] & {*known["baseline"], *known["found"]}:
        pytest.skip("this processor would stop at an instruction that it lacks")
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    if kernels is not None:
        environment["OPENBLAS_CORETYPE"] = kernels
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_calls_of_more_samples_that_change_few_bits_are_given_up(monkeypatch):
    """Of many samples only some show it, and so a few of them do not tell."""
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[2.0]).instantiate(dtype="float64")
    run, sizes = MappedLosses._in_rows, []

    def drifting(self, params, block, rows):
        sizes.append(len(block[0]))
        found = run(self, params, block, rows)
        return np.where(np.arange(len(found)) % 500 == 77, found + 1e-9, found) if len(found) > 1024 else found

    monkeypatch.setattr(MappedLosses, "_in_rows", drifting)
    samples = tl.stack_samples(np.arange(9000.0))
    assert mean_loss(m, samples, micro_batch=8, chunk_size=9000) == 8999.0
    sizes.clear()
    assert mean_loss(m, samples, micro_batch=8, chunk_size=9000) == 8999.0
    assert max(sizes) == 1024


def shared(findings, w=2.0, factor=1.0, dtype="float64"):
    m = tl.ScalarModuleDef(lambda w, x: factor * w * x, init_params=[w]).instantiate(dtype=dtype)
    m.share_findings(findings)
    return m


def counted(monkeypatch):
    """Return a list to which what is tried is added."""
    tried = []
    for name in ("_try_places", "_is_alike"):
        method = getattr(MappedLosses, name)
        monkeypatch.setattr(MappedLosses, name, lambda *args, m=method, n=name: tried.append(n) or m(*args))
    return tried


def test_what_was_tried_of_a_program_is_known_to_other_modules_with_the_same(monkeypatch):
    tried, findings, rows = counted(monkeypatch), Findings(), tl.stack_samples(np.arange(2000.0))
    assert mean_loss(shared(findings), rows, chunk_size=2000) == 1999.0
    assert tried == ["_try_places", "_is_alike"]
    assert mean_loss(shared(findings, w=4.0), rows, chunk_size=2000) == 2 * 1999.0
    assert len(tried) == 2
    assert mean_loss(shared(findings), tl.stack_samples(np.arange(9000.0)), chunk_size=9000) == 8999.0
    assert tried == ["_try_places", "_is_alike", "_is_alike"]
    # Neither another loss, nor samples of another kind, nor parameters of another dtype.
    for m, x in (
        (shared(findings, factor=3.0), np.arange(64.0)),
        (shared(findings, dtype="float32"), np.arange(64, dtype="float32")),
        (shared(findings), np.arange(64)),
    ):
        tried.clear()
        mean_loss(m, tl.stack_samples(x))
        assert tried == ["_try_places"]


def test_a_program_in_which_places_matter_is_known_too(monkeypatch):
    computing_by_place(monkeypatch, 8)
    tried, findings, rows = counted(monkeypatch), Findings(), tl.stack_samples(np.arange(100.0))
    assert mean_loss(shared(findings), rows, receipt=True)[1].micro_batch == 8
    assert tried == ["_try_places", "_try_places", "_is_alike"]
    assert mean_loss(shared(findings), rows, receipt=True)[1].micro_batch == 8
    assert tried == ["_try_places", "_try_places", "_is_alike"]


@pytest.mark.parametrize("w", [np.nan, np.inf])
def test_what_was_tried_where_all_is_nan_does_not_count(monkeypatch, w):
    findings, rows = Findings(), tl.stack_samples(np.arange(1.0, 9001.0))
    computing_by_place(monkeypatch, 8)
    m = shared(findings, w=w)
    assert not np.isfinite(mean_loss(m, rows, chunk_size=9000))
    m.set_params([np.asarray(2.0)])
    for each in (m, shared(findings)):
        assert mean_loss(each, rows, receipt=True)[1].micro_batch == 8


def test_of_a_loss_with_arrays_of_its_own_nothing_is_known_to_others(monkeypatch):
    tried, findings, rows = counted(monkeypatch), Findings(), tl.stack_samples(np.arange(64.0))
    for own in (np.zeros(()), np.ones(())):
        m = tl.ScalarModuleDef(lambda w, x, own=own: own * w * x, init_params=[2.0]).instantiate(dtype="float64")
        m.share_findings(findings)
        mean_loss(m, rows)
    assert tried == ["_try_places"] * 2


def test_findings_are_of_the_last_programs():
    findings = Findings()
    for i in range(100):
        findings.add(str(i), Steadiness(is_steady=True))
    assert [i for i in range(100) if findings.get(str(i))] == list(range(36, 100))
    mine = findings.get("99")
    mine.alike[16] = True
    assert findings.get("99").alike == {1: True}
