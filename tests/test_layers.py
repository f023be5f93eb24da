"""The package's shape: who may import whom, what importing the package loads, and what it shows in public."""

import importlib
import inspect
import json
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.sources import PACKAGE, Module, modules

# From the lowest to the highest: a module imports from its own layer and those below it.
LAYERS = [
    {"errors"},
    {"init"},
    {"graph"},
    {"backends"},
    {"autograd"},
    {
        "casts",
        "checkpoints",
        "definition",
        "differences",
        "inputs",
        "nn",
        "optim",
        "options",
        "parameters",
        "random",
        "report",
        "schedules",
        "storage",
        "train",
    },
    {"runners"},
    {"module"},
    {"distributed"},
    {"cli"},
    {"", "__main__"},
]
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}

# What a function may import from above, when it is called.
UPWARD = {("init", "backends"), ("module", "distributed")}

LIBRARIES = {"array_api_strict", "cupy", "cupyx", "dask", "jax", "ndonnx", "numpy", "scipy", "sparse", "torch"}
MAY_NAME_LIBRARIES = {"backends", "distributed"}

MODULES = modules()
FACES = ["", ".init", ".backends", ".optim", ".schedules", ".random", ".distributed", ".nn"]
PUBLIC = [PACKAGE + face for face in FACES if any(module.name == PACKAGE + face for module in MODULES)]

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def part_of(name: str) -> str:
    return name.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


@each_module
def test_every_module_belongs_to_a_layer(module: Module):
    assert module.part in HEIGHT


@each_module
def test_imports_run_one_way(module: Module):
    upward = [
        f"line {found.line}: {found.module}"
        for found in module.imports
        if found.module.partition(".")[0] == PACKAGE
        and HEIGHT[part_of(found.module)] > HEIGHT[module.part]
        and not (found.deferred and (module.part, part_of(found.module)) in UPWARD)
    ]
    assert not upward


def test_no_module_needs_itself_to_be_imported():
    names = {module.name for module in MODULES}
    needs = {m.name: names & {found.module for found in m.imports if not found.deferred} for m in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for needed in sorted(needs[name]):
                visit(needed, (*path, name))
            done.add(name)

    for name in needs:
        visit(name, ())


@each_module
def test_array_libraries_are_named_only_where_they_may_be(module: Module):
    named = [f"line {i.line}: {i.module}" for i in module.imports if i.module.partition(".")[0] in LIBRARIES]
    assert module.part in MAY_NAME_LIBRARIES or not named


@each_module
def test_only_the_registry_loads_a_concrete_backend(module: Module):
    shared = {
        f"{PACKAGE}.backends",
        *(
            f"{PACKAGE}.backends.{name}"
            for name in ("base", "host", "kernels", "plugins", "portable", "program", "registry", "special")
        ),
    }
    own = ".".join(module.name.split(".")[:3])
    concrete = [
        f"line {found.line}: {found.module}"
        for found in module.imports
        if found.module.startswith(f"{PACKAGE}.backends.")
        and ".".join(found.module.split(".")[:3]) not in {own, *shared}
        and module.name != f"{PACKAGE}.backends.registry"
    ]
    assert not concrete


@each_module
def test_all_lists_exactly_what_the_module_defines(module: Module):
    exported = module.exported
    if exported is None:
        # An empty face, or a script, shows nothing.
        assert not module.defined
        return
    assert sorted(name for name in exported if not name.startswith("__")) == sorted(module.defined)


def test_importing_the_package_loads_numpy_and_array_api_compat_alone():
    code = (
        "import sys; before = set(sys.modules)\n"
        f"import {PACKAGE}, json\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(json.dumps(sorted(name for name in new if not name.startswith('_sysconfigdata'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["array_api_compat", "numpy", PACKAGE]


def test_importing_the_package_does_not_look_for_plug_ins():
    # Reading the metadata of all that is installed takes longer than the whole import: it waits for the first question.
    code = f"import sys, {PACKAGE}; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def public(face: str) -> list[tuple[str, object]]:
    shown = importlib.import_module(face)
    return [(name, getattr(shown, name)) for name in getattr(shown, "__all__", ())]


@pytest.mark.parametrize("face", PUBLIC)
def test_every_public_name_explains_itself_with_an_example(face: str):
    silent = []
    for name, value in public(face):
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        if inspect.isclass(value) and issubclass(value, BaseException):
            continue
        if ">>> " not in (inspect.getdoc(value) or ""):
            silent.append(name)
    assert not silent


@pytest.mark.parametrize("face", PUBLIC)
def test_every_public_method_has_a_docstring(face: str):
    silent = [
        f"{name}.{attribute}"
        for name, value in public(face)
        if inspect.isclass(value) and value.__module__.startswith(PACKAGE)
        for attribute, member in vars(value).items()
        if not attribute.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod))
        and not inspect.getdoc(getattr(value, attribute))
    ]
    assert not silent


def test_layers_are_distinct():
    for lower, higher in pairwise(LAYERS):
        assert not lower & higher
