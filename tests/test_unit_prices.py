"""Which of two prices is dearer, when neither may be divided? Units on both sides, compared crosswise."""

from datetime import UTC, datetime
from typing import Any

import pytest

from features.store.dossier import Offer, SkuVersion
from matcher.policy import Policy
from matcher.price import Price, effective_price, is_dearer, margin_fen

NOON = datetime(2026, 6, 5, 4, tzinfo=UTC)


def price(item: int = 10_000, version: SkuVersion | None = None, ratio: int = 1, **columns: Any) -> Price:
    """What an offer at `item` fen comes to."""
    return effective_price(
        Offer("o", "kuaishou", item, NOON, **columns), NOON, Policy(), version, ratio=ratio
    )


def test_quantity_multiplies_pieces_and_units_and_not_the_gift() -> None:
    one = price(1_000, quantity=3, units_per_pack=4, gift_same_units=2)
    assert (one.p0, one.units) == (3_000, 14)


def test_buy_one_get_one_is_half_price() -> None:
    assert margin_fen(price(1_000, gift_same_units=1), price(500)) == 0


def test_a_pack_and_a_unit_that_the_offer_does_not_name_are_the_skus() -> None:
    version = SkuVersion(NOON, "b", unit="ml", units_per_pack=50)
    assert (price(version=version).units, price(version=version).unit) == (50, "ml")
    named = price(version=version, units_per_pack=30, unit="g")
    assert (named.units, named.unit) == (30, "g")


def test_where_nobody_names_them_it_is_one_piece() -> None:
    assert (price().units, price().unit) == (1, "piece")
    assert (price(version=SkuVersion(NOON, "b")).units, price(version=SkuVersion(NOON, "b")).unit) == (
        1,
        "piece",
    )


def test_an_equivalents_pack_and_gift_count_so_many_times() -> None:
    one = price(1_000, units_per_pack=4, gift_same_units=2, quantity=2, ratio=3)
    assert (one.units, one.units_per_pack) == (2 * 12 + 6, 12)


@pytest.mark.parametrize(("currency", "read"), [(None, "CNY"), ("", "CNY"), ("cny", "CNY"), ("USD", "USD")])
def test_an_empty_currency_is_cny(currency: str | None, read: str) -> None:
    assert price(currency=currency).currency == read


@pytest.mark.parametrize(("ours", "dearer"), [(999, False), (1_000, False), (1_001, True)])
def test_a_third_of_a_fen_is_never_lost(ours: int, dearer: bool) -> None:
    here, there = price(ours, units_per_pack=3), price(1_000, units_per_pack=3)
    assert is_dearer(here, there) is dearer


def test_equal_unit_prices_of_different_packs_are_equal() -> None:
    one, three = price(333, units_per_pack=1), price(999, units_per_pack=3)
    assert not is_dearer(one, three)
    assert not is_dearer(three, one)


@pytest.mark.parametrize(
    ("ours", "margin"), [(1_001, -1), (1_000, 0), (999, 0), (1, 0), (2_000, -1), (2_001, -2)]
)
def test_the_margin_is_rounded_down_so_that_a_thousandth_too_dear_shows_below_zero(
    ours: int, margin: int
) -> None:
    here, there = price(ours, units_per_pack=1_000), price(1_000, units_per_pack=1_000)
    assert margin_fen(here, there) == margin
    assert is_dearer(here, there) == (margin < 0)


@pytest.mark.parametrize(("ours", "dearer"), [(1_030, False), (1_031, True)])
def test_the_tolerance_is_so_many_fen_a_unit(ours: int, dearer: bool) -> None:
    here, there = price(ours, units_per_pack=10), price(1_000, units_per_pack=10)
    assert is_dearer(here, there, tolerance_fen=3) is dearer


def test_prices_far_beyond_64_bits_compare_exactly() -> None:
    here, there = price(10**18 + 1, units_per_pack=10**6), price(10**18, units_per_pack=10**6)
    assert is_dearer(here, there)
    assert margin_fen(here, there) == -1
