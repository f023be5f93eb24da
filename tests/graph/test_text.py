"""A graph as text and as a drawing: what a reader needs is there, whatever the user's lines hold."""

import re

import pytest

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.graph import frozen
from tl_arrayapi.graph.text import to_dot, to_text

X = Var(0, (4, 3), "float32")
HELD = Var(1, (3,), "float32")
ROW = Var(2, (2,), "float32")
MASK = Var(3, (2,), "bool")
TOTAL = Var(4, (), "float32")
LINE = 'model.py:3: print("a\\b")'

GRAPH = Graph(
    (X,),
    (HELD,),
    (
        Equation("getitem", "indexing", (X,), frozen({"key": (1, slice(0, 3, 2))}), (ROW,), LINE),
        Equation("less", "elementwise", (ROW, Literal(0.5, "float32")), (), (MASK,), scope=2),
        Equation("sum", "reduction", (ROW,), frozen({"axis": (0,), "keepdims": False}), (TOTAL,), "model.py:5: b"),
    ),
    (TOTAL, MASK, Literal(1.0, "float32")),
)


def test_the_text_has_a_line_for_what_comes_in_for_each_equation_and_for_what_goes_out():
    assert to_text(GRAPH).splitlines() == [
        "inputs    %0: float32[4, 3]",
        "captured  %1: float32[3]",
        '%2: float32[2] = getitem(%0, key=[1, 0:3:2])        # model.py:3: print("a\\b")',
        "%3: bool[2] = less@2(%2, 0.5)",
        "%4: float32[] = sum(%2, axis=(0,), keepdims=False)  # model.py:5: b",
        "outputs   %4, %3, 1.0",
    ]


def test_all_results_of_an_equation_are_shown():
    values, vectors = Var(1, (2,), "float32"), Var(2, (2, 2), "float32")
    both = Equation("linalg.eigh", "matrix", (Var(0, (2, 2), "float32"),), (), (values, vectors))
    text = to_text(Graph(both.operands, (), (both,), (values,)))
    assert "%1: float32[2], %2: float32[2, 2] = linalg.eigh(%0)\n" in text


def test_a_line_of_the_users_that_has_several_lines_is_shown_as_one():
    broken = Equation("exp", "elementwise", (HELD,), (), (Var(2, (3,), "float32"),), "model.py:1: f(\n    x\n)")
    assert "# model.py:1: f( x )" in to_text(Graph((HELD,), (), (broken,), ())).splitlines()[1]
    assert 'tooltip="model.py:1: f( x )"' in to_dot(Graph((HELD,), (), (broken,), ()))


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (0.10000000149011612, "float32", "0.1"),
        (0.3333333432674408, "float32", "0.33333334"),
        (1e39, "float32", "1e+39"),
        (0.10000000149011612, "float64", "0.10000000149011612"),
        (-0.0, "float32", "-0.0"),
        (float("nan"), "float32", "nan"),
        (True, "bool", "True"),
        (2j, "complex64", "2j"),
    ],
)
def test_a_number_is_shown_in_the_fewest_digits_of_its_dtype(value, dtype, shown):
    assert to_text(Graph((), (), (), (Literal(value, dtype),))) == f"inputs\noutputs   {shown}"


def test_an_empty_graph_is_two_lines():
    assert to_text(Graph((), (), (), ())).splitlines() == ["inputs", "outputs"]


# ---- drawings
def test_the_drawing_has_a_node_for_each_equation_and_an_arrow_for_each_value_read():
    dot = to_dot(GRAPH)
    arrows = re.findall(r"(\S+) -> (\S+) \[label=\"(.*)\"\];", dot)
    assert arrows == [
        ('"%0"', "equation0", "float32[4, 3]"),
        ("equation0", "equation1", "float32[2]"),
        ("equation0", "equation2", "float32[2]"),
        ("equation2", "output0", "float32[]"),
        ("equation1", "output1", "bool[2]"),
    ]
    assert 'equation1 [label="less@2(·, 0.5)"' in dot
    assert 'output2 [label="output 2: 1.0"' in dot
    assert '"%1" [label="captured %1", shape=ellipse];' in dot


def test_quotes_and_backslashes_are_escaped_in_a_drawing():
    assert r'tooltip="model.py:3: print(\"a\\b\")"' in to_dot(GRAPH)


def test_groups_are_drawn_inside_of_one_frame():
    dot = to_dot(GRAPH, groups=[(0, 2), [1]])
    assert "subgraph cluster0 { equation0; equation2; }" in dot
    assert "subgraph cluster1 { equation1; }" in dot


@pytest.mark.parametrize("groups", [[(3,)], [(-1,)], [(0, 0)], [(0,), (0,)]])
def test_a_group_of_equations_that_are_not_there_or_come_twice_is_refused(groups):
    with pytest.raises(ArgumentError, match="at most one group"):
        to_dot(GRAPH, groups)
