"""Graphs as data: values and numbers, who makes and reads them, writing a new graph, and evaluating one."""

import copy
import math
import pickle

import numpy as np
import pytest

from tl_arrayapi.graph import Builder, Equation, Graph, Literal, Var
from tl_arrayapi.graph.evaluate import evaluate
from tl_arrayapi.graph.graph import frozen
from tl_arrayapi.graph.verify import verify

X, HELD, A, B, C = (Var(i, (3,), "float32") for i in range(5))
TWO = Literal(2.0, "float32")


def add(x, y, out, **more):
    return Equation("add", "elementwise", (x, y), (), (out,), **more)


GRAPH = Graph((X,), (HELD,), (add(X, X, A), add(A, HELD, B), add(B, A, C, line="f.py:1: b + a")), (C, A, TWO))


# ---- values
def test_a_value_knows_its_size_and_rank():
    assert [(v.size, v.ndim) for v in (Var(0, (), "bool"), Var(0, (3, 4), "bool"), Var(0, (3, 0), "bool"))] == [
        (1, 0),
        (12, 2),
        (0, 2),
    ]


def test_numbers_are_equal_where_they_are_the_same_number_of_one_dtype():
    nan = float("nan")
    assert Literal(nan, "float32") == Literal(math.nan, "float32")
    assert hash(Literal(nan, "float32")) == hash(Literal(math.nan, "float32"))
    different = [(0.0, -0.0), (1, 1.0), (1, True), (0j, complex(0, -0.0)), (1.0, math.nextafter(1.0, 2.0))]
    for one, other in different:
        assert Literal(one, "float32") != Literal(other, "float32")
    assert Literal(1.0, "float32") != Literal(1.0, "float64")
    assert Literal(1.0, "float32") != 1.0


def test_a_number_has_the_shape_of_a_0_d_array():
    assert (TWO.shape, TWO.size, TWO.ndim) == ((), 1, 0)


# ---- graphs
def test_a_graph_says_who_makes_and_who_reads_each_value():
    first, second, third = GRAPH.equations
    assert GRAPH.given == (X, HELD)
    assert list(GRAPH.values()) == [X, HELD, A, B, C]
    assert GRAPH.makers == {A: first, B: second, C: third}
    assert GRAPH.users == {X: [first, first], HELD: [second], A: [second, third], B: [third], C: []}
    assert GRAPH.next_number == 5
    assert Graph((), (), (), ()).next_number == 0


def test_an_equation_gives_its_static_arguments_by_name():
    total = Equation("sum", "reduction", (X,), frozen({"keepdims": False, "axis": (0,)}), (Var(9, (), "float32"),))
    assert total.static == (("axis", (0,)), ("keepdims", False))
    assert total.arguments == {"axis": (0,), "keepdims": False}
    assert (total.get("axis"), total.get("dtype"), total.get("dtype", "none")) == ((0,), None, "none")
    assert repr(total) == "%9: float32[] = sum(%0, axis=(0,), keepdims=False)"


def test_one_result_is_asked_for_where_there_is_one():
    assert GRAPH.equations[0].result is A
    with pytest.raises(ValueError, match="too many values"):
        _ = Equation("linalg.slogdet", "matrix", (X,), (), (A, B)).result


def test_a_graph_cannot_be_changed():
    for thing, name in ((GRAPH, "outputs"), (GRAPH.equations[0], "name"), (X, "shape"), (TWO, "value")):
        with pytest.raises(AttributeError):
            setattr(thing, name, None)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))])
def test_a_copy_of_a_graph_is_equal_to_it(copied):
    again = copied(GRAPH)
    assert again == GRAPH
    assert hash(again.outputs) == hash(GRAPH.outputs)
    assert again.outputs[2].shape == ()


def test_other_equations_come_with_outputs_that_stand_for_the_old_ones():
    written = GRAPH.with_equations(GRAPH.equations[:1], {C: B, B: A})
    assert written.equations == GRAPH.equations[:1]
    assert written.outputs == (A, A, TWO)
    assert GRAPH.with_equations(GRAPH.equations).outputs == GRAPH.outputs


# ---- writing
def test_a_builder_that_keeps_every_equation_writes_the_same_graph():
    build = Builder(GRAPH)
    kept = [build.keep(equation) for equation in GRAPH.equations]
    assert all(one is other for one, other in zip(kept, GRAPH.equations, strict=True))
    assert build.done() == GRAPH


def test_what_is_replaced_is_replaced_in_later_operands_and_outputs():
    build = Builder(GRAPH)
    build.keep(GRAPH.equations[0])
    build.replace(B, HELD)
    build.replace(HELD, A)  # found through the one before
    assert build.keep(GRAPH.equations[2]) == add(A, A, C, line="f.py:1: b + a")
    assert build.now(B) is A
    assert build.operands(GRAPH.equations[1]) == (A, A)
    assert build.makers == {A: GRAPH.equations[0], C: build.equations[1]}
    verify(build.done())


def test_a_value_does_not_stand_for_itself():
    build = Builder(GRAPH)
    build.replace(A, HELD)
    build.replace(HELD, A)
    assert build.now(A) == build.now(HELD) == HELD


def test_a_new_equation_has_a_new_number_and_the_line_and_scope_of_another():
    build = Builder(GRAPH)
    like = add(X, X, A, line="f.py:9: x", scope=3)
    one = build.emit("multiply", "elementwise", (X, TWO), (3,), like=like)
    two = build.emit("astype", "cast", (one,), [3], "float64", dtype="float64")
    assert (one, two) == (Var(5, (3,), "float32"), Var(6, (3,), "float64"))
    assert build.equations[0] == Equation("multiply", "elementwise", (X, TWO), (), (one,), "f.py:9: x", 3)
    assert build.equations[1] == Equation("astype", "cast", (one,), (("dtype", "float64"),), (two,))


# ---- evaluating
def run(graph: Graph, *given):
    def function(name):
        where, _, short = name.rpartition(".")
        return getattr(getattr(np, where) if where else np, short)

    return evaluate(graph, given, function, lambda value, dtype: np.asarray(value, dtype), np.dtype)


def test_a_graph_is_evaluated_in_the_order_of_its_equations():
    x, held = np.asarray([1, 2, 3], "float32"), np.asarray([10, 20, 30], "float32")
    c, a, two = run(GRAPH, x, held)
    np.testing.assert_array_equal(a, 2 * x)
    np.testing.assert_array_equal(c, 4 * x + held)
    assert two.dtype == "float32"
    assert two == 2


def test_static_arguments_are_passed_by_keyword_and_a_dtype_as_the_librarys_own():
    total = Equation(
        "sum",
        "reduction",
        (X,),
        frozen({"axis": (0,), "dtype": "float64", "keepdims": True}),
        (Var(1, (1,), "float64"),),
    )
    (found,) = run(Graph((X,), (), (total,), total.results), np.ones(3, "float32"))
    assert found.dtype == "float64"
    assert found.shape == (1,)


def test_all_results_of_a_function_are_taken():
    x, q, r = (Var(i, (2, 2), "float64") for i in range(3))
    both = Equation("linalg.qr", "matrix", (x,), (), (q, r))
    given = np.asarray([[2.0, 1.0], [0.5, 3.0]])
    found_q, found_r = run(Graph((x,), (), (both,), (q, r)), given)
    np.testing.assert_allclose(found_q @ found_r, given)
    assert found_r[1, 0] == 0


def test_arrays_given_must_be_as_many_as_inputs_and_captured_ones():
    with pytest.raises(ValueError, match="shorter"):
        run(GRAPH, np.ones(3, "float32"))
