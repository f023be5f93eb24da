"""A process killed at any moment of a save leaves the old checkpoint or the new one, whole."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tl_arrayapi.storage import load, save

# Forks a saver for each line that it is given, which is quicker than to start one: it saves version after version, in
# shards, in one file or by turns, and tells each before it begins.
SERVER = """
import os, sys, tempfile
import numpy
from tl_arrayapi import storage

# The first save of a process loads what the others find.
with tempfile.TemporaryDirectory() as folder:
    storage.save(os.path.join(folder, "first"), {"x": numpy.zeros(10**6)}, shard_size=1)

for line in sys.stdin:
    path, version, size, form = line.rstrip("\\n").split("\\t")
    version, size = int(version), int(size)
    saver = os.fork()
    while not saver:
        version += 1
        tensors = {f"p{i}": numpy.full(size, 10 * version + i) for i in range(4)}
        sharded = {"one": False, "shards": True, "turns": version % 2 == 0}[form]
        os.write(1, f"{version} {os.getpid()}\\n".encode())
        storage.save(path, tensors, {"version": str(version)}, shard_size=2 * size * 8 if sharded else None)
    os.waitpid(saver, 0)
    os.write(1, b"dead\\n")
"""


@pytest.fixture(scope="module")
def server():
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.stdin.close()


def killed(server, path, version, size, form, wait):
    """Save from ``version`` on, kill the saver after a while, and return the version that it had begun."""
    server.stdin.write(f"{path}\t{version}\t{size}\t{form}\n")
    server.stdin.flush()
    begun, saver = map(int, server.stdout.readline().split())
    time.sleep(wait)
    os.kill(saver, signal.SIGKILL)
    while (line := server.stdout.readline()) != "dead\n":
        begun = int(line.split()[0])
    return begun


def version_of(path):
    """Return the version of the checkpoint that is there, which must be sound, and of one version alone."""
    tensors, metadata = load(path)
    version = int(metadata["version"])
    assert list(tensors) == [f"p{i}" for i in range(4)]
    for i, x in enumerate(tensors.values()):
        np.testing.assert_array_equal(x, 10 * version + i)
    return version


@pytest.mark.parametrize("times", [6, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", ["one", "shards", "turns"])
def test_a_killed_process_leaves_the_old_checkpoint_or_the_new_one(server, path, form, times):
    chance = random.Random(f"{form} {times}")
    save(path, {f"p{i}": np.full(3, i) for i in range(4)}, {"version": "0"})
    version = 0
    for _ in range(times):
        begun = killed(server, path, version, chance.choice([10, 10_000, 200_000]), form, chance.uniform(0, 0.06))
        found = version_of(path)
        assert found in (begun - 1, begun)
        version = found
    # They were killed in the first of their saves, and after some.
    assert version >= 100 or times < 200
    save(path, {})
    assert os.listdir(path.parent) == [path.name]
