"""Every function of the standard, compiled: calls drawn as for the proof of correctness, on every library.

Where the eager engine refuses a call, the compiled function does. What has a shape that depends on values cannot be
traced, and says so.
"""

import operator
import zlib
from functools import reduce

import numpy as np
import pytest
from array_api_compat import is_array_api_obj
from hypothesis import HealthCheck, Phase, given, seed, settings

import tl_arrayapi as tl
from tests.compiled.equality import assert_exact, assert_near, depth, eager, exactly, hosts, quickly
from tests.libraries import VARIANTS
from tests.proof.calls import Holds, calls
from tests.proof.catalogue import CATALOGUE
from tests.proof.prove import ONE_A_KIND
from tests.proof.shapes import arranged
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.errors import TLError, TraceError

# JAX compiles for each shape, and Dask makes a graph for each call.
CALLS = {"jax": 2, "dask": 2}
EVERY_DTYPE = ("numpy", "torch", "array_api_strict")
DEPENDS_ON_VALUES = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")
TAKES_ARRAYS_OUT = ("from_dlpack",)


def every_function():
    params = []
    for name in VARIANTS:
        if name == "cupy":
            continue
        for function in CATALOGUE.values():
            for dtype in function.dtypes if name in EVERY_DTYPE else function.dtypes[:1]:
                if dtype in ONE_A_KIND and not function.name.startswith("__"):
                    quick = name == "numpy" and dtype == function.dtypes[0]
                    marks = () if quick else pytest.mark.slow
                    params.append(pytest.param(function, dtype, name, id=f"{function}-{dtype}-{name}", marks=marks))
    return pytest.mark.parametrize(("function", "dtype", "xp"), params, indirect=["xp"])


# torch says that it copies.
@pytest.mark.filterwarnings("ignore:torch.searchsorted:UserWarning")
@every_function()
def test_a_call_does_the_same_compiled(xp, function, dtype, pytestconfig):
    if not xp.has(dtype):
        pytest.skip(f"{xp.name} has no {dtype}")

    @seed(zlib.crc32(f"{function} {dtype} {xp.name} compiled".encode()))
    @settings(
        max_examples=CALLS.get(xp.name, 4) if pytestconfig.getoption("--slow") else 1,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(function, dtype, xp.variant.module.partition(".")[0]))
    def on_each(call):
        with np.errstate(all="ignore"):
            check(xp, function, call)

    on_each()


def check(xp, function, call):
    operands = [arranged(xp, x, call.layout) for x in call.operands] or [xp.asarray(1.0)]
    for f in functions(xp, function, call):
        try:
            expected = eager(xp, f)(*operands)
        except Exception as error:  # noqa: BLE001  (whatever the library raises)
            refused = error
        else:
            refused = None
        exact, quick = exactly(xp, f), quickly(xp, f)
        if function.name in DEPENDS_ON_VALUES + TAKES_ARRAYS_OUT:
            with pytest.raises((TraceError, AttributeError)):  # Dask has no from_dlpack
                exact(*operands)
            return
        if refused is not None and function.name == "asarray" and xp.device is not None:
            return  # a program makes its arrays on its own device, and the eager engine on the library's
        if refused is not None:
            with pytest.raises((TLError, type(refused))):
                exact(*operands)
            return
        if function.name == "repeat" and "[" in call.text.partition("axis=")[0]:
            with pytest.raises(TraceError, match="tuple"):
                exact(*operands)
            return
        compare(xp, call, exact, operands, expected)
        if call.layout == "contiguous" and call.operands:
            got = quick(*operands)
            assert_near(xp, arrays(got), arrays(expected), hosts(xp, arrays(expected)), depth(quick.graph), operands)


def compare(xp, call, compiled, operands, expected):
    got = compiled(*operands)
    assert plain(got) == plain(expected)
    if call.layout == "contiguous" or not call.operands:
        assert_exact(xp, compiled, arrays(got), arrays(expected), operands)
    else:  # a program may copy operands that do not lie in a row, and libraries add them up in another order then
        assert_near(xp, arrays(got), arrays(expected), hosts(xp, arrays(expected)), depth(compiled.graph), operands)


def arrays(found):
    return [x for x in flat(found) if is_array_api_obj(x)]


def plain(found):
    return [x for x in flat(found) if not is_array_api_obj(x)]


def flat(found):
    return [x for part in found for x in flat(part)] if isinstance(found, tuple | list) else [found]


def functions(xp, function, call):
    """Return value, value with gradient, and second derivative, where there is one, as functions of the operands."""

    def value(*operands):
        names = tl.array_namespace(*operands)
        found = call.run(names, *(operands if call.operands else ()))
        return tuple(found) if isinstance(found, tuple | list) else found

    yield value
    if function.holds is not Holds.DIFFERENTIABLE or not call.watched:
        return

    def loss(*operands):
        names, parts = tl.array_namespace(*operands), []
        for x in call.observe(names, *operands):
            if type(x) is Array and names.isdtype(x.dtype, "complex floating"):
                parts += [names.real(x), names.imag(x)]
            elif type(x) is Array and names.isdtype(x.dtype, "real floating"):
                parts.append(x)
        return reduce(operator.add, [names.sum(x * weights(xp, names, x, i)) for i, x in enumerate(parts)])

    def slope(*operands):
        names, grads = tl.array_namespace(*operands), tl.grad(loss, call.watched)(*operands)
        terms = [names.sum(g * weights(xp, names, g, 7 + i)) for i, g in enumerate(grads)]
        return reduce(operator.add, [names.real(x) if names.isdtype(x.dtype, "complex floating") else x for x in terms])

    yield tl.value_and_grad(loss, call.watched)
    yield tl.grad(slope, call.watched)


def weights(xp, names, x, seed):
    host = np.random.default_rng([5, seed]).uniform(0.5, 1.5, tuple(x.shape))
    return names.astype(names.asarray(xp.asarray(host)), x.dtype)
