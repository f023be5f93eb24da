"""The compiled runner: loss, gradients and update as one program for each shape of the inputs.

On a library whose backend keeps flat arrays, trainable parameters and an optimiser's slots lie one after another in one
array each. A step reads these and writes to others, which take their place when all went well.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.autograd.arguments import Signature, Spec
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.debug import is_debugging
from tl_arrayapi.autograd.masks import is_guarded
from tl_arrayapi.autograd.namespace import array_namespace, namespace_of_type
from tl_arrayapi.autograd.programs import Compilation, compiled_program
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.autograd.transforms import checked_loss, value_and_grad
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import StructureError
from tl_arrayapi.optim.optimizer import Optimizer
from tl_arrayapi.runners.eager import EagerRunner
from tl_arrayapi.runners.flat import Flat, Layout, Pool
from tl_arrayapi.runners.runner import Problem
from tl_arrayapi.runners.state import Parts, Place, places_of, put_together, taken_apart

__all__ = ["CompiledRunner"]

_MOST_PROGRAMS = 64
_MOST_BOUND = 8  # programs bound to flat arrays that others take turns with
_MOST_READY = 15  # shapes of inputs, besides the last one

_Arrays = Sequence[Any]
_Body = Callable[[list[_Arrays], _Arrays, _Arrays], tuple[list[Any], list[_Arrays]]]
"""What a program computes of groups of stored arrays, numbers, and arrays given: results, and new groups."""


class _Made:
    """A program, and the same bound to the flat arrays that it reads and writes."""

    __slots__ = ("bound", "compilation", "groups", "numbers", "read", "run")

    def __init__(self, compilation: Compilation, groups: int, numbers: list[Any], own_inputs: int) -> None:
        self.compilation = compilation
        self.groups = groups
        self.numbers = numbers
        self.read: list[Flat] = []
        # The parameters of a module are its own, and the new ones take their place: where the library can use their
        # memory again, it may. What an optimiser keeps was handed out.
        program, own = compilation.program, range(own_inputs)
        self.run: Callable[..., list[Any]] = program.donating(own) if own else program
        self.bound: dict[tuple[int, ...], tuple[list[Flat], Callable[..., list[Any]]]] = {}


class _Ready:
    """A step of gradient descent from parameters that are where it left them, for inputs like those seen."""

    __slots__ = ("_captured", "_frozen", "_more", "_rate", "_run", "_stepped", "fits")

    def __init__(
        self, xs: Sequence[Any], run: Callable[..., list[Any]], rate: Any, frozen: Any, captured: Any, stepped: Any
    ) -> None:
        self.fits = Signature(xs).fits
        self._run = run
        self._rate = rate
        self._frozen = frozen
        self._captured = captured
        self._more = bool(frozen or captured)
        self._stepped = stepped

    def step(self, rate: float, xs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Return the loss, and the parameters after the step."""
        self._rate[()] = rate
        results = self._run(*self._frozen, *xs, *self._captured) if self._more else self._run(*xs)
        return results[0], self._stepped


class CompiledRunner:
    """Run a problem as programs: see `Runner`.

    An optimiser without ``update`` is run eagerly, after the program of the gradients. Calls from several threads take
    turns.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._eager = EagerRunner(problem)
        self._lock = threading.RLock()
        self._programs: dict[Any, _Made] = {}
        self._layout = Layout(problem.chosen(problem.shapes))
        backend = problem.xp.backend
        self._pool = Pool(self._layout, problem.dtype, backend) if backend.flat and self._layout.size else None
        self._pair: tuple[tuple[Flat, Sequence[Any]], tuple[Flat, Sequence[Any]]] | None = None
        """The flat arrays that steps of gradient descent go between, each with the list of all parameters then."""
        self._ready: dict[int, list[_Ready]] = {}
        """The steps from one of these lists, by its identity."""
        self._frozen = [i for i in range(len(problem.shapes)) if i not in problem.trainable]

    # ---- what a module asks for
    @property
    def programs(self) -> list[ProgramReport]:
        """What was compiled, in order."""
        return [ProgramReport(made.compilation) for made in self._programs.values()]

    def owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        """Return ``params`` as this runner keeps them: in a flat array, where the library has these."""
        if self._pool is None:
            return self._eager.owned(params, given_away=given_away)
        with self._lock:
            self._let_go()
            flat = self._pool.filled(self._problem.chosen(params), [])
            frozen = [params[i] for i in self._frozen]
            kept = dict(zip(self._frozen, self._eager.owned(frozen, given_away=given_away), strict=True))
            return self._problem.stored([kept.get(i) for i in range(len(params))], flat.views)

    def forward(self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss."""
        if is_debugging():
            return self._eager.forward(params, xs, keywords)
        self._problem.check(xs)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            return [self._loss(groups[0], arrays, named)], []

        return self._run(("forward", *named), body, [self._problem.chosen(params)], (), given)[0][0]

    def losses(self, params: Sequence[Any], columns: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss of each sample."""
        if is_debugging():
            return self._eager.losses(params, columns, keywords)
        given, named = self._given(params, columns, keywords)
        shared = len(self._frozen)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            each = vmap(lambda *xs: self._loss(groups[0], [*arrays[:shared], *xs], named))
            return [each(*arrays[shared:])], []

        return self._run(("losses", *named), body, [self._problem.chosen(params)], (), given)[0][0]

    def loss_and_grads(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, Sequence[Any]]:
        """Return the loss and its gradients."""
        if is_debugging():
            return self._eager.loss_and_grads(params, xs, keywords)
        self._problem.check(xs)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays, named)
            return [value, *grads], []

        (value, *grads), _ = self._run(("gradients", *named), body, [self._problem.chosen(params)], (), given)
        return value, grads

    def step(
        self, params: Sequence[Any], rate: float, xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        """Return the loss, and the parameters after a step of gradient descent."""
        if not keywords:
            with self._lock:
                for ready in self._ready.get(id(params), ()):
                    if ready.fits(xs):
                        return ready.step(rate, xs)
        problem = self._problem
        if is_debugging():
            return self._eager.step(params, rate, xs, keywords)
        problem.check(xs)
        if not problem.trainable:
            return self.loss_and_grads(params, xs, keywords)[0], list(params)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays, named)
            return [value], [[p - numbers[0] * g for p, g in zip(groups[0], grads, strict=True)]]

        made = self._program(("step", *named), body, 1, 1, given)
        with self._lock:
            if self._pool is None:
                (value,), (stepped,) = self._apart(made, [problem.chosen(params)], (rate,), given)
                return value, problem.stored(params, stepped)
            return self._stepped(self._pool, made, params, rate, xs, given)

    def step_with(
        self, opt: Optimizer, state: Any, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """Return the loss, and parameters and state after a step of ``opt``."""
        if is_debugging() or opt.update is None or opt.scalars is None or not self._problem.trainable:
            value, grads = self.loss_and_grads(params, xs, keywords)
            return value, *self._eager.apply(opt, state, params, grads)
        self._problem.check(xs)
        given, named = self._given(params, xs, keywords)
        parts, inputs = self._parts(state), len(given)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays[:inputs], named)
            loose, stored = _updated(opt, parts, groups, numbers, arrays[inputs:], grads)
            return [value, *loose], stored

        groups = [self._problem.chosen(params), *parts.slots]
        key = ("step with", opt.update, parts.key, *named)
        (value, *loose), stored = self._run(key, body, groups, opt.scalars(state), [*given, *parts.loose])
        return value, self._problem.stored(params, stored[0]), _restored(parts, stored[1:], loose)

    def apply(self, opt: Optimizer, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return parameters and state after a step of ``opt`` with ``grads``."""
        if is_debugging() or opt.update is None or opt.scalars is None or not self._problem.trainable:
            return self._eager.apply(opt, state, params, grads)
        parts, count = self._parts(state), len(grads)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            return _updated(opt, parts, groups, numbers, arrays[count:], arrays[:count])

        groups = [self._problem.chosen(params), *parts.slots]
        key = ("apply", opt.update, parts.key)
        # Gradients have the shapes of the parameters, and the key of the state tells those of loose arrays.
        loose, stored = self._run(key, body, groups, opt.scalars(state), [*grads, *parts.loose], [])
        return self._problem.stored(params, stored[0]), _restored(parts, stored[1:], loose)

    # ---- what is traced
    def _given(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[list[Any], tuple[str, ...]]:
        """Return frozen parameters, inputs and keywords that are arrays, and what there is of these last ones."""
        given = [params[i] for i in self._frozen] if self._frozen else []
        given += xs
        if not keywords:
            return given, ()
        key = keywords["key"]
        if key is None:
            return given, ("no key",)
        given.append(key)
        return given, ("key",)

    def _arguments(
        self, trainable: _Arrays, given: _Arrays, named: tuple[str, ...]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return what the loss is called with."""
        params: list[Any] = [None] * len(self._problem.shapes)
        frozen, rest = given[: len(self._frozen)], list(given[len(self._frozen) :])
        for i, p in (*zip(self._problem.trainable, trainable, strict=True), *zip(self._frozen, frozen, strict=True)):
            params[i] = p
        keywords = {"key": rest.pop() if named == ("key",) else None} if named else {}
        return [*params, *rest], keywords

    def _loss(self, trainable: _Arrays, given: _Arrays, named: tuple[str, ...]) -> Any:
        arguments, keywords = self._arguments(trainable, given, named)
        xp = array_namespace(*arguments) if arguments else self._problem.xp
        return self._problem.checked(checked_loss(xp, self._problem.loss(*arguments, **keywords)))

    def _loss_and_grads(self, trainable: _Arrays, given: _Arrays, named: tuple[str, ...]) -> tuple[Any, Sequence[Any]]:
        if not self._problem.trainable:
            return self._loss(trainable, given, named), ()
        arguments, keywords = self._arguments(trainable, given, named)
        value, grads = value_and_grad(self._problem.loss, self._problem.trainable)(*arguments, **keywords)
        return self._problem.checked(value), grads

    def _parts(self, state: Any) -> Parts:
        shapes, dtype, pool = self._layout.shapes, self._problem.dtype, self._pool

        def is_slot(x: list[Any]) -> bool:
            if not x or len(x) != len(shapes):
                return False
            if pool is not None and pool.find(x) is not None:
                return True
            return all(
                getattr(a, "dtype", None) == dtype and tuple(a.shape) == shape
                for a, shape in zip(x, shapes, strict=True)
            )

        return taken_apart(state, is_slot, lambda x: namespace_of_type(x) is not None)

    # ---- programs
    def _run(
        self,
        name: tuple[Any, ...],
        body: _Body,
        groups: list[_Arrays],
        numbers: Sequence[float],
        given: list[Any],
        various: list[Any] | None = None,
    ) -> tuple[list[Any], list[list[Any]]]:
        """Run the program of ``body``; return its results, and the new groups as lists of arrays.

        ``various`` are those of ``given`` whose shapes and dtypes ``name`` does not tell; None: all of them.
        """
        made = self._program(name, body, len(groups), len(numbers), given, various)
        with self._lock:
            if self._pool is None:
                return self._apart(made, groups, numbers, given)
            return self._flat(self._pool, made, groups, numbers, given)

    def _program(
        self,
        name: tuple[Any, ...],
        body: _Body,
        groups: int,
        numbers: int,
        given: list[Any],
        various: list[Any] | None = None,
    ) -> _Made:
        """Return the program of ``body`` for the shapes and dtypes of ``given``, made if there is none."""
        key = (name, tuple([(x.shape, x.dtype) for x in (given if various is None else various)]), is_guarded())
        with self._lock:
            made = self._programs.pop(key, None)
            if made is None:
                made = self._compile(body, groups, numbers, given)
                if len(self._programs) >= _MOST_PROGRAMS:
                    del self._programs[next(iter(self._programs))]  # the one not used for longest is the first
            self._programs[key] = made
            return made

    def _flat(
        self, pool: Pool, made: _Made, groups: list[_Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        if made.groups:
            self._let_go()
        flats: list[Flat] = []
        for group in groups:
            flats.append(pool.find(group) or pool.filled(group, flats))
        # What was read last, if nobody holds it any more, so that steps go to and fro between the same two.
        before, made.read = made.read, flats[: made.groups]
        if len(before) == made.groups and all(flat not in flats and flat.is_free for flat in before):
            flats += before
        else:
            for _ in range(made.groups):
                flats.append(pool.take(flats))
        bound = self._bound(made, flats, len(groups))
        for place, x in zip(made.numbers, numbers, strict=True):
            place[()] = x
        results = bound(*given, *made.compilation.captured)
        if not made.groups:
            return results, []
        return results[: -made.groups], [flat.views for flat in flats[len(groups) :]]

    def _stepped(
        self, pool: Pool, made: _Made, params: Sequence[Any], rate: float, xs: Sequence[Any], given: list[Any]
    ) -> tuple[Any, Any]:
        """Take a step of gradient descent from one of two flat arrays to the other, and be ready for the next ones."""
        if self._pair is None or not any(params is held for _, held in self._pair):
            self._let_go()
            chosen = self._problem.chosen(params)
            source = pool.find(chosen)
            if source is None:
                source = pool.filled(chosen, [])
                params = self._problem.stored(params, source.views)
            target = pool.take([source])
            self._pair = ((source, params), (target, self._problem.stored(params, target.views)))
        (source, held), (target, stepped) = sorted(self._pair, key=lambda side: side[1] is not params)
        bound = self._bound(made, [source, target], 1)
        if len(given) == len(self._frozen) + len(xs):  # no key, which would be another one at every step
            frozen, captured = given[: len(self._frozen)], made.compilation.captured
            ready = _Ready(xs, bound, made.numbers[0], frozen, captured, stepped)
            self._ready[id(held)] = [ready, *self._ready.get(id(held), [])[:_MOST_READY]]
            return ready.step(rate, xs)
        made.numbers[0][()] = rate
        value, _ = bound(*given, *made.compilation.captured)
        return value, stepped

    def _let_go(self) -> None:
        """Have no more steps ready, and let others have the flat arrays that these went between."""
        self._pair = None
        self._ready.clear()

    def _bound(self, made: _Made, flats: list[Flat], sources: int) -> Callable[..., list[Any]]:
        """Return the program bound to flat arrays: the ``sources`` first ones to read, and the others to write."""
        key = tuple(map(id, flats))
        if key in made.bound:
            return made.bound[key][1]
        program, graph = made.compilation.program, made.compilation.graph
        held = [*(flat.whole for flat in flats[:sources]), *made.numbers]
        first = len(graph.outputs) - made.groups
        outs = {first + i: flat.whole for i, flat in enumerate(flats[sources:])}
        if len(made.bound) >= _MOST_BOUND:
            made.bound.clear()
        bound = program.bind(dict(enumerate(held)), outs)
        made.bound[key] = list(flats), bound
        return bound

    def _apart(
        self, made: _Made, groups: list[_Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        problem = self._problem
        scalars = [problem.xp.backend.number(x, problem.dtype, problem.device) for x in numbers]
        arrays = [x for group in groups for x in group]
        results = made.run(*arrays, *scalars, *given, *made.compilation.captured)
        count = len(problem.trainable)
        first = len(results) - made.groups * count
        stored = [results[first + i * count : first + (i + 1) * count] for i in range(made.groups)]
        return results[:first], stored

    def _compile(self, body: _Body, groups: int, numbers: int, given: list[Any]) -> _Made:
        problem, layout, flat = self._problem, self._layout, self._pool is not None
        if flat:
            stored = [Spec((layout.size,), problem.dtype)] * groups
        else:
            stored = [Spec(shape, problem.dtype) for _ in range(groups) for shape in layout.shapes]
        count, new = len(stored), 0

        def call(arrays: list[Array]) -> Any:
            nonlocal new
            held, scalars, rest = arrays[:count], arrays[count : count + numbers], arrays[count + numbers :]
            xp = array_namespace(*arrays) if arrays else problem.xp
            each = len(layout.shapes)
            if flat:
                lists: list[_Arrays] = [layout.split(xp, x) for x in held]
            else:
                lists = [held[i * each : (i + 1) * each] for i in range(groups)]
            results, made = body(lists, scalars, rest)
            new = len(made)
            return [*results, *([layout.join(xp, group) for group in made] if flat else (x for g in made for x in g))]

        specs = [
            *stored,
            *[Spec((), problem.dtype)] * numbers,
            *(Spec(tuple(x.shape), x.dtype) for x in given),
        ]
        compilation = compiled_program(call, specs, problem.xp, problem.device, fast=problem.fast_kernels)
        scalars = [problem.xp.backend.namespace.zeros((), dtype=problem.dtype) for _ in range(numbers)] if flat else []
        return _Made(compilation, new, scalars, len(layout.shapes) if new and not flat else 0)


def _updated(
    opt: Optimizer, parts: Parts, groups: list[_Arrays], numbers: _Arrays, loose: _Arrays, grads: _Arrays
) -> tuple[list[Any], list[_Arrays]]:
    """Return the loose arrays after an update, and the new parameters and slots."""
    assert opt.update is not None
    params, *slots = groups

    def find(place: Place) -> Any:
        kind, i = place
        return list(slots[i]) if kind == "slot" else loose[i] if kind == "loose" else parts.counts[i]

    stepped, state = opt.update(list(numbers), put_together(parts.structure, find), list(params), list(grads))
    found = dict(places_of(state, parts.structure))
    for (kind, i), x in found.items():
        if kind == "count" and x != parts.counts[i] + 1:
            raise StructureError(
                f"an optimiser's update must count its steps by one: a count of {parts.counts[i]} became {x!r}"
            )
    stored = [list(stepped), *(found[Place(("slot", i))] for i in range(len(slots)))]
    return [found[Place(("loose", i))] for i in range(len(loose))], stored


def _restored(parts: Parts, slots: list[list[Any]], loose: list[Any]) -> Any:
    """Return the state of a step's results."""

    def find(place: Place) -> Any:
        kind, i = place
        if kind == "count":
            return parts.counts[i] + 1
        return list(slots[i]) if kind == "slot" else loose[i]

    return put_together(parts.structure, find)
