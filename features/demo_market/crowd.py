"""Who watches, and whom? Audience segments and the anchors that reach mixtures of them, with all that is latent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.demo_market.goods_kinds import AGES, CITY_TIERS, KINDS, TASTE_WORDS
from features.demo_market.spec import MarketSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

N_SEGMENTS = 8
N_AXES = len(TASTE_WORDS)
N_KINDS = len(KINDS)
TIERS = ("head", "waist", "tail")
TIER_SHARES = (0.06, 0.26, 0.68)
LOG_FANS = (14.6, 12.4, 10.4)  # medians: 2.2 M, 240 k, 33 k
MAX_GAP_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class Segments:
    """Latent groups of buyers; rows of every array are segments."""

    female_share: Floats  # (n_segments,)
    age_share: Floats  # (n_segments, n_ages)
    city_share: Floats  # (n_segments, n_city_tiers)
    price_level: Floats  # (n_segments,) log of the price they look for against a category's median
    price_sense: Floats  # (n_segments,) elasticity within a category
    wants: Floats  # (n_segments, n_kinds)
    taste: Floats  # (n_segments, n_axes)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Rows of every array are anchors, ordered by id; ids follow the day of joining."""

    mixture: Floats  # (n_anchors, n_segments), rows sum to 1: who watches
    tier: Ints  # index into TIERS
    log_fans: Floats  # at the end of history
    fans_growth: Floats  # a day, of the log
    trust: Floats  # standard normal
    price_level: Floats
    price_sense: Floats
    wants: Floats  # (n_anchors, n_kinds) of the audience
    taste: Floats  # (n_anchors, n_axes) of the audience
    city_share: Floats  # (n_anchors, n_city_tiers)
    home: Floats  # (n_anchors, n_kinds) what the anchor itself likes to carry, standardised by row
    circle: Ints  # anchors that copy each other
    joined_day: Ints  # 0 = first day of history; negative before
    gap_days: Floats  # own rhythm: usual days between live sessions
    start_hour: Floats
    basket: Floats  # relative size of a session's basket
    repeat_share: Floats  # of buyers who bought before


def draw_segments(rng: np.random.Generator) -> Segments:
    """Ten segments spread over gender, age and city tier; their wants follow those, plus a will of their own."""
    female = np.tile([0.86, 0.22], N_SEGMENTS // 2) + rng.normal(0, 0.06, N_SEGMENTS)
    age_centre = np.linspace(-0.4, len(AGES) - 0.6, N_SEGMENTS)  # young to old, genders alternating
    city_centre = rng.permutation(np.linspace(-0.3, len(CITY_TIERS) - 0.7, N_SEGMENTS))
    leans = np.array([(kind.gender_lean, kind.age_lean) for kind in KINDS])  # (n_kinds, 2)
    signs = np.stack([2 * female - 1, (age_centre - 2) / 2], axis=1)  # (n_segments, 2)
    wants = 0.75 * products(signs, leans) + rng.normal(0, 0.65, (N_SEGMENTS, N_KINDS))
    taste = rng.normal(0, 1.0, (N_SEGMENTS, N_AXES))
    price_level = 0.30 * (2 - city_centre) / 2 + rng.normal(0, 0.30, N_SEGMENTS)
    return Segments(
        female_share=np.clip(female, 0.03, 0.97),
        age_share=_bumps(age_centre, len(AGES), 0.75),
        city_share=_bumps(city_centre, len(CITY_TIERS), 0.9),
        price_level=price_level,
        price_sense=np.clip(0.9 - 0.5 * price_level + rng.normal(0, 0.15, N_SEGMENTS), 0.4, 1.5),
        wants=wants - 0.6 * wants.mean(axis=0, keepdims=True),  # nothing is wanted by everybody alike
        taste=taste - 0.6 * taste.mean(axis=0, keepdims=True),
    )


def draw_anchors(spec: MarketSpec, segments: Segments, rng: np.random.Generator) -> Anchors:
    """Heavy-tailed reach, a few segments each, a fifth of them newcomers within the history."""
    n = spec.n_anchors
    joined = _joining_days(spec, rng)
    mixture = rng.dirichlet(np.full(N_SEGMENTS, 0.28), n)
    mixture = 0.92 * mixture + 0.08 / N_SEGMENTS  # nobody reaches one segment alone
    tier = rng.choice(len(TIERS), n, p=TIER_SHARES)
    tier = np.where(joined > 0, np.maximum(tier, 1), tier)
    wants = _spread(products(mixture, segments.wants.T) + rng.normal(0, 0.12, (n, N_KINDS)))
    taste = products(mixture, segments.taste.T) + rng.normal(0, 0.30, (n, N_AXES))
    home = _spread(wants + rng.normal(0, 1.8, (n, N_KINDS)))
    trust = np.clip(rng.normal(0, 1, n) + 0.3 * (joined < -200), -2.5, 2.5)
    return Anchors(
        mixture=mixture,
        tier=tier,
        log_fans=np.asarray(LOG_FANS)[tier] + rng.normal(0, 0.55, n),
        fans_growth=np.where(joined > 0, 0.006, 0.0015) * rng.lognormal(0, 0.6, n),
        trust=trust,
        price_level=products(mixture, segments.price_level[None, :])[:, 0] + rng.normal(0, 0.25, n),
        price_sense=products(mixture, segments.price_sense[None, :])[:, 0],
        wants=wants,
        taste=taste / np.sqrt((taste**2).mean()),
        city_share=products(mixture, segments.city_share.T),
        home=home,
        circle=_circles(home, max(4, n // 12), rng),
        joined_day=joined,
        gap_days=np.clip(rng.lognormal(np.log(4.8), 0.45, n), 1.0, MAX_GAP_DAYS),
        start_hour=rng.choice([9.0, 14.0, 19.0, 20.0], n, p=[0.15, 0.2, 0.4, 0.25]) + rng.normal(0, 0.3, n),
        basket=rng.lognormal(0, 0.35, n),
        repeat_share=1 / (1 + np.exp(-(0.15 + 0.7 * trust + rng.normal(0, 0.2, n)))),
    )


def _joining_days(spec: MarketSpec, rng: np.random.Generator) -> Ints:
    """Ascending: four fifths before the history begins, the others spread over it up to ten days from its end."""
    n_new = spec.n_anchors // 5
    old = -rng.integers(5, 900, spec.n_anchors - n_new)
    return np.asarray(np.sort(np.concatenate([old, rng.integers(1, spec.n_days - 10, n_new)])))


def _circles(home: Floats, n_circles: int, rng: np.random.Generator) -> Ints:
    """Anchors go with the circle whose home categories are nearest to theirs."""
    centres = home[rng.choice(len(home), n_circles, replace=False)]  # (n_circles, n_kinds)
    return np.asarray(np.argmax(products(home, centres), axis=1))


def _bumps(centre: Floats, n_buckets: int, width: float) -> Floats:
    weight = np.exp(-(((np.arange(n_buckets)[None, :] - centre[:, None]) / width) ** 2) / 2) + 0.02
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _spread(rows: Floats) -> Floats:
    """Each row to mean 0 and standard deviation 1."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(axis=1, keepdims=True))


def products(left: Floats, right: Floats) -> Floats:
    """`left @ right.T` in a fixed order of sums: BLAS's last bits depend on the machine's threads."""
    return np.asarray(np.einsum("ik,jk->ij", left, right, optimize=False))
