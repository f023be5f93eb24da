"""How errors and reports call a run of samples."""

from collections.abc import Sequence

__all__ = ["named"]


def named(what: str, places: Sequence[int]) -> str:
    """Return the name of the ``what`` at ``places``, in one of them or more.

    >>> named("sample", range(3, 7)), named("row", [5]), named("sample", [9, 1, 4])
    ('samples 3 to 6', 'row 5', '3 samples between 1 and 9')
    """
    if not places:
        return f"no {what}s"
    if len(places) == 1:
        return f"{what} {places[0]}"
    if isinstance(places, range):  # of which min would look at every place
        return f"{what}s {places[0]} to {places[-1]}"
    return f"{len(places)} {what}s between {min(places)} and {max(places)}"
