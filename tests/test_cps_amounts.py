"""Where bases differ, does the commission a piece reach theirs? And until when does an answer on the floor hold?"""

from datetime import timedelta
from typing import Any

import pytest

from promises import HOUR, NOON, TICK, Row, around, coupon, enrolment, floor_of, offer, plan, quote


def said(*rows: Row, **how: Any) -> tuple[str, str, int | None]:
    """Status, reason and margin."""
    verdict = floor_of(*rows, **how)
    return verdict.status, verdict.reason, verdict.margin


def noted(*rows: Row, **how: Any) -> list[str]:
    """Reasons of the notes."""
    return [note.reason for note in floor_of(*rows, **how).notes]


# -- bases: ours pays 20 % of 10 000, which is 2 000 fen a piece

RATE_OK = quote(10, base_fen=20_010)
"""10 % of 20 010 is 2 001 fen: a lower rate, a higher commission."""
AMOUNT_OK = quote(30, base_fen=6_666)
"""30 % of 6 666 is 1 999.8 fen: a higher rate, a lower commission."""


def test_by_default_the_rate_decides_and_the_amount_is_a_note() -> None:
    assert said(RATE_OK, offer()) == ("PASS", "OK", 100_000)
    assert noted(RATE_OK, offer()) == ["RATE_OK_AMOUNT_LOW"]
    assert said(AMOUNT_OK, offer()) == ("FAIL", "RATE_BELOW_FLOOR", -100_000)
    assert noted(AMOUNT_OK, offer()) == ["AMOUNT_OK_RATE_LOW"]


def test_under_amount_the_amount_decides_and_the_rate_is_a_note() -> None:
    assert said(AMOUNT_OK, offer(), basis="amount") == ("PASS", "OK", 0)
    assert noted(AMOUNT_OK, offer(), basis="amount") == ["AMOUNT_OK_RATE_LOW"]
    assert said(RATE_OK, offer(), basis="amount")[::2] == ("FAIL", -1)


def test_under_both_answers_that_differ_fail_with_the_failing_sides_margin() -> None:
    assert said(RATE_OK, offer(), basis="both") == ("FAIL", "RATE_OK_AMOUNT_LOW", -1)
    assert said(AMOUNT_OK, offer(), basis="both") == ("FAIL", "AMOUNT_OK_RATE_LOW", -100_000)


@pytest.mark.parametrize("basis", ["rate", "amount", "both"])
def test_where_both_reach_the_floor_any_basis_passes_without_a_note(basis: str) -> None:
    assert said(quote(20, base_fen=10_000), offer(), basis=basis)[:2] == ("PASS", "OK")
    assert noted(quote(20, base_fen=10_000), offer(), basis=basis) == []


@pytest.mark.parametrize("basis", ["rate", "amount", "both"])
def test_where_neither_does_any_basis_fails_plainly(basis: str) -> None:
    assert said(quote(30, base_fen=10_000), offer(), basis=basis)[:2] == ("FAIL", "RATE_BELOW_FLOOR")


def test_under_both_a_pass_needs_the_amount_to_the_millionth_of_a_fen() -> None:
    assert said(quote(20, base_fen=10_000), offer(), basis="both") == ("PASS", "OK", 0)
    assert said(quote(20, base_fen=10_001), offer(), basis="both") == ("FAIL", "RATE_OK_AMOUNT_LOW", -1)


@pytest.mark.parametrize("basis", ["amount", "both"])
@pytest.mark.parametrize(
    "rows",
    [
        (quote(10), offer()),
        (quote(10, base_fen=9_000),),
        (quote(10, base_fen=9_000), quote(10, "jd"), offer()),
    ],
)
def test_a_missing_base_on_either_side_is_no_base_where_the_amount_decides(
    basis: str, rows: tuple[Row, ...]
) -> None:
    assert said(*rows, basis=basis) == ("INDETERMINATE", "NO_BASE", None)
    assert said(*rows, basis="rate")[:2] == ("PASS", "OK")


def test_under_both_a_rate_that_fails_needs_no_base() -> None:
    assert said(quote(30), basis="both") == ("FAIL", "RATE_BELOW_FLOOR", -100_000)


@pytest.mark.parametrize(("age", "reason"), [(24 * HOUR, "OK"), (24 * HOUR + TICK, "NO_BASE")])
def test_our_price_serves_as_a_base_while_it_is_fresh(age: timedelta, reason: str) -> None:
    assert said(quote(20, base_fen=10_000), offer(observed_at=NOON - age), basis="amount")[1] == reason


@pytest.mark.parametrize(
    "columns", [{"currency": "USD"}, {"fen": 0}, {"deposit_fen": 10}, {"valid_to": NOON}]
)
def test_a_price_that_is_not_one_is_no_base(columns: dict[str, Any]) -> None:
    assert said(quote(20, base_fen=10_000), offer(**columns), basis="amount")[1] == "NO_BASE"


def test_our_base_is_the_effective_price_of_one_piece() -> None:
    reduced = coupon(1_000)
    two = offer(10_500, quantity=2, promotions=(reduced,))  # 20 000 for two
    assert said(quote(20, base_fen=10_000), two, basis="amount") == ("PASS", "OK", 0)
    assert said(quote(20, base_fen=10_001), two, basis="amount")[0] == "FAIL"


def test_of_several_audiences_the_least_price_is_our_base() -> None:
    rows = quote(20, base_fen=10_000), offer(10_000), offer(9_999, audience="old_fan")
    assert said(*rows, basis="amount") == ("FAIL", "RATE_OK_AMOUNT_LOW", -1)


def test_the_least_price_is_meant_a_piece() -> None:
    rows = quote(20, base_fen=9_020), offer(9_500), offer(9_000, audience="old_fan", quantity=2)
    assert said(*rows, basis="amount") == ("FAIL", "RATE_OK_AMOUNT_LOW", -4)


def test_a_note_tells_both_rates_and_both_whole_amounts() -> None:
    (note,) = floor_of(quote(10, base_fen=20_019), offer(10_003, quantity=2)).notes
    assert note.about == "200000 / 100000 ppm; 2000 / 2001 fen"


def test_the_floor_of_the_amount_is_the_highest_of_the_fresh_ones() -> None:
    rows = (
        quote(20, base_fen=5_000),
        quote(10, "jd", base_fen=20_010),
        quote(1, "douyin", base_fen=900_000, observed_at=NOON - 73 * HOUR),
    )
    assert said(*rows, offer(), basis="amount", allow_partial=True)[2] == -1


# -- until when it holds


def next_change(*rows: Row, **how: Any) -> timedelta | None:
    """So long after noon the answer may change by itself."""
    change = floor_of(*rows, **how).next_change_at
    return None if change is None else change - NOON


def test_an_answer_changes_when_the_deciding_quote_goes_stale() -> None:
    assert next_change(quote(10)) == 71 * HOUR + TICK
    assert floor_of(quote(10), at=NOON + 71 * HOUR).reason == "OK"
    assert floor_of(quote(10), at=NOON + 71 * HOUR + TICK).reason == "ALL_STALE"


def test_of_two_quotes_the_one_that_goes_stale_first_is_told() -> None:
    assert next_change(quote(10), quote(10, "jd", observed_at=NOON - 70 * HOUR)) == 2 * HOUR + TICK


@pytest.mark.parametrize(
    "row",
    [
        plan(valid_to=NOON + 2 * HOUR),
        enrolment(valid_to=NOON + 2 * HOUR),
        quote(10, valid_to=NOON + 2 * HOUR),
        quote(10, platform="jd", valid_from=NOON + 2 * HOUR),
    ],
)
def test_an_answer_changes_when_a_row_of_it_begins_or_ends(row: Row) -> None:
    assert next_change(row, quote(10, platform="douyin")) == 2 * HOUR


def test_our_own_scheduled_plan_is_a_change() -> None:
    assert next_change(plan(20), plan(9, valid_from=NOON + 2 * HOUR), quote(10)) == 2 * HOUR


def test_an_enrolment_still_to_come_is_a_change() -> None:
    later = enrolment(valid_from=NOON + 2 * HOUR)
    committed = enrolment(committed_at=NOON + 3 * HOUR)
    assert next_change(later, quote(10)) == 2 * HOUR
    assert next_change(committed, quote(10)) == 3 * HOUR


def test_an_enrolment_of_another_brand_or_rule_is_no_change() -> None:
    other = enrolment(brand_id="another", valid_to=NOON + HOUR)
    parity = enrolment(rules=frozenset({"price_parity"}), valid_to=NOON + HOUR)
    assert next_change(enrolment(), other, parity, quote(10)) == 71 * HOUR + TICK


def test_what_lies_behind_is_no_change() -> None:
    rows = plan(valid_from=NOON), quote(10, valid_from=NOON), enrolment(committed_at=NOON)
    assert next_change(*rows) == 71 * HOUR + TICK


def test_without_anything_to_come_there_is_no_change() -> None:
    assert next_change() is None


def test_an_event_that_begins_ages_a_quote_at_once() -> None:
    old = quote(10, observed_at=NOON - 30 * HOUR)
    assert next_change(old, around(2 * HOUR, 9 * HOUR)) == 2 * HOUR
    assert floor_of(old, around(2 * HOUR, 9 * HOUR), at=NOON + 2 * HOUR).reason == "ALL_STALE"


def test_during_an_event_a_young_quote_goes_stale_after_24_hours() -> None:
    assert next_change(quote(10), around(2 * HOUR, 99 * HOUR)) == 23 * HOUR + TICK


def test_the_end_of_an_event_makes_a_stale_quote_fresh_again() -> None:
    old = quote(10, observed_at=NOON - 30 * HOUR)
    assert floor_of(old, around(-HOUR, HOUR)).reason == "ALL_STALE"
    assert next_change(old, around(-HOUR, HOUR)) == HOUR
    assert floor_of(old, around(-HOUR, HOUR), at=NOON + HOUR).reason == "OK"


def test_where_the_amount_decides_our_offer_growing_old_is_a_change() -> None:
    assert next_change(quote(10, base_fen=9_000), offer(), basis="amount") == 23 * HOUR + TICK
    assert next_change(quote(10, base_fen=9_000), offer()) == 71 * HOUR + TICK


def test_where_the_amount_decides_the_end_of_a_promotion_is_a_change() -> None:
    reduced = coupon(1_000, valid_to=NOON + HOUR)
    assert next_change(quote(10, base_fen=9_000), offer(promotions=(reduced,)), basis="both") == HOUR


def test_a_policy_more_patient_during_events_makes_a_stale_quote_fresh_at_their_start() -> None:
    patient: dict[str, Any] = {"max_age_hours": 24, "max_age_event_hours": 72}
    rows = quote(10, age=30 * HOUR), around(2 * HOUR, 9 * HOUR)
    assert floor_of(*rows, at=NOON, **patient).reason == "ALL_STALE"
    assert floor_of(*rows, at=NOON + 2 * HOUR, **patient).reason == "OK"
    assert next_change(*rows, **patient) == 2 * HOUR
