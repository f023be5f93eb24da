"""The kernels for GPUs: compiled for the host they have the reference's bits, and for a GPU they contract nothing."""

import ctypes
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tl_arrayapi.backends
from tl_arrayapi import init
from tl_arrayapi.backends.kernels import base_of, described, segments
from tl_arrayapi.init.fills import draw_box
from tl_arrayapi.init.formats import FORMATS

SOURCE = Path(tl_arrayapi.backends.__file__).parent / "cupy" / "fills.cu"
SHIM = Path(__file__).with_name("cuda_on_host.h")
SCHEMES = [
    init.uniform(-0.3, 0.3, seed=3),
    init.uniform(-1e-38, 1e-38, seed=3),
    init.uniform(0.1, 0.7, seed=2**64 - 1),
    init.uniform(-2, 5, seed=9),
    init.normal(0, 1.5, seed=2**63),
    init.normal(0.5, 2, seed=4),
    init.truncated_normal(0.3, 1.5, -2, 0.5, seed=5),
]
STARTS = [0, 2**32 - 70, 2**53 + 1]
COUNT = 5003
C_TYPES = {
    np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float,
    np.float64: ctypes.c_double,
}


class Place(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Give the kernels, compiled for the host."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    made = tmp_path_factory.mktemp("kernels") / "fills.so"
    what = ["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-include", SHIM]
    subprocess.run(["g++", *what, "-o", made, SOURCE], check=True)
    return ctypes.CDLL(str(made))


def run(library, out, recipe, start, blocks=2, threads=3):
    """Run a kernel for each place of a grid in turn, as a GPU would at once."""
    name, arguments = described(recipe)
    kernel = getattr(library, f"{name}_{out.dtype.name}")
    table = [ctypes.c_void_p(segments().ctypes.data)] if name == "gaussian" else []
    given = [np.uint64(out.size), base_of(recipe, start)]
    given = [*(C_TYPES[type(x)](x) for x in given), *table, *(C_TYPES[type(x)](x.item()) for x in arguments)]
    for name, value in {"blockDim": threads, "gridDim": blocks}.items():
        Place.in_dll(library, name).x = value
    for block, thread in itertools.product(range(blocks), range(threads)):
        Place.in_dll(library, "blockIdx").x, Place.in_dll(library, "threadIdx").x = block, thread
        kernel(ctypes.c_void_p(out.ctypes.data), *given)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_on_the_host_the_kernels_have_the_bits_of_the_portable_fill(compiled, scheme, dtype):
    if dtype == "float16" and scheme == SCHEMES[1]:
        pytest.skip("the bounds are 0 in float16")
    recipe = scheme.recipe(FORMATS[dtype])
    for start in STARTS:
        out = np.full(COUNT, np.nan, dtype)
        run(compiled, out, recipe, start)
        expected = draw_box(recipe, (2**60,), (start,), (start + COUNT,), np, dtype)
        assert out.tobytes() == expected.tobytes()


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_compiled_for_a_gpu_no_product_is_fused_into_a_sum(tmp_path):
    made = tmp_path / "fills.ptx"
    subprocess.run(["nvcc", "-std=c++17", "--fmad=false", "-ptx", "-o", made, SOURCE], check=True, capture_output=True)
    text = made.read_text()
    assert text.count(".entry") == 9
    assert "mul.rn.f32" in text
    assert "fma." not in text
