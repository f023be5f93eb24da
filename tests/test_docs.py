"""What the documents say runs: the code of README and docs/, and the examples of the package's docstrings."""

import ast
import doctest
import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tests.sources import ROOT, modules
from tl_arrayapi.cli import main

# Without these the package works: a block that imports one runs where it is installed.
OPTIONAL = {"cupy", "jax", "torch"}
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<language>python|pycon)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """One fenced block of code, and the line of the document on which its code begins."""

    language: str
    code: str
    line: int

    @property
    def source(self) -> str:
        """The statements alone, without prompts and results."""
        return self.code if self.language == "python" else statements(doctest.DocTestParser().get_examples(self.code))

    def run(self, document: Path, names: dict[str, object]) -> None:
        """Run the code with ``names``, which it may add to; lines in tracebacks are those of the document."""
        if self.language == "python":
            exec(compile("\n" * (self.line - 1) + self.code, str(document), "exec"), names)
            return
        test = doctest.DocTestParser().get_doctest(self.code, {}, document.name, str(document), self.line - 1)
        test.globs = names
        assert_passes(test)


def statements(examples: list[doctest.Example]) -> str:
    return "".join(example.source for example in examples)


def skip_where_it_cannot_run(source: str) -> None:
    """Skip the test where ``source`` imports an optional library that is not installed."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            named.add((node.module or "").partition(".")[0])
    if missing := {name for name in named & OPTIONAL if importlib.util.find_spec(name) is None}:
        pytest.skip(f"{', '.join(sorted(missing))} not installed")


def assert_passes(test: doctest.DocTest) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert not runner.run(test, out=said.append, clear_globs=False).failed, "".join(said)


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["code"], text.count("\n", 0, found.start("code")) + 1)
        for found in FENCE.finditer(text)
    ]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if blocks(d)], ids=name_of)
def test_the_code_of_the_document_runs(document: Path, tmp_path, monkeypatch, subtests):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document):
        with subtests.test(line=block.line):
            skip_where_it_cannot_run(block.source)
            block.run(document, names)


def test_the_readme_and_the_quickstart_have_code():
    assert blocks(ROOT / "README.md")
    assert blocks(ROOT / "docs" / "quickstart.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_the_links_between_documents_lead_somewhere(document: Path):
    targets = [found["target"] for found in LINK.finditer(document.read_text(encoding="utf-8"))]
    dead = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert not dead


@pytest.mark.parametrize("name", [module.name for module in modules() if not module.name.endswith("__main__")])
def test_the_examples_of_the_docstrings_run(name: str, tmp_path, monkeypatch, subtests):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} not installed")
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        if test.examples:
            with subtests.test(name=test.name):
                skip_where_it_cannot_run(statements(test.examples))
                assert_passes(test)


def test_the_command_line_page_names_every_command_and_option():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert not [word for word in words_of(main, "tl-arrayapi") if f"`{word}`" not in page and f"`{word} " not in page]


def words_of(command: click.Command, path: str) -> Iterator[str]:
    """Yield the full names of the commands under ``command``, and their options."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from words_of(inner, f"{path} {name}")
        return
    yield path
    for option in command.params:
        yield option.opts[-1]
