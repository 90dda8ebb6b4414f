"""May this SKU be shown at all, may this pairing? Hard rules: what breaks one is left out, with its reason, counted.

A rule looks at a whole shelf at once and names those it refuses. The order is the priority: a SKU that breaks two
rules is counted under the first. One line in `SKU_RULES` adds one. Rules of a pairing stand in `eligibility.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.facts import NO_DAY
from features.kernels import Bools
from features.shelf import Shelf, day_of

Rule = Callable[[Shelf, int], Bools]
"""(shelf, instant in us) -> (n_skus,) refused."""


def is_off_shelf(shelf: Shelf, _at_us: int) -> Bools:
    """Paused, or off."""
    return ~shelf.on


def is_retired(shelf: Shelf, at_us: int) -> Bools:
    """Taken off on that day, or before."""
    return np.asarray((shelf.retired_day != NO_DAY) & (shelf.retired_day <= day_of(at_us)))


def is_not_launched(shelf: Shelf, at_us: int) -> Bools:
    """Its first day is still to come."""
    return shelf.launched_day > day_of(at_us)


def is_unauthorised(shelf: Shelf, at_us: int) -> Bools:
    """Its authorisation has ended; one without an end passes."""
    return (shelf.rows["authorised_until_us"] <= at_us).fill_null(value=False).to_numpy()


def is_out_of_stock(shelf: Shelf, _at_us: int) -> Bools:
    """Known to have none; unknown stock passes."""
    return np.asarray(shelf.stock <= 0)


SKU_RULES: Sequence[tuple[str, Rule]] = (
    ("OFF_SHELF", is_off_shelf),
    ("RETIRED", is_retired),
    ("NOT_LAUNCHED", is_not_launched),
    ("NOT_AUTHORISED", is_unauthorised),
    ("NO_STOCK", is_out_of_stock),
)


@dataclass(frozen=True, slots=True)
class ShelfVerdicts:
    """What the rules of a SKU say of the whole shelf."""

    allowed: Bools
    """(n_skus,)."""
    refused: Mapping[str, Bools]
    """Reason -> (n_skus,): each SKU under one reason at most."""


def judge_shelf(shelf: Shelf, as_of_us: int) -> ShelfVerdicts:
    """Apply every rule of a SKU, in order."""
    allowed = np.ones(len(shelf), np.bool_)
    refused: dict[str, Bools] = {}
    for reason, rule in SKU_RULES:
        broken = rule(shelf, as_of_us) & allowed
        allowed &= ~broken
        refused[reason] = broken
    return ShelfVerdicts(allowed=allowed, refused=refused)
