"""Plans: one initialiser a parameter, filled and applied all or nothing, and named by a digest."""

import dataclasses
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi import init
from tl_arrayapi.errors import ArgumentError, PlanError, ShapeError

SHAPES = [(2, 3), (4,), ()]
INITS = [init.xavier_for((2, 3), seed=2**64 - 1), init.flat([1.0, 2.0, 3.0, 4.0]), init.uniform(-1, 1, seed=4)]


class Module:
    """What a plan asks of a ScalarModule."""

    def __init__(self, shapes, xp=None, dtype="float64", device=None):
        self.param_shapes = shapes
        self.param_names = [f"p{i}" for i in range(len(shapes))]
        self.options = SimpleNamespace(xp=xp, dtype=dtype, device=device)
        self.params = [f"old {shape}" for shape in shapes]

    def adopt(self, arrays):
        self.params = list(arrays)


# ---------------------------------------------------------------- making one
def test_a_plan_has_exactly_one_initialiser_for_each_shape():
    plan = init.Plan(SHAPES, INITS)
    assert plan.to_list() == INITS
    assert len(plan) == len(plan.to_list()) == len(plan.shapes) == 3
    assert plan == init.Plan.of_list(SHAPES, INITS) == init.Plan(SHAPES, INITS, names=["param0", "param1", "param2"])
    assert len(init.Plan([], [])) == 0


@pytest.mark.parametrize(
    ("inits", "word"), [(INITS[:2], "shorter"), ([*INITS, init.ones()], "longer"), ([], "shorter")]
)
def test_one_initialiser_too_few_or_too_many_is_refused(inits, word):
    for make in (init.Plan, init.Plan.of_list):
        with pytest.raises(PlanError, match=word):
            make(SHAPES, inits)


def test_a_plan_is_frozen_and_keeps_no_list_of_the_caller():
    shapes, inits = [[2, 3]], [init.ones()]
    plan = init.Plan(shapes, inits)
    shapes[0][0] = inits[0] = 7
    assert plan.shapes == ((2, 3),)
    plan.to_list().clear()
    assert plan.to_list() == [init.ones()]
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.inits = ()
    assert hash(plan) == hash(init.Plan([(2, 3)], [init.ones()]))


def test_append_makes_a_new_plan():
    plan = init.Plan([(2,)], [init.ones()], names=["b"])
    longer = plan.append((4,), init.zeros(), name="c")
    assert longer == init.Plan([(2,), (4,)], [init.ones(), init.zeros()], names=["b", "c"])
    assert len(plan) == 1
    assert plan.append((4,), init.zeros()).names == ("b", "param1")


def test_a_flat_payload_of_the_wrong_length_is_refused_by_name():
    with pytest.raises(PlanError, match=r"'w'.*2 values.*\(3,\)"):
        init.Plan([(3,)], [init.flat([1.0, 2.0])], names=["w"])
    with pytest.raises(PlanError, match="2 values"):
        init.Plan([(2,)], [init.ones()]).append((3,), init.flat([1.0, 2.0]))


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"], ["a", "a", "b"], ["a", "", "c"], ["a", 2, "c"]])
def test_names_are_distinct_strings_one_a_parameter(names):
    with pytest.raises(PlanError, match=r"name|called"):
        init.Plan(SHAPES, INITS, names)


@pytest.mark.parametrize("name", ["a\0b", "\x1b[31m", "\ud800", "a\nb"])
def test_names_that_cannot_be_printed_are_refused(name):
    with pytest.raises(PlanError, match="printable"):
        init.Plan([(2,)], [init.ones()], [name])


def test_what_is_no_initialiser_or_no_shape_is_refused():
    with pytest.raises(PlanError, match="zeros"):
        init.Plan([(2,)], ["zeros"])
    with pytest.raises(ShapeError, match="shape"):
        init.Plan([(2.5,)], [init.zeros()])
    with pytest.raises(PlanError, match=r"'param0'.*limit"):
        init.Plan([(2**40, 2**40)], [init.zeros()])


# ---------------------------------------------------------------- a plan for a module
def definition(shapes, names):
    return SimpleNamespace(param_shapes=shapes, param_names=names)


def test_equal_shapes_get_seeds_of_their_own():
    plan = init.Plan.for_module(definition([(3, 3)] * 4, ["a", "b", "c", "d"]), init.xavier_for, seed=7)
    assert plan.names == ("a", "b", "c", "d")
    assert len({i.seed for i in plan.inits}) == 4
    values = plan.fill(dtype="float64")
    assert not any(np.array_equal(values[0], other) for other in values[1:])
    assert plan == init.Plan.for_module(definition([(3, 3)] * 4, ["a", "b", "c", "d"]), init.xavier_for, seed=7)


def test_seeds_depend_on_the_seed_the_position_and_the_name():
    def seeds(names, seed):
        return [i.seed for i in init.Plan.for_module(definition([(2, 2)] * 2, names), init.kaiming_for, seed).inits]

    first = seeds(["a", "b"], 0)
    assert not {*first} & {*seeds(["a", "b"], 1)}
    assert not {*first} & {*seeds(["b", "a"], 0)}
    assert seeds(["a", "c"], 0)[0] == first[0]
    assert seeds(["a", "c"], 0)[1] != first[1]


def test_vectors_and_scalars_get_zeros_where_a_function_of_the_shape_is_given():
    plan = init.Plan.for_module(definition([(4, 2), (4,), ()], ["w", "b", "s"]), init.kaiming_for)
    assert [i.name for i in plan.inits] == ["kaiming_uniform", "zeros", "zeros"]
    assert plan.inits[0].fan_in == 2


def test_one_initialiser_is_used_everywhere_with_its_seed_replaced():
    plan = init.Plan.for_module(definition([(4, 2), (4,)], ["w", "b"]), init.uniform(-2, 2, seed=5))
    assert [(i.lo, i.hi) for i in plan.inits] == [(-2, 2)] * 2
    assert len({5, *(i.seed for i in plan.inits)}) == 3
    assert init.Plan.for_module(definition([(4, 2), (4,)], ["w", "b"]), init.ones()).to_list() == [init.ones()] * 2


@pytest.mark.parametrize("scheme", ["xavier", None, lambda shape, seed: "xavier"])
def test_a_scheme_that_makes_no_initialisers_is_refused(scheme):
    with pytest.raises(PlanError, match="xavier"):
        init.Plan.for_module(definition([(4, 2)], ["w"]), scheme)


def test_names_are_checked_before_seeds_are_made_of_them():
    with pytest.raises(PlanError, match="printable"):
        init.Plan.for_module(definition([(2,)], ["\ud800"]), init.ones())
    with pytest.raises(PlanError, match=r"'w'.*limit"):
        init.Plan.for_module(definition([(2**40, 2**40)], ["w"]), init.ones())
    with pytest.raises(PlanError, match="list of names is shorter"):
        init.Plan.for_module(definition([(2,), (2,)], ["w"]), init.ones())


def test_a_plan_can_be_made_for_a_module_itself():
    module = tl.ScalarModuleDef(lambda w, b: w, param_shapes=[(2, 2), (2,)]).instantiate(lazy=True)
    plan = init.Plan.for_module(module, init.kaiming_for, seed=5)
    assert plan == init.Plan.for_module(module.definition, init.kaiming_for, seed=5)
    plan.apply(module)
    assert module.digest() == plan.digest()


def test_the_summary_says_how_each_parameter_is_filled():
    plan = init.Plan([(2, 3), (1000, 2)], [init.flat([0.0] * 6), init.kaiming_for((1000, 2), 7)], ["w", "long.name"])
    assert plan.summary().splitlines() == [
        "parameter  shape      elements  initialiser",
        "w          (2, 3)            6  flat(6 values)",
        "long.name  (1000, 2)     2,000  kaiming_uniform(fan_in=2, seed=7)",
        "2,006 elements",
    ]


# ---------------------------------------------------------------- filling
def test_fill_makes_every_parameter_on_the_library(xp):
    filled = init.Plan(SHAPES, INITS).fill(xp.namespace, "float32", xp.device)
    assert [x.shape for x in filled] == SHAPES
    for x, init_, shape in zip(filled, INITS, SHAPES, strict=True):
        assert np.array_equal(xp.to_numpy(x), init.materialize(init_, shape))


def test_fill_checks_every_parameter_before_it_fills_the_first():
    plan = init.Plan([(2,), (2,)], [init.ones(), init.uniform(0, 1e39)], names=["a", "b"])

    class Untouched:
        __name__ = "untouched"
        float32 = "float32"

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            raise AssertionError(f"xp.{name} was used")

    with pytest.raises(PlanError, match=r"'b'.*float32"):
        plan.fill(Untouched())


def test_apply_gives_the_module_all_parameters_and_returns_none(xp):
    plan = init.Plan(SHAPES, INITS)
    for apply in (plan.apply, lambda module: init.apply_list(module, INITS)):
        module = Module(SHAPES, xp.namespace, "float32", xp.device)
        assert apply(module) is None
        expected = plan.fill(dtype="float32")
        assert all(np.array_equal(xp.to_numpy(a), b) for a, b in zip(module.params, expected, strict=True))


@pytest.mark.parametrize("shapes", [[(2, 3), (4,), (1,)], [(2, 3), (4,)], [(3, 2), (4,), ()]])
def test_apply_refuses_a_module_of_other_shapes_and_leaves_it(shapes):
    module = Module(shapes)
    old = list(module.params)
    with pytest.raises(PlanError, match="other parameters"):
        init.Plan(SHAPES, INITS).apply(module)
    assert module.params == old


@pytest.mark.parametrize(
    "inits", [INITS[:2], [*INITS, init.ones()], [init.ones(), init.flat([1.0]), init.ones()], [1, 2, 3]]
)
def test_apply_list_changes_nothing_where_one_initialiser_is_wrong(inits):
    module = Module(SHAPES)
    old = list(module.params)
    with pytest.raises(PlanError):
        init.apply_list(module, inits)
    assert module.params == old


def test_apply_changes_nothing_where_a_dtype_cannot_hold_a_value():
    module = Module([(2,), (2,)], dtype="float16")
    with pytest.raises(PlanError, match="float16"):
        init.apply_list(module, [init.ones(), init.flat([1.0, 1e30])])
    assert module.params == ["old (2,)", "old (2,)"]


def test_check_names_the_parameter_that_a_dtype_cannot_hold():
    plan = init.Plan([(2,), (2,)], [init.ones(), init.constant(1e6)], ["a", "b"])
    plan.check("float32")
    with pytest.raises(PlanError, match=r"'b'.*float16"):
        plan.check("float16")


def test_chunks_are_those_of_every_array():
    dask = pytest.importorskip("dask.array")
    plan = init.Plan([(5, 4), (3,), ()], [init.uniform(-1, 1, seed=1), init.ones(), init.zeros()])
    filled = plan.fill(dask, chunks=2)
    assert [x.chunks for x in filled] == [((2, 2, 1), (2, 2)), ((2, 1),), ()]
    with pytest.raises(ArgumentError, match="lazy"):
        plan.fill(chunks=2)


def test_a_plan_of_100_gigabytes_on_dask_is_made_of_next_to_nothing():
    dask = pytest.importorskip("dask.array")
    module = definition([(100_000, 250_000)], ["w"])
    init.Plan.for_module(definition([(4, 4)], ["w"]), init.kaiming_for).fill(dask)  # imports
    tracemalloc.start()
    try:
        (array,) = init.Plan.for_module(module, init.kaiming_for).fill(dask)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert array.nbytes == 10**11
    assert most < 2**21
    assert len(array.dask) < 5000
    last = np.asarray(array[-1, -3:])
    (scheme,) = init.Plan.for_module(module, init.kaiming_for).inits
    expected = [init.value_at(scheme, 25 * 10**9 - k) for k in (3, 2, 1)]
    assert np.allclose(last, expected, rtol=1e-6)
