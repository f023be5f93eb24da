"""Training on file: saved every so many steps, and gone on with from there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_arrayapi.checkpoints import read_checkpoint
from tl_arrayapi.distributed.batches import Batches
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count

__all__ = ["Saved"]


@dataclass(frozen=True)
class Saved:
    """Where training is saved, how often, and what it must have in common with a run that goes on from there."""

    path: Path
    every: int | None
    plan: Batches

    def __post_init__(self) -> None:
        if self.every is not None:
            count("checkpoint_every", self.every, at_least=1)

    def after(self, module: ScalarModule, state: Any, done: int, last: int) -> None:
        """Save after step ``done - 1``, where it is time."""
        if done == last or (self.every is not None and done % self.every == 0):
            sampler = {"steps": done, **vars(self.plan)}
            module.save(self.path, state, step=module.steps_done, sampler=sampler)

    def restored(self, module: ScalarModule, start: int, steps: int, state: Any) -> tuple[int, Any]:
        """Load what was saved, where something was; return how many steps were taken, and the state.

        Raises CheckpointError where training was another, and changes nothing.
        """
        if not self.path.exists():
            return start, state
        sampler = read_checkpoint(self.path).sampler
        expected = vars(self.plan)
        differing = [f"{k} {sampler.get(k)!r} and not {v!r}" for k, v in expected.items() if sampler.get(k) != v]
        if differing:
            raise CheckpointError(
                f"{self.path} was saved by training with {', '.join(differing)}: go on with the same arguments, or "
                "give another path"
            )
        done = sampler.get("steps")
        if not isinstance(done, int) or not start <= done <= start + steps:
            raise CheckpointError(
                f"{self.path} was saved after step {done}, and this call goes from {start} to {start + steps}: give "
                "the start and steps of the run that it goes on with"
            )
        state, _ = module.load(self.path)
        return done, state
