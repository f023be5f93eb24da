"""Learning-rate schedules: frozen values that are called with the step, counted from 0, and return a Python float.

They are pure functions, compare by value and can be pickled. Nothing here knows an array or an optimiser.

>>> from tl_arrayapi import optim
>>> opt = optim.sgd(Cosine(0.1, steps=1000))
"""

import math
from dataclasses import dataclass

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.optim.checks import count, nonnegative, positive

__all__ = [
    "Constant",
    "Cosine",
    "Cyclic",
    "Exponential",
    "LinearWarmup",
    "OneCycle",
    "Schedule",
    "Step",
    "Triangular",
    "WarmupCosine",
]


class Schedule:
    """Map a step, counted from 0, to a learning rate: what all schedules share.

    >>> isinstance(Constant(0.1), Schedule)
    True
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of ``step``, or raise ArgumentError unless it is a whole number of at least 0."""
        return self._at(count("step", step))

    def _at(self, step: int) -> float:
        raise NotImplementedError

    def _numbers(self, **fields: float) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, nonnegative(name, value))

    def _counts(self, **fields: int) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, count(name, value, at_least=1))


def _cosine(start: float, end: float, part: float) -> float:
    """Go from ``start`` to ``end`` along half a cosine, as ``part`` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True)
class Constant(Schedule):
    """Keep the learning rate ``lr``.

    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr)

    def _at(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True)
class Exponential(Schedule):
    """Multiply ``lr`` by ``gamma`` at every step: ``lr gamma^step``, as torch's ExponentialLR.

    >>> Exponential(1.0, gamma=0.5)(3)
    0.125
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr, gamma=self.gamma)

    def _at(self, step: int) -> float:
        try:
            return self.lr * self.gamma**step
        except OverflowError:
            raise ArgumentError(
                f"gamma {self.gamma} raised to step {step} is beyond a float: take a gamma of at most 1"
            ) from None


@dataclass(frozen=True)
class Step(Schedule):
    """Multiply ``lr`` by ``gamma`` every ``size`` steps, as torch's StepLR.

    >>> [Step(1.0, size=2, gamma=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr, gamma=self.gamma)
        self._counts(size=self.size)

    def _at(self, step: int) -> float:
        return Exponential(self.lr, self.gamma)(step // self.size)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Go from ``lr`` to ``final`` in ``steps`` steps along half a cosine, and stay there.

    Source: Loshchilov, Hutter, "SGDR", arXiv:1608.03983, equation 5, without restarts.

    >>> [Cosine(1.0, steps=2)(step) for step in (0, 1, 2, 3)]
    [1.0, 0.5, 0.0, 0.0]
    """

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr, final=self.final)
        self._counts(steps=self.steps)

    def _at(self, step: int) -> float:
        return _cosine(self.lr, self.final, min(step / self.steps, 1.0))


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """Go from ``start`` to ``lr`` in ``steps`` equal steps, and stay there.

    >>> [LinearWarmup(1.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """

    lr: float
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr, start=self.start)
        self._counts(steps=self.steps)

    def _at(self, step: int) -> float:
        part = min(step / self.steps, 1.0)
        return self.start * (1 - part) + self.lr * part


@dataclass(frozen=True)
class WarmupCosine(Schedule):
    """Go from ``start`` to ``lr`` in ``warmup`` equal steps, then along half a cosine to ``final``, at ``steps``.

    Raises ArgumentError unless ``warmup`` is below ``steps``, which counts both.

    >>> schedule = WarmupCosine(1.0, warmup=2, steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    lr: float
    warmup: int
    steps: int
    start: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._numbers(lr=self.lr, start=self.start, final=self.final)
        self._counts(warmup=self.warmup, steps=self.steps)
        if self.warmup >= self.steps:
            raise ArgumentError(f"warmup must be below steps, which counts it; got {self.warmup} of {self.steps}")

    def _at(self, step: int) -> float:
        if step < self.warmup:
            return LinearWarmup(self.lr, self.warmup, self.start)(step)
        return Cosine(self.lr, self.steps - self.warmup, self.final)(step - self.warmup)


@dataclass(frozen=True)
class Cyclic(Schedule):
    """Go from ``low`` to ``high`` in ``up`` steps and back in ``down``, for ever; heights shrink as ``gamma^step``.

    ``down`` is ``up`` where None. It is torch's CyclicLR, mode "exp_range". Source: Smith, "Cyclical Learning Rates",
    arXiv:1506.01186. Raises ArgumentError where ``low`` is above ``high``, or ``gamma`` above 1.

    >>> [Cyclic(0.0, 1.0, up=1, down=2)(step) for step in range(5)]
    [0.0, 1.0, 0.5, 0.0, 1.0]
    """

    low: float
    high: float
    up: int
    down: int | None = None
    gamma: float = 1.0

    def __post_init__(self) -> None:
        self._numbers(low=self.low, high=self.high, gamma=self.gamma)
        self._counts(up=self.up, down=self.up if self.down is None else self.down)
        if self.low > self.high:
            raise ArgumentError(f"low must be at most high; got {self.low} and {self.high}: exchange them")
        if self.gamma > 1:
            raise ArgumentError(f"gamma must be at most 1, for the heights shrink by it; got {self.gamma}")

    def _at(self, step: int) -> float:
        down = self.up if self.down is None else self.down
        place = step % (self.up + down)
        height = place / self.up if place <= self.up else (self.up + down - place) / down
        return self.low + (self.high - self.low) * height * self.gamma**step


@dataclass(frozen=True)
class Triangular(Schedule):
    """Go from ``low`` to ``high`` and back in ``period`` equal steps, for ever.

    Raises ArgumentError unless ``period`` is even, and ``low`` at most ``high``.

    >>> [Triangular(0.0, 1.0, period=4)(step) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """

    low: float
    high: float
    period: int

    def __post_init__(self) -> None:
        self._counts(period=self.period)
        if self.period % 2:
            raise ArgumentError(f"period must be even, for its middle is the peak; got {self.period}")
        self._numbers(low=self.low, high=self.high)
        Cyclic(self.low, self.high, self.period // 2)

    def _at(self, step: int) -> float:
        return Cyclic(self.low, self.high, self.period // 2)(step)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Go from ``peak / divide`` up to ``peak``, then down to ``peak / (divide divide_final)``, along half cosines.

    Step ``steps - 1`` is the last, after which it stays; ``rise`` is the part of the steps that goes up: torch's
    OneCycleLR. Source: Smith, Topin, "Super-Convergence", arXiv:1708.07120. Raises ArgumentError unless ``rise`` lies
    strictly between 0 and 1.

    >>> schedule = OneCycle(1.0, steps=11, rise=0.5, divide=4.0, divide_final=4.0)
    >>> print(round(schedule(0), 3), round(schedule(4), 3), round(schedule(10), 4))
    0.25 0.977 0.0625
    """

    peak: float
    steps: int
    rise: float = 0.3
    divide: float = 25.0
    divide_final: float = 1e4

    def __post_init__(self) -> None:
        self._numbers(peak=self.peak, rise=self.rise)
        self._counts(steps=self.steps)
        for name in ("divide", "divide_final"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        if not 0 < self.rise < 1:
            raise ArgumentError(f"rise must lie strictly between 0 and 1; got {self.rise}")
        if not self.top > 0:
            raise ArgumentError(
                f"steps {self.steps} with rise {self.rise} leave no step to go up: "
                f"take more than {math.ceil(1 / self.rise)} steps"
            )

    @property
    def top(self) -> float:
        """The step, perhaps between two, at which the peak is reached."""
        return self.rise * self.steps - 1

    def _at(self, step: int) -> float:
        low = self.peak / self.divide
        last = self.steps - 1
        if step <= self.top:
            return _cosine(low, self.peak, step / self.top)
        return _cosine(self.peak, low / self.divide_final, min((step - self.top) / (last - self.top), 1.0))
