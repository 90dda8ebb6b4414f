"""Which rows could not be taken, and why? Every bad row of an import once, in `rejects/<table>.csv`."""

import csv
import reprlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from features.errors import WrongInput

_HELD: Final = 200_000
"""So many rejects are held and sorted; past that they are written as they are found."""
_VALUE_CHARACTERS: Final = 200


class Code(StrEnum):
    """What is wrong with a row, in a word that programs can rely on."""

    RAGGED = "RAGGED"  # more or fewer cells than the header has
    BAD_QUOTES = "BAD_QUOTES"
    NOT_UTF8 = "NOT_UTF8"
    BAD_JSON = "BAD_JSON"
    MISSING = "MISSING"  # a required cell is empty
    BAD_ID = "BAD_ID"
    NUMBER_AS_ID = "NUMBER_AS_ID"
    BAD_TEXT = "BAD_TEXT"
    BAD_CHOICE = "BAD_CHOICE"
    BAD_NUMBER = "BAD_NUMBER"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    BAD_RATE = "BAD_RATE"
    BAD_UNIT = "BAD_UNIT"  # a rate without a unit, or with one that is not known
    BAD_FLAG = "BAD_FLAG"
    BAD_INSTANT = "BAD_INSTANT"
    BAD_DATE = "BAD_DATE"
    BAD_WINDOW = "BAD_WINDOW"  # it ends before it begins, or as it begins
    BAD_RANGE = "BAD_RANGE"  # its upper bound lies under its lower one
    INCOMPLETE = "INCOMPLETE"  # a promotion without the figure that it takes off
    UNKNOWN_ID = "UNKNOWN_ID"  # nothing in the import or the store answers to it
    KEY_CONFLICT = "KEY_CONFLICT"  # the key is known with another content
    SHARES_SUM = "SHARES_SUM"  # the shares of one dimension do not make a whole
    # Of rows that a program hands in, where of a file the header or the file as a whole would be refused:
    UNKNOWN_COLUMN = "UNKNOWN_COLUMN"
    TOO_MANY_ROWS = "TOO_MANY_ROWS"
    KEY_MISMATCH = "KEY_MISMATCH"  # the path names one key, the body another
    KEY_AMBIGUOUS = "KEY_AMBIGUOUS"  # the path's key can be taken apart in several ways


class Fault(NamedTuple):
    """What is wrong with one row."""

    column: str
    value: str
    code: Code
    sentence: str


class Findings:
    """The bad rows of one chunk, by their place in it; of several faults of a row the first found counts."""

    def __init__(self) -> None:
        self.faults: dict[int, Fault] = {}

    def mark(self, place: int, fault: Fault) -> None:
        """Call the row at `place` bad, unless it is already."""
        self.faults.setdefault(place, fault)


class Rejects(Protocol):
    """Where bad rows are told to."""

    def add(self, file_number: int, rows: Iterable[tuple[int, Fault]]) -> None:
        """Bad rows of one file, each with its line."""


class HeldRejects:
    """Bad rows kept in memory, for whoever handed them in from memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Fault]] = []

    def add(self, file_number: int, rows: Iterable[tuple[int, Fault]]) -> None:
        """Bad rows, each with its number."""
        del file_number
        self.rows.extend(rows)


class RejectReport:
    """`rejects/<table>.csv`, written when there is something to write; one of an earlier import is taken away."""

    def __init__(self, folder: Path, table: str, files: Sequence[Path]) -> None:
        self.path = folder / f"{table}.csv"
        self._files = files
        self.n_rejected = 0
        self._held: list[tuple[int, int, Fault]] = []
        self._spilled = False
        with _as_wrong_input(self.path):
            self.path.unlink(missing_ok=True)

    def add(self, file_number: int, rows: Iterable[tuple[int, Fault]]) -> None:
        """Bad rows of one file, each with its line: in CSV and JSON lines counted from 1, in Parquet the row."""
        before = len(self._held)
        self._held.extend((file_number, line, fault) for line, fault in rows)
        self.n_rejected += len(self._held) - before
        if len(self._held) > _HELD:
            self._write(is_last=False)

    def close(self) -> None:
        """Put the report in its place, sorted by file and line where it is not too long for that."""
        if self._held or self._spilled:
            self._write(is_last=True)

    def _write(self, *, is_last: bool) -> None:
        if not self._spilled:
            self._held.sort(key=lambda held: held[:2])
        aside = self.path.with_suffix(".csv.partial")
        with _as_wrong_input(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("a" if self._spilled else "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if not self._spilled:
                    writer.writerow(("line", *Fault._fields))
                writer.writerows((line, *self._printable(file, fault)) for file, line, fault in self._held)
            if is_last:
                aside.replace(self.path)
        self._held.clear()
        self._spilled = True

    def _printable(self, file_number: int, fault: Fault) -> tuple[str, str, str, str]:
        value = fault.value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
        # Where one file fills the table, its name says nothing.
        where = f"{self._files[file_number]}: " if len(self._files) > 1 else ""
        return fault.column, shown(value), str(fault.code), f"{where}{fault.sentence}"


def shown(value: object) -> str:
    """A value as it stands in a report: not too long, however deep or large it is."""
    text = reprlib.repr(value) if isinstance(value, list | dict) else str(value)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"


class _as_wrong_input:  # noqa: N801  reads as the words it stands in for
    """A folder that cannot be written to is the caller's to mend."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError):
            raise WrongInput(
                f"the report {self.path} cannot be written ({error.strerror}); name another folder with --rejects"
            ) from error
