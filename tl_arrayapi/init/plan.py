"""A plan: exactly one initialiser for each parameter of a module, in order.

A plan describes and never holds arrays: it is filled on the library, dtype and device asked for, given to a module all
at once or not at all, written to a file, and named by a digest of the values it makes. What only files and digests need
is imported when one is asked for: importing the package shall take no time.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, SupportsIndex, TypeVar

from tl_arrayapi.errors import PlanError, ShapeError
from tl_arrayapi.init.fans import as_shape, element_count
from tl_arrayapi.init.fills import check_fill, materialize
from tl_arrayapi.init.messages import shown
from tl_arrayapi.init.rules import Rule, chosen
from tl_arrayapi.init.schemes import FloatInit, as_scheme
from tl_arrayapi.init.seeds import derived_seeds
from tl_arrayapi.init.splitmix64 import as_seed

__all__ = ["Plan", "apply_list"]

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Hold one initialiser for each parameter shape, in order; compare by value.

    ``names`` are the parameters' names, distinct and printable; "param0", "param1", ... where None. Seeds are honoured
    as given, equal ones too. Raise PlanError where there are fewer or more initialisers than shapes, where one cannot
    fill its shape, and for a bad name.

    >>> from tl_arrayapi import init
    >>> plan = Plan([(2, 3), (2,)], [init.kaiming_for((2, 3), seed=1), init.zeros()], names=["w", "b"])
    >>> [array.shape for array in plan.fill()]
    [(2, 3), (2,)]
    """

    shapes: tuple[tuple[int, ...], ...]
    inits: tuple[FloatInit, ...]
    names: tuple[str, ...]

    def __init__(
        self, shapes: Iterable[Sequence[int]], inits: Iterable[FloatInit], names: Iterable[str] | None = None
    ) -> None:
        found = tuple(map(as_shape, shapes))
        given = tuple(map(as_scheme, inits))
        called = tuple(f"param{i}" for i in range(len(found))) if names is None else tuple(names)
        _check_length("initialisers", len(given), found)
        _check_length("names", len(called), found)
        _check_names(called)
        for shape, init, name in zip(found, given, called, strict=True):
            _explained(name, functools.partial(check_fill, init, shape, "float64"))
        object.__setattr__(self, "shapes", found)
        object.__setattr__(self, "inits", given)
        object.__setattr__(self, "names", called)

    @classmethod
    def of_list(cls, shapes: Iterable[Sequence[int]], inits: Iterable[FloatInit]) -> "Plan":
        """Make a plan of a plain list of initialisers; raise PlanError where it is too long or too short."""
        return cls(shapes, inits)

    @classmethod
    def for_module(cls, definition: Any, scheme: Rule | Mapping[str, Rule], seed: SupportsIndex = 0) -> "Plan":
        """Make a plan for a module definition, or a module, with a seed of its own for every parameter.

        ``scheme`` is one initialiser, used for every parameter with its seed replaced; or a function of (shape, seed),
        such as `xavier_for`: it is asked for every parameter of rank 2 or more, and scalars and vectors, which are
        mostly biases, get `zeros`. Or it is a mapping from patterns of names to these: the first pattern that a name
        matches counts, as in ``fnmatch`` and with regard to case. A pattern that is a name matches that name, whatever
        brackets are in it. ``{"*": scheme}`` is the same as ``scheme``; a function under any other pattern is asked for
        scalars and vectors as well. Raise PlanError, naming all of them, for parameters without a rule and rules
        without a parameter.

        A parameter's seed is made of ``seed``, its position and its name, so equal shapes get different values, and a
        parameter keeps its values when others change their shape. No two parameters share any part of a stream (should
        two come to, once in some 2**63 draws, the later one gets another seed).

        >>> from types import SimpleNamespace
        >>> from tl_arrayapi import init
        >>> definition = SimpleNamespace(param_names=["in.w", "in.b", "out.w"], param_shapes=[(4, 2), (4,), (1, 4)])
        >>> rules = {"out.*": init.zeros(), "*.b": lambda shape, seed: init.uniform(-1, 1, seed), "*": init.xavier_for}
        >>> [chosen.name for chosen in Plan.for_module(definition, rules).inits]
        ['xavier_uniform', 'uniform', 'zeros']
        """
        shapes, names = list(map(as_shape, definition.param_shapes)), list(definition.param_names)
        _check_length("names", len(names), tuple(shapes))
        _check_names(tuple(names))
        counts = [_explained(name, functools.partial(element_count, s)) for name, s in zip(names, shapes, strict=True)]
        return cls(shapes, chosen(scheme, shapes, names, derived_seeds(as_seed(seed), names, counts)), names)

    def __len__(self) -> int:
        return len(self.shapes)

    def to_list(self) -> list[FloatInit]:
        """Return the initialisers; there are exactly as many as shapes."""
        return list(self.inits)

    def append(self, shape: Sequence[int], init: FloatInit, name: str | None = None) -> "Plan":
        """Return a new plan with one more parameter at its end; this one stays as it is."""
        called = f"param{len(self)}" if name is None else name
        return Plan((*self.shapes, shape), (*self.inits, init), (*self.names, called))

    def summary(self) -> str:
        """Return a table of the parameters: name, shape, elements, and how each is filled.

        >>> from tl_arrayapi import init
        >>> print(Plan([(2, 3)], [init.xavier_for((2, 3), seed=1)], ["w"]).summary())
        parameter  shape   elements  initialiser
        w          (2, 3)         6  xavier_uniform(fan_in=3, fan_out=2, seed=1)
        6 elements
        """
        counts = [math.prod(shape) for shape in self.shapes]
        rows = [
            (name, str(shape), f"{count:,}", _call(init))
            for name, shape, count, init in zip(self.names, self.shapes, counts, self.inits, strict=True)
        ]
        rows.insert(0, ("parameter", "shape", "elements", "initialiser"))
        wide = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a.ljust(wide[0])}  {b.ljust(wide[1])}  {c.rjust(wide[2])}  {d}" for a, b, c, d in rows]
        return "\n".join([*lines, f"{sum(counts):,} elements"])

    def check(self, dtype: str) -> None:
        """Raise PlanError, naming the parameter, where an initialiser has values that the dtype cannot hold."""
        for shape, init, called in zip(self.shapes, self.inits, self.names, strict=True):
            _explained(called, functools.partial(check_fill, init, shape, dtype))

    def fill(self, xp: Any = None, dtype: Any = "float32", device: Any = None, *, chunks: Any = None) -> list[Any]:
        """Return the filled arrays, in the library ``xp`` (NumPy where None), on ``device``.

        ``chunks`` are those of every array, as the library takes them, where it is a lazy one. Every parameter is
        checked before the first is filled.
        """
        from tl_arrayapi import backends

        name = dtype if isinstance(dtype, str) else backends.get(xp).dtype_name(dtype)
        self.check(name)
        return [array for _, array in self._filled(xp, name, device, chunks)]

    def _filled(self, xp: Any, dtype: str, device: Any, chunks: Any) -> Iterator[tuple[str, Any]]:
        """Yield the names and the arrays, each filled when it is asked for."""
        for shape, init, name in zip(self.shapes, self.inits, self.names, strict=True):
            yield name, materialize(init, shape, xp, dtype, device, chunks)

    def apply(self, module: Any) -> None:
        """Fill the parameters of a ScalarModule, where they live: all of them, or none where one fails.

        Raise PlanError where the plan's shapes are not the module's.
        """
        wanted = tuple(map(as_shape, module.param_shapes))
        if wanted != self.shapes:
            raise PlanError(f"the plan is for other parameters than the module has: {_difference(self.shapes, wanted)}")
        options = module.options
        module.adopt(self.fill(options.xp, options.dtype, options.device))

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write the plan to a file, which is replaced at once or left as it was; floats and seeds are kept exactly."""
        from tl_arrayapi.init.plan_json import write_plan

        write_plan(path, zip(self.names, self.shapes, self.inits, strict=True))

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> "Plan":
        """Read a plan that `to_json` wrote; raise PlanError, naming the place, for anything that is not one."""
        from tl_arrayapi.init.plan_json import read_plan

        return read_plan(path, cls)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of the files that `from_json` reads.

        It is also a file of the package, ``tl_arrayapi/init/plan.schema.json``, for tools that know no Python.
        """
        from tl_arrayapi.init.plan_schema import plan_schema

        return plan_schema()

    def digest(self, xp: Any = None, dtype: Any = "float32", device: Any = None, *, chunks: Any = None) -> str:
        """Return the SHA-256, in hexadecimal, of the parameters that the plan makes: their names, shapes and values.

        It is equal on every library and device that has the dtype, and for all ``chunks``. The parameters are filled
        where they live, one after another, and read in blocks of some megabytes; those of a lazy library are computed
        in parts, so that a plan may be larger than the memory. `tl_arrayapi.init.digest` says what is hashed, byte by
        byte.
        """
        from tl_arrayapi import backends
        from tl_arrayapi.init.digest import digest_of

        backend = backends.get(xp)
        name = dtype if isinstance(dtype, str) else backend.dtype_name(dtype)
        self.check(name)
        return digest_of(self._filled(xp, name, device, chunks), backend, name)


def apply_list(module: Any, inits: Iterable[FloatInit]) -> None:
    """Fill the parameters of a ScalarModule from a plain list of initialisers: all of them, or none where one fails.

    Raise PlanError where the list is longer or shorter than the module's parameters.

    >>> import tl_arrayapi as tl
    >>> definition = tl.ScalarModuleDef(lambda w: tl.array_namespace(w).sum(w), init_params=[[0.0, 0.0]])
    >>> module = definition.instantiate()
    >>> apply_list(module, [tl.init.ones()])
    >>> module.params
    [array([1., 1.], dtype=float32)]
    """
    Plan(module.param_shapes, inits, module.param_names).apply(module)


def _check_length(what: str, count: int, shapes: tuple[tuple[int, ...], ...]) -> None:
    if count == len(shapes):
        return
    longer = "longer" if count > len(shapes) else "shorter"
    without = f"; shape {shapes[count]} is the first without one" if count < len(shapes) else ""
    raise PlanError(
        f"the list of {what} is {longer} than the parameter list: {count} for {len(shapes)} shapes{without}"
    )


def _check_names(names: tuple[Any, ...]) -> None:
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name or not name.isprintable():
            raise PlanError(f"a parameter's name is a printable string, got {shown(name)} for parameter {position}")
        if (first := positions.setdefault(name, position)) != position:
            raise PlanError(f"two parameters are called {shown(name)}, {first} and {position}: names are distinct")


def _call(init: FloatInit) -> str:
    """Write how an initialiser is made."""
    given = init.settings().items()
    words = [f"{len(x)} values" if isinstance(x, list) else f"{key}={x}" for key, x in given]
    return f"{init.name}({', '.join(words)})"


def _explained(name: str, check: Callable[[], _T]) -> _T:
    """Run a check of one parameter, so that its error names the parameter."""
    try:
        return check()
    except (PlanError, ShapeError) as error:
        raise PlanError(f"parameter {shown(name)}: {error}") from error


def _difference(given: tuple[tuple[int, ...], ...], wanted: tuple[tuple[int, ...], ...]) -> str:
    if len(given) != len(wanted):
        return f"the plan has {len(given)} shapes, the module {len(wanted)}"
    wrong = [f"parameter {i} is {b}, not {a}" for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b]
    return "; ".join(wrong)
