"""What does an offer come to? Each step from the item's price to what is paid, on both sides of its edge."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from features.store.dossier import Offer, Promotion, SkuVersion
from matcher.policy import ParityPolicy, Policy
from matcher.price import Price, effective_price, half_up

NOON = datetime(2026, 6, 5, 4, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NUMBERS = count()
ON_P2 = Policy(parity=ParityPolicy(platform_threshold="p2"))


def promo(layer: str, kind: str = "coupon", off: int | None = None, **columns: Any) -> Promotion:
    """A promotion, with an id of its own unless a test names one."""
    plain = {"promotion_id": f"promotion{next(NUMBERS)}", "layer": layer, "kind": kind, "off_fen": off}
    return Promotion(**plain | columns)


def percent(layer: str, rate: float, **columns: Any) -> Promotion:
    """So many percent off."""
    return promo(layer, "percent_off", off_rate_ppm=round(rate * 10_000), **columns)


def nth(n: int, rate: float, **columns: Any) -> Promotion:
    """So many percent off every n-th piece."""
    return promo("item", "nth_item", n=n, off_rate_ppm=round(rate * 10_000), **columns)


def price(
    item: int = 10_000, *promotions: Promotion, policy: Policy | None = None,
    version: SkuVersion | None = None, ratio: int = 1, **columns: Any,
) -> Price:  # fmt: skip
    """What an offer at `item` fen with these promotions comes to at noon."""
    offer = Offer("o", "kuaishou", item, NOON, promotions=promotions, **columns)
    return effective_price(offer, NOON, policy or Policy(), version, ratio=ratio)


def paid(item: int, *promotions: Promotion, **how: Any) -> int:
    """What is paid for it."""
    return price(item, *promotions, **how).paid_fen


def steps(one: Price) -> tuple[int, int, int, int]:
    """The price before any promotion and after each layer."""
    return one.p0, one.p1, one.p2, one.p3


# -- layers and thresholds


def test_an_offer_without_promotions_costs_its_item_price() -> None:
    assert steps(price(10_000)) == (10_000, 10_000, 10_000, 10_000)
    assert price(10_000).steps == ()


def test_each_layer_takes_off_what_is_its_own() -> None:
    one = price(10_000, promo("platform", off=4), promo("item", off=1_000), promo("shop", off=20))
    assert steps(one) == (10_000, 9_000, 8_980, 8_976)


def test_the_steps_tell_every_promotion_that_counted_and_what_was_left() -> None:
    one = price(10_000, promo("shop", off=20), promo("item", off=1_000))
    assert [(s.layer, s.off_fen, s.left_fen) for s in one.steps] == [
        ("item", 1_000, 9_000),
        ("shop", 20, 8_980),
    ]


def test_shipping_is_added_to_what_is_paid_and_no_threshold_sees_it() -> None:
    assert paid(9_990, promo("item", off=100, threshold_fen=10_000), shipping_fen=10) == 10_000
    assert paid(9_990, promo("item", off=100, threshold_fen=9_990), shipping_fen=10) == 9_900


@pytest.mark.parametrize(("threshold", "expected"), [(10_000, 9_500), (10_001, 10_000)])
def test_an_item_threshold_is_met_at_p0_and_not_one_fen_above(threshold: int, expected: int) -> None:
    assert paid(10_000, promo("item", off=500, threshold_fen=threshold)) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(9_000, 8_500), (9_001, 9_000)])
def test_a_shop_threshold_is_tested_on_p1(threshold: int, expected: int) -> None:
    shop = promo("shop", off=500, threshold_fen=threshold)
    assert paid(10_000, promo("item", off=1_000), shop) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(9_000, 8_400), (9_001, 8_900)])
def test_a_platform_threshold_is_tested_on_p1_though_the_shop_took_off_more(
    threshold: int, expected: int
) -> None:
    before = promo("item", off=1_000), promo("shop", off=100)
    assert paid(10_000, *before, promo("platform", off=500, threshold_fen=threshold)) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(8_900, 8_400), (8_901, 8_900)])
def test_by_policy_a_platform_threshold_is_tested_on_p2(threshold: int, expected: int) -> None:
    before = promo("item", off=1_000), promo("shop", off=100)
    platform = promo("platform", off=500, threshold_fen=threshold)
    assert paid(10_000, *before, platform, policy=ON_P2) == expected


def test_a_threshold_is_tested_before_its_own_layer_takes_anything_off() -> None:
    both = promo("item", off=400), promo("item", off=300, threshold_fen=10_000)
    assert paid(10_000, *both) == 9_300


def test_a_subsidy_of_the_platform_comes_off_last() -> None:
    one = price(10_000, promo("platform", "subsidy", 700), promo("shop", off=300))
    assert steps(one) == (10_000, 10_000, 9_700, 9_000)


# -- exclusive groups


def test_of_an_exclusive_group_the_best_counts_alone() -> None:
    group = [promo("shop", off=off, exclusive_group="x") for off in (300, 500, 400)]
    assert paid(10_000, *group) == 9_500


def test_groups_add_up() -> None:
    x, y = promo("shop", off=300, exclusive_group="x"), promo("shop", off=500, exclusive_group="y")
    assert paid(10_000, x, y) == 9_200


def test_a_promotion_without_a_group_is_a_group_of_its_own() -> None:
    assert paid(10_000, promo("shop", off=300), promo("shop", off=500)) == 9_200


def test_a_group_reaches_no_further_than_its_layer() -> None:
    shop, item = (promo(layer, off=300, exclusive_group="x") for layer in ("shop", "item"))
    assert paid(10_000, shop, item) == 9_400


def test_the_best_of_a_group_is_the_best_of_those_whose_threshold_is_met() -> None:
    far = promo("shop", off=900, exclusive_group="x", threshold_fen=10_001)
    assert paid(10_000, far, promo("shop", off=300, exclusive_group="x")) == 9_700


def test_a_capped_percentage_may_lose_to_its_group() -> None:
    capped = percent("shop", 50, cap_fen=200, exclusive_group="x")
    assert paid(10_000, capped, promo("shop", off=201, exclusive_group="x")) == 9_799


def test_of_equals_in_a_group_the_smaller_id_is_told() -> None:
    group = [promo("shop", off=300, exclusive_group="x", promotion_id=name) for name in "ba"]
    assert [step.promotion_id for step in price(10_000, *group).steps] == ["a"]


# -- kinds


@pytest.mark.parametrize("kind", ["direct", "coupon", "threshold_off", "subsidy"])
def test_whole_amounts_come_off_as_they_are(kind: str) -> None:
    assert paid(10_000, promo("shop", kind, 700)) == 9_300


def test_off_rate_is_what_comes_off() -> None:
    assert paid(5_000, percent("item", 20)) == 4_000


@pytest.mark.parametrize(("item", "off"), [(104, 10), (105, 11), (106, 11), (114, 11), (115, 12)])
def test_a_percentage_comes_off_rounded_half_up_to_the_fen(item: int, off: int) -> None:
    assert item - paid(item, percent("item", 10)) == off == half_up(item, 100_000)


def test_a_percentage_is_of_the_price_that_enters_its_layer() -> None:
    assert paid(10_000, promo("item", off=1_000), percent("shop", 10)) == 8_100
    assert paid(10_000, percent("shop", 10), percent("shop", 20)) == 7_000


@pytest.mark.parametrize(("cap", "expected"), [(1_001, 9_000), (1_000, 9_000), (999, 9_001)])
def test_a_percentage_takes_off_at_most_its_cap(cap: int, expected: int) -> None:
    assert paid(10_000, percent("item", 10, cap_fen=cap)) == expected


@pytest.mark.parametrize("item", [30_000, 59_999, 90_000])
def test_a_threshold_offer_comes_off_once_however_often_it_is_met(item: int) -> None:
    assert paid(item, promo("platform", "threshold_off", 5_000, threshold_fen=30_000)) == item - 5_000


@pytest.mark.parametrize(("quantity", "off"), [(1, 0), (2, 500), (3, 500), (4, 1_000), (5, 1_000)])
def test_every_second_piece_at_half_price(quantity: int, off: int) -> None:
    assert paid(1_000, nth(2, 50), quantity=quantity) == quantity * 1_000 - off


@pytest.mark.parametrize(("quantity", "off"), [(2, 0), (3, 1_000), (5, 1_000), (6, 2_000)])
def test_every_third_piece_free(quantity: int, off: int) -> None:
    assert paid(1_000, nth(3, 100), quantity=quantity) == quantity * 1_000 - off


def test_an_nth_piece_is_rounded_half_up_by_itself() -> None:
    assert paid(15, nth(2, 10), quantity=4) == 60 - 2 * 2


# -- presale


def test_a_presale_costs_deposit_and_balance_which_hold_the_promotions_already() -> None:
    one = price(10_000, promo("shop", off=500), deposit_fen=2_000, balance_fen=6_000, shipping_fen=10)
    assert (one.p3, one.paid_fen, one.is_whole, one.steps) == (8_000, 8_010, True, ())


@pytest.mark.parametrize("part", ["deposit_fen", "balance_fen"])
def test_half_a_presale_is_no_price(part: str) -> None:
    how: dict[str, Any] = {part: 2_000}
    one = price(10_000, **how)
    assert not one.is_whole
    assert not one.is_good


def test_a_balance_of_zero_is_a_balance() -> None:
    assert price(10_000, deposit_fen=2_000, balance_fen=0).is_good


# -- windows


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "holds"),
    [
        (NOON, None, True),
        (NOON + TICK, None, False),
        (None, NOON + TICK, True),
        (None, NOON, False),
        (NOON, NOON + TICK, True),
    ],
)
def test_a_promotion_holds_from_its_start_to_just_before_its_end(
    valid_from: datetime | None, valid_to: datetime | None, holds: bool
) -> None:
    coupon = promo("shop", off=500, valid_from=valid_from, valid_to=valid_to)
    assert paid(10_000, coupon) == (9_500 if holds else 10_000)


def test_a_promotion_that_is_over_leaves_its_group_to_the_next() -> None:
    over = promo("shop", off=500, exclusive_group="x", valid_to=NOON)
    assert paid(10_000, over, promo("shop", off=300, exclusive_group="x")) == 9_700


# -- what is paid


@pytest.mark.parametrize(
    ("off", "p3", "expected"), [(99, 1, 11), (100, 0, 10), (101, -1, 10), (900, -800, 10)]
)
def test_what_is_paid_is_never_below_the_shipping(off: int, p3: int, expected: int) -> None:
    one = price(100, promo("shop", off=off), shipping_fen=10)
    assert (one.p3, one.paid_fen) == (p3, expected)


@pytest.mark.parametrize(("off", "is_good"), [(99, True), (100, False), (101, False)])
def test_a_price_is_good_above_zero(off: int, is_good: bool) -> None:
    assert price(100, promo("shop", off=off)).is_good is is_good
