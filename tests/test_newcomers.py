"""Who is new, and which newcomer comes first? Each edge from both sides."""

import pytest
from sqlalchemy import Engine

from market import Market, ago, day_ago
from matcher.candidates import newcomers


def tea_and_masks() -> Market:
    """One anchor that has sold nothing but tea, for long."""
    market = (
        Market().anchor("tea1").sku("new_tea", category="tea", brand_id="tea").sku("other", category="other")
    )
    for place in range(3):
        market.sku(f"t{place}", category="tea", brand_id="tea", launched_on=day_ago(300))
    for anchor_id in ("tea2", "tea3"):
        market.anchor(anchor_id).live(anchor_id, ago(50), {"t0": 1, "t1": 1, "t2": 1})
    return market.live("tea1", ago(60), {"t0": 2, "t1": 2, "t2": 2})


def launches(*launched: int | None) -> Market:
    """SKUs launched so many days ago, each carried by three anchors."""
    market = Market()
    for anchor_id in ("a1", "a2", "a3"):
        market.anchor(anchor_id, joined_on=day_ago(500))
    for days in launched:
        market.sku(f"s{days}", launched_on=None if days is None else day_ago(days))
    return market


def test_a_sku_is_new_for_a_while_after_its_launch(sqlite_store: Engine) -> None:
    market = launches(-1, 0, 45, 46, None)
    for anchor_id in ("a1", "a2", "a3"):
        market.live(anchor_id, ago(2), dict.fromkeys(("s-1", "s0", "s45", "s46", "sNone"), 1))
    assert list(market.seen(sqlite_store).said("newcomers", "goods", "a1")) == [
        "s0",
        "s45",
    ]  # the newest first


def test_a_sku_that_few_carry_stays_new(sqlite_store: Engine) -> None:
    market = launches(300, 400)
    for anchor_id in ("a1", "a2", "a3"):
        market.live(anchor_id, ago(2), {"s300": 1} | ({"s400": 1} if anchor_id != "a3" else {}))
    assert list(market.seen(sqlite_store).said("newcomers", "goods", "a1")) == ["s400"]


def test_an_anchor_that_carries_little_or_joined_lately_is_new(sqlite_store: Engine) -> None:
    market = (
        launches(300, 301, 302).anchor("late", joined_on=day_ago(45)).anchor("later", joined_on=day_ago(46))
    )
    for anchor_id in ("a1", "a2", "late", "later"):
        market.live(anchor_id, ago(2), dict.fromkeys(("s300", "s301", "s302"), 1))
    found = (
        market.live("a3", ago(2), {"s300": 1, "s301": 1})
        .seen(sqlite_store)
        .said("newcomers", "shortlist", "s300")
    )
    assert list(found) == ["late", "a3"]


def test_new_skus_of_the_anchors_own_categories_and_crowd_come_first(sqlite_store: Engine) -> None:
    market = (
        tea_and_masks()
        .sku("fresh_tea", category="tea", launched_on=day_ago(9))
        .sku("fresh_mask", category="mask", launched_on=day_ago(1))
    )
    found = market.seen(sqlite_store).said("newcomers", "goods", "tea1")
    assert list(found) == ["fresh_tea", "new_tea", "fresh_mask", "other"]
    assert found["new_tea"] > 0.99  # all that it lists is tea
    assert 0 < found["other"] < found["fresh_mask"] < 0.01  # novelty alone


def test_new_skus_for_the_anchors_crowd_come_before_others(sqlite_store: Engine) -> None:
    market = Market().anchor("seller").anchor("guest").crowd("guest", "viewer", "age", {"50+": 1.0})
    market.crowd("seller", "buyer", "age", {"50+": 1.0}).sku(
        "known", brand_id="grey", launched_on=day_ago(99)
    )
    market.sku("grey", brand_id="grey", launched_on=day_ago(3)).sku(
        "any", category="any", launched_on=day_ago(1)
    )
    found = market.live("seller", ago(1), {"known": 4}).seen(sqlite_store).said("newcomers", "goods", "guest")
    assert list(found) == ["grey", "known", "any"]


def test_where_there_are_too_many_the_newest_are_kept(
    sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "MOST_NEW", 2)
    found = launches(40, 3, 20, 9).seen(sqlite_store).said("newcomers", "goods", "a1")
    assert list(found) == ["s3", "s9"]
