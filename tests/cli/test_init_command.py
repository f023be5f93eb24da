"""`tl-arrayapi init`: a plan described, filled, written, and compared over libraries and machines."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import tl_arrayapi as tl
from tests.libraries import installed
from tests.sources import ROOT
from tl_arrayapi import backends, init
from tl_arrayapi.cli import main
from tl_arrayapi.cli.init_command import Target

EXAMPLE = ROOT / "examples" / "ten-parameters.json"
PLAN = init.Plan([(3, 2), (2,)], [init.normal(0, 1, seed=1), init.ones()], ["w", "b"])


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run the command on ``plan.json``, in this process."""
    monkeypatch.chdir(tmp_path)
    PLAN.to_json("plan.json")

    def run(*words, plan="plan.json"):
        return CliRunner().invoke(main, ["init", str(plan), *words], prog_name="tl-arrayapi")

    return run


def digests(result):
    """Return the lines of digests as a dict by name."""
    lines = [line.split("  ", 1) for line in result.stdout.splitlines()]
    return {name: digest for digest, name in lines}


def only_line(text):
    (line,) = text.splitlines()
    return line


# ---- the example of the documents
def test_one_command_prints_the_same_digest_on_every_library_and_three_chunkings(call):
    words = ["--namespace", "all", "--chunks", "auto", "--chunks", "7", "--chunks", "64", "--hash"]
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"tl-arrayapi init examples/ten-parameters.json {' '.join(words)}" in page
    result = call(*words, plan=EXAMPLE)
    assert result.exit_code == 0, result.stderr
    found = digests(result)
    wanted = {name for name in ("numpy", "torch", "jax", "array_api_strict") if installed(name)}
    wanted |= {f"dask chunks={n}" for n in ("auto", 7, 64)} if installed("dask") else set()
    assert set(found) - {"cupy"} == wanted
    (digest,) = set(found.values())
    # What other machines found.
    assert all(f"{digest}  {name}\n" in page for name in wanted)


def test_the_example_has_ten_parameters_and_keeps_to_the_schema():
    plan = init.Plan.from_json(EXAMPLE)
    assert len(plan) == 10
    assert len({scheme.name for scheme in plan.inits}) == 10
    plan.check("float16")


# ---- describing
def test_without_options_the_plan_is_described(call):
    result = call()
    assert result.exit_code == 0
    assert result.stdout == PLAN.summary() + "\n"


# ---- digests
def test_a_digest_is_that_of_the_plan(call):
    assert digests(call("--hash")) == {"numpy": PLAN.digest()}
    assert digests(call("--hash", "--dtype", "float64")) == {"numpy": PLAN.digest(dtype="float64")}


def test_namespaces_are_taken_in_order_and_once(call):
    result = call("--hash", "--namespace", "array_api_strict", "--namespace", "numpy", "--namespace", "numpy")
    assert list(digests(result)) == ["array_api_strict", "numpy"]


def test_chunks_are_for_the_lazy_ones(call):
    pytest.importorskip("dask")
    result = call("--hash", "--namespace", "numpy", "--namespace", "dask", "--chunks", "1", "--chunks", "auto")
    assert list(digests(result)) == ["numpy", "dask chunks=1", "dask chunks=auto"]


def test_chunks_are_left_out_where_all_that_is_installed_is_not_lazy(call, monkeypatch):
    monkeypatch.setattr("tl_arrayapi.cli.init_command.available", lambda: backends.available()[:1])
    result = call("--hash", "--namespace", "all", "--chunks", "1")
    assert result.exit_code == 0
    assert digests(result) == {"numpy": PLAN.digest()}
    assert "lazy" in only_line(result.stderr)


def test_a_device_is_the_librarys(call):
    found = digests(call("--hash", "--namespace", "array_api_strict", "--device", "device1"))
    assert found == {"array_api_strict": PLAN.digest()}


def test_all_leaves_out_who_lacks_the_dtype_and_says_so(call, monkeypatch):
    monkeypatch.setattr("tl_arrayapi.cli.init_command.available", lambda: [*backends.available()[:1], STRICT])
    result = call("--hash", "--namespace", "all", "--dtype", "float16")
    assert result.exit_code == 0
    assert digests(result) == {"numpy": PLAN.digest(dtype="float16")}
    assert only_line(result.stderr).startswith("left out: array_api_strict: array_api_strict has no dtype 'float16'")


STRICT = backends.Library("array_api_strict", True, None, "test")


def test_where_nobody_has_the_dtype_there_is_an_error(call, monkeypatch):
    monkeypatch.setattr("tl_arrayapi.cli.init_command.available", lambda: [STRICT])
    result = call("--hash", "--namespace", "all", "--dtype", "float16")
    assert result.exit_code == 1
    assert "no library here can fill float16" in result.stderr.splitlines()[-1]


def test_digests_that_differ_exit_1_and_name_the_parameter(call, monkeypatch):
    digest = Target.digest

    def otherwise(self, plan):
        wrong = init.Plan(plan.shapes, [s if s.name != "ones" else init.zeros() for s in plan.inits], plan.names)
        return digest(self, wrong if self.namespace == "array_api_strict" else plan)

    monkeypatch.setattr(Target, "digest", otherwise)
    result = call("--hash", "--namespace", "numpy", "--namespace", "array_api_strict")
    assert result.exit_code == 1
    assert len(set(digests(result).values())) == 2
    assert only_line(result.stderr).startswith(
        "error: the digests differ: array_api_strict and numpy do not fill parameter 'b' alike"
    )


# ---- writing
def test_the_parameters_are_written_for_a_module_to_load(call, tmp_path):
    result = call("--out", "w.safetensors", "--namespace", "array_api_strict", "--dtype", "float64")
    assert result.exit_code == 0
    assert result.stdout == ""
    module = tl.ScalarModuleDef(lambda w, b: 0.0, plan=PLAN).instantiate(dtype="float64", lazy=True)
    assert module.load(tmp_path / "w.safetensors") == (None, 0)
    assert all(map(np.array_equal, module.params, PLAN.fill(dtype="float64")))


def test_digest_and_file_can_be_had_at_once(call, tmp_path):
    assert digests(call("--hash", "--out", "w.safetensors")) == {"numpy": PLAN.digest()}
    assert (tmp_path / "w.safetensors").is_file()


# ---- what goes wrong
@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--namespace", "nmupy"], 2, "nmupy"),
        (["--namespace", "array_api_strict", "--dtype", "float16"], 2, "float16"),
        (["--device", "nowhere"], 2, "nowhere"),
        (["--dtype", "float99"], 2, "float32"),
        (["--chunks", "0"], 2, "--chunks"),
        (["--chunks", "some"], 2, "--chunks"),
        (["--chunks", "3"], 2, "lazy"),
        (["--namespace", "numpy", "--namespace", "array_api_strict", "--out", "w.safetensors"], 2, "--out"),
        (["--out", "no/such/folder/w.safetensors"], 1, "w.safetensors"),
        (["--hsah"], 2, "--hash"),
    ],
)
def test_bad_usage_ends_with_one_line_and_leaves_nothing(call, tmp_path, words, status, says):
    result = call(*words)
    assert result.exit_code == status
    assert result.stdout == ""
    assert says in only_line(result.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_library_that_is_not_installed_exits_1_and_names_its_extra(call):
    if installed("cupy"):
        pytest.skip("CuPy is installed")
    result = call("--namespace", "cupy", "--hash")
    assert result.exit_code == 1
    assert "tl-arrayapi[cuda12]" in only_line(result.stderr)


def test_a_file_that_is_no_plan_exits_1_and_names_the_place(call, tmp_path):
    shutil.copy("plan.json", "other.json")
    document = json.loads((tmp_path / "other.json").read_text())
    document["parameters"][1]["init"]["scheme"] = "oens"
    (tmp_path / "other.json").write_text(json.dumps(document))
    result = call("--hash", plan="other.json")
    assert result.exit_code == 1
    assert "parameters[1].init.scheme is 'oens', which is not known: did you mean 'ones'?" in only_line(result.stderr)
    assert call(plan="missing.json").exit_code == 2


def test_a_plan_that_a_dtype_cannot_hold_exits_1(call):
    init.Plan([(2,)], [init.constant(1e6)], ["w"]).to_json("large.json")
    result = call("--hash", "--dtype", "float16", plan="large.json")
    assert result.exit_code == 1
    assert "'w'" in only_line(result.stderr)
