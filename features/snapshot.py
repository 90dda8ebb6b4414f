"""What did the world look like at an instant? Everything a list needs, frozen in memory; shared by threads.

Made from facts cut strictly before `as_of`; the same facts give the same bytes, whether they were cut on loading
or later.
"""

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import polars as pl

from features.anchor import Habits, Roster, anchor_block, read_roster
from features.audience import Audiences, read_audiences
from features.catalogue import SKU, Family, names_of
from features.content import Content, read_content
from features.facts import Facts
from features.history import Histories, read_histories
from features.kernels import F32, F64
from features.ledger import Ledger, read_ledger
from features.shelf import Shelf, read_shelf
from features.sku import sku_block
from features.units import DAY_US

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Occasion:
    """The next event of the calendar, or the one that runs."""

    days_to_event: float
    """Until it starts; 0 while it runs; NaN where none is known."""
    goods_focus: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen as-of world. SKUs stand in shelf order (category, id), anchors by id."""

    as_of_us: int
    shelf: Shelf
    roster: Roster
    ledger: Ledger
    histories: Histories
    audiences: Audiences
    content: Content
    occasion: Occasion
    habits: Habits
    sku_block: F32
    """(n_skus, n_sku_features)."""
    anchor_block: F32
    """(n_anchors, n_anchor_features)."""
    log_price: F64
    """(n_skus,) of the list price in fen."""
    price_gap: F64
    """(n_skus,) log ratio to the category's median."""
    log_units: F64
    """(n_skus,) log1p of shrunk units a listing."""
    event_focus: F32
    """(n_skus,) 1 where the next event is for such supply, -1 where for the other, 0 unknown."""
    plans: pl.DataFrame
    """Versions of commission plans known by then; `matcher` resolves them."""

    @property
    def as_of(self) -> datetime:
        """The instant, aware."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.as_of_us)

    def column(self, family: Family, name: str) -> int:
        """Where a feature stands in its family's block."""
        return names_of(family).index(name)


def take_snapshot(facts: Facts, as_of_us: int | None = None) -> Snapshot:
    """The world at `as_of_us` (the facts' own instant, if not given)."""
    if as_of_us is not None and as_of_us != facts.as_of_us:
        facts = facts.before(as_of_us)
    shelf, roster = read_shelf(facts), read_roster(facts)
    ledger = read_ledger(facts, shelf)
    histories = read_histories(ledger, shelf)
    skus = sku_block(shelf, ledger, histories)
    anchors, habits = anchor_block(facts, roster, shelf, ledger, histories)
    occasion = _next_event(facts)
    return _frozen(
        Snapshot(
            as_of_us=facts.as_of_us,
            shelf=shelf,
            roster=roster,
            ledger=ledger,
            histories=histories,
            audiences=read_audiences(facts, shelf, histories),
            content=read_content(shelf, histories.sku),
            occasion=occasion,
            habits=habits,
            sku_block=skus,
            anchor_block=anchors,
            log_price=np.log(np.maximum(shelf.price_fen, 1).astype(np.float64)),
            price_gap=_column(skus, "sku_price_gap"),
            log_units=np.log1p(_column(skus, "sku_units_per_listing")),
            event_focus=_focus(shelf, occasion),
            plans=facts.plans,
        )
    )


def _next_event(facts: Facts) -> Occasion:
    ahead = facts.events.filter(pl.col("ends_us") > facts.as_of_us)
    if ahead.is_empty():
        return Occasion(days_to_event=float("nan"), goods_focus=None)
    event = ahead.row(0, named=True)
    return Occasion(max(0.0, (event["starts_us"] - facts.as_of_us) / DAY_US), event["goods_focus"])


def _focus(shelf: Shelf, occasion: Occasion) -> F32:
    if occasion.goods_focus not in ("brand", "source"):
        return np.zeros(len(shelf), np.float32)
    sign = 1.0 if occasion.goods_focus == "brand" else -1.0
    focus: F32 = np.nan_to_num(sign * (2.0 * shelf.brand_goods - 1.0)).astype(np.float32)
    return focus


def _column(block: F32, name: str) -> F64:
    return block[:, names_of(SKU).index(name)].astype(np.float64)


def _frozen(value: T) -> T:
    """Make every array below `value` read-only."""
    for field in fields(value) if is_dataclass(value) else ():
        held = getattr(value, field.name)
        if isinstance(held, np.ndarray):
            held.setflags(write=False)
        elif is_dataclass(held):
            _frozen(held)
    return value
