"""Show that a mean loss, its receipt and trained parameters are the same bits wherever, and however, they are computed.

    python examples/same_bits.py

In this process, and on clusters of 1, 2, 3 and 8 workers on this machine, each with five sizes of chunks; then while
workers are killed, end by themselves or leave. Takes some minutes; the exit status is 1 where a bit differs, or where a
fault did not happen.
"""

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import tl_arrayapi as tl

SAMPLES, WIDTH = 30_000, 32
CHUNKS = (64, 250, 1_000, 4_096, None)
WORKERS = (1, 2, 3, 8)
STEPS, BATCH = 8, 1_500

Strike = Callable[[Client], None]


def loss(w, b, v, x, y):
    """Return the squared error of a network on one sample."""
    xp = tl.array_namespace(w, x)
    d = xp.tanh(x @ w + b) @ v - y
    return d * d


def module() -> tl.ScalarModule:
    """Return a network with parameters from fixed seeds, in float32 on NumPy."""
    shapes = [(WIDTH, 64), (64,), (64,)]
    plan = tl.init.Plan(shapes, [tl.init.normal(0.0, 0.2, seed=seed) for seed in range(3)])
    return tl.ScalarModuleDef(loss, plan=plan).instantiate()


def samples() -> Any:
    """Return samples whose losses differ by many magnitudes, so that floating-point sums depend on their order."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES, WIDTH), dtype=np.float32)
    y = rng.standard_normal(SAMPLES, dtype=np.float32) * 10.0 ** rng.integers(-6, 7, SAMPLES).astype(np.float32)
    return tl.stack_samples(x, y)


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """Give a client of a cluster of so many processes, reachable from this machine alone."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


# ---- faults
def _kill(client: Client, count: int = 1) -> None:
    for process in sorted(client.run(os.getpid).values())[:count]:
        os.kill(process, signal.SIGKILL)


def _retire(client: Client) -> None:
    client.retire_workers(sorted(client.nthreads())[:1])


def _segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _crash(client: Client) -> None:
    client.submit(_segfault, pure=False, retries=0, workers=sorted(client.nthreads())[:1], allow_other_workers=False)


@dataclass
class Pattern:
    """Faults that strike when the run has come to certain shares of its work."""

    title: str
    strikes: list[tuple[float, Strike]]
    struck: int = 0
    client: Any = None
    _left: list[tuple[float, Strike]] = field(default_factory=list)

    def begin(self, client: Client) -> None:
        """Get ready for a run."""
        self.client, self._left, self.struck = client, list(self.strikes), 0

    def at(self, done: int, total: int | None) -> None:
        """Strike where it is time."""
        assert total is not None
        while self._left and done >= self._left[0][0] * total:
            self._left.pop(0)[1](self.client)
            self.struck += 1


PATTERNS = (
    Pattern("one killed (SIGKILL) at a quarter", [(0.25, _kill)]),
    Pattern("two killed at once at a third, one more at two thirds", [(0.33, lambda c: _kill(c, 2)), (0.66, _kill)]),
    Pattern("one leaves at a fifth, one crashes (SIGSEGV) at half", [(0.2, _retire), (0.5, _crash)]),
)


# ---- what is compared
def _mean(client: Client | None, chunk: int | None, pattern: Pattern | None = None) -> tuple[str, Any]:
    progress = None if pattern is None else pattern.at
    mean, receipt = tl.distributed.mean_loss(
        module(), samples(), client, chunk_size=chunk, receipt=True, progress=progress
    )
    return mean.hex(), receipt


def _trained(client: Client | None, pattern: Pattern | None = None) -> str:
    """Return the digest of parameters and optimiser's state after training."""
    net, opt = module(), tl.optim.adam(1e-3)
    steps = iter(range(1, STEPS + 1))

    def log(line: str) -> None:
        if pattern is not None:
            pattern.at(next(steps), STEPS)

    state = tl.distributed.train_with(
        net, opt, net.init_optim(opt), STEPS, samples(), client, batch_size=BATCH, seed=7, log=log
    )
    arrays = [*net.params, *_leaves(state)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)).hexdigest()


def _leaves(state: Any) -> list[Any]:
    if isinstance(state, dict):
        state = [state[name] for name in sorted(state)]
    if isinstance(state, list | tuple):
        return [leaf for item in state for leaf in _leaves(item)]
    return [np.asarray(state)]


class Table:
    """Print a line for each run, and count what is not as in the first of its kind."""

    def __init__(self) -> None:
        self.differ = 0
        self._first: dict[str, Any] = {}

    def line(self, kind: str, where: str, found: Any, shown: str) -> None:
        """Compare, and print."""
        same = self._first.setdefault(kind, found) == found
        self.differ += not same
        print(f"{kind:<12} {where:<68} {shown}  {'same' if same else 'DIFFERENT'}", flush=True)

    def mean(self, where: str, found: tuple[str, Any]) -> None:
        """Compare a mean loss and its receipt."""
        self.line("mean", where, found[0], found[0])
        self.line("receipt", where, found[1], f"data {found[1].data[:16]}, {found[1].count:,} samples")

    def trained(self, where: str, found: str) -> None:
        """Compare trained parameters."""
        self.line("parameters", where, found, found[:16])


def main() -> int:
    """Run all, and return the exit status."""
    table, missed = Table(), 0
    for chunk in CHUNKS:
        table.mean(f"in this process, chunks of {chunk or 'the default size'}", _mean(None, chunk))
    table.trained("in this process", _trained(None))
    for workers in WORKERS:
        with cluster(workers) as client:
            named = f"{workers} worker{'s' * (workers > 1)}"
            for chunk in CHUNKS:
                table.mean(f"{named}, chunks of {chunk or 'the default size'}", _mean(client, chunk))
            table.trained(named, _trained(client))
    for pattern in PATTERNS:
        for what in ("mean", "trained"):
            with cluster(3) as client:
                pattern.begin(client)
                where = f"3 workers, {pattern.title}"
                if what == "mean":
                    table.mean(where, _mean(client, 64, pattern))
                else:
                    table.trained(where, _trained(client, pattern))
            if pattern.struck != len(pattern.strikes):
                missed += 1
                print(f"{pattern.title}: {pattern.struck} of {len(pattern.strikes)} faults happened")
    print("all bits are the same" if not table.differ + missed else f"{table.differ} differ, {missed} faults missing")
    return 1 if table.differ + missed else 0


if __name__ == "__main__":
    sys.exit(main())
