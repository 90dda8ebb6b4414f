"""How has an anchor narrowed its list? What stands in the address, read field by field: a wrong one is told beside it."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import QueryParams

from api.loading import Served
from api.schemas.lists import ListQuery
from api.schemas.types import PERCENT_PATTERN
from features.units import parse_yuan

CARDS_A_PAGE: Final = 20
OBJECTIVES: Final = ("balanced", "fit", "gmv", "commission")
SUPPLY_TYPES: Final = ("source", "brand")

_PRICE: Final = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)
_RATE: Final = re.compile(PERCENT_PATTERN, re.ASCII)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "supply_type": SUPPLY_TYPES,
    "objective": OBJECTIVES,
    "new_only": ("1",),
}
_LONGEST: Final = 400
_LONGEST_CURSOR: Final = 1_024


@dataclass(frozen=True, slots=True)
class GoodsFilters:
    """What was asked, as it was typed and as it is meant."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    """Of a field that cannot be meant: the key of the words that say so."""
    query: ListQuery | None
    """Nothing where a field cannot be meant."""

    @property
    def n_active(self) -> int:
        """How many narrow the list."""
        return sum(bool(value) for name, value in self.typed.items() if name != "objective")


def read_filters(asked: QueryParams, served: Served) -> GoodsFilters:
    """From a page's address; empty fields ask for nothing."""
    names = ("category", "min_price", "max_price", "min_rate", *_CHOICES)
    typed = {name: _plain(asked.get(name, "")) for name in names}
    typed["category"] = typed["category"].strip("/")
    errors: dict[str, str] = {}
    for name, right in (("min_price", _PRICE), ("max_price", _PRICE), ("min_rate", _RATE)):
        if typed[name] and not right.fullmatch(typed[name]):
            errors[name] = f"anchor.wrong.{name}"
    for name, choices in _CHOICES.items():
        if typed[name] and typed[name] not in choices:
            errors[name] = "anchor.wrong.choice"
    if typed["category"] and not _is_on_shelf(served, typed["category"]):
        errors["category"] = "anchor.wrong.category"
    low, high = typed["min_price"], typed["max_price"]
    if not errors and low and high and parse_yuan(low) > parse_yuan(high):
        errors["max_price"] = "anchor.wrong.order"
    return GoodsFilters(typed, errors, None if errors else _query(typed, asked.get("cursor", "")))


def category_choices(served: Served) -> list[str]:
    """The shelf's first-level paths, each followed by those of its second level."""
    paths = [path.split("/") for path in served.engine.world.snapshot.shelf.category_paths]
    return sorted({"/".join(path[:depth]) for path in paths for depth in (1, 2) if len(path) >= depth})


def _plain(value: str) -> str:
    """As a keyboard for Chinese may type it, too: １２．５ is 12.5."""
    return unicodedata.normalize("NFKC", value[:_LONGEST]).strip()


def _is_on_shelf(served: Served, category: str) -> bool:
    paths = served.engine.world.snapshot.shelf.category_paths
    return any(path == category or path.startswith(f"{category}/") for path in paths)


def _query(typed: Mapping[str, str], cursor: str) -> ListQuery:
    named: dict[str, Any] = {
        name: typed[name] or None
        for name in ("category", "min_price", "max_price", "min_rate", "supply_type")
    }
    return ListQuery(
        **named,
        objective=typed["objective"] or "balanced",
        new_only=bool(typed["new_only"]),
        explain=True,
        limit=CARDS_A_PAGE,
        cursor=cursor[:_LONGEST_CURSOR] or None,
    )
