"""CuPy's kernels: compiled for the host they have the reference's bits, and for a GPU they contract nothing.

A stand-in for CuPy runs them, so that what is launched, and with which arguments, is held to it as well.
"""

import ctypes
import importlib.util
import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tl_arrayapi.backends
from tl_arrayapi import init
from tl_arrayapi.backends.kernels import base_of, described
from tl_arrayapi.init.fills import draw_box
from tl_arrayapi.init.formats import FORMATS

FOLDER = Path(tl_arrayapi.backends.__file__).parent / "cupy"
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
COUNT = 2003
C_TYPES = {
    np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float,
    np.float64: ctypes.c_double,
}


class Place(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


class Module:
    """A module of kernels as CuPy's, compiled for the host."""

    def __init__(self, folder, code, options):
        assert "--fmad=false" in options
        made, source = folder / "fills.so", folder / "fills.cu"
        source.write_text(code)
        what = ["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-include", SHIM]
        subprocess.run(["g++", *what, "-o", made, source], check=True)
        self.library = ctypes.CDLL(str(made))

    def get_function(self, name):
        def kernel(grid, block, args):
            given = [ctypes.c_void_p(x.ctypes.data) if x.ndim else C_TYPES[type(x)](x.item()) for x in args]
            self.place("gridDim", *grid)
            self.place("blockDim", *block)
            # Each place of the grid in turn: on a GPU they run at once.
            for i, k in itertools.product(range(*grid), range(*block)):
                self.place("blockIdx", i)
                self.place("threadIdx", k)
                getattr(self.library, name)(*given)

        return kernel

    def place(self, name, x):
        Place.in_dll(self.library, name).x = x


@pytest.fixture(scope="module")
def fills(tmp_path_factory):
    """Give the module that launches, with a stand-in for CuPy whose one device has few threads."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("kernels")
    cupy = SimpleNamespace(
        RawModule=lambda code, options: Module(folder, code, options),
        asarray=np.asarray,
        cuda=SimpleNamespace(Device=lambda: SimpleNamespace(id=0, attributes={"MultiProcessorCount": 1})),
    )
    spec = importlib.util.spec_from_file_location("fills_on_the_host", FOLDER / "fills.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", cupy)
        spec.loader.exec_module(module)
    module.THREADS, module._BLOCKS = 3, 2
    return module


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_on_the_host_the_kernels_have_the_bits_of_the_portable_fill(fills, scheme, dtype):
    if dtype == "float16" and scheme == SCHEMES[1]:
        pytest.skip("the bounds are 0 in float16")
    recipe = scheme.recipe(FORMATS[dtype])
    for start in STARTS:
        out = np.full(COUNT, np.nan, dtype)
        fills.launch(out, *described(recipe), base_of(recipe, start))
        expected = draw_box(recipe, (2**60,), (start,), (start + COUNT,), np, dtype)
        assert out.tobytes() == expected.tobytes()


def test_nothing_is_launched_for_an_array_of_no_elements(fills):
    fills.launch(np.empty(0, np.float32), "no such kernel", (), np.uint64(0))


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_compiled_for_a_gpu_no_product_is_fused_into_a_sum(tmp_path):
    made = tmp_path / "fills.ptx"
    subprocess.run(
        ["nvcc", "-std=c++17", "--fmad=false", "-ptx", "-o", made, FOLDER / "fills.cu"], check=True, capture_output=True
    )
    text = made.read_text()
    assert text.count(".entry") == 9
    assert "mul.rn.f32" in text
    assert "fma." not in text
