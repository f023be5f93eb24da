"""Checkpoints: safetensors files that are written whole and read with suspicion, and states as they can hold them."""

from tl_arrayapi.storage.files import load, open_checkpoint, save, save_tensors
from tl_arrayapi.storage.header import DTYPES, Entry, nbytes
from tl_arrayapi.storage.reading import Checkpoint
from tl_arrayapi.storage.state import pack_state, unpack_state
from tl_arrayapi.storage.tensors import CODES, Tensor

__all__ = [
    "CODES",
    "DTYPES",
    "Checkpoint",
    "Entry",
    "Tensor",
    "load",
    "nbytes",
    "open_checkpoint",
    "pack_state",
    "save",
    "save_tensors",
    "unpack_state",
]
