"""Gradients over many samples, and data-parallel training: the same bits for every number of workers.

A sample's gradient is one run of its own; gradients are added up in a tree over the samples, of a shape that their
number alone decides, and the optimiser steps here.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from tl_arrayapi.distributed.environment import one_thread
from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.partition import Tree, spans
from tl_arrayapi.distributed.runner import Progress, Runner, connected
from tl_arrayapi.distributed.samples import Chunk, Chunks, check_samples, cut, located
from tl_arrayapi.init.splitmix64 import as_seed
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count
from tl_arrayapi.optim.optimizer import Optimizer
from tl_arrayapi.train import shuffled

__all__ = ["loss_and_grads", "train_with"]


@dataclass(frozen=True)
class _Gradients:
    """The sum of losses, and the sums of gradients of trainable parameters on the host."""

    losses: ExactSum
    grads: list[numpy.ndarray[Any, Any]]

    def merge(self, other: "_Gradients") -> "_Gradients":
        return _Gradients(
            self.losses.merge(other.losses), [x + y for x, y in zip(self.grads, other.grads, strict=True)]
        )


def _gradients(module: ScalarModule, chunk: Chunk) -> _Gradients:
    xp, backend = module.backend.namespace, module.backend
    # Sums of 16-bit numbers soon lose what they add, or overflow.
    wide = backend.dtype("float32" if module.options.dtype in ("float16", "bfloat16") else module.options.dtype)
    losses = []
    sums: Tree[list[Any]] = Tree(lambda left, right: [x + y for x, y in zip(left, right, strict=True)])
    for i, (place, xs) in enumerate(chunk.samples(module)):
        with located(place):
            loss, grads = module.loss_and_grads(xs)
        loss, *grads = backend.persist([loss, *_trainable(module, grads)])
        grads = [xp.astype(g, wide) for g in grads]
        losses.append(loss)
        sums.push(grads if chunk.weights is None else [g * chunk.weights[i] for g in grads])
    # NumPy's operators turn 0-d arrays into scalars.
    totals = [xp.asarray(g) for g in sums.result()]
    exact = ExactSum.of([float(backend.to_host(loss)) for loss in losses], chunk.weights)
    return _Gradients(exact, [backend.to_host(g) for g in backend.persist(totals)])


def _trainable(module: ScalarModule, arrays: Sequence[Any]) -> list[Any]:
    return [x for x, trainable in zip(arrays, module.requires_grad, strict=True) if trainable]


def _placed(module: ScalarModule, grads: Sequence[Any]) -> list[Any]:
    """Return gradients of trainable parameters in the places of all, None where one is frozen."""
    rest = iter(grads)
    return [next(rest) if trainable else None for trainable in module.requires_grad]


def _mean(runner: Runner, module: ScalarModule, chunks: Chunks, progress: Progress = None) -> tuple[float, list[Any]]:
    """Return the mean loss, and the mean gradients of the trainable parameters."""
    found: _Gradients = runner.total(_gradients, module, chunks, progress, alike=True)
    weight, options = found.losses.total_weight, module.options
    means = [numpy.asarray(g / weight) for g in found.grads]
    return found.losses.mean, [module.backend.from_host(g, options.dtype, options.device) for g in means]


def loss_and_grads(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    micro_batch: int = 64,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[float, list[Any]]:
    """Return the mean loss over samples, and the mean gradients of all parameters, zeros where frozen; nothing changes.

    The arguments, and the errors, are those of `mean_loss`, and the loss is the one that it returns. The gradients are
    the same bits for every number of workers and in this process; they depend on the order of the samples, and on
    ``micro_batch`` where that is no power of two.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * w * x, [3.0])
    >>> loss_and_grads(module, [module.asarrays([x]) for x in (1.0, 2.0)])
    (13.5, [array(9., dtype=float32)])
    """
    chunks = cut(module, samples, weights, micro_batch)
    with connected(client) as runner:
        loss, grads = _mean(runner, module, chunks, progress)
    zeros = module.backend.namespace.zeros_like
    return loss, [zeros(p) if g is None else g for g, p in zip(_placed(module, grads), module.params, strict=True)]


def train_with(
    module: ScalarModule,
    opt: Optimizer,
    state: Any,
    steps: int,
    samples: Any,
    client: Any = None,
    *,
    batch_size: int,
    seed: int | None = None,
    start: int = 0,
    micro_batch: int = 16,
    log_every: int = 1,
    log: Callable[[str], Any] | None = print,
) -> Any:
    """Take ``steps`` steps of ``opt``, each on the mean gradient of one mini-batch; return the optimiser's last state.

    An epoch visits all samples in the order of ``shuffled(len(samples), seed, epoch)``, as `minibatches` does, its last
    batch smaller; ``seed`` is the module's where None. Each sample is one run of the loss, so that samples need not be
    of one shape. ``start`` is the number of steps taken before, in the order that this call goes on with. A task works
    on ``micro_batch`` samples. Losses are logged as the module's own ``train_with`` logs them.

    ``client`` is as in `mean_loss`, and parameters and state are the same bits with and without. The module is updated
    after every step: an error leaves it as the last whole step made it. Raises as `mean_loss` does.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: (w - x) ** 2, [0.0])
    >>> samples, opt = [module.asarrays([x]) for x in (1.0, 2.0, 3.0)], tl.optim.sgd(0.25)
    >>> state = train_with(module, opt, module.init_optim(opt), 2, samples, batch_size=3)
    step 0: loss=4.66667
    step 1: loss=1.66667
    >>> module.params
    [array(1.5, dtype=float32)]
    """
    total = check_samples(module, samples)
    seed = module.options.seed if seed is None else as_seed(seed)
    batch_size = count("batch_size", batch_size, at_least=1)
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    log_every = count("log_every", log_every, at_least=1)
    start, steps = count("start", start), count("steps", steps)
    batches = _batches(total, batch_size, seed, start)
    with connected(client) as runner:
        for i in range(start, start + steps):
            loss, grads = _mean(runner, module, Chunks(module.backend, samples, next(batches), None, micro_batch))
            with one_thread():
                state = module.apply_gradients(opt, state, _placed(module, grads))
            if log is not None and i % log_every == 0:
                log(f"step {i}: loss={loss:.6g}")
    return state


def _batches(total: int, size: int, seed: int, start: int) -> Iterator[list[int]]:
    """Yield the places of the samples of each step, from step ``start`` on, without end."""
    skip = start % -(-total // size)
    for epoch in itertools.count(start // -(-total // size)):
        order = shuffled(total, seed, epoch)
        for low, high in spans(total, size)[skip:]:
            yield order[low:high]
        skip = 0
