"""``tl-arrayapi init``: describe a plan, fill it, and compare what libraries make of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tl_arrayapi.backends import available, get
from tl_arrayapi.errors import MissingLibraryError, TLError
from tl_arrayapi.init import Plan
from tl_arrayapi.module import ScalarModuleDef
from tl_arrayapi.options import Options

__all__ = ["Target", "run"]

_ALL = "all"


@dataclass(frozen=True)
class Target:
    """One way to fill a plan: a library, a dtype, a device and, for a lazy library, chunks.

    >>> str(Target("dask", "float32", chunks=64))
    'dask chunks=64'
    """

    namespace: str
    dtype: str
    device: str | None = None
    chunks: Any = None

    def __str__(self) -> str:
        return self.namespace + ("" if self.chunks is None else f" chunks={self.chunks}")

    def check(self) -> None:
        """Raise where the library is not there, or has no such dtype or device."""
        backend = get(self.namespace)
        backend.dtype(self.dtype)
        backend.device(self.device)

    def chunked(self, chunks: Sequence[Any]) -> list["Target"]:
        """Return a target for each of ``chunks``, or this one where there are none or the library is not lazy."""
        if not chunks or not get(self.namespace).lazy:
            return [self]
        return [Target(self.namespace, self.dtype, self.device, one) for one in chunks]

    def digest(self, plan: Plan) -> str:
        """Return the digest of what the library makes of a plan."""
        return plan.digest(self.namespace, self.dtype, self.device, chunks=self.chunks)


def run(
    ctx: click.Context,
    path: Path,
    namespaces: Sequence[str],
    dtype: str,
    device: str | None,
    chunks: Sequence[Any],
    hashed: bool,
    out: Path | None,
) -> None:
    """Do what the options ask for with the plan in a file; where they ask for nothing, print what the plan says."""
    plan = Plan.from_json(path)
    plan.check(dtype)
    targets = _targets(ctx, namespaces, dtype, device, chunks)
    if out is not None and len(targets) != 1:
        raise click.UsageError("--out takes the values of one library: give one --namespace, and --chunks once", ctx)
    if hashed:
        _compare(plan, targets)
    if out is not None:
        _write(plan, targets[0], out)
    if not hashed and out is None:
        click.echo(plan.summary())


def _targets(
    ctx: click.Context, namespaces: Sequence[str], dtype: str, device: str | None, chunks: Sequence[Any]
) -> list[Target]:
    """Return what to fill the plan with; with "all", libraries that cannot are left out, and the reason is shown."""
    if dtype == "float64":
        # Read when JAX is imported; who set it otherwise is told by the error that follows.
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    found = []
    for name in dict.fromkeys(namespaces):
        everyone = name == _ALL
        for one in [library.name for library in available() if library.installed] if everyone else [name]:
            target = Target(one, dtype, device)
            try:
                target.check()
            except TLError as error:
                if everyone:
                    click.echo(f"left out: {target}: {' '.join(str(error).split())}", err=True)
                    continue
                if isinstance(error, MissingLibraryError):
                    raise
                raise click.UsageError(str(error), ctx) from error
            found += target.chunked(chunks)
    found = list(dict.fromkeys(found))
    if not found:
        raise click.ClickException(f"no library here can fill {dtype} arrays on the device {device}")
    if chunks and all(target.chunks is None for target in found):
        problem = "--chunks is for lazy libraries, such as dask, and there is none among these"
        if _ALL not in namespaces:
            raise click.UsageError(problem, ctx)
        click.echo(f"left out: {problem}", err=True)
    return found


def _compare(plan: Plan, targets: Sequence[Target]) -> None:
    """Print the digests, each when it is known; raise where they are not all the same."""
    digests = {}
    for target in targets:
        digests[target] = target.digest(plan)
        click.echo(f"{digests[target]}  {target}")
    first, *others = targets
    different = [target for target in others if digests[target] != digests[first]]
    if different:
        names = ", ".join(map(str, different))
        raise click.ClickException(
            f"the digests differ: {names} and {first} do not fill parameter {_where(plan, first, different[0])!r} "
            f"alike: please report the plan, and what `tl-arrayapi backends` says"
        )


def _where(plan: Plan, one: Target, other: Target) -> str:
    """Return the name of the first parameter that two targets fill differently."""
    for shape, init, name in zip(plan.shapes, plan.inits, plan.names, strict=True):
        alone = Plan([shape], [init], [name])
        if one.digest(alone) != other.digest(alone):
            return name
    raise AssertionError("the digests of plans differ, and those of no parameter do")


def _write(plan: Plan, target: Target, out: Path) -> None:
    """Write the filled parameters as a checkpoint of no steps, which a module of their names and shapes can load."""
    options = Options(xp=target.namespace, dtype=target.dtype, device=target.device, lazy=True)
    # Its loss is never run.
    module = ScalarModuleDef(lambda *params: params[0], plan=plan).instantiate_with(None, options)
    module.adopt(plan.fill(target.namespace, target.dtype, target.device, chunks=target.chunks))
    module.save(out)
