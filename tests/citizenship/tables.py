"""The tables of docs/citizenship.md, made from the calls that are tested.

``python -m tests.citizenship.tables`` writes them into the document.
"""

import re
from pathlib import Path

from tests.citizenship.scipy_calls import LEARNED, REFUSED, RIGHT, function_name

__all__ = ["DOCUMENT", "with_tables"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "citizenship.md"


def _label(call: str) -> str:
    """Return the name of a function within its module; of a rotation, with the method that gives the result."""
    name = function_name(call)
    if call.startswith(("decomposition.", "linear_model.")):
        return name.rpartition(".")[2] + "." + call.rpartition(".")[2]
    if name.startswith(("Rotation", "RigidTransform")):
        last = re.findall(r"\.(\w+)\(", call)[-1]
        return name if name.endswith(f".{last}") else f"{name}(...).{last}"
    return name.rpartition(".")[2] if name.startswith("distance.") else name.partition(".")[2] or name


def table(calls: dict[str, list[str]], heading: str) -> str:
    """Return a table of the names that are called, by module."""
    rows = [f"| module | {heading} |", "|---|---|"]
    for module, group in calls.items():
        names = sorted({_label(call) for call in group}, key=str.lower)
        rows.append(f"| `{module}` | {' '.join(f'`{name}`' for name in names)} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """Return the text of the document with its tables as they should be."""
    for name, calls, heading in (
        ("right", RIGHT, "gradients are right"),
        ("learned", LEARNED, "gradients are right"),
        ("refused", REFUSED, "a watched array is refused; among others"),
    ):
        start = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
        stop = text.index("<!-- end -->", start)
        text = f"{text[:start]}\n{table(calls, heading)}\n\n{text[stop:]}"
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
