"""Joins: copies to neighbouring parts of one array, made one call."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.steps import Step
from tl_arrayapi.backends.numpy.lowering.views import View, natural

__all__ = ["joined"]

_FEW = 3
"""So many copies take as long as one call that makes them all."""


def joined(steps: Iterable[Step]) -> list[Step]:
    """Return steps that do the same, runs of copies to neighbouring parts of an array each as one call."""
    found: list[Step] = []
    run: list[Instruction] = []
    for step in steps:
        copy = _flat_copy(step)
        if run and (copy is None or not _follows(copy.result, run[-1].result)):
            found += _closed(run)
            run = []
        if copy is None:
            found.append(step)
        else:
            run.append(copy)
    return found + _closed(run)


def _flat_copy(step: Step) -> Instruction | None:
    """Return the one instruction of ``step`` if it copies to a stretch of memory."""
    if step.blocks is not None or len(step.instructions) != 1:
        return None
    (copy,) = step.instructions
    if copy.op != "copy" or copy.operands[0].dtype != copy.result.dtype or not copy.result.dense:
        return None
    return copy if copy.operands[0].shape == copy.result.shape else None


def _follows(view: View, before: View) -> bool:
    return view.root is before.root and view.dtype == before.dtype and view.offset == before.offset + before.size


def _closed(run: Sequence[Instruction]) -> list[Step]:
    if len(run) <= _FEW:
        return [Step([copy]) for copy in run]
    # Flattened where they lie: an array that a call brings is taken as it is.
    operands = tuple(natural(v.root) if v.whole else v for copy in run for v in copy.operands)
    first = run[0].result
    whole = View(first.root, (sum(copy.result.size for copy in run),), (1,), first.offset, first.dtype)
    return [Step([replace(run[0], op="join", name="concatenate", operands=operands, results=(whole,))])]
