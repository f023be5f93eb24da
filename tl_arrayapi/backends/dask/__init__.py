"""Dask: chunked, lazy arrays."""

from tl_arrayapi.backends.dask.backend import DaskBackend

__all__ = ["DaskBackend"]
