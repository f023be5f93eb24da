"""What training goes through and what it leaves behind: samples, mini-batches, and the history of the loss.

A sample is a tuple of arrays, the inputs of one evaluation of a loss. Nothing here knows a module or an optimiser.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import array_api_compat

from tl_arrayapi import backends
from tl_arrayapi.autograd.namespace import array_namespace
from tl_arrayapi.errors import ArgumentError, ShapeError, StructureError
from tl_arrayapi.init.splitmix64 import Words, mix, stream_key
from tl_arrayapi.optim.checks import count

__all__ = [
    "History",
    "StackedSamples",
    "count_samples",
    "minibatches",
    "run",
    "sample_at",
    "shuffled",
    "stack_samples",
]

_Samples = Sequence[tuple[Any, ...]]


@dataclass
class History:
    """Keep the losses of a training run, and the steps before which they were taken.

    >>> history = History()
    >>> history.append(0, 2.5)
    >>> history.step, history.loss, history.columns
    ([0], [2.5], {'step': [0], 'loss': [2.5]})
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)

    def append(self, step: int, loss: float) -> None:
        """Add one row."""
        self.step.append(step)
        self.loss.append(loss)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The lists by their names, as a data frame or a plot takes them."""
        return {"step": self.step, "loss": self.loss}


class StackedSamples(Sequence[tuple[Any, ...]]):
    """Show arrays that share their leading axis as the sequence of samples along it: see `stack_samples`.

    >>> import numpy as np
    >>> samples = stack_samples(np.ones((5, 2)), np.ones(5))
    >>> len(samples), samples[1:3]
    (5, <2 samples of float64(2,), float64()>)
    """

    __slots__ = ("arrays",)

    def __init__(self, arrays: tuple[Any, ...]) -> None:
        self.arrays = arrays

    def __repr__(self) -> str:
        return f"<{len(self)} samples of {', '.join(f'{x.dtype}{tuple(x.shape[1:])}' for x in self.arrays)}>"

    def __len__(self) -> int:
        return int(self.arrays[0].shape[0])

    @overload
    def __getitem__(self, index: int) -> tuple[Any, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> "StackedSamples": ...

    def __getitem__(self, index: int | slice) -> "tuple[Any, ...] | StackedSamples":
        if isinstance(index, slice):
            return StackedSamples(tuple(x[index, ...] for x in self.arrays))
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            # The sequence protocol wants this exception.
            raise IndexError(f"sample {place} of {len(self)}")
        return tuple(x[place, ...] for x in self.arrays)

    def take(self, places: Sequence[int]) -> tuple[Any, ...]:
        """Return the samples at ``places`` as one tuple of arrays, stacked along the leading axis."""
        xp = array_namespace(*self.arrays)
        indices = xp.asarray(list(places), device=array_api_compat.device(self.arrays[0]))
        return tuple(xp.take(x, indices, axis=0) for x in self.arrays)


def stack_samples(*arrays: Any) -> StackedSamples:
    """Return the sequence of samples ``(X[i], Y[i], ...)`` of arrays that share their leading axis.

    It has a length, takes indices and slices, and holds the arrays themselves, not copies. Raises StructureError
    without an array, NamespaceError where libraries are mixed, and ShapeError for a 0-d array, lengths that differ or
    are not known, or no samples.

    >>> import numpy as np
    >>> samples = stack_samples(np.arange(6.0).reshape(3, 2), np.arange(3))
    >>> samples[1]
    (array([2., 3.]), array(1))
    """
    if not arrays:
        raise StructureError("stack_samples was given no array: give those that share the samples' axis")
    array_namespace(*arrays)
    lengths = []
    for i, x in enumerate(arrays):
        if not x.shape:
            raise ShapeError(f"array {i} is 0-d: its leading axis must be that of the samples")
        length = x.shape[0]
        if length is None or length != length:  # NaN in Dask
            raise ShapeError(f"the length of array {i} is not known: call its compute_chunk_sizes() first")
        lengths.append(int(length))
    if len(set(lengths)) > 1:
        raise ShapeError(f"the arrays hold {', '.join(map(str, lengths))} samples: equal numbers are expected")
    if not lengths[0]:
        raise ShapeError("the arrays hold no samples: at least one is expected")
    return StackedSamples(arrays)


def count_samples(samples: Any) -> int:
    """Return the number of samples, or raise StructureError unless there are some, with a length and indices.

    >>> count_samples([(1.0,), (2.0,)])
    2
    """
    expected = "a sequence of tuples of arrays, or stack_samples(X, Y, ...), is expected"
    if isinstance(samples, Mapping | str | bytes) or hasattr(samples, "shape"):
        raise StructureError(f"the samples are a {type(samples).__name__}: {expected}")
    if not (hasattr(samples, "__len__") and hasattr(samples, "__getitem__")):
        raise StructureError(f"the samples, a {type(samples).__name__}, have no length or no indices: {expected}")
    if not len(samples):
        raise StructureError("there are no samples: at least one is expected")
    return len(samples)


def sample_at(samples: _Samples, step: int) -> tuple[Any, ...]:
    """Return the sample of a step, ``samples[step mod len(samples)]``, or raise StructureError unless it is a tuple.

    >>> sample_at([("a",), ("b",), ("c",)], 4)
    ('b',)
    """
    place = step % len(samples)
    sample = samples[place]
    if not isinstance(sample, tuple | list):
        raise StructureError(f"sample {place} is a {type(sample).__name__}: a tuple of the loss's inputs is expected")
    return tuple(sample)


def shuffled(length: int, seed: int, epoch: int) -> list[int]:
    """Return the order in which ``length`` samples are visited in ``epoch``, a permutation of ``range(length)``.

    With ``mix`` one step of SplitMix64 on 64 bits (see `tl_arrayapi.init.splitmix64`), and sums modulo 2^64, the order
    sorts the indices i by ``mix(mix(mix(mix(seed) + epoch)) + i)``. These numbers differ for different i, so that the
    order is the same on every machine. Raises PlanError for a seed outside [0, 2^64).

    >>> shuffled(8, seed=0, epoch=0)
    [0, 7, 4, 2, 1, 6, 5, 3]
    """
    key = stream_key(mix((stream_key(seed) + epoch) % 2**64))
    form = Words(backends.get(None).namespace, "uint64")
    order: list[int] = form.xp.argsort(form.draws(key, form.counting(length))).tolist()
    return order


def minibatches(samples: _Samples, size: int, seed: int, epoch: int, start: int = 0) -> Iterator[tuple[Any, ...]]:
    """Return an iterator over the samples of one epoch in tuples of stacked arrays, ``size`` at a time, the last one
    smaller.

    The order is ``shuffled(len(samples), seed, epoch)``. The first ``start`` mini-batches are left out, which takes no
    time: a run that was cut short goes on with the next one. Samples that are tuples are stacked with the library's
    ``stack``. Raises ArgumentError for a size below 1, PlanError for a seed outside [0, 2^64), StructureError for no
    samples, all of them at once; and ShapeError or StructureError for samples that differ, when their batch is taken.

    >>> import numpy as np
    >>> for x, y in minibatches(stack_samples(np.arange(5), np.arange(5) * 10), 2, seed=0, epoch=0):
    ...     print(x, y)
    [0 4] [ 0 40]
    [2 1] [20 10]
    [3] [30]
    """
    length = count_samples(samples)
    size = count("the size of a mini-batch", size, at_least=1)
    epoch = count("epoch", epoch)
    if epoch >= 2**64:
        raise ArgumentError(f"epoch must be below 2^64; got {epoch}")
    order = shuffled(length, seed, epoch)
    skipped = count("start", start)
    chunks = [order[place : place + size] for place in range(skipped * size, length, size)]
    if isinstance(samples, StackedSamples):
        return (samples.take(places) for places in chunks)
    return (_stacked(samples, places) for places in chunks)


def _stacked(samples: _Samples, places: Sequence[int]) -> tuple[Any, ...]:
    rows = [sample_at(samples, place) for place in places]
    first = rows[0]
    for place, row in zip(places, rows, strict=True):
        if len(row) != len(first):
            raise StructureError(f"sample {place} has {len(row)} arrays, and sample {places[0]} has {len(first)}")
    return tuple(_stack([row[k] for row in rows], places, k) for k in range(len(first)))


def _stack(column: Sequence[Any], places: Sequence[int], k: int) -> Any:
    xp = array_namespace(*column)
    shape = tuple(column[0].shape)
    for place, x in zip(places, column, strict=True):
        if tuple(x.shape) != shape:
            raise ShapeError(
                f"input {k} of sample {place} has shape {tuple(x.shape)}, and that of sample {places[0]} has {shape}: "
                "samples of one shape are expected"
            )
    return xp.stack(list(column), axis=0)


def run(
    step: Callable[[tuple[Any, ...]], Any],
    steps: int,
    samples: _Samples,
    log_every: int = 1,
    log: Callable[[str], Any] | None = print,
) -> History:
    """Call ``step`` on ``samples[i mod len]`` for i below ``steps``, and return its losses of each ``log_every``th
    step.

    These are logged, too, as ``step i: loss=v``.

    No loss is read in between, so that a lazy or remote library is not made to wait. Raises StructureError for no
    samples, even for no steps, and ArgumentError for negative steps or ``log_every`` below 1.

    >>> history = run(lambda xs: xs[0] / 2, 3, [(1.0,), (2.0,)], log_every=2)
    step 0: loss=0.5
    step 2: loss=0.5
    >>> history.step
    [0, 2]
    """
    count_samples(samples)
    steps = count("steps", steps)
    log_every = count("log_every", log_every, at_least=1)
    if log is not None and not callable(log):
        raise ArgumentError(f"log must be a function of one line of text, or None; got {log!r}")
    history = History()
    for i in range(steps):
        value = step(sample_at(samples, i))
        if i % log_every == 0:
            loss = float(value)
            history.append(i, loss)
            if log is not None:
                log(f"step {i}: loss={loss:.6g}")
    return history
