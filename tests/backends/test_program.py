"""The portable program: straight code on every library, whose outputs are the caller's own."""

import gc
import itertools
import linecache
import threading
import traceback

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, Case
from tests.autograd.test_rules import out_shape, weighted, weights_for
from tests.backends.graphs import equation, graph_of, lowered, lowered_graph, number, runtime, var
from tests.libraries import load
from tl_arrayapi.backends.program import Straight
from tl_arrayapi.graph.evaluate import evaluate
from tl_arrayapi.graph.graph import Graph

NUMPY = load("numpy")

# What a library may make one of: the same memory seen otherwise, a part of it, the array itself.
VIEWS = {
    "reshape": (equation("reshape", "movement", (var(0, 2, 3),), var(1, 6), shape=(6,)), 1),
    "transpose": (equation("permute_dims", "movement", (var(0, 2, 3),), var(1, 3, 2), axes=(1, 0)), 1),
    "slice": (
        equation("getitem", "indexing", (var(0, 2, 3),), var(1, 1, 3), key=(slice(0, 1, 1), slice(0, 3, 1))),
        1,
    ),
    "broadcast": (equation("broadcast_to", "movement", (var(0, 2, 3),), var(1, 4, 2, 3), shape=(4, 2, 3)), 1),
    "flip": (equation("flip", "movement", (var(0, 2, 3),), var(1, 2, 3), axis=(0,)), 1),
    "real part": (equation("real", "elementwise", (var(0, 2, 3),), var(1, 2, 3)), 1),
    "rounded": (equation("positive", "elementwise", (var(0, 2, 3),), var(1, 2, 3)), 1),
    "cast to the same dtype": (equation("astype", "cast", (var(0, 2, 3),), var(1, 2, 3), dtype="float32"), 1),
    "reduction along nothing": (
        equation("sum", "reduction", (var(0, 2, 3),), var(1, 2, 3), axis=(), keepdims=False),
        1,
    ),
}


def code_of(*equations, outputs, given, inside=False):
    return Straight(Graph(given, (), equations, outputs), runtime(NUMPY), inside)


def outputs_of(xp, graph, *given):
    return lowered_graph(xp, graph)(*given)


# ---- the code
def test_code_has_one_line_an_equation_with_the_users_line_and_drops_values_at_their_last_use():
    x, y, z = var(0, 3), var(1, 3), var(2, 3)
    code = code_of(
        equation("exp", "elementwise", (x,), y, line="loss.py:7: y = xp.exp(x)"),
        equation("multiply", "elementwise", (y, number(2.0)), z),
        outputs=(z,),
        given=(x,),
    )
    assert code.source == (
        "c0 = number(2.0, 'float32')\n"
        "\n"
        "\n"
        "def program(v0):\n"
        "    v1 = exp(v0)  # loss.py:7: y = xp.exp(x)\n"
        "    v2 = multiply(v1, c0)\n"
        "    del v1\n"
        "    return [v2]\n"
    )


def test_numbers_and_dtypes_are_made_once_or_at_each_call():
    x, y = var(0, 3), var(1, 3, dtype="float64")
    made = []
    taken = runtime(NUMPY)

    def counted(value, dtype):
        made.append(value)
        return taken.number(value, dtype)

    graph = Graph((x,), (), (equation("astype", "cast", (x,), y, dtype="float64"),), (y, number(5.0)))
    for inside, expected in ((False, [5.0]), (True, [5.0, 5.0])):
        made.clear()
        code = Straight(graph, type(taken)(taken.function, counted, taken.dtype), inside)
        for _ in range(2):
            assert code.function(np.ones(3, "float32"))[0].dtype == "float64"
        assert made == expected


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((value, "float64") for value in (0.0, -0.0, 1e300, float("inf"), -float("inf"), float("nan"))),
        *((value, "complex128") for value in (complex(-0.0, 1.0), complex(0.0, -0.0), complex(float("nan"), 1))),
        (True, "bool"),
        (-(2**63), "int64"),
        (2**64 - 1, "uint64"),
    ],
    ids=str,
)
def test_every_number_is_written_so_that_python_reads_the_same_bits(value, dtype):
    (got,) = outputs_of(NUMPY, Graph((), (), (), (number(value, dtype),)))
    assert got.dtype == dtype
    assert got.tobytes() == np.asarray(value, dtype=dtype).tobytes()


def test_static_arguments_reach_the_function_as_they_were():
    seen = []
    static = {
        "axis": None,
        "dtype": "float64",
        "fill": -float("inf"),
        "key": (slice(0, 2, 1), 1, slice(None, None, -1)),
        "mode": 'it\'s "quoted"',
        "none": (),
        "one": (1,),
        "z": complex(-0.0, 2.0),
    }
    given = runtime(NUMPY)
    x, y = var(0, 3), var(1, 3)

    def function(name):
        return lambda x, **found: (seen.append(found), x)[1]

    graph = Graph((x,), (), (equation("f", "opaque", (x,), y, **static),), (y,))
    Straight(graph, type(given)(function, given.number, given.dtype)).function(np.ones(3))
    assert repr(seen) == repr([{**static, "dtype": np.dtype("float64")}])


def test_functions_named_like_the_codes_own_names_do_not_hide_them():
    x = var(0, 2)
    names = ("number", "dtype", "slice", "program", "v0", "c0", "lambda", "float")
    given = runtime(NUMPY)
    results = [var(10 + i, 2) for i in range(len(names))]
    equations = [
        equation(name, "opaque", (x, number(1.0)), r, fill=float("inf"), dtype="float32", key=(slice(0, 1, 1),))
        for name, r in zip(names, results, strict=True)
    ]
    code = Straight(
        Graph((x,), (), tuple(equations), tuple(results)),
        type(given)(lambda name: lambda x, c, **static: (name, float(x[0] + c)), given.number, given.dtype),
    )
    assert code.function(np.ones(2, "float32")) == [(name, 2.0) for name in names]


def test_several_results_are_taken_apart_and_those_not_used_are_dropped():
    x, u, s, v = var(0, 3, 3), var(1, 3, 3), var(2, 3), var(3, 3, 3)
    graph = Graph((x,), (), (equation("linalg.svd", "matrix", (x,), u, s, v, full_matrices=False),), (s,))
    program = lowered_graph(NUMPY, graph)
    np.testing.assert_array_equal(program(np.diag([3.0, 2.0, 1.0]).astype("float32"))[0], [3, 2, 1])
    assert "    v1, v2, v3 = linalg_svd(v0, full_matrices=False)\n    del v1, v3\n" in program.source


# ---- debugging
def test_a_traceback_shows_the_code_and_the_error_names_the_users_line():
    x, y = var(0, 3), var(1, 4)
    graph = Graph((x, y), (), (equation("add", "elementwise", (x, y), var(2, 3), line="loss.py:9: x + y"),), ())
    with pytest.raises(ValueError, match="broadcast") as caught:
        lowered_graph(NUMPY, graph)(np.ones(3, "float32"), np.ones(4, "float32"))
    assert caught.value.__notes__ == ["in add(float32[3], float32[4]), at loss.py:9: x + y"]
    assert "v2 = add(v0, v1)  # loss.py:9: x + y" in "".join(traceback.format_exception(caught.value))


def test_an_error_of_the_call_itself_gets_no_line():
    x = var(0, 3)
    with pytest.raises(TypeError, match="positional") as caught:
        lowered_graph(NUMPY, Graph((x,), (), (equation("exp", "elementwise", (x,), var(1, 3)),), (var(1, 3),)))()
    assert not hasattr(caught.value, "__notes__")


def test_the_source_is_found_while_the_program_lives_and_forgotten_with_it():
    x = var(0, 3)
    program = lowered_graph(NUMPY, Graph((x,), (), (equation("exp", "elementwise", (x,), var(1, 3)),), (var(1, 3),)))
    place = program._code.function.__code__.co_filename
    linecache.checkcache()
    assert linecache.getline(place, 2) == "    v1 = exp(v0)\n"
    del program
    gc.collect()
    assert place not in linecache.cache


# ---- results
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_by_straight_code_are_those_of_the_evaluator_bit_for_bit(case: Case):
    xp = NUMPY
    given = [xp.asarray(x) for x in case.operands]
    loss = weighted(case, weights_for(out_shape(case), 20))

    def both(*operands):
        value, grads = tl.value_and_grad(loss, tuple(range(len(operands))))(*operands)
        return value, *grads

    graph, captured = graph_of(xp, both, *given)
    taken = runtime(xp)
    expected = evaluate(graph, [*given, *captured], taken.function, taken.number, taken.dtype)
    for got, wanted in zip(lowered_graph(xp, graph)(*given, *captured), expected, strict=True):
        assert got.dtype == wanted.dtype
        assert got.tobytes() == np.asarray(wanted).tobytes()


def loss_and_gradients(w, b, x, y):
    def loss(w, b, x, y):
        xp = tl.array_namespace(w, b)
        hidden = xp.tanh(x @ w + b)
        return xp.mean((hidden - y) ** 2) + 0.01 * xp.sum(xp.max(w, axis=0))

    value, grads = tl.value_and_grad(loss, (0, 1))(w, b, x, y)
    return value, *grads


def layer(xp):
    rng = np.random.default_rng(3)
    return [xp.asarray(rng.normal(size=shape)) for shape in ((4, 3), (3,), (8, 4), (8, 3))]


def test_a_loss_and_its_gradients_are_eagers_bit_for_bit(xp):
    given = layer(xp)
    program = lowered(xp, loss_and_gradients, *given)
    for got, expected in zip(program(*given), loss_and_gradients(*given), strict=True):
        np.testing.assert_array_equal(xp.to_numpy(got), xp.to_numpy(expected), strict=True)
        assert got.dtype == expected.dtype


@pytest.mark.parametrize("what", VIEWS)
def test_an_output_is_never_a_view_of_what_was_given(xp, what):
    made, _ = VIEWS[what]
    graph = Graph((var(0, 2, 3),), (), (made,), made.results)
    x = xp.asarray(np.arange(6.0).reshape(2, 3), "float32")
    (got,) = outputs_of(xp, graph, x)
    memory = tl.backends.get(xp.namespace).memory
    assert memory(got) != memory(x)


@pytest.mark.parametrize("what", VIEWS)
def test_outputs_are_never_views_of_one_another(xp, what):
    made, _ = VIEWS[what]
    doubled = equation("add", "elementwise", (var(5, 2, 3), var(5, 2, 3)), var(0, 2, 3))
    graph = Graph((var(5, 2, 3),), (), (doubled, made), (var(0, 2, 3), *made.results))
    first, second = outputs_of(xp, graph, xp.asarray(np.arange(6.0).reshape(2, 3), "float32"))
    memory = tl.backends.get(xp.namespace).memory
    assert memory(first) != memory(second)


def test_what_is_given_a_number_or_there_twice_leaves_as_arrays_apart(xp):
    x, y = var(0, 2), var(1, 2)
    graph = Graph((x,), (), (equation("exp", "elementwise", (x,), y),), (x, x, y, y, number(2.0), number(2.0)))
    program, given = lowered_graph(xp, graph), xp.asarray([0.0, 0.0], "float32")
    memory = tl.backends.get(xp.namespace).memory
    calls = [program(given), program(given)]
    places = [memory(array) for array in (given, *itertools.chain(*calls))]
    assert len(set(places)) == len(places)
    for out in calls:
        assert [xp.to_numpy(array).tolist() for array in out] == [[0, 0], [0, 0], [1, 1], [1, 1], 2, 2]


def test_writing_to_an_output_changes_nothing_else():
    x = var(0, 2, 3)
    flat = equation("reshape", "movement", (x,), var(1, 6), shape=(6,))
    program = lowered_graph(NUMPY, Graph((x,), (), (flat,), (var(1, 6), var(1, 6), number(2.0))))
    given = np.arange(6, dtype="float32").reshape(2, 3)
    first, second, two = program(given)
    first[:] = 9
    two[...] = 9
    np.testing.assert_array_equal(given, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(second, np.arange(6))
    assert program(given)[2] == 2


def test_a_constant_made_for_a_device_is_on_it():
    xp = load("strict-device1")
    made = equation("full", "creation", (), var(0, 3), value=1.5, shape=(3,), dtype="float32")
    graph = Graph((), (), (made,), (var(0, 3), number(2.0)))
    assert [array.device for array in outputs_of(xp, graph)] == [xp.device] * 2


# ---- calling
def test_binding_leaves_the_other_arguments_in_their_order(xp):
    x, y, z = var(0, 2), var(1, 2), var(2, 2)
    equations = (
        equation("subtract", "elementwise", (x, y), var(3, 2)),
        equation("divide", "elementwise", (var(3, 2), z), var(4, 2)),
    )
    program = lowered_graph(xp, Graph((x, y), (z,), equations, (var(4, 2),)))
    a, b, c = (xp.asarray(values, "float32") for values in ([5.0, 7.0], [1.0, 2.0], [2.0, 5.0]))
    expected = [2.0, 1.0]
    for fixed, rest in (({}, (a, b, c)), ({1: b}, (a, c)), ({0: a, 2: c}, (b,)), ({0: a, 1: b, 2: c}, ())):
        bound = program.bind(fixed, {})
        for _ in range(2):
            assert xp.to_numpy(bound(*rest)[0]).tolist() == expected


def test_a_bound_program_refuses_too_few_arguments():
    x, y = var(0, 2), var(1, 2)
    program = lowered_graph(
        NUMPY, Graph((x, y), (), (equation("add", "elementwise", (x, y), var(2, 2)),), (var(2, 2),))
    )
    with pytest.raises(ValueError, match="shorter"):
        program.bind({0: np.ones(2)}, {})()


def test_a_donating_program_gives_the_same(xp):
    given = layer(xp)
    program = lowered(xp, loss_and_gradients, *given)
    for got, expected in zip(program.donating([0, 1])(*given), program(*given), strict=True):
        np.testing.assert_array_equal(xp.to_numpy(got), xp.to_numpy(expected))


def test_threads_that_call_one_program_do_not_disturb_each_other():
    given = layer(NUMPY)
    program = lowered(NUMPY, loss_and_gradients, *given)
    inputs = [[*given[:2], given[2] + i, given[3]] for i in range(8)]
    expected = [program(*each)[1].tobytes() for each in inputs]
    wrong = []

    def work(i):
        for _ in range(50):
            wrong.extend([i] * (program(*inputs[i])[1].tobytes() != expected[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_report_has_a_step_for_each_equation():
    x, y, z = var(0, 2), var(1, 2), var(2, 2)
    equations = (
        equation("exp", "elementwise", (x,), y, line="loss.py:1: exp"),
        equation("add", "elementwise", (y, y), z),
    )
    report = lowered_graph(NUMPY, Graph((x,), (), equations, (z,))).report()
    assert report.steps == (("exp", (0,), ("loss.py:1: exp",)), ("add", (1,), ()))
    assert (report.buffers, report.workspace_bytes) == (0, 0)
