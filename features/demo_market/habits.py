"""What does an anchor choose to sell? Habit more than worth: what is popular, familiar, well paid, new, or its circle's."""

from dataclasses import dataclass

import numpy as np

from features.demo_market.crowd import Anchors, Floats, Ints
from features.demo_market.goods import Skus
from features.demo_market.rhythm import Sessions
from features.demo_market.spec import MarketSpec
from features.demo_market.truth import Matrix

WEEK = 7
KEEP_OWN = 0.5 ** (1 / 2)  # of the memory of own listings, a week: half is gone in two
KEEP_POPULAR = 0.5 ** (1 / 3)
SHORTLIST_SLACK = 2.2  # a week's shortlist against the largest basket


@dataclass(slots=True)
class Memory:
    """What habits feed on; changes from week to week."""

    own: Matrix  # (n_anchors, n_skus) decayed count of listings
    success: Matrix  # last result of the pair against the anchor's usual, log, clipped
    popular: Floats  # (n_skus,)
    circle: Matrix  # (n_circles, n_skus)


def standing_habit(
    spec: MarketSpec,
    anchors: Anchors,
    skus: Skus,
    fame: Floats,
    log_conversion: Matrix,
    rng: np.random.Generator,
) -> Matrix:
    """(n_anchors, n_skus) the part of a choice that stays: home categories, commission, fame, a guess of the fit."""
    force = spec.strengths
    fit = log_conversion - log_conversion.mean(axis=1, keepdims=True)
    habit = np.float32(force.choose_by_fit) * fit
    habit += np.float32(force.choose_guess_noise) * rng.standard_normal(habit.shape, dtype=np.float32)
    habit += (force.choose_home_category * anchors.home).astype(np.float32)[:, skus.category]
    rate = (skus.rate_ppm - skus.rate_ppm.mean()) / skus.rate_ppm.std()
    log_price = np.log(skus.price_fen)
    cheap = (log_price.mean() - log_price) / log_price.std()
    known = force.choose_famous * fame[skus.brand]
    habit += (force.choose_rate * rate + force.choose_cheap * cheap + known).astype(np.float32)[None, :]
    return np.asarray(habit)


def draw_shortlists(
    spec: MarketSpec,
    anchors: Anchors,
    skus: Skus,
    habit: Matrix,
    memory: Memory,
    sessions: Sessions,
    now: Ints,
    week: int,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """`(anchors, shortlists)`: who is live this week, ascending, and (n_live, n_short) SKUs each, best first; -1 none.

    The greatest of log odds plus Gumbel noise is a draw without replacement.
    """
    force = spec.strengths
    live = np.unique(sessions.anchor[now])
    monday = week * WEEK
    age = monday - skus.launched_day
    column = force.choose_popular * np.log1p(memory.popular) + force.choose_new * ((age >= 0) & (age < 28))
    column = np.where((skus.launched_day <= monday) & (skus.retired_day > monday + WEEK), column, -np.inf)
    odds = habit[live] + column.astype(np.float32)[None, :]
    odds += np.float32(force.choose_own) * np.log1p(memory.own[live])
    odds += np.float32(force.choose_success) * memory.success[live]
    odds += np.float32(force.choose_circle) * np.log1p(memory.circle)[anchors.circle[live]]
    odds += gumbel(odds.shape, rng)
    n_short = min(spec.n_skus - 1, int(SHORTLIST_SLACK * sessions.basket[now].max()) + 6)
    top = np.argpartition(-odds, n_short, axis=1)[:, :n_short]
    value = np.take_along_axis(odds, top, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    top = np.take_along_axis(top, order, axis=1)
    top[np.isneginf(np.take_along_axis(value, order, axis=1))] = -1
    return live, top


def fill_baskets(
    sessions: Sessions, now: Ints, live: Ints, shortlists: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """`(session, sku, slot)` of every listing of the week: each session draws its basket from the front of a shortlist."""
    row = np.searchsorted(live, sessions.anchor[now])
    short = shortlists[row]  # (n_sessions, n_short)
    basket = sessions.basket[now]
    place = np.arange(short.shape[1])[None, :]
    reach = (SHORTLIST_SLACK * basket).astype(np.int64)[:, None] + 6
    key = gumbel(short.shape, rng) - (2.0 * place / reach).astype(np.float32)
    key[(place >= reach) | (short < 0)] = -np.inf
    width = int(basket.max())
    order = np.argsort(-key, axis=1, kind="stable")[:, :width]
    taken = (place[:, :width] < basket[:, None]) & (np.take_along_axis(key, order, axis=1) > -np.inf)
    at, slot = np.nonzero(taken)
    return now[at], short[at, order[at, slot]], slot + 1


def remember(memory: Memory, anchors: Anchors, anchor: Ints, sku: Ints, yield_fen: Floats) -> None:
    """Memories fade by a week, then take in the week's listings and the GMV that each impression of them brought."""
    n_skus = len(memory.popular)
    memory.own *= np.float32(KEEP_OWN)
    np.add.at(memory.own.reshape(-1), anchor * n_skus + sku, np.float32(1))
    memory.circle *= np.float32(KEEP_POPULAR)
    np.add.at(memory.circle.reshape(-1), anchors.circle[anchor] * n_skus + sku, np.float32(1))
    memory.popular *= KEEP_POPULAR
    memory.popular += np.bincount(sku, minlength=n_skus) / max(1, len(anchors.tier) // 50)
    log_yield = np.log(yield_fen + 1.0)
    usual = np.bincount(anchor, log_yield) / np.maximum(np.bincount(anchor), 1)
    memory.success[anchor, sku] = np.clip(log_yield - usual[anchor], -1.5, 1.5)


def gumbel(shape: tuple[int, ...], rng: np.random.Generator) -> Matrix:
    """Standard Gumbel noise: the greatest of log odds plus this is drawn in proportion to the odds."""
    noise = rng.standard_exponential(shape, dtype=np.float32)
    np.maximum(noise, np.float32(1e-30), out=noise)
    np.log(noise, out=noise)
    return np.negative(noise, out=noise)
