"""What killed processes leave is cleared away by the next save of the same file, and nothing else is."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load, places, save

# Stops for ever where the checkpoint is about to be published, with all of its files there.
STOPPED = """
import sys, time, numpy
from tl_arrayapi import storage
from tl_arrayapi.storage import places
def stop(*args):
    print("here", flush=True)
    time.sleep(60)
places.Draft.publish = stop
storage.save(sys.argv[1], {"a": numpy.ones(3), "b": numpy.ones(3)}, shard_size=8)
"""


@pytest.fixture
def stopped(path):
    """Save a checkpoint, and give a process that is about to replace it by one in shards."""
    save(path, {"x": np.zeros(3)})
    process = subprocess.Popen([sys.executable, "-c", STOPPED, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(path, stopped):
    left = sorted(set(os.listdir(path.parent)) - {path.name})
    assert len(left) == 3
    save(path, {"x": np.ones(3)})
    assert sorted(set(os.listdir(path.parent)) - {path.name}) == left
    stopped.kill()
    stopped.wait()
    other = path.with_name("other.safetensors")
    save(other, {})
    assert sorted(set(os.listdir(path.parent)) - {path.name, other.name}) == left
    save(path, {"x": np.full(3, 2.0)})
    assert sorted(os.listdir(path.parent)) == [path.name, other.name]
    assert load(path)[0]["x"][0] == 2


def test_files_that_only_look_like_drafts_stay(path):
    save(path, {})
    key = places.Draft(str(path))._key
    kept = [
        f".tl_arrayapi-{key}.tmp",
        f".tl_arrayapi-{key}00000000000.tmp",
        f".tl_arrayapi-{key}0000000000000.tmp",
        f".tl_arrayapi-{key}000000000000.tmp.bak",
        f"m-{key}000000000000-00001-of-00001.safetensors",
        ".tl_arrayapi-0123456789ab0123456789ab.tmp",
    ]
    for name in kept:
        (path.parent / name).write_bytes(b"mine")
    (path.parent / f".tl_arrayapi-{key}111111111111.tmp").write_bytes(b"left")
    save(path, {})
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *kept])


def test_where_files_cannot_be_locked_nothing_is_cleared_away(path, monkeypatch):
    monkeypatch.setattr(places, "fcntl", None)
    left = path.parent / f".tl_arrayapi-{places.Draft(str(path))._key}111111111111.tmp"
    left.write_bytes(b"")
    save(path, {"x": np.zeros(3)})
    assert sorted(os.listdir(path.parent)) == sorted([path.name, left.name])
    assert list(load(path)[0]) == ["x"]


def test_a_file_system_without_locks_is_written_to(path, monkeypatch):
    def refuses(descriptor, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(places.fcntl, "flock", refuses)
    save(path, {"x": np.zeros(3)})
    save(path, {"x": np.zeros(3)}, shard_size=8)
    assert list(load(path)[0]) == ["x"]


def test_a_draft_published_while_it_was_looked_at_is_left(path, monkeypatch):
    left = path.parent / f".tl_arrayapi-{places.Draft(str(path))._key}111111111111.tmp"
    left.write_bytes(b"")
    real = places._locked

    def renamed_meanwhile(descriptor):
        if left.exists():
            left.rename(left.with_name("published"))
        return real(descriptor)

    monkeypatch.setattr(places, "_locked", renamed_meanwhile)
    save(path, {})
    assert sorted(os.listdir(path.parent)) == [path.name, "published"]


@pytest.mark.parametrize("length", [1, 200, 255])
def test_any_name_that_the_disk_takes_can_be_written(tmp_path, length):
    path = tmp_path / ("x" * length)
    save(path, {"x": np.zeros(3)})
    assert list(load(path)[0]) == ["x"]
    save(path, {"x": np.zeros(3)}, shard_size=8)
    assert list(load(path)[0]) == ["x"]


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match="Permission denied"):
        save(tmp_path / "m", {})
