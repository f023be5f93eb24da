"""The command ``tl-arrayapi`` and its options. What they do is imported when they are called: ``--help`` is fast."""

import sys
from pathlib import Path
from typing import Any

import click

from tl_arrayapi.cli.group import Group
from tl_arrayapi.cli.settings import Settings

__all__ = ["backends", "digits", "evaluate", "init", "main", "train"]

_DEFAULT = Settings()
_DTYPES = ("float16", "float32", "float64")
_FILLED = ("bfloat16", *_DTYPES)
_OPTIMIZERS = ("adadelta", "adagrad", "adam", "adamw", "lion", "momentum", "muon", "rmsprop", "sgd")


def _show_version(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        # The package that this module is part of: it is loaded; to import it from here would turn the layers round.
        package = sys.modules[__name__.partition(".")[0]]
        click.echo(f"tl-arrayapi {package.__version__}")
        ctx.exit()


@click.group(
    "tl-arrayapi", cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Gradients and trainable modules over any Array API library."""


@main.group()
def train() -> None:
    """Train an example, and check what comes out."""


@train.command()
@click.option(
    "--namespace",
    metavar="NAME",
    default=_DEFAULT.namespace,
    show_default=True,
    help="Array library: numpy, torch, jax, dask, cupy, array_api_strict, or any module with an Array API.",
)
@click.option("--device", metavar="NAME", help="Device of the library, as `tl-arrayapi backends` lists them.")
@click.option(
    "--dtype",
    type=click.Choice(_DTYPES),
    default=_DEFAULT.dtype,
    show_default=True,
    help="Dtype of parameters and pixels.",
)
@click.option(
    "--backend",
    type=click.Choice(("eager", "compiled")),
    default=_DEFAULT.backend,
    show_default=True,
    help="How steps are run.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**64 - 1),
    default=_DEFAULT.seed,
    show_default=True,
    help="Seed of split, parameters and order of the samples.",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1),
    default=_DEFAULT.steps,
    show_default=True,
    help="Steps to train, in all.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=click.IntRange(1),
    default=_DEFAULT.batch_size,
    show_default=True,
    help="Samples a step.",
)
@click.option(
    "--optimizer",
    type=click.Choice(_OPTIMIZERS),
    metavar="NAME",
    default=_DEFAULT.optimizer,
    show_default=True,
    help=f"One of {', '.join(_OPTIMIZERS)}.",
)
@click.option(
    "--lr",
    metavar="RATE",
    type=click.FloatRange(0.0, min_open=True),
    default=_DEFAULT.lr,
    show_default=True,
    help="Learning rate.",
)
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder.  [default: runs/digits, or that of the checkpoint]",
)
@click.option(
    "--resume",
    metavar="CHECKPOINT",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Go on from a checkpoint; the options are those of its run, unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output, and no text.")
@click.pass_context
def digits(ctx: click.Context, /, out: Path | None, resume: Path | None, as_json: bool, **given: Any) -> None:
    """Train a 64-128-10 network on handwritten digits, and evaluate it on Dask clusters of 1, 2 and 3 workers.

    The output folder gets the checkpoint, the loss curve, the losses and the settings. Ctrl-C leaves a checkpoint;
    going on from it gives the same parameters, to the last bit, as a run without a stop.
    """
    from tl_arrayapi.cli.digits_command import run

    run(ctx, given, out, resume, as_json)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Write a JSON list, and no text.")
def backends(as_json: bool) -> None:
    """List the array libraries found here, their versions and devices, and what each can do."""
    from tl_arrayapi.cli.backends_command import run

    run(as_json)


def _lengths(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[int | str, ...]:
    """Read the lengths of chunks."""
    length = click.IntRange(1)
    return tuple(text if text == "auto" else length(text, option, ctx) for text in given)


@main.command()
@click.argument("plan", metavar="PLAN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    default=("numpy",),
    show_default="numpy",
    help="Array library, or `all` that are installed; may be given several times.",
)
@click.option(
    "--dtype", type=click.Choice(_FILLED), default="float32", show_default=True, help="Dtype of the parameters."
)
@click.option("--device", metavar="NAME", help="Device of the library, as `tl-arrayapi backends` lists them.")
@click.option(
    "--chunks",
    metavar="N",
    multiple=True,
    callback=_lengths,
    help="Length of chunks on lazy libraries, or `auto`; may be given several times.",
)
@click.option("--hash", "hashed", is_flag=True, help="Print SHA-256 and name of each library; fail where they differ.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the filled parameters to a safetensors file.",
)
@click.pass_context
def init(ctx: click.Context, /, plan: Path, **options: Any) -> None:
    """Describe the plan in a JSON file, or fill it, and compare what libraries make of it.

    Names, shapes and values go into the digest that --hash prints, so that two machines can compare theirs.
    """
    from tl_arrayapi.cli.init_command import run

    run(ctx, plan, **options)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TO = click.Path(dir_okay=False, path_type=Path)


@main.command()
@click.argument("checkpoint", metavar="CHECKPOINT", type=_FILE)
@click.argument("data", metavar="DATA...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--loss",
    metavar="FILE.py:NAME",
    required=True,
    help="The loss, or the ScalarModuleDef, in a file or in an installed module (MODULE:NAME).",
)
@click.option("--columns", metavar="NAME", multiple=True, help="Array or column of DATA for each input, in order.")
@click.option("--weights", metavar="FILE", type=click.Path(exists=True), help="Weights of the samples, one each.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask cluster to work on, such as tcp://10.0.0.1:8786.")
@click.option("--workers", metavar="N", type=click.IntRange(1), help="Start N processes here, and work on them.")
@click.option("--tls-ca", metavar="FILE", type=_FILE, help="Certificate of the authority that signed the scheduler's.")
@click.option("--tls-cert", metavar="FILE", type=_FILE, help="Certificate to show to the scheduler.")
@click.option("--tls-key", metavar="FILE", type=_FILE, help="Private key of that certificate.")
@click.option("--exact/--fast", default=True, show_default=True, help="Whether the mean is rounded only once.")
@click.option(
    "--micro-batch", metavar="N", type=click.IntRange(1), default=64, show_default=True, help="Samples a run."
)
@click.option("--chunk-size", metavar="N", type=click.IntRange(1), help="Samples a task; found by itself unless given.")
@click.option(
    "--bad",
    type=click.Choice(("fail", "skip")),
    default="fail",
    show_default=True,
    help="What to do about data that cannot be read or do not fit.",
)
@click.option("--finite", is_flag=True, help="Take a loss that is NaN or infinite for bad data.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(0.0, min_open=True), help="Give up after so long.")
@click.option("--receipt", metavar="FILE", type=_TO, help="Write a receipt: digests, count and exact sum, as JSON.")
@click.option("--report", metavar="FILE", type=_TO, help="Write a report of the run: workers, timeline, as HTML.")
@click.option("--namespace", metavar="NAME", default="numpy", show_default=True, help="Array library.")
@click.option("--dtype", type=click.Choice(_FILLED), help="Dtype of the parameters.  [default: the checkpoint's]")
@click.option("--device", metavar="NAME", help="Device of the library, as `tl-arrayapi backends` lists them.")
@click.option(
    "--backend",
    type=click.Choice(("eager", "compiled")),
    default="compiled",
    show_default=True,
    help="How losses are computed.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output, and no text.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    checkpoint: Path,
    data: tuple[str, ...],
    scheduler: str | None,
    workers: int | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    **options: Any,
) -> None:
    """Print the mean loss of CHECKPOINT over the samples in DATA, here or on a Dask cluster: the same bits.

    DATA is a .npy file for each input, a Zarr group or a Parquet file; workers read it from the same paths. A file
    given to --loss is run, and sent to the workers.
    """
    from tl_arrayapi.cli.connection import Where
    from tl_arrayapi.cli.evaluate_command import run

    run(ctx, checkpoint, data, where=Where(scheduler, workers, tls_ca, tls_cert, tls_key), **options)
