"""Mean losses over many rows, on local clusters and by everyone else: seconds, one number a round.

Arrays are held by the workers, or are files that whoever works reads. Everyone's mean is held to that in float64.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.by_block import CASES, Case
from benchmarks.check import WrongResultError

__all__ = ["CHUNKS", "LOADED", "LOOPED", "MANY", "PARTS", "cluster_of", "cores_seconds", "files", "in_turn"]

CHUNKS = 64
MANY = {"mlp": 2_000_000, "logistic": 10_000_000, "linear": 10_000_000}
LOOPED = 20_000
LOADED = 200_000
BATCH = 1024
MEMORY = "3GiB"

Steps = dict[str, Callable[[], Any]]


@contextmanager
def cluster_of(workers: int, memory: str = MEMORY) -> Iterator[Any]:
    """Give a client of a cluster of so many processes with one thread each, on loopback."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def in_turn(steps: Steps, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of one call of each of ``steps`` in each round; each round begins with another."""
    for step in steps.values():
        step()
    found: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = perf_counter()
            steps[name]()
            found[name].append(perf_counter() - start)
    return found


def _checked(steps: Steps, truth: float) -> Steps:
    """Raise unless all are near ``truth``."""
    for name, step in steps.items():
        found = float(step())
        if not abs(found - truth) <= 1e-5 * abs(truth):
            raise WrongResultError(f"{name}: the mean is {found!r}, and {truth!r} is expected")
    return steps


# ---- next to Dask by hand
def _block(name: str, size: int, which: int, block: tuple[int, ...]) -> np.ndarray:
    return CASES[name].rows(size, seed=block[0])[which]


def _held(client: Any, name: str, rows: int) -> tuple[Any, Any]:
    """Return the inputs in equal chunks, made and held by the workers."""
    import dask.array as da
    from distributed import wait

    size = rows // CHUNKS

    def made(which: int, block_info: Any = None) -> np.ndarray:
        return _block(name, size, which, block_info[None]["chunk-location"])

    shapes = CASES[name].inputs
    arrays = [
        da.map_blocks(
            made,
            which,
            chunks=((size,) * CHUNKS, *((n,) for n in shape)),
            dtype=np.float32,
            meta=np.empty((0,) * (1 + len(shape)), np.float32),
        )
        for which, shape in enumerate(shapes)
    ]
    held = client.persist(arrays)
    with client.as_current():
        wait(held)
    return held[0], held[1]


def _sum_of_block(losses: Callable[..., np.ndarray], *blocks: np.ndarray) -> np.ndarray:
    return np.asarray([losses(*blocks).sum(dtype=np.float64)])


def _losses_of_block(losses: Callable[..., np.ndarray], *blocks: np.ndarray) -> np.ndarray:
    return losses(*blocks)


def _by_hand(client: Any, case: Case, x: Any, y: Any) -> Steps:
    """Return what one writes with Dask: losses by block and their mean, sums of blocks and their tree, and sums of
    blocks as futures.
    """
    import dask.array as da

    losses, rows = case.losses, x.shape[0]
    target = "ik" if y.ndim == 2 else "i"

    def mean() -> float:
        each = da.blockwise(_losses_of_block, "i", losses, None, x, "ij", y, target, dtype=np.float32, concatenate=True)
        return float(client.compute(each.mean(dtype=np.float64, split_every=8)).result())

    def tree() -> float:
        sums = da.blockwise(
            _sum_of_block,
            "i",
            losses,
            None,
            x,
            "ij",
            y,
            target,
            dtype=np.float64,
            concatenate=True,
            adjust_chunks={"i": 1},
        )
        return float(client.compute(sums.sum(split_every=8)).result()) / rows

    blocks = [_blocks(array) for array in (x, y)]

    def futures() -> float:
        sums = client.map(partial(_sum_of_block, losses), *blocks, pure=False)
        return float(np.sum(client.gather(sums))) / rows

    return {"mean by hand": mean, "tree by hand": tree, "futures by hand": futures}


def _blocks(array: Any) -> list[Any]:
    """Return the futures of an array's blocks, in their order."""
    from distributed import futures_of

    held = {future.key: future for future in futures_of(array)}
    return [held[key] for key in sorted(held)]


def next_to_dask(rounds: int) -> dict[str, Any]:
    """Time exact and fast mean losses next to Dask by hand, over the same blocks on two workers."""
    from tl_arrayapi.distributed import mean_loss

    found = {}
    with cluster_of(2) as client:
        for name in ("mlp", "logistic"):
            case = CASES[name]
            x, y = _held(client, name, MANY[name])
            module = case.module()
            hand = _by_hand(client, case, x, y)
            steps = {
                "exact": lambda module=module, x=x, y=y: mean_loss(module, (x, y), client),
                "fast": lambda module=module, x=x, y=y: mean_loss(module, (x, y), client, exact=False),
                **hand,
            }
            found[name] = in_turn(_checked(steps, hand["tree by hand"]()), rounds)
            del x, y, hand, steps
    return {"seconds": found}


# ---- next to a loop
def next_to_a_loop(rounds: int) -> dict[str, Any]:
    """Time a mean loss in this process next to looping forward over the samples."""
    import tl_arrayapi as tl

    found = {}
    for name in ("mlp", "logistic"):
        case = CASES[name]
        arrays = case.rows(LOOPED)
        samples = tl.stack_samples(*arrays)
        module = case.module()
        steps: Steps = {"mean_loss": lambda module=module, samples=samples: module.mean_loss(samples)}
        for way in ("eager", "compiled"):
            module = case.module(way)
            steps[f"loop, {way}"] = lambda module=module, samples=samples: (
                sum(float(module.forward(xs)) for xs in samples) / len(samples)
            )
        found[name] = in_turn(_checked(steps, case.mean(arrays)), rounds)
    return {"seconds": found}


# ---- next to bare processes
@contextmanager
def files(case: Case, rows: int) -> Iterator[tuple[str, str]]:
    """Give the paths of the inputs, written block by block."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{part}.npy") for part in "xy"]
        mapped = [
            np.lib.format.open_memmap(path, "w+", np.float32, (rows, *shape))
            for path, shape in zip(paths, case.inputs, strict=True)
        ]
        size = rows // CHUNKS
        for i in range(CHUNKS):
            for array, block in zip(mapped, case.rows(size, seed=i), strict=True):
                array[i * size : (i + 1) * size] = block
        del mapped
        yield paths[0], paths[1]


def _bare(connection: Any, name: str, paths: tuple[str, str], low: int, high: int) -> None:
    """Evaluate some rows of the files whenever asked, in a process of its own."""
    import tl_arrayapi as tl

    module = CASES[name].module()
    samples = tl.stack_samples(*(np.load(path, mmap_mode="r")[low:high] for path in paths))
    while connection.recv():
        connection.send(module.mean_loss(samples))


@contextmanager
def _bare_processes(name: str, paths: tuple[str, str], rows: int, count: int) -> Iterator[Callable[[], float]]:
    """Give what asks ``count`` processes for the mean losses of their shares, and returns the mean of these."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for i in range(count):
        here, there = context.Pipe()
        share = (i * rows // count, (i + 1) * rows // count)
        process = context.Process(target=_bare, args=(there, name, paths, *share), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)

    def ask() -> float:
        for pipe in pipes:
            pipe.send(True)
        return sum(pipe.recv() for pipe in pipes) / count

    try:
        yield ask
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(False)
            process.join()


def next_to_bare_processes(rounds: int) -> dict[str, Any]:
    """Time two workers of a cluster next to two bare processes with half the rows each, all reading the same files."""
    from tl_arrayapi.distributed import mean_loss

    case, rows = CASES["mlp"], MANY["mlp"]
    with (
        files(case, rows) as paths,
        _bare_processes("mlp", paths, rows, 1) as one,
        _bare_processes("mlp", paths, rows, 2) as two,
        cluster_of(2) as client,
    ):
        module = case.module()
        steps: Steps = {"1 bare": one, "2 bare": two, "2 workers": lambda: mean_loss(module, paths, client)}
        return {"seconds": in_turn(_checked(steps, two()), rounds)}


# ---- processor time
def cores_seconds() -> float:
    """Return the processor time that this process and those it has started have taken."""
    import psutil

    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def _nothing(number: int) -> int:
    return number


def processor_time(rounds: int) -> dict[str, Any]:
    """Compare the processor time of logistic regression's mean loss over 64 chunks of files with one pass by NumPy."""
    from tl_arrayapi.distributed import mean_loss

    case, rows = CASES["logistic"], MANY["logistic"]
    w, b = case.params()

    def plain(paths: tuple[str, str]) -> float:
        x, y = (np.load(path) for path in paths)
        z = x @ w + b
        return float(np.mean(np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z))), dtype=np.float64))

    def by_chunks(paths: tuple[str, str]) -> float:
        x, y = (np.load(path, mmap_mode="r") for path in paths)
        size, losses = rows // CHUNKS, case.losses
        return sum(float(losses(x[i : i + size], y[i : i + size]).sum(dtype="f8")) for i in range(0, rows, size)) / rows

    with files(case, rows) as paths, cluster_of(2) as client:
        module = case.module()
        size = rows // CHUNKS
        steps: Steps = {
            "NumPy": lambda: plain(paths),
            "NumPy by chunks": lambda: by_chunks(paths),
            "exact": lambda: mean_loss(module, paths, client, chunk_size=size),
            "fast": lambda: mean_loss(module, paths, client, chunk_size=size, exact=False),
            "exact, chunks as they suit": lambda: mean_loss(module, paths, client),
            "in process": lambda: mean_loss(module, paths, chunk_size=size),
        }
        _checked(steps, by_chunks(paths))
        steps["Dask, tasks that do nothing"] = lambda: client.gather(client.map(_nothing, range(CHUNKS), pure=False))
        found: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, step in steps.items():
                before = cores_seconds()
                step()
                found[name].append(cores_seconds() - before)
        return {"seconds": found}


# ---- next to libraries
def next_to_libraries(rounds: int) -> dict[str, Any]:
    """Time the mean squared error of a linear model next to scikit-learn and dask-ml."""
    from tl_arrayapi.distributed import mean_loss

    case, rows, notes = CASES["linear"], MANY["linear"], {}
    w, b = case.params()
    module = case.module()
    with cluster_of(2) as client:
        x, y = _held(client, "linear", rows)
        steps: Steps = {
            "exact": lambda: mean_loss(module, (x, y), client),
            "fast": lambda: mean_loss(module, (x, y), client, exact=False),
        }
        try:
            from dask_ml.metrics import mean_squared_error
        except ImportError as error:
            notes["dask-ml"] = str(error)
        else:
            steps["dask-ml"] = lambda: float(client.compute(mean_squared_error(y, x @ w + b, compute=False)).result())
        truth = _by_hand(client, case, x, y)["tree by hand"]()
        found = in_turn(_checked(steps, truth), rounds)
        here = client.compute([x, y], sync=True)
    import tl_arrayapi as tl

    samples = tl.stack_samples(*here)
    alone: Steps = {"in process": lambda: module.mean_loss(samples)}
    try:
        from sklearn.metrics import mean_squared_error as of_sklearn
    except ImportError as error:
        notes["scikit-learn"] = str(error)
    else:
        alone["scikit-learn"] = lambda: of_sklearn(here[1], here[0] @ w + b)
    return {"seconds": {**found, **in_turn(_checked(alone, truth), rounds)}, "notes": notes}


def next_to_torch(rounds: int) -> dict[str, Any]:
    """Time the network's mean loss next to PyTorch's loop over a DataLoader of batches of 1024."""
    import tl_arrayapi as tl

    try:
        import torch
        from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset
    except ImportError as error:
        return {"note": str(error)}
    case = CASES["mlp"]
    arrays = case.rows(LOADED)
    data = TensorDataset(*map(torch.from_numpy, arrays))
    w1, b1, w2, b2 = map(torch.from_numpy, case.params())

    @torch.inference_mode()
    def over(loader: Any) -> float:
        total = 0.0
        for x, y in loader:
            z = torch.addmm(b2, torch.tanh(torch.addmm(b1, x, w1)), w2)
            total += float(torch.nn.functional.cross_entropy(z, y, reduction="sum"))
        return total / LOADED

    batches = BatchSampler(SequentialSampler(data), BATCH, drop_last=False)
    processes = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "spawn"}
    loaders = {
        "DataLoader": DataLoader(data, batch_size=BATCH),
        "DataLoader, 2 processes": DataLoader(data, batch_size=BATCH, **processes),
        "DataLoader, batches at once": DataLoader(data, sampler=batches, batch_size=None),
    }
    module, samples = case.module(), tl.stack_samples(*arrays)
    steps: Steps = {"in process": lambda: module.mean_loss(samples)}
    steps |= {name: lambda loader=loader: over(loader) for name, loader in loaders.items()}
    return {"seconds": in_turn(_checked(steps, case.mean(arrays)), rounds)}


# ---- memory of the client
def memory_of_client(rounds: int) -> dict[str, Any]:
    """Measure how far the client's memory grows over a run, for files of so many rows and of eight times as many."""
    from benchmarks.memory import peak_above
    from tl_arrayapi.distributed import mean_loss

    case, found = CASES["mlp"], {}
    with cluster_of(2) as client:
        module = case.module()
        for rows in (MANY["mlp"] // 8, MANY["mlp"]):
            with files(case, rows) as paths:
                mean_loss(module, paths, client)
                found[str(rows)] = peak_above(lambda paths=paths: mean_loss(module, paths, client))
    return {"megabytes": found}


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "dask": next_to_dask,
    "loop": next_to_a_loop,
    "bare": next_to_bare_processes,
    "processor": processor_time,
    "libraries": next_to_libraries,
    "torch": next_to_torch,
    "memory": memory_of_client,
}
