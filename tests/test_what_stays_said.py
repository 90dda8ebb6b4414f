"""Does what was promised then stay judged by what was so then? Versions, promotions, plans and retractions in time."""

import pytest

from features.store.dossier import BigEvent, SkuVersion
from matcher.policy import Policy
from promises import (
    DAY,
    E116,
    E616,
    HOUR,
    NOON,
    TICK,
    YEAR,
    coupon,
    enrolment,
    floor_of,
    in_words,
    offer,
    parity_of,
    plan,
    quote,
    shanghai,
    there,
    version,
)

AFTER = E616.ends_at + 30 * DAY
SEEN = offer(11_000, observed_at=E616.starts_at + DAY)


@pytest.mark.parametrize(
    "later",
    [
        version(known_at=E616.ends_at, brand_id="another"),
        version(known_at=E616.ends_at, channel_exclusive=True),
        version(known_at=E616.ends_at, units_per_pack=2),
    ],
)
def test_a_sku_that_changes_after_the_event_is_judged_as_it_was_in_it(later: SkuVersion) -> None:
    before = parity_of(version(), SEEN, there(), final=E616, at=AFTER)
    after = parity_of(version(), later, SEEN, there(), final=E616, at=AFTER)
    assert (before.status, before.reason, before.margin) == (after.status, after.reason, after.margin)
    assert before.status == "FAIL"


def test_a_sku_that_joins_an_enrolled_brand_after_the_event_was_not_bound_in_it() -> None:
    rows = version(brand_id="free"), version(known_at=E616.ends_at), SEEN, there()
    assert in_words(parity_of(*rows, final=E616, at=AFTER)) == "NOT_APPLICABLE NOT_ENROLLED"


def test_a_price_there_is_of_the_pack_that_was_sold_then() -> None:
    then, now = version(units_per_pack=2), version(known_at=shanghai(2026, 1, 1), units_per_pack=1)
    verdict = parity_of(then, now, offer(9_000), there(10_000))
    assert (verdict.status, verdict.margin) == ("FAIL", -4_000)


def test_a_final_verdict_on_an_event_that_is_not_over_says_nothing_of_another() -> None:
    assert in_words(parity_of(SEEN, there(), final=E116, at=NOON)) == "NOT_APPLICABLE NO_EVENT"
    running = parity_of(offer(11_000), there(), final=E616, at=NOON)
    assert (in_words(running), running.provisional) == ("FAIL PRICE_ABOVE_REFERENCE", True)


def test_a_promotion_of_an_untrusted_source_takes_nothing_off_a_price_there() -> None:
    trusted, rival = coupon(2_000), coupon(2_000, source="brand:rival")
    assert parity_of(offer(), there(promotions=(trusted,))).status == "FAIL"
    verdict = parity_of(offer(), there(promotions=(rival,)))
    assert verdict.status == "PASS"
    assert ("UNTRUSTED_SOURCE", rival.promotion_id) in {(str(n.reason), n.about) for n in verdict.notes}


def test_a_retracted_promotion_counts_for_the_past_alone() -> None:
    wrong = coupon(2_000, retracted_at=NOON)
    assert parity_of(offer(), there(promotions=(wrong,)), at=NOON - TICK).status == "FAIL"
    assert parity_of(offer(), there(promotions=(wrong,)), at=NOON).status == "PASS"


def test_a_retracted_enrolment_binds_until_it_was_retracted() -> None:
    left = enrolment(retracted_at=NOON)
    assert floor_of(left, quote(10), at=NOON - TICK).reason == "OK"
    assert floor_of(left, quote(10), at=NOON).reason == "NOT_ENROLLED"


def test_a_retracted_event_is_on_the_calendar_until_it_was_retracted() -> None:
    start = shanghai(2026, 3, 1)
    fourth = BigEvent("extra", "kuaishou", "day", start, start + DAY, True, retracted_at=NOON)
    rows = (*YEAR, fourth, offer(), there())
    assert parity_of(*rows, at=NOON - TICK).reason == "CALENDAR"
    assert parity_of(*rows, at=NOON).reason == "OK"


def test_a_scheduled_plan_is_a_change_on_the_calendar() -> None:
    soon = plan(5, known_at=NOON + HOUR, valid_from=NOON + HOUR)
    verdict = floor_of(plan(20), soon, quote(10))
    assert (verdict.status, verdict.next_change_at) == ("PASS", NOON + HOUR)
    assert floor_of(plan(20), soon, quote(10, age=-HOUR), quote(10), at=NOON + HOUR).status == "FAIL"


def test_lower_of_both_needs_both() -> None:
    rows = [row for row in YEAR if row.kind != "double_11"]
    same = BigEvent("t", "tmall", "double_11", shanghai(2026, 5, 1), shanghai(2026, 5, 20), True)
    seen = there(observed_at=shanghai(2026, 5, 10))
    asked = parity_of(*rows, same, offer(), seen, reference_year="lower_of_both")
    assert asked.status == "PASS"  # it is the completed one and that of the year
    late = same._replace(ends_at=E616.starts_at + DAY)
    asked = parity_of(*rows, late, offer(), seen, reference_year="lower_of_both")
    assert in_words(asked) == "INDETERMINATE NO_REFERENCE"


def test_platforms_are_compared_in_lower_case() -> None:
    assert Policy(home_platform="KuaiShou").home_platform == "kuaishou"
