"""Muon: momentum whose matrix is replaced by the nearest orthogonal one; other parameters go to another optimiser.

Source: Jordan et al., https://kellerjordan.github.io/posts/muon/, and torch.optim.Muon, whose defaults these are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from tl_arrayapi.errors import StructureError
from tl_arrayapi.optim.checks import fraction, like_parameters, nonnegative
from tl_arrayapi.optim.optimizer import LearningRate, Optimizer
from tl_arrayapi.optim.rules import Rule, adamw

__all__ = ["muon", "orthogonalize"]

# The quintic x -> a x + b x^3 + c x^5 pushes singular values of (0, 1] to about 1 +- 0.3, and small ones up as fast as
# it can.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


def orthogonalize(xp: Any, matrix: Any) -> Any:
    """Return ``matrix`` of shape (m, n) with its singular values replaced by numbers near 1, in its own dtype.

    Five steps of a Newton-Schulz iteration; 16-bit matrices are iterated in float32.

    >>> import numpy as np
    >>> singular = np.linalg.svd(orthogonalize(np, np.asarray([[3.0, 0.0], [4.0, 1.0]])), compute_uv=False)
    >>> bool(np.all((0.6 < singular) & (singular < 1.3)))
    True
    """
    a, b, c = _COEFFICIENTS
    x = xp.astype(matrix, xp.float32) if xp.finfo(matrix.dtype).bits < 32 else matrix
    m, n = matrix.shape
    if m > n:
        x = xp.matrix_transpose(x)
    # The spectral norm is at most this one, so that all singular values start within (0, 1].
    x = x / xp.clip(xp.sqrt(xp.asarray(xp.sum(x * x))), min=_SMALLEST_NORM)
    for _ in range(_ITERATIONS):
        gram = x @ xp.matrix_transpose(x)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    if m > n:
        x = xp.matrix_transpose(x)
    return xp.astype(x, matrix.dtype, copy=False)


@dataclass(frozen=True)
class _Matrices(Rule):
    momentum: float
    weight_decay: float
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    def numbers(self, step: int) -> tuple[float, ...]:
        lr = self.rate(step)
        return lr, 1 - lr * self.weight_decay

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr, keep), (old,) = numbers, slots
        mean = old + (1 - self.momentum) * (g - old)
        move = orthogonalize(xp, g + self.momentum * (mean - g))
        rows, columns = x.shape
        # Taller matrices take longer steps, so that the root mean square of an update depends on the shape less.
        if rows > columns > 0:
            move = math.sqrt(rows / columns) * move
        return (x * keep if self.weight_decay else x) - lr * move, mean


@dataclass(frozen=True)
class _Muon:
    matrices: _Matrices
    others: Any

    def init(self, params: Sequence[Any]) -> dict[str, Any]:
        matrices, others = _sorted(params, params)
        return {"matrices": self.matrices.init(matrices), "others": self.others.init(others)}

    def step(self, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        return _stepped(self.matrices.step, self.others.step, state, params, grads)

    def scalars(self, state: Any) -> tuple[float, ...]:
        _check_state(state)
        rate, keep = self.matrices.scalars(state["matrices"])
        return rate, keep, *self.others.scalars(state["others"])


@dataclass(frozen=True)
class _MuonUpdate:
    matrices: _Matrices
    others: Any

    def __call__(
        self, scalars: Sequence[Any], state: Any, params: Sequence[Any], grads: Sequence[Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        rate, keep, *rest = scalars
        return _stepped(partial(self.matrices, (rate, keep)), partial(self.others, tuple(rest)), state, params, grads)


def _stepped(
    matrix_step: Any, other_step: Any, state: Any, params: Sequence[Any], grads: Sequence[Any]
) -> tuple[list[Any], dict[str, Any]]:
    _check_state(state)
    like_parameters("grads", params, grads)
    (matrices, others), (matrix_grads, other_grads) = _sorted(params, params), _sorted(params, grads)
    new_matrices, matrix_state = matrix_step(state["matrices"], matrices, matrix_grads)
    new_others, other_state = other_step(state["others"], others, other_grads)
    matrix, other = iter(new_matrices), iter(new_others)
    new = [next(matrix) if len(x.shape) == 2 else next(other) for x in params]
    return new, {"matrices": matrix_state, "others": other_state}


def _check_state(state: Any) -> None:
    if not isinstance(state, dict) or state.keys() != {"matrices", "others"}:
        raise StructureError(
            "this state is not Muon's, which has 'matrices' and 'others': take the state from init(params)"
        )


def _sorted(params: Sequence[Any], entries: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the entries of those parameters that are matrices, and those of the rest."""
    pairs = list(zip(params, entries, strict=True))
    return [e for x, e in pairs if len(x.shape) == 2], [e for x, e in pairs if len(x.shape) != 2]


def muon(
    lr: LearningRate = 1e-3, momentum: float = 0.95, weight_decay: float = 0.1, others: Optimizer | None = None
) -> Optimizer:
    """Return Muon, which moves each matrix along an orthogonalised, Nesterov-like momentum; the rest is stepped by
    ``others``.

    ``others`` (for vectors, scalars and convolution kernels) is ``adamw(lr, weight_decay=weight_decay)`` where None;
    where it lacks ``scalars`` or ``update``, so does Muon. Raises ArgumentError for an ``lr`` or ``weight_decay`` below
    0, or a ``momentum`` outside [0, 1).

    >>> import numpy as np
    >>> opt, params = muon(0.1), [np.zeros((2, 2)), np.zeros(2)]
    >>> new, state = opt.step(opt.init(params), params, [np.eye(2), np.ones(2)])
    >>> print(new[0].round(2), new[1].round(2))
    [[-0.11  0.  ]
     [ 0.   -0.11]] [-0.1 -0.1]
    """
    rate = lr if callable(lr) else nonnegative("lr", lr)
    decay = nonnegative("weight_decay", weight_decay)
    rule = _Matrices(rate, fraction("momentum", momentum), decay)
    if others is None:
        others = adamw(rate, weight_decay=decay)
    both = _Muon(rule, others)
    if others.scalars is None or others.update is None:
        return Optimizer(both.init, both.step)
    return Optimizer(both.init, both.step, both.scalars, _MuonUpdate(replace(rule, lr=0.0), others.update))
