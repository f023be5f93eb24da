"""Every differentiable function, compiled: value, gradient and second derivative are those of the eager engine."""

import operator
from functools import reduce

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, complex_cases
from tests.compiled.equality import assert_exact, assert_near, depth, eager, exactly, hosts, quickly
from tests.libraries import VARIANTS, load, mode

COMPLEX = complex_cases()
EVERY = [(case, case.name) for case in CASES] + [(case, f"{case.name} of complex numbers") for case in COMPLEX]
QUICK = {"numpy": 1, "torch": 8, "array_api_strict": 12, "strict-float32": 16}
"""Of how many cases one is run where slow tests are not."""


# Compiling each shape takes JAX, and a graph of tasks takes Dask, longer than all the rest: one case in four.
PART = {"jax": 4, "dask": 4, "strict-flags": 4, "strict-device1": 4, "strict-float32": 4}


def on_every_library(slow, names=tuple(name for name in VARIANTS if name != "cupy")):
    """Parametrize by case and library; what is not quick, or all, is slow."""
    params = []
    for name in names:
        for i, (case, label) in enumerate(EVERY):
            if i % PART.get(name, 1):
                continue
            quick = not slow and name in QUICK and i % QUICK[name] == 0
            params.append(pytest.param(case, name, id=f"{label}-{name}", marks=() if quick else pytest.mark.slow))
    return pytest.mark.parametrize(("case", "xp"), params, indirect=["xp"])


def functions(xp, case):
    """Return value, value with gradient, and second derivative, as functions of the operands."""
    where = tuple(range(len(case.operands)))

    def value(*operands):
        return case.function(tl.array_namespace(*operands), *operands)

    def loss(*operands):
        names, out = tl.array_namespace(*operands), value(*operands)
        parts = [names.real(out), names.imag(out)] if names.isdtype(out.dtype, "complex floating") else [out]
        return reduce(operator.add, [names.sum(x * weights(xp, names, x, i)) for i, x in enumerate(parts)])

    def slope(*operands):
        names, grads = tl.array_namespace(*operands), tl.grad(loss, where)(*operands)
        terms = [names.sum(g * weights(xp, names, g, 7 + i)) for i, g in enumerate(grads)]
        return reduce(operator.add, [names.real(x) if names.isdtype(x.dtype, "complex floating") else x for x in terms])

    return value, tl.value_and_grad(loss, where), tl.grad(slope, where)


def weights(xp, names, x, seed):
    host = np.random.default_rng([5, seed]).uniform(0.5, 1.5, tuple(x.shape))
    return names.astype(names.asarray(xp.asarray(host)), x.dtype)


# Dask says that a triangle of complex numbers is one of real ones, which it is not.
IGNORED = pytest.mark.filterwarnings("ignore:.*Casting complex values:numpy.exceptions.ComplexWarning")


@IGNORED
@on_every_library(slow=False)
def test_a_compiled_function_has_the_bits_of_the_eager_one(xp, case):
    operands = [xp.asarray(x) for x in case.operands]
    for f in functions(xp, case):
        compiled = exactly(xp, f)
        assert_exact(xp, compiled, compiled(*operands), eager(xp, f)(*operands), operands)


@IGNORED
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@on_every_library(slow=True, names=("numpy", "dask"))  # the others' programs reassociate nothing
def test_a_reassociated_program_is_as_near_to_the_truth_as_its_sums_are_deep(xp, case, dtype):
    pairs = {"float64": "complex128", "float32": "complex64"}
    operands = [xp.asarray(x, pairs[dtype] if x.dtype.kind == "c" else dtype) for x in case.operands]
    for f, exact in zip(functions(xp, case), exact_values(case), strict=True):
        compiled = quickly(xp, f)
        assert_near(xp, compiled(*operands), eager(xp, f)(*operands), exact, depth(compiled.graph), operands)


def exact_values(case):
    host = load("numpy")
    with mode("numpy"):
        return [hosts(host, eager(host, f)(*map(host.asarray, case.operands))) for f in functions(host, case)]
