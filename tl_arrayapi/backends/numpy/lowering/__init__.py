"""The lowering for NumPy: a graph becomes straight code of ufuncs and products on memory that is allocated once.

In this order:

- `select` makes an instruction, one call of NumPy, of each equation; movements become `views` where strides can say
  them. Its forms are in `elementwise`, `reduce`, `contract`, `move` and `index`; `masks` finds what can stay bytes.
- `schedule` orders them, and puts runs over large arrays into `groups`; `recompute` has later groups make again what is
  cheap; `blocked` says what of a group goes by blocks.
- `memory` places every value: over an operand that dies, in the part of another that it is copied to, in an output, or
  in an arena. `joins` gathers the copies that are left.
- `write` writes the source, `code` compiles it, and `program` runs it.
"""

from tl_arrayapi.backends.numpy.lowering.program import NumPyProgram

__all__ = ["NumPyProgram"]
