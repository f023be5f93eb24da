"""Initialisers whose spread follows from the fans of a weight: those of Glorot and Bengio, and of He et al."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsFloat, SupportsIndex

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.fans import infer_fans
from tl_arrayapi.init.formats import FloatFormat
from tl_arrayapi.init.recipes import Recipe
from tl_arrayapi.init.schemes.base import FloatInit, as_fan, as_number, assign
from tl_arrayapi.init.schemes.drawn import normal_recipe, symmetric_recipe
from tl_arrayapi.init.splitmix64 import as_seed

__all__ = [
    "KaimingNormal",
    "KaimingUniform",
    "XavierNormal",
    "XavierUniform",
    "gain",
    "kaiming_for",
    "kaiming_linear_weight",
    "kaiming_normal",
    "kaiming_normal_for",
    "kaiming_uniform",
    "xavier_for",
    "xavier_linear_weight",
    "xavier_normal",
    "xavier_normal_for",
    "xavier_uniform",
]

_ROOT2 = math.sqrt(2.0)
_SLOPE = 0.01
_GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": _ROOT2,
    "selu": 3.0 / 4.0,
}
_MODES = ("fan_in", "fan_out")


def gain(nonlinearity: str, param: SupportsFloat | None = None) -> float:
    """Return the gain that torch.nn.init.calculate_gain recommends for what follows a weight.

    "linear", "identity", "conv" and "sigmoid": 1; "tanh": 5/3; "relu": sqrt(2); "leaky_relu": sqrt(2 / (1 + slope**2)),
    ``param`` being the slope, 0.01 where None; "selu": 3/4. Raise PlanError for others, and for a ``param`` that has no
    meaning.

    >>> gain("relu"), gain("leaky_relu", 1.0)
    (1.4142135623730951, 1.0)
    """
    if nonlinearity == "leaky_relu":
        slope = _SLOPE if param is None else as_number("the slope of leaky_relu", param)
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        raise PlanError(f"there is no gain for {nonlinearity!r}: take one of {', '.join([*_GAINS, 'leaky_relu'])}")
    if param is not None:
        raise PlanError(f"{nonlinearity!r} has no parameter, got {param!r}: only leaky_relu has one, its slope")
    return _GAINS[nonlinearity]


@dataclass(frozen=True)
class _Xavier(FloatInit):
    fan_in: int
    fan_out: int
    seed: int = 0
    gain: float = 1.0

    def __post_init__(self) -> None:
        assign(self, fan_in=as_fan("fan_in", self.fan_in), fan_out=as_fan("fan_out", self.fan_out))
        assign(self, seed=as_seed(self.seed), gain=_as_gain(self.gain))


@dataclass(frozen=True)
class XavierUniform(_Xavier):
    """Made by `xavier_uniform`."""

    name = "xavier_uniform"

    @property
    def bound(self) -> float:
        """L = gain * sqrt(6 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(6.0 / (self.fan_in + self.fan_out))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the uniform formula about 0."""
        return symmetric_recipe(self, self.bound, self.seed, form)


@dataclass(frozen=True)
class XavierNormal(_Xavier):
    """Made by `xavier_normal`."""

    name = "xavier_normal"

    @property
    def std(self) -> float:
        """The standard deviation, gain * sqrt(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2.0 / (self.fan_in + self.fan_out))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the normal distribution about 0."""
        return normal_recipe(self, 0.0, self.std, self.seed, form)


@dataclass(frozen=True)
class _Kaiming(FloatInit):
    fan_in: int
    seed: int = 0
    gain: float = _ROOT2
    mode: str = "fan_in"
    fan_out: int | None = None

    def __post_init__(self) -> None:
        assign(self, fan_in=as_fan("fan_in", self.fan_in), seed=as_seed(self.seed), gain=_as_gain(self.gain))
        _check_mode(self.mode)
        if self.fan_out is not None:
            assign(self, fan_out=as_fan("fan_out", self.fan_out))
        if self.mode == "fan_in":
            # The other fan says nothing then, and equal initialisers shall compare equal.
            assign(self, fan_out=None)
        elif self.fan_out is None:
            raise PlanError(f"{self.name} needs fan_out where mode is 'fan_out': give it as fan_out=")

    @property
    def fan(self) -> int:
        """The fan of the mode."""
        return self.fan_in if self.fan_out is None else self.fan_out

    @property
    def square(self) -> float:
        """The gain's square: 2 for that of a relu, whose root is rounded."""
        return 2.0 if self.gain == _ROOT2 else self.gain**2


@dataclass(frozen=True)
class KaimingUniform(_Kaiming):
    """Made by `kaiming_uniform`."""

    name = "kaiming_uniform"

    @property
    def bound(self) -> float:
        """L = gain * sqrt(3 / fan)."""
        return math.sqrt(3.0 * self.square / self.fan)

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the uniform formula about 0."""
        return symmetric_recipe(self, self.bound, self.seed, form)


@dataclass(frozen=True)
class KaimingNormal(_Kaiming):
    """Made by `kaiming_normal`."""

    name = "kaiming_normal"

    @property
    def std(self) -> float:
        """The standard deviation, gain / sqrt(fan)."""
        return math.sqrt(self.square / self.fan)

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the normal distribution about 0."""
        return normal_recipe(self, 0.0, self.std, self.seed, form)


# ---------------------------------------------------------------- what users call
def xavier_uniform(
    fan_in: SupportsIndex, fan_out: SupportsIndex, seed: SupportsIndex = 0, gain: SupportsFloat = 1.0
) -> XavierUniform:
    """Fill uniformly from [-L, L) with ``L = gain * sqrt(6 / (fan_in + fan_out))`` (X. Glorot and Y. Bengio, 2010).

    Raise PlanError for a fan below 1 or above 2**53, and for a gain that is not positive and finite.

    >>> xavier_uniform(3, 2).bound == (6 / 5) ** 0.5
    True
    """
    return XavierUniform(fan_in, fan_out, seed, gain)  # type: ignore[arg-type]


def xavier_normal(
    fan_in: SupportsIndex, fan_out: SupportsIndex, seed: SupportsIndex = 0, gain: SupportsFloat = 1.0
) -> XavierNormal:
    """Fill normally about 0, with the standard deviation ``gain * sqrt(2 / (fan_in + fan_out))`` (X. Glorot and Y.
    Bengio, 2010).

    Raise PlanError for a fan below 1 or above 2**53, and for a gain that is not positive and finite.

    >>> xavier_normal(5, 3).std
    0.5
    """
    return XavierNormal(fan_in, fan_out, seed, gain)  # type: ignore[arg-type]


def kaiming_uniform(
    fan_in: SupportsIndex,
    seed: SupportsIndex = 0,
    gain: SupportsFloat = _ROOT2,
    mode: str = "fan_in",
    fan_out: SupportsIndex | None = None,
) -> KaimingUniform:
    """Fill uniformly from [-L, L) with ``L = gain * sqrt(3 / fan)``, for what a relu follows (K. He et al., 2015).

    With the gain of a relu it is ``sqrt(6 / fan)``. ``mode`` "fan_in" keeps the variance on the way forward, "fan_out",
    which needs ``fan_out``, on the way back. Raise PlanError for a fan below 1 or above 2**53, for a gain that is not
    positive and finite, and for another mode.

    >>> kaiming_uniform(6).bound, kaiming_uniform(6, mode="fan_out", fan_out=24).bound
    (1.0, 0.5)
    """
    return KaimingUniform(fan_in, seed, gain, mode, fan_out)  # type: ignore[arg-type]


def kaiming_normal(
    fan_in: SupportsIndex,
    seed: SupportsIndex = 0,
    gain: SupportsFloat = _ROOT2,
    mode: str = "fan_in",
    fan_out: SupportsIndex | None = None,
) -> KaimingNormal:
    """Fill normally about 0, with the standard deviation ``gain / sqrt(fan)``, for what a relu follows (K. He et al.,
    2015).

    ``mode`` and errors are those of `kaiming_uniform`.

    >>> kaiming_normal(8).std
    0.5
    """
    return KaimingNormal(fan_in, seed, gain, mode, fan_out)  # type: ignore[arg-type]


def xavier_for(shape: Iterable[SupportsIndex], seed: SupportsIndex = 0, gain: SupportsFloat = 1.0) -> XavierUniform:
    """Return `xavier_uniform` with the fans of a weight of ``shape``; raise ShapeError where it has none.

    >>> xavier_for((7, 3), seed=5)
    XavierUniform(fan_in=3, fan_out=7, seed=5, gain=1.0)
    """
    return xavier_uniform(*infer_fans(shape), seed=seed, gain=gain)


def xavier_normal_for(
    shape: Iterable[SupportsIndex], seed: SupportsIndex = 0, gain: SupportsFloat = 1.0
) -> XavierNormal:
    """Return `xavier_normal` with the fans of a weight of ``shape``; raise ShapeError where it has none.

    >>> xavier_normal_for((7, 3), seed=5)
    XavierNormal(fan_in=3, fan_out=7, seed=5, gain=1.0)
    """
    return xavier_normal(*infer_fans(shape), seed=seed, gain=gain)


def kaiming_for(
    shape: Iterable[SupportsIndex], seed: SupportsIndex = 0, gain: SupportsFloat = _ROOT2, mode: str = "fan_in"
) -> KaimingUniform:
    """Return `kaiming_uniform` with the fans of a weight of ``shape``; raise ShapeError where it has none.

    >>> kaiming_for((8, 4, 3, 3)) == kaiming_uniform(36)
    True
    """
    return KaimingUniform(*_fans(shape, mode, seed, gain))


def kaiming_normal_for(
    shape: Iterable[SupportsIndex], seed: SupportsIndex = 0, gain: SupportsFloat = _ROOT2, mode: str = "fan_in"
) -> KaimingNormal:
    """Return `kaiming_normal` with the fans of a weight of ``shape``; raise ShapeError where it has none.

    >>> kaiming_normal_for((8, 4, 3, 3), mode="fan_out").std == (2 / 72) ** 0.5
    True
    """
    return KaimingNormal(*_fans(shape, mode, seed, gain))


def xavier_linear_weight(
    out: SupportsIndex, in_: SupportsIndex, seed: SupportsIndex = 0, gain: SupportsFloat = 1.0
) -> XavierUniform:
    """Return `xavier_uniform` for a matrix of shape ``(out, in_)``.

    >>> xavier_linear_weight(7, 3) == xavier_uniform(3, 7)
    True
    """
    return xavier_for((out, in_), seed, gain)


def kaiming_linear_weight(
    out: SupportsIndex,
    in_: SupportsIndex,
    seed: SupportsIndex = 0,
    gain: SupportsFloat = _ROOT2,
    mode: str = "fan_in",
) -> KaimingUniform:
    """Return `kaiming_uniform` for a matrix of shape ``(out, in_)``.

    >>> kaiming_linear_weight(7, 3) == kaiming_uniform(3)
    True
    """
    return kaiming_for((out, in_), seed, gain, mode)


def _as_gain(value: SupportsFloat) -> float:
    found = as_number("gain", value)
    if found <= 0.0:
        raise PlanError(f"a gain is positive, got {found}")
    return found


def _check_mode(mode: object) -> None:
    if mode not in _MODES:
        raise PlanError(f"mode is one of {', '.join(map(repr, _MODES))}, got {mode!r}")


def _fans(shape: Iterable[SupportsIndex], mode: str, seed: SupportsIndex, gain: SupportsFloat) -> tuple[Any, ...]:
    """Return what a Kaiming initialiser of a weight of ``shape`` is made of."""
    fan_in, fan_out = infer_fans(shape)
    return fan_in, seed, gain, mode, fan_out
