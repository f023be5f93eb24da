"""Whether a loss can be mapped over samples: found out by trying."""

from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError

__all__ = ["run_first"]


def run_first(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Run or trace a compiled function that maps a loss, for the first time on samples of a kind.

    Raises NoRuleError, TraceError or WatchedError where that cannot be, whatever the loss or the library raised: the
    loss may do things that are fine with the values of one sample, and the library lack products of many matrices.
    """
    try:
        return function(*arguments)
    except (NoRuleError, TraceError, WatchedError, MemoryError, Warning):
        raise
    except Exception as error:
        raise TraceError(
            f"the loss cannot be run for many samples at once ({type(error).__name__}: {error}): it will do with "
            "functions of the standard, as the standard has them"
        ) from error
