"""Errors of the command line: one line on standard error, and an exit status."""

import click
import pytest
from click.testing import CliRunner, Result

from tl_arrayapi.cli.group import Group
from tl_arrayapi.errors import MissingLibraryError, ShapeError


@click.group(cls=Group)
def tool() -> None:
    """A tool."""


@tool.command()
@click.option("--count", type=click.IntRange(1))
@click.option("--kind", type=click.Choice(["a", "b"]))
@click.option("--raises", type=click.UNPROCESSED, default=None)
def paint(count, kind, raises):
    if raises is not None:
        raise raises
    click.echo("painted")


@tool.group()
def inner() -> None:
    """A group in the group."""


@inner.command()
def leaf() -> None:
    click.echo("leaf")


def call(*words: str) -> Result:
    return CliRunner().invoke(tool, list(words), prog_name="tool")


def failing(error: BaseException) -> Result:
    return CliRunner().invoke(tool, ["paint"], default_map={"paint": {"raises": error}}, prog_name="tool")


def test_a_command_that_works_exits_0():
    result = call("paint")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "painted\n", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Missing command"),
        (("paint", "--count", "0"), "--count"),
        (("paint", "--count", "many"), "--count"),
        (("paint", "--kind", "c"), "'a', 'b'"),
        (("paint", "--cuont", "3"), "--count"),
        (("paint", "extra"), "extra"),
        (("paint", "--count"), "--count"),
        (("inner",), "Missing command"),
        (("--nothing",), "--nothing"),
    ],
)
def test_bad_usage_exits_2_with_one_line_that_names_the_culprit_and_the_help(words, says):
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert "--help)" in line


def test_an_unknown_command_suggests_the_nearest():
    result = call("piant")
    assert result.exit_code == 2
    assert result.stderr == "error: there is no command 'piant': did you mean 'paint'? (see tool --help)\n"


def test_an_unknown_command_of_an_inner_group_suggests_the_nearest():
    assert "did you mean 'leaf'?" in call("inner", "laef").stderr


def test_a_command_like_no_other_lists_them_all():
    assert "choose one of inner, paint" in call("zzz").stderr


@pytest.mark.parametrize("error", [ShapeError("a shape\nis wrong"), MissingLibraryError("a shape\nis wrong")])
def test_our_exceptions_exit_1_with_one_line(error):
    result = failing(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: a shape is wrong\n")


def test_a_failed_promise_exits_1_with_one_line():
    result = failing(click.ClickException("not good enough"))
    assert (result.exit_code, result.stderr) == (1, "error: not good enough\n")


def test_an_interruption_exits_130():
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr.strip() == "error: interrupted"


def test_a_mistake_of_ours_keeps_its_traceback():
    assert isinstance(failing(ZeroDivisionError()).exception, ZeroDivisionError)


def test_without_standalone_mode_exceptions_come_through():
    with pytest.raises(click.UsageError):
        tool.main(["nothing"], standalone_mode=False)
