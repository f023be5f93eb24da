"""``tl-arrayapi train digits``: settle the settings, train, evaluate, report, and keep the promises made."""

import json
import math
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from tl_arrayapi.cli import digits
from tl_arrayapi.cli.evaluation import Comparison, compare
from tl_arrayapi.cli.folder import Folder
from tl_arrayapi.cli.interrupt import interruption
from tl_arrayapi.cli.requirements import DEMO, require
from tl_arrayapi.cli.settings import FIXED, Settings
from tl_arrayapi.cli.training import Training
from tl_arrayapi.errors import ArgumentError, BackendError, DeviceError, DTypeError, MissingLibraryError
from tl_arrayapi.report import display
from tl_arrayapi.train import stack_samples

__all__ = ["PROMISED_ACCURACY", "WORKERS", "run"]

PROMISED_ACCURACY = 0.95
WORKERS = (1, 2, 3)


def run(ctx: click.Context, given: dict[str, Any], out: Path | None, checkpoint: Path | None, as_json: bool) -> None:
    """Train and evaluate with the settings ``given``; those of the run that left ``checkpoint`` are the defaults."""
    began = time.monotonic()
    require(DEMO, "demo")
    folder = Folder(out or (checkpoint.parent if checkpoint else Path("runs", "digits")))
    settings = _resumed(ctx, given, checkpoint) if checkpoint else Settings(**given)
    folder.create()
    training = _training(ctx, settings)
    if checkpoint is not None:
        training.resume(checkpoint)
    try:
        with display() as shown:
            with interruption() as stop:
                training.run(shown, stop)
                training.save(folder)
            if stop.is_set():
                raise KeyboardInterrupt
            samples = stack_samples(*training.module.asarrays(training.data.held_out_one_by_one))
            comparison = compare(training.module, samples, WORKERS, shown)
    except KeyboardInterrupt:
        _interrupted(ctx, training, folder, as_json)
    _report(training, comparison, folder, time.monotonic() - began, as_json)


def _training(ctx: click.Context, settings: Settings) -> Training:
    """Start a run; what the library or the optimiser refuses was bad usage."""
    if settings.namespace.partition(".")[0] == "jax" and settings.dtype == "float64":
        # Read when JAX is imported, here and in the workers; who set it otherwise is told by the error that follows.
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    try:
        return Training(settings)
    except MissingLibraryError:
        raise
    except (ArgumentError, BackendError, DeviceError, DTypeError) as error:
        raise click.UsageError(str(error), ctx) from error


def _resumed(ctx: click.Context, given: dict[str, Any], checkpoint: Path) -> Settings:
    recorded = Folder(checkpoint.parent).read_settings()
    if recorded is None:
        return Settings(**given)
    values = {}
    for name, value in given.items():
        before = getattr(recorded, name)
        asked = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        if asked and value != before and name in FIXED:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"{checkpoint} was trained with {option} {before}, not {value}: leave {option} away, or start anew", ctx
            )
        values[name] = value if asked else before
    return Settings(**values)


def _interrupted(ctx: click.Context, training: Training, folder: Folder, as_json: bool) -> NoReturn:
    words = [
        *training.settings.options,
        "--resume",
        shlex.quote(str(folder.checkpoint)),
        *(["--json"] if as_json else []),
    ]
    command = f"{_program(ctx)} {' '.join(words)}"
    click.echo(f"interrupted after step {training.step} of {training.settings.steps}; to go on:", err=True)
    click.echo(json.dumps({"interrupted": True, "step": training.step, "resume": command}) if as_json else command)
    sys.exit(130)


def _program(ctx: click.Context) -> str:
    """Return the words that call this command again, from the same environment."""
    name = ctx.find_root().info_name or ""
    commands = ctx.command_path.removeprefix(name)
    if Path(sys.argv[0]).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m tl_arrayapi{commands}"
    return (name if shutil.which(name) == os.path.abspath(sys.argv[0]) else shlex.quote(sys.argv[0])) + commands


def _report(training: Training, comparison: Comparison, folder: Folder, seconds: float, as_json: bool) -> None:
    settings = training.settings
    accuracy = digits.accuracy(training.module, training.data.held_out)
    parameters = training.module.digest()
    if as_json:
        document = {
            **{name: getattr(settings, name) for name in settings.__dataclass_fields__},
            "accuracy": accuracy,
            "digest": parameters,
            "losses": list(map(_number, training.losses)),
            "mean_loss": _number(comparison.in_process),
            "mean_loss_on_workers": {str(count): _number(value) for count, value in comparison.on_workers.items()},
            "same_bits": comparison.same_bits,
            "checkpoint": str(folder.checkpoint),
            "picture": str(folder.picture),
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps(document, allow_nan=False))
    else:
        where = f"{settings.namespace}{f' on {settings.device}' if settings.device else ''}, {settings.dtype}"
        click.echo(
            f"trained:       {settings.steps} steps of {settings.optimizer} with {where}, "
            f"seed {settings.seed}, in {seconds:.1f} s"
        )
        click.echo(f"checkpoint:    {folder.checkpoint}")
        click.echo(f"loss curve:    {folder.picture}")
        click.echo(f"mean loss:     {comparison.in_process!r}")
        click.echo(f"test accuracy: {accuracy:.4f}")
        click.echo(f"parameters:    sha256 {parameters}")
        click.echo(comparison.line)
    if not comparison.same_bits:
        values = ", ".join(f"{count}: {value!r}" for count, value in comparison.on_workers.items())
        raise click.ClickException(
            "the mean loss depends on where it is computed: "
            f"in this process {comparison.in_process!r}, on workers {values}"
        )
    if _promised(settings) and accuracy < PROMISED_ACCURACY:
        raise click.ClickException(
            f"the test accuracy is {accuracy:.4f}, and at least {PROMISED_ACCURACY} was promised: "
            "please report the library and the seed"
        )


def _number(value: float) -> float | None:
    # JSON has no NaN and no infinity.
    return value if math.isfinite(value) else None


def _promised(settings: Settings) -> bool:
    """Whether the accuracy was promised: for the recipe that ships, or more steps of it, on any library and seed."""
    usual = Settings()
    return settings.steps >= usual.steps and all(
        getattr(settings, name) == getattr(usual, name) for name in ("batch_size", "optimizer", "lr")
    )
