"""The optimisers that treat each parameter on its own: one rule a class, with PyTorch's defaults.

A rule says two things apart: ``numbers(step)``, Python floats that depend on the step alone, and ``each``, an
expression in arrays for one parameter. In ``each`` the numbers may be 0-d arrays: they meet arrays and one another's
sign only, for numbers multiplied there would be rounded to the arrays' dtype twice. In-place operators are applied to
arrays made in the same call only: they save a temporary where a library has them.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tl_arrayapi.autograd.namespace import Namespace, array_namespace
from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.optim.checks import fraction, like_parameters, nonnegative, state_entries, step_count, trainable
from tl_arrayapi.optim.optimizer import LearningRate, Optimizer

__all__ = ["Rule", "adadelta", "adagrad", "adam", "adamw", "lion", "momentum", "rmsprop", "sgd"]


def _smallest_root(xp: Any, dtype: Any) -> float:
    # The root of the smallest square that is not 0, 2**-12 in float16: with an eps far below it, a gradient whose
    # square is lost would be divided by next to nothing. A level's namespace is not kept: the library's own is asked.
    return _found_root(xp.inner if isinstance(xp, Namespace) else xp, dtype)


@functools.cache
def _found_root(library: Any, dtype: Any) -> float:
    limits = library.finfo(dtype)
    return math.sqrt(float(limits.smallest_normal) * float(limits.eps))


@dataclass(frozen=True)
class Rule:
    """Turn a rule for one parameter into the functions of an `Optimizer` for a list of them.

    The state is ``{"step": 0, slot: [an array like each parameter], ...}``, the slots being ``slots``, zero at first.

    >>> Rule(0.1).numbers(0)
    (0.1,)
    """

    lr: LearningRate
    slots: ClassVar[tuple[str, ...]] = ()

    def rate(self, step: int) -> float:
        """Return the learning rate of ``step``, or raise ArgumentError unless it is finite and at least 0."""
        if not callable(self.lr):
            return self.lr
        return nonnegative(f"the learning rate that the schedule gives for step {step}", self.lr(step))

    def numbers(self, step: int) -> tuple[float, ...]:
        """Return what ``each`` needs to know of ``step``: here the learning rate."""
        return (self.rate(step),)

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        """Return the new parameter, followed by its new slots."""
        raise NotImplementedError

    def init(self, params: Sequence[Any]) -> dict[str, Any]:
        """Return the state before the first step."""
        xp = trainable(params)
        return {"step": 0} | {slot: [xp.zeros_like(x) for x in params] for slot in self.slots}

    def step(self, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the new parameters and the new state."""
        xp: Any = array_namespace(*params, *grads) if params else None
        like_parameters("grads", params, grads)
        step, columns = state_entries(state, self.slots, params)
        numbers = self.numbers(step)
        return self._stepped([self._row(xp, numbers, *row) for row in zip(params, grads, *columns, strict=True)], step)

    def scalars(self, state: Any) -> tuple[float, ...]:
        """Return the numbers of the state's step."""
        return self.numbers(step_count(state, self.slots))

    def __call__(
        self, scalars: Sequence[Any], state: Any, params: Sequence[Any], grads: Sequence[Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the new parameters and the new state, with the numbers given: floats, or 0-d arrays of any real
        floating dtype.
        """
        xp: Any = array_namespace(*params, *grads, *scalars) if params else None
        like_parameters("grads", params, grads)
        step, columns = state_entries(state, self.slots, params)
        rows = zip(params, grads, *columns, strict=True)
        return self._stepped([self._row(xp, _in_dtype(xp, scalars, x), x, *row) for x, *row in rows], step)

    def _row(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        row = self.each(xp, numbers, x, g, *slots)
        # NumPy's operators turn 0-d arrays into scalars.
        return row if x.shape else tuple(xp.asarray(value) for value in row)

    def _stepped(self, rows: list[tuple[Any, ...]], step: int) -> tuple[list[Any], dict[str, Any]]:
        new, *slots = [[row[k] for row in rows] for k in range(1 + len(self.slots))]
        return new, {"step": step + 1} | dict(zip(self.slots, slots, strict=True))


def _in_dtype(xp: Any, numbers: Sequence[Any], x: Any) -> list[Any]:
    """Return ``numbers`` such that an operator with one of them keeps the dtype of ``x``, as with a Python float."""
    return [n if type(n) is float else xp.astype(n, x.dtype, copy=False) for n in numbers]


def _optimizer(rule: Rule) -> Optimizer:
    # What is done to arrays is the same for every learning rate, and equal updates are run as one program.
    return Optimizer(rule.init, rule.step, rule.scalars, replace(rule, lr=0.0))


def _learning_rate(lr: LearningRate) -> LearningRate:
    return lr if callable(lr) else nonnegative("lr", lr)


def _betas(betas: Sequence[float]) -> tuple[float, float]:
    try:
        first, second = betas
    except (TypeError, ValueError):
        raise ArgumentError(f"betas must be two numbers of at least 0 and below 1; got {betas!r}") from None
    return fraction("betas[0]", first), fraction("betas[1]", second)


class _Sgd(Rule):
    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr,) = numbers
        return (_moved(x, -lr * g),)


@dataclass(frozen=True)
class _Momentum(Rule):
    momentum: float
    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr,), (v,) = numbers, slots
        v = v * self.momentum
        v += g
        return _moved(x, -lr * v), v


@dataclass(frozen=True)
class _Adagrad(Rule):
    eps: float
    slots: ClassVar[tuple[str, ...]] = ("sum",)

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr,), (s,) = numbers, slots
        s = s + g * g
        move = _over_root(xp, g, s, max(self.eps, _smallest_root(xp, x.dtype)))
        move *= -lr
        return _moved(x, move), s


@dataclass(frozen=True)
class _Rmsprop(Rule):
    alpha: float
    eps: float
    slots: ClassVar[tuple[str, ...]] = ("square",)

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr,), (s,) = numbers, slots
        s = _decay(s, self.alpha, g)
        move = _over_root(xp, g, s, max(self.eps, _smallest_root(xp, x.dtype)))
        move *= -lr
        return _moved(x, move), s


@dataclass(frozen=True)
class _Adam(Rule):
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def numbers(self, step: int) -> tuple[float, ...]:
        # m / c1 / (sqrt(v / c2) + eps) = (sqrt(c2) / c1) m / (sqrt(v) + sqrt(c2) eps): no pass over arrays for c1, c2.
        (first, second), lr = self.betas, self.rate(step)
        root = math.sqrt(1 - second ** (step + 1))
        return lr * root / (1 - first ** (step + 1)), self.eps * root, 1 - lr * self.weight_decay

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (rate, eps, keep), (m, v), (first, second) = numbers, slots, self.betas
        m = _lerp(m, g, 1 - first)
        v = _decay(v, second, g)
        least = _smallest_root(xp, x.dtype)
        move = _over_root(xp, m, v, eps if self.eps > least else least)
        move *= -rate
        return _moved(x * keep if self.weight_decay else x, move), m, v


@dataclass(frozen=True)
class _Adadelta(Rule):
    rho: float
    eps: float
    slots: ClassVar[tuple[str, ...]] = ("square", "delta")

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr,), (s, d) = numbers, slots
        eps = max(self.eps, _smallest_root(xp, x.dtype) ** 2)
        s = _decay(s, self.rho, g)
        move = xp.sqrt(d + eps)
        move /= xp.sqrt(s + eps)
        move *= g
        return _moved(x, -lr * move), s, _decay(d, self.rho, move)


@dataclass(frozen=True)
class _Lion(Rule):
    betas: tuple[float, float]
    weight_decay: float
    slots: ClassVar[tuple[str, ...]] = ("m",)

    def numbers(self, step: int) -> tuple[float, ...]:
        lr = self.rate(step)
        return lr, 1 - lr * self.weight_decay

    def each(self, xp: Any, numbers: Sequence[Any], x: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        (lr, keep), (m,), (first, second) = numbers, slots, self.betas
        move = xp.sign(_lerp(m, g, 1 - first))
        move *= -lr
        return _moved(x * keep if self.weight_decay else x, move), _lerp(m, g, 1 - second)


def _moved(x: Any, move: Any) -> Any:
    """Return ``x + move``, in the place of ``move``, which is spent."""
    move += x
    return move


def _over_root(xp: Any, top: Any, square: Any, eps: Any) -> Any:
    """Return ``top / (sqrt(square) + eps)``."""
    root = xp.sqrt(square)
    root += eps
    return top / root


def _lerp(old: Any, new: Any, weight: float) -> Any:
    """Return ``old + weight (new - old)``."""
    out = new - old
    out *= weight
    out += old
    return out


def _decay(old: Any, rate: float, g: Any) -> Any:
    """Return ``rate old + (1 - rate) g^2``, which stays infinite, and does not turn to NaN, once a square overflows."""
    square = g * (1 - rate)
    square *= g
    out = old * rate
    out += square
    return out


def sgd(lr: LearningRate = 1e-3) -> Optimizer:
    """Return plain gradient descent: ``x - lr g``.

    ``lr`` is a number or a function of the step, counted from 0. Raises ArgumentError where it is NaN, infinite or
    negative.

    >>> import numpy as np
    >>> opt, params = sgd(0.5), [np.asarray([1.0, 2.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([1.0, -1.0])])
    ([array([0.5, 2.5])], {'step': 1})
    """
    return _optimizer(_Sgd(_learning_rate(lr)))


def momentum(lr: LearningRate = 1e-3, momentum: float = 0.9) -> Optimizer:
    """Return gradient descent with a velocity: ``v = momentum v + g``, then ``x - lr v`` (torch.optim.SGD's rule).

    Raises ArgumentError where ``lr`` is negative or not finite, or ``momentum`` outside [0, 1).

    >>> import numpy as np
    >>> opt, params = momentum(0.5), [np.asarray([1.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([1.0])])
    ([array([0.5])], {'step': 1, 'velocity': [array([1.])]})
    """
    return _optimizer(_Momentum(_learning_rate(lr), fraction("momentum", momentum)))


def adagrad(lr: LearningRate = 1e-2, eps: float = 1e-10) -> Optimizer:
    """Return Adagrad: ``s = s + g^2``, then ``x - lr g / (sqrt(s) + eps)``.

    Source: Duchi, Hazan, Singer, "Adaptive Subgradient Methods", JMLR 12, 2011. Raises ArgumentError for an ``lr`` or
    ``eps`` below 0.

    >>> import numpy as np
    >>> opt, params = adagrad(0.5), [np.asarray([1.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([3.0])])
    ([array([0.5])], {'step': 1, 'sum': [array([9.])]})
    """
    return _optimizer(_Adagrad(_learning_rate(lr), nonnegative("eps", eps)))


def rmsprop(lr: LearningRate = 1e-2, alpha: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """Return RMSprop: ``s = alpha s + (1 - alpha) g^2``, then ``x - lr g / (sqrt(s) + eps)``.

    Source: Tieleman, Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012. Raises ArgumentError for an
    ``lr`` or ``eps`` below 0, or an ``alpha`` outside [0, 1).

    >>> import numpy as np
    >>> opt, params = rmsprop(0.5, alpha=0.75), [np.asarray([2.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([3.0])])[1]
    {'step': 1, 'square': [array([2.25])]}
    """
    return _optimizer(_Rmsprop(_learning_rate(lr), fraction("alpha", alpha), nonnegative("eps", eps)))


def adam(lr: LearningRate = 1e-3, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8) -> Optimizer:
    """Return Adam: means m of g and v of g^2, corrected for their start at 0, then ``x - lr m / (sqrt(v) + eps)``.

    Source: Kingma, Ba, "Adam", arXiv:1412.6980, algorithm 1. Raises ArgumentError for an ``lr`` or ``eps`` below 0, or
    betas outside [0, 1).

    >>> import numpy as np
    >>> opt, params = adam(0.5), [np.asarray([1.0])]
    >>> params, state = opt.step(opt.init(params), params, [np.asarray([3.0])])
    >>> print(params[0].round(6), sorted(state))
    [0.5] ['m', 'step', 'v']
    """
    return _optimizer(_Adam(_learning_rate(lr), _betas(betas), nonnegative("eps", eps), 0.0))


def adamw(
    lr: LearningRate = 1e-3, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2
) -> Optimizer:
    """Return Adam whose parameters also shrink by ``1 - lr weight_decay`` a step, apart from the gradients.

    Source: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101. Raises ArgumentError as
    `adam` does, and for a ``weight_decay`` below 0.

    >>> import numpy as np
    >>> opt, params = adamw(0.5, weight_decay=0.5), [np.asarray([1.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([0.0])])[0]
    [array([0.75])]
    """
    decay = nonnegative("weight_decay", weight_decay)
    return _optimizer(_Adam(_learning_rate(lr), _betas(betas), nonnegative("eps", eps), decay))


def adadelta(lr: LearningRate = 1.0, rho: float = 0.9, eps: float = 1e-6) -> Optimizer:
    """Return Adadelta: ``x - lr sqrt(d + eps) / sqrt(s + eps) g``, with running means s of g^2 and d of the moves'
    squares.

    Source: Zeiler, "ADADELTA", arXiv:1212.5701, algorithm 1. Raises ArgumentError for an ``lr`` or ``eps`` below 0, or
    a ``rho`` outside [0, 1).

    >>> import numpy as np
    >>> opt, params = adadelta(rho=0.75), [np.asarray([1.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([2.0])])[1]["square"]
    [array([1.])]
    """
    return _optimizer(_Adadelta(_learning_rate(lr), fraction("rho", rho), nonnegative("eps", eps)))


def lion(lr: LearningRate = 1e-4, betas: Sequence[float] = (0.9, 0.99), weight_decay: float = 1e-3) -> Optimizer:
    """Return Lion: ``x - lr (sign(b1 m + (1 - b1) g) + weight_decay x)``, then ``m = b2 m + (1 - b2) g``.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675, algorithm 2; the defaults
    are Optax's. Raises ArgumentError for an ``lr`` or ``weight_decay`` below 0, or betas outside [0, 1).

    >>> import numpy as np
    >>> opt, params = lion(0.5, weight_decay=0.0), [np.asarray([1.0, 1.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([3.0, -0.1])])[0]
    [array([0.5, 1.5])]
    """
    return _optimizer(_Lion(_learning_rate(lr), _betas(betas), nonnegative("weight_decay", weight_decay)))
