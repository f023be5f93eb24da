"""Steps of gradient descent from one flat array to another and back, which nothing but the batch changes."""

from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.autograd.arguments import Signature
from tl_arrayapi.runners.flat import Flat
from tl_arrayapi.runners.programs import Made, Programs
from tl_arrayapi.runners.runner import Problem

__all__ = ["Descent"]

_MOST_READY = 15  # shapes of inputs, besides the last one


class _Ready:
    """A step of gradient descent from parameters that are where it left them, for inputs like those seen."""

    __slots__ = ("_captured", "_frozen", "_more", "_rate", "_run", "_stepped", "fits")

    def __init__(
        self,
        xs: Sequence[Any],
        run: Callable[..., list[Any]],
        rate: Any,
        frozen: Any,
        captured: Any,
        stepped: list[Any],
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


_Side = tuple[Flat, list[Any]]
"""One of the flat arrays that steps go between, and the list of all parameters then."""


class Descent:
    """Take steps between two flat arrays, and have the next ones ready."""

    def __init__(self, problem: Problem, programs: Programs) -> None:
        self._problem = problem
        self._programs = programs
        self._pair: Sequence[_Side] = ()
        self.ready: dict[int, list[_Ready]] = {}
        """The steps from one of these lists, by its identity; whoever takes one has the programs' lock."""

    def step(
        self, made: Made, params: list[Any], rate: float, xs: Sequence[Any], given: list[Any]
    ) -> tuple[Any, list[Any]]:
        """Take a step from one of the two flat arrays to the other, and be ready for the next ones."""
        with self._programs.lock:
            (source, held), (target, stepped) = self._sides(params)
            bound = self._programs.bound(made, [source, target], 1)
            frozen = len(self._problem.frozen)
            if len(given) == frozen + len(xs):  # no key, which would be another one at every step
                ready = _Ready(xs, bound, made.numbers[0], given[:frozen], made.compilation.captured, stepped)
                self.ready[id(held)] = [ready, *self.ready.get(id(held), [])[:_MOST_READY]]
                return ready.step(rate, xs)
            made.numbers[0][()] = rate
            value, _ = bound(*given, *made.compilation.captured)
            return value, stepped

    def _sides(self, params: list[Any]) -> Sequence[_Side]:
        """Return the side where ``params`` are, and the other."""
        pool = self._programs.pool
        assert pool is not None
        if not any(params is held for _, held in self._pair):
            self.let_go()
            chosen = self._problem.chosen(params)
            source = pool.find(chosen)
            if source is None:
                source = pool.filled(chosen, [])
                params = self._problem.stored(params, source.views)
            target = pool.take([source])
            self._pair = ((source, params), (target, self._problem.stored(params, target.views)))
        return sorted(self._pair, key=lambda side: side[1] is not params)

    def let_go(self) -> None:
        """Have no more steps ready, and let others have the flat arrays that these went between."""
        with self._programs.lock:
            self._pair = ()
            self.ready.clear()
