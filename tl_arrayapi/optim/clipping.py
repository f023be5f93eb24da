"""Transformations that bound or change gradients before an optimiser sees them.

None of them keeps a state, and none reads a value: a lazy or traced gradient stays one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.autograd.namespace import array_namespace
from tl_arrayapi.optim.checks import like_parameters, nonnegative, positive
from tl_arrayapi.optim.optimizer import Transformation

__all__ = ["add_decayed_weights", "clip_by_global_norm", "clip_by_value"]


@dataclass(frozen=True)
class _Stateless:
    amount: float

    def init(self, params: Sequence[Any]) -> tuple[()]:
        return ()

    def step(self, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], Any]:
        xp: Any = array_namespace(*params, *grads) if params else None
        like_parameters("grads", params, grads)
        if not grads:
            return [], state
        changed = self.change(xp, params, grads)
        # NumPy's operators turn 0-d arrays into scalars.
        return [g if g.shape else xp.asarray(g) for g in changed], state

    def scalars(self, state: Any) -> tuple[()]:
        return ()

    def __call__(
        self, scalars: Sequence[Any], state: Any, params: Sequence[Any], grads: Sequence[Any]
    ) -> tuple[list[Any], Any]:
        return self.step(state, params, grads)

    def change(self, xp: Any, params: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
        raise NotImplementedError


class _GlobalNorm(_Stateless):
    def change(self, xp: Any, params: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
        # Squares of 16-bit gradients leave the range of their dtype: they are summed in float32.
        wide = [xp.astype(g, xp.float32) if xp.finfo(g.dtype).bits < 32 else g for g in grads]
        total = sum((xp.sum(g * g) for g in wide[1:]), xp.sum(wide[0] * wide[0]))
        # Where the norm is within the limit this is exactly 1, and the gradients keep their bits.
        scale = self.amount / xp.clip(xp.sqrt(xp.asarray(total)), min=self.amount)
        return [g * xp.astype(scale, g.dtype, copy=False) for g in grads]


class _Value(_Stateless):
    def change(self, xp: Any, params: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
        return [xp.clip(g, min=-self.amount, max=self.amount) for g in grads]


class _DecayedWeights(_Stateless):
    def change(self, xp: Any, params: Sequence[Any], grads: Sequence[Any]) -> list[Any]:
        return [g + self.amount * x for x, g in zip(params, grads, strict=True)]


def _transformation(parts: _Stateless) -> Transformation:
    return Transformation(parts.init, parts.step, parts.scalars, parts)


def clip_by_global_norm(limit: float) -> Transformation:
    """Return the transformation that scales all gradients by ``limit / norm`` where their common 2-norm is above
    ``limit``.

    The norm is over all entries of all gradients. One NaN makes all of them NaN, so that it cannot hide. Source:
    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", arXiv:1211.5063. Raises
    ArgumentError unless ``limit`` is above 0.

    >>> import numpy as np
    >>> clip, grads = clip_by_global_norm(1.0), [np.asarray([3.0]), np.asarray([4.0])]
    >>> clip.step(clip.init(grads), grads, grads)[0]
    [array([0.6]), array([0.8])]
    """
    return _transformation(_GlobalNorm(positive("limit", limit)))


def clip_by_value(limit: float) -> Transformation:
    """Return the transformation that clips each entry of each gradient to [-limit, limit].

    Raises ArgumentError unless ``limit`` is above 0.

    >>> import numpy as np
    >>> clip, grads = clip_by_value(1.0), [np.asarray([3.0, -0.5])]
    >>> clip.step(clip.init(grads), grads, grads)[0]
    [array([ 1. , -0.5])]
    """
    return _transformation(_Value(positive("limit", limit)))


def add_decayed_weights(weight_decay: float) -> Transformation:
    """Return the transformation that adds ``weight_decay`` times each parameter to its gradient: L2 regularisation.

    ``chain(add_decayed_weights(d), sgd(lr))`` is torch.optim.SGD with ``weight_decay=d``. Raises ArgumentError where
    it is below 0.

    >>> import numpy as np
    >>> decay, params = add_decayed_weights(0.5), [np.asarray([2.0])]
    >>> decay.step(decay.init(params), params, [np.asarray([0.25])])[0]
    [array([1.25])]
    """
    return _transformation(_DecayedWeights(nonnegative("weight_decay", weight_decay)))
