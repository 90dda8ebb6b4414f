"""Is our price no higher than the reference, with all that differs beside it? And until when does the answer hold?"""

from datetime import datetime, timedelta
from typing import Any

import pytest

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
    notes_of,
    offer,
    parity_of,
    plan,
    shanghai,
    there,
)


def said(*rows: Row, **how: Any) -> str:
    """Status and reason."""
    return in_words(parity_of(*rows, **how))


# -- the comparison


@pytest.mark.parametrize(
    ("fen", "status", "margin"), [(9_999, "PASS", 1), (10_000, "PASS", 0), (10_001, "FAIL", -1)]
)
def test_equality_passes_and_the_margin_is_the_reference_minus_ours(
    fen: int, status: str, margin: int
) -> None:
    verdict = parity_of(offer(fen), there())
    assert (verdict.status, verdict.margin) == (status, margin)


def test_a_fraction_of_a_fen_a_unit_too_dear_fails_with_a_margin_below_zero() -> None:
    verdict = parity_of(offer(10_001, units_per_pack=1_000), there(units_per_pack=1_000))
    assert (in_words(verdict), verdict.margin) == ("FAIL PRICE_ABOVE_REFERENCE", -1)


@pytest.mark.parametrize(("fen", "expected"), [(10_006, "PASS OK"), (10_007, "FAIL PRICE_ABOVE_REFERENCE")])
def test_the_tolerance_is_a_unit(fen: int, expected: str) -> None:
    rows = offer(fen, units_per_pack=2), there(units_per_pack=2)
    assert said(*rows, tolerance_fen=3) == expected


@pytest.mark.parametrize(("ours", "theirs"), [("g", "piece"), ("piece", "ml"), (None, "g")])
def test_different_base_units_are_a_mismatch(ours: str | None, theirs: str) -> None:
    assert said(offer(unit=ours), there(unit=theirs)) == "INDETERMINATE UNIT_MISMATCH"
    assert said(offer(unit=ours), there(unit=ours)) == "PASS OK"


def test_another_product_as_a_gift_there_but_not_here_is_a_gap_and_no_silent_pass() -> None:
    verdict = parity_of(offer(), there(gift_other="pouch"))
    assert (in_words(verdict), notes_of(verdict)) == ("PASS GIFT_GAP", [("GIFT_THERE", "pouch")])
    assert said(offer(gift_other="bag"), there(gift_other="pouch")) == "PASS OK"
    assert said(offer(10_001), there(gift_other="pouch")) == "FAIL PRICE_ABOVE_REFERENCE"


def test_only_a_gift_at_the_deciding_price_is_a_gap() -> None:
    assert said(offer(), there(10_001, gift_other="pouch"), there()) == "PASS OK"
    assert said(offer(), there(gift_other="pouch"), there()) == "PASS GIFT_GAP"


def test_a_pass_without_a_supported_offer_of_our_pack_is_told() -> None:
    assert said(offer(), there(20_000, units_per_pack=2)) == "PASS PACK_DIFFERS"
    assert said(offer(10_001), there(20_000, units_per_pack=2)) == "FAIL PRICE_ABOVE_REFERENCE"


def test_a_dearer_supported_offer_of_our_pack_will_do() -> None:
    assert said(offer(), there(20_000, units_per_pack=2), there(11_000)) == "PASS OK"


def test_an_offer_of_our_pack_that_is_not_supported_or_of_another_kind_will_not() -> None:
    pair = there(20_000, units_per_pack=2)
    assert said(offer(), pair, there(9_999, evidence=None)) == "PASS PACK_DIFFERS"
    assert said(offer(), pair, there(11_000, shop_kind="official")) == "PASS PACK_DIFFERS"


def test_a_gift_gap_is_told_before_another_pack() -> None:
    assert said(offer(), there(20_000, units_per_pack=2, gift_other="pouch")) == "PASS GIFT_GAP"


def test_the_same_product_as_a_gift_adds_units_on_either_side() -> None:
    assert said(offer(), there(20_000, gift_same_units=1)) == "PASS OK"
    assert said(offer(10_001), there(20_000, gift_same_units=1)) == "FAIL PRICE_ABOVE_REFERENCE"
    assert said(offer(20_000, gift_same_units=1), there()) == "PASS OK"


# -- several audiences

DEAR, FINE, ODD, FREE = (
    {"fen": 10_001}, {"fen": 10_000}, {"currency": "USD"}, {"fen": 0, "welfare": True},
)  # fmt: skip


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (DEAR, FINE, "FAIL PRICE_ABOVE_REFERENCE"),
        (FINE, DEAR, "FAIL PRICE_ABOVE_REFERENCE"),
        (DEAR, ODD, "FAIL PRICE_ABOVE_REFERENCE"),
        (FINE, ODD, "INDETERMINATE CURRENCY"),
        (FINE, FINE, "PASS OK"),
        (FREE, FINE, "PASS OK"),
        (FREE, FREE, "NOT_APPLICABLE WELFARE"),
    ],
)
def test_of_several_audiences_any_fail_decides_then_any_doubt_then_pass(
    new: dict[str, Any], old: dict[str, Any], expected: str
) -> None:
    assert said(offer(audience="new_fan", **new), offer(audience="old_fan", **old), there()) == expected


def test_of_passes_the_least_silent_is_told() -> None:
    with_bag = offer(gift_other="bag", audience="new_fan")
    assert said(with_bag, offer(audience="old_fan"), there(gift_other="pouch")) == "PASS GIFT_GAP"
    pairs = offer(units_per_pack=2, audience="old_fan")
    assert said(offer(audience="new_fan"), pairs, there()) == "PASS PACK_DIFFERS"


def test_the_margin_is_the_worst_of_those_that_decide() -> None:
    rows = offer(10_001, audience="new_fan"), offer(10_009, audience="old_fan"), offer(9_000)
    assert parity_of(*rows, there()).margin == -9
    assert parity_of(offer(9_000), offer(9_500, audience="old_fan"), there()).margin == 500


# -- until when it holds


def next_change(*rows: Row, at: datetime = NOON) -> timedelta | None:
    """So long after noon the answer may change by itself."""
    change = parity_of(*rows, at=at).next_change_at
    return None if change is None else change - NOON


def test_an_answer_changes_when_our_offer_grows_old() -> None:
    assert next_change(offer(), there()) == 23 * HOUR + TICK


@pytest.mark.parametrize(
    "row",
    [
        enrolment(valid_to=NOON + 2 * HOUR),
        offer(valid_to=NOON + 2 * HOUR),
        offer(valid_from=NOON + 2 * HOUR, audience="old_fan"),
        offer(promotions=(coupon(1, valid_from=NOON + 2 * HOUR),)),
        offer(promotions=(coupon(1, valid_to=NOON + 2 * HOUR),)),
    ],
)
def test_an_answer_changes_when_a_row_of_it_begins_or_ends(row: Row) -> None:
    assert next_change(row, offer(audience="new_fan"), there()) == 2 * HOUR


def test_an_answer_changes_when_an_event_begins_or_ends() -> None:
    assert next_change(at=E616.starts_at - TICK) == E616.starts_at - NOON
    assert next_change() == E616.ends_at - NOON
    overlapping = event(NOON + 2 * HOUR, NOON + DAY, "818")
    assert next_change(OLD_11, E616, overlapping, E116, offer(), there()) == 2 * HOUR


def test_an_answer_changes_when_a_reference_event_ends() -> None:
    soon = event(shanghai(2026, 6, 1), NOON + 2 * HOUR, "double_11", "tmall")
    assert next_change(OLD_11, soon, E616, E818, E116, offer(), there()) == 2 * HOUR


def test_a_plan_says_nothing_of_a_price() -> None:
    assert next_change(plan(valid_to=NOON + HOUR), offer(), there()) == 23 * HOUR + TICK


def test_an_answer_changes_at_the_turn_of_the_year_within_an_event() -> None:
    eve = event(shanghai(2026, 12, 28), shanghai(2027, 1, 4), "eve")
    rows = OLD_11, E616, E818, eve, there(), offer(observed_at=shanghai(2027, 1, 1) - HOUR)
    before = shanghai(2027, 1, 1) - TICK
    assert parity_of(*rows, at=before).next_change_at == shanghai(2027, 1, 1)
