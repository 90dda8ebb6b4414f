"""Which price elsewhere is ours held against? The event, the rows that count in it, and which of them is supported."""

from datetime import datetime
from typing import Any

import pytest

from features.store.dossier import BigEvent
from promises import (
    DAY,
    E116,
    E616,
    E818,
    HOUR,
    NEW_11,
    NOON,
    OLD_11,
    TICK,
    Row,
    coupon,
    event,
    in_words,
    notes_of,
    offer,
    parity_of,
    shanghai,
    there,
)

IN_116 = E116.starts_at + DAY
"""While the new Double 11 runs."""
IN_NEW = NEW_11.starts_at + DAY


def said(*rows: Row, **how: Any) -> str:
    """Status and reason."""
    return in_words(parity_of(*rows, **how))


def reference(*rows: Row, **how: Any) -> int | None:
    """The unit price that ours was held against; ours is 100 000 fen, so that it always fails."""
    verdict = parity_of(offer(100_000), *rows, **how)
    assert verdict.reason == "PRICE_ABOVE_REFERENCE", verdict.reason
    return None if verdict.margin is None else 100_000 + verdict.margin


# -- the reference event


def test_it_is_the_latest_that_had_ended_before_ours_began() -> None:
    older = event(shanghai(2024, 10, 15), shanghai(2024, 11, 15), "double_11", "tmall")
    rows = there(8_000, observed_at=older.starts_at), there(9_000)
    assert reference(older, OLD_11, E616, E818, E116, *rows) == 9_000
    assert reference(older, E616, E818, E116, *rows) == 8_000


@pytest.mark.parametrize(
    ("ends_at", "expected"),
    [(E616.starts_at, "PASS OK"), (E616.starts_at + TICK, "INDETERMINATE NO_REFERENCE")],
)
def test_one_that_ends_exactly_as_ours_begins_counts(ends_at: datetime, expected: str) -> None:
    late = event(shanghai(2026, 5, 1), ends_at, "double_11", "tmall")
    seen = there(observed_at=late.starts_at)
    assert said(late, E616, E818, E116, offer(), seen) == expected


@pytest.mark.parametrize(("kind", "platform"), [("616", "tmall"), ("double_11", "jd")])
def test_another_event_elsewhere_is_no_reference(kind: str, platform: str) -> None:
    other = event(OLD_11.starts_at, OLD_11.ends_at, kind, platform)
    assert said(other, E616, E818, E116, offer(), there()) == "INDETERMINATE NO_REFERENCE"


def test_where_events_overlap_the_one_that_started_later_is_meant() -> None:
    spring = event(shanghai(2026, 5, 20), shanghai(2026, 6, 1) + HOUR, "double_11", "tmall")
    later = event(NOON - DAY, NOON + DAY, "818")
    rows = spring, E616, E116, offer(), there(observed_at=spring.starts_at)
    assert said(*rows, E818) == "INDETERMINATE NO_REFERENCE"
    assert said(*rows, later) == "PASS OK"


@pytest.mark.parametrize("with_new", [True, False])
def test_the_116_is_held_against_the_year_before_and_provisional(with_new: bool) -> None:
    events = (OLD_11, E616, E818, E116, NEW_11) if with_new else (OLD_11, E616, E818, E116)
    verdict = parity_of(*events, offer(observed_at=IN_116), there(), there(1, observed_at=IN_NEW), at=IN_116)
    assert (in_words(verdict), verdict.provisional) == ("PASS OK", True)


def test_provisional_stands_on_every_answer_after_comparability_and_on_other_kinds_by_policy() -> None:
    assert parity_of(at=IN_116).reason == "NO_OFFER"
    assert parity_of(at=IN_116).provisional
    assert not parity_of(OLD_11, E616, E116, at=IN_116).provisional
    assert not parity_of(offer(), there()).provisional
    assert parity_of(offer(), there(), provisional_kinds=("616",)).provisional
    assert not parity_of(at=IN_116, provisional_kinds=()).provisional


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NEW_11.ends_at - TICK, "INDETERMINATE REFERENCE_NOT_YET_OBSERVED"),
        (NEW_11.ends_at, "FAIL PRICE_ABOVE_REFERENCE"),
    ],
)
@pytest.mark.parametrize("mode", ["same_year", "lower_of_both"])
def test_the_same_years_double_11_is_awaited_until_it_has_ended(
    at: datetime, expected: str, mode: str
) -> None:
    twelve = event(shanghai(2026, 11, 12), shanghai(2026, 12, 13), "1212")
    rows = (
        OLD_11,
        E616,
        E818,
        twelve,
        NEW_11,
        offer(observed_at=at),
        there(),
        there(9_999, observed_at=IN_NEW),
    )
    assert said(*rows, at=at, reference_year=mode) == expected
    assert said(*rows, at=at) == "PASS OK"


def test_lower_of_both_takes_the_lower_price_of_two_events() -> None:
    old, new = there(9_000), there(8_000, observed_at=IN_NEW)
    twelve = event(shanghai(2026, 11, 12), shanghai(2026, 12, 13), "1212")
    at = NEW_11.ends_at

    def lower(*rows: Row) -> str:
        ours = offer(8_500, observed_at=at)
        return said(OLD_11, E616, E818, twelve, NEW_11, ours, *rows, at=at, reference_year="lower_of_both")

    assert lower(old, new) == "FAIL PRICE_ABOVE_REFERENCE"
    assert lower(old, there(8_500, observed_at=IN_NEW)) == "PASS OK"
    assert lower(there(8_000), there(9_000, observed_at=IN_NEW)) == "FAIL PRICE_ABOVE_REFERENCE"
    same = there(8_500), there(8_500, observed_at=IN_NEW, gift_other="pouch")
    assert lower(*same) == "PASS GIFT_GAP"
    assert lower(old) == lower(new) == "INDETERMINATE NO_REFERENCE"
    assert lower(old, there(9_000, observed_at=IN_NEW, evidence=None)) == "INDETERMINATE LOW_EVIDENCE"


# -- the rows that count


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"observed_at": OLD_11.starts_at}, "PASS OK"),
        ({"observed_at": OLD_11.starts_at - TICK}, "INDETERMINATE NO_REFERENCE"),
        ({"observed_at": OLD_11.ends_at - TICK}, "PASS OK"),
        ({"observed_at": OLD_11.ends_at}, "INDETERMINATE NO_REFERENCE"),
        ({"platform": "jd"}, "INDETERMINATE NO_REFERENCE"),
        ({"audience": "all"}, "PASS OK"),
        ({"audience": "old_fan"}, "PASS OK"),
        ({"audience": "new_fan"}, "INDETERMINATE NO_REFERENCE"),
        ({"mapping": "code"}, "PASS OK"),
        ({"mapping": "manual"}, "PASS OK"),
        ({"mapping": "title"}, "INDETERMINATE LOW_EVIDENCE"),
        ({"source": "job"}, "PASS OK"),
        ({"source": "brand:b"}, "INDETERMINATE NO_REFERENCE"),
        ({"source": "brand:b", "mapping": "title"}, "INDETERMINATE NO_REFERENCE"),
        ({"quota": 10, "event_units": 1_000}, "PASS OK"),
        ({"quota": 9, "event_units": 1_000}, "INDETERMINATE NO_REFERENCE"),
        ({"quota": 10, "event_units": 1_001}, "INDETERMINATE NO_REFERENCE"),
        ({"quota": 0, "event_units": 0}, "PASS OK"),
        ({"quota": 9}, "PASS OK"),
        ({"event_units": 1_000}, "PASS OK"),
        ({"retracted_at": NOON + TICK}, "PASS OK"),
        ({"retracted_at": NOON}, "INDETERMINATE NO_REFERENCE"),
        ({"valid_to": OLD_11.starts_at}, "PASS OK"),
    ],
)
def test_a_row_counts_where_it_is_seen_in_the_event_for_everybody_mapped_and_trusted(
    columns: dict[str, Any], expected: str
) -> None:
    assert said(offer(), there(**columns)) == expected


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"source": "brand:b"}, "UNTRUSTED_SOURCE"),
        ({"audience": "new_fan"}, "NEW_FAN_PRICE"),
        ({"quota": 9, "event_units": 1_000}, "TINY_QUOTA"),
        ({"mapping": "title"}, "MAPPED_BY_TITLE"),
    ],
)
def test_what_is_left_out_is_listed_and_decides_nothing(columns: dict[str, Any], reason: str) -> None:
    verdict = parity_of(offer(), there(1, offer_id="cheap", **columns), there())
    assert (in_words(verdict), notes_of(verdict)) == ("PASS OK", [(reason, "cheap")])


def test_a_row_is_priced_as_it_was_seen_not_with_what_holds_now() -> None:
    over = coupon(1_000, valid_to=shanghai(2025, 11, 1) + TICK)
    to_come = coupon(5_000, valid_from=shanghai(2025, 11, 1) + TICK)
    assert reference(there(promotions=(over, to_come))) == 9_000


# -- support


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(10_000, "shot")], "PASS OK"),
        ([(10_000, None)], "INDETERMINATE LOW_EVIDENCE"),
        ([(10_000, "")], "INDETERMINATE LOW_EVIDENCE"),
        ([(10_000, None), (10_000, None)], "PASS OK"),
        ([(9_999, None), (9_999, None)], "FAIL PRICE_ABOVE_REFERENCE"),
        ([(9_999, None), (10_000, None)], "PASS OK"),
        ([(9_999, None), (10_000, "shot")], "PASS OK"),
        ([(9_999, "shot"), (10_000, None)], "FAIL PRICE_ABOVE_REFERENCE"),
        ([(9_999, None), (10_000, None), (9_999, "shot")], "FAIL PRICE_ABOVE_REFERENCE"),
    ],
)
def test_a_price_is_supported_by_evidence_at_it_or_by_two_rows_at_it_or_below(
    rows: list[tuple[int, str | None]], expected: str
) -> None:
    assert said(offer(), *(there(fen, evidence=shot) for fen, shot in rows)) == expected


def test_support_is_counted_in_unit_prices() -> None:
    pack = there(19_998, units_per_pack=2, evidence=None)
    assert reference(pack, there(9_999, evidence=None)) == 9_999
    assert reference(pack, there(10_000, evidence=None)) == 10_000


def test_the_best_shop_kind_that_has_a_supported_price_decides_though_it_is_dearer() -> None:
    kinds = ("flagship", "official", "reseller", None)
    rows = [there(9_000 - k, shop_kind=kind) for k, kind in enumerate(kinds)]
    for k in range(len(kinds)):
        assert reference(*rows[k:]) == 9_000 - k


def test_a_better_kind_without_a_supported_price_gives_way() -> None:
    assert reference(there(8_000, evidence=None), there(9_000, shop_kind="reseller")) == 9_000


def test_rows_of_another_kind_support_nothing() -> None:
    rows = there(evidence=None), there(evidence=None, shop_kind="official")
    assert said(offer(), *rows) == "INDETERMINATE LOW_EVIDENCE"


# -- rows in another currency, another unit, or without a price

FOREIGN: list[tuple[dict[str, Any], str]] = [
    ({"currency": "USD"}, "CURRENCY"),
    ({"fen": 0}, "BAD_PRICE"),
    ({"deposit_fen": 10}, "BAD_PRICE"),
    ({"unit": "g"}, "UNIT_MISMATCH"),
]


@pytest.mark.parametrize(("columns", "reason"), FOREIGN)
def test_a_foreign_row_supports_nobody(columns: dict[str, Any], reason: str) -> None:
    foreign = there(**{"fen": 1} | columns | {"evidence": None})
    assert said(offer(), foreign, there(9_000, evidence=None)) == "INDETERMINATE LOW_EVIDENCE", reason


@pytest.mark.parametrize(("columns", "reason"), FOREIGN)
def test_a_foreign_row_decides_only_if_no_comparable_row_is_supported(
    columns: dict[str, Any], reason: str
) -> None:
    assert said(offer(), there(**columns), there(evidence=None)) == f"INDETERMINATE {reason}"
    assert said(offer(), there(**columns), there(shop_kind=None)) == "PASS OK"


def test_of_foreign_rows_of_one_kind_the_first_fault_in_order_is_told() -> None:
    rows = [there(**columns) for columns, _ in FOREIGN]
    assert [said(offer(), *rows[k:]) for k in range(4)] == [
        f"INDETERMINATE {reason}" for _, reason in FOREIGN
    ]


def test_of_foreign_rows_of_several_kinds_that_of_the_best_is_told() -> None:
    assert said(offer(), there(0), there(currency="USD", shop_kind="official")) == "INDETERMINATE BAD_PRICE"


def test_no_row_is_no_reference_and_one_too_weak_is_low_evidence() -> None:
    assert said(offer()) == "INDETERMINATE NO_REFERENCE"
    assert said(offer(), there(evidence=None), there(mapping="title")) == "INDETERMINATE LOW_EVIDENCE"


def test_the_evidence_is_ours_and_the_rows_at_the_deciding_price_or_below() -> None:
    rows = (
        there(9_000, offer_id="a", evidence=None),
        there(9_500, offer_id="b", evidence=None),
        there(9_900, offer_id="c"),
    )
    assert parity_of(offer(offer_id="ours"), *rows).evidence_ids == "a;b;ours"


def test_the_reference_events_are_told() -> None:
    account = parity_of(offer(), there()).account
    references: tuple[BigEvent, ...] = account.references
    assert references == (OLD_11,)
