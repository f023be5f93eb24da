"""What the package's source says, read without importing it: its modules, what they import and what they define."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

__all__ = ["PACKAGE", "ROOT", "Import", "Module", "modules"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tl_arrayapi"


@dataclass(frozen=True)
class Import:
    """One imported module; ``deferred`` where the statement stands inside a function."""

    module: str
    line: int
    deferred: bool


@dataclass(frozen=True)
class Module:
    """One source file of the package, under its dotted name."""

    name: str
    path: Path

    @property
    def is_face(self) -> bool:
        """Whether the file is an ``__init__``: it hands on names, and defines none."""
        return self.path.name == "__init__.py"

    @property
    def part(self) -> str:
        """The module or subpackage of the package's top level that this file is in; "" for the top level itself."""
        return self.name.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """Every import statement of the file; `from package import submodule` counts as the submodule."""
        return list(self._imports(self.tree, deferred=False))

    def _imports(self, node: ast.AST, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, deferred)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    whole = f"{child.module}.{alias.name}"
                    yield Import(whole if whole in _paths() else child.module or "", child.lineno, deferred)
            else:
                inside = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from self._imports(child, inside)

    @cached_property
    def defined(self) -> set[str]:
        """The public names that the file's top level defines or assigns, or, in a face, imports from the package."""
        found: set[str] = set()
        for node in self.tree.body:
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                    found.add(name)
                case ast.Assign(targets=targets):
                    found.update(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
                case ast.ImportFrom(module=module, names=names) if self.is_face and (module or "").startswith(PACKAGE):
                    found.update(alias.asname or alias.name for alias in names)
        return {name for name in found if not name.startswith("_")}

    @cached_property
    def exported(self) -> list[str] | None:
        """The names in ``__all__``, or None where the file has none."""
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                    return list(ast.literal_eval(value))
        return None


def modules() -> list[Module]:
    """Return every module of the package, in the order of their names."""
    return [Module(name, path) for name, path in sorted(_paths().items())]


@cache
def _paths() -> dict[str, Path]:
    found = {}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found
