"""NumPy: the host's own library, and the one whose overhead on small arrays matters most."""

from tl_arrayapi.backends.numpy.backend import NumPyBackend

__all__ = ["NumPyBackend"]
