"""The initialisers: value equality, what they refuse, and the value of one element."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi import init
from tl_arrayapi.errors import ArgumentError, PlanError
from tl_arrayapi.init.formats import FORMATS
from tl_arrayapi.init.schemes import MAKERS

ALL = [
    init.zeros(),
    init.ones(),
    init.uniform(-1.0, 2.0, seed=7),
    init.xavier_uniform(3, 2, seed=7),
    init.kaiming_uniform(3, seed=7),
    init.normal(0.5, 2.0, seed=7),
    init.flat([0.5, -1e-300]),
    init.constant(0.1),
    init.eye(),
    init.truncated_normal(0.5, 2.0, -1.0, 3.0, seed=7),
    init.orthogonal(2.0, seed=7),
    init.xavier_normal(3, 2, seed=7, gain=0.5),
    init.kaiming_normal(3, seed=7, mode="fan_out", fan_out=5),
]
seeds = st.integers(0, 2**64 - 1)
indices = st.integers(0, 2**53)
BROKEN_NUMBERS = [math.nan, math.inf, -math.inf, True, "1", None, 10**400, 1j]


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: scheme.name)
def test_every_initialiser_is_frozen_hashable_and_a_float_init(scheme):
    assert isinstance(scheme, init.FloatInit)
    assert hash(scheme) == hash(type(scheme)(**{f: getattr(scheme, f) for f in scheme.__dataclass_fields__}))
    for name in ("seed", "lo", "payload", "anything"):
        with pytest.raises(AttributeError):
            setattr(scheme, name, 3)


def test_initialisers_compare_by_value():
    assert len({*ALL, init.uniform(-1, 2, seed=np.int64(7)), init.flat(np.asarray([0.5, -1e-300]))}) == len(ALL)
    assert init.uniform(0.0, 1.0) == init.uniform(0, 1, seed=0) != init.uniform(0.0, 1.0, seed=1)
    assert init.flat([0.0]) != init.flat([-0.0])


def test_for_shape_and_explicit_fans_give_equal_initialisers():
    assert (
        init.xavier_for((7, 3), seed=5) == init.xavier_uniform(3, 7, seed=5) == init.xavier_linear_weight(7, 3, seed=5)
    )
    assert init.kaiming_for((7, 3), seed=5) == init.kaiming_uniform(3, seed=5) == init.kaiming_linear_weight(7, 3, 5)


def test_every_maker_is_called_as_its_initialiser_and_takes_its_settings():
    assert {scheme.name for scheme in ALL} == set(MAKERS)
    for scheme in ALL:
        assert MAKERS[scheme.name](**scheme.settings()) == scheme
        assert MAKERS[scheme.name] is getattr(init, scheme.name)


def test_settings_leave_out_what_has_its_default_but_the_seed():
    assert init.kaiming_uniform(3).settings() == {"fan_in": 3, "seed": 0}
    assert init.xavier_normal(3, 4, 5, 0.5).settings() == {"fan_in": 3, "fan_out": 4, "seed": 5, "gain": 0.5}
    assert init.truncated_normal(hi=1.0).settings() == {"hi": 1.0, "seed": 0}


# ---------------------------------------------------------------- gains and modes
GAINS = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("shape", [(7, 3), (8, 4, 3, 3), (5, 2, 3)], ids=str)
@pytest.mark.parametrize("nonlinearity", GAINS)
def test_bounds_and_deviations_are_those_of_torch(nonlinearity, shape):
    torch_init = pytest.importorskip("torch.nn.init")
    gain, weight = (
        init.gain(nonlinearity),
        pytest.importorskip("torch").empty(shape, dtype=pytest.importorskip("torch").float64),
    )
    assert gain == pytest.approx(torch_init.calculate_gain(nonlinearity), rel=1e-15)
    fan_in, fan_out = torch_init._calculate_fan_in_and_fan_out(weight)
    assert init.xavier_normal_for(shape, gain=gain).std == pytest.approx(gain * math.sqrt(2 / (fan_in + fan_out)))
    assert init.xavier_for(shape, gain=gain).bound == pytest.approx(gain * math.sqrt(6 / (fan_in + fan_out)))
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        bound = init.kaiming_for(shape, gain=gain, mode=mode).bound
        assert bound == pytest.approx(math.sqrt(3.0) * gain / math.sqrt(fan))
        torch_init.kaiming_uniform_(weight, mode=mode, nonlinearity=nonlinearity)
        assert float(weight.abs().max()) <= bound
        assert init.kaiming_normal_for(shape, gain=gain, mode=mode).std == pytest.approx(gain / math.sqrt(fan))


def test_the_gain_of_a_leaky_relu_takes_its_slope():
    assert init.gain("leaky_relu", 0.0) == init.gain("relu") == math.sqrt(2.0)
    assert init.gain("leaky_relu", 3.0) == pytest.approx(math.sqrt(0.2))


def test_the_gain_of_a_relu_gives_the_reference_bound_exactly():
    for fan in (1, 3, 7, 1000, 2**53):
        assert init.kaiming_uniform(fan, gain=init.gain("relu")).bound == math.sqrt(6.0 / fan)
        assert init.kaiming_uniform(fan) == init.kaiming_uniform(fan, gain=math.sqrt(2.0), mode="fan_in", fan_out=9)


def test_an_unknown_nonlinearity_or_mode_is_refused():
    with pytest.raises(PlanError, match="take one of linear"):
        init.gain("rellu")
    with pytest.raises(PlanError, match="has no parameter"):
        init.gain("tanh", 0.5)
    with pytest.raises(PlanError, match="slope"):
        init.gain("leaky_relu", "steep")
    for make in (init.kaiming_uniform, init.kaiming_normal):
        with pytest.raises(PlanError, match="'fan_in', 'fan_out', got 'fan'"):
            make(3, mode="fan")
        with pytest.raises(PlanError, match="needs fan_out"):
            make(3, mode="fan_out")


@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf, "relu", None, True])
def test_a_gain_that_is_no_positive_number_is_refused(gain):
    for make in (
        lambda: init.xavier_uniform(3, 2, gain=gain),
        lambda: init.xavier_normal(3, 2, gain=gain),
        lambda: init.kaiming_uniform(3, gain=gain),
        lambda: init.kaiming_normal(3, gain=gain),
    ):
        with pytest.raises(PlanError, match="gain"):
            make()


# ---------------------------------------------------------------- values
def test_the_reference_values_come_out_within_an_ulp_of_the_bound():
    xavier = [-0.43561414410167465, 0.40410291303020984, -0.418973528679659]
    for index, expected in enumerate(xavier):
        scheme = init.xavier_for((2, 3), seed=0)
        assert abs(init.value_at(scheme, index) - expected) <= math.ulp(scheme.bound)
    for index, expected in enumerate([-0.5623754418260614, 0.521694617439969]):
        scheme = init.kaiming_uniform(3, seed=0)
        assert abs(init.value_at(scheme, index) - expected) <= math.ulp(scheme.bound)


@given(fan_in=st.integers(1, 2**53), fan_out=st.integers(1, 2**53), seed=seeds, index=indices)
def test_xavier_and_kaiming_equal_the_reference_formula_within_an_ulp_of_the_bound(fan_in, fan_out, seed, index):
    for scheme in (init.xavier_uniform(fan_in, fan_out, seed), init.kaiming_uniform(fan_in, seed)):
        bound, u = scheme.bound, init.unit_sample(seed, index)
        assert abs(init.value_at(scheme, index) - (-bound + u * (2 * bound))) <= math.ulp(bound)
        assert -bound <= init.value_at(scheme, index) < bound


@given(
    bounds=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2, unique=True).map(sorted), seed=seeds, index=indices
)
def test_a_uniform_value_equals_the_reference_formula_to_rounding_and_is_never_hi(bounds, seed, index):
    lo, hi = bounds
    if lo == hi:
        return
    value = init.value_at(init.uniform(lo, hi, seed), index)
    assert lo <= value < hi
    assert abs(value - (lo + init.unit_sample(seed, index) * (hi - lo))) <= 3 * math.ulp(max(abs(lo), abs(hi)))


@given(lo=st.floats(-1e3, 1e3), ulps=st.integers(1, 9), seed=seeds)
def test_a_uniform_of_a_few_floats_keeps_below_hi(lo, ulps, seed):
    hi = lo
    for _ in range(ulps):
        hi = math.nextafter(hi, math.inf)
    for index in range(20):
        assert lo <= init.value_at(init.uniform(lo, hi, seed), index) < hi


def test_the_unit_interval_gives_the_samples_themselves():
    assert [init.value_at(init.uniform(0, 1, 42), i) for i in range(50)] == [init.unit_sample(42, i) for i in range(50)]


def test_flat_keeps_values_exactly():
    values = [0.1, 1e-300, -0.0, 5e-324, 1.7976931348623157e308]
    assert [math.copysign(1, v) * abs(v) for v in init.flat(values).values] == values
    assert math.copysign(1.0, init.value_at(init.flat(values), 2)) == -1.0
    assert init.flat(iter(values)) == init.flat(np.asarray(values)) == init.flat(tuple(values))


def test_flat_shows_a_few_of_its_values():
    assert repr(init.flat([0.5, 1])) == "flat([0.5, 1.0])"
    assert repr(init.flat(range(100))) == "flat([0.0, 1.0, 2.0, 3.0, ... 100 values])"


def test_flat_takes_an_array_of_any_library(xp):
    assert init.flat(xp.asarray([0.5, 1.5, -2.0])) == init.flat([0.5, 1.5, -2.0])


def test_value_at_refuses_an_index_beyond_the_values_and_a_negative_one():
    with pytest.raises(PlanError, match="beyond the 2 values"):
        init.value_at(init.flat([1, 2]), 2)
    for scheme in ALL:
        with pytest.raises(ArgumentError, match="index"):
            init.value_at(scheme, -1)
    with pytest.raises(PlanError, match="zeros"):
        init.value_at("zeros", 0)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("number", BROKEN_NUMBERS, ids=lambda n: str(n)[:5])
def test_what_is_no_finite_number_is_refused(number):
    for make in (
        lambda: init.uniform(number, 1.0),
        lambda: init.uniform(-1.0, number),
        lambda: init.normal(number, 1.0),
        lambda: init.normal(0.0, number),
        lambda: init.flat([0.0, number]),
        lambda: init.constant(number),
        lambda: init.orthogonal(number),
        lambda: init.truncated_normal(number),
        lambda: init.truncated_normal(lo=number),
    ):
        with pytest.raises(PlanError, match="number"):
            make()


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (0.0, -0.0), (-1.7e308, 1.6e308)])
def test_bounds_out_of_order_or_too_far_apart_are_refused(bounds):
    with pytest.raises(PlanError, match="uniform"):
        init.uniform(*bounds)


def test_the_widest_symmetric_bounds_are_fine():
    assert abs(init.value_at(init.uniform(-1.7e308, 1.7e308), 1)) <= 1.7e308


@pytest.mark.parametrize("fan", [0, -1, 2**53 + 1, pytest.param(10**5000, id="huge"), 2.0, True, None, "3"])
def test_a_fan_that_counts_no_connections_is_refused(fan):
    for make in (
        lambda: init.xavier_uniform(fan, 3),
        lambda: init.xavier_uniform(3, fan),
        lambda: init.kaiming_uniform(fan),
        lambda: init.xavier_normal(fan, 3),
        lambda: init.kaiming_normal(fan),
        lambda: init.kaiming_normal(3, mode="fan_out", fan_out=fan if fan is not None else 0),
    ):
        with pytest.raises(PlanError, match="fan_"):
            make()


@pytest.mark.parametrize("seed", [-1, 2**64, True, 0.0, None])
def test_a_seed_outside_of_64_bits_is_refused(seed):
    for make in (
        lambda: init.uniform(0, 1, seed),
        lambda: init.xavier_uniform(3, 2, seed),
        lambda: init.kaiming_uniform(3, seed),
        lambda: init.normal(0, 1, seed),
        lambda: init.xavier_for((2, 3), seed=seed),
        lambda: init.truncated_normal(seed=seed),
        lambda: init.orthogonal(seed=seed),
        lambda: init.kaiming_normal_for((2, 3), seed=seed),
    ):
        with pytest.raises(PlanError, match="seed"):
            make()


def test_a_negative_deviation_is_refused_and_zero_is_constant():
    for make in (init.normal, init.truncated_normal):
        with pytest.raises(PlanError, match="deviation"):
            make(0.0, -1.0)
    assert init.value_at(init.normal(0.25, 0.0), 3) == 0.25


@pytest.mark.parametrize("values", [3.0, "12", [[1.0, 2.0]], np.ones((2, 2)), np.float64(1.0), None])
def test_flat_refuses_what_is_not_one_row_of_numbers(values):
    with pytest.raises(PlanError, match="flat"):
        init.flat(values)


@pytest.mark.parametrize(
    ("scheme", "dtype"),
    [
        (init.uniform(0.0, 1e39), "float32"),
        (init.uniform(-1e39, 1e39), "float32"),
        (init.uniform(-3.4e38, 3.3e38), "float32"),
        (init.uniform(1.0, 1.0 + 1e-12), "float32"),
        (init.uniform(-1e-60, 1e-60), "float32"),
        (init.uniform(0.0, 7e4), "float16"),
        (init.kaiming_uniform(2**53), "float16"),
        (init.normal(0.0, 2e4), "float16"),
        (init.constant(1e39), "float32"),
        (init.orthogonal(1e39), "float32"),
        (init.truncated_normal(0, 1, -1, 7e4), "float16"),
        (init.truncated_normal(0, 1e39, -3e38, 3e38), "float32"),
        (init.flat([0.0, 65520.0]), "float16"),
        (init.flat([0.0, 1e39]), "bfloat16"),
        (init.flat([0.0, 1e39]), "float32"),
    ],
    ids=repr,
)
def test_what_a_dtype_cannot_hold_is_refused(scheme, dtype):
    with pytest.raises(PlanError, match=dtype):
        scheme.recipe(FORMATS[dtype])
