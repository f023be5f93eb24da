"""Checkpoints of several files: an index that is replaced by one rename, and shards that nobody else names."""

import json
import os

import numpy as np
import pytest

from tests.storage.common import EIGHT, entry, refused, same, write
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load, reading, save
from tl_arrayapi.storage.index import MAX_SHARDS

TENSORS = {"a": np.arange(4.0), "b": np.arange(8, dtype="float32"), "c": np.arange(40.0), "d": np.asarray(True)}


@pytest.fixture
def index(tmp_path):
    """Give the path of an index, of three shards."""
    path = tmp_path / "m.safetensors.index.json"
    save(path, TENSORS, {"step": "3"}, shard_size=64)
    return path


def shards(path):
    return sorted(name for name in os.listdir(path.parent) if name != path.name)


def same_tensors(found, wanted):
    return list(found) == list(wanted) and all(same(found[name], np.asarray(x)) for name, x in wanted.items())


# ---------------------------------------------------------------- what is written
def test_tensors_come_back_from_shards_in_their_order(index):
    found, metadata = load(index)
    assert same_tensors(found, TENSORS)
    assert metadata == {"step": "3"}


def test_a_shard_holds_as_many_bytes_as_asked_for_and_a_larger_tensor_is_alone(index):
    written = json.loads(index.read_text())
    held = [[name for name, file in written["weight_map"].items() if file == shard] for shard in shards(index)]
    assert held == [["a", "b"], ["c"], ["d"]]
    assert written["metadata"]["total_size"] == sum(np.asarray(x).nbytes for x in TENSORS.values())
    assert all(name.startswith("m-") and name.endswith(".safetensors") for name in shards(index))
    assert [name[-26:-12] for name in shards(index)] == ["00001-of-00003", "00002-of-00003", "00003-of-00003"]


def test_the_safetensors_library_reads_every_shard(index):
    safetensors = pytest.importorskip("safetensors.numpy")
    found = {name: x for shard in shards(index) for name, x in safetensors.load_file(index.parent / shard).items()}
    assert all(np.array_equal(found[name], x) for name, x in TENSORS.items())


def test_no_tensor_makes_an_index_without_shards(tmp_path):
    save(tmp_path / "m", {}, {"k": "v"}, shard_size=8)
    assert load(tmp_path / "m") == ({}, {"k": "v"})


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "2GB"])
def test_a_shard_size_that_is_no_number_of_bytes_is_refused(tmp_path, size):
    with pytest.raises(CheckpointError, match="shard_size is a number of bytes"):
        save(tmp_path / "m", TENSORS, shard_size=size)
    assert not os.listdir(tmp_path)


def test_more_shards_than_are_read_are_not_written(tmp_path):
    many = {f"w{i}": np.zeros(1) for i in range(MAX_SHARDS + 1)}
    with pytest.raises(CheckpointError, match=f"makes {MAX_SHARDS + 1} files, and at most {MAX_SHARDS}"):
        save(tmp_path / "m", many, shard_size=8)
    assert not os.listdir(tmp_path)


# ---------------------------------------------------------------- one replaces another
@pytest.mark.parametrize("size", [None, 64, 1000])
def test_either_form_replaces_the_other_and_the_old_shards_go(index, size):
    old = shards(index)
    save(index, {"w": np.ones(3)}, shard_size=size)
    assert same_tensors(load(index)[0], {"w": np.ones(3)})
    assert len(shards(index)) == (size is not None)
    assert not set(old) & set(shards(index))


def test_an_index_replaces_a_single_file(tmp_path):
    save(tmp_path / "m", TENSORS)
    save(tmp_path / "m", TENSORS, shard_size=64)
    assert same_tensors(load(tmp_path / "m")[0], TENSORS)


def test_only_shards_that_the_replaced_index_named_are_removed(index):
    other = index.with_name("n.safetensors.index.json")
    save(other, TENSORS, shard_size=64)
    copied = index.with_name("copy-" + shards(index)[0])
    copied.write_bytes(b"mine")
    save(index, {"w": np.ones(3)})
    assert same_tensors(load(other)[0], TENSORS)
    assert copied.read_bytes() == b"mine"


def test_shards_that_another_program_wrote_are_left(tmp_path):
    path, shard = tmp_path / "m.json", tmp_path / "model-00001-of-00001.safetensors"
    write(shard, {"w": entry()}, EIGHT)
    path.write_text(json.dumps({"metadata": {"total_size": 8}, "weight_map": {"w": shard.name}}))
    save(path, {"w": np.ones(3)})
    assert shard.exists()


def test_what_a_process_that_died_after_the_rename_left_is_removed_by_the_next_save(index, monkeypatch):
    old = shards(index)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda path: pytest.exit("killed"))
        with pytest.raises(pytest.exit.Exception):
            save(index, {"w": np.ones(3)}, shard_size=64)
    assert same_tensors(load(index)[0], {"w": np.ones(3)})
    assert set(old) < set(shards(index))
    save(index, {"w": np.zeros(3)})
    assert shards(index) == []
    assert same_tensors(load(index)[0], {"w": np.zeros(3)})


def test_a_save_that_fails_leaves_no_shard(index, monkeypatch):
    before = {name: (index.parent / name).read_bytes() for name in os.listdir(index.parent)}
    with pytest.raises(CheckpointError, match="NaN"):
        save(index, {**TENSORS, "z": np.asarray([np.nan])}, shard_size=64)
    assert {name: (index.parent / name).read_bytes() for name in os.listdir(index.parent)} == before


def test_shards_have_the_permissions_of_the_file_that_is_replaced(index):
    index.chmod(0o640)
    save(index, TENSORS, shard_size=64)
    assert {os.stat(index.parent / name).st_mode & 0o777 for name in os.listdir(index.parent)} == {0o640}


def test_a_checkpoint_that_is_replaced_while_it_is_opened_is_read_as_the_new_one(index, monkeypatch):
    real = reading._shard
    saved = []

    def slow(*args):
        if not saved:
            saved.append(True)
            save(index, {"w": np.ones(3)}, shard_size=64)
        return real(*args)

    monkeypatch.setattr(reading, "_shard", slow)
    assert same_tensors(load(index)[0], {"w": np.ones(3)})


# ---------------------------------------------------------------- what is read
def test_an_index_as_hugging_face_writes_it_is_read(tmp_path):
    write(tmp_path / "model-00001-of-00002.safetensors", {"__metadata__": {"format": "pt"}, "w": entry()}, EIGHT)
    write(tmp_path / "model-00002-of-00002.safetensors", {"b": entry()}, EIGHT)
    weight_map = {"b": "model-00002-of-00002.safetensors", "w": "model-00001-of-00002.safetensors"}
    path = tmp_path / "model.safetensors.index.json"
    metadata = {"total_size": 16.0, "total_parameters": 4, "note": "n", "tied": None, "sorted": True}
    path.write_text(json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2))
    found, texts = load(path)
    assert same_tensors(found, {"b": np.zeros(2, "float32"), "w": np.zeros(2, "float32")})
    assert texts == {"note": "n"}
    path.write_text(json.dumps({"weight_map": weight_map}))
    assert list(load(path)[0]) == ["b", "w"]


def changed(index, change):
    written = json.loads(index.read_text())
    change(written)
    index.write_text(json.dumps(written, indent=2) + "\n")


@pytest.mark.parametrize(
    "name",
    ["../m.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "a\\b", "c:x", "x\0", "\x1b[2J", "x" * 256],
)
def test_a_shard_anywhere_but_in_the_folder_is_refused(index, name):
    changed(index, lambda written: written["weight_map"].update(a=name))
    refused(index, "one in its own folder is expected")


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(index, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "x.safetensors"
    (index.parent / shards(index)[0]).rename(outside)
    (index.parent / json.loads(index.read_text())["weight_map"]["a"]).symlink_to(outside)
    refused(index, "is a link that leads out of the folder")


def test_a_folder_that_is_a_link_is_read_through(index, tmp_path_factory):
    link = tmp_path_factory.mktemp("outside") / "link"
    link.symlink_to(index.parent)
    assert same_tensors(load(link / index.name)[0], TENSORS)


def test_a_missing_shard_is_named(index):
    gone = shards(index)[1]
    (index.parent / gone).unlink()
    refused(index, f"{gone}, which is missing")


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_a_shard_that_is_no_regular_file_is_refused(index, kind):
    place = index.parent / shards(index)[0]
    place.unlink()
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    refused(index, "not a regular file")


def test_a_damaged_shard_is_named(index):
    shard = index.parent / shards(index)[1]
    raw = bytearray(shard.read_bytes())
    raw[-1] ^= 1
    shard.write_bytes(raw)
    refused(index, f"digest does not match: {shard.name}")


def test_a_shard_with_a_hostile_header_is_named(index):
    shard = index.parent / shards(index)[1]
    shard.write_bytes(b"PK\x03\x04" + bytes(20))
    refused(index, f"{shard.name}: .*zip archive")


def test_a_shard_of_another_save_of_the_same_tensors_is_refused(index):
    other = index.with_name("other.index.json")
    save(other, {**TENSORS, "a": np.ones(4)}, {"step": "3"}, shard_size=64)
    (index.parent / json.loads(other.read_text())["weight_map"]["a"]).rename(
        index.parent / json.loads(index.read_text())["weight_map"]["a"]
    )
    refused(index, "digest does not match: the index, or a shard")


def test_a_changed_step_in_the_index_is_refused(index):
    changed(index, lambda written: written["metadata"].update(step="4"))
    refused(index, "digest does not match: the index, or a shard")


def test_a_digest_taken_out_of_the_index_is_refused(index):
    changed(index, lambda written: written["metadata"].pop("tl_arrayapi.sha256"))
    refused(index, "digest does not match")


def test_a_tensor_that_the_shard_lacks_is_named(index):
    changed(index, lambda written: written["weight_map"].update(z=written["weight_map"]["a"]))
    refused(index, r"does not have .*'z'")


def test_a_tensor_that_the_index_does_not_name_is_refused(index):
    changed(index, lambda written: written["weight_map"].pop("b"))
    refused(index, r"has, and the index does not name there .*'b'")


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    for name in ("1.safetensors", "2.safetensors"):
        write(tmp_path / name, {"w": entry(), name: entry(data_offsets=[8, 16])}, EIGHT * 2)
    weight_map = {"w": "1.safetensors", "1.safetensors": "1.safetensors", "2.safetensors": "2.safetensors"}
    (tmp_path / "m.json").write_text(json.dumps({"weight_map": weight_map}))
    refused(tmp_path / "m.json", r"2.safetensors has, and the index does not name there .*'w'")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"weight_map": {"w": "a", "w": "b"}}', "'w' twice"),
        ('{"weight_map": {}, "weight_map": {}}', "'weight_map' twice"),
        ('{"metadata": {"a": "b", "a": "b"}}', "'a' twice"),
        ('{"metadata": {}}', "no weight_map"),
        ('{"weight_map": []}', "'{' is expected"),
        ('{"weight_map": {"w": 1}}', "a string is expected"),
        ('{"weight_map": {"w": ["a"]}}', "a string is expected"),
        ('{"weight_map": {"../w": "a"}}', "tensor name"),
        ('{"weight_map": {}, "other": {}}', "has the key 'other'"),
        ('{"weight_map": {}} x', "nothing more is expected"),
        ('{"weight_map": {}', "its end"),
        ('{"weight_map": {"w": "a",}}', "a string and ':' is expected"),
        ('{"metadata": {"a": {}}, "weight_map": {}}', "a number is expected"),
        ('{"metadata": {"a": [1]}, "weight_map": {}}', "a number is expected"),
        ('{"metadata": {"a": NaN}, "weight_map": {}}', "a number is expected"),
        ('{"metadata": {"a": 01}, "weight_map": {}}', "not JSON"),
        ('{"metadata": {"tl_arrayapi.schema": "9"}, "weight_map": {}}', "schema version is '9'"),
        ('{"metadata": {"tl_arrayapi.x": "9", "tl_arrayapi.schema": "2"}, "weight_map": {}}', "tl_arrayapi.x"),
        ('{"weight_map": ' + '{"a":' * 100_000, "'{'|a string"),
        ('{"metadata": {"a": ' + "1" * 10_000 + '}, "weight_map": {}}', "is expected"),
        ('{"weight_map": {"' + "x" * 20_000 + '": "a"}}', "a string of at most 16384 bytes"),
    ],
)
def test_an_index_of_another_form_is_refused(tmp_path, text, match):
    path = tmp_path / "m.json"
    path.write_text(text)
    refused(path, match)


def test_an_index_that_names_too_many_files_is_refused(tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"weight_map": {f"w{i}": f"f{i}" for i in range(MAX_SHARDS + 1)}}))
    refused(path, f"names {MAX_SHARDS + 1} files, and at most {MAX_SHARDS}")


def test_an_index_over_the_bound_is_refused(tmp_path):
    path = tmp_path / "m.json"
    with open(path, "wb") as file:
        file.write(b'{"weight_map": {}}')
        file.truncate(100_000_001)  # sparse: it takes no room
    refused(path, "the index has 100000001 bytes")
