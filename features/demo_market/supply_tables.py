"""How do brands, SKUs and plans look as import tables? What was known of each, and from when."""

import numpy as np
import polars as pl

from features.demo_market.bars import Bars
from features.demo_market.broadcasts import SETTLE_DAYS, History
from features.demo_market.columns import (
    DAY_S,
    Ids,
    days,
    id_lists,
    instants,
    picked,
    rate_columns,
    with_holes,
)
from features.demo_market.crowd import Anchors, Ints
from features.demo_market.goods import BRAND_TYPES, NEVER_DAY, Brands, Skus
from features.demo_market.goods_kinds import KINDS
from features.demo_market.spec import MarketSpec
from features.units import COMMISSION_LIMIT, RATE_UNITS

STAGES = ("new", "zero_broken", "distributing", "self_live", "private_domain", "channel_supply")
SAMPLES = ("none", "free", "refund_after_sales")
PLAN_TYPES = ("open", "target_item", "target_shop", "exclusive", "leader")
SKU_EVERY_DAYS = 30


def brand_table(spec: MarketSpec, ids: Ids, brands: Brands, rng: np.random.Generator) -> pl.DataFrame:
    """One row a brand, known from the start; a tenth moves up a stage during the history."""
    n = spec.n_brands
    stage = np.where(brands.type_index == 0, rng.integers(2, 6, n), rng.integers(0, 4, n))
    moves = np.flatnonzero((rng.random(n) < 0.1) & (stage < len(STAGES) - 1))
    row = np.concatenate([np.arange(n), moves])
    day = np.concatenate([np.full(n, -1), rng.integers(10, spec.n_days, len(moves))])
    return pl.DataFrame(
        {
            "brand_id": picked(ids.brands, row),
            "name": picked(brands.name, row),
            "brand_type": picked(BRAND_TYPES, brands.type_index[row]),
            "stage": picked(STAGES, np.concatenate([stage, stage[moves] + 1])),
            "observed_at": instants(spec, day * DAY_S, missing=day < 0),
        }
    )


def sku_table(
    spec: MarketSpec, ids: Ids, skus: Skus, bars: Bars, history: History, rng: np.random.Generator
) -> pl.DataFrame:
    """Each SKU as first seen, then a row a month and one at each change: nothing is told before it was known.

    Reviews, refunds and stock come from what had been sold by then; refunds lag by the settlement.
    """
    sku, day = _sku_versions(spec, skus)
    sold = _sold_by_day(spec, history)  # (n_skus, n_days + 1) units before each day
    before = np.where(skus.launched_day < 0, rng.poisson(20 - 0.4 * np.minimum(skus.launched_day, 0)), 0)
    reviews = before[sku] + sold[sku, day] // 12
    settled = 12 * before[sku] + sold[sku, np.maximum(day - SETTLE_DAYS, 0)]
    refund_ppm = (
        np.round(rng.binomial(settled, skus.refund_share[sku]) / np.maximum(settled, 1) * 10_000) * 100
    )
    rating = np.round(462 + 14 * skus.quality[sku] + 45 * rng.normal(0, 1, len(sku)) / np.sqrt(reviews + 1))
    pace = (sold[sku, day] - sold[sku, np.maximum(day - 30, 0)]) / 30  # units a day
    stock = (200 + pace * rng.uniform(4, 60, len(sku))).astype(np.int64)
    last = day == spec.n_days - 1
    retired = day >= skus.retired_day[sku]
    status = np.where(retired, 2, np.where(last & skus.paused[sku], 1, 0))
    careless = rng.random(spec.n_skus) < 0.08  # their brand leaves the stock empty
    changed = day >= skus.price_change_day[sku]
    min_tier = np.where(bars.waist_or_more, 0, -1)
    kinds = skus.category[sku]
    denied = id_lists(ids.anchors, [bars.denied_anchors.get(s, []) for s in range(spec.n_skus)])
    return pl.DataFrame(
        {
            "sku_id": picked(ids.skus, sku),
            "brand_id": picked(ids.brands, skus.brand[sku]),
            "title": picked(skus.title, sku),
            "category": picked([k.path for k in KINDS], kinds),
            "standardness": picked(("standard", "nonstandard"), skus.is_nonstandard[sku].astype(np.int64)),
            "supply_type": picked(("brand", "source"), skus.is_source[sku].astype(np.int64)),
            "unit": picked([k.unit for k in KINDS], kinds),
            "units_per_pack": np.array([k.units_per_pack for k in KINDS])[kinds],
            "list_price_fen": np.where(changed, skus.later_price_fen[sku], skus.price_fen[sku]),
            "stock": with_holes(np.where(last & skus.out_of_stock[sku], 0, stock), careless[sku] & ~last),
            "rating_x100": with_holes(np.clip(rating, 300, 500).astype(np.int64), reviews < 5),
            "review_count": reviews,
            **rate_columns(
                "refund_rate", refund_ppm.astype(np.int64), ["bp"] * len(sku), missing=settled < 20
            ),
            "launched_on": days(spec, skus.launched_day[sku]),
            "retired_on": days(spec, np.where(retired, skus.retired_day[sku], 0), missing=~retired),
            "status": picked(("on", "paused", "off"), status),
            "min_tier": picked(("waist",), min_tier[sku]),
            "denied_anchor_ids": denied.gather(sku),
            "sample": picked(SAMPLES, rng.choice(3, spec.n_skus, p=[0.4, 0.35, 0.25])[sku]),
            "observed_at": instants(spec, day * DAY_S, missing=(day == 0) & (skus.launched_day[sku] < 0)),
        }
    )


def plan_table(
    spec: MarketSpec, ids: Ids, anchors: Anchors, skus: Skus, bars: Bars, rng: np.random.Generator
) -> pl.DataFrame:
    """An open plan for nearly every SKU, an eighth of them with a rate that moved; some plans for named anchors."""
    n = spec.n_skus
    since = np.maximum(skus.launched_day, -30) * DAY_S
    has_open = np.flatnonzero(rng.random(n) < 0.96)
    moved = has_open[(rng.random(len(has_open)) < 0.12) & (skus.launched_day[has_open] < spec.n_days - 40)]
    moved_day = np.maximum(skus.launched_day[moved], 0) + rng.integers(10, 35, len(moved))
    step = rng.choice([-30_000, -20_000, 20_000, 30_000], len(moved))
    named = np.flatnonzero(rng.random(n) < 0.07)
    led = np.flatnonzero(rng.random(n) < 0.05)
    held = np.array(sorted(bars.exclusive_anchor))
    sku = np.concatenate([has_open, moved, named, led, held])
    sizes = [len(has_open), len(moved), len(named), len(led), len(held)]
    kind = np.repeat([0, 0, 1, 4, 3], sizes)
    kind = np.where((kind == 1) & (rng.random(len(sku)) < 0.2), 2, kind)  # target_shop
    bonus = np.repeat([0, 0, 50_000, 20_000, 100_000], sizes)
    bonus[len(has_open) : len(has_open) + len(moved)] = step
    ppm = np.clip(skus.rate_ppm[sku] + bonus, 10_000, COMMISSION_LIMIT)
    settled = np.flatnonzero(anchors.joined_day <= 0)
    admitted: list[list[int]] = [[] for _ in sku]
    for place in np.flatnonzero((kind == 1) | (kind == 2)).tolist():
        admitted[place] = rng.choice(settled, min(5, len(settled)), replace=False).tolist()
    for place in np.flatnonzero(kind == 3).tolist():
        admitted[place] = [bars.exclusive_anchor[int(sku[place])]]
    units = tuple(RATE_UNITS)
    is_move = np.repeat([False, True, False, False, False], sizes)
    seen = np.zeros(len(sku), dtype=np.int64)
    seen[is_move] = moved_day * DAY_S
    plan = np.where(is_move, -1, np.arange(len(sku)))
    plan[is_move] = np.searchsorted(has_open, moved)  # the same plan, seen again with another rate
    named_in = [units[i] for i in rng.integers(0, len(units), len(sku)).tolist()]
    fee = np.where(kind == 4, 20_000, 0)
    fees = rate_columns("service_fee_rate", fee, ["permille"] * len(sku), missing=kind != 4)
    return pl.DataFrame(
        {
            "plan_id": picked([f"P{i:06d}" for i in range(1, len(sku) + 1)], plan),
            "sku_id": picked(ids.skus, sku),
            "plan_type": picked(PLAN_TYPES, kind),
            **rate_columns("rate", ppm, named_in),
            "anchor_ids": id_lists(ids.anchors, admitted),
            **fees,
            "status": picked(("on", "paused"), (rng.random(len(sku)) < 0.02) & (kind == 4)),
            "valid_from": instants(spec, since[sku]),
            "observed_at": instants(spec, seen, missing=~is_move),
        }
    )


def _sku_versions(spec: MarketSpec, skus: Skus) -> tuple[Ints, Ints]:
    """`(sku, day)` of every row, by SKU then day: first sight, months, a new price, retirement, the last day."""
    n = spec.n_skus
    months = np.arange(SKU_EVERY_DAYS, spec.n_days, SKU_EVERY_DAYS)
    everyone = np.arange(n)
    first = np.maximum(skus.launched_day, 0)
    sku = np.concatenate([everyone, np.repeat(everyone, len(months)), everyone, everyone, everyone])
    last = np.full(n, spec.n_days - 1)
    day = np.concatenate([first, np.tile(months, n), skus.price_change_day, skus.retired_day, last])
    told = (day >= first[sku]) & (day <= skus.retired_day[sku]) & (day < spec.n_days) & (day < NEVER_DAY)
    rows = np.unique(np.stack([sku[told], day[told]], axis=1), axis=0)
    return rows[:, 0], rows[:, 1]


def _sold_by_day(spec: MarketSpec, history: History) -> Ints:
    """(n_skus, n_days + 1) units sold before each day began."""
    sold = np.zeros((spec.n_skus, spec.n_days + 1), dtype=np.int64)
    day = history.sessions.started_s[history.listings.session] // DAY_S
    np.add.at(sold, (history.listings.sku, day + 1), history.listings.units)
    return np.asarray(np.cumsum(sold, axis=1))
