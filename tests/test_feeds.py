"""Is each feed's age told rightly, and is a limit of age kept to from both sides?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from features.errors import UnknownId, WrongInput
from features.store.db import reading, writing
from features.store.exposure import Exposure, exposure_by_tier
from features.store.feeds import DATED, Feed, read_feeds, read_limits, set_limit, stale_feeds
from features.store.tables import TABLES, Anchor, AnchorStat, Brand, Event, Feedback, LiveSession
from features.units import DAWN

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def add(store: Engine, *rows: Any) -> None:
    with writing(store) as session:
        session.add_all(rows)


def session_at(at: datetime, name: str = "l1") -> LiveSession:
    return LiveSession(live_session_id=name, anchor_id="a1", started_at=at, known_at=at, source="job")


def limit(store: Engine, table: str, hours: int | None) -> None:
    with writing(store) as session:
        set_limit(session, table, hours, at=NOW)


def feed(store: Engine, table: str, at: datetime = NOW) -> Feed:
    with reading(store) as session:
        return next(one for one in read_feeds(session, at=at) if one.table == table)


def stale(store: Engine, at: datetime = NOW) -> tuple[str, ...]:
    with reading(store) as session:
        told = stale_feeds(session, at=at)
        assert told == tuple(one.table for one in read_feeds(session, at=at) if one.is_stale)
        return told


def test_every_import_table_is_a_feed_in_the_order_of_import(store: Engine) -> None:
    with reading(store) as session:
        assert [one.table for one in read_feeds(session, at=NOW)] == list(TABLES)


def test_the_newest_row_and_its_age_are_told(store: Engine) -> None:
    add(store, session_at(NOW - 5 * HOUR), session_at(NOW - 3 * HOUR, "l2"))
    assert feed(store, "live_sessions") == Feed("live_sessions", 2, NOW - 3 * HOUR, 3 * HOUR, None)


def test_what_is_known_only_later_makes_no_feed_fresh(store: Engine) -> None:
    add(store, session_at(NOW - 5 * HOUR), session_at(NOW + HOUR, "l2"))
    assert feed(store, "live_sessions").age == 5 * HOUR


def test_a_first_file_without_instants_has_no_age(store: Engine) -> None:
    add(store, Brand(brand_id="b1", name="B", known_at=DAWN, source="job"))
    assert feed(store, "brands").age is None
    add(store, Brand(brand_id="b1", name="B2", known_at=NOW - HOUR, source="job"))
    assert feed(store, "brands").age == HOUR


def test_an_empty_table_has_no_age_and_no_rows(store: Engine) -> None:
    assert feed(store, "listings") == Feed("listings", 0, None, None, None)


@pytest.mark.parametrize(
    ("age", "is_stale"), [(48 * HOUR, False), (48 * HOUR + timedelta(microseconds=1), True)]
)
def test_a_feed_exactly_at_its_limit_is_fresh_and_a_moment_later_it_is_not(
    store: Engine, age: timedelta, is_stale: bool
) -> None:
    add(store, session_at(NOW - age))
    limit(store, "live_sessions", 48)
    assert stale(store) == (("live_sessions",) if is_stale else ())


def test_without_a_limit_nothing_is_ever_stale(store: Engine) -> None:
    add(store, session_at(NOW - 10_000 * HOUR))
    assert stale(store) == ()


def test_a_limit_on_a_table_without_a_dated_row_is_over(store: Engine) -> None:
    limit(store, "listings", 24)
    assert stale(store) == ("listings",)


def test_a_limit_may_be_changed_and_taken_away(store: Engine) -> None:
    add(store, session_at(NOW - 5 * HOUR))
    limit(store, "live_sessions", 2)
    assert stale(store) == ("live_sessions",)
    limit(store, "live_sessions", 6)
    assert stale(store) == ()
    limit(store, "live_sessions", None)
    limit(store, "live_sessions", None)
    with reading(store) as session:
        assert read_limits(session) == {}


@pytest.mark.parametrize("hours", [0, -1, 24 * 366 + 1])
def test_a_limit_that_makes_no_sense_is_refused(store: Engine, hours: int) -> None:
    with pytest.raises(WrongInput, match="whole number of hours"):
        limit(store, "listings", hours)


def test_rows_that_never_say_when_they_were_known_take_no_limit(store: Engine) -> None:
    add(store, event())
    assert {"programmes", "events"} == set(TABLES) - set(DATED)
    assert (feed(store, "events").n_rows, feed(store, "events").age) == (1, None)
    with pytest.raises(WrongInput, match="do not say when"):
        limit(store, "events", 24)


def event() -> Event:
    return Event(
        event_id="e1", platform="tmall", kind="616", name="616", starts_at=NOW, ends_at=NOW + HOUR, known_at=DAWN, source="job"
    )  # fmt: skip


def test_a_limit_of_an_unknown_table_is_refused(store: Engine) -> None:
    with pytest.raises(UnknownId):
        limit(store, "api_keys", 24)


# ------------------------------------------------------------------ who was shown


def anchor(name: str, tier: str | None, known_at: datetime = DAWN) -> Anchor:
    return Anchor(anchor_id=name, name=name, tier=tier, known_at=known_at, source="job")


def shown(
    request: str, *pairs: tuple[str, str], at: datetime = NOW - HOUR, source: str = "operator"
) -> list[Feedback]:
    return [
        Feedback(
            event_id=f"{request}.{n}",
            request_id=request,
            at=at,
            anchor_id=who,
            sku_id=what,
            kind="shown",
            position=n,
            known_at=at,
            source=source,
        )
        for n, (who, what) in enumerate(pairs, 1)
    ]


def exposure(store: Engine) -> Exposure:
    with reading(store) as session:
        return exposure_by_tier(session, since=NOW - 24 * HOUR, until=NOW)


def by_tier(store: Engine) -> dict[str | None, tuple[int, int, int]]:
    return {one.tier: (one.n_anchors, one.n_proposed, one.n_offered) for one in exposure(store).tiers}


def test_places_of_shortlists_and_goods_lists_are_counted_by_the_anchors_tier(store: Engine) -> None:
    add(store, anchor("h", "head"), anchor("t1", "tail"), anchor("t2", "tail"), anchor("x", None))
    add(store, *shown("r1", ("h", "s1"), ("t1", "s1"), ("x", "s1")), *shown("r2", ("t1", "s1"), ("t1", "s2")))
    assert by_tier(store) == {"head": (1, 1, 0), "tail": (2, 1, 2), None: (1, 1, 0)}


def test_a_list_of_one_pairing_is_told_by_who_asked(store: Engine) -> None:
    add(store, anchor("h", "head"))
    add(store, *shown("r1", ("h", "s1"), source="brand:b1"), *shown("r2", ("h", "s1"), source="anchor:h"))
    assert by_tier(store) == {"head": (1, 1, 1)}


def test_the_latest_tier_counts_and_the_window_has_a_beginning(store: Engine) -> None:
    add(store, anchor("h", "tail"), anchor("h", "waist", NOW - 2 * HOUR), anchor("h", "head", NOW + HOUR))
    add(
        store,
        *shown("r1", ("h", "s1"), ("h", "s2"), at=NOW - 25 * HOUR),
        *shown("r2", ("h", "s1"), ("h", "s2")),
    )
    assert by_tier(store) == {"waist": (1, 0, 2)}


def test_the_share_of_the_ten_most_proposed_is_told(store: Engine) -> None:
    add(store, *(anchor(f"a{n}", "tail") for n in range(20)))
    add(store, *shown("r1", *((f"a{n}", "s1") for n in range(20))))
    assert exposure(store).top_ten_share == 0.5


def test_without_anything_shown_nothing_is_made_up(store: Engine) -> None:
    add(store, anchor("h", "head"))
    found = exposure(store)
    assert (found.n_proposed, found.n_offered, found.top_ten_share) == (0, 0, None)


def test_other_feedback_is_no_exposure(store: Engine) -> None:
    add(store, anchor("h", "head"))
    picked = shown("r1", ("h", "s1"))[0]
    picked.kind = "picked"
    add(store, picked, AnchorStat(anchor_id="h", observed_on=NOW.date(), known_at=NOW, source="job"))
    assert exposure(store).n_offered == 0
