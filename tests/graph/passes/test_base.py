"""The walk that passes are made with."""

from tests.graph.passes.running import Sketch, lines
from tl_arrayapi.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.passes.base import Memory, Rewriting, Walk, broadcast, together

shift = Rewriting("shift", exact=False)


@shift.rule("exp")
def _exp_to_sin(walk, e):
    return walk.elementwise("sin", e.operands[0], like=e)


turn = Rewriting("turn", exact=True)


@turn.rule("sin")
def _sin_to_cos(walk, e):
    return walk.elementwise("cos", e.operands[0], like=e)


def test_a_pass_that_changes_nothing_returns_the_graph_itself():
    s = Sketch()
    graph = s.graph(s.tan(s.given(3)))
    assert shift(graph) is graph


def test_what_a_rule_writes_is_rewritten_at_once():
    s = Sketch()
    graph = s.graph(s.exp(s.given(3)))
    assert lines(together("both", shift, turn)(graph)) == ["y0 = cos(x0)", "return y0"]


def test_passes_together_are_exact_if_all_are():
    assert (together("both", shift, turn).exact, together("one", turn).exact) == (False, True)


def test_what_a_rule_leaves_without_users_goes():
    drop = Rewriting("drop", exact=True)

    @drop.rule("abs")
    def _drop(walk, e):
        return walk.maker(walk.maker(e.operands[0]).operands[0]).operands[0]

    s = Sketch()
    x = s.given(3)
    kept = s.sin(x)
    graph = s.graph(s.abs(s.exp(s.tan(x))), s.abs(s.exp(kept)), kept)
    assert lines(drop(graph)) == ["y0 = sin(x0)", "return x0, x0, y0"]


def test_uses_count_what_is_rewritten_as_one():
    seen = {}
    look = Rewriting("look", exact=True)

    @look.rule("sin")
    def _look(walk, e):
        seen[e.line] = walk.is_single(e.operands[0])

    s = Sketch()
    x = s.given(3)
    once, twice = s.exp(x), s.tan(x)
    s.sin(once)
    s.sin(twice)
    equations = [
        Equation(e.name, e.kind, e.operands, e.static, e.results, f"line {i}") for i, e in enumerate(s.build.equations)
    ]
    look(Graph((x,), (), tuple(equations), (*equations[2].results, *equations[3].results, twice)))
    assert seen == {"line 2": True, "line 3": False}


def test_line_and_scope_are_those_of_what_is_rewritten():
    x, y = Var(0, (3,), "float32"), Var(1, (3,), "float32")
    graph = Graph((x,), (), (Equation("exp", "elementwise", (x,), (), (y,), "file:3: y", 4),), (y,))
    (found,) = shift(graph).equations
    assert (found.name, found.line, found.scope) == ("sin", "file:3: y", 4)


def test_outputs_may_become_inputs_and_numbers():
    away = Rewriting("away", exact=True)

    @away.rule("exp")
    def _away(walk, e):
        return Literal(1.0, "float32") if walk.graph.outputs[0] is e.result else e.operands[0]

    s = Sketch()
    x = s.given()
    assert away(s.graph(s.exp(x), s.exp(x))).outputs == (Literal(1.0, "float32"), x)


def test_rules_are_found_by_kind_as_well():
    every = Rewriting("every", exact=True)
    seen = []

    @every.rule(kind="elementwise")
    def _see(walk: Walk, e: Equation):
        seen.append(e.name)

    s = Sketch()
    every(s.graph(s.exp(s.reshape(s.given(3), 3, 1))))
    assert seen == ["exp"]


def test_rules_are_applied_until_nothing_changes():
    nest = Rewriting("nest", exact=True)

    @nest.rule("exp")
    def _one_less(walk, e):
        inner = walk.made(e.operands[0], "sin")
        return None if inner is None else walk.plain("exp", inner.operands, e.result.shape, e, "float32")

    s = Sketch()
    graph = s.graph(s.exp(s.sin(s.sin(s.sin(s.given(3))))))
    assert lines(nest.settled(graph)) == ["y0 = exp(x0)", "return y0"]


def test_what_nothing_was_found_for_is_not_looked_at_again_while_it_stays_as_it_is():
    seen = []
    look = Rewriting("look", exact=True)

    @look.rule("sin", "cos")
    def _look(walk, e):
        seen.append(e.name)

    s = Sketch()
    x = s.given(3)
    y = s.tan(x)
    graph, memory = s.graph(s.sin(x), s.cos(y), y), Memory()
    look.settled(graph, memory)
    look.settled(graph, memory)
    assert seen == ["sin", "cos"]
    # One use of y less: what reads it may now do as it likes with it.
    look.settled(Graph(graph.inputs, (), graph.equations, graph.outputs[:2]), memory)
    assert seen == ["sin", "cos", "cos"]


def test_shapes_broadcast():
    shapes = [(), (3, 1), (4,), (2, 1, 1), (0, 1, 1)]
    assert broadcast([Var(i, shape, "float32") for i, shape in enumerate(shapes)]) == (0, 3, 4)
