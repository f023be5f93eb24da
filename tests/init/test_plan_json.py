"""Plans as files: an exact round trip, replaced at once, and refused where they are not plans."""

import json
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init import json_file
from tl_arrayapi.init.schemes import MAKERS

finite = st.floats(allow_nan=False, allow_infinity=False)
seeds = st.integers(0, 2**64 - 1)
fans = st.integers(1, 2**53)
gains = st.floats(1e-3, 1e3)
schemes = st.one_of(
    st.just(init.zeros()),
    st.just(init.ones()),
    st.builds(lambda lo, seed: init.uniform(lo, math.nextafter(lo, math.inf), seed), st.floats(-1e300, 1e300), seeds),
    st.builds(init.constant, finite),
    st.builds(init.xavier_uniform, fans, fans, seeds, gains),
    st.builds(init.xavier_normal, fans, fans, seeds, gains),
    st.builds(init.kaiming_uniform, fans, seeds, gains, st.sampled_from(["fan_in", "fan_out"]), fans),
    st.builds(init.kaiming_normal, fans, seeds, gains),
    st.builds(init.normal, st.floats(-1e300, 1e300), st.floats(0, 1e300), seeds),
    st.builds(init.truncated_normal, st.just(0.0), st.floats(0.5, 2), st.floats(-3, -1), st.floats(1, 3), seeds),
    st.builds(init.flat, st.lists(finite, min_size=3, max_size=3)),
)


def document(init_=None, **changes):
    entry = {"name": "w", "shape": [3], "init": {"scheme": "zeros"} if init_ is None else init_}
    return {"format": "tl_arrayapi.plan", "version": 2, "parameters": [entry]} | changes


def read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return init.Plan.from_json(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.json"


# ---------------------------------------------------------------- there and back
@given(inits=st.lists(schemes, max_size=4))
@settings(deadline=None)
def test_a_plan_reads_back_as_it_was_written(tmp_path_factory, inits):
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    plan = init.Plan([(3,)] * len(inits), inits)
    plan.to_json(path)
    assert init.Plan.from_json(str(path)) == plan


def test_floats_and_seeds_are_kept_exactly(path):
    plan = init.Plan(
        [(4,), (2, 3)], [init.flat([0.1, 1e-300, -0.0, 5e-324]), init.xavier_for((2, 3), 2**64 - 1)], ["a", "ß"]
    )
    plan.to_json(path)
    again = init.Plan.from_json(path)
    assert again == plan
    assert again.digest(dtype="float64") == plan.digest(dtype="float64")


def test_the_file_is_the_documented_one(path):
    init.Plan([(3,)], [init.uniform(-1, 1, seed=9)], ["w"]).to_json(path)
    assert json.loads(path.read_text()) == document({"scheme": "uniform", "lo": -1.0, "hi": 1.0, "seed": 9})


def test_what_version_1_wrote_is_read(path):
    written = {
        '{"scheme": "zeros"}': init.zeros(),
        '{"scheme": "ones"}': init.ones(),
        '{"scheme": "uniform", "lo": -1.0, "hi": 2.0, "seed": 18446744073709551615}': init.uniform(-1, 2, 2**64 - 1),
        '{"scheme": "xavier_uniform", "fan_in": 3, "fan_out": 4, "seed": 1}': init.xavier_uniform(3, 4, 1),
        '{"scheme": "kaiming_uniform", "fan_in": 3, "seed": 9}': init.kaiming_uniform(3, seed=9),
        '{"scheme": "normal", "mean": 0.5, "std": 0.0, "seed": 2}': init.normal(0.5, 0, seed=2),
        '{"scheme": "flat", "values": [0.1, -0.0, 5e-324]}': init.flat([0.1, -0.0, 5e-324]),
    }
    entries = [{"name": f"p{i}", "shape": [3], "init": json.loads(text)} for i, text in enumerate(written)]
    plan = read(path, json.dumps(document(version=1, parameters=entries)))
    assert plan == init.Plan([(3,)] * 7, written.values(), [f"p{i}" for i in range(7)])


def test_a_square_of_its_own_scheme_is_kept(path):
    plan = init.Plan([(3, 3), (3, 3)], [init.eye(), init.orthogonal(gain=0.5, seed=2**63)])
    plan.to_json(path)
    assert init.Plan.from_json(path) == plan


def test_settings_that_have_a_default_may_be_left_out_and_integers_stand_for_floats(path):
    plan = read(path, json.dumps(document({"scheme": "uniform", "lo": -1, "hi": 1})))
    assert plan.to_list() == [init.uniform(-1.0, 1.0, seed=0)]


# ---------------------------------------------------------------- writing
def test_a_write_that_fails_leaves_the_old_file_and_no_other(path, monkeypatch):
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PlanError, match="disk full"):
        init.Plan([(2,)], [init.ones()]).to_json(path)
    assert [p.name for p in path.parent.iterdir()] == ["plan.json"]
    assert path.read_text() == "old"


def test_a_plan_that_would_not_be_read_is_not_written(path, monkeypatch):
    plan = init.Plan([(100,)], [init.flat([0.1] * 100)])
    plan.to_json(path)
    monkeypatch.setattr(json_file, "_MOST_BYTES", path.stat().st_size - 1)
    path.write_text("old")
    with pytest.raises(PlanError, match="checkpoint"):
        plan.to_json(path)
    assert path.read_text() == "old"


def test_a_file_is_flushed_to_the_disk_before_it_takes_the_old_one_s_place(path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("replace"), replace(*names))[1])
    init.Plan([(2,)], [init.ones()]).to_json(path)
    assert done[:2] == ["fsync", "replace"]
    assert [p.name for p in path.parent.iterdir()] == ["plan.json"]


def test_a_link_stays_one_and_its_file_keeps_its_mode(tmp_path):
    file, link = tmp_path / "file.json", tmp_path / "link.json"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    plan = init.Plan([(2,)], [init.ones()])
    plan.to_json(link)
    assert link.is_symlink()
    assert init.Plan.from_json(file) == plan
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_folder_or_a_missing_folder_is_no_place_for_a_plan(tmp_path):
    plan = init.Plan([(2,)], [init.ones()])
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "missing" / "plan.json", dangling):
        with pytest.raises(PlanError, match=r"plan"):
            plan.to_json(path)
    assert list(tmp_path.iterdir()) == [dangling]


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("init_", "message"),
    [
        ({"scheme": "xavier_uniform", "fan_in": 3, "fan_out": 3, "gain": "relu"}, "gain is 'relu', not a number"),
        ({"scheme": "xavier_uniform", "fan_in": 3, "fan_out": 3, "gain": 0}, "gain"),
        ({"scheme": "kaiming_normal", "fan_in": 3, "mode": "fan_on"}, "mode is 'fan_on', not one of fan_in, fan_out"),
        ({"scheme": "kaiming_normal", "fan_in": 3, "mode": []}, "mode is"),
        ({"scheme": "kaiming_normal", "fan_in": 3, "mode": "fan_out"}, "fan_out"),
        ({"scheme": "kaiming_normal", "fan_in": 3, "fan_out": None}, "fan_out is None"),
        ({"scheme": "eye"}, "'w'"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_a_setting_of_another_kind_is_refused(path, init_, message):
    with pytest.raises(PlanError, match=message):
        read(path, json.dumps(document(init_)))


@pytest.mark.parametrize("version", [0, 3, -1])
def test_a_version_that_is_not_known_is_refused(path, version):
    with pytest.raises(PlanError, match=f"version is {version}, and this library reads 1 and 2"):
        read(path, json.dumps(document(version=version)))


def kinds(kind):
    """Yield the classes of initialisers below ``kind``, those with a name."""
    for found in kind.__subclasses__():
        yield from [found.name] if hasattr(found, "name") else kinds(found)


def test_every_initialiser_can_be_written():
    assert set(MAKERS) == set(kinds(init.FloatInit))
