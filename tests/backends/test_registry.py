"""The registry finds one backend a library, however the library is named, and loads nothing before it is asked."""

import importlib
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.libraries import VARIANTS, installed
from tests.sources import ROOT
from tl_arrayapi import backends
from tl_arrayapi.errors import BackendError, DeviceError, DTypeError, MissingLibraryError

EXTRAS = {"cupy": "cuda12", "dask": "dask", "torch": "torch", "jax": "jax", "array_api_strict": "test"}


def run(code):
    """Run ``code`` in an interpreter of its own, with warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- one object a library
def test_none_is_numpy():
    assert backends.get(None) is backends.get("numpy") is backends.get()
    assert backends.get(None).name == "numpy"


def test_every_form_of_a_library_gives_the_same_backend(xp):
    variant = VARIANTS[xp.variant.name]
    raw = importlib.import_module("jax.numpy" if variant.module == "jax" else variant.module)
    name = variant.module.partition(".")[0]
    found = backends.get(name)
    assert found.name == name
    assert found.namespace is xp.namespace
    for form in (raw, raw.__name__, xp.namespace, xp.namespace.__name__, tl.namespace(raw)):
        assert backends.get(form) is found
    assert backends.backend_of(xp.asarray([1.0, 2.0])) is found


def test_a_library_without_a_backend_gets_the_portable_one():
    pytest.importorskip("array_api_strict")
    assert type(backends.get("array_api_strict")) is backends.Backend


# ---- what is no library
@pytest.mark.parametrize("name", ["no_such_library", "numpyy", "", ".numpy", "a..b", "numpy\0"])
def test_an_unknown_name_is_refused_with_the_names_that_are_known(name):
    with pytest.raises(BackendError) as caught:
        backends.get(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in ("numpy", *EXTRAS))
    assert not isinstance(caught.value, MissingLibraryError)


@pytest.mark.parametrize(
    "value",
    [3, object(), [np], np.ones(2), np.ndarray, list, "math", "numpy.linalg", SimpleNamespace(empty=lambda n: [0] * n)],
    ids=lambda value: str(value)[:20].replace("\n", " "),
)
def test_what_is_no_namespace_is_refused(value):
    with pytest.raises(BackendError, match="not an Array API namespace"):
        backends.get(value)


@pytest.mark.parametrize("value", [3, 2.5, [1.0], "x", None, np], ids=repr)
def test_backend_of_refuses_what_is_no_array(value):
    with pytest.raises(BackendError, match="not an array"):
        backends.backend_of(value)


@pytest.mark.parametrize("kind", [np.ndarray, np.float64, object, list])
def test_backend_of_refuses_the_class_of_an_array(kind):
    with pytest.raises(BackendError, match="not an array"):
        backends.backend_of(kind)
    with pytest.raises(BackendError, match="not an array"):
        backends.backend_of(kind)


def test_backend_of_tells_the_library_of_a_watched_array(xp):
    seen = []
    for x in (np.asarray(1.0), xp.asarray(1.0)):
        tl.grad(lambda w: (seen.append(backends.backend_of(w)), w * w)[1])(x)
    assert seen == [backends.get(None), backends.get(xp.namespace)]


# ---- what is not installed
def hide(name, monkeypatch):
    """Make a library look as if it were not installed."""
    for module in (name, f"{name}.array", f"{name}.numpy"):
        for path in (module, f"array_api_compat.{module}"):
            monkeypatch.setitem(sys.modules, path, None)


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_library_names_the_extra_that_installs_it(name, monkeypatch):
    hide(name, monkeypatch)
    with pytest.raises(MissingLibraryError) as caught:
        backends.get(name)
    assert f"{name} is not installed" in str(caught.value)
    assert f"tl-arrayapi[{EXTRAS[name]}]" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_every_extra_that_an_error_names_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {library.name: library.extra for library in backends.available() if library.extra is not None}
    assert named == EXTRAS
    assert set(EXTRAS.values()) <= set(declared)


def test_a_missing_library_is_listed_as_not_installed(monkeypatch):
    hide("torch", monkeypatch)
    (found,) = [library for library in backends.available() if library.name == "torch"]
    assert (found.installed, found.version, found.extra) == (False, None, "torch")
    with pytest.raises(MissingLibraryError, match="torch"):
        found.backend()


# ---- nothing is loaded before it is asked for
OTHERS = "{'torch', 'jax', 'dask', 'cupy', 'array_api_strict', 'scipy'}"


def test_finding_the_backend_of_numpy_imports_no_other_library():
    code = f"""
import sys, numpy, tl_arrayapi as tl
assert tl.backends.get(numpy).name == tl.backends.backend_of(numpy.ones(2)).name == "numpy"
tl.grad(lambda x: x * x)(numpy.asarray(2.0))
print(sorted({OTHERS} & {{name.split(".")[0] for name in sys.modules}}))
"""
    assert run(code) == "[]"


def test_listing_the_libraries_imports_none_of_them():
    code = f"""
import sys, tl_arrayapi as tl
assert "tl_arrayapi.backends.numpy.backend" not in sys.modules
print(len(tl.backends.available()), sorted({OTHERS} & {{name.split(".")[0] for name in sys.modules}}))
"""
    assert run(code) == f"{len(EXTRAS) + 1} []"


def test_available_tells_what_is_installed_and_in_which_version():
    found = {library.name: library for library in backends.available()}
    assert list(found)[: len(EXTRAS) + 1] == ["numpy", *EXTRAS]
    assert found["numpy"].installed
    assert found["numpy"].version == np.__version__
    assert found["numpy"].backend() is backends.get(None)
    for name in EXTRAS:
        assert found[name].installed == installed(name)
        assert (found[name].version is not None) == installed(name)


# ---- devices and dtypes by name
def test_a_device_that_is_not_there_is_refused_with_those_that_are(xp):
    backend = backends.get(xp.namespace)
    with pytest.raises(DeviceError, match="'nonsense'") as caught:
        backend.device("nonsense")
    head, _, listed = str(caught.value).partition("it has ")
    assert backend.name in head
    # What the message lists can be passed on.
    for name in listed.split(", "):
        backend.device(name)
    for call in (
        lambda: tl.Options(xp=xp.namespace, device="nonsense"),
        lambda: tl.init.materialize(tl.init.zeros(), (2,), xp.namespace, device="nonsense"),
    ):
        with pytest.raises(DeviceError, match="'nonsense'"):
            call()


def test_a_device_goes_by_itself_and_by_its_text(xp):
    backend = backends.get(xp.namespace)
    assert backend.device(None) is None
    assert backend.devices()
    for device in backend.devices():
        assert backend.device(device) in (device, None)
        assert backend.device(str(device)) in (device, None)


@pytest.mark.parametrize("name", ["nonsense", "pi", "e", "newaxis", "float128", "object", "", None, 3])
def test_a_name_that_is_no_dtype_is_refused(xp, name):
    with pytest.raises(DTypeError, match=repr(name)):
        backends.get(xp.namespace).dtype(name)


@pytest.mark.parametrize("dtype", [None, "nonsense", 3, str, object], ids=repr)
def test_what_is_no_dtype_has_no_name(xp, dtype):
    with pytest.raises(DTypeError, match="not a dtype"):
        backends.get(xp.namespace).dtype_name(dtype)


def test_dtypes_and_their_names_are_inverse_of_one_another(xp):
    backend = backends.get(xp.namespace)
    found = [name for name in tl.backends.base.DTYPES if xp.has(name)]
    assert {"float32", "int32", "bool"} <= set(found)
    for name in found:
        dtype = backend.dtype(name)
        assert backend.dtype_name(dtype) == name
        assert backend.dtype_name(getattr(xp.namespace, name)) == name
        made = xp.namespace.zeros(2, dtype=dtype, **({} if xp.device is None else {"device": xp.device}))
        assert backend.dtype_name(made.dtype) == name
        assert made.dtype == dtype
