"""``tl-arrayapi evaluate`` as a user meets it: a checkpoint, files, and one number wherever it is computed."""

import json
import signal

import numpy as np
import pytest
from click.testing import CliRunner

import tl_arrayapi as tl
from tests.distributed.certificates import certificates, cluster_over_tls
from tl_arrayapi.cli import evaluate_command, main

SOURCE = """
import tl_arrayapi as tl

def loss(w, b, x, y):
    xp = tl.array_namespace(w, x)
    residual = xp.tanh(x @ w) + b - y
    return residual * residual
"""
COUNT = 1000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to a folder with a checkpoint, a loss and files of samples."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "losses.py").write_text(SOURCE)
    np.save("x.npy", rng.normal(size=(COUNT, 3)))
    np.save("y.npy", rng.normal(size=COUNT))
    np.save("weights.npy", np.arange(COUNT) % 3)
    module().save("m.safetensors")
    return tmp_path


def module():
    definition = tl.ScalarModuleDef(squared_error, init_params=[[1.0, 2.0, 3.0], 0.5])
    return definition.instantiate(dtype="float64", backend="compiled")


def squared_error(w, b, x, y):
    residual = tl.array_namespace(w, x).tanh(x @ w) + b - y
    return residual * residual


def expected(**options):
    return module().mean_loss(tl.stack_samples(np.load("x.npy"), np.load("y.npy")), **options)


def call(*words, data=("x.npy", "y.npy"), loss="losses.py:loss"):
    line = ["evaluate", "m.safetensors", *data, "--loss", loss, *map(str, words)]
    return CliRunner().invoke(main, line, prog_name="tl-arrayapi", catch_exceptions=False)


def told(result):
    assert result.exit_code == 0, result.stderr
    return dict(line.split(":", 1) for line in result.stdout.splitlines())


def test_it_prints_the_mean_that_the_module_has(folder):
    found = told(call())
    assert float(found["mean loss"]) == expected()
    assert found["samples"].strip() == "1,000"


def test_processes_that_it_starts_give_the_same_bits(folder):
    result = call("--workers", 2, "--chunk-size", 100, "--report", "run.html")
    assert float(told(result)["mean loss"]) == expected()
    assert "dashboard: http://127.0.0.1:" in result.stderr
    assert "mean loss 1000/1000" in result.stderr
    assert "samples/s" in result.stderr
    page = (folder / "run.html").read_text(encoding="utf-8")
    assert "1,000 in 10 pieces" in page


def test_a_cluster_that_runs_gives_the_same_bits_over_tls(folder):
    pytest.importorskip("distributed")
    own = certificates(folder / "own")
    with cluster_over_tls(own) as cluster:
        tls = ("--tls-ca", own.ca, "--tls-cert", own.cert, "--tls-key", own.key)
        found = told(call("--scheduler", cluster.scheduler_address, *tls))
    assert float(found["mean loss"]) == expected()


def test_json_is_one_object_and_nothing_else(folder):
    result = call("--json", "--receipt", "out.json", "--report", "run.html")
    document = json.loads(result.stdout)
    assert document["mean"] == expected()
    assert (document["samples"], document["weight"], document["skipped"]) == (COUNT, COUNT, [])
    assert (document["receipt"], document["report"]) == ("out.json", "run.html")


def test_the_receipt_is_that_of_the_same_evaluation_in_python(folder):
    call("--receipt", "out.json", "--chunk-size", 64)
    assert tl.distributed.Receipt.from_json("out.json").mean == expected()


def test_weights_come_from_a_file(folder):
    found = told(call("--weights", "weights.npy"))
    assert float(found["mean loss"]) == expected(weights=np.load("weights.npy"))


def test_columns_name_the_arrays_of_a_group(folder):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group("data.zarr")
    group.create_array("features", data=np.load("x.npy"), chunks=(100, 3))
    group.create_array("targets", data=np.load("y.npy"), chunks=(100,))
    found = told(call("--columns", "features", "--columns", "targets", data=["data.zarr"]))
    assert float(found["mean loss"]) == expected()


def test_the_fast_mean_is_near(folder):
    assert float(told(call("--fast"))["mean loss"]) == pytest.approx(expected(), rel=1e-12)


def test_bad_data_stop_the_run_or_are_left_out(folder):
    x = np.load("x.npy")
    x[150] = np.nan
    np.save("x.npy", x)
    words = ("--finite", "--chunk-size", 100, "--micro-batch", 4)
    failed = call(*words)
    assert failed.exit_code == 1
    assert "sample 150" in failed.stderr.splitlines()[-1]
    found = told(call(*words, "--bad", "skip"))
    kept = np.r_[0:100, 200:COUNT]
    assert float(found["mean loss"]) == module().mean_loss(tl.stack_samples(x[kept], np.load("y.npy")[kept]))
    assert "samples 100 to 199" in found["left out"] or "rows 100 to 199" in found["left out"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fast", "--receipt", "out.json"], "--fast"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "one of them"),
        (["--tls-ca", "losses.py"], "TLS"),
        (["--workers", "0"], "--workers"),
        (["--timeout", "0"], "--timeout"),
        (["--namespace", "nmupy"], "nmupy"),
        (["--dtype", "float99"], "float32"),
        (["--device", "nowhere"], "nowhere"),
        (["--bad", "ignore"], "skip"),
        (["--weights", "nothing.npy"], "nothing.npy"),
    ],
)
def test_bad_usage_exits_2_with_one_line(folder, words, says):
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert says in line


def test_a_loss_that_is_not_there_is_bad_usage(folder):
    result = call(loss="losses.py:lost")
    assert result.exit_code == 2
    assert "'lost'" in result.stderr


@pytest.mark.parametrize(
    ("data", "loss", "says"),
    [
        (("x.npy",), "losses.py:loss", "x.npy"),
        (("y.npy", "x.npy"), "tests.cli.test_evaluate_command:module", "ScalarModuleDef"),
    ],
)
def test_what_does_not_fit_exits_1_and_says_what(folder, data, loss, says):
    result = call(data=data, loss=loss)
    assert result.exit_code == 1
    assert says in result.stderr.splitlines()[-1]


def test_ctrl_c_ends_the_run_in_good_order(folder, monkeypatch):
    counts = []

    class Interrupted:
        def __call__(self, done, total):
            counts.append(done)
            signal.raise_signal(signal.SIGINT)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(evaluate_command, "progress_bar", Interrupted)
    result = call("--chunk-size", 100, "--report", "run.html")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "error: interrupted"
    assert counts == [100]
    assert (folder / "run.html").exists()
