"""Is a leak caught wherever it is planted? In each block, source, label, table and cut, made a day too late.

The law itself is in `test_no_leak.py`; here it is seen to fail, and to fail at the place of the leak.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel

import features.anchor
import features.facts
import features.history
import features.matrix
import features.snapshot
import matcher.candidates.union
import matcher.rate_book
import matcher.world
from as_bytes import SIDES, Late, Leak, broken_in_learning, broken_in_seeing, different, seen, stored
from features.catalogue import FEATURES, SOURCES
from features.facts import Facts, Listings
from features.snapshot import Snapshot
from features.units import DAY_US
from market import NOW, ago, facts_in

FAMILIES = dict.fromkeys(feature.family for feature in FEATURES if feature.family != "source")
BLOCKS = tuple(f"block {family}" for family in FAMILIES)
ORIGIN = ago(20)
"""Its labels look past NOW: what was not known NOW must not count."""


@pytest.fixture(scope="module")
def full_store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with stored(sqlite_template, tmp_path_factory.mktemp("full")) as engine:
        yield engine


def test_without_a_leak_the_law_holds(full_store: Engine) -> None:
    assert broken_in_seeing(full_store, None) == set()
    assert broken_in_learning(full_store, ORIGIN, None) == set()


def block_leaks() -> Mapping[str, Leak]:
    """Each block made from the facts of a day later."""

    def sku(patch: pytest.MonkeyPatch, late: Late) -> None:
        patch.setattr(features.snapshot, "sku_block", lambda *_: late.snapshot.sku_block.copy())

    def anchor(patch: pytest.MonkeyPatch, late: Late) -> None:
        make = features.anchor.anchor_block
        patch.setattr(
            features.snapshot, "anchor_block", lambda *a: (late.snapshot.anchor_block.copy(), make(*a)[1])
        )

    def fit(patch: pytest.MonkeyPatch, late: Late) -> None:
        make = features.anchor.anchor_block
        patch.setattr(features.snapshot, "anchor_block", lambda *a: (make(*a)[0], late.snapshot.habits))

    def audience(patch: pytest.MonkeyPatch, late: Late) -> None:
        patch.setattr(features.snapshot, "read_audiences", lambda *_: late.snapshot.audiences)

    def history(patch: pytest.MonkeyPatch, late: Late) -> None:
        make = features.history.history_columns
        patch.setattr(
            features.matrix, "history_columns", lambda _, *rest: make(late.snapshot.histories, *rest)
        )

    def content(patch: pytest.MonkeyPatch, late: Late) -> None:
        patch.setattr(features.snapshot, "read_content", lambda *_: late.snapshot.content)

    def terms(patch: pytest.MonkeyPatch, late: Late) -> None:
        make = matcher.rate_book.build_rate_book
        plans, at_us = late.snapshot.plans, late.snapshot.as_of_us
        patch.setattr(
            matcher.world,
            "build_rate_book",
            lambda _, *rest, **more: make(plans, *rest, **more | {"at_us": at_us}),
        )

    def occasion(patch: pytest.MonkeyPatch, late: Late) -> None:
        patch.setattr(features.snapshot, "_next_event", lambda _: late.snapshot.occasion)

    leaks = (sku, anchor, audience, history, content, fit, terms, occasion)
    return {f"block {leak.__name__}": leak for leak in leaks}


def test_there_is_a_leak_for_every_block() -> None:
    assert set(block_leaks()) == set(BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_leak_in_a_block_is_caught_there(full_store: Engine, block: str) -> None:
    assert block in broken_in_seeing(full_store, block_leaks()[block])


@pytest.mark.parametrize("source", SOURCES)
def test_a_leak_in_a_candidate_source_is_caught_there(full_store: Engine, source: str) -> None:
    def leak(patch: pytest.MonkeyPatch, late: Late) -> None:
        read = matcher.candidates.union.read_sources

        def read_late(snapshot: Snapshot, **options: Any) -> Mapping[str, Any]:
            return MappingProxyType(
                {**read(snapshot, **options), source: read(late.snapshot, **options)[source]}
            )

        patch.setattr(matcher.world, "read_sources", read_late)

    found = broken_in_seeing(full_store, leak)
    assert f"{source} of goods" in found
    assert f"{source} of shortlist" in found
    assert not {f"{other} of {side}" for other in SOURCES for side in SIDES if other != source} & found


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ("skus", "block sku"),
        ("anchors", "block anchor"),
        ("plans", "snapshot.plans"),  # rates are resolved an instant earlier, and do not see it
        ("stats", "block anchor"),
        ("audiences", "block audience"),
        ("sessions", "block anchor"),
        ("listings", "block history"),
        ("refunds", "block sku"),
        ("as_of_us", "block occasion"),
    ],
)
def test_a_cut_a_day_too_late_is_caught(full_store: Engine, field: str, where: str) -> None:
    assert where in broken_in_seeing(full_store, cut_leak(field))


@pytest.mark.parametrize("field", ["listings", "refunds", "feedback"])
def test_a_label_cut_a_day_too_late_is_caught(full_store: Engine, field: str) -> None:
    found = broken_in_learning(full_store, ORIGIN, cut_leak(field))
    places = {
        "listings": ("units", "at_us"),
        "refunds": ("net_fen", "settled"),
        "feedback": ("interest_sku",),
    }
    assert {f"outcomes.{name}" for name in places[field]} <= found
    assert {f"labels of {side}" for side in SIDES} <= found


@pytest.mark.parametrize("side", SIDES)
def test_a_training_row_that_knows_more_than_serving_is_caught(full_store: Engine, side: str) -> None:
    assert f"queries of {side}.matrix" in broken_in_learning(
        full_store, ORIGIN, block_leaks()["block anchor"]
    )


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        (("skus",), "block sku"),
        (("anchors",), "block anchor"),
        (("plans",), "snapshot.plans"),
        (("anchor_stats",), "block anchor"),
        (("audiences",), "block audience"),
        (("live_sessions",), "block anchor"),
        (("live_sessions", "listings"), "block history"),
    ],
)
def test_a_table_read_a_day_too_far_is_caught(
    full_store: Engine, monkeypatch: pytest.MonkeyPatch, tables: tuple[str, ...], where: str
) -> None:
    read_too_far(monkeypatch, tables)
    assert where in broken_in_seeing(full_store, None)


def test_feedback_read_a_day_too_far_is_caught(full_store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read_too_far(monkeypatch, ("feedback",))
    assert "outcomes.interest_anchor" in broken_in_learning(full_store, ORIGIN, None)


def test_refunds_that_count_before_they_are_settled_are_caught(
    full_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features.facts, "_unsettle", lambda listings, _: listings)
    assert {"block sku", "block anchor"} <= broken_in_seeing(full_store, None)
    assert "outcomes.net_fen" in broken_in_learning(full_store, ORIGIN, None)


def test_rows_that_keep_the_order_of_the_store_are_caught(
    full_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = seen(facts_in(full_store, NOW), NOW)
    listings = features.facts._listings

    def unsorted(*arguments: Any) -> Listings:
        rows = listings(*arguments)
        same_instant = np.lexsort((-rows.sku, rows.session))
        return rows.take(same_instant)

    monkeypatch.setattr(features.facts, "_listings", unsorted)
    assert different(expected, seen(facts_in(full_store, NOW), NOW))


def cut_leak(field: str) -> Leak:
    """`Facts.before` with one part cut a day too late."""

    def leak(patch: pytest.MonkeyPatch, _: Late) -> None:
        cut = Facts.before

        def before(facts: Facts, as_of_us: int) -> Facts:
            now, late = cut(facts, as_of_us), cut(facts, min(as_of_us + DAY_US, facts.as_of_us))
            if field != "refunds":
                return replace(now, **{field: getattr(late, field)})
            known = late.listings.take(slice(0, len(now.listings.sku)))
            settled = replace(now.listings, refund_fen=known.refund_fen, settled_us=known.settled_us)
            return replace(now, listings=settled)

        patch.setattr(Facts, "before", before)

    return leak


def read_too_far(patch: pytest.MonkeyPatch, tables: tuple[str, ...]) -> None:
    """`load_facts` reads some tables a day too far."""
    known = features.facts._known

    def too_far(session: Session, table: type[SQLModel], cut_us: int, but: str = "") -> pl.DataFrame:
        return known(session, table, cut_us + DAY_US * (table.__tablename__ in tables), but)

    patch.setattr(features.facts, "_known", too_far)
