"""The floating formats, against NumPy's and torch's own rounding."""

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi.errors import DTypeError
from tl_arrayapi.init.formats import FORMATS, float_format

floats = st.floats(allow_nan=False, allow_infinity=False)
narrow = st.floats(-7e4, 7e4) | st.floats(-1e-4, 1e-4) | floats


def bits(x: float) -> tuple[float, float]:
    return x, math.copysign(1.0, x)


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
@given(value=narrow)
def test_rounding_is_numpys(name, value):
    with np.errstate(over="ignore"):
        assert bits(FORMATS[name].round(value)) == bits(float(np.dtype(name).type(value)))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@settings(deadline=None)
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_bfloat16_rounding_is_torchs(value):
    import torch

    assert bits(FORMATS["bfloat16"].round(value)) == bits(float(torch.tensor(value).to(torch.bfloat16)))


@pytest.mark.parametrize("name", list(FORMATS))
@given(values=st.lists(narrow, max_size=4))
def test_rounding_all_is_rounding_each(name, values):
    assert list(map(bits, FORMATS[name].round_all(values))) == [bits(FORMATS[name].round(v)) for v in values]


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
@given(value=narrow)
def test_the_next_value_below_is_numpys(name, value):
    kind = np.dtype(name).type
    value = FORMATS[name].round(value)
    if abs(value) < FORMATS[name].largest:
        assert FORMATS[name].below(value) == float(np.nextafter(kind(value), kind(-np.inf)))


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_the_limits_are_numpys(name):
    info = np.finfo(name)
    assert FORMATS[name].largest == float(info.max)
    assert FORMATS[name].smallest_normal == float(info.smallest_normal)
    assert math.ldexp(1.0, FORMATS[name].tiny) == float(info.smallest_subnormal)


@pytest.mark.parametrize("name", ["int32", "complex64", "float128", "bool", ""])
def test_a_dtype_that_is_not_real_floating_is_refused(name):
    with pytest.raises(DTypeError, match="real floating"):
        float_format(name)
