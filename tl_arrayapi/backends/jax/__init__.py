"""JAX, on any of its platforms; programs go to its own compiler."""

from tl_arrayapi.backends.jax.backend import JaxBackend

__all__ = ["JaxBackend"]
