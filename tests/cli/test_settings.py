"""The settings of a run, as words of a command line and as a file."""

import dataclasses
import json

import pytest

from tl_arrayapi.cli.commands import digits
from tl_arrayapi.cli.settings import FIXED, Settings
from tl_arrayapi.errors import CheckpointError

UNUSUAL = Settings(
    namespace="torch",
    device="cpu",
    dtype="float64",
    backend="compiled",
    seed=7,
    steps=11,
    batch_size=5,
    optimizer="sgd",
    lr=0.1,
)


def test_defaults_need_no_words():
    assert Settings().options == []


def test_the_words_are_options_of_the_command_and_give_the_settings_again():
    context = digits.make_context("digits", UNUSUAL.options)
    names = [field.name for field in dataclasses.fields(Settings)]
    assert Settings(**{name: context.params[name] for name in names}) == UNUSUAL


def test_words_are_quoted_for_the_shell():
    assert Settings(device="a b").options == ["--device", "'a b'"]


def test_every_setting_is_an_option_with_the_same_default():
    options = {option.name: option.default for option in digits.params}
    for field in dataclasses.fields(Settings):
        # Click has a mark of its own for an option without a default.
        assert options[field.name] == field.default or field.default is None


def test_a_file_gives_the_settings_again():
    assert Settings.from_json(UNUSUAL.to_json()) == UNUSUAL
    assert Settings.from_json(Settings().to_json()) == Settings()


def changed(**changes):
    return json.dumps(dataclasses.asdict(Settings()) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        changed(seed="0"),
        changed(seed=True),
        changed(lr=None),
        changed(extra=1),
        changed(steps=1.5),
    ],
)
def test_another_file_is_refused(text):
    with pytest.raises(CheckpointError, match="the settings"):
        Settings.from_json(text)


def test_what_changes_the_sequence_of_steps_is_fixed():
    assert set(FIXED) == {field.name for field in dataclasses.fields(Settings)} - {
        "namespace",
        "device",
        "backend",
        "steps",
    }
