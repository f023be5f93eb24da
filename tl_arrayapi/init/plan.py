"""A plan: exactly one initialiser for each parameter of a module, in order.

A plan describes and never holds arrays: it is filled on the library, dtype and device asked for, given to a module all
at once or not at all, written to a file, and named by a digest of the values it makes. What only files and digests need
is imported when one is asked for: importing the package shall take no time.
"""

import dataclasses
import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any, SupportsIndex

from tl_arrayapi.errors import PlanError, ShapeError
from tl_arrayapi.init.fans import as_shape
from tl_arrayapi.init.fills import check_fill, materialize
from tl_arrayapi.init.schemes import FloatInit, as_scheme, zeros
from tl_arrayapi.init.splitmix64 import as_seed

__all__ = ["Plan", "apply_list"]


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
    def for_module(
        cls, definition: Any, scheme: FloatInit | Callable[[tuple[int, ...], int], FloatInit], seed: SupportsIndex = 0
    ) -> "Plan":
        """Make a plan for a module definition, with a seed of its own for every parameter.

        ``scheme`` is a function of (shape, seed), such as `xavier_for`: it is asked for every parameter of rank 2 or
        more, and scalars and vectors, which are mostly biases, get `zeros`. Or it is one initialiser, used for every
        parameter with its seed replaced. A parameter's seed is made of ``seed``, its position and its name, so equal
        shapes get different values, and a parameter keeps its values when others change their shape.
        """
        shapes, names = list(definition.param_shapes), list(definition.param_names)
        seeds = [_derived_seed(as_seed(seed), position, name) for position, name in enumerate(names)]
        return cls(shapes, [_seeded(scheme, as_shape(s), own) for s, own in zip(shapes, seeds, strict=True)], names)

    def __len__(self) -> int:
        return len(self.shapes)

    def to_list(self) -> list[FloatInit]:
        """Return the initialisers; there are exactly as many as shapes."""
        return list(self.inits)

    def append(self, shape: Sequence[int], init: FloatInit, name: str | None = None) -> "Plan":
        """Return a new plan with one more parameter at its end; this one stays as it is."""
        called = f"param{len(self)}" if name is None else name
        return Plan((*self.shapes, shape), (*self.inits, init), (*self.names, called))

    def fill(self, xp: Any = None, dtype: Any = "float32", device: Any = None) -> list[Any]:
        """Return the filled arrays, in the library ``xp`` (NumPy where None), on ``device``.

        Every parameter is checked before the first is filled.
        """
        from tl_arrayapi import backends

        name = dtype if isinstance(dtype, str) else backends.get(xp).dtype_name(dtype)
        for shape, init, called in zip(self.shapes, self.inits, self.names, strict=True):
            _explained(called, functools.partial(check_fill, init, shape, name))
        return [materialize(init, shape, xp, name, device) for shape, init in zip(self.shapes, self.inits, strict=True)]

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

    def digest(self, xp: Any = None, dtype: Any = "float32") -> str:
        """Return the SHA-256, in hexadecimal, of the parameters that the plan makes: their names, shapes and values.

        Hashed are, for each parameter in order: its name, the name of the dtype, its shape and its values. A name is
        its length in bytes and its UTF-8 bytes; a shape is its rank and its dimensions; values are their length in
        bytes and the elements in row-major order. Every length and dimension is 8 bytes; all numbers are little-endian.
        It is equal on every library, unless the plan has a `normal`, whose values agree to rounding.
        """
        import hashlib

        from tl_arrayapi import backends

        backend = backends.get(xp)
        kind = dtype if isinstance(dtype, str) else backend.dtype_name(dtype)
        state = hashlib.sha256()
        for name, shape, init in zip(self.names, self.shapes, self.inits, strict=True):
            host = backend.to_host(materialize(init, shape, xp, kind))
            values = host.astype(host.dtype.newbyteorder("<"), copy=False).tobytes(order="C")
            for text in (name.encode(), kind.encode()):
                state.update(struct.pack("<Q", len(text)) + text)
            state.update(struct.pack(f"<Q{len(shape)}QQ", len(shape), *shape, len(values)))
            state.update(values)
        return state.hexdigest()


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
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name or not name.isprintable():
            raise PlanError(f"a parameter's name is a printable string, got {name!r} for parameter {position}")
        if name in names[:position]:
            raise PlanError(
                f"two parameters are called {name!r}, {names.index(name)} and {position}: names are distinct"
            )


def _explained(name: str, check: Callable[[], object]) -> None:
    """Run a check of one parameter, so that its error names the parameter."""
    try:
        check()
    except (PlanError, ShapeError) as error:
        raise PlanError(f"parameter {name!r}: {error}") from error


def _difference(given: tuple[tuple[int, ...], ...], wanted: tuple[tuple[int, ...], ...]) -> str:
    if len(given) != len(wanted):
        return f"the plan has {len(given)} shapes, the module {len(wanted)}"
    wrong = [f"parameter {i} is {b}, not {a}" for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b]
    return "; ".join(wrong)


def _derived_seed(seed: int, position: int, name: str) -> int:
    import hashlib

    data = struct.pack("<QQ", seed, position) + name.encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")


def _seeded(
    scheme: FloatInit | Callable[[tuple[int, ...], int], FloatInit], shape: tuple[int, ...], seed: int
) -> FloatInit:
    if isinstance(scheme, FloatInit):
        return dataclasses.replace(scheme, seed=seed) if hasattr(scheme, "seed") else scheme  # type: ignore[type-var]
    if not callable(scheme):
        raise PlanError(f"scheme is an initialiser, or a function of (shape, seed) such as xavier_for, got {scheme!r}")
    return as_scheme(scheme(shape, seed)) if len(shape) >= 2 else zeros()
