"""The losses of many samples at once, as programs: bits that no neighbour changes, or the most speed.

A product's bits depend on how many rows it is computed in. So for `steady` the samples lie in an array (blocks, rows,
...), mapped over twice: libraries compute a product of so many matrices one by one, and ``rows`` alone decides its
bits. That the library does so is tried out before it is believed.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from tl_arrayapi.autograd.compiled import Compiled
from tl_arrayapi.autograd.transforms import checked_loss
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import UnsteadyError
from tl_arrayapi.graph.graph_json import to_json
from tl_arrayapi.graph.plain import plain
from tl_arrayapi.runners.findings import Findings, Steadiness
from tl_arrayapi.runners.runner import Problem
from tl_arrayapi.runners.tracing import run_first

__all__ = ["MappedLosses"]

# How many samples one call takes: the most that fit into what caches hold, and fewer for the rest.
_LADDER = (8192, 1024, 64)
_BLOCK_NUMBERS = 2**20
# With how many samples it is tried whether places matter: most losses round the last bits of a product away. How many
# micro-batches of them are computed one by one, too. What parameters are multiplied by, the second time: a loss that is
# sure of itself rounds all of them away. That time there are numbers up to that factor in place of zeros, too, which
# hide what is done with them.
_TRIED, _COMPARED = 1024, 8
_UNSURE = 0.25

_Arrays = Sequence[Any]


class MappedLosses:
    """Compute the losses of stacked samples; what cannot be traced or mapped raises as `vmap` and `compile` do.

    What is tried out of a program goes to ``findings``, and comes from there where it is known of the same one.
    """

    def __init__(self, problem: Problem, keywords: dict[str, Any], findings: Findings, *, fast_kernels: bool) -> None:
        count = len(problem.shapes)

        def loss(*arguments: Any) -> Any:
            return problem.checked(checked_loss(problem.xp, problem.loss(*arguments, **keywords)))

        def mapped(times: int) -> Callable[..., Any]:
            def losses(*arguments: Any) -> Any:
                each: Callable[..., Any] = loss
                for _ in range(times):
                    each = vmap(each, (None,) * count + (0,) * (len(arguments) - count))
                return each(*arguments)

            return losses

        self._backend = problem.xp.backend
        self._steady = Compiled(mapped(2), reassociate=False)
        self._fast = Compiled(mapped(1), fast_kernels=fast_kernels)
        self._findings = findings
        # Of samples of a kind, in so many rows: the text of the program, None where it is not for others, and what is
        # known of it.
        self._known: dict[Hashable, tuple[str | None, Steadiness]] = {}
        self._ran: set[Hashable] = set()

    def fast(self, params: _Arrays, columns: _Arrays, rows: int) -> Any:
        """Return the losses of samples along the first axis of ``columns`` as the fastest program computes them."""
        ladder = [k for k in _rungs(rows) if k == 1 or _fits(columns, k * rows)]
        key = _kinds(columns)
        found = []
        for block in self._blocks(columns, rows, ladder):
            found.append(self._fast(*params, *block) if key in self._ran else run_first(self._fast, [*params, *block]))
            self._ran.add(key)
        return self._joined(found, columns)

    def steady(self, params: _Arrays, columns: _Arrays, rows: int) -> Any:
        """Return the losses of samples along the first axis of ``columns``, computed ``rows`` at a time, so that a
        sample's bits depend on itself, the parameters and ``rows`` alone.

        Raises `UnsteadyError` where the library's functions do not work so.
        """
        key = (rows, _kinds(columns))
        is_new = key not in self._known
        if is_new:
            self._known[key] = self._found_out(params, columns, rows)
        program, known = self._known[key]
        if not known.is_steady:
            raise UnsteadyError(
                f"on {self._backend.name} the loss of a sample depends on its place among {rows}, in the last bits: "
                "give micro_batch=1, or exact=False"
            )
        alike, ladder = known.alike, [1]
        for k in reversed(_rungs(rows)[:-1]):
            if k * rows <= columns[0].shape[0] and _fits(columns, k * rows):
                if k not in alike:
                    alike[k] = self._is_alike(params, columns, rows, k, ladder[0])
                    is_new = True
                ladder = [k] * alike[k] + ladder
        found = self._joined([self._in_rows(params, x, rows) for x in self._blocks(columns, rows, ladder)], columns)
        if is_new and not self._tells(found):
            self._known.pop(key, None)
        elif is_new and program is not None:
            self._findings.add(program, known)
        return found

    def _in_rows(self, params: _Arrays, block: _Arrays, rows: int) -> Any:
        """Return the losses of a block of whole micro-batches."""
        key, arguments = (rows, _kinds(block)), self._arguments(params, block, rows)
        found = self._steady(*arguments) if key in self._ran else run_first(self._steady, arguments)
        self._ran.add(key)
        return self._backend.namespace.reshape(found, (block[0].shape[0],))

    def _arguments(self, params: _Arrays, block: _Arrays, rows: int) -> list[Any]:
        return [*params, *(self._backend.namespace.reshape(x, (-1, rows, *x.shape[1:])) for x in block)]

    # ---- blocks
    def _blocks(self, columns: _Arrays, rows: int, ladder: Sequence[int]) -> Iterator[_Arrays]:
        """Yield runs of samples as long as the ladder has them, the last filled up with the last sample."""
        count, start = columns[0].shape[0], 0
        for k in ladder:
            size = k * rows
            while count - start >= size:
                yield [x[start : start + size, ...] for x in columns]
                start += size
        if start < count:
            yield [self._filled_up(x[start:, ...], rows) for x in columns]

    def _filled_up(self, x: Any, rows: int) -> Any:
        # Not by broadcasting: arrays that are joined to such ones may lie in memory in another order.
        count = x.shape[0]
        return self._taken(x, [*range(count), *[count - 1] * (rows - count)])

    def _taken(self, x: Any, places: Sequence[int]) -> Any:
        xp = self._backend.namespace
        device = self._backend.device_of(x)
        return xp.take(x, xp.asarray(places, **({} if device is None else {"device": device})), axis=0)

    def _joined(self, losses: list[Any], columns: _Arrays) -> Any:
        xp = self._backend.namespace
        return (losses[0] if len(losses) == 1 else xp.concat(losses, axis=0))[: columns[0].shape[0]]

    # ---- trying out
    def _found_out(self, params: _Arrays, columns: _Arrays, rows: int) -> tuple[str | None, Steadiness]:
        """Return the text of the program for ``rows`` samples, and what is known of it, or is tried now."""
        program = self._text(params, columns, rows)
        known = None if program is None else self._findings.get(program)
        if known is None:
            # What is made up may be where a loss is not defined.
            with self._backend.silenced():
                known = Steadiness(self._try_places(params, columns, rows))
            if program is not None and not known.is_steady:
                self._findings.add(program, known)
        return program, known

    def _text(self, params: _Arrays, columns: _Arrays, rows: int) -> str | None:
        """Return what the same program has in common wherever it is traced on the same library; None for one that holds
        arrays of its own, whose values might hide what is tried.
        """
        block = [self._taken(x, [min(i, x.shape[0] - 1) for i in range(rows)]) for x in columns]
        made = run_first(self._steady.trace, self._arguments(params, block, rows))
        where = f"{self._backend.namespace.__name__} {self._backend.device_of(columns[0])}"
        return None if made.captured else f"{where} {to_json(plain(made.traced))}"

    def _tells(self, losses: Any) -> bool:
        """Say whether trying told anything where losses are these: NaN is NaN at every place."""
        return bool(self._backend.namespace.any(self._backend.namespace.isfinite(losses)))

    def _try_places(self, params: _Arrays, columns: _Arrays, rows: int) -> bool:
        """Say whether a sample's bits stay the same at another place, with other neighbours."""
        count = columns[0].shape[0]
        blocks = next(k for k in _rungs(rows) if k == 1 or (k * rows <= _TRIED and _fits(columns, k * rows)))
        # Samples may be equal, and would then show nothing.
        tried = [self._scaled(self._taken(x, [i % count for i in range(blocks * rows)])) for x in columns]
        return all(
            # One call takes less time than many, which are what counts.
            self._keep(*given, rows, blocks) or self._keep(*given, rows, 1)
            for given in ((params, tried), (self._unsure(params), self._without_zeros(tried)))
        )

    def _keep(self, params: _Arrays, columns: _Arrays, rows: int, blocks: int) -> bool:
        """Say whether samples keep their bits at other places, so many blocks of ``rows`` in a call, and the first ones
        in a call of one, too.
        """
        count = columns[0].shape[0]

        def found(columns: _Arrays, blocks: int) -> list[float]:
            parts = self._blocks(columns, rows, [blocks])
            return [x for part in parts for x in self._on_host(self._in_rows(params, part, rows))]

        own = found(columns, blocks)
        for places in (
            [i if i % 2 else 0 for i in range(count)][::-1],
            [0 if i % 2 else i for i in (*range(1, count), 0)],
        ):
            moved = [self._taken(x, places) for x in columns]
            if not _equal(found(moved, blocks), [own[i] for i in places]):
                return False
        few = [x[: _COMPARED * rows, ...] for x in columns]
        return blocks == 1 or _equal(found(few, 1), own[: _COMPARED * rows])

    def _is_alike(self, params: _Arrays, columns: _Arrays, rows: int, k: int, fewer: int) -> bool:
        """Say whether ``k`` micro-batches in one call have the bits that they have in calls of ``fewer``."""
        size = fewer * rows
        block = [x[: k * rows, ...] for x in columns]
        with self._backend.silenced():
            for values, samples in ((params, block), (self._unsure(params), self._without_zeros(block))):
                together = self._on_host(self._in_rows(values, samples, rows))
                for low in (0, k // (2 * fewer) * size, k // fewer * size - size):
                    apart = self._in_rows(values, [x[low : low + size, ...] for x in samples], rows)
                    if not _equal(together[low : low + size], self._on_host(apart)):
                        return False
        return True

    def _unsure(self, params: _Arrays) -> _Arrays:
        return self._without_zeros([self._scaled(p, _UNSURE) for p in params])

    def _without_zeros(self, arrays: _Arrays) -> _Arrays:
        """Return ``arrays`` with small positive numbers where they are zero."""
        xp = self._backend.namespace
        return [xp.where(x == 0, self._falling(x, _UNSURE), x) if self._is_inexact(x) else x for x in arrays]

    def _scaled(self, x: Any, factor: float = 1.0) -> Any:
        """Return ``x`` times ``factor``, and each row times a number of its own besides, from 1 down to a half."""
        return x * self._falling(x, factor) if self._is_inexact(x) else x

    def _falling(self, x: Any, highest: float) -> Any:
        """Return a number for each row of ``x``, from ``highest`` down to half of that."""
        xp, device = self._backend.namespace, self._backend.device_of(x)
        count = x.shape[0] if x.ndim else 1
        where = {} if device is None else {"device": device}
        numbers = xp.asarray([highest * (1 - i / (2 * count)) for i in range(count)], dtype=x.dtype, **where)
        return xp.reshape(numbers, (count, *[1] * (x.ndim - 1)) if x.ndim else ())

    def _is_inexact(self, x: Any) -> bool:
        return bool(self._backend.namespace.isdtype(x.dtype, ("real floating", "complex floating")))

    def _on_host(self, losses: Any) -> list[float]:
        xp = self._backend.namespace
        wide = xp.astype(losses, xp.float32) if self._backend.dtype_name(losses.dtype) == "bfloat16" else losses
        values: list[float] = self._backend.to_host(wide).tolist()
        return values


def _rungs(rows: int) -> list[int]:
    """Return how many micro-batches of ``rows`` samples a call takes, most first, 1 last."""
    return [*(k for size in _LADDER if (k := size // rows) > 1), 1]


def _kinds(columns: _Arrays) -> Hashable:
    return tuple([(tuple(x.shape[1:]), x.dtype) for x in columns])


def _fits(columns: _Arrays, count: int) -> bool:
    numbers: int = sum(math.prod(x.shape[1:]) for x in columns)
    return numbers * count <= _BLOCK_NUMBERS


def _equal(found: Sequence[float], expected: Sequence[float]) -> bool:
    return all(x == y or (x != x and y != y) for x, y in zip(found, expected, strict=True))
