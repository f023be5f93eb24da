"""What each array library needs beyond the standard: a protocol, a registry, and one backend a library."""

from tl_arrayapi.backends.base import API_VERSION, GROUP, Backend
from tl_arrayapi.backends.registry import Library, available, backend_of, get

__all__ = ["API_VERSION", "GROUP", "Backend", "Library", "available", "backend_of", "get"]
