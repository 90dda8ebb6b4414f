"""How does a test get a disk that is really full? A small one in memory, mounted for the test, filled to the byte.

Mounting takes root's right, or a sandbox that grants it; where there is neither, the test is skipped and says so.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

Mount = Callable[[int], "SmallDisk"]
"""A new disk of so many bytes."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own."""

    place: Path

    @property
    def _ballast(self) -> Path:
        return self.place / "ballast"

    def free_bytes(self) -> int:
        found = os.statvfs(self.place)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Nothing more fits than `leave` bytes, rounded to pages."""
        self.make_room()
        taken = self.free_bytes() - leave
        if taken > 0:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, taken)
        assert self.free_bytes() <= leave

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    mounted: list[Path] = []

    def do(n_bytes: int) -> SmallDisk:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        tool = shutil.which("mount")
        command = [tool or "mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "fenxiao-test", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False) if tool else None
        if done is None or done.returncode:
            pytest.skip(
                f"no small disk can be mounted here: {done.stderr.strip() if done else 'there is no mount'}"
            )
        mounted.append(place)
        return SmallDisk(place)

    yield do
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def files_no_longer_than(n_bytes: int) -> Iterator[None]:
    """The system itself refuses what goes beyond, having taken what fits: as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
