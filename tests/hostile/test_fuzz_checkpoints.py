"""Checkpoint files made to harm, by the hundred thousand: our exceptions, or the truth."""

import contextlib
import os

import pytest
import safetensors

import tl_arrayapi as tl
from tests.hostile import sharded_files, state_texts, truth
from tests.hostile.fuzzing import check_message, tried
from tests.hostile.safetensors_files import module, mutated, mutated_checkpoint, reformatted
from tl_arrayapi import storage
from tl_arrayapi.errors import CheckpointError


def check_content(raw, content):
    check_tensors(content, truth.read(raw))
    with contextlib.suppress(safetensors.SafetensorError):  # it has fewer dtypes
        theirs = {name: (tuple(info["shape"]), bytes(info["data"])) for name, info in safetensors.deserialize(raw)}
        assert theirs == {name: (x.shape, x.tobytes()) for name, x in content[0].items()}


def check_tensors(content, said):
    (tensors, metadata), (true, all_metadata) = content, said
    assert list(tensors) == list(true)
    for name, x in tensors.items():
        assert (x.shape, x.dtype, x.tobytes()) == (true[name].shape, true[name].dtype, true[name].tobytes())
    assert metadata == {key: value for key, value in all_metadata.items() if not key.startswith(truth.OWN)}


def try_files(path, seeds, make):
    def load(raw):
        path.write_bytes(raw)
        return storage.load(path, allow_nonfinite=True)

    return tried(seeds, make, load, check_content)


def test_mutated_files_are_refused_or_read_as_what_they_say(scratch):
    seeds = range(700)
    assert 0.02 * len(seeds) < try_files(scratch, seeds, mutated) < 0.5 * len(seeds)


@pytest.mark.slow
def test_many_mutated_files_are_refused_or_read_as_what_they_say(scratch):
    assert try_files(scratch, range(45_000), mutated)


def test_files_that_are_otherwise_written_are_read_as_what_they_say(scratch):
    assert try_files(scratch, range(100), reformatted) == 100


# ---------------------------------------------------------------- several files
def try_folders(path, seeds):
    folder = path.parent

    def load(files):
        for entry in os.scandir(folder):
            os.unlink(entry.path)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return storage.load(folder / sharded_files.INDEX, allow_nonfinite=True)

    def check(files, content):
        check_tensors(content, truth.read_index(files, sharded_files.INDEX))

    return tried(seeds, sharded_files.mutated, load, check)


def test_mutated_checkpoints_of_several_files_are_refused_or_read_as_what_they_say(scratch):
    assert 5 < try_folders(scratch, range(300)) < 150


@pytest.mark.slow
def test_many_mutated_checkpoints_of_several_files_are_refused_or_read_as_what_they_say(scratch):
    assert try_folders(scratch, range(15_000))


# ---------------------------------------------------------------- the optimiser's state
def try_states(seeds):
    def load(raw):
        return storage.unpack_state(state_texts.TENSORS, raw.decode("utf-8", "surrogateescape"))

    def check(raw, state):
        assert shown(state) == shown(state_texts.said(raw.decode("utf-8", "surrogateescape"), state_texts.TENSORS))

    return tried(seeds, state_texts.mutated, load, check)


def shown(state):
    """Return a text of a state that tells 1 from True, tuples from lists, one NaN like another."""
    return repr(state)


def test_mutated_states_are_refused_or_read_as_what_they_say():
    assert 50 < try_states(range(500)) < 250


@pytest.mark.slow
def test_many_mutated_states_are_refused_or_read_as_what_they_say():
    assert try_states(range(15_000))


# ---------------------------------------------------------------- modules
def bits(made):
    return [p.tobytes() for p in made.params]


def try_modules(path, seeds):
    made = module()
    before = bits(made)

    def load(raw):
        path.write_bytes(raw)
        for look in (tl.read_checkpoint, made.compare):
            with contextlib.suppress(CheckpointError):
                check_message(str(look(path)))
        try:
            return made.load(path)
        except CheckpointError:
            assert (bits(made), made.steps_done) == (before, 0)
            raise
        finally:
            assert path.read_bytes() == raw

    def check(raw, loaded):
        nonlocal made
        tensors, metadata = truth.read(raw)
        assert bits(made) == [tensors[name].astype("f4").tobytes() for name in ("w", "b")]
        state, step = loaded
        assert step == made.steps_done == int(metadata["step"])
        kept = {name.removeprefix("optimizer."): x for name, x in tensors.items() if name.startswith("optimizer.")}
        assert shown(state) == shown(state_texts.said(metadata["optimizer"], kept))
        made = module()

    return tried(seeds, mutated_checkpoint, load, check)


def test_modules_refuse_mutated_checkpoints_and_stay_as_they_were_or_take_what_they_say(scratch):
    assert 5 < try_modules(scratch, range(300)) < 150


@pytest.mark.slow
def test_modules_refuse_many_mutated_checkpoints_and_stay_as_they_were_or_take_what_they_say(scratch):
    assert try_modules(scratch, range(5_000))
