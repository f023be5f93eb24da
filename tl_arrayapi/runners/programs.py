"""The programs of a module, and the arrays that they run on.

On a library whose backend keeps flat arrays, trainable parameters and an optimiser's slots lie one after another in one
array each. A step reads these and writes to others, which take their place when all went well.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.autograd.arguments import Spec
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.masks import is_guarded
from tl_arrayapi.autograd.namespace import array_namespace
from tl_arrayapi.autograd.programs import Compilation, compiled_program
from tl_arrayapi.autograd.report import ProgramReport
from tl_arrayapi.runners.flat import Flat, Layout, Pool
from tl_arrayapi.runners.runner import Problem

__all__ = ["Arrays", "Body", "Made", "Programs"]

_MOST_PROGRAMS = 64
_MOST_BOUND = 8  # programs bound to flat arrays that others take turns with

Arrays = Sequence[Any]
Body = Callable[[list[Arrays], Arrays, Arrays], tuple[list[Any], list[Arrays]]]
"""What a program computes of groups of stored arrays, numbers, and arrays given: results, and new groups."""


class Made:
    """A program, and the same bound to the flat arrays that it reads and writes."""

    __slots__ = ("bound", "compilation", "groups", "numbers", "read", "run")

    def __init__(self, compilation: Compilation, groups: int, numbers: list[Any], own_inputs: int) -> None:
        self.compilation = compilation
        self.groups = groups
        self.numbers = numbers
        self.read: list[Flat] = []
        # The parameters of a module are its own, and the new ones take their place: where the library can use their
        # memory again, it may. What an optimiser keeps was handed out.
        program, own = compilation.program, range(own_inputs)
        self.run: Callable[..., list[Any]] = program.donating(own) if own else program
        self.bound: dict[tuple[int, ...], tuple[list[Flat], Callable[..., list[Any]]]] = {}


class Programs:
    """Make programs for a problem, one for each name and the shapes and dtypes of what is given, and run them.

    Whoever has ``lock`` runs programs; the others wait.
    """

    def __init__(self, problem: Problem) -> None:
        self.lock = threading.RLock()
        self.layout = Layout(problem.chosen(problem.shapes))
        backend = problem.xp.backend
        self.pool = Pool(self.layout, problem.dtype, backend) if backend.flat and self.layout.size else None
        self._problem = problem
        self._made: dict[Any, Made] = {}

    @property
    def reports(self) -> list[ProgramReport]:
        """What was compiled, in order."""
        return [ProgramReport(made.compilation) for made in self._made.values()]

    def is_group(self, x: list[Any]) -> bool:
        """Say whether ``x`` is a list of arrays like the trainable parameters, which a program can keep with them."""
        shapes, dtype = self.layout.shapes, self._problem.dtype
        if not x or len(x) != len(shapes):
            return False
        if self.pool is not None and self.pool.find(x) is not None:
            return True
        return all(
            getattr(a, "dtype", None) == dtype and tuple(a.shape) == shape for a, shape in zip(x, shapes, strict=True)
        )

    def run(
        self,
        name: tuple[Any, ...],
        body: Body,
        groups: list[Arrays],
        numbers: Sequence[float],
        given: list[Any],
        various: list[Any] | None = None,
    ) -> tuple[list[Any], list[list[Any]]]:
        """Run the program of ``body``; return its results, and the new groups as lists of arrays.

        ``various`` are those of ``given`` whose shapes and dtypes ``name`` does not tell; None: all of them.
        """
        made = self.find(name, body, len(groups), len(numbers), given, various)
        with self.lock:
            if self.pool is None:
                return self._apart(made, groups, numbers, given)
            return self._flat(self.pool, made, groups, numbers, given)

    def find(
        self,
        name: tuple[Any, ...],
        body: Body,
        groups: int,
        numbers: int,
        given: list[Any],
        various: list[Any] | None = None,
    ) -> Made:
        """Return the program of ``body`` for the shapes and dtypes of ``given``, made if there is none."""
        key = (name, tuple([(x.shape, x.dtype) for x in (given if various is None else various)]), is_guarded())
        with self.lock:
            made = self._made.pop(key, None)
            if made is None:
                made = self._compile(body, groups, numbers, given)
                if len(self._made) >= _MOST_PROGRAMS:
                    del self._made[next(iter(self._made))]  # the one not used for longest is the first
            self._made[key] = made
            return made

    def bound(self, made: Made, flats: list[Flat], sources: int) -> Callable[..., list[Any]]:
        """Return the program bound to flat arrays: the ``sources`` first ones to read, and the others to write."""
        key = tuple(map(id, flats))
        if key in made.bound:
            return made.bound[key][1]
        program, graph = made.compilation.program, made.compilation.graph
        held = [*(flat.whole for flat in flats[:sources]), *made.numbers]
        first = len(graph.outputs) - made.groups
        outs = {first + i: flat.whole for i, flat in enumerate(flats[sources:])}
        if len(made.bound) >= _MOST_BOUND:
            made.bound.clear()
        bound = program.bind(dict(enumerate(held)), outs)
        made.bound[key] = list(flats), bound
        return bound

    def _flat(
        self, pool: Pool, made: Made, groups: list[Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        flats: list[Flat] = []
        for group in groups:
            flats.append(pool.find(group) or pool.filled(group, flats))
        # What was read last, if nobody holds it any more, so that steps go to and fro between the same two.
        before, made.read = made.read, flats[: made.groups]
        if len(before) == made.groups and all(flat not in flats and flat.is_free for flat in before):
            flats += before
        else:
            for _ in range(made.groups):
                flats.append(pool.take(flats))
        bound = self.bound(made, flats, len(groups))
        for place, x in zip(made.numbers, numbers, strict=True):
            place[()] = x
        results = bound(*given, *made.compilation.captured)
        if not made.groups:
            return results, []
        return results[: -made.groups], [flat.views for flat in flats[len(groups) :]]

    def _apart(
        self, made: Made, groups: list[Arrays], numbers: Sequence[float], given: list[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        problem = self._problem
        scalars = [problem.xp.backend.number(x, problem.dtype, problem.device) for x in numbers]
        arrays = [x for group in groups for x in group]
        results = made.run(*arrays, *scalars, *given, *made.compilation.captured)
        count = len(problem.trainable)
        first = len(results) - made.groups * count
        stored = [results[first + i * count : first + (i + 1) * count] for i in range(made.groups)]
        return results[:first], stored

    def _compile(self, body: Body, groups: int, numbers: int, given: list[Any]) -> Made:
        problem, layout, flat = self._problem, self.layout, self.pool is not None
        if flat:
            stored = [Spec((layout.size,), problem.dtype)] * groups
        else:
            stored = [Spec(shape, problem.dtype) for _ in range(groups) for shape in layout.shapes]
        count, new = len(stored), 0

        def call(arrays: list[Array]) -> Any:
            nonlocal new
            held, scalars, rest = arrays[:count], arrays[count : count + numbers], arrays[count + numbers :]
            xp = array_namespace(*arrays) if arrays else problem.xp
            each = len(layout.shapes)
            if flat:
                lists: list[Arrays] = [layout.split(xp, x) for x in held]
            else:
                lists = [held[i * each : (i + 1) * each] for i in range(groups)]
            results, made = body(lists, scalars, rest)
            new = len(made)
            return [*results, *([layout.join(xp, group) for group in made] if flat else (x for g in made for x in g))]

        specs = [
            *stored,
            *[Spec((), problem.dtype)] * numbers,
            *(Spec(tuple(x.shape), x.dtype) for x in given),
        ]
        compilation = compiled_program(call, specs, problem.xp, problem.device, fast=problem.fast_kernels)
        scalars = [problem.xp.backend.namespace.zeros((), dtype=problem.dtype) for _ in range(numbers)] if flat else []
        return Made(compilation, new, scalars, len(layout.shapes) if new and not flat else 0)
