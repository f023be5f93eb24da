"""The shapes inferred are those that NumPy really returns, for every function, and bad calls are refused as errors."""

import inspect
import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tl_arrayapi as tl
from tests.proof.calls import calls
from tests.proof.catalogue import CATALOGUE
from tl_arrayapi.autograd.primitive import PRIMITIVES, Primitive
from tl_arrayapi.errors import ArgumentError, IndexShapeError, ShapeError, StructureError, TLError, TraceError
from tl_arrayapi.graph.shape_rules.common import broadcast_shapes
from tl_arrayapi.graph.shape_rules.elementwise import OPERANDS
from tl_arrayapi.graph.shape_rules.indexing import selected_shape
from tl_arrayapi.graph.shapes import KINDS, RULES, VALUE_DEPENDENT, infer_shapes

Shape = tuple[int, ...]

GROUND = tl.namespace(np).ground
NAMES = {f"{where}.{name}" if where else name: p for (where, name), p in PRIMITIVES.items()}


def infer(name: str, *shapes: Shape, **static: Any) -> tuple[Shape, ...]:
    kind = NAMES[name].kind.value if name in NAMES else "creation"
    return infer_shapes(name, kind, shapes, static)


def shapes_of(out: Any) -> tuple[Shape, ...]:
    return tuple(np.shape(x) for x in (out if isinstance(out, (tuple, list)) else (out,)))


def operand(name: str, shape: Shape, place: int) -> np.ndarray:
    """Return an operand inside of the domain of every function: matrices are well conditioned."""
    if name.startswith("linalg.") and len(shape) > 1:
        return np.full(shape, 0.1) + np.eye(*shape[-2:])
    if name == "where" and place == 0:
        return np.ones(shape, bool)
    if name == "writers" or (name in ("take", "scatter_add") and place == 1):
        return np.zeros(shape, np.int64)
    integer = name.startswith("bitwise") or name in ("special.polygamma", "special.expn")
    return np.ones(shape, np.int64) if integer else np.full(shape, 0.4)


def actual(name: str, *shapes: Shape, **static: Any) -> tuple[Shape, ...]:
    """Return the shapes of what NumPy returns for operands of these shapes."""
    operands = [operand(name, shape, i) for i, shape in enumerate(shapes)]
    with np.errstate(all="ignore"):
        return shapes_of(GROUND.library_function(NAMES[name])(*operands, **static))


# ---- the table
def test_every_primitive_has_a_rule_or_is_known_to_depend_on_values():
    without = NAMES.keys() - RULES.keys() - VALUE_DEPENDENT.keys()
    assert without == {"part"}  # never an operation: one result of several


def test_every_function_that_is_elementwise_is_known_with_its_number_of_operands():
    assert {name: p.operands for name, p in NAMES.items() if p.kind.value == "elementwise"} == OPERANDS


def test_every_function_has_the_kind_that_it_has_as_a_primitive():
    kinds = {name: p.kind.value for name, p in NAMES.items() if name in RULES}
    assert {name: kind for name, kind in KINDS.items() if kind != "creation"} == kinds
    assert KINDS.keys() == RULES.keys()


# ---- all functions
PAIRS: list[tuple[Shape, ...]] = [((), ()), ((3,), ()), ((2, 1), (3,)), ((0, 3), (1,)), ((2, 3), (2, 3)), ((1,), (0,))]


@pytest.mark.parametrize("name", OPERANDS)
def test_an_elementwise_function_has_the_shape_that_its_operands_broadcast_to(name):
    for pair in PAIRS:
        shapes = tuple(itertools.islice(itertools.cycle(pair), OPERANDS[name]))
        assert infer(name, *shapes) == actual(name, *shapes), shapes


FORMS: dict[str, list[tuple[tuple[Shape, ...], dict[str, Any]]]] = {}


def forms(names: str, *calls: tuple[Any, ...]) -> None:
    """Add calls of functions: shapes, then static arguments."""
    for name in names.split():
        for *shapes, static in calls:
            FORMS.setdefault(name, []).append((tuple(shapes), static))


REDUCED = [
    (shape, {"axis": axis, "keepdims": keepdims})
    for shape, axes in {
        (): (None, ()),
        (3,): (None, 0, -1, (0,), ()),
        (2, 3, 4): (None, 0, -1, (0, 2), (-1, 0), (2, 1, 0), ()),
        (1, 4): (None, 0, 1, (0, 1)),
    }.items()
    for axis in axes
    for keepdims in (False, True)
]
EMPTY = [
    (shape, {"axis": axis, "keepdims": keepdims})
    for shape, axis in [((0,), None), ((0,), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), -1), ((0, 3), (0, 1))]
    for keepdims in (False, True)
]
forms("sum prod all any count_nonzero", *REDUCED, *EMPTY, ((2, 3), {}))
forms("sum prod", ((2, 3), {"axis": 1, "dtype": np.float32}))
forms("max min", *REDUCED, ((2, 3), {}), ((0, 3), {"axis": 1}), ((0, 3), {"axis": (1,), "keepdims": True}))
forms(
    "argmax argmin",
    *[(shape, static) for shape, static in REDUCED if not isinstance(static["axis"], tuple)],
    ((0, 3), {"axis": 1}),
    ((2, 3), {}),
)
forms("argsort", ((4,), {}), ((2, 3), {"axis": 0}), ((2, 3), {"axis": -2, "descending": True}), ((0, 3), {"axis": 0}))
forms(
    "cumulative_sum cumulative_prod",
    ((4,), {}),
    ((0,), {"include_initial": True}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "include_initial": True}),
    ((2, 0), {"axis": 1, "include_initial": True, "dtype": np.float64}),
)
forms("searchsorted", ((4,), (2, 3), {}), ((0,), (), {"side": "right"}), ((4,), (0, 2), {"side": "left"}))
forms("isin", ((2, 3), (4,), {}), ((), (2, 2), {"invert": True}), ((0,), (3,), {}))
forms("astype", ((2, 3), {"dtype": np.float32}), ((), {"dtype": np.int64, "copy": False}), ((0, 2), {"dtype": bool}))

forms(
    "broadcast_to",
    ((3,), {"shape": (2, 3)}),
    ((), {"shape": (0, 2)}),
    ((1, 3), {"shape": (4, 1, 3)}),
    ((), {"shape": ()}),
)
forms(
    "reshape",
    ((2, 6), {"shape": (3, 4)}),
    ((2, 6), {"shape": (-1,)}),
    ((2, 6), {"shape": (4, -1, 1)}),
    ((), {"shape": (1, 1)}),
    ((1,), {"shape": ()}),
    ((0, 3), {"shape": (5, 0)}),
    ((0, 3), {"shape": (-1, 3)}),
    ((4,), {"shape": (2, 2), "copy": True}),
)
forms(
    "permute_dims",
    ((2, 3, 4), {"axes": (2, 0, 1)}),
    ((2, 3), {"axes": (-1, -2)}),
    ((), {"axes": ()}),
    ((0, 3), {"axes": (1, 0)}),
)
forms("matrix_transpose", ((2, 3), {}), ((4, 2, 3), {}), ((0, 3), {}))
forms(
    "moveaxis",
    ((2, 3, 4), {"source": 0, "destination": -1}),
    ((2, 3, 4), {"source": (0, 2), "destination": (1, 0)}),
    ((2, 3, 4, 5), {"source": (-1, 0, 1), "destination": (0, -1, 2)}),
    ((2, 0), {"source": 1, "destination": 0}),
    ((2, 3), {"source": (), "destination": ()}),
)
forms(
    "expand_dims",
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1}),
    ((2, 3), {"axis": 1}),
    ((), {"axis": 0}),
    ((3,), {"axis": (0, -1)}),
)
forms("squeeze", ((1, 3, 1), {"axis": 0}), ((1, 3, 1), {"axis": (0, -1)}), ((1,), {"axis": 0}), ((0, 1), {"axis": 1}))
forms("flip", ((2, 3), {}), ((2, 3), {"axis": -1}), ((2, 3), {"axis": (0, 1)}), ((), {}), ((0, 2), {"axis": None}))
forms(
    "roll",
    ((2, 3), {"shift": 1}),
    ((2, 3), {"shift": 1, "axis": -1}),
    ((2, 3), {"shift": (1, -2), "axis": (0, 1)}),
    ((2, 3), {"shift": 1, "axis": (0, 1)}),
    ((2, 3), {"shift": (1, 1), "axis": (0, 0)}),
    ((0,), {"shift": 2, "axis": 0}),
)
forms(
    "concat", ((2, 3), (4, 3), {}), ((2, 3), (2, 0), {"axis": -1}), ((2, 3), (4,), {"axis": None}), ((3,), {"axis": 0})
)
forms(
    "stack",
    ((2, 3), (2, 3), {}),
    ((2, 3), (2, 3), (2, 3), {"axis": -1}),
    ((), (), {"axis": 0}),
    ((0,), (0,), {"axis": 1}),
)
forms(
    "tile",
    ((2, 3), {"repetitions": (2,)}),
    ((3,), {"repetitions": (2, 1, 2)}),
    ((), {"repetitions": ()}),
    ((2, 3), {"repetitions": (0, 1)}),
)
forms("tril triu", ((2, 3), {}), ((4, 2, 3), {"k": -1}), ((0, 2), {"k": 1}))

forms(
    "matmul",
    ((3,), (3,), {}),
    ((0,), (0,), {}),
    ((2, 3), (3,), {}),
    ((3,), (3, 4), {}),
    ((2, 3), (3, 4), {}),
    ((5, 2, 3), (3, 4), {}),
    ((3,), (5, 3, 4), {}),
    ((5, 2, 3), (3,), {}),
    ((5, 1, 2, 3), (6, 3, 4), {}),
    ((0, 3), (3, 4), {}),
    ((2, 0), (0, 4), {}),
    ((0, 2, 3), (1, 3, 4), {}),
)
SQUARES = [((3, 3), {}), ((2, 3, 3), {}), ((0, 0), {}), ((0, 2, 2), {}), ((1, 1), {})]
RECTANGLES = [((3, 2), {}), ((2, 3), {}), ((4, 3, 3), {}), ((0, 3, 2), {})]
forms(
    "linalg.inv linalg.det linalg.slogdet linalg.cholesky linalg.eigh linalg.eigvalsh linalg.eig linalg.eigvals",
    *SQUARES,
)
forms("linalg.cholesky", ((3, 3), {"upper": True}))
forms("linalg.pinv linalg.svdvals linalg.matrix_rank linalg.svd linalg.qr", *RECTANGLES)
forms("linalg.pinv", ((3, 2), {"rtol": 1e-3}), ((0, 2), {}))
forms("linalg.matrix_rank", ((3, 2), {"rtol": 1e-3}))
forms(
    "linalg.svd",
    *[(x, {"full_matrices": full}) for x, _ in RECTANGLES for full in (False, True)],
    ((0, 2), {"full_matrices": False}),
)
forms("linalg.qr", *[(x, {"mode": mode}) for x, _ in RECTANGLES for mode in ("reduced", "complete")], ((0, 2), {}))
forms(
    "linalg.solve",
    ((3, 3), (3,), {}),
    ((3, 3), (3, 2), {}),
    ((2, 3, 3), (3,), {}),
    ((2, 3, 3), (3, 1), {}),
    ((2, 3, 3), (2, 3, 4), {}),
    ((3, 3), (2, 3, 4), {}),
    ((5, 1, 3, 3), (4, 3, 2), {}),
    ((0, 0), (0, 2), {}),
)

ONE_AXIS = [
    ((4,), {}),
    ((5,), {"n": 8}),
    ((2, 5), {"axis": 0}),
    ((2, 5), {"n": 3, "axis": -1, "norm": "ortho"}),
    ((0, 4), {"n": None}),
    ((2, 5, 3), {"n": 7, "axis": 1}),
]
ALL_AXES = [
    ((4, 3), {}),
    ((2, 4, 3), {"axes": (0, 2)}),
    ((2, 4, 3), {"s": (5, 6), "axes": (0, -2), "norm": "forward"}),
    ((2, 4, 3), {"axes": (-1,)}),
    ((0, 4), {"axes": (1,)}),
]  # fmt: skip
forms("fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft", *ONE_AXIS)
forms("fft.fftn fft.ifftn fft.rfftn fft.irfftn", *ALL_AXES)
forms("fft.fftshift fft.ifftshift", ((4, 3), {}), ((4, 3), {"axes": 0}), ((0, 3), {"axes": (0, -1)}))

forms(
    "getitem",
    ((4, 5, 6), {"key": (slice(0, 4, 2), 3, slice(1, 1, 1))}),
    ((4, 5, 6), {"key": (-1, ...)}),
    ((4, 5, 6), {"key": (..., -1)}),
    ((4, 5, 6), {"key": (slice(None, None, 2), ..., slice(-2, None))}),
    ((4, 5, 6), {"key": (None, ..., slice(None, None, -2), None, 0)}),
    ((4, 5), {"key": (1, 2)}),
    ((), {"key": ()}),
    ((), {"key": (..., None)}),
    ((0, 3), {"key": (slice(2, 9), slice(-9, 2))}),
)
forms(
    "embed",
    ((2,), {"shape": (5,), "key": (slice(0, 4, 2),)}),
    ((3,), {"shape": (2, 3), "key": (1, slice(0, 3, 1))}),
    ((0, 2), {"shape": (4, 2), "key": (slice(1, 1, 1), ...)}),
    ((), {"shape": (2, 2), "key": (0, 1)}),
)
forms(
    "put",
    ((5,), (2,), {"key": (slice(0, 4, 2),)}),
    ((2, 3), (), {"key": (1, slice(0, 3, 1))}),
    ((2, 3), (2, 1), {"key": (..., slice(0, 2, 1))}),
    ((0, 3), (1,), {"key": (...,)}),
)
forms(
    "take",
    ((4, 5), (3,), {"axis": 0}),
    ((4, 5), (0,), {"axis": -1}),
    ((4,), (3,), {}),
    ((4, 5, 6), (2,), {"axis": 1}),
    ((4, 5), (), {"axis": 1}),
    ((4, 5), (2, 3), {"axis": 0}),
)
forms(
    "scatter_add",
    ((3, 5), (3,), {"shape": (4, 5), "axis": 0}),
    ((4, 0), (0,), {"shape": (4, 5), "axis": 1}),
    ((3,), (3,), {"shape": (7,), "axis": 0}),
)
forms("writers", ((3,), {"count": 5}), ((0,), {"count": 2}))


def test_every_primitive_has_calls_that_are_compared_with_numpy():
    assert FORMS.keys() | OPERANDS.keys() | VALUE_DEPENDENT.keys() | {"part"} == NAMES.keys()


@pytest.mark.parametrize("name", FORMS)
def test_shapes_are_those_that_numpy_returns(name):
    for shapes, static in FORMS[name]:
        assert infer(name, *shapes, **static) == actual(name, *shapes, **static), (shapes, static)


CREATED: list[tuple[str, dict[str, Any]]] = [
    *(("arange", {"start": a, "stop": b, "step": c}) for a, b, c in [(0, 5, 1), (5, 0, -2), (0, 5, -1), (1, 8, 3)]),
    *(("arange", {"start": a, "stop": b, "step": c}) for a, b, c in [(0.0, 1.0, 0.1), (1.0, 2.05, 0.35), (2, 0.5, 1)]),
    ("arange", {"start": 4}),
    ("arange", {"start": 4.5, "stop": None}),
    ("eye", {"n_rows": 3}),
    ("eye", {"n_rows": 0, "n_cols": 4, "k": 1}),
    ("linspace", {"start": 0.0, "stop": 1.0, "num": 7, "endpoint": False}),
    ("linspace", {"start": 0.0, "stop": 1.0, "num": 0}),
    *((name, {"shape": shape}) for name in ("empty", "ones", "zeros") for shape in [(), 3, (2, 0, 4)]),
    ("full", {"shape": (2, 3), "fill_value": 1.5}),
    *((name, {"n": n, "d": 0.5}) for name in ("fft.fftfreq", "fft.rfftfreq") for n in (1, 4, 7)),
]


@pytest.mark.parametrize(("name", "static"), CREATED, ids=str)
def test_shapes_of_what_is_made_are_numpys(name, static):
    where, _, short = name.rpartition(".")
    function = getattr(getattr(GROUND.library, where) if where else GROUND.library, short)
    positional = [static[k] for k in ("start", "n_rows", "shape", "n", "fill_value") if k in static]
    rest = {k: v for k, v in static.items() if k not in ("start", "n_rows", "shape", "n", "fill_value")}
    if name == "eye" and "n_cols" in rest:
        positional.append(rest.pop("n_cols"))
    if name == "linspace" or (name == "arange" and "stop" in rest):
        positional.append(rest.pop("stop"))
    if name == "linspace":
        positional.append(rest.pop("num"))
    assert infer(name, **static) == shapes_of(function(*positional, **rest))


def test_lengths_of_a_transform_without_axes_are_those_of_the_last_axes():
    assert infer("fft.fftn", (2, 4, 3), s=(5, 6)) == ((2, 5, 6),)
    assert infer("fft.rfftn", (2, 4, 3), s=(5, -1)) == ((2, 5, 2),)


def test_the_canonical_full_has_its_value_under_another_name():
    assert infer("full", value=0.0, shape=(2, 3), dtype="float32") == ((2, 3),)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like", "full_like"])
def test_what_is_made_like_an_array_has_its_shape(name):
    assert infer(name, (2, 0, 3), dtype="float32") == ((2, 0, 3),)


def test_a_function_of_no_rule_has_that_of_its_kind():
    assert infer_shapes("mine", "elementwise", [(2, 1), (3,), ()], {}) == ((2, 3),)
    assert infer_shapes("mine", "reduction", [(2, 3)], {"axis": 1, "keepdims": True, "power": 3}) == ((2, 1),)
    assert infer_shapes("mine", "scan", [(2, 3)], {"axis": 1, "power": 3}) == ((2, 3),)


# ---- what the functions of the standard come to
class Spy:
    """The library's function of a primitive, whose results are compared with the shapes inferred."""

    def __init__(self, primitive: Primitive, function: Any) -> None:
        self.primitive, self.function = primitive, function
        self.name = f"{primitive.where}.{primitive.name}" if primitive.where else primitive.name

    def __call__(self, *operands: Any, **static: Any) -> Any:
        out = self.function(*operands, **static)
        if self.name not in VALUE_DEPENDENT:
            shapes = [x.shape for x in operands]
            assert infer_shapes(self.name, self.primitive.kind.value, shapes, static) == shapes_of(out), self.name
        return out


@pytest.fixture(scope="module")
def spied():
    ground = tl.namespace(np).ground
    functions = dict(ground._functions)
    seen = {p: Spy(p, function) for p, function in functions.items()}
    ground._functions.update(seen)
    yield
    ground._functions.update(functions)


@pytest.mark.parametrize("name", CATALOGUE)
@settings(max_examples=12, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_operation_of_the_standards_functions_has_the_shape_inferred(spied, name, data):
    function = CATALOGUE[name]
    dtype = "float64" if "float64" in function.dtypes else function.dtypes[0]
    call = data.draw(calls(function, dtype, "numpy"))
    xp = tl.namespace(np)
    with np.errstate(all="ignore"):
        call.run(xp, *map(xp.lift, call.operands))


# ---- properties
@given(st.lists(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), min_size=1, max_size=4))
def test_shapes_broadcast_as_numpys_do(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes(*shapes)
    else:
        assert broadcast_shapes(*shapes) == expected


@given(st.data())
def test_reductions_have_the_shapes_of_numpys(data):
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    every = st.integers(-len(shape) - 1, len(shape))
    axis = data.draw(st.none() | every | st.lists(every, max_size=3).map(tuple))
    static = {"axis": axis, "keepdims": data.draw(st.booleans())}
    name = data.draw(st.sampled_from(("sum", "max", "all")))
    agree(name, shape, **static)


@given(st.data())
def test_keys_select_the_shapes_that_numpys_do(data):
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    key = data.draw(arrays.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    assert selected_shape(shape, key) == np.ones(shape)[key].shape


@given(st.data())
def test_keys_that_do_not_fit_are_refused_as_numpy_refuses_them(data):
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    part = st.integers(-4, 3) | st.slices(4) | st.just(...) | st.none()
    agree("getitem", shape, key=tuple(data.draw(st.lists(part, max_size=5))))


@given(st.data())
def test_matmul_has_the_shape_of_numpys(data):
    side = st.integers(0, 2)
    shapes = [tuple(data.draw(st.lists(side, max_size=4))) for _ in range(2)]
    agree("matmul", *shapes)


@given(st.data())
def test_reshape_has_the_shape_of_numpys(data):
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    wanted = data.draw(st.lists(st.integers(-1, 6), max_size=4).map(tuple))
    agree("reshape", shape, shape=wanted)


def agree(name: str, *shapes: Shape, **static: Any) -> None:
    """Assert that NumPy returns the shapes inferred, or that both refuse."""
    try:
        expected = actual(name, *shapes, **static)
    except (ValueError, IndexError, TypeError):
        with pytest.raises(TLError):
            infer(name, *shapes, **static)
    else:
        assert infer(name, *shapes, **static) == expected


# ---- what is refused
BAD: list[tuple[type[TLError], str, str, tuple[Shape, ...], dict[str, Any]]] = [
    (ShapeError, "add: shapes (2, 3) and (4,) do not broadcast: axis -1 has 3 and 4", "add", ((2, 3), (4,)), {}),
    (StructureError, "add: add takes 2 operands; got 1", "add", ((2,),), {}),
    (ShapeError, "the last axis has 3 elements, and what it meets 2", "matmul", ((2, 3), (2, 4)), {}),
    (ShapeError, "do not broadcast", "matmul", ((2, 2, 3), (5, 3, 4)), {}),
    (ShapeError, "one axis or more", "matmul", ((), (3,)), {}),
    (ShapeError, "has 6 elements and (4,) has 4", "reshape", ((2, 3),), {"shape": (4,)}),
    (ShapeError, "do not divide into", "reshape", ((2, 3),), {"shape": (-1, 4)}),
    (ArgumentError, "two lengths open", "reshape", ((2, 3),), {"shape": (-1, -1)}),
    (ArgumentError, "a length that no array has", "reshape", ((2, 3),), {"shape": (-2, -3)}),
    (ArgumentError, "there is no axis 2 among 2", "sum", ((2, 3),), {"axis": 2}),
    (ArgumentError, "one axis twice", "sum", ((2, 3),), {"axis": (0, -2)}),
    (ArgumentError, "is no integer", "sum", ((2, 3),), {"axis": 0.5}),
    (ArgumentError, "unexpected keyword argument 'axes'", "sum", ((2, 3),), {"axes": 0}),
    (ShapeError, "no element along axis=0", "max", ((0, 3),), {"axis": 0}),
    (ShapeError, "no element along axis=None", "argmin", ((0,),), {}),
    (ArgumentError, "one axis, or None", "argmax", ((2, 3),), {"axis": (0, 1)}),
    (ArgumentError, "needs an axis", "cumulative_sum", ((2, 3),), {}),
    (ArgumentError, "there is no axis 0 among 0", "cumulative_prod", ((),), {"axis": 0}),
    (ShapeError, "one axis, whose sorter", "searchsorted", ((2, 3), (4,)), {}),
    (ShapeError, "does not broadcast to (2, 4)", "broadcast_to", ((3,),), {"shape": (2, 4)}),
    (ShapeError, "does not broadcast to (3,)", "broadcast_to", ((2, 3),), {"shape": (3,)}),
    (ShapeError, "does not broadcast to (1,)", "broadcast_to", ((2,),), {"shape": (1,)}),
    (ArgumentError, "name each once", "permute_dims", ((2, 3),), {"axes": (0,)}),
    (ShapeError, "2 axes or more", "matrix_transpose", ((3,),), {}),
    (ShapeError, "2 axes or more", "tril", ((3,),), {}),
    (ArgumentError, "as many destinations", "moveaxis", ((2, 3),), {"source": (0, 1), "destination": (0,)}),
    (ShapeError, "axis 1 of shape (1, 3) has 3", "squeeze", ((1, 3),), {"axis": 1}),
    (ShapeError, "equal but for it", "concat", ((2, 3), (2, 4)), {"axis": 0}),
    (ShapeError, "equal but for it", "concat", ((2, 3), (3,)), {"axis": 0}),
    (ArgumentError, "one array or more", "concat", (), {}),
    (ShapeError, "of one shape", "stack", ((2, 3), (2, 1)), {}),
    (ArgumentError, "one array or more", "stack", (), {}),
    (ArgumentError, "an axis for each", "roll", ((2, 3),), {"shift": (1, 2)}),
    (ArgumentError, "one shift for each axis", "roll", ((2, 3),), {"shift": (1, 2, 3), "axis": (0, 1)}),
    (ShapeError, "not square", "linalg.inv", ((2, 3),), {}),
    (ShapeError, "2 axes or more", "linalg.svd", ((3,),), {}),
    (ShapeError, "right sides of 3 rows", "linalg.solve", ((3, 3), (2,)), {}),
    (ShapeError, "right sides", "linalg.solve", ((3, 3), ()), {}),
    (ArgumentError, "'reduced' or 'complete'", "linalg.qr", ((3, 2),), {"mode": "raw"}),
    (ArgumentError, "of 0 points", "fft.fft", ((0,),), {}),
    (ArgumentError, "of 0 points", "fft.irfft", ((1,),), {}),
    (ArgumentError, "a length for each axis", "fft.fftn", ((2, 3),), {"s": (2, 3), "axes": (0,)}),
    (ArgumentError, "one axis or more", "fft.rfftn", ((2, 3),), {"axes": ()}),
    (ArgumentError, "there is no axis", "fft.fftn", ((3,),), {"s": (2, 3)}),
    (IndexShapeError, "index 3 is outside of axis 0, of length 3", "getitem", ((3, 2),), {"key": (3, ...)}),
    (IndexShapeError, "a key of 2 parts", "getitem", ((3,),), {"key": (0, 0)}),
    (IndexShapeError, "2 Ellipsis", "getitem", ((3,),), {"key": (..., ...)}),
    (ArgumentError, "take reads at an array", "getitem", ((3,),), {"key": ([0, 1],)}),
    (ShapeError, "these two must be equal", "embed", ((1,),), {"shape": (4,), "key": (slice(0, 2, 1),)}),
    (ShapeError, "does not broadcast", "put", ((4,), (3,)), {"key": (slice(0, 2, 1),)}),
    (ArgumentError, "needs an axis", "take", ((2, 3), (4,)), {}),
    (
        ShapeError,
        "add updates of shape (2, 3); got (3, 3)",
        "scatter_add",
        ((3, 3), (2,)),
        {"shape": (5, 3), "axis": 0},
    ),
    (ShapeError, "indices of one axis", "writers", ((2, 2),), {"count": 3}),
    (ArgumentError, "steps other than 0", "arange", (), {"start": 0, "stop": 3, "step": 0}),
    (ArgumentError, "a length that no array has", "full", (), {"shape": (-1,), "value": 0}),
    (ArgumentError, "missing a required argument: 'shape'", "zeros", (), {}),
]


@pytest.mark.parametrize(
    ("error", "message", "name", "shapes", "static"), BAD, ids=[f"{b[2]}-{b[1][:24]}" for b in BAD]
)
def test_a_call_that_cannot_be_is_refused_with_what_was_given_and_expected(error, message, name, shapes, static):
    with pytest.raises(error, match=re.escape(message)) as caught:
        infer(name, *shapes, **static)
    assert type(caught.value) is error
    assert name in str(caught.value)


@pytest.mark.parametrize("name", VALUE_DEPENDENT)
def test_shapes_that_depend_on_values_are_refused_with_what_to_use_instead(name):
    with pytest.raises(TraceError, match=r"depends on values.*xp.where"):
        infer(name, (3,))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3)
    | st.floats()
    | st.complex_numbers()
    | st.sampled_from(("", "reduced", "float32", 10**400)),
    lambda one: st.lists(one, max_size=3) | st.tuples(one) | st.builds(slice, one, one, one),
    max_leaves=5,
)


@settings(max_examples=600)
@given(st.data())
def test_whatever_is_given_as_a_static_argument_ends_in_shapes_or_in_an_error_of_ours(data):
    name = data.draw(st.sampled_from(sorted(RULES)))
    shapes = data.draw(st.lists(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), max_size=3))
    parameters = [p.name for p in inspect.signature(RULES[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    try:
        found = infer(name, *shapes, **{key: data.draw(ANYTHING) for key in parameters})
    except TLError:
        return
    assert all(type(n) is int and 0 <= n < 2**63 for shape in found for n in shape)


def test_a_function_that_nobody_knows_is_refused():
    with pytest.raises(TraceError, match=r"mine.*is not known here"):
        infer_shapes("mine", "opaque", [(3,)], {})


def test_no_rule_takes_whatever_static_argument_is_given():
    parameters = {name: inspect.signature(rule).parameters.values() for name, rule in RULES.items()}
    assert not [name for name, found in parameters.items() if any(p.kind is p.VAR_KEYWORD for p in found)]
