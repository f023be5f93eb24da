"""What JAX does otherwise."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.sources import ROOT
from tl_arrayapi import backends

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.parametrize("xp", ["jax"], indirect=True)


def test_a_device_goes_by_its_platform_and_number(xp):
    backend = backends.get(jax.numpy)
    first = jax.devices("cpu")[0]
    assert backend.device("cpu") == backend.device("cpu:0") == backend.device(first) == first
    for name in ("cpu:7", "cpu:x", "cpu:-1", "cpu:", "tpu"):
        if name == "cpu:":
            assert backend.device(name) == first
        else:
            with pytest.raises(tl.errors.DeviceError, match="cpu:0"):
                backend.device(name)


def test_a_sharding_is_taken_as_a_device(xp):
    backend = backends.get(jax.numpy)
    sharding = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
    assert backend.device(sharding) is sharding
    assert backend.from_host(np.ones(2), device=sharding).sharding == sharding


def test_without_64_bits_their_dtypes_are_refused_and_32_bits_work(xp):
    code = """
import json, numpy, jax.numpy, tl_arrayapi as tl
backend = tl.backends.get("jax")
refused = []
for name in ("float64", "int64", "uint64", "complex128"):
    try:
        backend.dtype(name)
    except tl.errors.DTypeError as error:
        refused.append(str(error))
print(json.dumps([refused, str(backend.from_host(numpy.ones(2), "float32").dtype), str(backend.dtype("complex64"))]))
"""
    environment = {**os.environ, "JAX_ENABLE_X64": "0"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    refused, made, kept = json.loads(done.stdout)
    assert len(refused) == 4
    assert all("JAX_ENABLE_X64=1" in text for text in refused)
    assert (made, kept) == ("float32", "complex64")


def test_a_gradient_may_be_taken_under_jit(xp):
    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(xp.take(x, jax.numpy.asarray([0, 0, 2]), axis=0)[1:] ** 2)

    x = xp.asarray([1.0, 2.0, 3.0])
    np.testing.assert_allclose(jax.jit(tl.grad(loss))(x), tl.grad(loss)(x))
    np.testing.assert_allclose(jax.jit(tl.grad(loss))(x), [2.0, 0.0, 6.0])


def test_a_traced_array_has_no_device(xp):
    seen = []

    def record(x):
        seen.append(backends.get(jax.numpy).device_of(x))
        return x

    jax.jit(record)(xp.asarray([1.0]))
    assert seen == [None]
