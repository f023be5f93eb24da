"""Samples on their way to the process that works on them: a source gives pieces, a piece loads as a chunk."""

from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.files import Files, files
from tl_arrayapi.distributed.samples.opening import open_samples
from tl_arrayapi.distributed.samples.piece import Piece, Source

__all__ = ["Chunk", "Files", "Piece", "Source", "files", "open_samples"]
