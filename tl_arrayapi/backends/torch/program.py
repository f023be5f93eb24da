"""Programs by PyTorch's own compiler: `torch.compile` of straight code, with nothing left to eager."""

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from tl_arrayapi.backends.program import Ownership, Program, Report, Runtime, Straight, owner
from tl_arrayapi.errors import BackendError
from tl_arrayapi.graph.graph import Graph

__all__ = ["TorchProgram"]

_INSTEAD = "repair that, or choose Options(fast_kernels=False), which runs the program without a compiler"


class _Compiler:
    """PyTorch's compiler of kernels, and how many times it was at work.

    It knows nothing of the program: PyTorch keeps it for good.
    """

    def __init__(self) -> None:
        self.compilations = 0

    def __call__(self, module: Any, examples: Sequence[Any]) -> Callable[..., Any]:
        # Imported late: it takes seconds, and is of no use before a program runs.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's use of itself
            from torch._inductor.compile_fx import compile_fx

        kernels: Callable[..., Any] = compile_fx(module, examples)
        self.compilations += 1
        return kernels


class TorchProgram(Program):
    """Run a graph as one kernel graph that PyTorch compiles at the first call.

    What cannot be compiled is an error, never eager code: a break in the graph, a compiler that is missing, a compiler
    that was switched off.
    """

    def __init__(self, graph: Graph, runtime: Runtime, ownership: Ownership) -> None:
        def number(value: Any, dtype: str) -> Any:
            return torch.full((), value, dtype=runtime.dtype(dtype), device=runtime.device)

        # Numbers are made inside, where the compiler knows them: given from outside they would be loaded from memory.
        code = Straight(graph, replace(runtime, number=number), inside=True)
        self.graph = graph
        self.source = code.source
        self._owner = partial(owner, graph, ownership)
        self._memory = ownership.memory
        self._merged: set[int] = set()
        self._own = self._owner()
        self._looked_at = 0
        self._compiler = _Compiler()
        self._run = torch.compile(code.function, backend=self._compiler, fullgraph=True, dynamic=False)
        self._first = threading.Lock()

    def __call__(self, *given: Any) -> list[Any]:
        """Run the kernels, which the first call compiles."""
        given = tuple(
            [x if type(x) is torch.Tensor and x.is_contiguous() and not x.is_conj() else _plain(x) for x in given]
        )
        with torch.no_grad():
            if self._looked_at:
                values = self._run(*given)
            else:
                with self._first:
                    values = self._checked(given)
        if self._looked_at < self._compiler.compilations:
            self._look_at(values)
        return self._own(given, values)

    def _checked(self, given: tuple[Any, ...]) -> list[Any]:
        """Run for the first time; raise where nothing was compiled."""
        try:
            values: list[Any] = self._run(*given)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise BackendError(f"torch.compile could not compile the program: {_reason(error)}; {_INSTEAD}") from error
        if not self._compiler.compilations:
            raise BackendError(
                "torch.compile ran the program without compiling it: it is switched off, by TORCHDYNAMO_DISABLE or "
                f"torch.compiler.set_stance; {_INSTEAD}"
            )
        return values

    def _look_at(self, values: list[Any]) -> None:
        """Note which outputs of what was compiled are one tensor: equal values become one."""
        with self._first:
            places = [self._memory(x) for x in values]
            self._merged |= {i for i, place in enumerate(places) if places.count(place) > 1}
            self._own = self._owner(also=self._merged)
            self._looked_at = self._compiler.compilations

    @property
    def compilations(self) -> int:
        """How many times the program was compiled so far: once, unless one tensor is given twice."""
        return self._compiler.compilations

    def report(self) -> Report:
        """Return one step: what is fused in it is PyTorch's choice."""
        return Report.of_one_step("torch.compile", self.graph)


def _plain(x: Any) -> Any:
    """Return ``x`` as the compiler saw it first: other strides, or a parameter, are another program to it."""
    return x.detach().resolve_conj().resolve_neg().contiguous()


def _reason(error: Exception) -> str:
    """Return what went wrong in a line: PyTorch's messages go on over dozens."""
    if "InvalidCxxCompiler" in str(error):
        return "there is no working C++ compiler (PyTorch looks for $CXX, g++ and clang++)"
    cause = getattr(error, "inner_exception", error)
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"
