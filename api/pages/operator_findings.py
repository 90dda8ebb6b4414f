"""Which promises fail, or cannot be judged, over every SKU ever stored? The verdicts in memory, gone through once a minute.

A small market is gone through in the request; a large one by a thread, while the page tells how far it is.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from matcher.verdict import Rule, Status, Verdict
from matcher.verdict_book import VerdictBook

FOUND: Final = (Status.FAIL, Status.INDETERMINATE)
"""What somebody has to do something about."""
AT_ONCE: Final = 5_000
"""So many SKUs are gone through while the reader waits."""
_GOOD_FOR: Final = timedelta(minutes=1)
_LOG: Final = structlog.get_logger("matcher.pages")


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that is no pass."""

    verdict: Verdict
    brand_id: str | None
    """Whose the SKU was last."""


@dataclass(frozen=True, slots=True)
class Board:
    """What was found at an instant."""

    made_at: datetime
    n_skus: int
    findings: Sequence[Finding]
    """FAIL first; then by SKU."""
    counts: Mapping[tuple[Rule, Status, str], int]
    """(rule, status, reason) -> SKUs, of every status."""

    def of(
        self, *, rule: str = "", status: str = "", reason: str = "", brand_id: str = ""
    ) -> Sequence[Finding]:
        """Those that were asked for; an empty text asks for nothing."""
        return [
            found
            for found in self.findings
            if rule in ("", found.verdict.rule)
            and status in ("", found.verdict.status)
            and reason in ("", found.verdict.reason)
            and brand_id in ("", found.brand_id)
        ]


@dataclass(frozen=True, slots=True)
class Going:
    """A board on its way."""

    done: int
    total: int


class VerdictBoard:
    """The board of now, made anew when a minute is over or another snapshot is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._book: VerdictBook | None = None
        self._board: Board | None = None
        self._going: Going | None = None

    def look(self, book: VerdictBook, now: datetime) -> Board | Going:
        """The board, or how far it is; one that is a little old rather than none."""
        with self._lock:
            board = self._board if self._book is book else None
            if board is not None and timedelta(0) <= now - board.made_at < _GOOD_FOR:
                return board
            if len(book.dossiers) > AT_ONCE:
                if self._going is None:
                    self._going = Going(0, len(book.dossiers))
                    threading.Thread(target=self._work, args=(book, now), daemon=True).start()
                return board or self._going
        return self._make(book, now)

    def _work(self, book: VerdictBook, now: datetime) -> None:
        try:
            self._make(book, now)
        except Exception as error:  # noqa: BLE001 - the thread's end: the next look begins another
            _LOG.error("board_failed", error=str(error))
        finally:
            with self._lock:
                self._going = None

    def _make(self, book: VerdictBook, now: datetime) -> Board:
        counts: Counter[tuple[Rule, Status, str]] = Counter()
        findings = []
        for done, (sku_id, dossier) in enumerate(book.dossiers.items()):
            for verdict in book.of(sku_id, now):
                counts[verdict.rule, verdict.status, str(verdict.reason)] += 1
                if verdict.status in FOUND:
                    brand_id = dossier.versions[-1].brand_id if dossier.versions else None
                    findings.append(Finding(verdict, brand_id))
            if done % 1_000 == 0 and self._going is not None:
                self._going = Going(done, len(book.dossiers))
        findings.sort(
            key=lambda one: (one.verdict.status is not Status.FAIL, one.verdict.sku_id, one.verdict.rule)
        )
        board = Board(now, len(book.dossiers), findings, counts)
        with self._lock:
            self._book, self._board = book, board
        return board
