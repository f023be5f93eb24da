"""The digest of a plan: its layout byte by byte, the same on every library, and made of blocks."""

import hashlib
import struct

import numpy as np
import pytest

from tl_arrayapi import backends, init
from tl_arrayapi.backends import base
from tl_arrayapi.errors import DTypeError, PlanError
from tl_arrayapi.init.digest import digest_of

SHAPES = [(2, 3), (4,), ()]
INITS = [init.xavier_for((2, 3), seed=2**64 - 1), init.flat([1.0, 2.0, 3.0, 4.0]), init.uniform(-1, 1, seed=4)]
EVERY_KIND = init.Plan(
    [(17, 5), (6, 6), (3, 3), (0, 4), ()],
    [
        init.uniform(-1, 2, seed=3),
        init.orthogonal(seed=4),
        init.eye(),
        init.normal(0, 1, seed=5),
        init.constant(0.1),
    ],
)


# ---------------------------------------------------------------- what is hashed
def test_the_digest_has_the_layout_that_is_written_down():
    plan = init.Plan([(2, 1), ()], [init.flat([0.5, -1.0]), init.ones()], names=["w", "größe"])
    data = b""
    for name, shape, values in (("w", (2, 1), [0.5, -1.0]), ("größe", (), [1.0])):
        data += struct.pack("<Q", len(name.encode())) + name.encode() + struct.pack("<Q", 7) + b"float32"
        data += struct.pack(f"<Q{len(shape)}Q", len(shape), *shape)
        data += struct.pack("<Q", 4 * len(values)) + struct.pack(f"<{len(values)}f", *values)
    assert plan.digest() == hashlib.sha256(data).hexdigest()


def test_the_digest_is_equal_on_every_library(xp):
    plan = init.Plan(SHAPES, INITS, ["w", "b", "s"])
    for dtype in {"float32", xp.real}:
        assert plan.digest(xp.namespace, dtype) == plan.digest(dtype=dtype)


def test_the_digest_tells_names_shapes_values_and_dtypes_apart():
    one_zero = (init.ones(), init.zeros())

    def digest(shapes=((2, 2), (2,)), inits=one_zero, names=("a", "b"), dtype="float32"):
        return init.Plan(shapes, inits, names).digest(dtype=dtype)

    all_of_them = [
        digest(),
        digest(names=("b", "a")),
        digest(shapes=((4,), (2,))),
        digest(shapes=((2, 2), (2, 1))),
        digest(inits=(init.ones(), init.ones())),
        digest(inits=(init.ones(), init.flat([-0.0, 0.0]))),
        digest(dtype="float64"),
    ]
    assert len(set(all_of_them)) == len(all_of_them)
    assert digest() == digest(inits=(init.flat([1.0] * 4), init.flat([0.0, 0.0])))


def test_the_format_is_the_one_of_the_first_version():
    plan = init.Plan([(2, 3), (2,)], [init.xavier_for((2, 3), seed=1), init.zeros()], ["w", "b"])
    assert plan.digest() == "64c4995ce4a447d731a03da2824df29d12a8c575d73b8846fc0d40c4130bc8ff"


# ---------------------------------------------------------------- the same everywhere
def test_every_initialiser_has_the_same_digest_on_every_library(xp):
    assert EVERY_KIND.digest(xp.namespace, "float32", xp.device) == EVERY_KIND.digest()


def test_float16_has_the_same_digest_where_there_is_one(xp):
    plan = init.Plan(SHAPES, INITS)
    if xp.variant.module == "array_api_strict":
        with pytest.raises(DTypeError, match="float16"):
            plan.digest(xp.namespace, "float16")
    else:
        assert plan.digest(xp.namespace, "float16") == plan.digest(dtype="float16")


def test_bfloat16_is_the_upper_half_of_float32(xp):
    if not xp.has("bfloat16"):
        pytest.skip(f"{xp.name} has no bfloat16")
    plan = init.Plan([(4, 3), (5,)], [init.normal(0, 1, seed=1), init.uniform(-1, 1, seed=2)], ["w", "b"])
    data = b""
    for name, array in zip(plan.names, plan.fill(xp.namespace, "bfloat16"), strict=True):
        values = xp.to_numpy(xp.astype(array, xp.float32))
        halves = np.frombuffer(values.astype("<f4").tobytes(), "<u2")[1::2]
        data += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<Q", 8) + b"bfloat16"
        data += struct.pack(f"<Q{array.ndim}Q", array.ndim, *array.shape)
        data += struct.pack("<Q", 2 * values.size) + halves.tobytes()
    assert plan.digest(xp.namespace, "bfloat16") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("chunks", ["auto", 1, 4, (2, 3), {0: 3, 1: -1}])
def test_chunks_change_nothing(chunks):
    dask = pytest.importorskip("dask.array")
    plan = init.Plan(
        [(7, 5), (5, 9), (4, 4)], [init.normal(0, 1, 1), init.uniform(0, 1, 2), init.orthogonal(seed=3)], "abc"
    )
    assert plan.digest(dask, chunks=chunks) == plan.digest()


def test_a_dtype_may_be_the_librarys_own(xp):
    plan = init.Plan(SHAPES, INITS)
    assert plan.digest(xp.namespace, xp.float32, xp.device) == plan.digest()


def test_what_a_dtype_cannot_hold_is_refused_before_anything_is_filled(monkeypatch):
    plan = init.Plan([(2,), (2,)], [init.ones(), init.constant(1e6)], ["a", "b"])
    monkeypatch.setattr(type(backends.get(None)), "fill", None)
    with pytest.raises(PlanError, match=r"'b'.*float16"):
        plan.digest(dtype="float16")


# ---------------------------------------------------------------- in blocks
def test_no_more_than_a_block_of_a_parameter_is_on_the_host(xp, monkeypatch):
    backend = backends.get(xp.namespace)
    if backend.lazy:
        pytest.skip("a lazy array is computed in slabs, which tests/backends/test_slabs.py are for")
    array = xp.asarray(np.arange(2500.0).reshape(50, 50), "float32")
    whole = digest_of([("w", array)], backend, "float32")
    sizes, to_host = [], type(backend).to_host
    monkeypatch.setattr(base, "_HOST_BLOCK", 999)
    monkeypatch.setattr(type(backend), "to_host", lambda self, x: (sizes.append(x.shape), to_host(self, x))[1])
    assert digest_of([("w", array)], backend, "float32") == whole
    assert sizes == [(999,), (999,), (502,)]


def test_blocks_are_the_values_in_row_major_order(xp, monkeypatch):
    monkeypatch.setattr(base, "_HOST_BLOCK", 7)
    values = np.arange(24.0).reshape(2, 3, 4)
    turned = xp.permute_dims(xp.asarray(values, "float32"), (2, 0, 1))
    blocks = list(backends.get(xp.namespace).host_blocks(turned))
    assert all(block.ndim == 1 and block.flags.c_contiguous for block in blocks)
    assert np.array_equal(np.concatenate(blocks), values.transpose(2, 0, 1).ravel())


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)], ids=str)
def test_blocks_of_what_is_small_or_empty(xp, shape):
    blocks = list(backends.get(xp.namespace).host_blocks(xp.asarray(np.ones(shape), "float32")))
    assert sum(block.size for block in blocks) == np.ones(shape).size


def test_parameters_are_filled_one_after_another(monkeypatch):
    backend, events = backends.get(None), []
    fill, to_host = type(backend).fill, type(backend).to_host
    monkeypatch.setattr(type(backend), "fill", lambda self, *a: (events.append("fill"), fill(self, *a))[1])
    monkeypatch.setattr(type(backend), "to_host", lambda self, x: (events.append("read"), to_host(self, x))[1])
    init.Plan([(2,), (3,)], [init.ones(), init.zeros()]).digest()
    assert events == ["fill", "read", "fill", "read"]
