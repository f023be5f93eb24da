"""Plans as files that must be refused, with the place and what to do, and with everything as it was.

Each section's heading is one kind of bad plan; `refused` asserts what all refusals have in common.
"""

import json
import os

import pytest
from click.testing import CliRunner

from tests.hostile.fuzzing import check_message, measured
from tests.hostile.refusals import contents
from tests.hostile.safetensors_files import module
from tl_arrayapi import init
from tl_arrayapi.cli import main
from tl_arrayapi.errors import PlanError, ShapeError

ZEROS = {"scheme": "zeros"}


def document(init_=None, **changes):
    entry = {"name": "w", "shape": [3], "init": ZEROS if init_ is None else init_}
    return {"format": "tl_arrayapi.plan", "version": 1, "parameters": [entry]} | changes


def parameter(**changes):
    return document(parameters=[{"name": "w", "shape": [3], "init": ZEROS} | changes])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.json"


@pytest.fixture
def refused(path):
    """Give what writes a plan, or takes the one that is there, and asserts that it is refused."""

    def check(content, match):
        if isinstance(content, dict):
            content = json.dumps(content)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        before = contents(path.parent)
        with pytest.raises(PlanError, match=match) as caught:
            init.Plan.from_json(path)
        assert str(path) in str(caught.value)
        check_message(str(caught.value))
        command = CliRunner().invoke(main, ["init", str(path), "--hash"], prog_name="tl-arrayapi")
        assert command.exit_code in (1, 2)  # 2 for what is no file
        assert not command.stdout
        check_message(command.stderr.rstrip())
        assert len(command.stderr.splitlines()) == 1
        assert contents(path.parent) == before
        return str(caught.value)

    return check


def test_the_plan_that_the_hostile_ones_are_made_from_is_good(path):
    path.write_text(json.dumps(document()))
    assert init.Plan.from_json(path).to_list() == [init.zeros()]


# ---------------- what is no JSON, or no plan at all
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1, 2", "not JSON"),
        ("{} {}", "not JSON"),
        (b"\xff\xfe{", "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("[]", "not an object"),
        ("3", "not an object"),
        ("[" * 100_000, "nested"),
        ('{"a":' * 100_000, "nested"),
        ('{"format":' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_is_no_json_object(refused, text, message):
    refused(text, message)


@pytest.mark.parametrize("depth", range(900, 1000, 9))
def test_a_shape_nested_about_as_deeply_as_python_s_stack(refused, depth):
    text = json.dumps(parameter(shape="?")).replace('"?"', "[" * depth + "]" * depth)
    refused(text, "nested|shape")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (document(format="safetensors"), "safetensors.* another kind"),
        (document(format=None), "format is None"),
        (document(version=3), "version is 3"),
        (document(version="1"), "version"),
        (document(parameters={}), "not a list"),
        (document(parameters=[3]), r"parameters\[0\] is not an object"),
        ({"format": "tl_arrayapi.plan", "version": 1}, "lacks 'parameters'"),
        (document(parameters=[{"name": "w", "shape": [3]}]), "lacks 'init'"),
        (parameter(name=3), "name is 3"),
        (parameter(name=""), "printable"),
        (parameter(name="\ud800"), "printable"),
        (parameter(name="\x1b[2J"), "printable"),
        (parameter(init=3), "init is not an object"),
        (parameter(init={}), "lacks 'scheme'"),
        (parameter(init={"scheme": 3}), "scheme is 3"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_plan(refused, changed, message):
    refused(changed, message)


# ---------------- 28. duplicate keys
def test_a_key_that_is_there_twice(refused):
    refused('{"format": "tl_arrayapi.plan", "format": "tl_arrayapi.plan"}', "'format' is there twice: keep one")
    text = json.dumps(document({"scheme": "kaiming_uniform", "fan_in": 3}))
    refused(text.replace('"fan_in": 3', '"fan_in": 3, "fan_in": 3'), "'fan_in' is there twice")
    refused(text.replace('"scheme"', '"schem\\u0065": "zeros", "scheme"'), "'scheme' is there twice")


def test_two_parameters_of_one_name(refused):
    one = {"name": "w", "shape": [3], "init": ZEROS}
    refused(document(parameters=[one, one]), "two parameters are called 'w'")


# ---------------- 29. literals NaN and Infinity
@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_lacks(refused, word):
    refused('{"a": ' + word + "}", f"{word} is not a number .* finite")
    refused(json.dumps(document({"scheme": "uniform", "lo": "?", "hi": 1})).replace('"?"', word), word)


# ---------------- 30. true for an integer
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (document(version=True), "version is True"),
        (parameter(shape=[True]), r"shape is \[True\]"),
        (document({"scheme": "uniform", "lo": True, "hi": 2}), "lo is True"),
        (document({"scheme": "uniform", "lo": 0, "hi": 1, "seed": True}), "seed is True"),
        (document({"scheme": "kaiming_uniform", "fan_in": True}), "fan_in is True"),
        (document({"scheme": "flat", "values": [1, True, 2]}), "values is not a list of numbers"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_true_where_a_number_is_expected(refused, changed, message):
    refused(changed, message)


# ---------------- 31. 1e400
@pytest.mark.parametrize("digits", ["1e400", "-1e400", "1" + "0" * 400 + ".0", "1e" + "9" * 5000])
def test_a_float_beyond_what_a_float_can_hold(refused, digits):
    text = json.dumps(document({"scheme": "uniform", "lo": "?", "hi": 1})).replace('"?"', digits)
    refused(text, f"{digits[:10]}.*beyond what a float can hold")


# ---------------- 32. an integer of 10,000 digits
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_ten_thousand_digits(refused, sign):
    for text in (json.dumps(parameter(shape=["?"])), json.dumps(document({"scheme": "flat", "values": ["?"]}))):
        refused(text.replace('"?"', sign + "7" * 10_000), "1000[01] digits: .* 20 at most")


# ---------------- 33. an unknown scheme or a misspelt key: the nearest
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (document({"scheme": "unifrom", "lo": 0, "hi": 1}), "did you mean 'uniform'"),
        (document({"scheme": "xavier_unifrom"}), "did you mean 'xavier_uniform'"),
        (document({"scheme": "?"}), "there are .*zeros"),
        (document({"scheme": "uniform", "low": 0, "hi": 1}), "did you mean 'lo'"),
        (document({"scheme": "uniform", "lo": 0, "hi": 1, "sed": 3}), "did you mean 'seed'"),
        (document({"scheme": "zeros", "seed": 3}), "unknown key 'seed'"),
        (document({"scheme": "uniform", "lo": 0}), "lacks 'hi'"),
        (document({"shceme": "zeros"}), "did you mean 'scheme'"),
        (document(extra=1), "unknown key 'extra'"),
        (document(paramters=[]), "did you mean 'parameters'"),
        (document(parameters=[{"name": "w", "shap": [3], "init": ZEROS}]), "did you mean 'shape'"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_an_unknown_scheme_or_a_misspelt_key(refused, changed, message):
    refused(changed, message)


@pytest.mark.parametrize("text", ["\x1b[2J", "\0", "\u202e", "uniform" * 100_000], ids=lambda text: ascii(text)[:9])
def test_whatever_a_plan_says_messages_are_short_and_printable(refused, text):
    refused(document({"scheme": text}), "scheme")
    refused(document({"scheme": "zeros", text: 1}), "unknown key")
    refused(document(**{text: 1}), "unknown key")
    refused(document(format=text), "format")
    refused(document(version=text), "version")
    refused(parameter(shape=text), "shape")
    refused(parameter(shape=[text, text]), "shape")
    refused(document({"scheme": "kaiming_uniform", "fan_in": text}), "fan_in")
    refused(document({"scheme": "kaiming_uniform", "fan_in": [text] * 3}), "fan_in")
    refused(json.dumps({text: 1})[:-1] + "," + json.dumps({text: 1})[1:], "twice")
    if not text.isprintable():
        refused(parameter(name=text), "printable")


# ---------------- 34. lo >= hi, bounds that are not finite
@pytest.mark.parametrize(("lo", "hi"), [(1, 1), (2, 1), (0.0, -0.0), (1e308, -1e308)])
def test_a_range_that_is_empty_or_reversed(refused, lo, hi):
    refused(document({"scheme": "uniform", "lo": lo, "hi": hi}), "init.*lo < hi")


@pytest.mark.parametrize("bound", ["NaN", "Infinity", "1e999", '"inf"', '"1"', "null", "[1]"])
@pytest.mark.parametrize("key", ["lo", "hi"])
def test_a_bound_that_is_not_finite_or_no_number(refused, key, bound):
    text = json.dumps(document({"scheme": "uniform", "lo": 0, "hi": 1, key: "?"})).replace('"?"', bound)
    refused(text, "number|beyond")


def test_a_deviation_that_is_negative(refused):
    refused(document({"scheme": "normal", "mean": 0, "std": -1}), "init.*deviation")


# ---------------- 35. a fan that is 0, negative or overflows; Xavier of a vector
@pytest.mark.parametrize("fan", [0, -1, 2**53 + 1, 2**60, 10**19])
@pytest.mark.parametrize(
    ("scheme", "key"), [("xavier_uniform", "fan_in"), ("xavier_uniform", "fan_out"), ("kaiming_uniform", "fan_in")]
)
def test_a_fan_that_is_none(refused, scheme, key, fan):
    fans = {"fan_in": 3, "fan_out": 3} if scheme == "xavier_uniform" else {}
    refused(document({"scheme": scheme} | fans | {key: fan}), f"init.*{key}")


@pytest.mark.parametrize("fan", [0, -1, 2**60])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_the_other_fan_that_is_none(refused, mode, fan):
    refused(document({"scheme": "kaiming_normal", "fan_in": 3, "mode": mode, "fan_out": fan}), "init.*fan_out")


def test_fans_whose_sum_overflows_are_refused_and_a_vector_has_none():
    with pytest.raises(PlanError, match="fan"):
        init.xavier_uniform(2**53, 2**64)
    with pytest.raises(ShapeError, match=r"shape \(3,\) has no fans"):
        init.xavier_for((3,))


@pytest.mark.parametrize("shape", [3, "3", [1.0], [-1], [2**64], [None], [[3]], [2**53, 2], {"0": 3}], ids=str)
def test_a_shape_that_is_none(refused, shape):
    refused(parameter(shape=shape), "shape")


@pytest.mark.parametrize("rank", [65, 10_000])
def test_a_shape_of_more_dimensions_than_arrays_have(refused, rank):
    refused(parameter(shape=[1] * rank), f"{rank} dimensions .* at most 64")


# ---------------- 36. a seed outside [0, 2^64)
@pytest.mark.parametrize("seed", [-1, 2**64, 10**20 - 1, -(2**64), 1.0, 1.5, "1", None, [1]])
@pytest.mark.parametrize(
    "scheme", [{"scheme": "uniform", "lo": 0, "hi": 1}, {"scheme": "kaiming_uniform", "fan_in": 3}], ids=str
)
def test_a_seed_outside_of_64_bits_or_no_integer(refused, scheme, seed):
    refused(document(scheme | {"seed": seed}), "seed")


# ---------------- 37. one initialiser too few, one too many
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_plan_for_fewer_or_more_parameters_than_the_module_has(path, count):
    made = module()
    shapes = [(2, 2), (2,), (2,)][:count]
    init.Plan(shapes, [init.ones()] * count, [f"p{i}" for i in range(count)]).to_json(path)
    before = [p.tobytes() for p in made.params]
    with pytest.raises(PlanError, match=f"the plan has {count} shapes, the module 2"):
        init.Plan.from_json(path).apply(made)
    with pytest.raises(
        PlanError, match=f"{'longer' if count > 2 else 'shorter'} than the parameter list: {count} for 2"
    ):
        init.Plan([(2, 2), (2,)], [init.ones()] * count)
    assert [p.tobytes() for p in made.params] == before


# ---------------- 38. a flat payload of the wrong length
@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 4])
def test_a_flat_payload_of_the_wrong_length(refused, values):
    refused(document({"scheme": "flat", "values": values}), f"'w'.*{len(values)} value")


@pytest.mark.parametrize("values", [3, "123", [1, "2", 3], [[1, 2, 3]], {"0": 1}, None])
def test_a_flat_payload_that_is_none(refused, values):
    refused(document({"scheme": "flat", "values": values}), "values is not a list")


# ---------------- files that are none
def test_a_folder_or_a_link_that_leads_nowhere(path, refused):
    path.mkdir()
    refused(None, "give the path of a plan")
    path.rmdir()
    for target in (path.parent / "nowhere", path, "/dev/zero"):
        path.symlink_to(target)
        refused(None, "give the path of a plan|not a path of a plan")
        path.unlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_without_waiting_for_a_writer(path, refused):
    os.mkfifo(path)
    refused(None, "give the path of a plan")


@pytest.mark.parametrize("bad", [None, 3, "", "a\0b", object()])
def test_what_is_no_path(bad):
    with pytest.raises(PlanError):
        init.Plan.from_json(bad)


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\u202e"], ids=ascii)
def test_a_path_with_escape_codes_is_shown_without_them(tmp_path, name):
    for text in (None, "[", "[]", "[" * 100_000):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(PlanError) as caught:
            init.Plan.from_json(tmp_path / name)
        check_message(str(caught.value))


# ---------------- however large, however many there are
def test_a_file_over_the_bound(path):
    with open(path, "wb") as sparse:  # it takes no room
        sparse.truncate(100_000_001)
    with pytest.raises(PlanError, match="has 100000001 bytes, and a plan at most 100000000"):
        init.Plan.from_json(path)


def test_many_parameters_and_keys_take_no_more_than_linear_time(path):
    many = [{"name": f"w{i}", "shape": [0], "init": ZEROS} for i in range(10_000)]
    path.write_text(json.dumps(document(parameters=many)))
    with measured(path.stat().st_size, traced=False):
        assert len(init.Plan.from_json(path)) == len(many)
    twice = json.dumps(document(parameters=[*many, many[-1]]))
    keys = "{" + ",".join(f'"{i}":1' for i in [*range(20_000), 19_999]) + "}"
    for text, match in [(twice, "'w9999'"), (keys, "'19999' is there twice")]:
        path.write_text(text)
        with measured(len(text), traced=False), pytest.raises(PlanError, match=match):
            init.Plan.from_json(path)
