"""Values behave as the distributions they are named after: moments, Kolmogorov-Smirnov, equidistribution, independence.

Seeds are fixed, so each test gives one verdict for ever. A p-value is to be above 1e-4, a normal deviate within 4.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from tl_arrayapi import init
from tl_arrayapi.init.splitmix64 import Words, stream_key

SEEDS = [0, 1, 2**63, 2**64 - 1, 0x123456789ABCDEF]
N = 200_000
slow = pytest.mark.slow
each_seed = pytest.mark.parametrize("seed", [SEEDS[0], *(pytest.param(seed, marks=slow) for seed in SEEDS[1:])])

NORMALS = {
    "normal": (init.normal(0.5, 2.0), stats.norm(0.5, 2.0)),
    "truncated": (init.truncated_normal(0.5, 2.0, -1.0, 4.0), stats.truncnorm(-0.75, 1.75, 0.5, 2.0)),
    "one tail": (init.truncated_normal(0.0, 1.0, 2.0, 6.0), stats.truncnorm(2.0, 6.0)),
    "xavier_normal": (init.xavier_normal(30, 20, gain=1.5), stats.norm(0, 0.3)),
    "kaiming_normal": (init.kaiming_normal(50), stats.norm(0, 0.2)),
    "uniform": (init.uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
    "xavier_uniform": (init.xavier_uniform(30, 20, gain=0.5), stats.uniform(-0.5 * 0.12**0.5, 0.12**0.5)),
    "kaiming_uniform": (init.kaiming_uniform(6), stats.uniform(-1.0, 2.0)),
}


def draws(seed, count=N):
    """Return the 32-bit draws of a stream."""
    words = Words(np, "uint64")
    return words.low(words.draws(stream_key(seed), words.counting(count)))


def seeded(scheme, seed):
    return type(scheme)(**{**{f: getattr(scheme, f) for f in scheme.__dataclass_fields__}, "seed": seed})


def evenly(places, buckets):
    """Return the p-value of a chi-squared test: that the places are spread evenly over so many buckets."""
    return stats.chisquare(np.bincount(places, minlength=buckets)).pvalue


@pytest.mark.parametrize("dtype", ["float32", *(pytest.param(name, marks=slow) for name in ("float64", "float16"))])
@pytest.mark.parametrize("name", NORMALS)
def test_values_have_the_moments_of_their_distribution(name, dtype):
    scheme, distribution = NORMALS[name]
    values = init.materialize(seeded(scheme, 7), (N,), dtype=dtype).astype("float64")
    scaled = (values - distribution.mean()) / distribution.std()
    # float16 has 11 bits: what is left out of them shows in the mean.
    slack = 2.0**-11 if dtype == "float16" else 0.0
    for power in (1, 2, 3, 4):
        expected = distribution.expect(lambda x, p=power: ((x - distribution.mean()) / distribution.std()) ** p)
        spread = math.sqrt((np.mean(scaled ** (2 * power)) - expected**2) / N)
        assert abs(np.mean(scaled**power) - expected) < 4 * spread + slack * power * np.mean(np.abs(scaled) ** power)


@each_seed
@pytest.mark.parametrize("name", NORMALS)
def test_values_pass_the_test_of_kolmogorov_and_smirnov(name, seed):
    scheme, distribution = NORMALS[name]
    values = init.materialize(seeded(scheme, seed), (N,), dtype="float64")
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-4


@each_seed
def test_draws_fill_all_buckets_evenly_by_their_upper_middle_and_lower_bits(seed):
    found = draws(seed).astype(np.int64)
    for places in (0, 11, 22):
        assert evenly(found >> places & 1023, 1024) > 1e-4


@each_seed
def test_each_bit_is_set_half_of_the_time_and_apart_from_the_others(seed):
    bits = (draws(seed)[:, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1)).astype(np.float64) * 2.0 - 1.0
    assert np.max(np.abs(bits.mean(axis=0))) * math.sqrt(N) < 4
    together = bits.T @ bits / math.sqrt(N) - np.eye(32) * math.sqrt(N)
    # 496 pairs: the largest of so many normal deviates stays below 5.
    assert np.max(np.abs(together)) < 5


@each_seed
@pytest.mark.parametrize("lag", [1, 2, 7, 1000])
def test_neighbours_in_a_stream_are_independent(seed, lag):
    found = draws(seed).astype(np.int64) >> 27
    assert evenly(found[:-lag] * 32 + found[lag:], 1024) > 1e-4


@pytest.mark.parametrize("seed", [0, 41, 2**32 - 1, 2**64 - 2])
def test_streams_of_neighbouring_seeds_are_independent(seed):
    first, second = (draws(seed + k).astype(np.int64) for k in (0, 1))
    assert evenly((first >> 27) * 32 + (second >> 27), 1024) > 1e-4
    correlation = np.corrcoef(first, second)[0, 1]
    assert abs(correlation) * math.sqrt(N) < 4


def test_the_first_values_of_many_seeds_are_uniform():
    first = np.asarray([init.unit_sample(seed, 0) for seed in range(20_000)])
    assert stats.kstest(first, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) * math.sqrt(len(first)) < 4


def test_parameters_of_a_plan_are_independent():
    definition = SimpleNamespace(param_shapes=[(100, 500)] * 6, param_names=[f"layer{k}" for k in range(6)])
    arrays = [array.reshape(-1) for array in init.Plan.for_module(definition, init.normal(0, 1), seed=3).fill()]
    for one, other in itertools.combinations(arrays, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) * math.sqrt(one.size) < 4.5


# ---------------------------------------------------------------- orthogonal matrices
def test_orthogonal_matrices_are_spread_evenly():
    drawn = np.stack([init.materialize(init.orthogonal(seed=seed), (3, 3), dtype="float64") for seed in range(600)])
    # A coordinate of a point on the sphere is uniform (Archimedes), for each row and each column.
    for row, column in itertools.product(range(3), repeat=2):
        assert stats.kstest(drawn[:, row, column], stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-4
    signs = np.linalg.det(drawn)
    assert np.max(np.abs(np.abs(signs) - 1.0)) < 1e-12
    assert abs(np.sum(signs)) / math.sqrt(600) < 4
    # The trace of a uniform orthogonal matrix has the mean 0 and the variance 1 (Diaconis and Shahshahani, 1994).
    traces = np.trace(drawn, axis1=1, axis2=2)
    assert abs(np.mean(traces)) * math.sqrt(600) < 4
    assert abs(np.mean(traces**2) - 1.0) < 4 * np.std(traces**2) / math.sqrt(600)
