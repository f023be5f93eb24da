"""Files changed at random are read or refused, never anything else."""

import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.common import entry, write
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load

GOOD = {"__metadata__": {"a": "b"}, "w": entry(), "b": entry(dtype="BOOL", shape=[2, 2], data_offsets=[8, 12])}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["F32", "BOOL", "U8", 2**63, -1, 0, 8, 12]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["dtype", "shape", "data_offsets"]), inner, max_size=3)
    ),
    max_leaves=8,
)
fuzz = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_is_refused(path):
    try:
        tensors, _ = load(path, allow_nonfinite=True)
    except CheckpointError:
        return
    assert all(isinstance(x, np.ndarray) for x in tensors.values())


@fuzz
@given(
    tensor=st.sampled_from(["w", "b", "__metadata__", "new"]),
    field=st.none() | st.sampled_from(["dtype", "shape", "data_offsets", "x"]),
    value=JUNK,
)
def test_fuzz_a_header_with_any_value_in_any_place_is_read_or_refused(path, tensor, field, value):
    header = json.loads(json.dumps(GOOD))
    if field is None or tensor == "new":
        header[tensor] = value
    else:
        header[tensor][field] = value
    write(path, header, b"\0" * 12)
    loads_or_is_refused(path)


@fuzz
@given(st.data())
def test_fuzz_changed_removed_and_inserted_bytes_are_read_or_refused(path, data):
    write(path, GOOD, b"\0" * 12)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(raw) - 1))
        raw[i : i + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(raw)
    loads_or_is_refused(path)


@fuzz
@given(st.binary(max_size=200))
def test_fuzz_any_bytes_are_read_or_refused(path, raw):
    path.write_bytes(raw)
    loads_or_is_refused(path)
