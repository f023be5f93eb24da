"""Programs by JAX's own compiler: `jax.jit` of straight code, with donation where the caller says that it is safe."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import jax

from tl_arrayapi.backends.program import Ownership, Program, Report, Runtime, Straight, owner
from tl_arrayapi.errors import BackendError
from tl_arrayapi.graph.graph import Graph, Var

__all__ = ["JaxProgram"]

_INSTEAD = "choose Options(fast_kernels=False), which runs the program without a compiler"


class JaxProgram(Program):
    """Run a graph as one XLA program, compiled at the first call. Inside another jax.jit it is a part of that."""

    def __init__(self, graph: Graph, runtime: Runtime, ownership: Ownership) -> None:
        def number(value: Any, dtype: str) -> Any:
            return jax.numpy.full((), value, runtime.dtype(dtype))

        self._code = Straight(graph, replace(runtime, number=number), inside=True)
        self.graph = graph
        self.source = self._code.source
        self._own = owner(graph, ownership)
        self.jitted = jax.jit(self._code.function)
        self._donating: list[Any] = []

    @property
    def compilations(self) -> int:
        """How many times XLA has compiled it, with what it is donated and without."""
        return sum(jitted._cache_size() for jitted in (self.jitted, *self._donating))

    def __call__(self, *given: Any) -> list[Any]:
        """Run the XLA program."""
        return self._own(given, self._called(self.jitted, given))

    def _called(self, jitted: Callable[..., Any], given: tuple[Any, ...]) -> list[Any]:
        if jax.config.jax_disable_jit:
            raise BackendError(f"jax.jit is switched off, by jax.disable_jit or JAX_DISABLE_JIT: {_INSTEAD}")
        try:
            values: list[Any] = jitted(*given)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            self._code.note(error)
            reason = str(error).partition("\n")[0]
            raise BackendError(f"jax.jit could not compile the program: {reason}; {_INSTEAD}") from error
        except Exception as error:
            self._code.note(error)
            raise
        return values

    def donating(self, positions: Iterable[int]) -> Callable[..., list[Any]]:
        """Return the program as one whose outputs may take the memory of the given arrays at ``positions``.

        An array that is given a second time, elsewhere, is left alone, with all others.
        """
        donated = self._usable(positions)
        if not donated:
            return self
        jitted = jax.jit(self._code.function, donate_argnums=donated)
        self._donating.append(jitted)

        def call(*given: Any) -> list[Any]:
            if len({id(x) for x in given}) < len(given):
                return self(*given)
            return self._own(given, self._called(jitted, given))

        return call

    def _usable(self, positions: Iterable[int]) -> tuple[int, ...]:
        """Return those of ``positions`` that an output has the shape and dtype of: XLA warns of any other."""
        free = Counter((x.shape, x.dtype) for x in self.graph.outputs if isinstance(x, Var))
        found = []
        for i in positions:
            x = self.graph.given[i]
            if free[x.shape, x.dtype] > 0:
                free[x.shape, x.dtype] -= 1
                found.append(i)
        return tuple(found)

    def report(self) -> Report:
        """Return one step: what is fused in it is XLA's choice."""
        return Report.of_one_step("jax.jit", self.graph)
