"""May this anchor sell this SKU? Each rule of a pairing from both sides of its edge, and from both ends of the pair."""

from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine

from as_bytes import SIDES
from market import MICROSECOND, NOW, Market, Seen, ago
from matcher.eligibility import PAIR_RULES
from matcher.rates import TIER_RANKS

REASONS = [reason for reason, _ in PAIR_RULES]


def reason(seen: Seen, anchor_id: str = "a1", sku_id: str = "s1") -> str | None:
    """Under which rule the pair is refused; the anchor's goods and the SKU's shortlist have to say the same."""
    anchor, sku = seen.anchor_row(anchor_id), seen.sku_row(sku_id)
    rules = seen.world.pair_rules
    goods = [name for name, hit in rules.refusals("goods", anchor) if hit[sku]]
    shortlist = [name for name, hit in rules.refusals("shortlist", sku) if hit[anchor]]
    assert goods == shortlist
    assert bool(goods) == rules.refused("goods", anchor)[sku] == rules.refused("shortlist", sku)[anchor]
    return goods[0] if goods else None


def test_a_pair_of_which_nothing_is_said_is_allowed(store: Engine) -> None:
    assert reason(Market().sku("s1").anchor("a1").seen(store)) is None


def test_the_order_of_the_rules_is_that_of_the_text() -> None:
    assert REASONS == [
        "ANCHOR_DENIED",
        "CATEGORY_DENIED",
        "TIER_TOO_LOW",
        "COMPETING_BRAND",
        "EXCLUSIVE_HELD",
    ]


# -- whom a SKU turns away


def test_a_denied_anchor_is_refused_and_no_other(store: Engine) -> None:
    seen = Market().sku("s1", denied_anchor_ids="a1;a3").anchor("a1").anchor("a2").anchor("a3").seen(store)
    assert [reason(seen, anchor) for anchor in ("a1", "a2", "a3")] == ["ANCHOR_DENIED", None, "ANCHOR_DENIED"]


def test_a_denial_is_of_one_sku_and_of_its_version_in_force(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").sku("s1", denied_anchor_ids="a1").sku("s1", known_at=ago(1))
    seen = market.sku("s2", denied_anchor_ids="a1").seen(sqlite_store)
    assert (reason(seen), reason(seen, sku_id="s2")) == (None, "ANCHOR_DENIED")


def test_a_denied_id_that_is_longer_is_another(sqlite_store: Engine) -> None:
    seen = Market().anchor("a1").anchor("a11").sku("s1", denied_anchor_ids="a11;unknown").seen(sqlite_store)
    assert (reason(seen), reason(seen, "a11")) == (None, "ANCHOR_DENIED")


# -- what an anchor does not sell


@pytest.mark.parametrize(
    ("denied", "category", "refused"),
    [
        ("beauty", "beauty", True),
        ("beauty", "beauty/mask", True),
        ("beauty", "beauty/mask/night", True),
        ("beauty", "beautyx", False),
        ("beauty", "beautyx/mask", False),
        ("beauty/mask", "beauty", False),
        ("beauty/mask", "beauty/mask", True),
        ("beauty/mask", "beauty/masks", False),
        ("mask", "beauty/mask", False),
        ("food;beauty", "beauty/mask", True),
        ("food;beauty", "home", False),
        (None, "beauty", False),
    ],
)
def test_a_denied_category_takes_all_below_it_and_nothing_beside_it(
    sqlite_store: Engine, denied: str | None, category: str, refused: bool
) -> None:
    market = Market().sku("s0", category="aaa").sku("s1", category=category).sku("s2", category="zzz")
    seen = market.anchor("a0").anchor("a1", denied_categories=denied).seen(sqlite_store)
    assert reason(seen) == ("CATEGORY_DENIED" if refused else None)
    assert [reason(seen, "a0"), reason(seen, sku_id="s0"), reason(seen, sku_id="s2")] == [None, None, None]


# -- tiers


@pytest.mark.parametrize(
    ("least", "tier", "refused"),
    [
        (None, None, False),
        (None, "tail", False),
        ("tail", None, False),
        ("tail", "tail", False),
        ("waist", None, True),
        ("waist", "tail", True),
        ("waist", "waist", False),
        ("waist", "head", False),
        ("head", None, True),
        ("head", "waist", True),
        ("head", "head", False),
    ],
)
def test_an_anchor_below_the_least_tier_is_refused_and_an_unknown_tier_is_the_lowest(
    sqlite_store: Engine, least: str | None, tier: str | None, refused: bool
) -> None:
    seen = Market().sku("s1", min_tier=least).anchor("a1", tier=tier).seen(sqlite_store)
    assert reason(seen) == ("TIER_TOO_LOW" if refused else None)


# -- competing brands


def rivals(own: str = "mine", **own_sku: Any) -> Market:
    """a1 owns a brand that sells s0; s1 is of another brand, in the same category."""
    sku = {"brand_id": "mine", "category": "beauty/mask"} | own_sku
    market = Market().sku("s0", **sku).sku("s1", brand_id="other", category="beauty/mask")
    return market.anchor("a1", own_brand_ids=own).anchor("a2")


def test_the_owner_of_a_brand_in_the_same_category_is_refused_and_nobody_else(store: Engine) -> None:
    seen = rivals().seen(store)
    assert (reason(seen), reason(seen, "a2")) == ("COMPETING_BRAND", None)


def test_the_own_brands_own_sku_is_allowed(sqlite_store: Engine) -> None:
    assert reason(rivals().seen(sqlite_store), sku_id="s0") is None


def test_two_own_brands_in_one_category_do_not_compete_for_their_owner(sqlite_store: Engine) -> None:
    seen = rivals(own="mine;other").seen(sqlite_store)
    assert (reason(seen), reason(seen, sku_id="s0")) == (None, None)


@pytest.mark.parametrize("category", ["beauty", "beauty/mask/night", "beauty/masks", "food"])
def test_a_brand_competes_in_the_very_category_alone(sqlite_store: Engine, category: str) -> None:
    assert reason(rivals(category=category).seen(sqlite_store)) is None


@pytest.mark.parametrize(
    ("columns", "refused"),
    [
        ({"status": "on"}, True),
        ({"status": None}, True),
        ({"status": "off"}, False),
        ({"status": "paused"}, False),
        ({"stock": 0}, True),
    ],
)
def test_a_brand_off_the_shelf_does_not_compete(
    sqlite_store: Engine, columns: dict[str, Any], refused: bool
) -> None:
    assert reason(rivals(**columns).seen(sqlite_store)) == ("COMPETING_BRAND" if refused else None)


def test_an_own_brand_that_sells_nothing_here_does_not_compete(sqlite_store: Engine) -> None:
    assert reason(rivals(own="elsewhere").seen(sqlite_store)) is None


# -- exclusive plans


@pytest.mark.parametrize(
    ("columns", "held"),
    [
        ({}, True),
        ({"status": "on"}, True),
        ({"status": "paused"}, False),
        ({"status": "off"}, False),
        ({"valid_from": NOW - MICROSECOND}, True),  # a world at NOW is that of the instant before
        ({"valid_from": NOW}, False),
        ({"valid_to": NOW}, True),
        ({"valid_to": NOW - MICROSECOND}, False),
        ({"plan_type": "target_item"}, False),
        ({"plan_type": "open"}, False),
    ],
)
def test_an_exclusive_plan_in_force_shuts_out_whom_it_does_not_name(
    sqlite_store: Engine, columns: dict[str, Any], held: bool
) -> None:
    plain = {"plan_type": "exclusive", "anchor_ids": "a2;a3"}
    market = Market().sku("s1").sku("s2").anchor("a1").anchor("a2").anchor("a3")
    seen = market.plan("s1", 40, **plain | columns).seen(sqlite_store)
    assert reason(seen) == ("EXCLUSIVE_HELD" if held else None)
    assert [reason(seen, "a2"), reason(seen, "a3"), reason(seen, sku_id="s2")] == [None, None, None]


def test_who_holds_either_of_two_exclusive_plans_is_let_in(sqlite_store: Engine) -> None:
    market = Market().sku("s1").anchor("a1").anchor("a2").anchor("a3")
    for holder in ("a2", "a3"):
        market.plan("s1", 40, plan_type="exclusive", anchor_ids=holder)
    seen = market.seen(sqlite_store)
    assert [reason(seen, anchor) for anchor in ("a1", "a2", "a3")] == ["EXCLUSIVE_HELD", None, None]


def test_a_plan_holds_in_its_latest_version(sqlite_store: Engine) -> None:
    exclusive = {"plan_id": "p", "plan_type": "exclusive", "anchor_ids": "a2"}
    market = Market().sku("s1").sku("s2").anchor("a1").anchor("a2").plan("s1", 40, **exclusive)
    seen = market.plan("s2", 40, known_at=ago(1), **exclusive).seen(sqlite_store)
    assert (reason(seen), reason(seen, sku_id="s2")) == (None, "EXCLUSIVE_HELD")


@pytest.mark.parametrize(
    ("until", "allowed"), [(None, True), (NOW + MICROSECOND, True), (NOW, False), (NOW - MICROSECOND, False)]
)
def test_an_authorisation_ends_at_its_very_instant(sqlite_store: Engine, until: Any, allowed: bool) -> None:
    verdicts = Market().sku("s1", authorised_until=until).seen(sqlite_store).world.verdicts
    assert verdicts.allowed.tolist() == [allowed]
    assert verdicts.refused["NOT_AUTHORISED"].tolist() == [not allowed]


def test_a_pair_that_breaks_two_rules_is_counted_under_the_first(sqlite_store: Engine) -> None:
    market = rivals().sku("s1", brand_id="other", category="beauty/mask", min_tier="head", known_at=ago(1))
    seen = market.plan("s1", 40, plan_type="exclusive", anchor_ids="a2").seen(sqlite_store)
    assert reason(seen) == "TIER_TOO_LOW"


def random_market(rng: Random) -> Market:
    """Few brands, categories and anchors, so that every rule is broken often; everybody has sold something."""
    market = Market()
    anchors, skus, brands = [f"a{k}" for k in range(7)], [f"s{k}" for k in range(12)], ["b0", "b1", "b2"]
    for anchor in anchors:
        market.anchor(
            anchor,
            tier=rng.choice([None, *TIER_RANKS]),
            denied_categories=rng.choice([None, None, "x", "x/y", "z;x/y"]),
            own_brand_ids=rng.choice([None, None, "b0", "b1;b2"]),
        )
    for sku in skus:
        market.sku(
            sku,
            brand_id=rng.choice(brands),
            category=rng.choice(["x", "x/y", "xy", "z"]),
            min_tier=rng.choice([None, None, *TIER_RANKS]),
            denied_anchor_ids=rng.choice([None, None, ";".join(sorted(rng.sample(anchors, 2)))]),
            status=rng.choice([None, "on", "on", "off"]),
        )
        if rng.random() < 0.3:
            held = ";".join(sorted(rng.sample(anchors, 2)))
            market.plan(sku, 30, plan_type="exclusive", anchor_ids=held, status=rng.choice([None, "paused"]))
    for day in range(9):
        market.live(rng.choice(anchors), ago(day + 2), dict.fromkeys(rng.sample(skus, 4), 3))
    return market


def expected(market: Market, anchor: dict[str, Any], sku: dict[str, Any]) -> str | None:
    """The rules of a pair, told once more, row by row."""

    def ids(joined: str | None) -> list[str]:
        return joined.split(";") if joined else []

    own = ids(anchor["own_brand_ids"])
    sells = {(s["brand_id"], s["category"]) for s in market.rows["skus"] if s["status"] != "off"}
    plans = [p for p in market.rows.get("plans", []) if p["sku_id"] == sku["sku_id"] and p["status"] is None]
    broken = (
        anchor["anchor_id"] in ids(sku["denied_anchor_ids"]),
        any(f"{sku['category']}/".startswith(f"{path}/") for path in ids(anchor["denied_categories"])),
        TIER_RANKS[anchor["tier"] or "tail"] < TIER_RANKS[sku["min_tier"] or "tail"],
        sku["brand_id"] not in own and any((brand, sku["category"]) in sells for brand in own),
        bool(plans) and not any(anchor["anchor_id"] in ids(p["anchor_ids"]) for p in plans),
    )
    return next((name for name, is_broken in zip(REASONS, broken, strict=True) if is_broken), None)


@pytest.mark.parametrize("seed", range(8))
def test_every_pair_of_a_random_market_is_judged_as_the_rules_read(sqlite_store: Engine, seed: int) -> None:
    market = random_market(Random(seed))
    seen = market.seen(sqlite_store)
    for anchor in market.rows["anchors"]:
        for sku in market.rows["skus"]:
            found = reason(seen, anchor["anchor_id"], sku["sku_id"])
            assert found == expected(market, anchor, sku), (anchor, sku)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_refused_never_is_a_candidate(sqlite_store: Engine, seed: int) -> None:
    world = random_market(Random(seed)).seen(sqlite_store).world
    n_candidates = 0
    for side in SIDES:
        for owner in range(world.n_owners(side)):
            allowed = world.allowed(side, owner, new_only=False)
            rows = world.candidates(side, owner, allowed).rows
            assert not world.pair_rules.refused(side, owner)[rows].any()
            n_candidates += len(rows)
    assert n_candidates > 0


def test_every_rule_is_broken_in_the_random_markets() -> None:
    found: set[str | None] = set()
    for seed in range(8):
        market = random_market(Random(seed))
        found |= {expected(market, a, s) for a in market.rows["anchors"] for s in market.rows["skus"]}
    assert found == {None, *REASONS}
