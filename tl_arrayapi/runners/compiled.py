"""The compiled runner: loss, gradients and update as one program for each shape of the inputs.

On a library whose backend keeps flat arrays, trainable parameters and an optimiser's slots lie one after another in one
array each. A step reads these and writes to others, which take their place when all went well.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.debug import is_debugging
from tl_arrayapi.autograd.masks import is_guarded
from tl_arrayapi.autograd.namespace import array_namespace, namespace_of_type
from tl_arrayapi.autograd.programs import Compilation, Spec, compiled_program
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

_Arrays = Sequence[Any]
_Body = Callable[[list[_Arrays], _Arrays, _Arrays], tuple[list[Any], list[_Arrays]]]
"""What a program computes of groups of stored arrays, numbers, and arrays given: results, and new groups."""


class _Made:
    """A program, and the same bound to the flat arrays that it reads and writes."""

    __slots__ = ("bound", "compilation", "groups", "numbers", "used")

    def __init__(self, compilation: Compilation, groups: int, numbers: list[Any]) -> None:
        self.compilation = compilation
        self.groups = groups
        self.numbers = numbers
        self.bound: dict[tuple[int, ...], tuple[list[Flat], Callable[..., list[Any]]]] = {}


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
        self._frozen = [i for i in range(len(problem.shapes)) if i not in problem.trainable]

    # ---- what a module asks for
    def forward(self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss."""
        if is_debugging():
            return self._eager.forward(params, xs, keywords)
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
        problem = self._problem
        if is_debugging():
            return self._eager.step(params, rate, xs, keywords)
        if not problem.trainable:
            return self.loss_and_grads(params, xs, keywords)[0], list(params)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[_Arrays], numbers: _Arrays, arrays: _Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays, named)
            return [value], [[p - numbers[0] * g for p, g in zip(groups[0], grads, strict=True)]]

        (value,), (stepped,) = self._run(("step", *named), body, [problem.chosen(params)], (rate,), given)
        return value, problem.stored(params, stepped)

    def step_with(
        self, opt: Optimizer, state: Any, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """Return the loss, and parameters and state after a step of ``opt``."""
        if is_debugging() or opt.update is None or opt.scalars is None or not self._problem.trainable:
            value, grads = self.loss_and_grads(params, xs, keywords)
            return value, *self._eager.apply(opt, state, params, grads)
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
        loose, stored = self._run(key, body, groups, opt.scalars(state), [*grads, *parts.loose])
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
        self, name: tuple[Any, ...], body: _Body, groups: list[_Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        """Run the program of ``body``; return its results, and the new groups as lists of arrays."""
        key = (name, tuple([(x.shape, x.dtype) for x in given]), is_guarded())
        with self._lock:
            made = self._programs.get(key)
            if made is None:
                made = self._compile(key, body, len(groups), len(numbers), given)
            if self._pool is None:
                return self._apart(made, groups, numbers, given)
            return self._flat(self._pool, made, groups, numbers, given)

    def _flat(
        self, pool: Pool, made: _Made, groups: list[_Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        flats: list[Flat] = []
        for group in groups:
            flats.append(pool.find(group) or pool.filled(group, flats))
        for _ in range(made.groups):
            flats.append(pool.take(flats))
        key = tuple(map(id, flats))
        bound = made.bound.get(key)
        if bound is None:
            if len(made.bound) > 8:
                made.bound.clear()
            bound = made.bound[key] = flats, self._bound(made, flats, len(groups))
        for place, x in zip(made.numbers, numbers, strict=True):
            place[()] = x
        results = bound[1](*given, *made.compilation.captured)
        if not made.groups:
            return results, []
        return results[: -made.groups], [flat.views for flat in flats[len(groups) :]]

    def _bound(self, made: _Made, flats: list[Flat], sources: int) -> Callable[..., list[Any]]:
        program, graph = made.compilation.program, made.compilation.graph
        held = [*(flat.whole for flat in flats[:sources]), *made.numbers]
        first = len(graph.outputs) - made.groups
        outs = {first + i: flat.whole for i, flat in enumerate(flats[sources:])}
        return program.bind(dict(enumerate(held)), outs)

    def _apart(
        self, made: _Made, groups: list[_Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        compilation, problem = made.compilation, self._problem
        asarray = problem.xp.ground.library.asarray
        where = {} if problem.device is None else {"device": problem.device}
        scalars = [asarray(x, dtype=problem.dtype, **where) for x in numbers]
        arrays = [x for group in groups for x in group]
        results = compilation.program(*arrays, *scalars, *given, *compilation.captured)
        count = len(problem.trainable)
        first = len(results) - made.groups * count
        stored = [results[first + i * count : first + (i + 1) * count] for i in range(made.groups)]
        return results[:first], stored

    def _compile(self, key: Any, body: _Body, groups: int, numbers: int, given: list[Any]) -> _Made:
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
        if len(self._programs) >= _MOST_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        made = self._programs[key] = _Made(compilation, new, scalars)
        return made


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
