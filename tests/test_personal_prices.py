"""What is left out of a price because it depends on who pays, or how? And what would the lucky buyer pay?"""

from typing import Any

import pytest

from features.store.dossier import Promotion
from matcher.policy import Policy
from matcher.price import Price, effective_price
from promises import NOON, TICK, coupon, offer


def price(*promotions: Promotion, **columns: Any) -> Price:
    """Of an offer at 10 000 fen with these promotions."""
    return effective_price(offer(10_000, promotions=promotions, **columns), NOON, Policy())


def packet(off_fen: int | None = 300, layer: str = "shop", **columns: Any) -> Promotion:
    """A red packet."""
    return coupon(0, layer=layer, kind="red_packet", **columns)._replace(off_fen=off_fen)


def both(one: Price) -> tuple[int, int | None]:
    """What everybody pays, and the lucky buyer."""
    return one.paid_fen, one.conditional_paid_fen


@pytest.mark.parametrize("layer", ["payment", "identity"])
def test_personal_layers_are_left_out_and_shown_as_conditional(layer: str) -> None:
    assert both(price(coupon(300, layer=layer), shipping_fen=5)) == (10_005, 9_705)


@pytest.mark.parametrize("layer", ["item", "shop", "platform", "payment", "identity"])
def test_a_red_packet_is_left_out_in_any_layer(layer: str) -> None:
    assert both(price(packet(layer=layer), coupon(100))) == (9_900, 9_600)


def test_a_red_packet_does_not_push_the_price_under_another_threshold() -> None:
    one = price(packet(layer="item"), coupon(100, threshold_fen=10_000))
    assert (one.paid_fen, one.p1) == (9_900, 10_000)


def test_for_the_lucky_buyer_it_does() -> None:
    assert both(price(packet(layer="item"), coupon(100, threshold_fen=9_701))) == (9_900, 9_700)


def test_a_red_packet_does_not_win_its_group_from_a_coupon() -> None:
    one = price(packet(exclusive_group="x"), coupon(100, exclusive_group="x"))
    assert both(one) == (9_900, 9_700)


@pytest.mark.parametrize(("cap", "conditional"), [(None, 9_000), (1_001, 9_000), (999, 9_001)])
def test_a_red_packet_told_as_a_share_takes_off_at_most_its_cap(cap: int | None, conditional: int) -> None:
    assert both(price(packet(None, off_rate_ppm=100_000, cap_fen=cap))) == (10_000, conditional)


def test_without_personal_promotions_nothing_is_conditional() -> None:
    assert price(coupon(1)).conditional_paid_fen is None


def test_a_personal_promotion_counts_in_its_window() -> None:
    assert price(coupon(300, layer="payment", valid_to=NOON)).conditional_paid_fen is None
    assert price(coupon(300, layer="payment", valid_to=NOON + TICK)).conditional_paid_fen == 9_700


def test_a_presale_keeps_its_promotions_and_takes_off_what_is_personal() -> None:
    presale: dict[str, Any] = {"deposit_fen": 2_000, "balance_fen": 6_000}
    assert both(price(coupon(300, layer="payment"), **presale)) == (8_000, 7_700)
    assert both(price(coupon(500), packet(), packet(layer="item"), **presale)) == (8_000, 7_400)


def test_of_half_a_presale_the_item_price_is_conditional_too() -> None:
    assert price(packet(), deposit_fen=2_000).conditional_paid_fen == 9_700


def test_what_the_lucky_buyer_pays_is_never_below_the_shipping() -> None:
    assert both(price(packet(10_001), shipping_fen=10)) == (10_010, 10)
