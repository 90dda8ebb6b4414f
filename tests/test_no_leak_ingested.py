"""Does the law hold from the files on? The pretend market imported whole, and as it could have been imported on that day."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine

from as_bytes import Digests, assert_same, learnt, seen
from features.demo_market import MarketSpec, make_market
from features.store.db import open_engine, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade
from features.units import midnight
from market import facts_in

THEN, LATER = midnight(date(2026, 9, 7)), midnight(date(2026, 10, 22))
TABLES = (
    "brands",
    "events",
    "anchors",
    "skus",
    "plans",
    "anchor_stats",
    "audiences",
    "live_sessions",
    "listings",
    "feedback",
)


@pytest.fixture(scope="module")
def tables() -> Mapping[str, pl.DataFrame]:
    return {
        name: frame
        for name, frame in make_market(MarketSpec.tiny(), seed=7).tables().items()
        if name in TABLES
    }


@pytest.fixture(scope="module")
def whole(tables: Mapping[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    yield from imported(tables, tmp_path_factory.mktemp("whole"), LATER)


@pytest.fixture(scope="module")
def known_then(
    tables: Mapping[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    yield from imported(
        known_before(tables, THEN), tmp_path_factory.mktemp("then"), THEN - timedelta(hours=1)
    )


@pytest.fixture(scope="module")
def seen_then(known_then: Engine) -> Digests:
    return seen(facts_in(known_then, THEN), THEN)


def test_a_whole_import_shows_of_a_day_what_that_days_import_would_have(
    whole: Engine, seen_then: Digests
) -> None:
    assert_same(seen(facts_in(whole, THEN), THEN), seen_then)
    assert_same(seen(facts_in(whole, LATER), THEN), seen_then)


def test_labels_and_training_rows_are_those_of_that_day_too(whole: Engine, known_then: Engine) -> None:
    origin = THEN - timedelta(days=28)
    expected = learnt(facts_in(known_then, THEN), THEN, origin)
    assert_same(learnt(facts_in(whole, THEN), THEN, origin), expected)
    assert_same(learnt(facts_in(whole, LATER), THEN, origin), expected)


def test_a_day_more_would_have_shown_more(whole: Engine, seen_then: Digests) -> None:
    day_after = seen(facts_in(whole, THEN + timedelta(days=1)), THEN)
    assert day_after == seen_then
    assert seen(facts_in(whole, THEN + timedelta(days=1)), THEN + timedelta(days=1)) != seen_then


def known_before(tables: Mapping[str, pl.DataFrame], then: datetime) -> dict[str, pl.DataFrame]:
    """The rows that could have been written by then, with what was settled by then."""
    rooms = tables["live_sessions"].filter(pl.col("ended_at") < then)
    day = (then + timedelta(hours=8)).date()
    versions = pl.col("observed_at").is_null() | (pl.col("observed_at") < then)
    plans = pl.coalesce("observed_at", "valid_from") < then
    is_open = pl.col("settled_at") >= then
    found = dict(tables) | {name: tables[name].filter(versions) for name in ("brands", "anchors", "skus")}
    found |= {
        name: tables[name].filter(pl.col("observed_on") < day) for name in ("anchor_stats", "audiences")
    }
    found["plans"] = tables["plans"].filter(plans).join(found["skus"], on="sku_id", how="semi")
    found["live_sessions"] = rooms
    found["listings"] = (
        tables["listings"]
        .join(rooms, on="live_session_id", how="semi")
        .with_columns(pl.when(~is_open).then(name).alias(name) for name in ("refund_fen", "settled_at"))
    )
    found["feedback"] = tables["feedback"].filter(pl.col("at") < then)
    assert all(len(found[name]) < len(tables[name]) for name in ("skus", "plans", "listings", "audiences"))
    return found


def imported(tables: Mapping[str, pl.DataFrame], folder: Path, now: datetime) -> Iterator[Engine]:
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    engine = open_engine(f"sqlite:///{folder / 'store.db'}")
    upgrade(engine)
    with writing(engine) as session:
        ingest(session, [folder], now=now.astimezone(UTC), rejects=folder / "rejects")
    yield engine
    engine.dispose()
