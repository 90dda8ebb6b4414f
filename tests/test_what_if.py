"""What is the least rate, and the most one may ask, that keep the promise? Tried out: it passes, one step on it fails."""

from typing import Any

import pytest

from features.store.dossier import Offer, Promotion
from matcher.parity import check_parity, check_parity_final
from matcher.policy import FloorPolicy, ParityPolicy, Policy
from matcher.whatif import NearestPrice, NearestRate, nearest_prices, nearest_rate
from promises import (
    E616,
    HOUR,
    NOON,
    YEAR,
    Row,
    calendar_of,
    coupon,
    dossier_of,
    enrolment,
    floor_of,
    offer,
    parity_of,
    plan,
    quote,
    shanghai,
    there,
)


def rate(*rows: Row, **floor: Any) -> NearestRate | None:
    """The nearest rate of the verdict on the floor."""
    return nearest_rate(floor_of(*rows, **floor), Policy(floor=FloorPolicy(**floor)), dossier_of(*rows))


def prices(*rows: Row, **parity: Any) -> list[NearestPrice]:
    """The nearest prices of the verdict on parity."""
    policy = Policy(parity=ParityPolicy(**parity))
    dossier = dossier_of(*rows)
    return nearest_prices(check_parity(dossier, calendar_of(*YEAR), NOON, policy), NOON, policy, dossier)


def most(*rows: Row, **parity: Any) -> int | None:
    """The most that the only offer of ours may ask for."""
    (one,) = prices(*rows, **parity)
    return one.most_item_price_fen


def status(ours: Offer, *rows: Row, **parity: Any) -> str:
    return parity_of(ours, *rows, **parity).status


# -- the rate


@pytest.mark.parametrize("tolerance", [0, 7, 300_000])
def test_the_nearest_rate_passes_and_a_ppm_less_fails(tolerance: int) -> None:
    nearest = rate(plan(5), quote(12.3456), tolerance_ppm=tolerance)
    assert nearest is not None
    needed = nearest.rate_ppm
    assert needed == max(123_456 - tolerance, 0)
    assert floor_of(plan(needed / 10_000), quote(12.3456), tolerance_ppm=tolerance).status == "PASS"
    if needed:
        assert floor_of(plan((needed - 1) / 10_000), quote(12.3456), tolerance_ppm=tolerance).status == "FAIL"


def test_commissions_are_those_of_one_piece_rounded_down() -> None:
    nearest = rate(plan(5), quote(12), offer(999, quantity=2, shipping_fen=1))
    assert nearest == NearestRate(120_000, 50_000, 49, 119)  # of 1 999 for two


def test_without_a_price_for_everybody_there_is_a_rate_and_no_amount() -> None:
    assert rate(plan(5), quote(12)) == NearestRate(120_000, 50_000, None, None)
    assert rate(plan(5), quote(12), offer(audience="new_fan")) == NearestRate(120_000, 50_000, None, None)


def test_where_no_floor_was_found_there_is_no_nearest_rate() -> None:
    assert rate(plan(5)) is None
    assert rate(plan(5), quote(12, age=73 * HOUR)) is None
    assert rate(plan(5, "leader"), quote(12)) is None
    assert rate(enrolment(valid_to=NOON), quote(12)) is None


# -- the price


@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (offer(12_000), there()),
        (offer(8_000), there()),
        (offer(1), there(1)),
        (offer(12_000, shipping_fen=100), there()),
        (offer(12_000, units_per_pack=3), there(9_999, units_per_pack=2)),
        (offer(12_000, quantity=3), there()),
        (offer(12_000, gift_same_units=1), there()),
        (offer(12_000, promotions=(coupon(300),)), there()),
        (offer(12_000, promotions=(Promotion("m", "item", "percent_off", off_rate_ppm=123_456),)), there()),
    ],
)
@pytest.mark.parametrize("tolerance", [0, 3])
def test_the_nearest_price_passes_and_a_fen_more_fails(ours: Offer, reference: Offer, tolerance: int) -> None:
    greatest = most(ours, reference, tolerance_fen=tolerance)
    assert greatest is not None
    passing, failing = (ours._replace(item_price_fen=fen) for fen in (greatest, greatest + 1))
    assert status(passing, reference, tolerance_fen=tolerance) == "PASS"
    assert status(failing, reference, tolerance_fen=tolerance) == "FAIL"


def test_the_most_that_may_be_paid_is_rounded_down() -> None:
    (one,) = prices(offer(12_000, units_per_pack=3, shipping_fen=10), there(1_000, units_per_pack=7))
    assert (one.paid_fen, one.most_paid_fen, one.most_item_price_fen) == (12_010, 428, 418)
    (one,) = prices(offer(12_000, units_per_pack=3), there(1_000, units_per_pack=7), tolerance_fen=1)
    assert one.most_paid_fen == 431


def test_a_presale_has_no_item_price_to_change() -> None:
    (one,) = prices(offer(deposit_fen=2_000, balance_fen=9_000), there())
    assert (one.paid_fen, one.most_paid_fen, one.most_item_price_fen) == (11_000, 10_000, None)


def test_where_shipping_alone_is_too_dear_no_item_price_would_do() -> None:
    assert most(offer(12_000, shipping_fen=10_000), there()) is None
    assert most(offer(12_000, shipping_fen=9_999), there()) == 1


def test_each_audience_that_was_compared_has_its_own() -> None:
    rows = (
        offer(12_000),
        offer(11_000, audience="new_fan"),
        offer(audience="old_fan", currency="USD"),
        there(),
    )
    assert {(one.audience, one.paid_fen) for one in prices(*rows)} == {("new_fan", 11_000), ("all", 12_000)}


def test_where_nothing_was_compared_there_is_no_nearest_price() -> None:
    assert prices(offer(12_000)) == []
    assert prices(there()) == []
    assert prices(enrolment(valid_to=NOON), offer(), there()) == []


# -- what goes wrong


@pytest.mark.parametrize("basis", ["amount", "both"])
def test_where_the_amount_decides_the_nearest_rate_passes_too(basis: str) -> None:
    rows = quote(10, base_fen=20_010), offer()
    nearest = rate(plan(20), *rows, basis=basis)
    assert nearest is not None
    assert floor_of(plan(nearest.rate_ppm / 10_000), *rows, basis=basis).status == "PASS"


def test_above_a_threshold_the_nearest_price_may_be_higher() -> None:
    ours = offer(1_900, promotions=(coupon(300, threshold_fen=1_000),))
    assert status(ours._replace(item_price_fen=1_200), there(900)) == "PASS"
    assert most(ours, there(900)) == 1_200


def test_of_a_final_verdict_the_nearest_price_is_that_of_the_day_it_was_seen() -> None:
    policy, at = Policy(), shanghai(2027, 1, 1)
    day_long = coupon(500, valid_to=NOON)
    dossier = dossier_of(offer(11_000, promotions=(day_long,)), there())
    verdict = check_parity_final(dossier, calendar_of(*YEAR), E616, at, policy)
    (one,) = nearest_prices(verdict, at, policy, dossier)
    assert one.most_item_price_fen == 10_500


def test_a_price_is_the_nearest_however_much_a_share_takes_off() -> None:
    most_off = Promotion("m", "shop", "percent_off", off_rate_ppm=990_000)
    assert most(offer(10_000, promotions=(most_off,)), there(10_000)) == 1_000_050
    all_off = Promotion("m", "shop", "percent_off", off_rate_ppm=1_000_000)
    assert most(offer(10_000, shipping_fen=1, promotions=(all_off,)), there(10_000)) is None
