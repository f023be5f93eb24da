"""A group of commands whose every error is one line on standard error.

Nothing here knows a command.
"""

import difflib
import sys
from collections.abc import Sequence
from typing import Any

import click

from tl_arrayapi.errors import TLError

__all__ = ["Group"]


class Group(click.Group):
    """Hold commands, and turn what they raise into one line and an exit status.

    Click's usage errors exit 2 and point to ``--help``; our own exceptions exit 1; an interruption exits 130. Anything
    else is a mistake of ours, and keeps its traceback.
    """

    group_class = type

    def __init__(self, *args: Any, **keywords: Any) -> None:
        # Without a command there is an error of one line, not the whole help.
        super().__init__(*args, **{"no_args_is_help": False, **keywords})

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, ``sys.argv`` where ``args`` is None; exit, unless ``standalone_mode`` is False."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            status = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx is not None else self.name
            _exit(error.exit_code, f"{error.format_message()} (see {command} --help)")
        except click.ClickException as error:
            _exit(error.exit_code, error.format_message())
        except click.Abort:
            _exit(130, "interrupted")
        except TLError as error:
            _exit(1, " ".join([str(error), *getattr(error, "__notes__", [])]))
        sys.exit(status if isinstance(status, int) else 0)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none of that name, name the nearest."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
            ctx.fail(f"there is no command {name!r}: {advice}")
        return super().resolve_command(ctx, args)


def _exit(status: int, message: str) -> None:
    click.echo("error: " + " ".join(message.split()), err=True)
    sys.exit(status)
