"""What every refusal has to show: our exception, words that help, and everything as it was."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.hostile.fuzzing import check_message
from tests.hostile.safetensors_files import module
from tl_arrayapi import storage
from tl_arrayapi.errors import CheckpointError


def contents(folder: Path) -> dict[str, Any]:
    """Return every file of a folder with its bytes, every link with where it leads, and what else there is."""
    return {entry.name: _content(entry) for entry in os.scandir(folder)}


def _content(entry: os.DirEntry[str]) -> Any:
    if entry.is_symlink():
        return os.readlink(entry.path)
    return Path(entry.path).read_bytes() if entry.is_file() else "neither"


class Refusals:
    """Have a file refused by storage and by a module in the middle of its training, neither of which changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = module()
        optimizer = tl.optim.adam()
        x = (np.ones(2, np.float32),)
        self.state = self.module.step_with(optimizer, self.module.init_optim(optimizer), x)

    def everywhere(self, match: str | None = None, **keywords: Any) -> None:
        """Assert that both refuse the file; ``keywords`` are theirs. Before it looks at values, a module looks whether
        they fit.
        """
        self._by(lambda: storage.load(self.path, **keywords), match)
        self.by_modules(match and f"{match}|does not fit the module", **keywords)

    def by_modules(self, match: str | None = None, **keywords: Any) -> None:
        """Assert that a module refuses the file, which may be one that storage takes."""
        before = self._bits()
        self._by(lambda: self.module.load(self.path, **keywords), match)
        assert self._bits() == before

    def _by(self, load: Callable[[], object], match: str | None) -> None:
        before = contents(self.path.parent)
        with pytest.raises(CheckpointError, match=match) as caught:
            load()
        assert str(caught.value).startswith(str(self.path))
        check_message(str(caught.value))
        assert contents(self.path.parent) == before

    def _bits(self) -> list[Any]:
        kept = [*self.module.params, *self.state["m"], *self.state["v"]]
        return [self.module.steps_done, self.state["step"], *(x.tobytes() for x in kept)]
