"""What of other platforms counts against our rate, and for how long? Quotes: which, how old, how many."""

from datetime import timedelta
from typing import Any

import pytest

from features.store.dossier import BigEvent
from matcher.cps import FloorAccount
from promises import HOUR, NOON, TICK, Row, around, event, floor_of, in_words, notes_of, quote

RUNNING = around(-9 * HOUR, 9 * HOUR)


def said(*rows: Row, **how: Any) -> str:
    """Status and reason of it."""
    return in_words(floor_of(*rows, **how))


def floor_ppm(*rows: Row, **how: Any) -> int | None:
    """The floor that was found."""
    account = floor_of(*rows, **how).account
    assert isinstance(account, FloorAccount)
    return account.floor_ppm


# -- theirs: which quotes count


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ({"plan_scope": "open"}, True),
        ({"plan_scope": None}, True),
        ({"plan_scope": ""}, True),
        ({"plan_scope": "exclusive"}, False),
        ({"source": "job"}, True),
        ({"source": "brand:b"}, False),
        ({"platform": "kuaishou"}, False),
        ({"observed_at": NOON}, True),
        ({"observed_at": NOON + TICK}, False),
        ({"valid_from": NOON}, True),
        ({"valid_from": NOON + TICK}, False),
        ({"valid_to": NOON + TICK}, True),
        ({"valid_to": NOON}, False),
        ({"retracted_at": NOON + TICK}, True),
        ({"retracted_at": NOON}, False),
    ],
)  # fmt: skip
def test_a_quote_counts_where_it_is_open_trusted_known_in_force_and_elsewhere(
    columns: dict[str, Any], counts: bool
) -> None:
    expected = "FAIL RATE_BELOW_FLOOR" if counts else "INDETERMINATE NO_REFERENCE"
    assert said(quote(30, **columns)) == expected


def test_home_is_what_the_policy_calls_so() -> None:
    assert said(quote(30, "douyin"), home="douyin") == "INDETERMINATE NO_REFERENCE"
    assert said(quote(30, "kuaishou"), home="douyin") == "FAIL RATE_BELOW_FLOOR"


def test_an_untrusted_quote_is_listed() -> None:
    verdict = floor_of(quote(10), quote(30, quote_id="theirs", source="brand:b"))
    assert (verdict.reason, notes_of(verdict)) == ("OK", [("UNTRUSTED_SOURCE", "theirs")])


def test_of_one_platform_the_latest_counts_though_it_is_lower() -> None:
    assert floor_ppm(quote(30, age=2 * HOUR), quote(10, age=2 * HOUR - TICK)) == 100_000


def test_at_the_same_instant_the_higher_counts_in_either_order() -> None:
    assert floor_ppm(quote(30), quote(10)) == floor_ppm(quote(10), quote(30)) == 300_000


def test_a_later_quote_that_does_not_count_leaves_the_earlier_in_its_place() -> None:
    early = quote(30, age=2 * HOUR)
    for columns in (
        {"valid_to": NOON},
        {"source": "brand:b"},
        {"plan_scope": "exclusive"},
        {"retracted_at": NOON},
    ):
        assert floor_ppm(early, quote(10, **columns)) == 300_000


def test_a_range_counts_by_its_upper_bound() -> None:
    assert floor_of(quote(10, rate_high_ppm=200_000)).margin == 0
    assert floor_of(quote(10, rate_high_ppm=200_001)).margin == -1


# -- freshness


@pytest.mark.parametrize(
    ("age", "events", "reason"),
    [
        (72 * HOUR, (), "OK"),
        (72 * HOUR + TICK, (), "ALL_STALE"),
        (24 * HOUR, (RUNNING,), "OK"),
        (24 * HOUR + TICK, (RUNNING,), "ALL_STALE"),
    ],
)
def test_a_quote_is_fresh_for_72_hours_and_during_a_big_event_for_24(
    age: timedelta, events: tuple[BigEvent, ...], reason: str
) -> None:
    assert floor_of(quote(10, age=age), *events).reason == reason


@pytest.mark.parametrize(
    ("shift", "reason"),
    [(-9 * HOUR - TICK, "OK"), (-9 * HOUR, "ALL_STALE"), (9 * HOUR - TICK, "ALL_STALE"), (9 * HOUR, "OK")],
)
def test_an_event_is_strict_from_its_start_to_just_before_its_end(shift: timedelta, reason: str) -> None:
    assert floor_of(quote(10, age=40 * HOUR), RUNNING, at=NOON + shift).reason == reason


@pytest.mark.parametrize(("platform", "big"), [("tmall", True), ("kuaishou", False)])
def test_an_event_elsewhere_or_a_small_one_is_not_strict(platform: str, big: bool) -> None:
    other = event(NOON - HOUR, NOON + HOUR, platform=platform, big=big)
    assert floor_of(quote(10, age=72 * HOUR), other).reason == "OK"


def test_the_latest_sight_of_a_platform_decides_even_when_it_is_stale() -> None:
    verdict = floor_of(quote(10, age=73 * HOUR, quote_id="old"), quote(10, age=99 * HOUR))
    assert (verdict.reason, notes_of(verdict)) == ("ALL_STALE", [("STALE_QUOTE", "old")])


# -- coverage


def test_no_quote_at_all_is_no_reference() -> None:
    assert said() == "INDETERMINATE NO_REFERENCE"


def test_with_some_platform_stale_a_pass_is_partial() -> None:
    verdict = floor_of(quote(10), quote(10, "jd", age=73 * HOUR))
    assert (verdict.status, verdict.reason, verdict.margin) == ("INDETERMINATE", "PARTIAL_COVERAGE", None)


def test_with_some_platform_stale_a_pass_stands_where_the_policy_allows_it() -> None:
    assert said(quote(10), quote(10, "jd", age=73 * HOUR), allow_partial=True) == "PASS OK"


@pytest.mark.parametrize("allow", [True, False])
def test_with_some_platform_stale_a_fail_stands(allow: bool) -> None:
    rows = quote(30), quote(10, "jd", age=73 * HOUR)
    assert said(*rows, allow_partial=allow) == "FAIL RATE_BELOW_FLOOR"


def test_a_stale_rate_above_ours_does_not_fail() -> None:
    assert said(quote(10), quote(90, "jd", age=73 * HOUR), allow_partial=True) == "PASS OK"
