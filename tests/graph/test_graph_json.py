"""A graph written as JSON is read back equal, and any other text is refused by the name of its mistake."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_arrayapi.errors import GraphError
from tl_arrayapi.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.graph import frozen
from tl_arrayapi.graph.graph_json import from_json, to_json
from tl_arrayapi.graph.verify import verify

X = Var(0, (2, 3), "float32")
HELD = Var(7, (), "int64")
PART = Var(1, (3,), "float32")
SCALED = Var(2, (3,), "float32")
SPECTRUM = Var(3, (2,), "complex64")

GRAPH = Graph(
    (X,),
    (HELD,),
    (
        Equation(
            "getitem", "indexing", (X,), frozen({"key": (1, slice(0, 3, 1))}), (PART,), "model.py:3: x[1, :] é", 2
        ),
        Equation("multiply", "elementwise", (PART, Literal(math.inf, "float32")), (), (SCALED,)),
        Equation("fft.rfft", "transform", (SCALED,), frozen({"n": None, "axis": -1, "norm": "ortho"}), (SPECTRUM,)),
    ),
    (SPECTRUM, HELD, Literal(complex(-0.0, math.nan), "complex64")),
)


def of_static(**static: Any) -> Graph:
    """Return a graph of one equation of an elementwise function that nobody knows, with these static arguments."""
    return Graph((X,), (), (Equation("mine", "reduction", (X,), frozen(static), (PART,)),), ())


def test_a_graph_is_read_back_equal():
    assert from_json(to_json(GRAPH)) == GRAPH
    assert from_json(to_json(Graph((), (), (), ()))) == Graph((), (), (), ())


def test_the_document_says_what_it_is():
    document = json.loads(to_json(GRAPH))
    assert document["format"] == "tl_arrayapi.graph"
    assert document["version"] == 1
    assert document["inputs"] == [[0, [2, 3], "float32"]]
    assert document["equations"][1]["operands"] == [1, {"value": {"float": "inf"}, "dtype": "float32"}]


NUMBERS = st.floats() | st.complex_numbers() | st.integers() | st.booleans()
ANY_STATIC = st.recursive(
    st.none() | NUMBERS | st.text(),
    lambda one: st.lists(one, max_size=3).map(tuple) | st.builds(slice, one, one, one),
    max_leaves=8,
)


@given(ANY_STATIC)
def test_static_arguments_are_read_back_as_what_they_print(value):
    wanted = of_static(axis=0, keepdims=False, more=value)
    found = from_json(to_json(wanted))
    assert repr(found.equations) == repr(wanted.equations)
    assert type(found.equations[0].get("more")) is type(value)


@given(NUMBERS)
def test_numbers_are_read_back_as_what_they_are(value):
    dtype = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}[type(value)]
    wanted = Graph((), (), (), (Literal(value, dtype),))
    assert from_json(to_json(wanted)) == wanted


def test_a_graph_that_is_not_well_formed_is_not_written():
    with pytest.raises(GraphError, match="nothing has made it before"):
        to_json(Graph((), (), (), (X,)))
    with pytest.raises(GraphError, match="is made of numbers"):
        to_json(of_static(axis=0, keepdims=False, more=[1]))


# ---- what is refused
def changed(**parts: Any) -> str:
    return json.dumps(json.loads(to_json(GRAPH)) | parts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is not JSON"),
        ("{", "the text is not JSON"),
        ("[" * 100_000, "the text is not JSON"),
        ("1" * 10_000, "the text is not JSON"),
        ("NaN", "NaN is not JSON"),
        ('{"format": 1, "format": 2}', "an object has a name twice: format, format"),
        ("null", "the document is an object with format"),
        (changed(format="tl_arrayapi.plan"), "of format tl_arrayapi.graph and version 1; got tl_arrayapi.plan, 1"),
        (changed(version=2), "version 1; got tl_arrayapi.graph, 2"),
        (changed(version=True), "version 1; got tl_arrayapi.graph, True"),
        (changed(more=1), "the document is an object with"),
        (changed(inputs={}), "inputs is a list"),
        (changed(inputs=[[0, [2, 3]]]), "inputs 0 is a list of 3"),
        (changed(inputs=[[0.0, [2, 3], "float32"]]), "the number of inputs 0 is an integer"),
        (changed(inputs=[[0, [2, "3"], "float32"]]), "a length of inputs 0 is an integer"),
        (changed(inputs=[[0, [2, 3], ["float32"]]]), "the dtype of inputs 0 is a string"),
        (changed(inputs=[[0, [2, 3], "float31"]]), "none of bool"),
        (changed(inputs=[[0, [2, 10**30], "float32"]]), "no tuple of lengths"),
        (changed(inputs=[[0, [2, 3], "float32"]] * 2), "made a second time"),
        (changed(outputs=[99]), "output 0 is a value made before; got %99"),
        (changed(outputs=["x"]), "output 0 is an integer"),
        (changed(outputs=[{"value": 1}]), "output 0 is an object with value, dtype"),
        (changed(outputs=[{"value": "x", "dtype": "float32"}]), "does not hold the number 'x'"),
        (changed(outputs=[{"value": 1, "dtype": 1}]), "the dtype of output 0 is a string"),
        (changed(outputs=[{"value": {"float": "1"}, "dtype": "float32"}]), "float or complex objects"),
        (changed(outputs=[{"value": {"complex": [1, 2]}, "dtype": "complex64"}]), "float or complex objects"),
        (changed(outputs=[{"value": {"slice": [1, 2]}, "dtype": "complex64"}]), "float or complex objects"),
        (changed(outputs=[{"value": {"float": "nan", "more": 1}, "dtype": "float32"}]), "float or complex objects"),
        (changed(equations=[1]), "equation 0 is an object with name"),
    ],
)
def test_a_text_that_is_no_graph_is_refused(text, message):
    with pytest.raises(GraphError) as caught:
        from_json(text)
    assert message in str(caught.value)


def with_equation(**parts: Any) -> str:
    document = json.loads(to_json(GRAPH))
    document["equations"][0] |= parts
    return json.dumps(document)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"name": 1}, "the name of equation 0 is a string"),
        ({"name": "__import__"}, "__import__"),
        ({"kind": None}, "the kind of equation 0 is a string"),
        ({"line": 1}, "the line of equation 0 is a string"),
        ({"scope": 0.5}, "the scope of equation 0 is an integer"),
        ({"operands": 1}, "operands of equation 0 is a list"),
        ({"operands": [1]}, "operand 0 of equation 0 is a value made before"),
        ({"operands": [7]}, "key is a tuple with an int"),
        ({"results": [[1, [4], "float32"]]}, "the result has shape (3,); it says (4,)"),
        ({"static": []}, "static of equation 0 is an object"),
        ({"static": {"key": [1]}}, "for every axis"),
        ({"static": {"key": [1, {"slice": [0, 3, 0]}]}}, "for every axis"),
        ({"static": {"key": json.loads("[" * 40 + "]" * 40)}}, "nested at most 16 deep"),
        ({"more": 1}, "equation 0 is an object with"),
    ],
)
def test_an_equation_that_cannot_be_is_refused_with_its_place(parts, message):
    with pytest.raises(GraphError) as caught:
        from_json(with_equation(**parts))
    assert message in str(caught.value)


# ---- whatever comes
NAMES = ("slice", "float", "complex", "value", "dtype", "shape", "axis", "key", "s", "n")
ANY_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 8),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=3),
        st.sampled_from(("float32", "add", "reduction", "matmul", "fft.rfftn", "linalg.svd", "full", "arange")),
    ),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(NAMES), one, max_size=3),
    max_leaves=6,
)


def places(x: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) for every place of a document."""
    keys = x.keys() if isinstance(x, dict) else range(len(x)) if isinstance(x, list) else ()
    return [place for key in keys for place in [(x, key), *places(x[key])]]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_document_with_anything_anywhere_is_a_graph_that_is_well_formed_or_is_refused(data):
    document = json.loads(to_json(GRAPH))
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(places(document)))
        container[key] = data.draw(ANY_JSON)
    try:
        graph = from_json(json.dumps(document))
    except GraphError:
        return
    verify(graph)


@given(st.text())
def test_a_text_of_any_characters_is_refused(text):
    with pytest.raises(GraphError):
        from_json(text)
