"""The lowering for NumPy: a graph becomes straight code of ufuncs and products on memory that is allocated once."""

from tl_arrayapi.backends.numpy.lowering.program import NumPyProgram

__all__ = ["NumPyProgram"]
