"""The compiled runner: loss, gradients and update as one program for each shape of the inputs."""

from collections.abc import Sequence
from typing import Any

from tl_arrayapi.autograd.debug import is_debugging
from tl_arrayapi.autograd.namespace import array_namespace, namespace_of_type
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.autograd.transforms import checked_loss, value_and_grad
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import StructureError
from tl_arrayapi.optim.optimizer import Optimizer
from tl_arrayapi.runners.descent import Descent
from tl_arrayapi.runners.eager import EagerRunner
from tl_arrayapi.runners.programs import Arrays, Programs
from tl_arrayapi.runners.runner import Problem
from tl_arrayapi.runners.state import Parts, Place, places_of, put_together, taken_apart

__all__ = ["CompiledRunner"]


class CompiledRunner:
    """Run a problem as programs: see `Runner`.

    An optimiser without ``update`` is run eagerly, after the program of the gradients. Calls from several threads take
    turns.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._eager = EagerRunner(problem)
        self._programs = Programs(problem)
        self._descent = Descent(problem, self._programs)
        # At hand, for a small step takes microseconds.
        self._lock, self._ready = self._programs.lock, self._descent.ready

    # ---- what a module asks for
    @property
    def programs(self) -> list[ProgramReport]:
        """What was compiled, in order."""
        return self._programs.reports

    def owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        """Return ``params`` as this runner keeps them: in a flat array, where the library has these."""
        pool, frozen = self._programs.pool, self._problem.frozen
        if pool is None:
            return self._eager.owned(params, given_away=given_away)
        with self._programs.lock:
            self._descent.let_go()
            flat = pool.filled(self._problem.chosen(params), [])
            loose = self._eager.owned([params[i] for i in frozen], given_away=given_away)
            kept = dict(zip(frozen, loose, strict=True))
            return self._problem.stored([kept.get(i) for i in range(len(params))], flat.views)

    def forward(self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss."""
        if is_debugging():
            return self._eager.forward(params, xs, keywords)
        self._problem.check(xs)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            return [self._loss(groups[0], arrays, named)], []

        return self._programs.run(("forward", *named), body, [self._problem.chosen(params)], (), given)[0][0]

    def losses(self, params: Sequence[Any], columns: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss of each sample."""
        if is_debugging():
            return self._eager.losses(params, columns, keywords)
        given, named = self._given(params, columns, keywords)
        shared = len(self._problem.frozen)

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            each = vmap(lambda *xs: self._loss(groups[0], [*arrays[:shared], *xs], named))
            return [each(*arrays[shared:])], []

        return self._programs.run(("losses", *named), body, [self._problem.chosen(params)], (), given)[0][0]

    def loss_and_grads(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, Sequence[Any]]:
        """Return the loss and its gradients."""
        if is_debugging():
            return self._eager.loss_and_grads(params, xs, keywords)
        self._problem.check(xs)
        given, named = self._given(params, xs, keywords)

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays, named)
            return [value, *grads], []

        (value, *grads), _ = self._programs.run(("gradients", *named), body, [self._problem.chosen(params)], (), given)
        return value, grads

    def step(
        self, params: list[Any], rate: float, xs: Sequence[Any], keywords: dict[str, Any]
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

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays, named)
            return [value], [[p - numbers[0] * g for p, g in zip(groups[0], grads, strict=True)]]

        name = ("step", *named)
        if self._programs.pool is not None:
            return self._descent.step(self._programs.find(name, body, 1, 1, given), params, rate, xs, given)
        (value,), (stepped,) = self._programs.run(name, body, [problem.chosen(params)], (rate,), given)
        return value, problem.stored(params, stepped)

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

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            value, grads = self._loss_and_grads(groups[0], arrays[:inputs], named)
            loose, stored = _updated(opt, parts, groups, numbers, arrays[inputs:], grads)
            return [value, *loose], stored

        groups = [self._problem.chosen(params), *parts.slots]
        key = ("step with", opt.update, parts.key, *named)
        self._descent.let_go()
        (value, *loose), stored = self._programs.run(key, body, groups, opt.scalars(state), [*given, *parts.loose])
        return value, self._problem.stored(params, stored[0]), _restored(parts, stored[1:], loose)

    def apply(self, opt: Optimizer, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return parameters and state after a step of ``opt`` with ``grads``."""
        if is_debugging() or opt.update is None or opt.scalars is None or not self._problem.trainable:
            return self._eager.apply(opt, state, params, grads)
        parts, count = self._parts(state), len(grads)

        def body(groups: list[Arrays], numbers: Arrays, arrays: Arrays) -> Any:
            return _updated(opt, parts, groups, numbers, arrays[count:], arrays[:count])

        groups = [self._problem.chosen(params), *parts.slots]
        key = ("apply", opt.update, parts.key)
        self._descent.let_go()
        # Gradients have the shapes of the parameters, and the key of the state tells those of loose arrays.
        loose, stored = self._programs.run(key, body, groups, opt.scalars(state), [*grads, *parts.loose], [])
        return self._problem.stored(params, stored[0]), _restored(parts, stored[1:], loose)

    # ---- what is traced
    def _given(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[list[Any], tuple[str, ...]]:
        """Return frozen parameters, inputs and keywords that are arrays, and what there is of these last ones."""
        given = [params[i] for i in self._problem.frozen] if self._problem.frozen else []
        given += xs
        if not keywords:
            return given, ()
        key = keywords["key"]
        if key is None:
            return given, ("no key",)
        given.append(key)
        return given, ("key",)

    def _arguments(self, trainable: Arrays, given: Arrays, named: tuple[str, ...]) -> tuple[list[Any], dict[str, Any]]:
        """Return what the loss is called with."""
        problem = self._problem
        params = problem.stored([None] * len(problem.shapes), trainable)
        count = len(problem.frozen)
        rest = list(given[count:])
        for i, p in zip(problem.frozen, given[:count], strict=True):
            params[i] = p
        keywords = {"key": rest.pop() if named == ("key",) else None} if named else {}
        return [*params, *rest], keywords

    def _loss(self, trainable: Arrays, given: Arrays, named: tuple[str, ...]) -> Any:
        arguments, keywords = self._arguments(trainable, given, named)
        xp = array_namespace(*arguments) if arguments else self._problem.xp
        return self._problem.checked(checked_loss(xp, self._problem.loss(*arguments, **keywords)))

    def _loss_and_grads(self, trainable: Arrays, given: Arrays, named: tuple[str, ...]) -> tuple[Any, Sequence[Any]]:
        if not self._problem.trainable:
            return self._loss(trainable, given, named), ()
        arguments, keywords = self._arguments(trainable, given, named)
        value, grads = value_and_grad(self._problem.loss, self._problem.trainable)(*arguments, **keywords)
        return self._problem.checked(value), grads

    def _parts(self, state: Any) -> Parts:
        return taken_apart(state, self._programs.is_group, lambda x: namespace_of_type(x) is not None)


def _updated(
    opt: Optimizer, parts: Parts, groups: list[Arrays], numbers: Arrays, loose: Arrays, grads: Arrays
) -> tuple[list[Any], list[Arrays]]:
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
