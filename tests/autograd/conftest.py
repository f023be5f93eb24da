"""The fixture that has every transform of a test file run compiled, too."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import tl_arrayapi


class Compiling:
    """A module of transforms in whose place each transform is compiled; all else is the module's own.

    PyTorch's and JAX's compilers are left out: they take seconds a program, and have tests of their own.
    """

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if name in ("grad", "value_and_grad", "jacobian", "hessian", "vmap"):
            return lambda f, *args, **keywords: compiled(found(f, *args, **keywords))
        if name in ("jvp", "hvp"):
            return lambda f, args, tangents: compiled(lambda xs, vs: found(f, xs, vs))(args, tangents)
        return self._vjp if name == "vjp" else found

    def _vjp(self, f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], Any]]:
        vjp = self._module.vjp
        if _INSIDE.get():
            return vjp(f, *args)
        out = compiled(lambda xs: vjp(f, *xs)[0])(args)
        pullback = compiled(lambda xs, g: vjp(f, *xs)[1](g))
        return out, lambda g: pullback(args, g)


_INSIDE: ContextVar[bool] = ContextVar("_INSIDE", default=False)


def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f`` compiled, and as it is inside another function that is compiled: it is part of that program."""
    program = tl_arrayapi.compile(f, fast_kernels=False)

    def run(*args: Any, **keywords: Any) -> Any:
        if _INSIDE.get():
            return f(*args, **keywords)
        token = _INSIDE.set(True)
        try:
            return program(*args, **keywords)
        finally:
            _INSIDE.reset(token)

    return run


def run_in(backend: str, module: Any) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if backend == "compiled":
            patch.setattr(module, "tl", Compiling(module.tl))
        yield backend


# Module scope, because Hypothesis refuses function-scoped arguments.
@pytest.fixture(scope="module", params=["eager", "compiled"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Have the transforms of the test file, which go by ``tl`` there, run eagerly, and compiled."""
    yield from run_in(request.param, request.module)


@pytest.fixture(scope="module", params=["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def backends(request: pytest.FixtureRequest) -> Iterator[str]:
    """Do the same for a file of very many tests."""
    yield from run_in(request.param, request.module)
