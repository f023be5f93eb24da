"""Steps: instructions in the order in which they run, some of them together, block by block."""

from dataclasses import dataclass, field

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["Blocks", "Step"]


@dataclass(eq=False, slots=True)
class Blocks:
    """How arrays of ``size`` elements, in rows of ``width``, are gone through: ``rows`` of them at a time.

    What is ``full`` has all elements, and goes by blocks of rows; a ``column`` has one element a row, and goes by as
    many elements. All else is there as a whole at every block.
    """

    size: int
    width: int
    rows: int
    full: set[Root] = field(default_factory=set)
    columns: set[Root] = field(default_factory=set)

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-self.size // (self.width * self.rows))

    def streams(self, root: Root) -> bool:
        """Say whether a root is made block by block."""
        return root in self.full or root in self.columns

    def nbytes(self, root: Root) -> int:
        """Return the bytes that a block of ``root`` takes."""
        return self.rows * root.itemsize * (self.width if root in self.full else 1)

    def dying(self, step: "Step", result: View) -> list[View]:
        """Return the views that go by blocks as ``result`` does, and are read in no other way in ``step``."""
        kind = self.full if result.root in self.full else self.columns
        found: dict[Root, View | None] = {}
        for instruction in step.instructions:
            for view in instruction.operands:
                same = view.root in kind and found.get(view.root, view) == view
                found[view.root] = view if same else None
        return [view for view in found.values() if view is not None]


@dataclass(eq=False, slots=True)
class Step:
    """Instructions that run one after another: once, or once a block where ``blocks`` says how."""

    instructions: list[Instruction]
    blocks: Blocks | None = None
