"""Open samples of any kind: look at what they are, refuse what cannot be right, and read nothing but headers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy

from tl_arrayapi import backends
from tl_arrayapi.distributed.partition import chunk_size as chosen_size
from tl_arrayapi.distributed.samples.batches import Batches
from tl_arrayapi.distributed.samples.collected import Collected, is_bag, is_delayed
from tl_arrayapi.distributed.samples.dask_arrays import DaskArrays, is_dask_array
from tl_arrayapi.distributed.samples.expected import Expected
from tl_arrayapi.distributed.samples.files import Files, files, is_path, open_files
from tl_arrayapi.distributed.samples.kinds import check_kinds
from tl_arrayapi.distributed.samples.memory import InMemory
from tl_arrayapi.distributed.samples.piece import Source
from tl_arrayapi.distributed.samples.sequences import Rows, check_rows
from tl_arrayapi.distributed.samples.table import Table, Tables
from tl_arrayapi.distributed.samples.weights import given_weights
from tl_arrayapi.errors import ShapeError, StructureError, TLError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count
from tl_arrayapi.train import StackedSamples, count_samples

__all__ = ["open_samples"]


def open_samples(
    module: ScalarModule,
    samples: Any,
    weights: Any = None,
    micro_batch: int = 64,
    chunk_size: int | None = None,
    *,
    aligned: bool = False,
) -> Source:
    """Return the source of ``samples``, with ``weights``, or raise where they cannot be right.

    ``samples`` is one of

    - a sequence of tuples of arrays, one a sample, or `stack_samples` of arrays of any library;
    - a tuple of Dask arrays, or `stack_samples` of them, chunked along the samples alone;
    - a path, a tuple of paths, or `files`;
    - a Dask bag of tuples, or a list of Delayed, each a tuple of stacked arrays or a list of tuples;
    - any other iterable, which gives batches, each a tuple of stacked arrays or a list of tuples.

    ``weights`` is one number a sample: a sequence, an array, a Dask array or a path; for a bag or Delayed a Dask
    collection, with a partition for each of theirs; for batches a sequence.

    A piece has about ``chunk_size`` samples, cut where reading is cheap (chunks, row groups); where that is None, some
    multiple of ``micro_batch`` that suits their number. With ``aligned``, all pieces but the last have a multiple of
    ``micro_batch``; partitions and Delayed are pieces as they are.

    What one piece alone needs of a Dask graph is computed in its task; what several need, such as a mean that is taken
    off, by tasks of its own, as long as pieces ask for it: persist or compute first what takes long.

    Raises StructureError, ShapeError, DTypeError, ArgumentError, or DataError for a file that cannot be read.

    >>> import tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> source = open_samples(module, [module.asarrays([x]) for x in (1.0, 3.0, 5.0)], chunk_size=2)
    >>> source.total, [piece.name for piece in source]
    (3, ['samples 0 to 1', 'sample 2'])
    """
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    if chunk_size is not None:
        chunk_size = count("chunk_size", chunk_size, at_least=1)
    align = micro_batch if aligned else 1
    if is_bag(samples) or _is_list_of(is_delayed, samples):
        return _collected(samples, weights, Expected.of(module, micro_batch == 1))
    tables = _tables(module, samples)
    if tables is None and _is_iterable_alone(samples):
        found = None if weights is None else given_weights(weights, None)
        return Batches(samples, Expected.of(module, micro_batch == 1), found, align)
    total = tables[0].length if tables else count_samples(samples)
    source: Tables | Rows
    if tables is None:
        uniform = check_rows(module, samples)
        source = Rows(module.backend, samples, uniform, _held(weights, total), micro_batch, align)
    else:
        source = Tables(tables, None if weights is None else _weights_table(weights, total), micro_batch, align)
    return source.resized(chunk_size or chosen_size(total, micro_batch, source.sample_nbytes))


def _tables(module: ScalarModule, samples: Any) -> tuple[Table, ...] | None:
    """Return the tables that hold ``samples``, or None where they are not in any."""
    if is_path(samples) or _is_list_of(is_path, samples):
        samples = files(*([samples] if is_path(samples) else samples))
    if isinstance(samples, Files):
        tables = open_files(samples, module.options.dtype, _argument_names(module))
        if len({table.length for table in tables}) > 1:
            lengths = ", ".join(f"{table.label} has {table.length}" for table in tables)
            raise ShapeError(f"files of one number of rows are expected, and {lengths}")
        kinds = [kind for table in tables for kind in table.kinds]
        check_kinds(module, kinds, "files(..., cast=True) rounds floating numbers to the module's dtype")
        return tables
    if _is_list_of(is_dask_array, samples):
        samples = StackedSamples(tuple(samples))
    if not isinstance(samples, StackedSamples):
        return None
    if all(map(is_dask_array, samples.arrays)):
        # A module on Dask does not mind how its inputs are chunked.
        table = DaskArrays(samples.arrays, module.backend.name, join=module.backend.lazy)
        check_kinds(module, table.kinds, "x.astype(...) converts a Dask array")
        return (table,)
    try:
        module.check_inputs(samples[0])
    except TLError as error:
        raise type(error)(f"sample 0 of {len(samples)}: {error}") from error
    return (InMemory(module.backend, samples.arrays),)


def _collected(samples: Any, weights: Any, expected: Expected) -> Collected:
    collections = [samples] if is_bag(samples) else list(samples)
    keys: list[tuple[Any, ...]] = [(key,) for collection in collections for key in collection.__dask_keys__()]
    if weights is not None:
        given = _partitions(weights)
        if given is None:
            raise StructureError(
                f"weights are a {type(weights).__name__}: how many samples a partition has is not known before it is "
                "read, so that a Dask bag, array or list of Delayed with the weights of each is expected"
            )
        collections, others = [*collections, *given[0]], given[1]
        if len(others) != len(keys):
            raise StructureError(f"there are {len(others)} partitions of weights for {len(keys)} of samples")
        keys = [(*own, other) for own, other in zip(keys, others, strict=True)]
    kind, label = ("bag", "partition {} of the bag") if is_bag(samples) else ("list of Delayed", "Delayed {}")
    return Collected(kind, label, tuple(collections), keys, expected)


def _partitions(weights: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the collections that ``weights`` are in, and the key of each partition; None where they are in none."""
    if is_dask_array(weights) and weights.ndim == 1:
        return [weights], [(weights.name, i) for i in range(weights.numblocks[0])]
    if is_bag(weights):
        return [weights], list(weights.__dask_keys__())
    if _is_list_of(is_delayed, weights):
        return list(weights), [part.key for part in weights]
    return None


def _weights_table(weights: Any, total: int) -> Table:
    table: Table
    if is_path(weights) or isinstance(weights, Files):
        given = files(weights) if is_path(weights) else weights
        table, *more = open_files(given, "float64", ["weights"])
        if more or len(table.kinds) != 1:
            raise StructureError("the weights are one column of one file")
    elif is_dask_array(weights):
        table = DaskArrays((weights,), "numpy", ["weights"])
    else:
        return InMemory(backends.get(None), (given_weights(weights, total),), ["weights"])
    if table.length != total:
        raise StructureError(f"there are {table.length} weights for {total} samples: one for each is expected")
    (kind,) = table.kinds
    if kind.shape or not kind.dtype.startswith(("float", "int", "uint")):
        raise StructureError(
            f"the weights are {kind.dtype} of shape {kind.shape}: one real number a sample is expected"
        )
    return table


def _held(weights: Any, total: int) -> numpy.ndarray[Any, Any] | None:
    if is_path(weights) or isinstance(weights, Files):
        table = _weights_table(weights, total)
        ((weights,),) = (part.read() for part in table.parts([0, total]))
        weights = weights.values
    return None if weights is None else given_weights(weights, total)


def _argument_names(module: ScalarModule) -> list[str] | None:
    names = module.definition.signature.names
    return None if names is None else list(names[len(module.param_shapes) :])


def _is_list_of(holds: Any, samples: Any) -> bool:
    return isinstance(samples, tuple | list) and len(samples) > 0 and all(map(holds, samples))


def _is_iterable_alone(samples: Any) -> bool:
    """Say whether all that can be done with ``samples`` is to go through them."""
    if isinstance(samples, Sequence | Mapping | str | bytes) or hasattr(samples, "shape"):
        return False
    return isinstance(samples, Iterable) and not hasattr(samples, "__getitem__")
