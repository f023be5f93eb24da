"""The source: a function that makes a workspace's arrays once, around the function that runs at each call.

What lies in memory that stays where it is, a workspace's or a bound array's, is made beforehand, methods included. What
lies in an array that each call brings anew is made then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    """The text of ``prepare(memory, constants, fixed, outs, note)``, which returns the function that runs, and calls
    ``note`` with an error before it raises it; the constants that it takes; and the equation of each line, counted
    from 1.
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
    in_order: set[Root] = field(default_factory=set)
    """What is read as memory, and so must be in C order, of the machine's byte order."""
    local: dict[View, str] = field(default_factory=dict)
    """The names of blocks, inside of a loop over them."""

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
        if view in self.local:
            return self.local[view]
        base, begin, stays = self.base(view.root)
        owner = self.owner(view.root)
        start = begin + (view.offset * view.root.itemsize if view.size else 0)
        strides = None if view.dense else _true_strides(view)
        same = (owner.shape, owner.dtype) == (view.shape, view.dtype)
        if base != "memory" and same and not start and strides is None:
            return base
        key = base, start, view.shape, strides, view.dtype
        if key not in self.names:
            name = self.names[key] = f"v{len(self.names)}"
            text = None if stays or begin else _derived(view, base, owner)
            if text is None:
                where = f", {start}" if start or strides else ""
                steps = f", {tuple(s * view.root.itemsize for s in strides)}" if strides else ""
                text = f"array({view.shape}, {view.dtype}, {base}{where}{steps})"
                self.in_order.add(view.root)
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
        if view in self.local or not self.base(view.root)[2]:
            return f"{name}.{method}"
        bound = f"{name}_{method}"
        if bound not in self.names:
            self.names[bound] = bound
            self.setup.append(f"{bound} = {name}.{method}")
        return bound

    # ---- blocks
    def loop(self, step: Step) -> str:
        """Return the head of the loop over the blocks of a step; from there on `ref` names the block at hand."""
        blocks = step.blocks
        assert blocks is not None
        kept: dict[str, str] = {}
        fresh: dict[str, str] = {}
        for view in (v for x in step.instructions for v in (*x.operands, *x.results)):
            by = blocks.by(view)
            if by is None or view in self.local:
                continue
            place = self.layout.places.get(view.root)
            if place is not None and place.passing:
                shape = (by, *view.shape[1:])
                last = by // blocks.rows * blocks.last
                text = f"again(array({shape}, {view.dtype}, memory, {place.offset}), {blocks.count}, {last})"
                listed = kept
            else:
                name = self.ref(view)
                text = f"cut({name}, {by})" if view not in blocks.partials else f"each({name})"
                listed = kept if self.base(view.root)[2] else fresh
            if text not in listed:
                listed[text] = f"b{len(self.names)}"
                self.names[listed[text]] = listed[text]
            self.local[view] = listed[text]
        sources = list(fresh)
        targets = [*kept.values(), *fresh.values()]
        if kept:
            name = f"blocks{len(self.names)}"
            self.names[name] = name
            self.setup.append(f"{name} = list(zip({', '.join(kept)}))")
            if not fresh:
                return f"for {', '.join(targets)}, in {name}:"
            sources.insert(0, name)
            targets = [f"({', '.join(kept.values())},)", *fresh.values()]
        return f"for {', '.join(targets)}, in zip({', '.join(sources)}):"

    # ---- instructions
    def lines(self, instruction: Instruction) -> list[str]:
        """Return an instruction's lines."""
        lines: list[str] = getattr(self, f"_{instruction.op}")(instruction)
        return lines

    def _ufunc(self, x: Instruction) -> list[str]:
        operands = ", ".join(map(self.ref, x.operands))
        # These two take no third operand by position.
        out = "out=" if x.name in ("maximum", "minimum") else ""
        return [f"{x.name}({operands}, {out}{self.ref(x.result)})"]

    def _copy(self, x: Instruction) -> list[str]:
        (source,), result = x.operands, x.result
        whole = source.whole and result.dense and source.size == result.size and result not in self.local
        if whole and not self.base(source.root)[2]:
            # What a call brings is taken in the shape that it has; the other array is there in any.
            source = natural(source.root)
            result = replace(result, shape=source.shape, strides=source.strides)
        to, casting = self.ref(result), "" if source.dtype == result.dtype else ', "unsafe"'
        return [f"copyto({to}, {self.ref(source)}{casting})"]

    def _join(self, x: Instruction) -> list[str]:
        return [f"concatenate(({', '.join(map(self.ref, x.operands))}), None, {self.ref(x.result)})"]

    def _fill(self, x: Instruction) -> list[str]:
        return [f"{self.method(x.result, 'fill')}(0)"]

    def _reduce(self, x: Instruction) -> list[str]:
        axis, dtype, keepdims = x.get("axis"), x.get("dtype"), x.get("keepdims")
        (operand,) = x.operands
        source, out = self.ref(operand), self.ref(x.result)
        return [f"{x.name.replace('.', '_')}({source}, {axis!r}, {dtype}, {out}, {keepdims})"]

    def _dot(self, x: Instruction) -> list[str]:
        left, right = x.operands
        method, y, out = self.method(left, "dot"), self.ref(right), self.ref(x.result)
        return [f"{method}({y}, {out})"]

    def _matmul(self, x: Instruction) -> list[str]:
        return [f"matmul({', '.join(map(self.ref, (*x.operands, x.result)))})"]

    def _take(self, x: Instruction) -> list[str]:
        source, indices = x.operands
        axis, out = x.get("axis"), self.ref(x.result)
        unsigned = indices.dtype if indices.dtype[0] == "u" else f"u{indices.dtype}"
        places = self.ref(replace(indices, dtype=unsigned))
        method, name = self.method(source, "take"), self.ref(indices)
        self.in_order.add(source.root)
        return [
            f"if maximum_reduce({places}) < {source.shape[axis]}:",
            f'    {method}({name}, {axis}, {out}, "clip")',
            "else:  # Negative indices count from the end, and all others NumPy refuses.",
            f"    copyto({out}, {method}({name}, {axis}))",
        ]

    def _scatter(self, x: Instruction) -> list[str]:
        updates, indices = x.operands
        key = self.ref(indices)
        if axis := x.get("axis"):
            key = f"({'everything, ' * axis}{key})"
        return [f"add_at({self.ref(x.result)}, {key}, {self.ref(updates)})"]

    def _call(self, x: Instruction) -> list[str]:
        operands = list(map(self.ref, x.operands))
        static = [f"{k}={v if k == 'dtype' else repr(v)}" for k, v in x.static]
        results = ", ".join(self.name_of_call(view.root) for view in x.results)
        own = "own" if len(x.results) == 1 else "own_each"
        inputs = "".join(f", {name}" for name in operands)
        return [f"{results} = {own}({x.name}({', '.join([*operands, *static])}){inputs})"]


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
    noted = ""
    for t, step in enumerate(steps):
        if not step.instructions:
            continue
        for output in dict.fromkeys(_outputs_of(step, layout)):
            if output not in outs | begun:
                begun.add(output)
                view = selected.outputs[output]
                writer.run.append(f"o{output} = empty({view.shape}, {view.dtype})")
        head = None if step.blocks is None else writer.loop(step)
        lines = [(line, x.equation) for x in step.instructions for line in writer.lines(x)]
        writer.local.clear()
        if head is not None:
            writer.run.append(head)
        for line, number in lines:
            equations[len(writer.run)] = number
            note = " ".join(graph.equations[number].line.split()) if number < len(graph.equations) else ""
            comment = f"  # {note}" if note and note != noted else ""
            writer.run.append(f"{'' if head is None else '    '}{line}{comment}")
            noted = note
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


def _outputs_of(step: Step, layout: Layout) -> Iterator[int]:
    """Yield the outputs that a step writes to; or reads, which of an empty one may come first."""
    for x in step.instructions:
        for view in (*x.operands, *x.results):
            place = layout.places.get(view.root)
            if place is not None and place.output is not None:
                yield place.output


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
    lines = ["def prepare(memory, constants, fixed, outs, note):"]
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
        test = f"type(a{i}) is not array"
        if writer.selected.given[i] in writer.in_order:
            test = f"not (type(a{i}) is array and a{i}.dtype is {dtype} and a{i}.flags.c_contiguous)"
        lines += [f"        if {test}:", f"            a{i} = plain(a{i}, {dtype})"]
    lines.append("        try:")
    shift = len(lines) + 1
    lines += [f"            {line}" for line in writer.run]
    lines.append(f"            return [{', '.join(results)}]")
    lines += [
        "        except Exception as error:",
        "            note(error)",
        "            raise",
        "",
        "    return run",
        "",
    ]
    constants = [root.array for root in writer.constants]
    return Source("\n".join(lines), constants, {i + shift: e for i, e in equations.items()})
