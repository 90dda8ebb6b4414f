"""How does an event lie on disk, so that it is there whole or not at all? A line with its checksum, in a segment.

A segment is a file that only grows. A line counts once it has been fsynced, and only then is it answered; what a
kill or a full disk left behind it was never answered. So a last line without its end is dropped, and any other that
does not match its checksum is damage: it is set aside, and the lines around it go on.
"""

import fcntl
import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, SupportsIndex
from zlib import crc32

from pydantic_core import from_json, to_json
from sqlmodel import Session

from features.errors import Fault
from features.store.db import read_rows_of
from features.store.propensities import Draw
from features.units import from_microseconds, microseconds

_LOG: Final = logging.getLogger("features")
_SEGMENT: Final = re.compile(r"(\d{12})\.jsonl")
_DAMAGED: Final = "damaged"


@dataclass(frozen=True, slots=True)
class Event:
    """One row of feedback; a naive `at` is refused where the event is made, not where it is written."""

    event_id: str
    request_id: str | None
    at: datetime
    anchor_id: str
    sku_id: str
    kind: str
    position: int | None
    source: str
    draw: Draw | None = None
    """How a place that was shown got its pairing, where places of the page were drawn; kept beside the row."""

    def __post_init__(self) -> None:
        microseconds(self.at)


COLUMNS: Final = tuple(field.name for field in fields(Event) if field.name != "draw")
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM feedback WHERE event_id IN (:ids)"  # noqa: S608 - names of our own


def stored_events(session: Session, event_ids: Collection[str]) -> dict[str, Event]:
    """Those of the events that the store has; a request's worth of ids at a time, all in one query."""
    found = read_rows_of(session, _SELECT, sorted(set(event_ids))) if event_ids else []
    values = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    return {row["event_id"]: Event(**row | {"at": from_microseconds(row["at"])}) for row in values}


def _plain(value: object) -> int | str:
    """What is no JSON all the same: numpy's whole numbers, mostly. A line is always written; the store judges it."""
    return int(value) if isinstance(value, SupportsIndex) else str(value)


_ENCODE: Final = json.JSONEncoder(default=_plain, separators=(",", ":")).encode


def _written(values: dict[str, object]) -> bytes:
    """As JSON: at once where it is plain, and it nearly always is."""
    try:
        return to_json(values)
    except ValueError:
        return _ENCODE(values).encode()


def _read(content: bytes) -> Any:
    """The inverse; a ValueError where it is no JSON."""
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content)


def line_of(event: Event, *, noted: bool) -> bytes:
    """The event as it is written down; `noted`: nobody waits for it, and nobody asks for it before it is stored."""
    values = {name: getattr(event, name) for name in COLUMNS}
    if event.draw is not None:
        values["draw"] = event.draw.as_json()
    content = _written(values | {"at": microseconds(event.at), "noted": noted})
    return b"%08x %s\n" % (crc32(content), content)


def event_of(line: bytes) -> tuple[Event, bool] | None:
    """The event of a line without its end, and whether it was noted; `None` where the line is damaged."""
    checksum, _, content = line.partition(b" ")
    if checksum != b"%08x" % crc32(content):
        return None
    try:
        values = _read(content)
        noted = bool(values.pop("noted"))
        draw = Draw.from_json(values.pop("draw")) if "draw" in values else None
        return Event(**values | {"at": from_microseconds(values["at"])}, draw=draw), noted
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


class Segment:
    """A file of lines: the first `n_bytes` are on disk, what may stand behind them counts for nothing."""

    def __init__(self, file: Path, descriptor: int | None = None) -> None:
        self.file = file
        self.n_bytes = 0
        self.n_events = 0
        self.begun_at: datetime | None = None
        """By the clock of the file; after a restart when it was last written to."""
        self.posted: dict[str, Event] = {}
        """The events that somebody may ask for, each as it came first."""
        self._descriptor = descriptor

    @classmethod
    def begin(cls, folder: Path, number: int) -> "Segment":
        """A new file, open."""
        file = folder / f"{number:012}.jsonl"
        return cls(file, os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600))

    @classmethod
    def left_behind(cls, file: Path) -> "Segment":
        """What an earlier process wrote."""
        data = file.read_bytes()
        segment = cls(file)
        segment.n_bytes = data.rfind(b"\n") + 1
        segment.begun_at = _written_at(file.stat())
        if segment.n_bytes < len(data):
            _LOG.info("journal: %s: %d bytes of a torn line dropped", file, len(data) - segment.n_bytes)
        for _, read in _lines(data[: segment.n_bytes]):
            if read is not None:
                segment.count([read[0]], noted=read[1])
        return segment

    def put(self, lines: bytes) -> None:
        """Write the lines to disk, all of them; or none, close the file and raise.

        After a refused fsync nobody knows what the disk holds of the file's end, so this file is not written to again.
        """
        assert self._descriptor is not None
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
            if self.begun_at is None:
                _sync(self.file.parent)
                self.begun_at = _written_at(os.fstat(self._descriptor))
        except OSError:
            self._cut_back()
            raise
        self.n_bytes += len(lines)

    def count(self, events: Sequence[Event], *, noted: bool) -> None:
        """These are in it."""
        self.n_events += len(events)
        if not noted:
            for event in events:
                self.posted.setdefault(event.event_id, event)

    def close(self) -> None:
        """No more is put into it."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def read(self) -> tuple[list[Event], list[bytes]]:
        """Its events in order, and the lines that are damaged."""
        with self.file.open("rb") as file:
            found = list(_lines(file.read(self.n_bytes)))
        return [read[0] for _, read in found if read is not None], [
            line for line, read in found if read is None
        ]

    def set_aside(self, lines: Sequence[bytes]) -> Path:
        """Keep the lines, which cannot be stored, where nothing touches them; the same again changes nothing."""
        file = self.file.parent / _DAMAGED / self.file.name
        file.parent.mkdir(exist_ok=True)
        with file.open("wb") as out:
            out.writelines(line + b"\n" for line in lines)
            out.flush()
            os.fsync(out.fileno())
        _sync(file.parent)
        _sync(self.file.parent)
        return file

    def remove(self) -> None:
        """Its events are stored."""
        self.file.unlink()
        _sync(self.file.parent)

    def _cut_back(self) -> None:
        """As far as the disk lets us; what it does not give back is unanswered, and does no harm when it is read."""
        assert self._descriptor is not None
        with suppress(OSError):
            os.ftruncate(self._descriptor, self.n_bytes)
        with suppress(OSError):
            self.close()
        if self.n_bytes == 0:
            with suppress(OSError):
                self.remove()


def take(folder: Path) -> tuple[int, list[Segment], int]:
    """The folder, made if need be, for this process alone; Fault where it cannot be had.

    What keeps others out until it is closed or the process ends, however it ends; the segments that earlier processes
    left, oldest first; a number greater than any that a segment was given.
    """
    try:
        _make(folder)
        lock = _hold(folder)
        try:
            return lock, *_left_in(folder)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise Fault(f"journal {folder} cannot be opened: {error}; mend that, or name another home") from error


def _left_in(folder: Path) -> tuple[list[Segment], int]:
    files = sorted(file for file in folder.iterdir() if _SEGMENT.fullmatch(file.name))
    used = [*files, *(folder / _DAMAGED).glob("*.jsonl")]
    numbers = [int(match[1]) for file in used if (match := _SEGMENT.fullmatch(file.name))]
    segments = []
    for file in files:
        segment = Segment.left_behind(file)
        if segment.n_bytes:
            segments.append(segment)
        else:
            segment.remove()
    return segments, max(numbers, default=0) + 1


def _make(folder: Path) -> None:
    """The folder, there to stay."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        _sync(place.parent)


def _sync(folder: Path) -> None:
    """What was made or removed in the folder stays made or removed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        raise Fault(
            f"journal {folder} is in use by process {holder}; stop that one first, or name another home"
        ) from error
    with suppress(OSError):  # a full disk: the lock holds, only the message would lack its number
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _lines(data: bytes) -> Iterator[tuple[bytes, tuple[Event, bool] | None]]:
    """Each line with what it says; `None` where it is damaged."""
    for line in data.split(b"\n")[:-1]:
        yield line, event_of(line)


def _written_at(status: os.stat_result) -> datetime:
    return from_microseconds(status.st_mtime_ns // 1_000)
