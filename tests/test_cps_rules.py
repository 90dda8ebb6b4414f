"""Does our open rate reach what other platforms pay? The CPS floor: whom it binds, what is ours, the comparison."""

from typing import Any

import pytest

from features.units import Ppm
from matcher.cps import FloorAccount
from promises import HOUR, NOON, TICK, Row, enrolment, floor_of, in_words, plan, quote, version


def said(*rows: Row, **how: Any) -> str:
    """Status and reason of it."""
    return in_words(floor_of(*rows, **how))


def floor_ppm(*rows: Row, **how: Any) -> int | None:
    """The floor that was found."""
    account = floor_of(*rows, **how).account
    assert isinstance(account, FloorAccount)
    return account.floor_ppm


# -- scope


@pytest.mark.parametrize(
    ("columns", "bound"),
    [
        ({"valid_from": NOON}, True),
        ({"valid_from": NOON + TICK}, False),
        ({"valid_to": NOON}, False),
        ({"valid_to": NOON + TICK}, True),
        ({"committed_at": NOON}, True),
        ({"committed_at": NOON + TICK}, False),
        ({"rules": frozenset({"cps_floor"})}, True),
        ({"rules": frozenset({"price_parity"})}, False),
        ({"brand_id": "another"}, False),
    ],
)  # fmt: skip
def test_only_a_brand_enrolled_at_that_moment_is_bound(columns: dict[str, Any], bound: bool) -> None:
    expected = "FAIL RATE_BELOW_FLOOR" if bound else "NOT_APPLICABLE NOT_ENROLLED"
    assert said(enrolment(**columns), quote(30)) == expected


def test_a_commitment_before_its_window_binds_from_the_window_on() -> None:
    early = enrolment(valid_from=NOON, committed_at=NOON - 9 * HOUR)
    assert said(early, quote(30), at=NOON - TICK) == "NOT_APPLICABLE NOT_ENROLLED"
    assert said(early, quote(30)) == "FAIL RATE_BELOW_FLOOR"


def test_a_second_enrolment_binds_where_the_first_is_over() -> None:
    assert said(enrolment(valid_to=NOON), enrolment(programme_id="d"), quote(10)) == "PASS OK"


def test_the_brand_of_the_version_in_force_is_asked() -> None:
    rows = version(), version(brand_id="another", known_at=NOON), quote(30)
    before, after = floor_of(*rows, at=NOON - TICK), floor_of(*rows)
    assert (before.reason, after.reason) == ("RATE_BELOW_FLOOR", "NOT_ENROLLED")


# -- ours


@pytest.mark.parametrize("kind", ["exclusive", "target_item", "target_shop", "leader", "leader_exclusive"])
def test_without_an_open_plan_there_is_nothing_to_compare(kind: str) -> None:
    assert said(plan(90, kind, anchor_ids=frozenset({"a"})), quote(10)) == "INDETERMINATE NO_PLAN"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"valid_from": NOON}, "OK"),
        ({"valid_from": NOON + TICK}, "NO_PLAN"),
        ({"valid_to": NOON + TICK}, "OK"),
        ({"valid_to": NOON}, "NO_PLAN"),
        ({"known_at": NOON}, "OK"),
        ({"known_at": NOON + TICK}, "NO_PLAN"),
        ({"status": "on"}, "OK"),
        ({"status": "paused"}, "NO_PLAN"),
        ({"status": "off"}, "NO_PLAN"),
        ({"sku_id": "another"}, "NO_PLAN"),
    ],
)  # fmt: skip
def test_the_open_plan_counts_while_it_is_on_and_in_its_window(columns: dict[str, Any], reason: str) -> None:
    assert floor_of(plan(**columns), quote(10)).reason == reason


def test_the_later_version_of_a_plan_replaces_the_earlier() -> None:
    rows = plan(20, plan_id="p"), plan(9, plan_id="p", known_at=NOON), quote(10)
    assert said(*rows, at=NOON - TICK) == "PASS OK"
    assert said(*rows) == "FAIL RATE_BELOW_FLOOR"


def test_of_two_open_plans_the_later_start_counts_though_it_pays_less() -> None:
    assert floor_of(plan(30), plan(10, valid_from=NOON), quote(20)).margin == -100_000


@pytest.mark.parametrize(("percent", "reason"), [(30, "OPEN_LOWER_TARGET_OK"), (29.9999, "RATE_BELOW_FLOOR")])
@pytest.mark.parametrize("kind", ["exclusive", "target_item", "target_shop", "leader", "leader_exclusive"])
def test_another_plan_at_the_floor_cures_nothing_but_is_told(kind: str, percent: float, reason: str) -> None:
    rows = plan(10), plan(percent, kind, anchor_ids=frozenset({"a"})), quote(30)
    assert said(*rows) == f"FAIL {reason}"


@pytest.mark.parametrize(("percent", "reason"), [(29, "OPEN_LOWER_TARGET_OK"), (28.9999, "RATE_BELOW_FLOOR")])
def test_another_plan_reaches_the_floor_within_the_tolerance(percent: float, reason: str) -> None:
    assert said(plan(10), plan(percent, "leader"), quote(30), tolerance_ppm=10_000) == f"FAIL {reason}"


@pytest.mark.parametrize("columns", [{"status": "paused"}, {"valid_to": NOON}, {"valid_from": NOON + TICK}])
def test_another_plan_that_is_not_in_force_is_not_told(columns: dict[str, Any]) -> None:
    assert said(plan(10), plan(40, "exclusive", **columns), quote(30)) == "FAIL RATE_BELOW_FLOOR"


def test_an_exclusive_plan_below_the_floor_does_not_spoil_an_open_pass() -> None:
    assert said(plan(20), plan(10, "exclusive", anchor_ids=frozenset({"a"})), quote(20)) == "PASS OK"


def test_a_service_fee_is_not_the_anchors() -> None:
    verdict = floor_of(plan(20, service_fee_rate_ppm=Ppm(100_000)), quote(25))
    assert (verdict.reason, verdict.margin) == ("RATE_BELOW_FLOOR", -50_000)


# -- the floor, and the comparison


def test_the_floor_is_the_highest_fresh_rate() -> None:
    assert floor_ppm(quote(10), quote(15, "jd"), quote(12, "douyin")) == 150_000


@pytest.mark.parametrize(
    ("rates", "median"), [((10, 15, 30), 15), ((10, 15), 10), ((8, 10, 15, 30), 10), ((9,), 9)]
)
def test_the_median_of_two_middles_is_the_lower(rates: tuple[int, ...], median: int) -> None:
    quotes = [quote(rate, platform) for rate, platform in zip(rates, "abcd", strict=False)]
    assert floor_ppm(*quotes, statistic="median") == median * 10_000


def test_only_the_platforms_that_the_policy_names_count() -> None:
    rows = quote(30), quote(10, "jd")
    assert said(*rows, platforms=("jd", "douyin")) == "PASS OK"
    assert said(*rows, platforms=("tmall", "jd")) == "FAIL RATE_BELOW_FLOOR"
    assert said(*rows, platforms=("douyin",)) == "INDETERMINATE NO_REFERENCE"


@pytest.mark.parametrize(
    ("percent", "status", "margin"), [(20, "PASS", 0), (20.0001, "FAIL", -1), (19.9999, "PASS", 1)]
)
def test_equality_passes_and_the_margin_is_ours_minus_the_floor(
    percent: float, status: str, margin: int
) -> None:
    verdict = floor_of(quote(percent))
    assert (verdict.status, verdict.margin) == (status, margin)


@pytest.mark.parametrize(("percent", "expected"), [(21, "PASS OK"), (21.0001, "FAIL RATE_BELOW_FLOOR")])
def test_the_tolerance_is_below_the_floor_to_the_ppm(percent: float, expected: str) -> None:
    assert said(quote(percent), tolerance_ppm=10_000) == expected


def test_the_evidence_is_our_plan_and_the_quotes_that_decided() -> None:
    verdict = floor_of(
        plan(plan_id="p"), quote(10, quote_id="new"), quote(10, age=2 * HOUR), quote(9, "kuaishou")
    )
    assert verdict.evidence_ids == "new;p"
