"""The training run itself: the steps, their losses, and the checkpoint from which the same steps go on."""

import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tl_arrayapi import optim
from tl_arrayapi.cli import digits
from tl_arrayapi.cli.folder import Folder
from tl_arrayapi.cli.settings import Settings
from tl_arrayapi.errors import ArgumentError, CheckpointError
from tl_arrayapi.init.splitmix64 import as_seed
from tl_arrayapi.options import Options
from tl_arrayapi.report import Display, loss_curve
from tl_arrayapi.train import minibatches

__all__ = ["Training"]


class Training:
    """Hold a run under way: the module, the optimiser's state, the losses of the steps taken.

    ``accuracies`` are those over the samples held out, by the number of steps taken before each.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        options = Options(
            xp=settings.namespace,
            dtype=settings.dtype,
            backend=settings.backend,
            device=settings.device,
            seed=as_seed(settings.seed),
        )
        self.module = digits.definition().instantiate_float_with_runtime_plan(options, digits.plan(settings.seed))
        self.optimizer: optim.Optimizer = getattr(optim, settings.optimizer)(settings.lr)
        self.data = digits.load(settings.seed)
        self._state = self.module.init_optim(self.optimizer)
        self.losses: list[float] = []
        self.accuracies: dict[int, float] = {}

    @property
    def step(self) -> int:
        """The number of steps taken."""
        return len(self.losses)

    @property
    def done(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.settings.steps

    def resume(self, checkpoint: Path) -> None:
        """Go back to where a run was when it wrote ``checkpoint``; raise CheckpointError where that cannot be."""
        state, step = self.module.load(checkpoint)
        if state is None:
            raise CheckpointError(
                f"{checkpoint} has no optimiser state to go on with: give one that `train digits` wrote"
            )
        if step > self.settings.steps:
            raise ArgumentError(
                f"{checkpoint} is at step {step}, beyond --steps {self.settings.steps}: ask for more steps"
            )
        self._state = state
        self.losses = Folder(checkpoint.parent).read_losses(upto=step)

    def run(self, shown: Display, stop: threading.Event) -> None:
        """Take the steps that are left, or those until ``stop`` is set; raise ArgumentError for a loss not finite."""
        shown.begin("training", self.settings.steps, self.step)
        accuracy = digits.accuracy(self.module, self.data.held_out)
        for xs in self._batches():
            if self.done or stop.is_set():
                break
            self._state, loss = self.module.step_with_loss(self.optimizer, self._state, self.module.asarrays(xs))
            self.losses.append(float(self.module.backend.to_host(loss)))
            if not math.isfinite(self.losses[-1]):
                raise ArgumentError(
                    f"the loss is {self.losses[-1]} at step {self.step - 1}: take a smaller --lr, or a wider --dtype"
                )
            if self.done or self.step % self._steps_between_accuracies == 0:
                accuracy = self.accuracies[self.step] = digits.accuracy(self.module, self.data.held_out)
            shown.advance(f"loss {self.losses[-1]:.4f}  accuracy {accuracy:.3f}")

    def save(self, folder: Folder) -> None:
        """Write settings, losses, loss curve and, last, the checkpoint, which says how far the others are good."""
        folder.create()
        folder.write_settings(self.settings)
        folder.write_losses(self.losses)
        if self.losses:
            title = f"digits, {self.settings.namespace} {self.settings.dtype}, seed {self.settings.seed}"
            folder.write_picture(loss_curve(self.losses, title=title, marks=self.accuracies))
        self.module.save(folder.checkpoint, self._state, self.step)

    @property
    def _steps_between_accuracies(self) -> int:
        """An epoch, or a twentieth of a short run: what is shown is never the untrained network's for long."""
        return min(self._steps_per_epoch, max(1, self.settings.steps // 20))

    @property
    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self.data.training) / self.settings.batch_size)

    def _batches(self) -> Iterator[tuple[Any, ...]]:
        """Yield the batches from the present step on, epoch after epoch without an end."""
        first, skipped = divmod(self.step, self._steps_per_epoch)
        epochs = (
            minibatches(self.data.training, self.settings.batch_size, self.settings.seed, epoch)
            for epoch in itertools.count(first)
        )
        return itertools.islice(itertools.chain.from_iterable(epochs), skipped, None)
