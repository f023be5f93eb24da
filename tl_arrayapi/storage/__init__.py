"""Checkpoints: safetensors files that are written whole and read with suspicion, and states as they can hold them."""

from tl_arrayapi.storage.files import load, save
from tl_arrayapi.storage.state import pack_state, unpack_state

__all__ = ["load", "pack_state", "save", "unpack_state"]
