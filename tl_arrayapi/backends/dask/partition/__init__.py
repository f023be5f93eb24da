"""The partitioner: a graph on chunked arrays as one program a chunk, and a tree that joins what the chunks made."""

from tl_arrayapi.backends.dask.partition.program import DaskProgram, DaskReport

__all__ = ["DaskProgram", "DaskReport"]
