"""Optimisers and transformations of gradients: pairs of pure functions, and how they are chained.

State goes in and comes out, as in Optax (https://optax.readthedocs.io): nothing is kept between calls and no argument
is written to. States are plain dicts, lists and tuples of arrays and Python numbers, so that they can be saved.
Nothing here knows a method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tl_arrayapi.errors import StructureError

__all__ = ["LearningRate", "Optimizer", "Transformation", "chain"]

LearningRate = float | Callable[[int], Any]
"""A number, or a schedule: a function of the step, counted from 0, whose result becomes a Python float."""

_Step = Callable[[Any, Sequence[Any], Sequence[Any]], tuple[list[Any], Any]]
_Scalars = Callable[[Any], tuple[float, ...]]
_Update = Callable[[Sequence[Any], Any, Sequence[Any], Sequence[Any]], tuple[list[Any], Any]]


@dataclass(frozen=True)
class Transformation:
    """Change gradients by two pure functions: ``init(params) -> state`` and ``step(state, params, grads) -> (grads,
    state)``.

    ``scalars`` and ``update`` are a step in two parts, as in an `Optimizer`.

    >>> halve = Transformation(lambda params: (), lambda state, params, grads: ([g / 2 for g in grads], state))
    >>> halve.step((), [1.0], [3.0])
    ([1.5], ())
    """

    init: Callable[[Sequence[Any]], Any]
    step: _Step
    scalars: _Scalars | None = None
    update: _Update | None = None


@dataclass(frozen=True)
class Optimizer:
    """Step parameters by two pure functions: ``init(params) -> state`` and ``step(state, params, grads) -> (params,
    state)``.

    The new parameters are new arrays, of the shapes and dtypes of the old ones.

    A step may also be given in two parts, so that one program can be made of the second and used for every step:
    ``scalars(state)`` gives the Python floats that depend on the state's step counts, such as a schedule's learning
    rate, always so many; ``update(scalars, state, params, grads)`` does what is done to arrays. It may be handed 0-d
    arrays in place of the floats, and arrays without values, as in a trace: it must not ask for either's. What it does
    to arrays does not depend on the step counts, Python ints in the state, and each is one more in the state that it
    returns; updates that are equal are run as one program. ``step(state, params, grads)`` equals
    ``update(scalars(state), state, params, grads)`` to the bit.

    >>> def step(state, params, grads):
    ...     return [x - g for x, g in zip(params, grads)], state
    >>> Optimizer(lambda params: (), step).step((), [1.0], [0.25])
    ([0.75], ())
    >>> from tl_arrayapi.optim import sgd
    >>> opt = sgd(lambda step: 0.5 / (1 + step))
    >>> opt.scalars({"step": 4})
    (0.1,)
    """

    init: Callable[[Sequence[Any]], Any]
    step: _Step
    scalars: _Scalars | None = None
    update: _Update | None = None


@dataclass(frozen=True)
class _Chain:
    parts: tuple[Any, ...]

    def init(self, params: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(part.init(params) for part in self.parts)

    def step(self, state: Any, params: Sequence[Any], grads: Sequence[Any]) -> tuple[list[Any], tuple[Any, ...]]:
        arrays, states = list(grads), []
        for part, entry in zip(self.parts, _entries(state, len(self.parts)), strict=True):
            arrays, entry = part.step(entry, params, arrays)
            states.append(entry)
        return arrays, tuple(states)

    def scalars(self, state: Any) -> tuple[float, ...]:
        return tuple(
            number
            for part, entry in zip(self.parts, _entries(state, len(self.parts)), strict=True)
            for number in part.scalars(entry)
        )


@dataclass(frozen=True)
class _ChainUpdate:
    """The updates of a chain's parts; what their scalars are has no part in what they do."""

    updates: tuple[_Update, ...]
    scalars: tuple[_Scalars, ...] = field(compare=False)

    def __call__(
        self, scalars: Sequence[Any], state: Any, params: Sequence[Any], grads: Sequence[Any]
    ) -> tuple[list[Any], tuple[Any, ...]]:
        arrays, states, start = list(grads), [], 0
        for update, numbers, entry in zip(self.updates, self.scalars, _entries(state, len(self.updates)), strict=True):
            stop = start + len(numbers(entry))
            arrays, entry = update(scalars[start:stop], entry, params, arrays)
            states.append(entry)
            start = stop
        return arrays, tuple(states)


def _entries(state: Any, count: int) -> Sequence[Any]:
    """Return each part's own state."""
    if not isinstance(state, list | tuple) or len(state) != count:
        got = f"{len(state)} entries" if isinstance(state, list | tuple) else f"a {type(state).__name__}"
        raise StructureError(
            f"a state of {count} entries, one for each part of the chain, is expected; got {got}: "
            "take the state from init(params)"
        )
    return state


def chain(*parts: Transformation | Optimizer) -> Optimizer:
    """Return the optimiser that hands gradients through transformations, in the order given, to the optimiser at the
    end.

    Its state is the tuple of its parts' states, and its scalars are theirs, one after another; it has none where a
    part has none. Raises StructureError unless the last part, and it alone, is an Optimizer.

    >>> import numpy as np
    >>> from tl_arrayapi.optim import clip_by_value, sgd
    >>> opt, params = chain(clip_by_value(1.0), sgd(0.5)), [np.asarray([0.0, 0.0])]
    >>> opt.step(opt.init(params), params, [np.asarray([9.0, 0.5])])[0]
    [array([-0.5 , -0.25])]
    """
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if not isinstance(part, Optimizer if last else Transformation):
            expected = "an Optimizer at the end" if last else "Transformations before the end"
            raise StructureError(f"part {i} of the chain is a {type(part).__name__}: {expected} is expected")
    if not parts:
        raise StructureError("an empty chain has no optimiser: chain(*transformations, optimizer) is expected")
    whole = _Chain(parts)
    updates = tuple(part.update for part in parts if part.update is not None)
    scalars = tuple(part.scalars for part in parts if part.scalars is not None)
    if len(updates) < len(parts) or len(scalars) < len(parts):
        return Optimizer(whole.init, whole.step)
    return Optimizer(whole.init, whole.step, whole.scalars, _ChainUpdate(updates, scalars))
