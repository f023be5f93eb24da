"""The training run: its steps, its order of batches, and going on from a checkpoint to the same bits."""

import io
import math
import threading

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.libraries import load
from tl_arrayapi.cli import digits
from tl_arrayapi.cli.folder import Folder
from tl_arrayapi.cli.settings import Settings
from tl_arrayapi.cli.training import Training
from tl_arrayapi.errors import ArgumentError, CheckpointError, DTypeError, StructureError
from tl_arrayapi.report.progress import Lines


class Stop(threading.Event):
    """An event that sets itself after it was asked ``times``."""

    def __init__(self, times: float = math.inf) -> None:
        super().__init__()
        self._left = times

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def trained(settings: Settings, stop_after: float = math.inf) -> Training:
    training = Training(settings)
    training.run(Lines(io.StringIO()), Stop(stop_after))
    return training


def test_the_losses_are_those_of_the_modules_own_steps_over_minibatches():
    training = trained(Settings(steps=30, batch_size=64))
    module = digits.definition().instantiate_float_with_runtime_plan(tl.Options(), digits.plan(0))
    optimizer, losses = tl.optim.adam(0.01), []
    state = module.init_optim(optimizer)
    samples = digits.load(0).training
    for epoch in range(2):
        for xs in tl.minibatches(samples, 64, 0, epoch):
            if len(losses) < 30:
                state, loss = module.step_with_loss(optimizer, state, module.asarrays(xs))
                losses.append(float(loss))
    assert training.losses == losses
    assert all(np.array_equal(a, b) for a, b in zip(training.module.params, module.params, strict=True))


def test_the_loss_falls_and_the_accuracy_rises():
    training = trained(Settings(steps=60))
    assert training.losses[0] > 2.0
    assert np.mean(training.losses[-10:]) < 0.3
    assert training.done
    assert list(training.accuracies) == list(range(3, 61, 3))
    assert training.accuracies[60] > 0.9


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (*range(1, 20), 2**64 - 1))])
def test_the_promised_accuracy_is_reached(seed):
    training = trained(Settings(seed=seed))
    assert digits.accuracy(training.module, training.data.held_out) >= 0.95


@pytest.mark.parametrize("stop_after", [0, 10, 23, 35])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, stop_after, optimizer):
    settings = Settings(steps=40, batch_size=64, optimizer=optimizer, seed=5)
    whole, stopped, folder = trained(settings), trained(settings, stop_after), Folder(tmp_path)
    assert stopped.step == stop_after
    assert not stopped.done
    stopped.save(folder)
    resumed = Training(settings)
    resumed.resume(folder.checkpoint)
    assert resumed.losses == stopped.losses
    resumed.run(Lines(io.StringIO()), Stop())
    assert resumed.losses == whole.losses
    assert resumed.module.digest() == whole.module.digest()


def test_a_run_may_stop_and_go_on_many_times(tmp_path):
    settings, folder = Settings(steps=6, batch_size=300), Folder(tmp_path)
    whole = trained(settings)
    trained(settings, 0).save(folder)
    for _ in range(6):
        training = Training(settings)
        training.resume(folder.checkpoint)
        training.run(Lines(io.StringIO()), Stop(1))
        training.save(folder)
    assert training.done
    assert training.module.digest() == whole.module.digest()


def test_a_run_goes_on_with_more_steps(tmp_path):
    short, long = Settings(steps=8), Settings(steps=15)
    training, folder = trained(short), Folder(tmp_path)
    training.save(folder)
    resumed = Training(long)
    resumed.resume(folder.checkpoint)
    resumed.run(Lines(io.StringIO()), Stop())
    assert resumed.module.digest() == trained(long).module.digest()


def test_a_run_goes_on_from_a_checkpoint_in_shards(tmp_path):
    settings = Settings(steps=6, batch_size=300)
    stopped = trained(settings, 3)
    index = tmp_path / "checkpoint.index.json"
    stopped.module.save(index, stopped._state, stopped.step, shard_size=10_000)
    assert len(list(tmp_path.iterdir())) > 2
    resumed = Training(settings)
    resumed.resume(index)
    resumed.run(Lines(io.StringIO()), Stop())
    assert resumed.module.digest() == trained(settings).module.digest()


def test_a_checkpoint_beyond_the_steps_asked_for_is_refused(tmp_path):
    folder = Folder(tmp_path)
    trained(Settings(steps=8)).save(folder)
    with pytest.raises(ArgumentError, match="step 8"):
        Training(Settings(steps=7)).resume(folder.checkpoint)


def test_a_checkpoint_without_an_optimiser_is_refused(tmp_path):
    training = Training(Settings())
    training.module.save(tmp_path / "m.safetensors", step=3)
    with pytest.raises(CheckpointError, match="optimiser"):
        training.resume(tmp_path / "m.safetensors")


def test_a_checkpoint_of_another_dtype_is_refused(tmp_path):
    folder = Folder(tmp_path)
    trained(Settings(steps=2, dtype="float64")).save(folder)
    with pytest.raises((CheckpointError, DTypeError)):
        Training(Settings(steps=4)).resume(folder.checkpoint)


def test_a_checkpoint_of_another_optimiser_is_refused(tmp_path):
    folder = Folder(tmp_path)
    trained(Settings(steps=2, optimizer="sgd")).save(folder)
    training = Training(Settings(steps=4, optimizer="adam"))
    training.resume(folder.checkpoint)
    with pytest.raises(StructureError):
        training.run(Lines(io.StringIO()), Stop())


def test_a_loss_that_is_not_finite_stops_the_run_and_says_what_to_change():
    with np.errstate(all="ignore"), pytest.raises(ArgumentError, match="--lr"):
        trained(Settings(steps=50, optimizer="sgd", lr=1e30))


def test_the_digest_is_that_of_the_plan_before_any_step():
    for dtype in ("float16", "float32", "float64"):
        assert Training(Settings(seed=4, dtype=dtype)).module.digest() == digits.plan(4).digest(dtype=dtype)


def test_the_digest_depends_on_every_bit():
    training = Training(Settings())
    before, params = training.module.digest(), training.module.params
    params[2][3, 7] = np.nextafter(params[2][3, 7], np.float32(np.inf))
    training.module.set_params(params)
    assert training.module.digest() != before


def test_the_folder_holds_what_the_run_left(tmp_path):
    settings, folder = Settings(steps=5, seed=9), Folder(tmp_path / "runs" / "digits")
    training = trained(settings)
    training.save(folder)
    assert folder.read_settings() == settings
    assert folder.read_losses(upto=5) == training.losses
    assert folder.picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in folder.path.iterdir()} == {
        "checkpoint.safetensors",
        "settings.json",
        "losses.csv",
        "loss.png",
    }


@pytest.mark.parametrize("steps", [20, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "library", ["torch", "jax", "dask", "array_api_strict", pytest.param("cupy", marks=pytest.mark.gpu)]
)
def test_every_library_takes_the_same_steps(library, steps):
    load(library)  # skips where it is not installed
    found = trained(Settings(namespace=library, steps=steps))
    expected = trained(Settings(steps=steps))
    assert max(abs(a - b) for a, b in zip(found.losses, expected.losses, strict=True)) < 1e-4
    if steps == 600:
        assert digits.accuracy(found.module, found.data.held_out) >= 0.95
