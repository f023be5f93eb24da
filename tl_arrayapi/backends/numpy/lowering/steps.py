"""Steps: instructions in the order in which they run, some of them together, block by block."""

from dataclasses import dataclass, field

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["Blocks", "Step"]


@dataclass(eq=False, slots=True)
class Blocks:
    """How arrays of ``size`` elements, in rows of ``width``, are gone through: ``rows`` of them at a time.

    What is ``full`` has all elements, and goes by blocks of rows, flat or not; a ``columns`` view has one element a
    row, and goes by as many; ``partials`` has one entry a block. All else is there as a whole at every block.
    """

    size: int
    width: int
    rows: int
    full: set[View] = field(default_factory=set)
    columns: set[View] = field(default_factory=set)
    partials: set[View] = field(default_factory=set)

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-self.size // (self.width * self.rows))

    @property
    def last(self) -> int:
        """The rows of the last block."""
        return self.size // self.width - (self.count - 1) * self.rows

    def by(self, view: View) -> int | None:
        """Return how many of a view's first axis make a block; None for what is there as a whole."""
        if view in self.full:
            return self.rows * (self.width if view.ndim == 1 else 1)
        if view in self.columns:
            return self.rows
        return 1 if view in self.partials else None

    def nbytes(self, view: View) -> int:
        """Return the bytes that a block of a view takes."""
        return self.rows * view.root.itemsize * (self.width if view in self.full else 1)


@dataclass(eq=False, slots=True)
class Step:
    """Instructions that run one after another: once, or once a block where ``blocks`` says how."""

    instructions: list[Instruction]
    blocks: Blocks | None = None

    def made_by_blocks(self, view: View) -> bool:
        """Say whether a view goes by blocks, one entry a block excepted."""
        return self.blocks is not None and (view in self.blocks.full or view in self.blocks.columns)

    def read_by_blocks(self, full: bool) -> list[View]:
        """Return the views that go by blocks, as ``full`` ones or as columns, and are read in no other way here."""
        assert self.blocks is not None
        kind = self.blocks.full if full else self.blocks.columns
        found: dict[Root, View | None] = {}
        for instruction in self.instructions:
            for view in instruction.operands:
                known = found.get(view.root, view)
                same = view in kind and known is not None and known.offset == view.offset
                found[view.root] = view if same else None
        return [view for view in found.values() if view is not None]
