"""Losses by their names on the command line, and the modules that they make with a checkpoint."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.cli.losses import dtype_of, load_loss, restored
from tl_arrayapi.errors import ArgumentError, CheckpointError

SOURCE = """
import tl_arrayapi as tl

FACTOR = 3.0
number = 5

def scaled(x):
    return FACTOR * x

def loss(w, b, x):
    return scaled(w * x + b)

def swapped(b, w, x):
    return loss(w, b, x)

def many(*params):
    return params[0]

definition = tl.ScalarModuleDef(lambda p, q, x: p * x + q, param_shapes=[(), ()], param_names=["w", "b"])
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "losses.py").write_text(SOURCE)
    return tmp_path / "losses.py"


@pytest.fixture
def checkpoint(tmp_path):
    tl.ScalarModuleDef(lambda w, b, x: w * x + b, init_params=[2.0, 1.0]).instantiate(dtype="float64").save(
        tmp_path / "m.safetensors"
    )
    return tmp_path / "m.safetensors"


def value(module, x=10.0):
    return float(module.forward([np.asarray(x)]))


OPTIONS = tl.Options(dtype="float64", lazy=True)


def test_a_loss_of_a_file_and_a_checkpoint_make_a_module(file, checkpoint):
    module = restored(load_loss(f"{file}:loss"), checkpoint, OPTIONS)
    assert value(module) == 63.0
    assert module.options.dtype == dtype_of(checkpoint) == "float64"


def test_parameters_go_to_the_arguments_of_their_names(file, checkpoint):
    assert value(restored(load_loss(f"{file}:swapped"), checkpoint, OPTIONS)) == 63.0


def test_a_definition_says_itself_what_its_parameters_are(file, checkpoint):
    assert value(restored(load_loss(f"{file}:definition"), checkpoint, OPTIONS)) == 21.0


def test_a_loss_of_an_installed_module_is_found_by_its_name():
    assert load_loss("tests.distributed.problems:squared_error").__name__ == "squared_error"


def test_a_loss_of_a_file_is_pickled_whole(file, tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")
    (tmp_path / "loss.pickle").write_bytes(cloudpickle.dumps(load_loss(f"{file}:loss")))
    file.unlink()
    code = f"import pickle; print(pickle.load(open({str(tmp_path / 'loss.pickle')!r}, 'rb'))(2.0, 1.0, 10.0))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "63.0\n"


def test_what_is_no_name_of_a_loss_is_refused(file):
    with pytest.raises(ArgumentError, match=r"FILE\.py:NAME"):
        load_loss(str(file))
    with pytest.raises(ArgumentError, match=r"no function.*'lost'"):
        load_loss(f"{file}:lost")
    with pytest.raises(ArgumentError, match=r"no function.*'number'"):
        load_loss(f"{file}:number")
    with pytest.raises(ArgumentError, match=r"nowhere\.py cannot be loaded \(FileNotFoundError"):
        load_loss("nowhere.py:loss")
    with pytest.raises(ArgumentError, match=r"no_such_module cannot be loaded \(ModuleNotFoundError"):
        load_loss("no_such_module:loss")


def test_a_file_that_fails_is_named_and_leaves_no_module(tmp_path):
    file = tmp_path / "failing.py"
    file.write_text("1 / 0")
    before = set(sys.modules)
    with pytest.raises(ArgumentError, match=r"failing\.py cannot be loaded \(ZeroDivisionError"):
        load_loss(f"{file}:loss")
    assert set(sys.modules) == before


def test_a_loss_with_arguments_of_other_names_is_told_to_give_a_definition(file, checkpoint):
    with pytest.raises(CheckpointError, match=r"parameters w, b.*not named.*ScalarModuleDef"):
        restored(load_loss(f"{file}:many"), checkpoint, OPTIONS)
    with pytest.raises(CheckpointError, match=r"parameters w, b.*are x.*ScalarModuleDef"):
        restored(load_loss(f"{file}:scaled"), checkpoint, OPTIONS)


def test_a_checkpoint_of_several_dtypes_wants_one_said(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"w": np.ones(2, "float32"), "b": np.ones(2)}, tmp_path / "both.safetensors")
    with pytest.raises(ArgumentError, match=r"float32, float64.*--dtype"):
        dtype_of(tmp_path / "both.safetensors")


def test_what_is_no_checkpoint_is_refused(file, tmp_path):
    (tmp_path / "m.pickle").write_bytes(pickle.dumps([1.0]))
    with pytest.raises(CheckpointError, match="pickle"):
        restored(load_loss(f"{file}:loss"), tmp_path / "m.pickle", OPTIONS)
