"""A place for inputs by the hundred thousand."""

import gc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Give the path of a file that does not exist yet, in memory where there is a folder for that."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder, "input")


@pytest.fixture(autouse=True, scope="module")
def _own_garbage() -> Iterator[None]:
    """Have the collector leave alone what other tests left in memory: to look through it takes up to a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
