"""Which pairs are barred whatever the day? A few of each hard rule, honoured by history and truth alike."""

from dataclasses import dataclass

import numpy as np

from features.demo_market.crowd import TIERS, Anchors, Bools
from features.demo_market.goods import Skus
from features.demo_market.spec import MarketSpec


@dataclass(frozen=True, slots=True)
class Bars:
    """Every key and value is an index into the market's arrays."""

    denied_anchors: dict[int, list[int]]  # SKU -> anchors its brand denies
    denied_categories: dict[int, list[int]]  # anchor -> categories it refuses to sell
    waist_or_more: Bools  # (n_skus,) `min_tier` is waist
    exclusive_anchor: dict[int, int]  # SKU -> the one anchor with an exclusive plan


def draw_bars(spec: MarketSpec, anchors: Anchors, rng: np.random.Generator) -> Bars:
    """About one pair in thirty is barred."""
    n_some = max(2, spec.n_skus // 100)
    some = rng.choice(spec.n_skus, 2 * n_some, replace=False).tolist()
    settled = np.flatnonzero(anchors.joined_day <= 0)
    refusing = np.sort(rng.choice(spec.n_anchors, max(1, spec.n_anchors // 25), replace=False))
    disliked = np.argsort(anchors.home, axis=1)[:, :2]
    return Bars(
        denied_anchors={sku: rng.choice(spec.n_anchors, 2, replace=False).tolist() for sku in some[:n_some]},
        denied_categories={anchor: disliked[anchor].tolist() for anchor in refusing.tolist()},
        waist_or_more=rng.random(spec.n_skus) < 0.015,
        exclusive_anchor={sku: int(rng.choice(settled)) for sku in some[n_some:]},
    )


def allowed_pairs(bars: Bars, anchors: Anchors, skus: Skus) -> Bools:
    """(n_anchors, n_skus) False where a rule stands between the two."""
    allowed = np.ones((len(anchors.tier), len(skus.brand)), dtype=np.bool_)
    allowed[np.ix_(anchors.tier == TIERS.index("tail"), bars.waist_or_more)] = False
    for sku, denied in bars.denied_anchors.items():
        allowed[denied, sku] = False
    for anchor, categories in bars.denied_categories.items():
        allowed[anchor, np.isin(skus.category, categories)] = False
    for sku, holder in bars.exclusive_anchor.items():
        allowed[np.arange(len(anchors.tier)) != holder, sku] = False
    return allowed
