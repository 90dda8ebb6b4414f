"""What have brands promised, and what was seen on other platforms? Rows for the two commercial rules.

Small but complete: floors that hold and that fail, quotes that went stale, prices above last year's Double 11, gifts,
packs of another size, a price in another currency, and brands that promised nothing.
"""

import numpy as np
import polars as pl

from features.demo_market.columns import DAY_S, Ids, instants, picked, rate_columns
from features.demo_market.crowd import Ints
from features.demo_market.goods import Brands, Skus
from features.demo_market.goods_kinds import KINDS
from features.demo_market.seasons import EVENT_OFF_PPM, HOME, BigEvent, events_of, paid_price_fen
from features.demo_market.spec import MarketSpec
from features.units import COMMISSION_LIMIT, RATE_UNITS, day_number

RIVALS = ("tmall", "douyin", "jd")
FLAGSHIP, FAIR_RATE = "flagship-c", "fair-rate"
MOST_CHECKED_SKUS = 400
HOUR_S = 3_600


def programme_table() -> pl.DataFrame:
    """One programme with both rules, one with the floor alone."""
    return pl.DataFrame(
        {
            "programme_id": [FLAGSHIP, FAIR_RATE],
            "name": ["品牌C位计划", "佣金不低于站外"],
            "rules": ["cps_floor;price_parity", "cps_floor"],
        }
    )


def enrolment_table(spec: MarketSpec, ids: Ids, brands: Brands, rng: np.random.Generator) -> pl.DataFrame:
    """Enrolled since before the history or since some day of it; one in eight has left."""
    row = np.flatnonzero(brands.enrolled)
    since = np.where(rng.random(len(row)) < 0.6, -60, rng.integers(5, max(6, spec.n_days - 60), len(row)))
    left = rng.random(len(row)) < 0.12
    return pl.DataFrame(
        {
            "brand_id": picked(ids.brands, row),
            "programme_id": picked((FLAGSHIP, FAIR_RATE), rng.random(len(row)) < 0.25),
            "valid_from": instants(spec, since * DAY_S),
            "valid_to": instants(spec, np.full(len(row), spec.n_days - 20) * DAY_S, missing=~left),
            "committed_at": instants(spec, since * DAY_S - 5 * DAY_S, missing=rng.random(len(row)) < 0.5),
        }
    )


def event_table(spec: MarketSpec) -> pl.DataFrame:
    """Every event of the years that the history touches and of the year before."""
    events = big_events(spec)
    starts = np.array([_day(spec, e, start=True) for e in events])
    ends = np.array([_day(spec, e, start=False) for e in events])
    return pl.DataFrame(
        {
            "event_id": [e.event_id for e in events],
            "platform": [e.platform for e in events],
            "kind": [e.kind for e in events],
            "name": [e.name for e in events],
            "starts_at": instants(spec, starts * DAY_S),
            "ends_at": instants(spec, ends * DAY_S),
            "counts_as_big_promo": [e.counts_as_big_promo for e in events],
            "goods_focus": [e.goods_focus for e in events],
        },
        schema_overrides={"goods_focus": pl.String},
    )


def big_events(spec: MarketSpec) -> tuple[BigEvent, ...]:
    """In order of their ids' years."""
    return events_of(range(spec.start_on.year - 1, spec.end_on.year + 1))


def checked_skus(spec: MarketSpec, brands: Brands, skus: Skus) -> Ints:
    """The SKUs that are watched elsewhere: those of enrolled brands, and a few others."""
    watched = brands.enrolled[skus.brand] | (np.arange(spec.n_skus) % 16 == 0)
    return np.flatnonzero(watched & (skus.launched_day < spec.n_days - 15))[:MOST_CHECKED_SKUS]


def quote_table(
    spec: MarketSpec, ids: Ids, brands: Brands, skus: Skus, rng: np.random.Generator
) -> pl.DataFrame:
    """Three looks at each rival within ten days.

    One series in ten stopped too early to count; one SKU in six pays less here than at one of the rivals.
    """
    watched = checked_skus(spec, brands, skus)
    sku = np.repeat(watched, len(RIVALS) * 3)
    platform = np.tile(np.repeat(np.arange(len(RIVALS)), 3), len(watched))
    look = np.tile(np.arange(3), len(watched) * len(RIVALS))
    generous = np.repeat(rng.random(len(watched)) < 0.17, len(RIVALS) * 3) & (
        platform == np.repeat(rng.integers(0, len(RIVALS), len(watched)), len(RIVALS) * 3)
    )
    gap = np.where(generous, rng.integers(1, 5, len(sku)), -rng.integers(0, 5, len(sku))) * 10_000
    ppm = np.clip(skus.rate_ppm[sku] + gap, 5_000, COMMISSION_LIMIT - 50_000)
    stopped = np.repeat(rng.random(len(watched) * len(RIVALS)) < 0.1, 3)
    age_h = (2 - look) * 96 + rng.integers(1, 20, len(sku)) + np.where(stopped, 100, 0)
    units = [tuple(RATE_UNITS)[i] for i in rng.integers(0, len(RATE_UNITS), len(sku)).tolist()]
    high = rng.random(len(sku)) < 0.05
    rate_high = rate_columns("rate_high", ppm + 20_000, units, missing=~high)["rate_high"]
    with_base = rng.random(len(sku)) < 0.8
    base_fen = (paid_price_fen(spec, skus, spec.n_days - 1)[sku] * rng.uniform(0.9, 1.1, len(sku))).astype(
        np.int64
    )
    return pl.DataFrame(
        {
            "quote_id": [f"Q{i:06d}" for i in range(1, len(sku) + 1)],
            "sku_id": picked(ids.skus, sku),
            "platform": picked(RIVALS, platform),
            "plan_scope": pl.Series(["open"]).new_from_index(0, len(sku)),
            **rate_columns("rate", ppm, units),
            "rate_high": rate_high,
            "base": picked(("paid",), np.where(with_base, 0, -1)),
            "base_fen": pl.Series(base_fen).set(pl.Series(~with_base), None),
            "observed_at": instants(spec, spec.n_days * DAY_S - age_h * HOUR_S),
        }
    )


def offer_tables(
    spec: MarketSpec, ids: Ids, brands: Brands, skus: Skus, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`(offers, offer_promotions)`: ours of the last day, and the rival's at last year's Double 11, seen twice."""
    watched = checked_skus(spec, brands, skus)
    n = len(watched)
    end_s = spec.n_days * DAY_S
    ours_at = end_s - rng.integers(1, 20, n) * HOUR_S
    year = spec.end_on.year - 1
    double_11 = next(e for e in big_events(spec) if e.event_id == f"tm-d11-{year}")
    seen_at = _day(spec, double_11, start=True) * DAY_S + rng.integers(2, 20, 2 * n) * DAY_S
    here = paid_price_fen(spec, skus, spec.n_days - 1)[watched]
    there = np.repeat(
        (here * rng.choice([0.9, 0.97, 1.0, 1.05, 1.15], n, p=[0.1, 0.1, 0.2, 0.3, 0.3])).astype(np.int64), 2
    )
    sku = np.concatenate([watched, np.repeat(watched, 2)])
    is_ours = np.arange(3 * n) < n
    pack = np.array([k.units_per_pack for k in KINDS])[skus.category[sku]]
    pack = np.where(~is_ours & (rng.random(3 * n) < 0.04), 2 * pack, pack)
    gift = np.where(~is_ours & (rng.random(3 * n) < 0.05), 0, -1)
    price = np.concatenate([skus.list_price_fen(spec.n_days - 1)[watched], there])
    offers = pl.DataFrame(
        {
            "offer_id": [f"O{i:06d}" for i in range(1, 3 * n + 1)],
            "sku_id": picked(ids.skus, sku),
            "platform": picked((HOME, double_11.platform), ~is_ours),
            "shop_kind": picked(
                ("flagship", "official", "reseller"), np.where(is_ours, 0, _by_sku(rng, sku, [0.7, 0.2, 0.1]))
            ),
            "event_id": picked((double_11.event_id,), np.where(is_ours, -1, 0)),
            "quantity": np.ones(3 * n, dtype=np.int64),
            "item_price_fen": price,
            "shipping_fen": np.zeros(3 * n, dtype=np.int64),
            "units_per_pack": pack,
            "unit": picked([k.unit for k in KINDS], skus.category[sku]),
            "gift_other": picked(("旅行装小样",), gift),
            "audience": pl.Series(["all"]).new_from_index(0, 3 * n),
            "mapping": picked(
                ("code", "manual", "title"), np.where(is_ours, 0, _by_sku(rng, sku, [0.7, 0.2, 0.1]))
            ),
            "evidence": picked(
                [f"shot-{i:06d}" for i in range(3 * n)], np.where(is_ours, -1, np.arange(3 * n))
            ),
            "currency": picked(("CNY", "USD"), ~is_ours & (rng.random(3 * n) < 0.01)),
            "observed_at": instants(spec, np.concatenate([ours_at, seen_at])),
        }
    )
    return offers, _promotion_table(spec, offers["offer_id"].head(n), rng)


def _promotion_table(spec: MarketSpec, ours: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """The event's percentage on every offer of ours, and a fan's red packet on some, which no price counts."""
    n = len(ours)
    fans = np.flatnonzero(rng.random(n) < 0.2)
    of = np.concatenate([np.arange(n), fans])
    is_event = np.arange(len(of)) < n
    off = rate_columns("off_rate", np.full(len(of), EVENT_OFF_PPM), ["percent"] * len(of), missing=~is_event)
    start = next(
        (e for e in big_events(spec) if e.platform == HOME and e.starts_on <= spec.end_on < e.ends_on), None
    )
    from_s = np.full(len(of), (_day(spec, start, start=True) if start else spec.n_days - 1) * DAY_S)
    return pl.DataFrame(
        {
            "promotion_id": [f"OP{i:06d}" for i in range(1, len(of) + 1)],
            "offer_id": ours.gather(of),
            "layer": picked(("platform", "payment"), ~is_event),
            "kind": picked(("percent_off", "red_packet"), ~is_event),
            "off_fen": pl.Series(np.full(len(of), 500)).set(pl.Series(is_event), None),
            **off,
            "valid_from": instants(spec, from_s),
        }
    )


def _by_sku(rng: np.random.Generator, sku: Ints, shares: list[float]) -> Ints:
    """One draw a SKU, the same for each of its rows."""
    drawn = rng.choice(len(shares), int(sku.max()) + 1, p=shares)
    return np.asarray(drawn[sku])


def _day(spec: MarketSpec, event: BigEvent, *, start: bool) -> int:
    return day_number(event.starts_on if start else event.ends_on) - day_number(spec.start_on)
