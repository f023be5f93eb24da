"""The gradients of many samples at once, as one program.

Gradients of samples are only wanted added up, and a product of matrices adds them up as it goes: no sample's gradient
is ever an array of its own.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from tl_arrayapi.autograd.compiled import Compiled
from tl_arrayapi.autograd.transforms import checked_loss, pullback_of
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError
from tl_arrayapi.runners.runner import Problem
from tl_arrayapi.runners.tracing import run_first

__all__ = ["MappedGradients"]

_Arrays = Sequence[Any]


class MappedGradients:
    """Compute losses of stacked samples, and the gradients of their weighted sum.

    Raises what `compile` and `vmap` raise for a loss that they cannot trace or map; then again for samples of the same
    shapes, without trying.
    """

    def __init__(self, problem: Problem, *, fast_kernels: bool) -> None:
        self._problem = problem
        # Of arrays side by side, which a compiled function takes faster than nested ones.
        self._plain = Compiled(lambda *arrays: self._traced(arrays), fast_kernels=fast_kernels)
        self._keyed = Compiled(lambda *arrays: self._traced(arrays[:-1], arrays[-1]), fast_kernels=fast_kernels)
        # By shapes and dtypes, not once for all: what others gave before may not change any bit.
        self._refused: dict[Hashable, NoRuleError | TraceError | WatchedError] = {}
        self._ran: set[Hashable] = set()

    def __call__(self, params: _Arrays, columns: _Arrays, weights: Any, key: Any = None) -> tuple[Any, Sequence[Any]]:
        """Return the losses, in an array of one axis, and the gradients of ``sum(weights * losses)``, those of
        trainable parameters alone; a loss that takes a ``key`` is given it for every sample.
        """
        kinds = tuple([(tuple(x.shape), x.dtype) for x in columns])
        if kinds in self._refused:
            raise self._refused[kinds]
        function = self._plain if key is None else self._keyed
        arguments = [*params, *columns, weights, *([] if key is None else [key])]
        found: tuple[Any, Sequence[Any]]
        if kinds in self._ran:
            found = function(*arguments)
            return found
        try:
            found = run_first(function, arguments)
        except (NoRuleError, TraceError, WatchedError) as error:
            self._refused[kinds] = error.with_traceback(None)
            raise
        self._ran.add(kinds)
        return found

    def _traced(self, arrays: _Arrays, key: Any = None) -> tuple[Any, Sequence[Any]]:
        problem, count = self._problem, len(self._problem.shapes)
        params, columns, weights = arrays[:count], arrays[count:-1], arrays[-1]

        def loss(params: _Arrays, xs: _Arrays, keywords: dict[str, Any]) -> Any:
            return problem.checked(checked_loss(problem.xp, problem.loss(*params, *xs, **keywords)))

        each: Callable[..., Any] = vmap(loss, (None, 0, None))
        keywords = {} if key is None else {"key": key}
        if not problem.trainable:
            return each(params, columns, keywords), ()

        def losses(*trainable: Any) -> Any:
            return each(problem.stored(params, trainable), columns, keywords)

        values, pullback = pullback_of(losses, *problem.chosen(params))
        return values, pullback(weights)
