"""Schedules: their values against PyTorch's, and what they refuse."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import optim, schedules
from tl_arrayapi.errors import ArgumentError

EACH = [
    schedules.Constant(0.1),
    schedules.Exponential(0.1, 0.9),
    schedules.Step(0.1, 3, 0.5),
    schedules.Cosine(0.1, 20, 0.01),
    schedules.LinearWarmup(0.1, 7, 0.01),
    schedules.WarmupCosine(0.1, 5, 30, 0.01, 0.001),
    schedules.Cyclic(0.01, 0.1, 4, 6, 0.99),
    schedules.Triangular(0.01, 0.1, 8),
    schedules.OneCycle(0.1, 40),
]
each = pytest.mark.parametrize("schedule", EACH, ids=lambda schedule: type(schedule).__name__)

TORCH = [
    (schedules.Constant(0.1), lambda s, o: s.ConstantLR(o, factor=1.0)),
    (schedules.Exponential(0.1, 0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
    (schedules.Step(0.1, 3, 0.5), lambda s, o: s.StepLR(o, 3, 0.5)),
    (schedules.Cosine(0.1, 40, 0.01), lambda s, o: s.CosineAnnealingLR(o, 40, 0.01)),
    (schedules.LinearWarmup(0.1, 7, 0.01), lambda s, o: s.LinearLR(o, 0.1, 1.0, 7)),
    (schedules.Cyclic(0.01, 0.1, 4, 6, 0.99), lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, 6, "exp_range", 0.99)),
    (schedules.Triangular(0.01, 0.1, 8), lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4)),
    (schedules.OneCycle(0.1, 41), lambda s, o: s.OneCycleLR(o, 0.1, 41)),
    (
        schedules.OneCycle(0.1, 41, 0.5, 10.0, 7.0),
        lambda s, o: s.OneCycleLR(o, 0.1, 41, pct_start=0.5, div_factor=10.0, final_div_factor=7.0),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), TORCH, ids=lambda x: type(x).__name__)
def test_values_equal_those_of_torch(ours, theirs):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)
    scheduler = theirs(torch.optim.lr_scheduler, optimizer)
    for step in range(40):
        assert math.isclose(ours(step), optimizer.param_groups[0]["lr"], rel_tol=1e-12), step
        optimizer.step()
        scheduler.step()


def test_warmup_cosine_is_its_two_parts():
    whole = schedules.WarmupCosine(0.1, 5, 30, 0.01, 0.001)
    warmup, cosine = schedules.LinearWarmup(0.1, 5, 0.01), schedules.Cosine(0.1, 25, 0.001)
    assert [whole(i) for i in range(50)] == [warmup(i) if i < 5 else cosine(i - 5) for i in range(50)]


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (schedules.Cosine(0.1, 20, 0.01), 0.01),
        (schedules.LinearWarmup(0.1, 7), 0.1),
        (schedules.WarmupCosine(0.1, 5, 30, final=0.02), 0.02),
        (schedules.OneCycle(0.1, 40, divide=10.0, divide_final=10.0), 0.001),
    ],
)
def test_a_schedule_that_ends_stays_where_it_ended(schedule, end):
    for step in (40, 41, 10**12):
        assert math.isclose(schedule(step), end, rel_tol=1e-12)


@each
@settings(deadline=None)
@given(step=st.integers(0, 10**9))
def test_every_rate_is_a_python_float_that_an_optimizer_takes(schedule, step):
    rate = schedule(step)
    assert type(rate) is float
    assert 0 <= rate <= 0.1 + 1e-12


@each
def test_a_schedule_is_a_frozen_value_that_can_be_pickled(schedule):
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    with pytest.raises(AttributeError):
        schedule.lr = 3.0


@each
@pytest.mark.parametrize("step", [-1, 0.5, None, True, "1"])
def test_a_step_that_is_no_count_is_refused(schedule, step):
    with pytest.raises(ArgumentError, match="step must be"):
        schedule(step)


@each
def test_a_step_may_be_an_integer_of_numpy(schedule):
    assert schedule(np.int64(3)) == schedule(3)


def test_an_optimizer_follows_a_schedule():
    optimizer, params = optim.sgd(schedules.Step(1.0, 2, 0.5)), [np.zeros(1)]
    state = optimizer.init(params)
    for _ in range(4):
        params, state = optimizer.step(state, params, [np.ones(1)])
    assert params[0] == -(1 + 1 + 0.5 + 0.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.Constant(-0.1),
        lambda: schedules.Constant(math.nan),
        lambda: schedules.Exponential(0.1, -0.5),
        lambda: schedules.Exponential(0.1, math.inf),
        lambda: schedules.Step(0.1, 0),
        lambda: schedules.Step(0.1, 2.5),
        lambda: schedules.Cosine(0.1, 0),
        lambda: schedules.Cosine(0.1, 10, -1.0),
        lambda: schedules.LinearWarmup(0.1, -1),
        lambda: schedules.WarmupCosine(0.1, 10, 10),
        lambda: schedules.WarmupCosine(0.1, 0, 10),
        lambda: schedules.Cyclic(0.2, 0.1, 4),
        lambda: schedules.Cyclic(0.1, 0.2, 0),
        lambda: schedules.Cyclic(0.1, 0.2, 4, 0),
        lambda: schedules.Cyclic(0.1, 0.2, 4, gamma=1.1),
        lambda: schedules.Triangular(0.1, 0.2, 3),
        lambda: schedules.Triangular(0.2, 0.1, 4),
        lambda: schedules.OneCycle(0.1, 40, rise=0.0),
        lambda: schedules.OneCycle(0.1, 40, rise=1.0),
        lambda: schedules.OneCycle(0.1, 40, divide=0.0),
        lambda: schedules.OneCycle(0.1, 40, divide_final=-1.0),
        lambda: schedules.OneCycle(0.1, 3),
    ],
)
def test_a_number_outside_its_range_is_refused(make):
    with pytest.raises(ArgumentError, match=r"must|take more"):
        make()


def test_a_growing_rate_that_leaves_the_range_of_floats_is_refused():
    with pytest.raises(ArgumentError, match="gamma"):
        schedules.Exponential(0.1, 10.0)(1000)
