"""Whom does price parity bind, when, and which of our offers does it look at? Scope, event, calendar, ours.

What comes of it: `test_parity_compared.py`. Where the reference price comes from: `test_reference_rules.py`.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from features.store.dossier import Equivalent, Offer
from promises import (
    DAY,
    E116,
    E616,
    E818,
    HOUR,
    NOON,
    OLD_11,
    TICK,
    Row,
    coupon,
    enrolment,
    event,
    in_words,
    offer,
    parity_of,
    shanghai,
    there,
    version,
)


def said(*rows: Row, **how: Any) -> str:
    """Status and reason."""
    return in_words(parity_of(*rows, **how))


# -- whom it binds, and when


@pytest.mark.parametrize(
    ("columns", "bound"),
    [
        ({"valid_from": NOON}, True),
        ({"valid_from": NOON + TICK}, False),
        ({"valid_to": NOON}, False),
        ({"valid_to": NOON + TICK}, True),
        ({"committed_at": NOON}, True),
        ({"committed_at": NOON + TICK}, False),
        ({"rules": frozenset({"price_parity"})}, True),
        ({"rules": frozenset({"cps_floor"})}, False),
        ({"brand_id": "another"}, False),
    ],
)
def test_only_a_brand_enrolled_at_that_moment_is_bound(columns: dict[str, Any], bound: bool) -> None:
    expected = "PASS OK" if bound else "NOT_APPLICABLE NOT_ENROLLED"
    assert said(enrolment(**columns), offer(), there()) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (E616.starts_at - TICK, "NOT_APPLICABLE NO_EVENT"),
        (E616.starts_at, "PASS OK"),
        (E616.ends_at - TICK, "PASS OK"),
        (E616.ends_at, "NOT_APPLICABLE NO_EVENT"),
    ],
)
def test_it_holds_from_the_events_start_to_just_before_its_end(at: datetime, expected: str) -> None:
    assert said(offer(observed_at=at - HOUR), there(), at=at) == expected


@pytest.mark.parametrize(("platform", "big"), [("douyin", True), ("kuaishou", False)])
def test_an_event_elsewhere_or_a_small_one_is_none(platform: str, big: bool) -> None:
    other = event(E616.starts_at, E616.ends_at, platform=platform, big=big)
    assert said(other, E818, E116, OLD_11, offer(), there()) == "NOT_APPLICABLE NO_EVENT"


# -- the calendar


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((E818,), "INDETERMINATE CALENDAR"),
        ((E818, E116), "PASS OK"),
        (
            (E818, E116, event(shanghai(2026, 12, 1), shanghai(2026, 12, 13), "1212")),
            "INDETERMINATE CALENDAR",
        ),
        ((E818, E116, event(shanghai(2026, 3, 1), shanghai(2026, 3, 9), big=False)), "PASS OK"),
        ((E818, E116, event(shanghai(2026, 3, 1), shanghai(2026, 3, 9), platform="douyin")), "PASS OK"),
    ],
)
def test_the_year_holds_exactly_three_big_promotions_of_ours(others: tuple[Row, ...], expected: str) -> None:
    assert said(OLD_11, E616, *others, offer(), there()) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (shanghai(2026, 1, 1) - TICK, "INDETERMINATE CALENDAR"),
        (shanghai(2026, 1, 1), "PASS OK"),
        (shanghai(2027, 1, 1) - TICK, "PASS OK"),
        (shanghai(2027, 1, 1), "INDETERMINATE CALENDAR"),
    ],
)
def test_an_event_belongs_to_the_shanghai_year_of_its_start(start: datetime, expected: str) -> None:
    third = event(start, start + 9 * DAY, "eve")
    assert said(OLD_11, E616, E818, third, offer(), there()) == expected


def test_across_the_turn_of_the_year_the_calendar_of_the_new_year_is_asked() -> None:
    eve = event(shanghai(2026, 12, 28), shanghai(2027, 1, 4), "eve")
    rows = OLD_11, E616, E818, eve, there()
    new_year = shanghai(2027, 1, 1)
    assert said(*rows, offer(observed_at=new_year - HOUR), at=new_year - TICK) == "PASS OK"
    assert said(*rows, offer(observed_at=new_year - HOUR), at=new_year) == "INDETERMINATE CALENDAR"


# -- comparability


def test_a_channel_exclusive_sku_without_an_equivalent_is_not_comparable() -> None:
    assert said(version(channel_exclusive=True), offer(), there()) == "NOT_APPLICABLE NOT_COMPARABLE"
    assert said(version(channel_exclusive=False), offer(), there()) == "PASS OK"


def with_equivalent(*offers: Offer, ratio: int | None = None, **ours: Any) -> str:
    """What is said of an exclusive SKU at 10 000 fen that names another, which has these offers."""
    named = version(channel_exclusive=True, equivalent_sku_id="t", equivalent_ratio=ratio)
    stands_for = {"t": Equivalent((version(unit="g", units_per_pack=100),), offers)}
    columns: dict[str, Any] = {"unit": "g", "units_per_pack": 100}
    return said(named, offer(**columns | ours), there(1), equivalents=stands_for)


def test_the_equivalents_offers_count_with_its_own_pack_and_unit() -> None:
    assert with_equivalent(there(10_000)) == "PASS OK"
    assert with_equivalent(there(9_999)) == "FAIL PRICE_ABOVE_REFERENCE"


def test_offers_under_the_exclusive_skus_own_id_do_not_count() -> None:
    assert with_equivalent() == "INDETERMINATE NO_REFERENCE"


def test_an_equivalents_units_count_ratio_times() -> None:
    assert with_equivalent(there(20_000), ratio=2, fen=20_000, units_per_pack=200) == "PASS OK"
    assert with_equivalent(there(19_999), ratio=2) == "FAIL PRICE_ABOVE_REFERENCE"
    assert with_equivalent(there(20_000), ratio=2) == "PASS PACK_DIFFERS"


def test_a_sku_that_is_not_exclusive_is_held_against_its_own_offers_though_it_names_another() -> None:
    named = version(equivalent_sku_id="t", equivalent_ratio=9)
    assert (
        said(named, offer(), there(), equivalents={"t": Equivalent((version(),), (there(1),))}) == "PASS OK"
    )


# -- ours


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ({"platform": "douyin"}, False),
        ({"observed_at": NOON}, True),
        ({"observed_at": NOON + TICK}, False),
        ({"valid_from": NOON}, True),
        ({"valid_from": NOON + TICK}, False),
        ({"valid_to": NOON + TICK}, True),
        ({"valid_to": NOON}, False),
        ({"retracted_at": NOON + TICK}, True),
        ({"retracted_at": NOON}, False),
        ({"source": "brand:b"}, True),
        ({"mapping": "title"}, True),
    ],
)
def test_an_offer_of_ours_counts_where_it_is_known_and_in_force(
    columns: dict[str, Any], counts: bool
) -> None:
    assert said(offer(**columns), there()) == ("PASS OK" if counts else "INDETERMINATE NO_OFFER")


@pytest.mark.parametrize(
    ("age", "expected"), [(24 * HOUR, "PASS OK"), (24 * HOUR + TICK, "INDETERMINATE ALL_STALE")]
)
def test_an_offer_of_ours_is_fresh_for_24_hours(age: timedelta, expected: str) -> None:
    assert said(offer(observed_at=NOON - age), there()) == expected


def test_of_one_audience_the_latest_counts() -> None:
    early = offer(99_999, observed_at=NOON - 2 * HOUR)
    assert said(early, offer(10_000), there()) == "PASS OK"
    assert said(early, offer(10_000, observed_at=NOON - 3 * HOUR), there()) == "FAIL PRICE_ABOVE_REFERENCE"


def test_an_unnamed_audience_is_all() -> None:
    early = offer(99_999, observed_at=NOON - 2 * HOUR, audience="all")
    assert said(early, offer(10_000, audience=None), there()) == "PASS OK"


def test_at_the_same_instant_the_dearer_a_unit_counts_in_either_order() -> None:
    one, other = offer(10_000), offer(18_000, units_per_pack=2)
    for rows in ((one, other), (other, one)):
        assert parity_of(*rows, there(9_500)).margin == -500


def test_our_price_is_that_of_the_instant_with_the_promotions_that_hold_then() -> None:
    reduced = offer(10_500, promotions=(coupon(500, valid_to=NOON + HOUR),))
    assert said(reduced, there()) == "PASS OK"
    assert said(reduced, there(), at=NOON + HOUR) == "FAIL PRICE_ABOVE_REFERENCE"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"fen": 0, "welfare": True}, "NOT_APPLICABLE WELFARE"),
        ({"fen": 0, "welfare": True, "currency": "USD"}, "NOT_APPLICABLE WELFARE"),
        ({"fen": 1, "welfare": True}, "PASS OK"),
        ({"fen": 0, "welfare": True, "shipping_fen": 1}, "PASS OK"),
        ({"fen": 0, "welfare": False}, "INDETERMINATE BAD_PRICE"),
        ({"fen": 0}, "INDETERMINATE BAD_PRICE"),
        ({"fen": 0, "currency": "USD"}, "INDETERMINATE CURRENCY"),
        ({"currency": "USD"}, "INDETERMINATE CURRENCY"),
        ({"currency": "CNY"}, "PASS OK"),
        ({"currency": ""}, "PASS OK"),
        ({"deposit_fen": 1_000}, "INDETERMINATE BAD_PRICE"),
        ({"balance_fen": 1_000}, "INDETERMINATE BAD_PRICE"),
        ({"deposit_fen": 1_000, "balance_fen": 9_000}, "PASS OK"),
        ({"promotions": (coupon(9_999),)}, "PASS OK"),
        ({"promotions": (coupon(10_000),)}, "INDETERMINATE BAD_PRICE"),
        ({"fen": 0, "welfare": True, "observed_at": NOON - 25 * HOUR}, "INDETERMINATE ALL_STALE"),
    ],
)
def test_what_is_wrong_with_ours_is_said_in_order(columns: dict[str, Any], expected: str) -> None:
    assert said(offer(**columns), there()) == expected


def test_what_is_wrong_with_ours_is_said_before_what_is_wrong_with_the_reference() -> None:
    assert said(offer(0)) == "INDETERMINATE BAD_PRICE"
    assert said(offer()) == "INDETERMINATE NO_REFERENCE"
