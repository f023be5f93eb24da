"""Gradients over many samples, and data-parallel training: the same bits for every number of workers.

A step is one pass over the blocks of its mini-batch, of parameters that no step writes to; the optimiser steps here.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from tl_arrayapi.distributed.batches import Batch, Batches, one_ahead
from tl_arrayapi.distributed.environment import one_thread
from tl_arrayapi.distributed.gradients import Gradients, GradientSums, block_size
from tl_arrayapi.distributed.runner import Progress, Runner, Terms, connected
from tl_arrayapi.distributed.samples import Source, open_samples
from tl_arrayapi.distributed.saved import Saved
from tl_arrayapi.errors import ArgumentError, StructureError
from tl_arrayapi.init.splitmix64 import as_seed
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count, nonnegative
from tl_arrayapi.optim.optimizer import Optimizer

__all__ = ["loss_and_grads", "train_with"]

_BLOCKS = 8  # for so many workers a mini-batch should have work, if blocks need not be tiny for it


def loss_and_grads(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    micro_batch: int = 64,
    block: int | None = None,
    chunk_size: int | None = None,
    progress: Callable[[int, int | None], Any] | None = None,
    timeout: float | None = None,
) -> tuple[float, list[Any]]:
    """Return the mean loss over samples, and the mean gradients of all parameters, zeros where frozen; nothing changes.

    The arguments, and the errors, are those of `mean_loss`, and the loss is the one that it returns. Gradients are
    computed for ``block`` samples at once, by their places among all (None: as many as suit the bytes of a sample, 64
    where these are not known), and added up in a tree of blocks: they are the same bits for every number of workers,
    any chunks and any kind of source, and in this process, and depend on the order of the samples and on ``block``
    alone. Partitions of bags and Delayed, whose places are not known, are such blocks themselves. A loss that cannot
    be mapped over samples, and 16-bit numbers, are computed one sample at a time.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * w * x, [3.0])
    >>> loss_and_grads(module, [module.asarrays([x]) for x in (1.0, 2.0)])
    (13.5, [array(9., dtype=float32)])
    """
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    if block is None:
        block = block_size(open_samples(module, samples, weights, micro_batch).sample_nbytes)
    block = count("block", block, at_least=1)
    source = open_samples(module, samples, weights, block, chunk_size, aligned=True)
    job, terms = Gradients.of(module, block, rows=micro_batch), _terms(progress=progress, timeout=timeout)
    with connected(client) as runner:
        loss, grads = _mean(runner, job, module, source, terms)
    zeros = module.backend.namespace.zeros_like
    return loss, [zeros(p) if g is None else g for g, p in zip(grads, module.params, strict=True)]


def _terms(*, timeout: float | None, progress: Progress = None) -> Terms:
    if timeout is not None and not nonnegative("timeout", timeout):
        raise ArgumentError("timeout must be above 0, in seconds, or None")
    return Terms(progress, timeout=timeout)


def _mean(
    runner: Runner, job: Gradients, module: ScalarModule, source: Source, terms: Terms
) -> tuple[float, list[Any]]:
    """Return the mean loss, and the mean gradients in the places of all parameters, None where one is frozen."""
    found: GradientSums | None = runner.total(job, module, source, terms)
    if found is None:
        raise StructureError("there are no samples: at least one is expected")
    loss, means = found.mean()
    options = module.options
    rest = iter([module.backend.from_host(g, options.dtype, options.device) for g in means])
    return loss, [next(rest) if trainable else None for trainable in module.requires_grad]


def train_with(
    module: ScalarModule,
    opt: Optimizer,
    state: Any,
    steps: int,
    samples: Any,
    client: Any = None,
    *,
    batch_size: int,
    accumulate: int = 1,
    seed: int | None = None,
    start: int = 0,
    micro_batch: int = 16,
    block: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    timeout: float | None = None,
    log_every: int = 1,
    log: Callable[[str], Any] | None = print,
) -> Any:
    """Take ``steps`` steps of ``opt``, each on the mean gradient of one mini-batch; return the optimiser's last state.

    An epoch visits all samples in the order of ``shuffled(len(samples), seed, epoch)``, as `minibatches` does, its last
    batch smaller; ``seed`` is the module's where None. With ``accumulate`` a step takes so many mini-batches, and the
    mean over all of their samples. ``start`` is the number of steps taken before, in the order that this call goes on
    with. Losses are logged as the module's own ``train_with`` logs them.

    Samples are of any kind that `mean_loss` takes, and that can be read in any order. Gradients are computed in blocks,
    as in `loss_and_grads`, by the places of samples in the batch (``block`` None: as many as suit the sample's bytes
    and the batch), so that parameters and state are the same bits for every number of workers, and without ``client``.
    A task adds up whole blocks, ``micro_batch`` samples at least, and one for each worker where there are so many.

    ``checkpoint`` is a path to which the module is saved every ``checkpoint_every`` steps, and after the last. With
    ``resume`` training goes on from there where there is such a file: the same call, made again after whatever ended
    the first one, comes to the same bits. Raises `CheckpointError` where it was written by other arguments. After
    ``timeout`` seconds the call fails.

    The module is updated after every step: an error leaves it as the last whole step made it. Raises as `mean_loss`
    does.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: (w - x) ** 2, [0.0])
    >>> samples, opt = [module.asarrays([x]) for x in (1.0, 2.0, 3.0)], tl.optim.sgd(0.25)
    >>> state = train_with(module, opt, module.init_optim(opt), 2, samples, batch_size=3)
    step 0: loss=4.66667
    step 1: loss=1.66667
    >>> module.params
    [array(1.5, dtype=float32)]
    """
    source = open_samples(module, samples)
    if source.total is None:
        raise StructureError("training takes samples in any order: give a sequence, arrays or files of known length")
    plan = Batches(
        source.total,
        count("batch_size", batch_size, at_least=1),
        count("accumulate", accumulate, at_least=1),
        module.options.seed if seed is None else as_seed(seed),
        block_size(source.sample_nbytes, batch_size // _BLOCKS) if block is None else count("block", block, at_least=1),
    )
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    log_every = count("log_every", log_every, at_least=1)
    start, steps = count("start", start), count("steps", steps)
    terms = _terms(timeout=timeout)
    if checkpoint is None and (resume or checkpoint_every is not None):
        raise ArgumentError("resume and checkpoint_every need a checkpoint: give its path")
    saved = None if checkpoint is None else Saved(Path(checkpoint), checkpoint_every, plan)
    first = start
    if saved is not None and resume:
        first, state = saved.restored(module, start, steps, state)

    def sent(runner: Runner) -> Generator[tuple[Gradients, Source], None, None]:
        """Yield what is to be done at each step, and the batch, on its way."""
        for places in islice(plan.places(first), start + steps - first):
            blocks = plan.piece_blocks(len(places), micro_batch, runner.workers)
            job = Gradients.of(module, plan.block, piece_blocks=blocks)
            yield job, runner.ahead(Batch(source, places, blocks * plan.block))

    with connected(client) as runner, closing(sent(runner) if client is None else one_ahead(sent(runner))) as batches:
        for i, (job, batch) in enumerate(batches, first):
            loss, grads = _mean(runner, job, module, batch, terms)
            with one_thread():
                state = module.apply_gradients(opt, state, grads)
            if saved is not None:
                saved.after(module, state, i + 1, start + steps)
            if log is not None and i % log_every == 0:
                log(f"step {i}: loss={loss:.6g}")
    return state
