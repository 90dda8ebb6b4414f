"""What can go wrong, and what does the command line answer? Every error the project raises, as one tree.

    FenxiaoError               exit 1   caught at the doors: its message is shown, its traceback is not
    ├── WrongInput             exit 2   what was handed in cannot be meant: a file, an option, a value
    │   ├── RejectedRows       exit 2   a file holds bad rows; nothing was imported, the report names each
    │   ├── UnknownId          exit 2   no such SKU, anchor, brand, model version, ...
    │   │   └── ForeignRow     exit 2   nobody's or somebody else's row: the two are answered alike
    │   ├── RowsRefused        exit 2   a program handed in bad rows; none was written, `faults` names each
    │   ├── PlannedRowRefused  exit 2   a planned plan or offer cannot be meant; the place is told
    │   └── IdempotencyClash   exit 2   another request came under the same Idempotency-Key before
    ├── Refused                exit 3   understood, and a rule or a gate says no
    │   ├── GateRefused        exit 3   the challenger did not win; what served goes on serving
    │   ├── LeaseHeld          exit 3   another night is at work
    │   ├── NoModel            exit 3   no model serves yet: there is none to show, or to go back from
    │   └── TableForbidden     exit 3   this role may not write that table
    └── Fault                  exit 1   the program, its files or its machine are not as they should be
        ├── FeatureMismatch    exit 1   a model was trained on other features than this build makes
        ├── NoRoom             exit 1   a disk is full; what was there before is there still
        ├── RegistryDamaged    exit 1   a model's bytes are not those its manifest names
        ├── StoreBusy          exit 1   another writer holds the database for longer than we wait
        └── StoreMismatch      exit 1   the database is older or newer than this build, or not ours

A message says what, which, and what to do next. A pairing that a rule leaves out is no error: it is a value.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final


class FenxiaoError(Exception):
    """Anything the project raises on purpose; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class WrongInput(FenxiaoError):
    """What was handed in cannot be meant; the caller can mend it."""

    exit_code = 2


class RejectedRows(WrongInput):
    """A file holds bad rows; the message names the report that lists each of them once."""


class UnknownId(WrongInput):
    """An id that nothing stored answers to."""


class ForeignRow(UnknownId):
    """A row, or what it refers to, is not the caller's; what is somebody else's and what is nobody's sound alike."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one row that a program handed in; of what stood in the row nothing is repeated."""

    index: int
    """Its place among the rows, from 0."""
    column: str
    """As files and bodies call it; empty where it is the row as a whole."""
    code: str
    sentence: str
    sentence_zh: str


class RowsRefused(WrongInput):
    """Rows that a program handed in are bad, and none of them was written."""

    def __init__(self, faults: Sequence[RowFault], *, conflict: bool = False) -> None:
        first = faults[0]
        where = f"row {first.index}, {first.column}" if first.column else f"row {first.index}"
        super().__init__(f"{len(faults)} bad rows, nothing was written; {where}: {first.sentence}")
        self.faults = tuple(faults)
        self.conflict = conflict
        """All that is wrong is that keys are known with another content."""


class PlannedRowRefused(WrongInput):
    """A row that is only planned could not be stored; its place and a code, for doors that repeat nothing of it."""

    def __init__(self, sentence: str, *, table: str, index: int, column: str, code: str) -> None:
        super().__init__(sentence)
        self.table = table
        self.index = index
        """Its place among the rows of its table, from 0."""
        self.column = column
        """As files and bodies call it; empty where it is the row as a whole."""
        self.code = code


class IdempotencyClash(WrongInput):
    """Under this Idempotency-Key another request was answered; a new request needs a new key."""


class Refused(FenxiaoError):
    """Understood, and refused by a rule or a gate."""

    exit_code = 3


class GateRefused(Refused):
    """The challenger did not win; what served before goes on serving."""


class LeaseHeld(Refused):
    """Another night is at work; the message says since when, and when its lease expires."""


class NoModel(Refused):
    """No model serves yet: there is none to show, or to go back from."""


class TableForbidden(Refused):
    """The caller's role may not write this table; the message says which it may."""


class Fault(FenxiaoError):
    """The program, its files or its machine are not as they should be."""


class FeatureMismatch(Fault):
    """A model was trained on other features, or on another order of them, than this build makes."""


class NoRoom(Fault):
    """A disk is full: the message says what did not fit. What was committed or published before is as it was."""


class RegistryDamaged(Fault):
    """A model's bytes are not those that its manifest names; they are never loaded."""


class StoreBusy(Fault):
    """Another writer held the database for longer than we wait; nothing was written."""


class StoreMismatch(Fault):
    """The database's tables are older or newer than this build's, or are not ours."""


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: OSError) -> bool:
    """Whether a disk, a quota or a limit let nothing more be written; polars tells the number in its words alone."""
    return error.errno in _FULL or (
        error.errno is None and any(f"(os error {number})" in str(error) for number in _FULL)
    )


@contextmanager
def needs_room(place: Path, what: str) -> Iterator[None]:
    """NoRoom where the disk of `place` is too full for `what`; other trouble passes as it is."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise no_room(error, place, what) from error


def no_room(error: OSError, place: Path, what: str) -> NoRoom:
    """What to tell where a disk `is_full`."""
    return NoRoom(
        f"there is no room for {what} in {place} ({error.strerror or error}); what was there before is as it was; "
        "make room, then do it again"
    )
