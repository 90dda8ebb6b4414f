"""When does each anchor go live, and before whom? Sessions by everybody's own rhythm, with their three traffics."""

from typing import NamedTuple

import numpy as np

from features.demo_market.crowd import Anchors, Ints
from features.demo_market.spec import MarketSpec


class Sessions(NamedTuple):
    """Live sessions in order of their start; times in seconds from the first midnight of the history."""

    anchor: Ints
    started_s: Ints
    ended_s: Ints
    exposure: Ints  # (n_sessions, 3) follow, public, paid
    entries: Ints
    watch_seconds: Ints
    peak_viewers: Ints
    fans_gained: Ints
    basket: Ints


def draw_sessions(spec: MarketSpec, anchors: Anchors, rng: np.random.Generator) -> Sessions:
    """Each anchor by its own rhythm (gaps gamma round its usual one), one session a day at most."""
    n_draws = int(spec.n_days / anchors.gap_days.min() * 1.5) + 10
    gaps = anchors.gap_days[:, None] * rng.gamma(6.0, 1 / 6.0, (spec.n_anchors, n_draws))
    gaps[:, 0] *= rng.random(spec.n_anchors)
    day = np.floor(np.maximum(anchors.joined_day, 0)[:, None] + np.cumsum(gaps, axis=1)).astype(np.int64)
    fresh = np.diff(day, axis=1, prepend=-1) > 0
    hour = np.clip(anchors.start_hour[:, None] + rng.normal(0, 0.5, day.shape), 6.0, 21.5)
    started = day * 86_400 + (hour * 60).astype(np.int64) * 60
    ended = started + (rng.uniform(2.0, 5.0, day.shape) * 60).astype(np.int64) * 60
    anchor, draw = np.nonzero(fresh & (ended < spec.n_days * 86_400))
    started, ended = started[anchor, draw], ended[anchor, draw]
    order = np.lexsort((anchor, started))
    anchor, started, ended = anchor[order], started[order], ended[order]
    n = len(anchor)
    age = (spec.n_days * 86_400 - started) / 86_400
    fans = np.exp(anchors.log_fans[anchor] - anchors.fans_growth[anchor] * age)
    trust = anchors.trust[anchor]
    noise = rng.lognormal(0, 0.25, (n, 3))
    follow = fans * 0.05 * np.exp(0.2 * trust) * noise[:, 0]
    public = 9.0 * fans**0.72 * np.exp(0.15 * trust) * noise[:, 1]
    paid = np.where(rng.random(n) < 0.3, 0.3 * (follow + public), 0) * noise[:, 2]
    exposure = np.stack([follow, public, paid], axis=1).astype(np.int64)
    entries = 1 + (exposure @ np.array([0.35, 0.12, 0.09])).astype(np.int64)
    weight = anchors.basket[anchor] * rng.lognormal(0, 0.15, n)
    basket = np.clip(np.round(weight * spec.n_listings / weight.sum()), 3, spec.n_skus // 3).astype(np.int64)
    return Sessions(
        anchor=anchor,
        started_s=started,
        ended_s=ended,
        exposure=exposure,
        entries=entries,
        watch_seconds=(entries * 55 * np.exp(0.30 * trust) * rng.lognormal(0, 0.12, n)).astype(np.int64),
        peak_viewers=(entries * rng.uniform(0.04, 0.12, n)).astype(np.int64) + 1,
        fans_gained=rng.poisson(entries * 0.012),
        basket=basket,
    )
