"""Replace a file whole or not at all: a draft beside it, locked while it is written, and renamed at the end.

A process that is killed leaves its draft, without the lock; the next one to write the same file removes it, and the
shards that were written for it. Files of other names, and drafts that are being written, are left alone.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from tl_arrayapi.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked, and so nothing cleared away
    fcntl = None  # type: ignore[assignment]

__all__ = ["Draft", "replacing"]

_DRAFT = re.compile(r"\.tl_arrayapi-(?P<id>[0-9a-f]{24})\.tmp")
_SHARD = re.compile(r"[^/\\]*-(?P<id>[0-9a-f]{24})-[0-9]{5}-of-[0-9]{5}\.safetensors")
_LONGEST_STEM = 150


class Draft:
    """A file that is being written: its path and descriptor, and the shards that belong to it.

    Its id begins with that of the name that it is for, and goes on at random.
    """

    def __init__(self, where: str) -> None:
        self.folder, name = os.path.split(where)
        self._key = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        self._id = self._key + os.urandom(6).hex()
        self._stem = re.sub(r"(\.safetensors)?(\.index)?(\.json)?$", "", name)[:_LONGEST_STEM]
        self.path = os.path.join(self.folder, f".tl_arrayapi-{self._id}.tmp")
        self.descriptor = -1
        self.mode = stat.S_IMODE(os.stat(where).st_mode) if os.path.exists(where) else None

    def shard(self, place: int, count: int) -> str:
        """Return the name of a shard, which no other file has."""
        return f"{self._stem}-{self._id}-{place + 1:05d}-of-{count:05d}.safetensors"

    def create(self, path: str) -> int:
        """Create and open a file, with no more permissions than the one that is replaced."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(path, flags, 0o666 if self.mode is None else self.mode)

    def begin(self) -> None:
        """Remove what killed processes left, and create the draft."""
        with _folder_locked(self.folder):
            for name in os.listdir(self.folder):
                found = _DRAFT.fullmatch(name)
                if found and found["id"].startswith(self._key):
                    self._clear(name, found["id"])
            self.descriptor = self.create(self.path)
            _locked(self.descriptor)

    def _clear(self, name: str, found: str) -> None:
        path = os.path.join(self.folder, name)
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            try:
                # Who published it meanwhile held the lock until it had another name.
                if _locked(descriptor) and os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    self._remove_shards(found)
                    os.unlink(path)
            finally:
                os.close(descriptor)

    def end(self) -> None:
        """Remove the draft and its shards, unless it was published: then it has another name."""
        try:
            with suppress(FileNotFoundError):
                if os.path.lexists(self.path):
                    self._remove_shards(self._id)
                    os.unlink(self.path)
        finally:
            os.close(self.descriptor)

    def _shards(self, draft: str) -> list[str]:
        """Return the names of the shards that are there of the draft of an id."""
        matches = map(_SHARD.fullmatch, os.listdir(self.folder))
        return [found.string for found in matches if found and found["id"] == draft]

    def _remove_shards(self, draft: str) -> None:
        for name in self._shards(draft):
            os.unlink(os.path.join(self.folder, name))

    def own(self, names: Iterable[str]) -> list[str]:
        """Return those names that shards of this file have, this draft's excepted, and that are there."""
        matches = [found for name in names if (found := _SHARD.fullmatch(name))]
        ours = [m.string for m in matches if m["id"].startswith(self._key) and m["id"] != self._id]
        return [name for name in ours if os.path.lexists(os.path.join(self.folder, name))]

    def publish(self, where: str, belongings: Callable[[], list[str]]) -> None:
        """Give the draft its name, and remove the shards of what was there, which ``belongings`` names."""
        with _folder_locked(self.folder):
            old = self.own(belongings())
            if self.mode is not None:
                for name in (os.path.basename(self.path), *self._shards(self._id)):
                    os.chmod(os.path.join(self.folder, name), self.mode)
            _sync_folder(self.folder)
            os.replace(self.path, where)
            _sync_folder(self.folder)
            for name in old:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))


@contextmanager
def replacing(where: str) -> Iterator[Draft]:
    """Give the draft of a file, which is removed in the end unless it was published."""
    if os.path.lexists(where) and not os.path.isfile(where):
        raise CheckpointError("a folder, a device or a dangling link stands here: choose another path, or remove it")
    draft = Draft(where)
    try:
        draft.begin()
        yield draft
    finally:
        if draft.descriptor >= 0:
            draft.end()


@contextmanager
def _folder_locked(folder: str) -> Iterator[None]:
    """Wait for others that begin or publish in the folder; they take some milliseconds."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock an open file, which ends with its process, and say whether nobody else has."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
