"""How do anchors and their crowds look as import tables? What an operator would have seen of the latent market."""

import numpy as np
import polars as pl

from features.demo_market.bars import Bars
from features.demo_market.columns import DAY_S, Ids, days, id_lists, instants, picked, rate_columns
from features.demo_market.crowd import TIERS, Anchors, Floats, Ints, Segments, products
from features.demo_market.goods import Brands
from features.demo_market.goods_kinds import (
    AGES,
    CITY_TIERS,
    GENDERS,
    KINDS,
    PRICE_BANDS,
    PRICE_BANDS_YUAN,
)
from features.demo_market.spec import MarketSpec

ACCOUNT_KINDS = ("talent", "brand_self", "brand_person", "agency")
ROLES = ("viewer", "buyer", "repeat_buyer")
AUDIENCE_EVERY_DAYS = 60
STATS_EVERY_DAYS = 7
USUAL_YUAN = 110  # what a middling audience pays for a unit
TOP_KINDS = tuple(sorted({k.path.split("/")[0] for k in KINDS}))


def anchor_table(
    spec: MarketSpec,
    ids: Ids,
    anchors: Anchors,
    brands: Brands,
    bars: Bars,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """One row an anchor, known from its joining; a few rose from tail to waist during the history."""
    n = spec.n_anchors
    kind = rng.choice(len(ACCOUNT_KINDS), n, p=[0.82, 0.05, 0.05, 0.08])
    rose = np.flatnonzero(
        (anchors.tier == TIERS.index("waist")) & (rng.random(n) < 0.1) & (anchors.joined_day < 0)
    )
    row = np.concatenate([np.arange(n), rose])
    rising = np.concatenate([np.zeros(n, dtype=np.int64), rng.integers(30, spec.n_days - 10, len(rose))])
    tier = anchors.tier.copy()
    tier[rose] = TIERS.index("tail")
    home = np.argmax(anchors.home, axis=1)
    own: list[list[int]] = [[] for _ in range(n)]
    for anchor in np.flatnonzero(kind == ACCOUNT_KINDS.index("brand_self")).tolist():
        fitting = np.flatnonzero(brands.first_category == home[anchor])
        own[anchor] = fitting[:1].tolist()
    denied = [";".join(KINDS[c].path for c in bars.denied_categories.get(a, [])) or None for a in range(n)]
    since = np.where(rising > 0, rising, anchors.joined_day[row])
    return pl.DataFrame(
        {
            "anchor_id": picked(ids.anchors, row),
            "name": picked([f"主播{i:04d}" for i in range(1, n + 1)], row),
            "account_kind": picked(ACCOUNT_KINDS, kind[row]),
            "tier": picked(TIERS, np.concatenate([tier, anchors.tier[rose]])),
            "joined_on": days(spec, anchors.joined_day[row]),
            "home_city_tier": picked(CITY_TIERS, np.argmax(anchors.city_share, axis=1)[row]),
            "denied_categories": pl.Series(denied, dtype=pl.String).gather(row),
            "own_brand_ids": id_lists(ids.brands, own).gather(row),
            "observed_at": instants(spec, since * DAY_S, missing=since <= 0),
        }
    )


def stats_table(spec: MarketSpec, ids: Ids, anchors: Anchors, rng: np.random.Generator) -> pl.DataFrame:
    """A row an anchor and week; one anchor in ten never told how fast it answers or shows samples."""
    day, anchor = _observed(spec, anchors, STATS_EVERY_DAYS, after_days=1)
    fans = _fans(spec, anchors, anchor, day)
    before = _fans(spec, anchors, anchor, day - STATS_EVERY_DAYS)
    careful = rng.normal(0, 1, spec.n_anchors) + 0.4 * anchors.trust
    hours = np.round(np.exp(1.2 - 0.4 * careful[anchor] + rng.normal(0, 0.3, len(day))), 1)
    fulfil = 1 / (1 + np.exp(-(1.5 + 0.8 * careful[anchor] + rng.normal(0, 0.3, len(day)))))
    silent = (rng.random(spec.n_anchors) < 0.1)[anchor]
    fulfil_ppm = np.round(fulfil * 1_000).astype(np.int64) * 1_000
    return pl.DataFrame(
        {
            "anchor_id": picked(ids.anchors, anchor),
            "observed_on": days(spec, day),
            "fans": fans.astype(np.int64),
            "fans_gained": (fans - before).astype(np.int64),
            "violation_points": rng.poisson(0.15, len(day)),
            "reply_hours": pl.Series(hours).set(pl.Series(silent), None),
            **rate_columns("sample_fulfil_rate", fulfil_ppm, ["percent"] * len(day), missing=silent),
        }
    )


def audience_table(
    spec: MarketSpec, ids: Ids, segments: Segments, anchors: Anchors, rng: np.random.Generator
) -> pl.DataFrame:
    """Shares by role, dimension and bucket every two months, as exact as the crowd is large.

    Buyers are the viewers who want what is sold, repeat buyers all the more. One anchor in fifteen has no profile;
    an anchor's repeat buyers are known from its third month on.
    """
    hidden = rng.random(spec.n_anchors) < 0.07
    parts = []
    for dimension, buckets, shares in _profiles(segments, anchors):
        for role_index, role in enumerate(ROLES):
            day, anchor = _observed(
                spec, anchors, AUDIENCE_EVERY_DAYS, after_days=60 if role_index == 2 else 12
            )
            kept = ~hidden[anchor]
            day, anchor = day[kept], anchor[kept]
            size = np.exp(anchors.log_fans[anchor] * 0.5 - role_index)  # larger crowds, finer shares
            drawn = rng.gamma(np.maximum(shares[role_index][anchor] * size[:, None], 1e-3)) + 1e-9
            drawn = np.round(drawn / drawn.sum(axis=1, keepdims=True), 5)
            n = len(day)
            parts.append(
                pl.DataFrame(
                    {
                        "anchor_id": picked(ids.anchors, np.repeat(anchor, len(buckets))),
                        "observed_on": days(spec, np.repeat(day, len(buckets))),
                        "role": pl.Series([role]).new_from_index(0, n * len(buckets)),
                        "dimension": pl.Series([dimension]).new_from_index(0, n * len(buckets)),
                        "bucket": picked(buckets, np.tile(np.arange(len(buckets)), n)),
                        "share": drawn.ravel(),
                    }
                )
            )
    return pl.concat(parts)


def _profiles(segments: Segments, anchors: Anchors) -> list[tuple[str, tuple[str, ...], list[Floats]]]:
    """Per dimension its buckets and, per role, the true shares (n_anchors, n_buckets)."""
    keenness = np.exp(
        0.6 * products(anchors.home, segments.wants) / np.sqrt(len(KINDS))
    )  # (n_anchors, n_segments)
    by_role = [_normal(anchors.mixture * keenness**power) for power in (0.0, 1.0, 1.6)]
    gender = np.stack([segments.female_share, 1 - segments.female_share], axis=1)
    kind_of_top = np.array(
        [[k.path.startswith(f"{top}/") for k in KINDS] for top in TOP_KINDS], dtype=np.float64
    )
    wanted = [_normal(np.exp(0.8 * anchors.wants + weight * anchors.home)) for weight in (0.0, 0.8, 1.0)]
    edges = np.log(np.array(PRICE_BANDS_YUAN[1:]) / USUAL_YUAN)
    steps = edges[None, :] - 0.8 * anchors.price_level[:, None]  # (n_anchors, n_bands - 1)
    below = 1 / (1 + np.exp(-steps / 0.45))
    bands = np.diff(below, axis=1, prepend=0.0, append=1.0)
    return [
        ("gender", GENDERS, [products(m, gender.T) for m in by_role]),
        ("age", AGES, [products(m, segments.age_share.T) for m in by_role]),
        ("city_tier", CITY_TIERS, [products(m, segments.city_share.T) for m in by_role]),
        ("price_band", PRICE_BANDS, [bands] * len(ROLES)),
        ("category", TOP_KINDS, [products(w, kind_of_top) for w in wanted]),
    ]


def _observed(spec: MarketSpec, anchors: Anchors, every: int, *, after_days: int) -> tuple[Ints, Ints]:
    """`(day, anchor)` of every look at every anchor that had joined `after_days` before; the last look is 2 days old."""
    looks = np.arange(spec.n_days - 2, -1, -every)[::-1]
    day, anchor = np.repeat(looks, spec.n_anchors), np.tile(np.arange(spec.n_anchors), len(looks))
    here = anchors.joined_day[anchor] + after_days <= day
    return day[here], anchor[here]


def _fans(spec: MarketSpec, anchors: Anchors, anchor: Ints, day: Ints) -> Floats:
    return np.asarray(
        np.floor(np.exp(anchors.log_fans[anchor] - anchors.fans_growth[anchor] * (spec.n_days - day)))
    )


def _normal(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
