"""The output folder of a training run: its files, each replaced whole or left as it was."""

import contextlib
import csv
import io
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from tl_arrayapi.cli.settings import Settings
from tl_arrayapi.errors import CheckpointError

__all__ = ["Folder"]


class Folder:
    """Name, write and read the files of a run: checkpoint.safetensors, settings.json, losses.csv and loss.png.

    Raises CheckpointError where a file cannot be written or read.

    >>> folder = Folder(Path("runs"))
    >>> folder.create()
    >>> folder.write_losses([2.5, 1.25])
    >>> folder.read_losses(upto=2)
    [2.5, 1.25]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.safetensors"
        self.picture = path / "loss.png"
        self._settings = path / "settings.json"
        self._losses = path / "losses.csv"

    def create(self) -> None:
        """Make the folder, where it is not there."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"the output folder {self.path} cannot be made: {error.strerror}: give another --out"
            ) from error

    def write_settings(self, settings: Settings) -> None:
        """Record the settings."""
        _replace(self._settings, settings.to_json().encode())

    def read_settings(self) -> Settings | None:
        """Return the recorded settings, or None where none are."""
        text = _read(self._settings)
        if text is None:
            return None
        try:
            return Settings.from_json(text)
        except CheckpointError as error:
            raise CheckpointError(f"{self._settings}: {error}") from error

    def write_losses(self, losses: Sequence[float]) -> None:
        """Write the loss before each step, in digits that read back as the same number."""
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("step", "loss"))
        rows.writerows(enumerate(losses))
        _replace(self._losses, table.getvalue().encode())

    def read_losses(self, upto: int) -> list[float]:
        """Return the losses before the first ``upto`` steps, NaN where none is written."""
        text = _read(self._losses) or ""
        losses = [math.nan] * upto
        try:
            for row in csv.DictReader(io.StringIO(text)):
                step = int(row["step"])
                if 0 <= step < upto:
                    losses[step] = float(row["loss"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self._losses} is not a table of steps and losses: move it away") from error
        return losses

    def write_picture(self, png: bytes) -> None:
        """Write the loss curve."""
        _replace(self.picture, png)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written, and is as it was: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
