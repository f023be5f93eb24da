"""The published JSON Schema: what the functions take, what plans are written as, and what is refused."""

import json
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.plan_files import mutated
from tests.init.test_plan_json import document, schemes
from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init import plan_schema
from tl_arrayapi.init.schemes import MAKERS

VALIDATOR = jsonschema.Draft202012Validator(init.Plan.json_schema())


def test_the_file_is_what_the_functions_take():
    file = files("tl_arrayapi.init").joinpath("plan.schema.json")
    assert file.read_text() == plan_schema.made(), f"write what plan_schema.made() returns to {file}"


def test_it_is_a_schema_and_each_caller_gets_one_of_its_own():
    jsonschema.Draft202012Validator.check_schema(init.Plan.json_schema())
    init.Plan.json_schema().clear()
    assert set(init.Plan.json_schema()["$defs"]) == set(MAKERS)


@given(inits=st.lists(schemes, max_size=4))
@settings(deadline=None, max_examples=30)
def test_what_is_written_keeps_to_it(tmp_path_factory, inits):
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    init.Plan([(3,)] * len(inits), inits).to_json(path)
    VALIDATOR.validate(json.loads(path.read_text()))


def test_what_is_read_keeps_to_it(tmp_path):
    read = 0
    for seed in range(120):
        raw, path = mutated(seed), tmp_path / "plan.json"
        path.write_bytes(raw)
        try:
            init.Plan.from_json(path)
        except PlanError:
            continue
        VALIDATOR.validate(json.loads(raw))
        read += 1
    assert read > 5


def test_version_1_keeps_to_it():
    VALIDATOR.validate(document({"scheme": "uniform", "lo": -1, "hi": 1}, version=1))


@pytest.mark.parametrize(
    "init_",
    [
        {},
        {"scheme": "unifrom", "lo": 0, "hi": 1},
        {"scheme": "uniform", "lo": 0},
        {"scheme": "uniform", "lo": 0, "hi": 1, "sed": 3},
        {"scheme": "uniform", "lo": True, "hi": 2},
        {"scheme": "uniform", "lo": 0, "hi": 1, "seed": 2**64},
        {"scheme": "uniform", "lo": 0, "hi": 1, "seed": -1},
        {"scheme": "zeros", "seed": 3},
        {"scheme": "kaiming_uniform", "fan_in": 0},
        {"scheme": "kaiming_uniform", "fan_in": 3, "mode": "fan_on"},
        {"scheme": "xavier_normal", "fan_in": 3, "fan_out": 3, "gain": 0},
        {"scheme": "normal", "mean": 0, "std": -1},
        {"scheme": "flat", "values": [1, "2", 3]},
    ],
    ids=str,
)
def test_it_refuses_what_the_reader_refuses(init_):
    assert not VALIDATOR.is_valid(document(init_))


@pytest.mark.parametrize("shape", [3, [-1], [2**63], [1.5], [True], [None], [1] * 65], ids=str)
def test_it_refuses_what_is_no_shape(shape):
    assert not VALIDATOR.is_valid(document(parameters=[document()["parameters"][0] | {"shape": shape}]))


@pytest.mark.parametrize(
    "changes", [{"version": 3}, {"version": "1"}, {"format": "plan"}, {"parameters": {}}, {"extra": 1}], ids=str
)
def test_it_refuses_other_documents(changes):
    assert VALIDATOR.is_valid(document())
    assert not VALIDATOR.is_valid(document(**changes))
