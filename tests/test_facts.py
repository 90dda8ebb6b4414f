"""What is in the facts, and what is not yet? Each edge from both sides; the law at large is in `test_no_leak.py`."""

from datetime import date

import numpy as np
import pytest
from sqlalchemy import Engine

from features.facts import NEVER_US, NO_DAY, Facts
from features.units import midnight
from market import MICROSECOND, NOW, Market, ago, day_ago, facts_in


def small() -> Market:
    return Market().sku("s1").anchor("a1")


def test_a_live_session_is_known_once_it_has_ended(sqlite_store: Engine) -> None:
    market = small()
    market.live("a1", ago(hours=1), {"s1": 1})  # ends at NOW
    market.live("a1", ago(hours=1) - MICROSECOND, {"s1": 2})
    facts = market.facts(sqlite_store)
    assert facts.listings.units.tolist() == [2]
    assert len(facts.sessions.anchor) == 1
    assert facts_in(sqlite_store, NOW + MICROSECOND).listings.units.tolist() == [2, 1]


def test_a_live_session_without_an_end_is_known_at_its_start(sqlite_store: Engine) -> None:
    market = (
        small().live("a1", NOW, {"s1": 1}, hours=None).live("a1", NOW - MICROSECOND, {"s1": 2}, hours=None)
    )
    assert market.facts(sqlite_store).listings.units.tolist() == [2]


def test_a_refund_counts_once_it_is_settled_and_not_before(sqlite_store: Engine) -> None:
    market = small()
    for settled_at in (NOW, NOW - MICROSECOND, None):
        market.live("a1", ago(9), {"s1": {"units": 1, "refund_fen": 50, "settled_at": settled_at}})
    listings = market.facts(sqlite_store).listings
    np.testing.assert_array_equal(listings.refund_fen, [np.nan, 50, np.nan])
    assert (listings.settled_us < NEVER_US).tolist() == [False, True, False]


def test_of_several_versions_those_known_by_then_are_in_oldest_first(sqlite_store: Engine) -> None:
    market = (
        small().sku("s1", title="later", known_at=NOW).sku("s1", title="sooner", known_at=NOW - MICROSECOND)
    )
    assert market.facts(sqlite_store).skus["title"].to_list() == ["s1", "sooner"]


def test_what_nobody_knew_yet_takes_its_trade_with_it(sqlite_store: Engine) -> None:
    market = small().sku("s0", known_at=NOW).anchor("a0", known_at=NOW)
    market.live("a1", ago(3), {"s0": 1, "s1": 2}).live("a0", ago(2), {"s1": 3}).live("a1", ago(1), {"s1": 4})
    market.feedback("a1", "s0", "picked", ago(1)).feedback("a0", "s1", "picked", ago(1))
    market.stat("a0", day_ago(5), fans=9).crowd("a0", "viewer", "age", {"18-23": 1.0})
    now = market.facts(sqlite_store)
    for facts in (now, facts_in(sqlite_store, ago(-1)).before(now.as_of_us)):
        assert facts.sku_ids.to_list() == ["s1"]
        assert facts.anchor_ids.to_list() == ["a1"]
        assert facts.listings.units.tolist() == [2, 4]
        assert facts.listings.session.tolist() == [0, 1]
        assert facts.listings.sku.tolist() == facts.sessions.anchor.tolist() == [0, 0]
        assert facts.feedback.is_empty()
        assert facts.stats.is_empty()
        assert facts.audiences.is_empty()


def test_a_days_figures_are_known_when_the_day_is_over(sqlite_store: Engine) -> None:
    market = small().stat("a1", day_ago(1), fans=10).stat("a1", day_ago(0), fans=20)
    assert market.facts(sqlite_store).stats["fans"].to_list() == [10]


def test_a_plan_is_known_from_its_version_on(sqlite_store: Engine) -> None:
    market = (
        small()
        .plan("s1", 10, plan_id="p", known_at=NOW - MICROSECOND)
        .plan("s1", 20, plan_id="p", known_at=NOW)
    )
    assert market.facts(sqlite_store).plans["rate_ppm"].to_list() == [100_000]


def test_events_are_known_always(sqlite_store: Engine) -> None:
    market = small().event(ago(-300), ago(-310))
    assert len(market.facts(sqlite_store).events) == 1


def test_a_missing_amount_is_nan_and_a_missing_day_no_day(sqlite_store: Engine) -> None:
    facts = small().live("a1", ago(1), {"s1": 1}).facts(sqlite_store)
    assert np.isnan(facts.listings.impressions).all()
    assert np.isnan(facts.sessions.entries).all()
    assert facts.skus["launched_day"].to_list() == [NO_DAY]


def test_a_date_becomes_its_number_of_days_since_1970(sqlite_store: Engine) -> None:
    facts = small().sku("s2", launched_on=date(1970, 1, 11)).facts(sqlite_store)
    assert facts.skus["launched_day"].to_list() == [NO_DAY, 10]


def test_facts_cut_at_their_own_end_are_themselves(sqlite_store: Engine) -> None:
    facts = small().live("a1", ago(1), {"s1": 1}).facts(sqlite_store)
    assert facts.before(facts.as_of_us).listings.units.tolist() == [1]


def test_facts_cannot_be_cut_after_their_own_end(sqlite_store: Engine) -> None:
    facts = small().facts(sqlite_store)
    with pytest.raises(ValueError, match="nothing can be said"):
        facts.before(facts.as_of_us + 1)


def test_a_store_without_rows_has_facts(sqlite_store: Engine) -> None:
    facts: Facts = Market().facts(sqlite_store, midnight(date(2026, 1, 1)))
    assert facts.sku_ids.to_list() == facts.anchor_ids.to_list() == []
    assert len(facts.listings.sku) == 0
