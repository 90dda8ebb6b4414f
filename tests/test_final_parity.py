"""Was the promise kept, once the event is over? The final verdict: the highest of our prices seen in it."""

from datetime import datetime
from typing import Any

import pytest

from features.store.dossier import BigEvent
from matcher.verdict import Verdict
from promises import (
    DAY,
    E116,
    E616,
    E818,
    NEW_11,
    OLD_11,
    TICK,
    Row,
    coupon,
    enrolment,
    in_words,
    offer,
    parity_of,
    shanghai,
    there,
    version,
)

EARLY, LATE = E616.starts_at + DAY, E616.ends_at - DAY
AFTER = shanghai(2027, 1, 1)
IN_116, IN_NEW = E116.starts_at + DAY, NEW_11.starts_at + DAY


def final(*rows: Row, event: BigEvent = E616, at: datetime = AFTER, **policy: Any) -> Verdict:
    """The final verdict, asked long after."""
    return parity_of(*rows, final=event, at=at, **policy)


def said(*rows: Row, **how: Any) -> str:
    """Status and reason."""
    return in_words(final(*rows, **how))


def seen(fen: int, at: datetime = EARLY, **columns: Any) -> Row:
    """Our price on a day of the event."""
    return offer(fen, observed_at=at, **columns)


def test_the_highest_price_seen_decides_wherever_in_the_event_it_was() -> None:
    for first, second in ((9_000, 10_001), (10_001, 9_000)):
        verdict = final(seen(first), seen(second, LATE), there())
        assert (in_words(verdict), verdict.margin) == ("FAIL PRICE_ABOVE_REFERENCE", -1)
    assert final(seen(9_000), seen(9_999, LATE), there()).margin == 1


def test_the_highest_is_meant_a_unit() -> None:
    assert said(seen(20_000, units_per_pack=2), seen(10_000), there()) == "PASS PACK_DIFFERS"
    assert said(seen(20_002, units_per_pack=2), seen(10_000), there()) == "FAIL PRICE_ABOVE_REFERENCE"


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (E616.starts_at - TICK, False),
        (E616.starts_at, True),
        (E616.ends_at - TICK, True),
        (E616.ends_at, False),
    ],
)
def test_what_was_seen_in_the_event_counts_however_old_it_is_now(at: datetime, counts: bool) -> None:
    assert said(seen(10_001, at), there()) == (
        "FAIL PRICE_ABOVE_REFERENCE" if counts else "INDETERMINATE NO_OFFER"
    )


@pytest.mark.parametrize("columns", [{"platform": "douyin"}, {"retracted_at": AFTER}, {"valid_to": EARLY}, {"valid_from": EARLY + TICK}])  # fmt: skip
def test_what_never_counted_does_not_count_now(columns: dict[str, Any]) -> None:
    assert said(seen(99_999, **columns), seen(10_000, LATE), there()) == "PASS OK"


def test_a_price_is_that_of_the_day_it_was_seen() -> None:
    day_long = coupon(500, valid_from=EARLY, valid_to=EARLY + TICK)
    assert said(seen(10_500, promotions=(day_long,)), there()) == "PASS OK"
    assert said(seen(10_501, promotions=(day_long,)), there()) == "FAIL PRICE_ABOVE_REFERENCE"


def test_before_its_end_an_event_has_the_verdict_of_the_moment() -> None:
    rows = seen(10_001), seen(10_000, LATE), there()
    assert said(*rows, at=LATE) == "PASS OK"
    assert said(*rows, at=E616.ends_at - TICK) == "PASS OK"
    assert said(*rows, at=E616.ends_at) == "FAIL PRICE_ABOVE_REFERENCE"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NEW_11.ends_at - TICK, "INDETERMINATE REFERENCE_NOT_YET_OBSERVED"),
        (NEW_11.ends_at, "FAIL PRICE_ABOVE_REFERENCE"),
    ],
)
def test_the_116_is_finally_held_against_the_same_years_double_11_once_it_is_over(
    at: datetime, expected: str
) -> None:
    rows = seen(10_000, IN_116), there(10_000), there(9_999, observed_at=IN_NEW)
    verdict = final(*rows, event=E116, at=at)
    assert (in_words(verdict), verdict.provisional) == (expected, False)


def test_without_the_same_years_double_11_in_the_calendar_the_116_waits() -> None:
    rows = OLD_11, E616, E818, E116, seen(10_000, IN_116), there()
    assert said(*rows, event=E116) == "INDETERMINATE REFERENCE_NOT_YET_OBSERVED"


def test_other_kinds_keep_the_reference_event_they_had() -> None:
    assert said(seen(10_000), there(10_000), there(1, observed_at=IN_NEW)) == "PASS OK"


def test_by_policy_other_kinds_are_provisional_too() -> None:
    rows = seen(10_000), there(10_000), there(9_999, observed_at=IN_NEW)
    assert said(*rows, provisional_kinds=("616",)) == "FAIL PRICE_ABOVE_REFERENCE"


@pytest.mark.parametrize(
    ("columns", "bound"),
    [
        ({"valid_to": E616.starts_at}, False),
        ({"valid_to": E616.starts_at + TICK}, True),
        ({"valid_from": E616.ends_at - TICK}, True),
        ({"valid_from": E616.ends_at}, False),
    ],
)
def test_who_was_never_enrolled_during_the_event_is_not_bound(columns: dict[str, Any], bound: bool) -> None:
    expected = "INDETERMINATE NO_OFFER" if bound else "NOT_APPLICABLE NOT_ENROLLED"
    assert said(enrolment(**columns), there()) == expected


def test_a_price_from_before_the_enrolment_does_not_break_the_promise() -> None:
    joined = enrolment(valid_from=EARLY + TICK)
    assert said(joined, seen(99_999), seen(10_000, LATE), there()) == "PASS OK"
    assert said(enrolment(valid_from=EARLY), seen(99_999), seen(10_000, LATE), there()).startswith("FAIL")


def test_an_event_that_is_none_of_ours_has_no_final_verdict() -> None:
    assert said(seen(10_000), there(), event=OLD_11) == "NOT_APPLICABLE NO_EVENT"


def test_calendar_and_comparability_are_asked_first() -> None:
    assert said(OLD_11, E616, E818, seen(10_000), there()) == "INDETERMINATE CALENDAR"
    assert said(version(channel_exclusive=True), seen(10_000), there()) == "NOT_APPLICABLE NOT_COMPARABLE"


def test_any_fail_then_any_doubt_then_pass() -> None:
    odd = seen(1, currency="USD")
    assert said(odd, seen(10_001, LATE), there()) == "FAIL PRICE_ABOVE_REFERENCE"
    assert said(odd, seen(10_000, LATE), there()) == "INDETERMINATE CURRENCY"
    assert said(seen(0, welfare=True), seen(10_000, LATE), there()) == "PASS OK"


def test_a_final_verdict_does_not_change_by_itself_once_its_reference_is_over() -> None:
    assert final(seen(10_000), there()).next_change_at is None
    waiting = final(seen(10_000, IN_116), event=E116, at=NEW_11.ends_at - TICK)
    assert waiting.next_change_at == NEW_11.ends_at
