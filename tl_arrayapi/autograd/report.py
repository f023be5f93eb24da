"""What a program is and does, as `Compiled.explain` shows it."""

from functools import cached_property
from typing import Any

from tl_arrayapi.autograd.programs import Compilation
from tl_arrayapi.backends.program import Step
from tl_arrayapi.graph import cost
from tl_arrayapi.graph.dtypes import nbytes
from tl_arrayapi.graph.graph import Graph, Var
from tl_arrayapi.graph.graph_json import to_json
from tl_arrayapi.graph.text import to_dot, to_text

__all__ = ["ProgramReport"]


class ProgramReport:
    """What one program computes and what it costs; printing it gives all of it.

    >>> import numpy, tl_arrayapi as tl
    >>> report = tl.compile(lambda x: tl.array_namespace(x).tanh(x) * 2.0).trace(tl.ArraySpec((100,)))
    >>> [step.what for step in report.steps]
    ['tanh', 'multiply']
    """

    def __init__(self, made: Compilation) -> None:
        self._made = made

    @property
    def traced(self) -> Graph:
        """The graph as the function was traced."""
        return self._made.traced

    @property
    def graph(self) -> Graph:
        """The graph that was lowered."""
        return self._made.graph

    @property
    def source(self) -> str:
        """The source that runs."""
        return self._made.program.source

    @property
    def captured(self) -> list[Any]:
        """The arrays that the function found outside of its arguments."""
        return list(self._made.captured)

    @property
    def seconds(self) -> dict[str, float]:
        """How long tracing, the passes and lowering took."""
        return dict(self._made.seconds)

    @property
    def compilations(self) -> int:
        """How many times the library's own compiler (`torch.compile`, `jax.jit`) has compiled it until now."""
        return self._made.program.compilations

    @cached_property
    def flops(self) -> int:
        """The number of floating-point operations of one call, as `tl_arrayapi.graph.cost` counts them."""
        return cost.total(self.graph).flops

    @cached_property
    def bytes_moved(self) -> int:
        """How many bytes the equations read and write, each on its own."""
        return cost.total(self.graph).bytes

    @cached_property
    def peak_bytes(self) -> int:
        """How much memory the program takes at most: what it is given, what it returns, and what it needs besides."""
        report = self._made.program.report()
        if not report.buffers:
            return cost.peak_bytes(self.graph)
        fresh = {x for x in self.graph.outputs if isinstance(x, Var)}
        return sum(map(nbytes, (*self.graph.given, *fresh))) + report.workspace_bytes

    @property
    def steps(self) -> tuple[Step, ...]:
        """What runs, step by step: several equations that one step computes were fused."""
        return self._made.program.report().steps

    @property
    def text(self) -> str:
        """The graph as text, an equation a line."""
        return to_text(self.graph)

    @property
    def dot(self) -> str:
        """The graph as a drawing, in the language of Graphviz; what is fused is framed."""
        return to_dot(self.graph, [step.equations for step in self.steps if len(step.equations) > 1])

    @property
    def json(self) -> str:
        """The graph as JSON, which `tl_arrayapi.graph.graph_json.from_json` reads."""
        return to_json(self.graph)

    def __str__(self) -> str:
        report = self._made.program.report()
        lines = [
            f"{len(self.traced.equations)} equations traced; {len(self.graph.equations)} in {len(report.steps)} steps",
            f"{self.flops:,} floating-point operations, {self.bytes_moved:,} bytes moved",
            f"{self.peak_bytes:,} bytes at most in use, inputs and outputs among them",
            f"{report.buffers} buffers, {report.workspace_bytes:,} bytes of workspace",
            "; ".join(f"{name} {1000 * t:.1f} ms" for name, t in self.seconds.items()),
        ]
        lines += [f"captured: {v!r}: {v.dtype}{list(v.shape)}" for v in self.graph.captured]
        lines += report.notes
        width = max((len(step.what) for step in report.steps), default=0)
        for i, step in enumerate(report.steps):
            numbers = ", ".join(f"{n}" for n in step.equations)
            lines.append(
                f"{i:>4}  {step.what.ljust(width)}  [{numbers}]  {step.lines[0] if step.lines else ''}".rstrip()
            )
        return "\n".join(lines)

    __repr__ = __str__
