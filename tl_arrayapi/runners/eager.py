"""The eager runner: every operation runs when it is met."""

from collections.abc import Sequence
from typing import Any

from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.autograd.transforms import checked_loss, evaluate, gradient_of
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.optim.optimizer import Optimizer
from tl_arrayapi.runners.runner import Problem

__all__ = ["EagerRunner"]


class EagerRunner:
    """Run a problem operation by operation: see `Runner`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._value_and_grad = gradient_of(problem.loss, problem.trainable, problem.xp)

    @property
    def programs(self) -> list[ProgramReport]:
        """None are."""
        return []

    def owned(self, params: Sequence[Any], *, given_away: bool) -> list[Any]:
        """Return copies of ``params``, or themselves where they are ``given_away``."""
        asarray = self._problem.xp.backend.namespace.asarray
        return self._problem.xp.backend.persist(list(params) if given_away else [asarray(p, copy=True) for p in params])

    def forward(self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss."""
        problem = self._problem
        problem.check(xs)
        return problem.checked(evaluate(problem.loss, (*params, *xs), keywords, problem.xp))

    def losses(self, params: Sequence[Any], columns: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Return the loss of each sample."""
        problem, shared = self._problem, (None,) * len(params)

        def loss(*arguments: Any) -> Any:
            return problem.checked(checked_loss(problem.xp, problem.loss(*arguments, **keywords)))

        return vmap(loss, (*shared, *(0,) * len(columns)))(*params, *columns)

    def loss_and_grads(
        self, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, Sequence[Any]]:
        """Return the loss and its gradients."""
        problem = self._problem
        if not problem.trainable:
            return self.forward(params, xs, keywords), ()
        problem.check(xs)
        value, grads = self._value_and_grad(*params, *xs, **keywords)
        return problem.checked(value), grads

    def step(
        self, params: Sequence[Any], rate: float, xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        """Return the loss, and the parameters after a step of gradient descent."""
        problem = self._problem
        value, grads = self.loss_and_grads(params, xs, keywords)
        descend, scalar = problem.xp.backend.descend, problem.xp.ground.scalar
        stepped = []
        for i, g in zip(problem.trainable, grads, strict=True):
            p = params[i]
            stepped.append(descend(p, g, scalar(rate, p.dtype, p)))
        return value, problem.stored(params, stepped)

    def step_with(
        self, opt: Optimizer, state: Any, params: Sequence[Any], xs: Sequence[Any], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """Return the loss, and parameters and state after a step of ``opt``."""
        value, grads = self.loss_and_grads(params, xs, keywords)
        return value, *self.apply(opt, state, params, grads)

    def apply(self, opt: Optimizer, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return parameters and state after a step of ``opt`` with ``grads``."""
        stepped, state = opt.step(state, self._problem.chosen(params), list(grads))
        return self._problem.stored(params, stepped), state
