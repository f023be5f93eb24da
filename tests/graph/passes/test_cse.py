"""Equal equations become one, and needless ones go."""

from tests.graph.passes.running import Sketch, lines
from tl_arrayapi.graph import Equation, Graph, Literal
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce


def test_equal_equations_become_one():
    s = Sketch()
    x = s.given(3)
    graph = s.graph(s.add(s.exp(x), s.exp(x)))
    assert lines(cse(graph)) == ["y0 = exp(x0)", "y1 = add(y0, y0)", "return y1"]


def test_operands_of_a_commutative_function_may_change_places():
    s = Sketch()
    x, y = s.given(3), s.given(3)
    graph = s.graph(
        s.add(x, y),
        s.add(y, x),
        s.subtract(x, y),
        s.subtract(y, x),
        s.multiply(x, 2.0),
        s.multiply(Literal(2.0, "float32"), x),
    )
    found = cse(graph)
    assert [e.name for e in found.equations] == ["add", "subtract", "subtract", "multiply"]
    assert found.outputs[0] == found.outputs[1]


def test_static_arguments_tell_equations_apart_by_type_too():
    s = Sketch()
    graph = s.graph(s.full(1, 2), s.full(1.0, 2), s.full(True, 2), s.full(0.0, 2), s.full(-0.0, 2), s.full(1.0, 2))
    assert len(cse(graph).equations) == 5


def test_zeros_of_both_signs_are_two_operands():
    s = Sketch()
    x = s.given(3)
    graph = s.graph(s.add(x, 0.0), s.add(x, -0.0))
    assert cse(graph) is graph


def test_what_is_computed_again_in_another_scope_stays_so():
    s = Sketch()
    x = s.given(3)
    first, again = s.exp(x), s.exp(x)
    equations = list(s.build.equations)
    equations[1] = Equation("exp", "elementwise", (x,), (), (again,), scope=1)
    graph = Graph((x,), (), tuple(equations), (first, again))
    assert cse(graph) is graph


def test_equations_of_several_results_become_one_as_a_whole():
    s = Sketch()
    x = s.given(3, 3)
    results = [tuple(type(x)(i + k, shape, "float32") for k, shape in enumerate([(3,), (3, 3)])) for i in (7, 9)]
    pair = [Equation("linalg.eigh", "matrix", (x,), (), r) for r in results]
    found = cse(Graph((x,), (), tuple(pair), (results[0][0], results[1][1])))
    assert (found.equations, found.outputs) == ((pair[0],), results[0])


def test_equations_that_no_output_needs_are_left_out():
    s = Sketch()
    x = s.given(3)
    y = s.exp(x)
    s.sin(s.cos(x))
    assert lines(dce(s.graph(y))) == ["y0 = exp(x0)", "return y0"]


def test_an_equation_stays_if_one_of_its_results_is_needed():
    x = Sketch().given(3, 3)
    results = (type(x)(7, (3,), "float32"), type(x)(8, (3, 3), "float32"))
    graph = Graph((x,), (), (Equation("linalg.eigh", "matrix", (x,), (), results),), (results[1],))
    assert dce(graph) is graph
    assert not dce(Graph((x,), (), graph.equations, (x,))).equations
