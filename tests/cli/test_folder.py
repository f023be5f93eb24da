"""The output folder: files replaced whole, and read with suspicion."""

import math

import pytest

from tl_arrayapi.cli.folder import Folder
from tl_arrayapi.cli.settings import Settings
from tl_arrayapi.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "a" / "b")
    made.create()
    return made


def test_a_folder_may_be_there_already(folder):
    folder.create()
    assert folder.path.is_dir()


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(CheckpointError, match="--out"):
        Folder(tmp_path / "out").create()


def test_losses_come_back_to_the_last_bit(folder):
    losses = [0.1, 1 / 3, 2.302585093, 5e-324]
    folder.write_losses(losses)
    assert folder.read_losses(upto=4) == losses


def test_only_the_losses_up_to_the_checkpoint_count(folder):
    folder.write_losses([3.0, 2.0, 1.0])
    assert folder.read_losses(upto=2) == [3.0, 2.0]


def test_losses_that_are_missing_are_nan(folder):
    assert all(map(math.isnan, folder.read_losses(upto=2)))
    assert folder.read_losses(upto=0) == []


@pytest.mark.parametrize("text", ["step,loss\none,2\n", "a,b\n1,2\n", "step,loss\n1\n"])
def test_another_table_is_refused(folder, text):
    (folder.path / "losses.csv").write_text(text)
    with pytest.raises(CheckpointError, match=r"losses\.csv"):
        folder.read_losses(upto=2)


def test_settings_come_back(folder):
    assert folder.read_settings() is None
    folder.write_settings(Settings(seed=3))
    assert folder.read_settings() == Settings(seed=3)


@pytest.mark.parametrize("data", [b"{", b"\xff"])
def test_settings_that_cannot_be_read_name_the_file(folder, data):
    (folder.path / "settings.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"settings\.json"):
        folder.read_settings()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(folder, monkeypatch):
    folder.write_losses([1.0])

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        folder.write_losses([2.0])
    assert folder.read_losses(upto=1) == [1.0]
    assert [path.name for path in folder.path.iterdir()] == ["losses.csv"]
