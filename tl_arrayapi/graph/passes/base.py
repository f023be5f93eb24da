"""What a pass is, and the walk by which most of them rewrite a graph: equation after equation, by rules.

A pass is a pure function of a graph. It declares whether it is exact: whether what its result computes is bit for bit
what the graph computes on any values, NaN, infinities, subnormals and the sign of zero included (a NaN counts as
equal to any other). A pass that changes nothing returns the graph that it was given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var, frozen
from tl_arrayapi.graph.passes.spread import spread

__all__ = ["Memory", "Pass", "Rewriting", "Rule", "Walk", "broadcast", "graph_pass", "together"]

Rule = Callable[["Walk", Equation], Atom | None]
"""Return what stands for the result of an equation, whose operands are those of the new graph, or None."""

_MOST_ROUNDS = 8


class Pass:
    """A pass: call it with a graph. ``exact`` is what it declares of itself."""

    def __init__(self, function: Callable[[Graph], Graph], *, exact: bool, name: str | None = None) -> None:
        self.function = function
        self.exact = exact
        self.name = function.__name__ if name is None else name
        self.__doc__ = function.__doc__

    def __call__(self, graph: Graph) -> Graph:
        """Return the graph rewritten."""
        return self.function(graph)

    def __repr__(self) -> str:
        return f"<{'exact' if self.exact else 'reassociating'} pass {self.name}>"


def graph_pass(*, exact: bool) -> Callable[[Callable[[Graph], Graph]], Pass]:
    """Return the decorator that makes a function of a graph a pass, which is ``exact`` or not.

    >>> @graph_pass(exact=True)
    ... def nothing(graph):
    ...     return graph
    >>> nothing
    <exact pass nothing>
    """
    return lambda function: Pass(function, exact=exact)


@dataclass(slots=True)
class _Table:
    """Rules by the name of the equation that they are about, or by its kind."""

    by_name: dict[str, list[Rule]] = field(default_factory=dict)
    by_kind: dict[str, list[Rule]] = field(default_factory=dict)

    def found(self) -> Callable[[Equation], tuple[Rule, ...]]:
        """Return the function from an equation to its rules: those of its kind come first."""
        names, kinds = self.by_name, self.by_kind
        known: dict[tuple[str, str], tuple[Rule, ...]] = {}

        def rules(equation: Equation) -> tuple[Rule, ...]:
            key = equation.name, equation.kind
            row = known.get(key)
            if row is None:
                row = known[key] = (*kinds.get(equation.kind, ()), *names.get(equation.name, ()))
            return row

        return rules


class Rewriting(Pass):
    """A pass made of rules, which `Walk` applies to each equation in turn; ``share`` makes equal equations one.

    >>> plain = Rewriting("plain", exact=True)
    >>> @plain.rule("positive")
    ... def _positive(walk, equation):
    ...     return equation.operands[0]
    >>> plain
    <exact pass plain>
    """

    def __init__(self, name: str, *, exact: bool, share: bool = False, about: str = "") -> None:
        super().__init__(self._walk, exact=exact, name=name)
        self.table = _Table()
        self.share = share
        self.__doc__ = about

    def rule(self, *names: str, kind: str | None = None) -> Callable[[Rule], Rule]:
        """Return the decorator that adds a rule for the equations of these names, or of this kind."""

        def add(rule: Rule) -> Rule:
            for name in names:
                self.table.by_name.setdefault(name, []).append(rule)
            if kind is not None:
                self.table.by_kind.setdefault(kind, []).append(rule)
            return rule

        return add

    def settled(self, graph: Graph, memory: "Memory | None" = None) -> Graph:
        """Apply the rules again and again, until nothing changes.

        With a ``memory`` equations that nothing was found for, here or in an earlier call, are not looked at again
        while they are as they were.
        """
        memory = Memory() if memory is None else memory
        for _ in range(_MOST_ROUNDS):
            before, graph = graph, Walk(graph, self.table.found(), share=self.share, memory=memory).run()
            if graph is before:
                break
        return graph

    def _walk(self, graph: Graph) -> Graph:
        return Walk(graph, self.table.found(), share=self.share).run()


def together(name: str, *passes: Rewriting) -> Rewriting:
    """Return one pass with the rules of several, which are then applied in one walk: exact if all of them are.

    >>> together("both", Rewriting("a", exact=True), Rewriting("b", exact=False))
    <reassociating pass both>
    """
    merged = Rewriting(name, exact=all(p.exact for p in passes), share=any(p.share for p in passes))
    for part in passes:
        for one, other in (
            (merged.table.by_name, part.table.by_name),
            (merged.table.by_kind, part.table.by_kind),
        ):
            for key, rules in other.items():
                one.setdefault(key, []).extend(rules)
    return merged


@dataclass(slots=True)
class Memory:
    """What is known from one walk to the next: the equations that no rule found anything for, by what they make; how
    often every value was used then; and by what equations are told from others.
    """

    quiet: dict[int, Equation] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)
    keys: dict[int, tuple[Equation, Any]] = field(default_factory=dict)


class Walk:
    """The new graph while it is being written: what rules look at, and what they write with.

    Equations are taken in order, so that the operands of each have been rewritten before it. What a rule writes is
    itself rewritten at once, and, where the walk shares, looked up among what is there already.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Callable[[Equation], tuple[Rule, ...]],
        *,
        share: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.graph = graph
        self._rules = rules
        self._share = share
        self._memory = memory
        self._keys: dict[int, tuple[Equation, Any]] = {} if memory is None else memory.keys
        self._next = graph.next_number
        self._equations: list[Equation] = []
        self._makers: dict[int, Equation] = {}
        self._replaced: dict[int, Atom] = {}
        self._known: dict[Any, Equation] = {}
        self._uses = _uses(graph)

    # ---- what rules look at
    def maker(self, x: Atom) -> Equation | None:
        """Return the equation of the new graph that makes ``x``; None for what is given, and for numbers."""
        return self._makers.get(x.number) if type(x) is Var else None

    def made(self, x: Atom, *names: str) -> Equation | None:
        """Return the equation that makes ``x``, if it is of one of these names."""
        if type(x) is Var:
            equation = self._makers.get(x.number)
            if equation is not None and equation.name in names:
                return equation
        return None

    def uses(self, x: Atom) -> int:
        """Return how many operands and outputs are ``x``."""
        return self._uses.get(x.number, 0) if type(x) is Var else 0

    @cached_property
    def spread(self) -> frozenset[int]:
        """The numbers of what `tl_arrayapi.graph.passes.spread` finds in the graph that is rewritten."""
        return spread(self.graph)

    def is_single(self, x: Atom) -> bool:
        """Say whether at most one operand is ``x``: if that equation no longer reads it, nothing does."""
        return type(x) is Var and self._uses.get(x.number, 0) <= 1

    def known(self, like: Equation, name: str, *operands: Atom, **static: Any) -> Var | None:
        """Return the result of the equation of that name, operands and static arguments, in the scope of ``like``, if
        there is one already that is in use.
        """
        found = self._known.get(_key(name, operands, frozen(static), like.scope))
        return None if found is None or not self._uses.get(found.result.number, 0) else found.result

    # ---- what they write with
    def emit(
        self,
        name: str,
        operands: Iterable[Atom],
        shape: Iterable[int],
        like: Equation,
        /,
        *,
        kind: str | None = None,
        result_dtype: str | None = None,
        **static: Any,
    ) -> Atom:
        """Write an equation and return its result; or what stands for it, if rules find something.

        Line and scope are those of ``like``, and so are its kind and its dtype, unless they are given.
        """
        result = Var(self._next, tuple(shape), result_dtype or like.results[0].dtype)
        self._next += 1
        kind = like.kind if kind is None else kind
        return self._take(Equation(name, kind, tuple(operands), frozen(static), (result,), like.line, like.scope))

    def elementwise(self, name: str, *operands: Atom, like: Equation) -> Atom:
        """Write an elementwise equation, and return what `emit` does; its shape is what the operands broadcast to."""
        return self.emit(name, operands, broadcast(operands), like, kind="elementwise")

    def plain(
        self,
        name: str,
        operands: Iterable[Atom],
        shape: tuple[int, ...],
        like: Equation,
        dtype: str,
        /,
        kind: str = "elementwise",
        **static: Any,
    ) -> Var:
        """Write an equation as it is, past the rules, unless it is there; return its result."""
        result = Var(self._next, shape, dtype)
        self._next += 1
        return self._kept(Equation(name, kind, tuple(operands), frozen(static), (result,), like.line, like.scope))

    # ---- the walk
    def run(self) -> Graph:
        """Walk over the graph and return the new one, or the old one where nothing has changed."""
        replaced, unchanged = self._replaced, True
        quiet = self._quiet()
        for equation in self.graph.equations:
            old = equation
            if replaced:
                for x in equation.operands:
                    if type(x) is Var and x.number in replaced:
                        equation = self._updated(equation)
                        break
            if len(equation.results) == 1:
                number = old.results[0].number
                if equation is old and number in quiet:
                    found: tuple[Atom, ...] = (self._kept(equation),)
                else:
                    found = (self._take(equation),)
                    if found[0] is equation.results[0]:
                        quiet[number] = equation
            else:
                shared = self._shared(equation)
                found = shared.results
                if shared is equation:
                    self._write(equation)
            if found[0] is not old.results[0]:
                unchanged = False
                for v, w in zip(old.results, found, strict=True):
                    replaced[v.number] = w
                    self._retain(w, self._uses.get(v.number, 0))
                for x in equation.operands:
                    self._release(x)
        if unchanged:
            return self.graph
        outputs = tuple([self._now(x) for x in self.graph.outputs])
        uses = self._uses
        live = [e for e in self._equations if uses.get(e.results[0].number, 0) or self._is_used(e)]
        return Graph(self.graph.inputs, self.graph.captured, tuple(live), outputs)

    def _now(self, x: Atom) -> Atom:
        return self._replaced.get(x.number, x) if type(x) is Var else x

    def _updated(self, equation: Equation) -> Equation:
        e = equation
        return Equation(e.name, e.kind, tuple([self._now(x) for x in e.operands]), e.static, e.results, e.line, e.scope)

    def _take(self, equation: Equation) -> Atom:
        """Return what stands for the result of an equation: what a rule finds, or what is there, or itself, written."""
        for rule in self._rules(equation):
            found = rule(self, equation)
            if found is not None:
                return found
        return self._kept(equation)

    def _kept(self, equation: Equation) -> Var:
        shared = self._shared(equation)
        if shared is equation:
            self._write(equation)
        return shared.results[0]

    def _quiet(self) -> dict[int, Equation]:
        """Return the equations to be left alone, by what they make: those found so before, unless an operand of theirs,
        or one of those that make it, is now used more often, or less.
        """
        memory = self._memory
        if memory is None:
            return {}
        uses, before = self._uses, memory.uses
        if not memory.quiet:
            memory.uses = dict(uses)
            return memory.quiet
        near: set[int] = set()
        quiet = {}
        for equation in self.graph.equations:
            number = equation.results[0].number
            if memory.quiet.get(number) is equation:
                for x in equation.operands:
                    if type(x) is Var:
                        if x.number in near:
                            break
                        if uses.get(x.number) != before.get(x.number):
                            near.add(number)
                            break
                else:
                    quiet[number] = equation
        memory.quiet, memory.uses = quiet, dict(uses)
        return quiet

    def _shared(self, equation: Equation) -> Equation:
        """Return the equation that computes the same and is there already, or this one."""
        if not self._share:
            return equation
        keys = self._keys
        number = equation.results[0].number
        known = keys.get(number)
        if known is not None and known[0] is equation:
            key = known[1]
        else:
            key = _key(equation.name, equation.operands, equation.static, equation.scope)
            keys[number] = equation, key
        return self._known.setdefault(key, equation)

    def _write(self, equation: Equation) -> None:
        self._equations.append(equation)
        for v in equation.results:
            self._makers[v.number] = equation

    # ---- counting uses: an equation that nothing uses does not use its operands, and is left out at the end
    def _retain(self, x: Atom, count: int) -> None:
        todo = [(x, count)] if count else []
        while todo:
            x, count = todo.pop()
            if type(x) is Var:
                before = self._uses.get(x.number, 0)
                self._uses[x.number] = before + count
                maker = self._makers.get(x.number)
                if before == 0 and maker is not None and self._is_first_used(maker, x):
                    todo += [(y, 1) for y in maker.operands]

    def _release(self, x: Atom) -> None:
        todo = [x]
        while todo:
            x = todo.pop()
            if type(x) is Var:
                count = self._uses[x.number] = self._uses[x.number] - 1
                maker = self._makers.get(x.number)
                if count == 0 and maker is not None and self._is_first_used(maker, x):
                    todo += maker.operands

    def _is_used(self, equation: Equation) -> bool:
        return len(equation.results) > 1 and any(self._uses.get(v.number, 0) for v in equation.results)

    def _is_first_used(self, maker: Equation, x: Var) -> bool:
        """Say whether ``x`` is the only one among the results of its equation that is in use."""
        return len(maker.results) == 1 or not any(self._uses.get(v.number, 0) for v in maker.results if v is not x)


def _uses(graph: Graph) -> dict[int, int]:
    """Return how many operands and outputs each value is."""
    uses: dict[int, int] = {}
    for row in (*[equation.operands for equation in graph.equations], graph.outputs):
        for x in row:
            if type(x) is Var:
                uses[x.number] = uses.get(x.number, 0) + 1
    return uses


_COMMUTATIVE = frozenset(
    (
        *("add", "multiply", "equal", "not_equal"),
        *("bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor"),
    )
)


def _key(name: str, operands: tuple[Atom, ...], static: tuple[tuple[str, Any], ...], scope: int) -> Any:
    """Return what equations that compute the same thing have in common."""
    parts: tuple[Any, ...] = tuple([x.key if isinstance(x, Literal) else x.number for x in operands])
    if name in _COMMUTATIVE and str(parts[0]) > str(parts[1]):
        parts = parts[1], parts[0]
    # By what is printed: 1, 1.0 and True are equal and not the same, and slices have no hash.
    return name, parts, repr(static) if static else "", scope


def broadcast(operands: Iterable[Atom]) -> tuple[int, ...]:
    """Return the shape that the shapes of operands broadcast to."""
    shape: tuple[int, ...] = ()
    for x in operands:
        if x.shape == shape or x.ndim == 0:
            continue
        if not shape:
            shape = x.shape
            continue
        lead = len(shape) - x.ndim
        longer, shorter = (shape, x.shape) if lead >= 0 else (x.shape, shape)
        lead = abs(lead)
        shape = longer[:lead] + tuple([m if n == 1 else n for m, n in zip(longer[lead:], shorter, strict=True)])
    return shape
