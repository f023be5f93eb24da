"""Save and load a checkpoint of two gigabytes next to what the disk does with as many plain bytes.

All write to a place where nothing is, once the disk has nothing else to do, and read what it has in memory; files of
safetensors' own library are written without waiting for the disk.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy

import tl_arrayapi as tl

__all__ = ["COUNT", "READS", "SIZE", "WRITES", "measure"]

COUNT = 32
SIZE = 64 << 20

WRITES = {
    "raw": "write, and fsync",
    "ours": "module.save, one file",
    "shards": "module.save, shards of 512 MB",
    "safetensors": "safetensors, save_file, without fsync",
}
READS = {
    "raw": "read into fresh memory",
    "ours": "module.load, one file",
    "shards": "module.load, shards of 512 MB",
    "safetensors": "safetensors, load_file",
}


def measure(rounds: int) -> dict[str, Any]:
    """Return the seconds of everyone's writes and reads, a number a round."""
    notes = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module = _module()
        steps = {"write": _writes(module, folder), "read": _reads(module, folder)}
        try:
            import safetensors.numpy

            named = dict(zip(module.param_names, module.params, strict=True))
            steps["write"]["safetensors"] = lambda: safetensors.numpy.save_file(named, folder / "safetensors")
            steps["read"]["safetensors"] = lambda: safetensors.numpy.load_file(folder / "safetensors")
        except ImportError as error:
            notes["safetensors"] = f"{error}"
        seconds: dict[str, dict[str, list[float]]] = {way: {name: [] for name in each} for way, each in steps.items()}
        for i in range(rounds):
            for way, each in steps.items():
                names = [*each]
                # Each round begins with another.
                for who in names[i % len(names) :] + names[: i % len(names)]:
                    if way == "write":
                        _removed(folder, who)
                    seconds[way][who].append(_timed(each[who]))
    return {"seconds": seconds, "notes": notes, "bytes": COUNT * SIZE}


def _module() -> tl.ScalarModule:
    shapes = [(SIZE // 4,)] * COUNT
    inits = [tl.init.uniform(-1.0, 1.0, seed=i) for i in range(COUNT)]
    names = [f"p{i}" for i in range(COUNT)]
    return tl.ScalarModuleDef(
        lambda *ps: ps[0][0], plan=tl.init.Plan(shapes, inits, names), param_names=names
    ).instantiate()


def _writes(module: tl.ScalarModule, folder: Path) -> dict[str, Callable[[], Any]]:
    arrays = module.params

    def raw() -> None:
        with open(folder / "raw", "wb") as file:
            for x in arrays:
                file.write(x.view("u1"))
            file.flush()
            os.fsync(file.fileno())

    return {
        "raw": raw,
        "ours": lambda: module.save(folder / "ours"),
        "shards": lambda: module.save(folder / "shards.json", shard_size=max(SIZE, 512 << 20)),
    }


def _reads(module: tl.ScalarModule, folder: Path) -> dict[str, Callable[[], Any]]:
    def raw() -> None:
        memory = memoryview(numpy.empty(COUNT * SIZE, "u1"))
        with open(folder / "raw", "rb", buffering=0) as file:
            done = 0
            while done < len(memory):
                done += file.readinto(memory[done:]) or 0

    return {
        "raw": raw,
        "ours": lambda: module.load(folder / "ours"),
        "shards": lambda: module.load(folder / "shards.json"),
    }


def _removed(folder: Path, who: str) -> None:
    for path in folder.glob(f"{who}*"):
        path.unlink()
    os.sync()


def _timed(step: Callable[[], Any]) -> float:
    start = perf_counter()
    step()
    return perf_counter() - start
