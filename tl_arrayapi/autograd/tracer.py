"""Tracer, the ground of a compiled function: its operations are written down as equations, and nothing is computed.

A value here is a `Traced`: shape, dtype and device, never data. Everything above runs unchanged over it, the gradient
of a function as the function itself, so that forward and backward are one program when the function returns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from tl_arrayapi.autograd import creation
from tl_arrayapi.autograd.array import Array, StandIn
from tl_arrayapi.autograd.canonical import CANONICAL
from tl_arrayapi.autograd.ground import Ground
from tl_arrayapi.autograd.namespace import Namespace
from tl_arrayapi.autograd.primitive import Kind, Primitive
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.autograd.tape import next_number
from tl_arrayapi.errors import TraceError
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var, frozen
from tl_arrayapi.graph.shapes import infer_shapes

__all__ = ["ForeignArrayError", "Traced", "Tracer", "TracingNamespace"]

_BOOLEAN = frozenset(
    (
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isinf", "isnan"),
        *("signbit", "all", "any", "isin"),
    )
)
# Not all libraries compare complex numbers, nor take other dtypes for these than the standard names.
_ORDERING = frozenset(("less", "less_equal", "greater", "greater_equal", "signbit"))
_PICKY = frozenset(("floor_divide", "remainder"))
_TYPES: dict[str, type] = {"bool": bool, "int": int, "uint": int, "complex": complex}
_WIDTHS = (bool, int, float, complex)
_OF_COMPLEX = frozenset(("abs", "real", "imag"))


class ForeignArrayError(TraceError):
    """A compiled function uses an array of a transform around it that is not among its arguments."""


class _Over:
    """The namespace of a trace that is over. It refers to nothing, so that a trace is let go of without a cycle."""

    def __getattr__(self, name: str) -> Any:
        _refuse_after(name)


def _refuse_after(name: str) -> NoReturn:
    raise TraceError(
        f"an array is used in {name} after the function that it belonged to was traced ({user_line()}): "
        "return it from the function, instead of keeping it in a variable outside"
    )


class Traced(StandIn):
    """A value of a program that is being traced: what an equation will make, an input, or a number.

    ``weak`` is the Python type of what was given, or computed, as a number: it takes the dtype of the arrays beside it.
    """

    __slots__ = ("atom", "dtype", "tracer", "weak")

    weak: type | None

    def __init__(self, tracer: "Tracer", atom: Atom, dtype: Any, weak: type | None = None) -> None:
        self.tracer = tracer
        self.atom = atom
        self.dtype = dtype
        self.weak = weak

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.atom.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.atom.shape)

    @property
    def device(self) -> Any:
        """The device that the program will run on."""
        return self.tracer.device

    def __repr__(self) -> str:
        return f"traced {self.atom.dtype}{list(self.atom.shape)}"

    def _refuse(self, asked: str, instead: str) -> NoReturn:
        line = user_line()
        raise TraceError(
            f"{asked} of an array of shape {self.shape} is asked for while the function is traced, where arrays have "
            f"no values{f' ({line})' if line else ''}: {instead}"
        )

    def __bool__(self) -> bool:
        self._refuse("the truth", "choose with xp.where, or branch on shapes, dtypes and captured Python values")

    def __int__(self) -> int:
        self._refuse("the integer value", "compute with the array itself, or give the number as a captured value")

    __index__ = __int__

    def __float__(self) -> float:
        self._refuse("the value as a float", "compute with the array itself, or return it and read it outside")

    def __complex__(self) -> complex:
        self._refuse("the value as a complex number", "compute with the array itself, or return it and read it outside")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._refuse("a NumPy array", "use the functions of tl.array_namespace(x), or call NumPy outside")

    def __dlpack__(self, **_: Any) -> Any:
        self._refuse("a DLPack capsule", "use the functions of tl.array_namespace(x), or convert outside")

    __dlpack_device__ = __dlpack__


class Tracer(Ground):
    """Write down the operations on one library's arrays, on one device."""

    __slots__ = (
        "_captured",
        "_count",
        "_kept",
        "_open",
        "_scopes",
        "device",
        "equations",
        "inputs",
        "noted",
        "real",
        "scope",
    )

    traces = True

    def __init__(self, namespace: "TracingNamespace", real: Ground, device: Any) -> None:
        # What is known of the library's types and dtypes is known once for all traces.
        for name in Ground.__slots__:
            setattr(self, name, getattr(real, name))
        self.number = next_number()
        self.namespace = namespace
        self.ground = self
        self.nodes = []
        self.real = real
        self.device = device
        self.inputs: list[Var] = []
        self.equations: list[Equation] = []
        self.noted = ""
        """The user's line that operations are done for, where it is not the caller's own: in a backward pass."""
        self.scope = 0
        self._scopes = 0
        self._captured: dict[int, tuple[Any, Var]] = {}
        self._kept: list[Any] = []
        self._count = 0
        self._open = True

    @property
    def functions(self) -> None:  # type: ignore[override]
        """None: every operation is written down, by `process`."""
        return

    # ---- what comes from outside
    def input(self, shape: tuple[int, ...], dtype: Any, weak: type | None = None) -> Array:
        """Return an input of the program."""
        var = self._var(shape, self.backend.dtype_name(dtype))
        self.inputs.append(var)
        return self._wrap(Traced(self, var, dtype, weak))

    def capture(self, array: Any) -> Traced:
        """Return ``array`` of the library, which the function found outside of its arguments, as a hidden input."""
        known = self._captured.get(id(array))
        if known is None:
            self.real.check_type(array, "a captured array")
            value = self.backend.namespace.asarray(array)  # a scalar of the library, such as numpy.float32(2), is 0-d
            known = value, self._var(tuple(value.shape), self.backend.dtype_name(value.dtype))
            self._captured[id(array)] = known
            self._kept.append(array)
        value, var = known
        return Traced(self, var, value.dtype)

    def literal(self, value: Any, dtype: Any) -> Traced:
        """Return a number as a 0-d array of ``dtype``."""
        name = self.backend.dtype_name(dtype)
        return Traced(self, Literal(_TYPES.get(name.rstrip("0123456789"), float)(value), name), dtype)

    def scalar(self, value: Any, dtype: Any, like: Any) -> Traced:
        """Return a Python number as a 0-d array, of ``dtype`` where that can hold it."""
        one_device = self.backend.one_device
        real = self.real.scalar(value, dtype, None) if one_device else self.real._new_scalar(value, dtype, self.device)
        return self.literal(value, real.dtype)

    def _number(self, x: Any, like: Any) -> Any:
        if like is None or self._is_weak(like):
            literal = self.literal(x, self.real.default_dtype(type(x), self.device))
            literal.weak = type(x)
            return self._wrap(literal)
        return self._wrap(self.scalar(x, like.dtype, like))

    def lift(self, out: Any, result: type | None = None) -> Any:
        """Return what is made while tracing as an Array of this level."""
        if type(out) is Array:
            return out
        return self._wrap(out if type(out) is Traced else self.capture(out))

    # ---- operations
    def lift_operands(self, primitive: Primitive, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return operands as `Ground` does; numbers that are inputs take their neighbours' dtype, too."""
        operands = super().lift_operands(primitive, operands)
        weak = [x.value.weak for x in operands if self._is_weak(x)]
        if not weak:
            return operands
        like = None
        for i, x in enumerate(operands):
            known = not self._is_weak(x) and not (i == 0 and primitive.name == "where")
            if known and (like is None or self.is_kind(like.dtype, "bool")):
                like = x
        if like is None:
            # Numbers among themselves are what Python makes of them: of the widest kind.
            widest = max(weak, key=_WIDTHS.index)
            return tuple(x if not self._is_weak(x) else self._converted(x, widest) for x in operands)
        return tuple(self._strong(x, like.dtype) if self._is_weak(x) else x for x in operands)

    def _is_weak(self, x: Any) -> bool:
        return type(x) is Array and type(x.value) is Traced and x.value.weak is not None

    def _converted(self, x: Array, kind: type) -> Array:
        """Return a number as one of another Python type."""
        if x.value.weak is kind:
            return x
        converted = self._strong(x, self.real.default_dtype(kind, self.device))
        if converted is not x:
            converted.value.weak = kind
        return converted

    def _strong(self, x: Array, dtype: Any) -> Array:
        """Return a number as an array of ``dtype``, where that can hold it."""
        wanted = self.real._new_scalar(x.value.weak(1), dtype, self.device).dtype
        if wanted == x.dtype:
            return self._wrap(Traced(self, x.value.atom, x.dtype))
        if type(x.value.atom) is Literal:
            return self._wrap(self.literal(x.value.atom.value, wanted))
        strong: Array = self.namespace.astype(self._wrap(Traced(self, x.value.atom, x.dtype)), wanted)
        return strong

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Write down one operation in its canonical form, and return what stands for its result."""
        if not self._open:
            _refuse_after(primitive.name)
        values = [self.value(x) for x in operands]
        for keyword, x in static.items():
            # NumPy's dtypes are classes, whose instances have a shape.
            if type(x) is Array or (not isinstance(x, type) and hasattr(x, "shape") and hasattr(x, "dtype")):
                raise TraceError(
                    f"{primitive.name} takes {keyword} as a number in a compiled function; got an array of shape "
                    f"{tuple(x.shape)} ({user_line()}): give a number"
                )
        weak = primitive.kind is Kind.ELEMENTWISE and all(x.weak is not None for x in values)
        canonical = CANONICAL.get(primitive.name if not primitive.where else "")
        if canonical is not None:
            # Checked as it was called: canonical forms leave out what they do not need.
            infer_shapes(primitive.name, primitive.kind.value, [x.shape for x in values], static)
            return self._wrap(canonical(self, primitive, values, static))
        results = self.write(primitive, values, static)
        if weak:
            results[0].weak = self._python_type(results[0].dtype)
        if primitive.result is not None:
            return primitive.result(*map(self._wrap, results))
        return self._wrap(results[0]) if len(results) == 1 else tuple(map(self._wrap, results))

    def _python_type(self, dtype: Any) -> type | None:
        kinds = {"integral": int, "real floating": float, "complex floating": complex}
        return next((kind for name, kind in kinds.items() if self.is_kind(dtype, name)), None)

    def value(self, x: Any) -> Traced:
        """Return what stands for an operand here."""
        if type(x) is Array:
            if x.level is not self and x.level is not self.real and not isinstance(x.value, Traced):
                raise ForeignArrayError(
                    f"a compiled function uses an array of a transform around it that is not among its arguments "
                    f"({user_line()}): give it as one"
                )
            x = x.value
        if type(x) is Traced:
            if x.tracer is not self:
                raise ForeignArrayError(f"an array of another trace is used ({user_line()}): give it as an argument")
            return x
        return self.capture(x)

    def write(self, primitive: Primitive, values: list[Traced], static: dict[str, Any]) -> list[Traced]:
        """Write ``primitive`` of ``values`` down as it is, and return its results."""
        name = f"{primitive.where}.{primitive.name}" if primitive.where else primitive.name
        kind = primitive.kind.value
        shapes = infer_shapes(name, kind, [x.shape for x in values], static)
        dtypes = self._dtypes(primitive, values, static)
        named = {k: self.backend.dtype_name(v) if k == "dtype" and v is not None else v for k, v in static.items()}
        return self.emit(name, kind, values, named, list(zip(shapes, dtypes, strict=True)))

    def emit(
        self, name: str, kind: str, values: list[Traced], static: dict[str, Any], results: list[tuple[Any, Any]]
    ) -> list[Traced]:
        """Write down an equation whose results have these shapes and dtypes."""
        made = [Traced(self, self._var(shape, self.backend.dtype_name(dtype)), dtype) for shape, dtype in results]
        variables: Any = tuple(x.atom for x in made)
        line = self.noted or user_line()
        self.equations.append(
            Equation(name, kind, tuple(x.atom for x in values), frozen(static), variables, line, self.scope)
        )
        return made

    def _dtypes(self, primitive: Primitive, values: list[Traced], static: dict[str, Any]) -> list[Any]:
        """Return the dtypes of the results: known for most, and asked of the library, with one element, for others."""
        dtypes = [x.dtype for x in values]
        first, name, kind = dtypes[0], primitive.name, primitive.kind
        if name in _BOOLEAN and not (name in _ORDERING and self.is_kind(first, "complex floating")):
            return [self.library.bool]
        if kind in (Kind.MOVEMENT, Kind.INDEXING) and primitive.gather is None and name != "searchsorted":
            indexed = name in ("take", "scatter_add") and not self.is_kind(dtypes[1], "integral")
            return self._asked(primitive, values, static) if indexed else [first]
        plain = primitive.where == "" and kind in (Kind.ELEMENTWISE, Kind.CONTRACTION, Kind.REDUCTION)
        if plain and name == "where" and self.is_kind(first, "bool"):
            dtypes = dtypes[1:]
            first = dtypes[0]
        if (
            plain
            and all(d == first for d in dtypes)
            and (kind is not Kind.REDUCTION or name in ("sum", "prod", "max", "min"))
            and static.get("dtype") is None
            and name not in _PICKY
            and not name.startswith(("bitwise", "logical"))
            and (self.is_inexact(first) or name in ("where", "max", "min"))
            and not (name in _OF_COMPLEX and self.is_kind(first, "complex floating"))
        ):
            return [first]
        return self._asked(primitive, values, static)

    def _asked(self, primitive: Primitive, values: list[Traced], static: dict[str, Any]) -> list[Any]:
        return self.real.result_dtypes(primitive, [(x.dtype, x.ndim) for x in values], static)

    def _var(self, shape: tuple[int, ...], dtype: str) -> Var:
        self._count += 1
        return Var(self._count - 1, shape, dtype)

    def _wrap(self, value: Traced) -> Array:
        # The index keeps it an Array for the levels above: there is no plain array in its place.
        return Array(value, self, 0)

    def describe(self, array: Array) -> str:
        """Say nothing: the value says that it is traced."""
        return ""

    @contextmanager
    def noting(self) -> Iterator[Callable[[Primitive, tuple[Any, ...], str], None]]:
        """Yield a function to say which operation, of which line of the user's, is being differentiated."""

        def note(primitive: Primitive, operands: tuple[Any, ...], line: str) -> None:
            self.noted = line

        before = self.noted
        try:
            yield note
        finally:
            self.noted = before

    @contextmanager
    def again(self) -> Iterator[None]:
        """Write what follows in a scope of its own: no pass takes what was computed before in its place."""
        before = self.scope
        self._scopes += 1
        self.scope = self._scopes
        try:
            yield
        finally:
            self.scope = before

    # ---- the end
    def close(self) -> None:
        """Refuse further operations, and let go of the namespace."""
        self._open = False
        self.namespace = _Over()

    def finish(self, outputs: list[Any]) -> tuple[Graph, list[Any]]:
        """Return the program that was written down, with ``outputs`` as its results, and the arrays it captured."""
        atoms = tuple(self.value(x).atom for x in outputs)
        self.close()
        captured = list(self._captured.values())
        graph = Graph(tuple(self.inputs), tuple(var for _, var in captured), tuple(self.equations), atoms)
        return graph, [array for array, _ in captured]


class TracingNamespace(Namespace):
    """The differentiable namespace of one trace."""

    creation = creation.TRACED

    def __init__(self, real: Namespace, device: Any) -> None:
        self.backend = real.backend
        self.inner = real.inner
        self.__name__ = real.__name__
        self.ground: Tracer = Tracer(self, real.ground, device)

    def _shown(self, function: Callable[..., Any], name: str, inner: Any) -> Callable[..., Any]:
        return function  # nobody reads the signature of what lives for one trace

    def lift(self, x: Any, where: str = "an argument") -> Array:
        """Return ``x`` as an Array of the trace."""
        if type(x) is Array:
            return x
        x = self.ground.as_number(x)
        if isinstance(x, (bool, int, float, complex)) and not hasattr(x, "shape"):
            number: Array = self.ground._number(x, None)
            return number
        self.ground.check_type(x, where)
        captured: Array = self.ground.lift(x)
        return captured

    def __reduce__(self) -> Any:
        raise TraceError("the namespace of a trace cannot be pickled: it belongs to one call")
