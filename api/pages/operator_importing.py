"""What becomes of the files that an operator hands in? One import at a time, by a thread, its progress told meanwhile."""

import secrets
import shutil
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import structlog
from sqlalchemy.exc import DatabaseError

from api.pages.operator_uploads import require_bounded, without_folder
from api.serving import Serving
from features.errors import FenxiaoError, StoreBusy, WrongInput
from features.store.db import writing
from features.store.ingest import Imported, ingest

REMEMBERED: Final = 30
"""So many imports of this process can be looked at again, with their reports."""
_LOG: Final = structlog.get_logger("matcher.imports")


class State(StrEnum):
    """Where an import stands."""

    WAITING = "waiting"  # for the files to be looked over, or for the store
    READING = "reading"
    IMPORTED = "imported"
    CHECKED = "checked"  # a dry run that found nothing wrong
    SKIPPED = "skipped"  # the good rows are in, the bad ones are reported
    REFUSED = "refused"  # bad rows, and nothing was imported
    WRONG = "wrong"  # a file cannot be read as its table
    BUSY = "busy"  # another writer held the store for too long
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Nothing more will happen."""
        return self not in (State.WAITING, State.READING)


@dataclass(slots=True, weakref_slot=True, eq=False)
class Job:
    """One import; written by its thread alone, read by whoever looks."""

    id: str
    begun_at: datetime
    by: str
    skip_bad: bool
    dry_run: bool
    root: Path
    """Where its files and reports lie, for as long as it is remembered."""
    sizes: dict[str, int]
    """The files, in the order in which they were handed in, with their bytes."""
    state: State = State.WAITING
    read: dict[str, float] = field(default_factory=dict)
    """How much of each file has been read, 0..1."""
    ended_at: datetime | None = None
    imported: Imported | None = None
    sentence: str | None = None
    """What was wrong, where it was not single rows."""

    @property
    def uploads(self) -> Path:
        """Where the files lie until they are read."""
        return self.root / "uploads"

    @property
    def share_read(self) -> float:
        """Of all bytes, 0..1."""
        whole = sum(self.sizes.values())
        done = sum(size * self.read.get(name, 0.0) for name, size in self.sizes.items())
        return done / whole if whole else 0.0

    def report_of(self, table: str) -> Path | None:
        """The reject report of a table, where there is one."""
        found = None if self.imported is None else self.imported.tables.get(table)
        report = None if found is None else found.report
        return report if report is not None and report.is_file() else None


class Imports:
    """The imports of this process, the latest first."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque(maxlen=REMEMBERED)

    @property
    def jobs(self) -> Sequence[Job]:
        """Those that are remembered."""
        with self._lock:
            return tuple(self._jobs)

    def find(self, job_id: str) -> Job | None:
        """One of them."""
        return next((job for job in self.jobs if job.id == job_id), None)

    def begin(
        self, keep: Callable[[Path], Sequence[Path]], *, by: str, skip_bad: bool, dry_run: bool
    ) -> Job | None:
        """Have `keep` put the files into a folder, and import them; nothing where another import is at work.

        What `keep` raises is the caller's to tell: then nothing has begun.
        """
        with self._lock:
            if any(not job.state.is_over for job in self._jobs):
                return None
            root = Path(mkdtemp(prefix="fenxiao-import-"))
            try:
                (root / "uploads").mkdir()
                files = keep(root / "uploads")
            except BaseException:
                shutil.rmtree(root, ignore_errors=True)
                raise
            job = Job(
                id=secrets.token_hex(8),
                begun_at=self._serving.clock(),
                by=by,
                skip_bad=skip_bad,
                dry_run=dry_run,
                root=root,
                sizes={file.name: file.stat().st_size for file in files},
            )
            weakref.finalize(job, shutil.rmtree, root, ignore_errors=True)
            self._jobs.appendleft(job)
        threading.Thread(target=self._work, args=(job, files), name="import", daemon=True).start()
        return job

    def drop_reports(self, tables: Sequence[str]) -> None:
        """Remove the reports of these tables: they may repeat what somebody has asked to be forgotten."""
        for job in self.jobs:
            for table in tables:
                report = job.report_of(table)
                if report is not None:
                    report.unlink(missing_ok=True)

    def _work(self, job: Job, files: Sequence[Path]) -> None:
        try:
            state = self._import(job, files)
        except StoreBusy:
            state = State.BUSY
        except WrongInput as error:
            state, job.sentence = State.WRONG, without_folder(str(error), job.uploads)
        except (FenxiaoError, DatabaseError, OSError) as error:
            state = State.FAILED
            _LOG.error("import_failed", job=job.id, error=str(error))
        except Exception:  # noqa: BLE001 - the thread's end: whatever it was, the page says that it failed
            state = State.FAILED
            _LOG.exception("import_failed", job=job.id)
        for file in files:
            file.unlink(missing_ok=True)
        job.ended_at = self._serving.clock()
        job.state = state
        _LOG.info("import_over", job=job.id, state=str(state), files=list(job.sizes), by=job.by)
        if state in (State.IMPORTED, State.SKIPPED):
            self._serving.refresh_soon()
            self._serving.look_at_feeds()

    def _import(self, job: Job, files: Sequence[Path]) -> State:
        for file in files:
            require_bounded(file)

        def on_progress(file: Path, share: float) -> None:
            job.state = State.READING
            job.read[file.name] = share

        with writing(self._serving.patient_store) as session:  # nobody waits for its answer
            job.state = State.READING
            job.imported = imported = ingest(
                session,
                files,
                now=self._serving.clock(),
                source="operator",
                rejects=job.root / "rejects",
                skip_bad=job.skip_bad,
                dry_run=job.dry_run,
                on_progress=on_progress,
            )
        if imported.is_refused:
            return State.REFUSED
        if job.dry_run:
            return State.CHECKED
        return (
            State.SKIPPED if any(table.n_rejected for table in imported.tables.values()) else State.IMPORTED
        )
