"""The command line as a user meets it: help, version, bad usage, runs, Ctrl-C."""

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner, Result

import tl_arrayapi
from tests.cli.test_training import trained
from tests.sources import ROOT
from tl_arrayapi.cli import digits_command, evaluation, main
from tl_arrayapi.cli.settings import Settings

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
PROGRAM = [sys.executable, "-m", "tl_arrayapi"]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run the command in this process; a cluster's mean is that of this process, plus ``call.error``."""

    def on_cluster(module, samples, workers):
        return evaluation.mean_loss(module, samples) + (run.error if workers == 3 else 0.0)

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, list(words), prog_name="tl-arrayapi")

    run.error = 0.0
    monkeypatch.setattr(evaluation, "mean_loss_on_cluster", on_cluster)
    monkeypatch.chdir(tmp_path)
    return run


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


# ---- help, version, bad usage
@pytest.mark.parametrize("words", [[], ["train"], ["train", "digits"], ["init"], ["backends"]])
def test_every_command_has_help(call, words):
    result = call(*words, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(['tl-arrayapi', *words])} ")
    assert call(*words, "-h").stdout == result.stdout


def test_help_loads_no_library_that_it_does_not_need():
    code = (
        "import sys\nfrom tl_arrayapi.cli import main\n"
        "try:\n    main(['train', 'digits', '--help'])\n"
        "finally:\n    print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    loaded = set(eval(done.stderr))
    assert "click" in loaded
    assert not loaded & {"rich", "sklearn", "matplotlib", "dask", "distributed", "torch", "jax", "safetensors", "scipy"}


def test_the_version_is_the_packages(call):
    assert call("--version").stdout == f"tl-arrayapi {tl_arrayapi.__version__}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--namespace", "nmupy"], "nmupy"),
        (["--namespace", "json"], "json"),
        (["--namespace", ""], "''"),
        (["--device", "nowhere"], "nowhere"),
        (["--dtype", "float99"], "float32"),
        (["--namespace", "array_api_strict", "--dtype", "float16"], "float16"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**64)], "--seed"),
        (["--steps", "0"], "--steps"),
        (["--batch-size", "0"], "--batch-size"),
        (["--optimizer", "adma"], "adam"),
        (["--lr", "nan"], "lr"),
        (["--lr", "inf"], "lr"),
        (["--lr", "-1"], "--lr"),
        (["--resume", "nothing.safetensors"], "nothing.safetensors"),
        (["--step", "3"], "--steps"),
    ],
)
def test_bad_usage_exits_2_with_one_line_and_leaves_nothing(call, tmp_path, words, says):
    result = call("train", "digits", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert says in only_line(result.stderr)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_library_that_is_not_installed_exits_1_and_names_its_extra(call):
    if importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed")
    result = call("train", "digits", "--namespace", "cupy")
    assert result.exit_code == 1
    assert "tl-arrayapi[cuda12]" in only_line(result.stderr)


def test_without_the_demo_extra_one_line_names_it(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = call("train", "digits")
    assert result.exit_code == 1
    assert only_line(result.stderr) == "error: scikit-learn is not installed: pip install 'tl-arrayapi[demo]'"


def test_an_output_folder_that_cannot_be_made_exits_1(call, tmp_path):
    (tmp_path / "file").write_text("")
    result = call("train", "digits", "--out", "file/out")
    assert result.exit_code == 1
    assert "--out" in only_line(result.stderr)


# ---- runs
def test_a_run_ends_with_accuracy_digest_and_verdict(call):
    result = call("train", "digits", "--steps", "30", "--seed", "3")
    assert result.exit_code == 0
    *_, accuracy, parameters, verdict = result.stdout.splitlines()
    expected = trained(Settings(steps=30, seed=3))
    assert accuracy == f"test accuracy: {expected.accuracies[30]:.4f}"
    assert parameters == f"parameters:    sha256 {expected.module.digest()}"
    assert verdict == "workers 1, 2, 3: same bits: yes"


def test_the_default_folder_gets_all_files(call, tmp_path):
    assert call("train", "digits", "--steps", "2").exit_code == 0
    names = {path.name for path in (tmp_path / "runs" / "digits").iterdir()}
    assert names == {"checkpoint.safetensors", "settings.json", "losses.csv", "loss.png"}


def test_json_is_one_object_on_standard_output_and_nothing_else(call, tmp_path):
    result = call("train", "digits", "--steps", "12", "--json", "--out", "here")
    assert result.exit_code == 0
    found, expected = json.loads(result.stdout), trained(Settings(steps=12))
    assert found["losses"] == expected.losses
    assert found["digest"] == expected.module.digest()
    assert found["accuracy"] == expected.accuracies[12]
    assert found["same_bits"] is True
    assert set(found["mean_loss_on_workers"].values()) == {found["mean_loss"]}
    assert (found["namespace"], found["dtype"], found["seed"], found["steps"]) == ("numpy", "float32", 0, 12)
    assert (tmp_path / found["checkpoint"]).is_file()
    assert (tmp_path / found["picture"]).is_file()


def test_a_run_replaces_the_files_of_the_one_before(call, tmp_path):
    call("train", "digits", "--steps", "2", "--out", "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    call("train", "digits", "--steps", "3", "--out", "out")
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(before) == set(after)
    assert not set(before.values()) & set(after.values())


def test_different_bits_exit_1_and_say_so(call):
    call.error = 1e-15
    result = call("train", "digits", "--steps", "2")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "workers 1, 2, 3: same bits: no"
    assert "depends on where it is computed" in result.stderr.splitlines()[-1]


def test_an_accuracy_below_the_promise_exits_1_and_says_so(call, monkeypatch):
    monkeypatch.setattr(digits_command, "PROMISED_ACCURACY", 1.0)
    result = call("train", "digits")
    assert result.exit_code == 1
    assert "test accuracy" in result.stderr.splitlines()[-1]
    assert "promised" in result.stderr.splitlines()[-1]


def test_no_accuracy_is_promised_for_another_recipe(call, monkeypatch):
    monkeypatch.setattr(digits_command, "PROMISED_ACCURACY", 1.0)
    assert call("train", "digits", "--steps", "5").exit_code == 0


# ---- going on
def test_a_resumed_run_takes_the_settings_of_the_one_before(call):
    call("train", "digits", "--steps", "5", "--seed", "7", "--optimizer", "sgd", "--lr", "0.1", "--out", "first")
    result = call(
        "train", "digits", "--resume", "first/checkpoint.safetensors", "--steps", "9", "--out", "second", "--json"
    )
    found, expected = json.loads(result.stdout), trained(Settings(steps=9, seed=7, optimizer="sgd", lr=0.1))
    assert found["losses"] == expected.losses
    assert found["digest"] == expected.module.digest()
    assert found["checkpoint"].startswith("second")


def test_a_resumed_run_goes_on_in_the_folder_of_its_checkpoint(call):
    call("train", "digits", "--steps", "2", "--out", "first")
    result = call("train", "digits", "--resume", "first/checkpoint.safetensors", "--json")
    assert json.loads(result.stdout)["checkpoint"] == os.path.join("first", "checkpoint.safetensors")


def test_a_finished_run_that_is_resumed_takes_no_step(call):
    first = json.loads(call("train", "digits", "--steps", "4", "--json").stdout)
    again = json.loads(call("train", "digits", "--resume", first["checkpoint"], "--json").stdout)
    assert {**again, "seconds": 0} == {**first, "seconds": 0}


@pytest.mark.parametrize("words", [["--seed", "1"], ["--batch-size", "32"], ["--lr", "0.1"], ["--dtype", "float64"]])
def test_what_would_change_the_steps_to_come_is_refused(call, tmp_path, words):
    call("train", "digits", "--steps", "2", "--out", "first")
    before = {path: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    result = call("train", "digits", "--resume", "first/checkpoint.safetensors", *words)
    assert result.exit_code == 2
    assert words[0] in only_line(result.stderr)
    assert {path: path.read_bytes() for path in (tmp_path / "first").iterdir()} == before


def test_a_checkpoint_without_its_settings_goes_on_with_those_given(call, tmp_path):
    call("train", "digits", "--steps", "4", "--seed", "7")
    folder = tmp_path / "runs" / "digits"
    (folder / "settings.json").unlink()
    result = call(
        "train", "digits", "--resume", str(folder / "checkpoint.safetensors"), "--seed", "7", "--steps", "6", "--json"
    )
    assert json.loads(result.stdout)["digest"] == trained(Settings(steps=6, seed=7)).module.digest()


def test_a_file_that_is_no_checkpoint_exits_1(call, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    result = call("train", "digits", "--resume", "x.safetensors")
    assert result.exit_code == 1
    assert "x.safetensors" in only_line(result.stderr)


# ---- real processes
@pytest.mark.slow
def test_a_real_run_compares_real_clusters(tmp_path):
    words = ["train", "digits", "--steps", "20", "--json"]
    done = subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["same_bits"] is True
    assert list(found["mean_loss_on_workers"]) == ["1", "2", "3"]
    assert "\x1b" not in done.stderr
    assert all(line.startswith(("training ", "mean loss ")) for line in done.stderr.splitlines()), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_a_checkpoint_from_which_the_printed_line_goes_on_to_the_same_bits(tmp_path):
    words = ["train", "digits", "--steps", "20000", "--seed", "5", "--out", "a folder"]
    with subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=ENVIRONMENT
    ) as process:
        assert process.stderr.readline().startswith("training 2000/20000")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    command = only_line(out)
    assert shlex.split(command)[-2:] == ["--resume", os.path.join("a folder", "checkpoint.safetensors")]
    steps = int(err.splitlines()[-1].split("after step ")[1].split()[0]) + 5
    done = subprocess.run(
        f"{command} --steps {steps} --json",
        shell=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), trained(Settings(steps=steps, seed=5))
    assert found["losses"] == expected.losses
    assert found["digest"] == expected.module.digest()


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "dask", "array_api_strict"])
def test_the_whole_command_keeps_its_promises(tmp_path, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    words = ["train", "digits", "--namespace", library]
    done = subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "workers 1, 2, 3: same bits: yes"
    assert float(done.stdout.splitlines()[-3].split()[-1]) >= 0.95


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to signal")
@pytest.mark.parametrize("delay", [0.2, 1.0, 2.0])
def test_ctrl_c_at_a_terminal_ends_the_clusters_without_a_traceback(tmp_path, delay):
    words = [*PROGRAM, "train", "digits", "--steps", "10"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        start_new_session=True,
    ) as process:
        while not process.stderr.readline().startswith("mean loss 1/4"):
            pass
        time.sleep(delay)
        # A terminal signals the workers, too.
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in only_line(out)
    assert "Traceback" not in err


def test_an_interruption_that_was_dealt_with_leaves_the_exit_status(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, tl_arrayapi.cli\n"
        "def main(**keywords):\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
        "tl_arrayapi.cli.main = main\n"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(PROGRAM, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.slow
def test_jax_trains_in_float64_unasked(tmp_path):
    pytest.importorskip("jax")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "JAX_ENABLE_X64"}
    words = ["train", "digits", "--namespace", "jax", "--dtype", "float64", "--steps", "3", "--json"]
    done = subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["losses"] == pytest.approx(trained(Settings(dtype="float64", steps=3)).losses, rel=1e-12)
    assert found["same_bits"] is True
