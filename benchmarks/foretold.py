"""What `plan` and the simulator say beforehand, next to what runs take: on local clusters, and past this machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.by_block import CASES
from benchmarks.memory import status
from benchmarks.on_cluster import cluster_of, files
from tl_arrayapi.distributed.costs import Costs, Work
from tl_arrayapi.distributed.measuring import wire_bytes
from tl_arrayapi.distributed.simulate import simulate
from tl_arrayapi.distributed.sizing import chunk_samples, fan_in

__all__ = ["FAR", "LOCAL", "MANY", "SCENARIOS", "check_plan", "check_simulator", "far"]

LOCAL = (1, 2, 4, 8)
ROWS, CHUNK = 2_000_000, 16_384
FAR = (10, 100, 1_000)
MANY = 10**9
PLANNED = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """A job over a billion samples of the network's size, read from files: ``factor`` times its time a sample."""

    title: str
    factor: float = 1.0
    parameters: int = 40_000
    result: int = 500


SCENARIOS = (
    Scenario("mean loss"),
    Scenario("mean loss of a loss a hundred times as slow", factor=100.0),
    Scenario("mean loss, 1 GB of parameters", parameters=10**9),
    Scenario("gradients of 100 MB of parameters, three times as slow", factor=3.0, parameters=10**8, result=10**8),
)


def far(costs: Costs, sample_bytes: float, samples: int = MANY) -> dict[str, Any]:
    """Return what the simulator says of ``samples`` samples, with a core for every worker."""
    apart = replace(costs, cores=None, together=False)
    found: dict[str, Any] = {}
    for scenario in SCENARIOS:
        slower = replace(apart, sample=costs.sample * scenario.factor)
        rows = {}
        for workers in FAR:
            size = chunk_samples(
                samples,
                sample_bytes,
                workers=workers,
                sample_seconds=slower.sample + sample_bytes * slower.read_byte,
                costs=slower,
            )
            merged = fan_in(-(-samples // size), scenario.result, slower) if scenario.result > 10_000 else 1
            work = Work(samples, size, 0.0, sample_bytes, scenario.parameters, scenario.result, merged)
            run = simulate(work, slower, workers)
            ideal = samples * (slower.sample + sample_bytes * slower.read_byte) / workers
            rows[str(workers)] = {
                "seconds": run.seconds,
                "chunk": size,
                "tasks": work.tasks,
                "merged": merged,
                "efficiency": ideal / run.seconds,
                "limit": run.limit,
            }
        found[scenario.title] = rows
    return found


def check_simulator(rounds: int) -> dict[str, Any]:
    """Measure costs once, on two workers; foretell runs on 1, 2, 4 and 8 that share this machine's cores, and run them.

    The same costs tell what 10, 100 and 1,000 workers make of a billion samples.
    """
    from tl_arrayapi.distributed import mean_loss, plan

    case = CASES["mlp"]
    module, found = case.module(), {}
    with files(case, ROWS) as paths:
        with cluster_of(2) as client:
            costs = plan(module, paths, client, chunk_size=CHUNK).costs
        for workers in LOCAL:
            foretold = plan(module, paths, workers=workers, costs=costs, chunk_size=CHUNK)
            with cluster_of(workers) as client:
                seconds = _seconds(lambda client=client: mean_loss(module, paths, client, chunk_size=CHUNK), rounds)
            found[str(workers)] = {"foretold": foretold.seconds, "limit": foretold.limit, "seconds": seconds}
    sample_bytes = 4.0 * sum(shape[0] for shape in case.inputs)
    return {"local": found, "costs": _plain(costs), "far": far(costs, sample_bytes)}


def _seconds(step: Callable[[], Any], rounds: int) -> list[float]:
    """Return the seconds of calls, after one that is not counted."""
    step()
    found = []
    for _ in range(rounds):
        start = perf_counter()
        step()
        found.append(perf_counter() - start)
    return found


def _plain(costs: Costs) -> Mapping[str, Any]:
    return {name: getattr(costs, name) for name in Costs.__dataclass_fields__}


# ---- plan
def _restart_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    return status("VmHWM")


def check_plan(rounds: int) -> dict[str, Any]:
    """Compare what `plan` says of samples in memory, and of the same in files, with what two workers then take."""
    import tl_arrayapi as tl
    from tl_arrayapi.distributed import evaluate, plan

    case = CASES["mlp"]
    module, found = case.module(), {}
    samples = tl.stack_samples(*case.rows(PLANNED))
    with files(case, PLANNED) as paths:
        for name, given in (("in memory", samples), ("files", paths)):
            with cluster_of(2) as client:
                said = plan(module, given, client)
                evaluate(module, given, client)
                client.run(_restart_peak)
                runs = []
                for _ in range(rounds):
                    wire, start = wire_bytes(), perf_counter()
                    done = evaluate(module, given, client)
                    seconds, wire = perf_counter() - start, wire_bytes() - wire
                    tasks = done.record.tasks
                    runs.append({"tasks": tasks, "sent": done.record.sent, "wire": wire, "seconds": seconds})
                peak = max(client.run(_peak).values())
            measured = {key: median(run[key] for run in runs) for key in runs[0]} | {"memory": peak}
            found[name] = {key: {"foretold": getattr(said, key), "measured": measured[key]} for key in measured}
    return {"planned": found}
