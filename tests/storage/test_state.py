"""Nested states come back exactly, and a text that nobody wrote is refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.common import NUMPY_DTYPES, same, sample
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load, pack_state, save, unpack_state

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats()
    | st.text()
    | st.builds(sample, st.sampled_from(NUMPY_DTYPES))
)
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-5, 5), inner, max_size=4)
    ),
)


def equal(x, y):
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray):
        return same(x, y)
    if isinstance(x, dict):
        return list(x) == list(y) and all(equal(x[key], y[key]) for key in x)
    if isinstance(x, list | tuple):
        return len(x) == len(y) and all(map(equal, x, y))
    return x.hex() == y.hex() if isinstance(x, float) else x == y


@settings(deadline=None)
@given(STATES)
def test_any_state_comes_back_exactly(state):
    tensors, text = pack_state(state)
    assert equal(unpack_state(tensors, text), state)
    assert text.isascii()


def test_a_state_goes_through_a_file(path):
    state = ({"step": 3, "m": [np.ones((2, 2)), np.asarray(0.5)]}, (), {"rate": 0.1, "name": None})
    tensors, text = pack_state(state)
    save(path, tensors, {"state": text})
    again, metadata = load(path)
    assert equal(unpack_state(again, metadata["state"]), state)


def test_a_state_is_kept_by_reference_and_not_copied():
    x = np.ones(3)
    assert pack_state([x])[0]["0"] is x


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"m": {1.5: 0}}, r"state\['m'\] has the key 1.5"),
        ([{"a": 1j}], r"state\[0\]\['a'\] is a builtins.complex"),
        ([np.float64(1.0)], r"state\[0\] is a numpy.float64"),
        ({"s": {1, 2}}, "builtins.set"),
        ([2**64], "65 bits"),
        ({True: 1}, "key True"),
        ([np.ma.ones(3)], "MaskedArray"),
    ],
)
def test_what_a_state_cannot_hold_is_refused_by_its_place(state, match):
    with pytest.raises(CheckpointError, match=match):
        pack_state(state)


def test_a_state_within_itself_is_refused():
    state = []
    state.append(state)
    with pytest.raises(CheckpointError, match="nested deeper"):
        pack_state(state)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"a":1,"b":2}',
        '{"set":[]}',
        '{"tuple":3}',
        '{"dict":{"tuple":[]}}',
        '{"dict":[["a"]]}',
        '{"dict":[[null,1]]}',
        '{"dict":[[["a"],1]]}',
        '{"dict":[["a",1],["a",2]]}',
        '{"dict":[{"tuple":["a",1]}]}',
        '{"float":"x"}',
        '{"float":1}',
        '{"float":"0x1p99999"}',
        '{"array":"1"}',
        '{"array":0}',
        '[{"array":"0"},{"array":"0"}]',
        "[]",
        "1.5",
        "NaN",
        "1" * 10_000,
        str(2**64),
        "[" * 100 + "]" * 100,
        "[" * 100_000 + "]" * 100_000,
        None,
    ],
)
def test_a_text_that_pack_state_did_not_write_is_refused(text):
    with pytest.raises(CheckpointError):
        unpack_state({"0": np.zeros(2)}, text)


@settings(deadline=None)
@given(st.data())
def test_fuzz_a_changed_text_is_read_or_refused(data):
    tensors, text = pack_state({"step": 3, "m": [np.zeros(2), (1.5, None)], "s": "x"})
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(text)))
        text = (
            text[:i]
            + data.draw(st.text('[]{}",:0123aelnrtuxp.-', max_size=3))
            + text[i + data.draw(st.integers(0, 3)) :]
        )
    with contextlib.suppress(CheckpointError):
        unpack_state(tensors, text)
