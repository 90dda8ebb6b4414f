"""How does feedback survive from the moment it is answered until the store has it? In a journal on disk.

`append` returns when its events are fsynced, whoever holds the store's pen; `drain` moves what the journal holds into
the table `feedback`. A segment is removed only after the store has committed its rows, and a row that the store has
already changes nothing: a kill at any point loses nothing and doubles nothing.

One thread writes. Everything that waits when it comes round goes into one write and one fsync, so that many
requests at once cost the disk no more than one.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Engine

from features.errors import Fault, NoRoom, is_full
from features.store.holding import Holding
from features.store.moving import move_segment
from features.store.written import Event, Segment, line_of, stored_events, take

__all__ = ["Event", "Journal", "Lag", "stored_events"]

_LOG: Final = logging.getLogger("features")
_MOST_NOTED: Final = 200_000
_NOTED_A_BATCH: Final = 2_000  # what is posted waits for no more than these
_SEGMENT_BYTES: Final = 8 * 2**20  # read as a whole when it is moved
_GATHER_SECONDS: Final = 0.05  # notes come many a second, and an fsync for each would be for nobody
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the store is behind."""

    n_waiting: int
    """Events that were accepted and are not in the store."""
    n_dropped: int
    """Noted events that were given up since the start: too many waited, or the disk refused them to the end."""
    n_bytes: int
    oldest_at: datetime | None
    """When the oldest segment was begun; after a restart, when the last line was written to it."""


class _Post:
    """Events that somebody waits for."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.events = events
        self.lines = b"".join(line_of(event, noted=False) for event in events)
        self.is_done = threading.Event()
        self.is_written = False
        self.refusal: OSError | None = None


class _Note(NamedTuple):
    """Events that nobody waits for; made when they are written."""

    n_events: int
    make: Callable[[], Sequence[Event]]


class Journal:
    """Events on their way to the store; one process at a time has a folder. A forked child has no part in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.telling = Holding()
        self._lock: int | None
        self._lock, self._segments, self._number = take(folder)
        # Taken in this order: _draining, _pen, _changed. Nothing waits for a disk or a database under _changed.
        self._draining = threading.Lock()
        self._pen = threading.Lock()  # the open segment and its file
        self._changed = threading.Condition(threading.Lock())  # everything below, and the list of segments
        self._open: Segment | None = None
        self._posts: list[_Post] = []
        self._notes: deque[_Note] = deque()
        self._n_noted = 0
        self._n_dropped = 0
        self._is_refused = False
        self._is_closing = False
        self._writer = threading.Thread(target=self._work, name="fenxiao-journal", daemon=True)
        self._writer.start()

    def append(self, events: Sequence[Event]) -> None:
        """Returns when the events are on disk, all of them; Fault (NoRoom) where the disk refuses, and none is kept."""
        if not events:
            return
        post = _Post(tuple(events))
        with self._changed:
            if self._is_closing:
                raise Fault(f"journal {self.folder} is closed; send the events again when the server is back")
            self._posts.append(post)
            self._changed.notify()
        post.is_done.wait()
        if not post.is_written:
            why = post.refusal or "its writer has stopped"
            kind = NoRoom if post.refusal is not None and is_full(post.refusal) else Fault
            raise kind(
                f"journal {self.folder} cannot be written: {why}; make room, then send the events again"
            ) from post.refusal

    def note(self, events: Sequence[Event]) -> None:
        """Have the events written soon, and do not wait; dropped and counted where too many wait already."""
        kept = tuple(events)
        self.note_made(len(kept), lambda: kept)

    def note_made(self, n_events: int, make: Callable[[], Sequence[Event]]) -> None:
        """As `note`, of events that the writer makes, when it comes round: `make` may be asked again, and says the same."""
        if not n_events:
            return
        with self._changed:
            if self._is_closing or self._n_noted + n_events > _MOST_NOTED:
                self._n_dropped += n_events
                return
            self._n_noted += n_events
            self._notes.append(_Note(n_events, make))
            if len(self._notes) == 1 or self._n_noted >= _NOTED_A_BATCH:
                self._changed.notify()

    def waiting(self, event_ids: Collection[str]) -> dict[str, Event]:
        """Those of the ids that were appended and are not in the store yet, each as it came first.

        Ask this first and `stored_events` afterwards, in a session that begins afterwards: the other way round, an
        event can be moved between the two questions and be found by neither.
        """
        found: dict[str, Event] = {}
        with self._changed:
            for segment in reversed(self._segments):
                found |= {key: segment.posted[key] for key in event_ids if key in segment.posted}
        return found

    def waiting_where(self, is_wanted: Callable[[Event], bool]) -> list[Event]:
        """As `waiting`, where no ids are known, and to be asked first as well: the appended events that are wanted."""
        with self._changed:
            events = [event for segment in reversed(self._segments) for event in segment.posted.values()]
        return [event for event in {event.event_id: event for event in events}.values() if is_wanted(event)]

    def drain(self, store: Engine) -> int:
        """Move what is on disk into the store; the number of rows that are new there.

        StoreBusy, and whatever else the database raises, is let through: what was not moved is moved the next time.
        """
        n_new = 0
        with self._draining:
            if self._lock is None:
                raise Fault(
                    f"journal {self.folder} is closed; what it holds is moved when it is opened again"
                )
            for segment in self._finished():
                if self._is_closing:
                    break
                try:
                    n_new += move_segment(segment, store)
                except OSError as error:
                    raise Fault(
                        f"journal segment {segment.file} cannot be moved: {error}; mend that"
                    ) from error
                with self._changed:
                    self._segments.remove(segment)
        return n_new

    @property
    def lag(self) -> Lag:
        """For those who watch."""
        with self._changed:
            return Lag(
                n_waiting=self._n_noted + sum(segment.n_events for segment in self._segments),
                n_dropped=self._n_dropped,
                n_bytes=sum(segment.n_bytes for segment in self._segments),
                oldest_at=min((s.begun_at for s in self._segments if s.begun_at is not None), default=None),
            )

    def close(self) -> None:
        """Write down what waits, stop, and let another process have the folder; again, it does nothing."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._writer.join()
        with self._draining:
            self._finished()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _finished(self) -> list[Segment]:
        """Every segment, none of which is written to any more."""
        with self._pen, self._changed:
            if self._open is not None:
                self._open.close()
                self._open = None
            return list(self._segments)

    def _work(self) -> None:
        """What the writer does until the journal is closed and nothing waits."""
        try:
            while (batch := self._next_batch()) is not None:
                self._write(*batch)
        finally:  # whatever became of it, nobody waits for a writer that is gone
            with self._changed:
                self._is_closing = True
                left, self._posts = self._posts, []
                self._n_dropped, self._n_noted = self._n_dropped + self._n_noted, 0
            for post in left:
                post.is_done.set()

    def _next_batch(self) -> tuple[list[_Post], list[_Note]] | None:
        """Everything that is posted, and some of what is noted; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._posts or self._notes or self._is_closing)
            self._changed.wait_for(self._is_due, _RETRY_SECONDS if self._is_refused else _GATHER_SECONDS)
            if not self._posts and (not self._notes or (self._is_closing and self._is_refused)):
                return None
            posts, self._posts = self._posts, []
            notes: list[_Note] = []
            n_events = 0
            if posts and self._is_refused:  # after a refusal what is posted goes alone, until it goes through
                return posts, notes
            while self._notes and n_events < _NOTED_A_BATCH:
                notes.append(self._notes.popleft())
                n_events += notes[-1].n_events
            return posts, notes

    def _is_due(self) -> bool:
        is_full = self._n_noted >= _NOTED_A_BATCH and not self._is_refused
        return bool(self._posts) or is_full or self._is_closing

    def _write(self, posts: list[_Post], notes: list[_Note]) -> None:
        """Put a batch on disk and tell those who wait for it; notes that the disk refuses wait for another time."""
        refusal: OSError | None = None
        try:
            self._put(posts, notes)
        except OSError as error:
            refusal = error
            _LOG.warning("journal: %s cannot be written: %s", self.folder, error)
        finally:
            for post in posts:
                post.refusal = refusal
                post.is_done.set()
        with self._changed:
            self._is_refused = refusal is not None
            if refusal is not None:
                self._notes.extendleft(reversed(notes))

    def _put(self, posts: list[_Post], notes: list[_Note]) -> None:
        noted = [event for note in notes for event in _made(note)]
        lines = [*(post.lines for post in posts), *(line_of(event, noted=True) for event in noted)]
        with self._pen:
            segment, self._open = self._open, None
            if segment is None:
                segment = Segment.begin(self.folder, self._number)
                self._number += 1
            is_new = segment.n_bytes == 0
            segment.put(b"".join(lines))
            with self._changed:
                if is_new:
                    self._segments.append(segment)
                for post in posts:
                    segment.count(post.events, noted=False)
                    post.is_written = True
                segment.count(noted, noted=True)
                n_noted = sum(note.n_events for note in notes)
                self._n_noted -= n_noted
                self._n_dropped += n_noted - len(noted)
            if segment.n_bytes < _SEGMENT_BYTES:
                self._open = segment
            else:
                segment.close()


def _made(note: _Note) -> Sequence[Event]:
    """Its events; where they cannot be made they are dropped, and everybody else's are written."""
    try:
        return note.make()
    except Exception:  # noqa: BLE001 - a writer that ended would take everybody's feedback with it
        _LOG.warning("journal: %d noted events cannot be made", note.n_events, exc_info=True)
        return ()
