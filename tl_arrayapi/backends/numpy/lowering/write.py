"""The source: a function that makes a workspace's arrays once, around the function that runs at each call.

What lies in memory that stays where it is, a workspace's or a bound array's, is made beforehand, methods included. What
lies in an array that each call brings anew is made then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction, Selected
from tl_arrayapi.backends.numpy.lowering.memory import Layout
from tl_arrayapi.backends.numpy.lowering.steps import Step
from tl_arrayapi.backends.numpy.lowering.views import Root, View, contiguous, natural
from tl_arrayapi.graph.graph import Graph

__all__ = ["Source", "write"]

_LARGE = 1 << 16
"""Bytes of an array of a call's own from which it is let go of as soon as it is dead."""


@dataclass(frozen=True)
class Source:
    """The text of ``prepare(memory, constants, fixed, outs)``, which returns the function that runs; the constants that
    it takes, and the equation of each line, counted from 1.
    """

    text: str
    constants: list[Any]
    equations: dict[int, int]


@dataclass
class _Writer:
    selected: Selected
    layout: Layout
    fixed: frozenset[int]
    outs: frozenset[int]
    setup: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    constants: dict[Root, str] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    live: dict[Root, list[str]] = field(default_factory=dict)
    """The names of a call's own arrays, by the root that they refer to."""

    # ---- names
    def base(self, root: Root) -> tuple[str, int, bool]:
        """Return the name of the array that ``root`` lies in, the byte it begins at, and whether that array stays."""
        if root.array is not None:
            if root not in self.constants:
                self.constants[root] = f"c{len(self.constants)}"
            return self.constants[root], 0, True
        if root.position is not None:
            return f"a{root.position}", 0, root.position in self.fixed
        if root.called:
            return self.name_of_call(root), 0, False
        place = self.layout.places[root]
        if place.output is None:
            return "memory", place.offset, True
        return f"o{place.output}", place.offset, place.output in self.outs

    def name_of_call(self, root: Root) -> str:
        if root not in self.names:
            self.names[root] = f"r{len(self.names)}"
            self.live[root] = [self.names[root]]
        return self.names[root]

    def ref(self, view: View) -> str:
        """Return the name of an array, written before the line that reads it where it has none yet."""
        base, begin, stays = self.base(view.root)
        owner = self.owner(view.root)
        start = begin + view.offset * view.root.itemsize
        strides = None if view.dense else _true_strides(view)
        if not (stays or start or strides) and (owner.shape, owner.dtype) == (view.shape, view.dtype):
            return base
        key = base, start, view.shape, strides, view.dtype
        if key not in self.names:
            name = self.names[key] = f"v{len(self.names)}"
            text = None if stays or begin else _derived(view, base, owner)
            if text is None:
                where = f", {start}" if start or strides else ""
                steps = f", {tuple(s * view.root.itemsize for s in strides)}" if strides else ""
                text = f"array({view.shape}, {view.dtype}, {base}{where}{steps})"
            (self.setup if stays else self.run).append(f"{name} = {text}")
            if view.root in self.live:
                self.live[view.root].append(name)
        return self.names[key]

    def owner(self, root: Root) -> View:
        """Return all of the array that ``root`` lies in."""
        if root.made and (k := self.layout.places[root].output) is not None:
            output = self.selected.outputs[k]
            return natural(Root(output.shape, output.dtype))
        return natural(root)

    def method(self, view: View, method: str) -> str:
        """Return a method of an array, bound beforehand where the array stays."""
        name = self.ref(view)
        if not self.base(view.root)[2]:
            return f"{name}.{method}"
        bound = f"{name}_{method}"
        if bound not in self.names:
            self.names[bound] = bound
            self.setup.append(f"{bound} = {name}.{method}")
        return bound

    # ---- instructions
    def write(self, instruction: Instruction) -> None:
        getattr(self, f"_{instruction.op}")(instruction)

    def _ufunc(self, x: Instruction) -> None:
        operands = ", ".join(map(self.ref, x.operands))
        # These two take no third operand by position.
        out = "out=" if x.name in ("maximum", "minimum") else ""
        self.run.append(f"{x.name}({operands}, {out}{self.ref(x.result)})")

    def _copy(self, x: Instruction) -> None:
        (source,) = x.operands
        to, casting = self.ref(x.result), "" if source.dtype == x.result.dtype else ', "unsafe"'
        self.run.append(f"copyto({to}, {self.ref(source)}{casting})")

    def _fill(self, x: Instruction) -> None:
        self.run.append(f"{self.method(x.result, 'fill')}(0)")

    def _reduce(self, x: Instruction) -> None:
        axis, dtype, keepdims = x.get("axis"), x.get("dtype"), x.get("keepdims")
        name = x.name.replace(".", "_")
        (operand,) = x.operands
        self.run.append(f"{name}({self.ref(operand)}, {axis}, {dtype}, {self.ref(x.result)}, {keepdims})")

    def _dot(self, x: Instruction) -> None:
        left, right = x.operands
        method, y, out = self.method(left, "dot"), self.ref(right), self.ref(x.result)
        self.run.append(f"{method}({y}, {out})")

    def _matmul(self, x: Instruction) -> None:
        self.run.append(f"matmul({', '.join(map(self.ref, (*x.operands, x.result)))})")

    def _take(self, x: Instruction) -> None:
        source, indices = x.operands
        axis, out = x.get("axis"), self.ref(x.result)
        unsigned = indices.dtype if indices.dtype[0] == "u" else f"u{indices.dtype}"
        places = self.ref(View(indices.root, indices.shape, indices.strides, indices.offset, unsigned))
        method, name = self.method(source, "take"), self.ref(indices)
        self.run.append(f"if maximum_reduce({places}) < {source.shape[axis]}:")
        self.run.append(f'    {method}({name}, {axis}, {out}, "clip")')
        self.run.append("else:  # Negative indices count from the end, and all others NumPy refuses.")
        self.run.append(f"    copyto({out}, {method}({name}, {axis}))")

    def _scatter(self, x: Instruction) -> None:
        updates, indices = x.operands
        key = self.ref(indices)
        if axis := x.get("axis"):
            key = f"({'everything, ' * axis}{key})"
        self.run.append(f"add_at({self.ref(x.result)}, {key}, {self.ref(updates)})")

    def _call(self, x: Instruction) -> None:
        operands = list(map(self.ref, x.operands))
        static = [f"{k}={v if k == 'dtype' else repr(v)}" for k, v in x.static]
        results = ", ".join(self.name_of_call(view.root) for view in x.results)
        own = "own" if len(x.results) == 1 else "own_each"
        inputs = "".join(f", {name}" for name in operands)
        self.run.append(f"{results} = {own}({x.name}({', '.join([*operands, *static])}){inputs})")


def _derived(view: View, base: str, owner: View) -> str | None:
    """Return the quickest way from an array to a view of it, where that is not the general one."""
    if view.offset or view.dtype != owner.dtype or view.size != owner.size:
        return None
    if view.dense:
        return f"{base}.reshape({view.shape})"
    if view.ndim == 2 and view.shape == owner.shape[::-1] and view.strides == contiguous(owner.shape)[::-1]:
        return f"{base}.T"
    return None


def _true_strides(view: View) -> tuple[int, ...]:
    """Return strides for NumPy, which knows a matrix that lies as rows, or as columns, by them even where an axis has
    length 1.
    """
    if view.ndim < 2 or 1 not in view.shape[-2:]:
        return view.strides
    *outer, rows, columns = view.strides
    if view.shape[-1] == 1 and view.shape[-2] > 1:
        return (*outer, rows, 1)
    return (*outer, columns * view.shape[-1], columns) if view.shape[-2] == 1 else view.strides


def write(
    graph: Graph, selected: Selected, steps: Sequence[Step], layout: Layout, fixed: frozenset[int], outs: frozenset[int]
) -> Source:
    """Write a program that has the given arrays ``fixed`` beforehand, and writes the outputs ``outs`` to arrays that it
    has beforehand.
    """
    writer = _Writer(selected, layout, fixed, outs)
    deaths = _deaths(steps, selected.outputs)
    equations: dict[int, int] = {}
    begun: set[int] = set()
    for t, step in enumerate(steps):
        for x in step.instructions:
            for view in x.results:
                place = layout.places.get(view.root)
                if place is not None and place.output is not None and place.output not in outs | begun:
                    begun.add(place.output)
                    output = selected.outputs[place.output]
                    writer.run.append(f"o{place.output} = empty({output.shape}, {output.dtype})")
            start = len(writer.run)
            writer.write(x)
            line = graph.equations[x.equation].line if x.equation < len(graph.equations) else ""
            equations.update(dict.fromkeys(range(start, len(writer.run)), x.equation))
            if line and (start == 0 or x.equation != equations.get(start - 1)):
                writer.run[start] += f"  # {' '.join(line.split())}"
        for root in deaths[t]:
            writer.run.append(f"del {', '.join(writer.live[root])}")
    results = []
    for k, view in enumerate(selected.outputs):
        name = f"o{k}"
        if view.root.called:
            made = writer.ref(view)
            if k in outs:
                writer.run.append(f"copyto({name}, {made})")
            else:
                name = made
        elif view.root.made and not view.root.size and k not in outs | begun:
            writer.run.append(f"{name} = empty({view.shape}, {view.dtype})")
        results.append(name)
    return _assembled(writer, results, equations, len(selected.given))


def _deaths(steps: Sequence[Step], outputs: Sequence[View]) -> list[list[Root]]:
    """Return for each step the large arrays of calls that nothing reads after it."""
    last: dict[Root, int] = {}
    for t, step in enumerate(steps):
        for x in step.instructions:
            for view in (*x.operands, *x.results):
                if view.root.called:
                    last[view.root] = t
    kept = {view.root for view in outputs}
    found: list[list[Root]] = [[] for _ in steps]
    for root, t in last.items():
        if root not in kept and root.nbytes >= _LARGE:
            found[t].append(root)
    return found


def _assembled(writer: _Writer, results: list[str], equations: dict[int, int], count: int) -> Source:
    lines = ["def prepare(memory, constants, fixed, outs):"]
    for names, source in (
        (list(writer.constants.values()), "constants"),
        ([f"a{i}" for i in sorted(writer.fixed)], "fixed"),
        ([f"o{k}" for k in sorted(writer.outs)], "outs"),
    ):
        if names:
            lines.append(f"    {', '.join(names)}, = {source}")
    lines += [f"    {line}" for line in writer.setup]
    free = [(i, writer.selected.given[i].dtype) for i in range(count) if i not in writer.fixed]
    lines += ["", f"    def run({', '.join(f'a{i}' for i, _ in free)}):"]
    for i, dtype in free:
        lines.append(f"        if not (type(a{i}) is array and a{i}.dtype is {dtype} and a{i}.flags.c_contiguous):")
        lines.append(f"            a{i} = plain(a{i}, {dtype})")
    shift = len(lines) + 1
    lines += [f"        {line}" for line in writer.run]
    lines += [f"        return [{', '.join(results)}]", "", "    return run", ""]
    constants = [root.array for root in writer.constants]
    return Source("\n".join(lines), constants, {i + shift: e for i, e in equations.items()})
