"""How do the tests have the lists of a night? Those of the trained market, as `matcher nightly` leaves them."""

from datetime import date
from pathlib import Path

from matcher.candidates.union import Side
from matcher.everybody import Watch
from matcher.kept_lists import KeptLists, make_lists, publish_lists
from trained import Trained

WATCHES: dict[Side, Watch] = {"goods": lambda lists, _n: lists, "shortlist": lambda lists, _n: lists}


def leave_lists(home: Path, trained: Trained, as_of: date | None = None) -> KeptLists:
    """Make the lists of everybody and let them count."""
    made = make_lists(home, trained.engine, as_of or trained.market.as_of, threads=1, watches=WATCHES)
    return publish_lists(home, made)
