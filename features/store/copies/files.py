"""How does a file get on disk so that it is still there after the power fails? Written, synced, then named."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 2**20
_PART: Final = ".fenxiao-part"


@contextmanager
def aside(folder: Path, name: str) -> Iterator[Path]:
    """A new folder in `folder`, for this user's eyes only, that is gone afterwards unless it was renamed.

    What killed processes left of theirs is cleared away: a lock on each, which ends with its process, tells whose.
    """
    with _locked(folder):  # nobody takes ours for a dead one's before it has its own lock
        for left in folder.glob(f".*{_PART}"):
            _remove_if_dead(left)
        made = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=_PART, dir=folder))
        lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        os.close(lock)
        shutil.rmtree(made, ignore_errors=True)


def write(file: Path, content: bytes) -> None:
    """A new file, synced."""
    with file.open("xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def replace(file: Path, content: bytes) -> None:
    """The file with this content, in one step: a reader sees the old one or the new one."""
    new = file.with_name(f".{file.name}{_PART}")
    new.unlink(missing_ok=True)
    write(new, content)
    new.replace(file)
    sync(file.parent)


def copy(source: Path, target: Path) -> str:
    """The same bytes in a new file, synced; their SHA-256, of what was read."""
    seen = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(_PIECE_BYTES):
            seen.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return seen.hexdigest()


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sync(place: Path) -> None:
    """Make a file's bytes durable, or a folder's entries: one does not do the other."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make the entries of a folder and of all folders in it durable."""
    for place in sorted(folder.rglob("*"), reverse=True):
        if place.is_dir():
            sync(place)
    sync(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_if_dead(left: Path) -> None:
    with suppress(OSError):  # somebody else's, or gone by now
        lock = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        finally:
            os.close(lock)
