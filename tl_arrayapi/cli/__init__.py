"""The command line: ``tl-arrayapi``, or ``python -m tl_arrayapi``."""

from tl_arrayapi.cli.commands import main

__all__ = ["main"]
