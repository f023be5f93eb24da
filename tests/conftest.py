"""The `xp` fixture, the options that choose tests, and the tests-per-library counts.

A test that takes `xp` runs once over each library variant of `tests.libraries`. `xp` has `.name`, `.namespace` (the
real one), `.device` (None, or a device to pass on), `.asarray(values, dtype=None)`, `.to_numpy(x)`, `.has(dtype_name)`,
`.real` (the widest real dtype's name), `.tolerance`, and any other attribute of the namespace.
"""

import contextlib
import ctypes
import dataclasses
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import tl_arrayapi as tl
from tests.counts import Counts
from tests.libraries import VARIANTS, Library, installed, load, mode
from tests.proof.tally import Tally

# How long an example takes says nothing: machines are shared, and libraries compile.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tl_arrayapi")
    group.addoption("--slow", action="store_true", help="run the tests marked slow, too")
    group.addoption("--require-libraries", default="", metavar="A,B", help="fail at once where one of them is missing")
    group.addoption("--floor", type=Path, metavar="JSON", help="fail where a library passes fewer tests than in JSON")
    group.addoption("--proof-counts", type=Path, metavar="JSON", help="write how often what was checked of a function")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes seconds; deselected unless --slow or -m names it")
    config.addinivalue_line("markers", "eager(why): runs in the eager backend alone, whatever the others run in")
    config.addinivalue_line("markers", "gpu: needs an NVIDIA GPU and CuPy")
    required = [name.strip() for name in config.getoption("--require-libraries").split(",") if name.strip()]
    unknown = [name for name in required if name not in VARIANTS]
    if unknown:
        raise pytest.UsageError(f"--require-libraries: not known: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    missing = [name for name in required if not installed(VARIANTS[name].module)]
    if missing:
        extras = ",".join(sorted({extra for name in missing if (extra := VARIANTS[name].extra)}))
        advice = f"pip install 'tl-arrayapi[{extras}]'"
        raise pytest.UsageError(f"required libraries are missing: {', '.join(missing)}: {advice}")
    floor = config.getoption("--floor")
    if floor is not None and not floor.is_file():
        raise pytest.UsageError(f"--floor: there is no file {floor}")
    config.pluginmanager.register(Counts(config), "tests-per-library")
    config.pluginmanager.register(Tally(config.getoption("--proof-counts")), "proof-tally")


def _suits(item: pytest.Item) -> bool:
    """Say whether a test has something to say in the backend that it is to run in."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    backend = params.get("backend", params.get("backends", "eager"))
    if backend != "eager" and item.get_closest_marker("eager"):
        return False
    return backend != "fast" or params.get("xp") in ("torch", "jax")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if _suits(item)]
    if config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    slow = {item for item in items if item.get_closest_marker("slow")}
    config.hook.pytest_deselected(items=list(slow))
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(autouse=True, scope="module")
def _memory_given_back() -> Iterator[None]:
    """Let go of what JAX has compiled, some megabytes a function and shape, where it comes to much."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _resident() > _MUCH:
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL("libc.so.6").malloc_trim(0)


_MUCH = 1 << 30


def _resident() -> int:
    """Return the bytes of memory that this process has; 0 where Linux does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.is_file() else 0


# Module scope, because Hypothesis refuses function-scoped arguments; what must be per test is in `_library_mode`.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=variant.marks) for name, variant in VARIANTS.items()])
def xp(request: pytest.FixtureRequest) -> Library:
    """Give one library variant."""
    return load(request.param)


@pytest.fixture(params=["eager", "compiled", pytest.param("fast", marks=pytest.mark.slow)])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have modules run in each backend where a test does not say in which: eagerly, compiled without the compilers of
    PyTorch and JAX, which take seconds, and with them.
    """
    if request.param != "eager":
        # Whoever makes a module, here or in a helper of the tests, takes the defaults.
        monkeypatch.setattr(tl.ScalarModuleDef.instantiate, "__defaults__", (None, "compiled"))
        defaults = {"backend": "compiled", "fast_kernels": request.param == "fast"}
        chosen = tuple(defaults.get(field.name, field.default) for field in dataclasses.fields(tl.Options))
        monkeypatch.setattr(tl.Options.__init__, "__defaults__", chosen)
    return str(request.param)


@pytest.fixture(autouse=True)
def _library_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    callspec = getattr(request.node, "callspec", None)
    name = callspec.params.get("xp") if callspec is not None else None
    if name not in VARIANTS:
        yield
        return
    with mode(name):
        yield
