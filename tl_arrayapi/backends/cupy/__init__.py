"""CuPy: NumPy's functions on an NVIDIA GPU."""

from tl_arrayapi.backends.cupy.backend import CuPyBackend

__all__ = ["CuPyBackend"]
