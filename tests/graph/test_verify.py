"""A graph that is well formed is verified in silence, and every mistake is refused by the name of its equation."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tl_arrayapi.backends.base import DTYPES
from tl_arrayapi.errors import GraphError
from tl_arrayapi.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.graph import frozen
from tl_arrayapi.graph.shapes import KINDS
from tl_arrayapi.graph.static import REWRITTEN, is_plain
from tl_arrayapi.graph.verify import verify

X, Y, Z = (Var(i, (2, 3), "float32") for i in range(3))
FIVE = Literal(5.0, "float32")


def equation(name: str, operands: Any, *results: Var, **static: Any) -> Equation:
    return Equation(name, KINDS[name], operands, frozen(static), results, "model.py:7: y = f(x)")


def graph(*equations: Equation, outputs: Any = ()) -> Graph:
    return Graph((X,), (), equations, tuple(outputs))


def refused(wrong: Graph, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        verify(wrong)


def test_a_graph_that_is_well_formed_is_verified_in_silence():
    total = equation("sum", (Y,), Var(2, (3,), "float32"), axis=(0,), keepdims=False)
    verify(graph(equation("add", (X, FIVE), Y), total, outputs=(total.result, Y, X, FIVE)))
    verify(Graph((), (), (), ()))


# ---- values
def test_a_value_is_made_once():
    refused(graph(equation("exp", (X,), Y), equation("exp", (X,), Y)), "equation 1, %1: float32[2, 3] = exp(%0): %1 is")
    refused(graph(equation("exp", (X,), X)), "%0 is made a second time")
    refused(Graph((X,), (X,), (), ()), "an input: %0 is made a second time")
    values, vectors = Var(1, (3,), "float32"), Var(1, (3, 3), "float32")
    both = equation("linalg.eigh", (Var(0, (3, 3), "float32"),), values, vectors)
    refused(Graph(both.operands, (), (both,), ()), "%1 is made a second time")


def test_a_value_is_made_before_it_is_read():
    refused(
        graph(equation("exp", (Y,), Z), equation("exp", (X,), Y)), "equation 0, %2: float32[2, 3] = exp(%1): %1 is read"
    )
    refused(graph(equation("exp", (Y,), Y)), "nothing has made it before")
    refused(graph(outputs=(Y,)), "output 0: %1 is read, and nothing has made it before")


def test_a_value_is_the_same_wherever_it_appears():
    other = replace(X, dtype="float64")
    refused(graph(equation("exp", (other,), Y)), "%0 is read as float64[2, 3], and was made as float32[2, 3]")
    refused(graph(outputs=(replace(X, shape=(6,)),)), "output 0: %0 is read as float32[6]")


def test_the_message_has_the_users_line():
    refused(graph(equation("exp", (Y,), Z)), "(model.py:7: y = f(x))")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Var(0, [2, 3], "float32"), "no tuple of lengths"),
        (Var(0, (2, -3), "float32"), "no tuple of lengths"),
        (Var(0, (2.0,), "float32"), "no tuple of lengths"),
        (Var(0, (2**63,), "float32"), "no tuple of lengths"),
        (Var(0, (2,), "float31"), "'float31', which is none of bool, int8"),
        (Var(-1, (2,), "float32"), "no nonnegative int"),
        (FIVE, "is no Var"),
    ],
)
def test_what_is_made_has_a_number_a_shape_and_a_dtype_that_are_known(wrong, message):
    refused(Graph((wrong,), (), (), ()), message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Literal(0.5, "int32"), "int32 does not hold the number 0.5, of type float"),
        (Literal(1, "bool"), "bool does not hold the number 1, of type int"),
        (Literal(True, "int8"), "int8 does not hold the number True"),
        (Literal(1j, "float64"), "float64 does not hold the number 1j"),
        (Literal(1.0, "float31"), "a dtype that is none of"),
        (Literal("a", "float32"), "does not hold the number 'a', of type str"),
        (2.0, "2.0 is neither a Var nor a Literal"),
    ],
)
def test_a_number_is_a_literal_that_its_dtype_can_hold(wrong, message):
    refused(graph(equation("add", (X, wrong), Y)), message)
    refused(graph(outputs=(wrong,)), message)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_that_a_backend_names_is_known(dtype):
    verify(Graph((Var(0, (2,), dtype),), (), (), ()))


# ---- equations
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (equation("add", (X,), Y), "add takes 2 operands; got 1"),
        (equation("exp", (X, X), Y), "exp takes 1 operands; got 2"),
        (replace(equation("exp", (X,), Y), kind="reduction"), "exp is of kind 'elementwise'; it says 'reduction'"),
        (Equation("mine", "opaque", (X,), (), (Y,)), "mine returns is not known"),
        (Equation("nonzero", "indexing", (X,), (), (Y,)), "depends on values"),
        (equation("exp", (X,), Var(1, (3, 2), "float32")), "the result has shape (2, 3); it says (3, 2)"),
        (equation("linalg.qr", (X,), Y), "linalg.qr has 2 results; it says 1"),
        (equation("exp", (X,)), "exp has 1 results; it says 0"),
        (equation("matmul", (X, X), Y), "the last axis has 3 elements, and what it meets 2"),
        (replace(equation("exp", (X,), Y), scope=None), "scope is an int and line a string"),
        (equation("less", (X, X), Y), "the result of less has dtype bool; it says float32"),
        (equation("negative", (X,), replace(Y, dtype="float64")), "the result of negative has dtype float32"),
        (equation("astype", (X,), Y, dtype="float64"), "the result of astype has dtype float64; it says float32"),
        (equation("where", (X, X, X), Y), "the condition of where is of dtype bool; got float32"),
    ],
)
def test_an_equation_says_what_its_function_does(wrong, message):
    refused(graph(wrong), message)


def test_a_kind_that_is_known_goes_for_a_name_that_is_not():
    verify(graph(Equation("mine", "elementwise", (X, FIVE), (), (Y,))))


# ---- static arguments
GOOD: list[tuple[str, tuple[int, ...], dict[str, Any], tuple[int, ...]]] = [
    ("reshape", (2, 3), {"shape": (6,)}, (6,)),
    ("permute_dims", (2, 3), {"axes": (1, 0)}, (3, 2)),
    ("broadcast_to", (2, 3), {"shape": (4, 2, 3)}, (4, 2, 3)),
    ("flip", (2, 3), {"axis": (0, 1)}, (2, 3)),
    ("roll", (2, 3), {"shift": (1, -4), "axis": (0, 1)}, (2, 3)),
    ("concat", (2, 3), {"axis": 0}, (2, 3)),
    ("stack", (2, 3), {"axis": 2}, (2, 3, 1)),
    ("tile", (2, 3), {"repetitions": (2,)}, (2, 6)),
    ("tril", (2, 3), {"k": -1}, (2, 3)),
    ("sum", (2, 3), {"axis": (0, 1), "keepdims": True}, (1, 1)),
    ("sum", (2, 3), {"axis": (), "keepdims": False, "dtype": "float32"}, (2, 3)),
    ("cumulative_sum", (2, 3), {"axis": 1}, (2, 3)),
    ("getitem", (2, 3), {"key": (0, slice(0, 3, 2))}, (2,)),
    ("getitem", (2, 3), {"key": (slice(2, 2, 1), slice(3, 3, 1))}, (0, 0)),
    ("embed", (2, 3), {"shape": (2, 3, 2), "key": (slice(0, 2, 1), slice(0, 3, 1), 1)}, (2, 3, 2)),
    ("linalg.svdvals", (2, 3), {}, (2,)),
]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("reshape", {"shape": (-1,)}, "shape is a tuple of lengths; got (-1,)"),
    ("reshape", {"shape": [6]}, "shape is made of numbers, names, None, tuples and slices; got [6]"),
    ("reshape", {"shape": 6}, "shape is a tuple of lengths; got 6"),
    ("reshape", {"shape": (6,), "copy": True}, "reshape has no argument copy here"),
    ("reshape", {}, "shape is not given"),
    ("permute_dims", {"axes": (-1, 0)}, "axes is a tuple of axes counted from the front; got (-1, 0)"),
    ("permute_dims", {"axes": (0, 0)}, "name each once"),
    ("sum", {"axis": None, "keepdims": False}, "in ascending order; got None"),
    ("sum", {"axis": (1, 0), "keepdims": False}, "in ascending order; got (1, 0)"),
    ("sum", {"axis": (0, 0), "keepdims": False}, "in ascending order; got (0, 0)"),
    ("sum", {"axis": (0,)}, "keepdims is not given"),
    ("sum", {"axis": (0,), "keepdims": 0}, "keepdims is True or False; got 0"),
    ("sum", {"axis": (0,), "keepdims": False, "dtype": None}, "dtype is the name of a dtype; got None"),
    ("max", {"axis": (0,), "keepdims": False, "dtype": "float32"}, "max has no argument dtype here"),
    ("argmax", {"axis": (0,), "keepdims": False}, "or None; got (0,)"),
    ("argsort", {"axis": -1}, "axis is an axis counted from the front; got -1"),
    ("flip", {"axis": 0}, "axis is a tuple"),
    ("roll", {"shift": 1, "axis": (0,)}, "shift is a tuple with one int for each axis; got 1"),
    ("roll", {"shift": (1,), "axis": (0, 1)}, "shift is a tuple with one int for each axis; got (1,)"),
    ("concat", {"axis": None}, "axis is an axis counted from the front; got None"),
    ("tril", {"k": 0.0}, "k is an int; got 0.0"),
    ("getitem", {"key": (0,)}, "for every axis; got (0,)"),
    ("getitem", {"key": (0, ...)}, "key is made of"),
    ("getitem", {"key": (0, -1)}, "for every axis"),
    ("getitem", {"key": (0, 3)}, "for every axis"),
    ("getitem", {"key": (0, slice(None, 3, 1))}, "for every axis"),
    ("getitem", {"key": (0, slice(0, 4, 1))}, "for every axis"),
    ("getitem", {"key": (0, slice(2, 0, -1))}, "for every axis"),
    ("getitem", {"key": (0, slice(2, 1, 1))}, "for every axis"),
    ("embed", {"shape": (2, -3), "key": (0, 1)}, "shape is a tuple of lengths; got (2, -3)"),
    ("astype", {"dtype": "float31"}, "dtype is the name of a dtype; got 'float31'"),
    ("fft.fft", {"n": b"1"}, "n is made of numbers"),
]


@pytest.mark.parametrize(("name", "shape", "static", "result"), GOOD)
def test_static_arguments_in_their_one_form_are_verified(name, shape, static, result):
    x = Var(0, shape, "float32")
    verify(Graph((x,), (), (equation(name, (x,), Var(1, result, "float32"), **static),), ()))


@pytest.mark.parametrize(("name", "static", "message"), WRONG, ids=[f"{w[0]}-{w[1]}" for w in WRONG])
def test_static_arguments_in_another_form_are_refused(name, static, message):
    refused(graph(equation(name, (X,), Y, **static)), message)


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_function_that_is_written_as_another_is_refused(name):
    refused(graph(equation(name, (X,), Y)), f"{name} is written as {REWRITTEN[name]}")


def test_static_arguments_come_once_each_in_the_order_of_their_names():
    static = (("keepdims", False), ("axis", (0, 1)))
    refused(graph(Equation("sum", "reduction", (X,), static, (Var(1, (), "float32"),))), "in the order of their names")
    twice = (("shape", (6,)), ("shape", (6,)))
    refused(graph(Equation("reshape", "movement", (X,), twice, (Var(1, (6,), "float32"),))), "come once each")


def test_a_creation_has_a_value_a_shape_and_a_dtype():
    made = Var(1, (2, 3), "float32")
    verify(graph(equation("full", (), made, value=0.0, shape=(2, 3), dtype="float32")))
    refused(graph(equation("full", (), made, value=0.0, shape=(2, 3))), "dtype is not given")
    refused(graph(equation("full", (), made, value=None, shape=(2, 3), dtype="float32")), "value is a number; got None")
    wrong = equation("eye", (), made, n_rows=2, n_cols=3, k=0, dtype="float64")
    refused(graph(wrong), "the result of eye has dtype float64; it says float32")


def test_only_what_prints_as_what_it_is_is_plain():
    assert is_plain((None, True, 1, 0.5, 1j, "a", slice(None, 2), (slice(1),)))
    assert not any(map(is_plain, ([1], {1: 2}, b"a", (1, [2]), slice([1]), ..., object(), type)))


def test_a_subclass_of_a_number_is_not_plain():
    assert not is_plain(type("Integer", (int,), {})(1))
