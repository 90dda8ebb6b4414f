"""What is there to sell? Brands and SKUs with their latent quality and taste, prices, launches and retirements."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.demo_market.crowd import N_AXES, N_KINDS, Bools, Floats, Ints
from features.demo_market.goods_kinds import CITY_TIERS, KINDS, PLAIN_WORDS, TASTE_WORDS
from features.demo_market.spec import MarketSpec

BRAND_TYPES = ("flagship", "kuai_brand", "source_factory", "white_label")
NEVER_DAY = 100_000  # retired on no day of this history
BRAND_SYLLABLES = "青云禾棠屿山木白禧瑞安然花间晨露松竹海岚素米朵拉星野"


@dataclass(frozen=True, slots=True)
class Brands:
    """Rows are brands; each is at home in a few categories."""

    type_index: Ints  # (n_brands,) index into BRAND_TYPES
    equity: Floats  # (n_brands, n_city_tiers), standardised
    taste: Floats  # (n_brands, n_axes)
    fame: Floats  # (n_brands,) standardised
    premium: Floats  # log price above its category's median
    first_category: Ints
    second_category: Ints
    enrolled: Bools  # in the flagship-brand programme
    name: list[str]


@dataclass(frozen=True, slots=True)
class Skus:
    """Rows are SKUs, ordered by id; ids follow the day of launch."""

    brand: Ints
    category: Ints  # index into KINDS
    is_nonstandard: Bools
    is_source: Bools
    price_fen: Ints  # at the start
    later_price_fen: Ints  # from `price_change_day` on
    price_change_day: Ints
    quality: Floats  # standard normal
    taste: Floats  # (n_skus, n_axes), unit variance
    launched_day: Ints
    retired_day: Ints
    out_of_stock: Bools  # on the last day
    paused: Bools  # on the last day
    rate_ppm: Ints  # of the open plan, at first
    refund_share: Floats
    title: list[str]

    def list_price_fen(self, day: int | Ints) -> NDArray[np.int64]:
        """(n_skus,) the list price in force on a day of the history."""
        return np.where(np.asarray(day) >= self.price_change_day, self.later_price_fen, self.price_fen)


def draw_brands(spec: MarketSpec, rng: np.random.Generator) -> Brands:
    """Flagships are known and dear, factories and white labels neither; a seventh is enrolled in the programme."""
    n = spec.n_brands
    kind = rng.choice(len(BRAND_TYPES), n, p=[0.25, 0.3, 0.25, 0.2])
    fame = np.array([0.9, 0.2, -0.5, -0.8])[kind] + rng.normal(0, 0.6, n)
    slope = rng.normal(0, 0.5, n)  # known in large cities, or in small ones
    equity = fame[:, None] + slope[:, None] * np.linspace(1, -1, len(CITY_TIERS))[None, :]
    first = rng.permutation(np.arange(n) % N_KINDS)
    syllables = rng.permuted(np.tile(np.arange(len(BRAND_SYLLABLES)), (n, 1)), axis=1)[:, :2]
    return Brands(
        type_index=kind,
        equity=(equity - equity.mean()) / equity.std(),
        taste=rng.normal(0, 1, (n, N_AXES)),
        fame=(fame - fame.mean()) / fame.std(),
        premium=0.22 * fame + rng.normal(0, 0.10, n),
        first_category=first,
        second_category=(first + rng.integers(-1, 2, n)) % N_KINDS,
        enrolled=(kind <= 1) & (rng.random(n) < 0.30),
        name=[
            f"{BRAND_SYLLABLES[a]}{BRAND_SYLLABLES[b]}{i:03d}" for i, (a, b) in enumerate(syllables.tolist())
        ],
    )


def draw_skus(spec: MarketSpec, brands: Brands, rng: np.random.Generator) -> Skus:
    """Log-normal prices round their category's; a quarter is launched and a tenth retired within the history."""
    n = spec.n_skus
    launched = np.sort(
        np.where(rng.random(n) < 0.25, rng.integers(1, spec.n_days - 3, n), -rng.integers(1, 700, n))
    )
    brand = rng.choice(spec.n_brands, n, p=_zipf(spec.n_brands))
    category = np.where(rng.random(n) < 0.75, brands.first_category[brand], brands.second_category[brand])
    table = np.array(
        [
            (k.price_yuan, k.price_sigma, k.standard_share, k.source_share, k.rate_percent, k.refund_percent)
            for k in KINDS
        ]
    )[category]  # (n_skus, 6)
    quality = rng.normal(0, 1, n)
    log_yuan = np.log(table[:, 0]) + table[:, 1] * rng.normal(0, 0.8, n) + brands.premium[brand]
    price = _price_points(np.exp(log_yuan))
    changes = rng.random(n) < 0.15
    factory = np.isin(brands.type_index[brand], (2,))
    taste = 0.6 * brands.taste[brand] + 0.8 * rng.normal(0, 1, (n, N_AXES))
    rate_percent = np.clip(np.round(2 * (table[:, 4] * rng.lognormal(0, 0.25, n) + 3 * factory)) / 2, 1, 50)
    return Skus(
        brand=brand,
        category=category,
        is_nonstandard=rng.random(n) >= table[:, 2],
        is_source=np.where(factory, rng.random(n) < 0.9, rng.random(n) < table[:, 3] * 0.7),
        price_fen=price,
        later_price_fen=np.where(
            changes, _price_points(price / 100 * rng.choice([0.88, 0.92, 1.08], n)), price
        ),
        price_change_day=np.where(changes, rng.integers(20, spec.n_days - 5, n), NEVER_DAY),
        quality=quality,
        taste=taste,
        launched_day=launched,
        retired_day=_retirements(spec, launched, rng),
        out_of_stock=rng.random(n) < 0.03,
        paused=rng.random(n) < 0.02,
        rate_ppm=(rate_percent * 10_000).astype(np.int64),
        refund_share=np.clip(table[:, 5] / 100 * np.exp(-0.25 * quality + rng.normal(0, 0.2, n)), 0.002, 0.6),
        title=_titles(brands, brand, category, taste, rng),
    )


def _retirements(spec: MarketSpec, launched: Ints, rng: np.random.Generator) -> Ints:
    leaves = rng.random(len(launched)) < 0.10
    day = rng.integers(30, spec.n_days, len(launched))
    return np.where(leaves & (day > launched + 30), day, NEVER_DAY)


def _titles(
    brands: Brands, brand: Ints, category: Ints, taste: Floats, rng: np.random.Generator
) -> list[str]:
    """Brand, words for the two strongest axes of taste (now and then a wrong one), a plain word, the noun."""
    strongest = np.argsort(-np.abs(taste), axis=1)[:, :2]  # (n_skus, 2)
    wrong = rng.random(strongest.shape) < 0.15
    axes = np.where(wrong, rng.integers(0, N_AXES, strongest.shape), strongest)
    ends = (np.take_along_axis(taste, axes, axis=1) < 0).astype(np.int64)
    variants = rng.integers(0, 2, strongest.shape)
    plain = rng.integers(0, len(PLAIN_WORDS), len(brand))
    return [
        " ".join(
            [
                brands.name[brand[i]],
                *(TASTE_WORDS[axes[i, j]][ends[i, j]][variants[i, j]] for j in range(2)),
                PLAIN_WORDS[plain[i]],
                KINDS[category[i]].noun,
            ]
        )
        for i in range(len(brand))
    ]


def _price_points(yuan: Floats) -> Ints:
    """Prices as shops write them: 79.90, 169.00."""
    whole = np.maximum(np.round(yuan), 5)
    return np.asarray(np.where(whole < 100, whole * 100 - 10, np.round(whole / 10) * 1000 - 100)).astype(
        np.int64
    )


def _zipf(n: int) -> Floats:
    weight = 1 / (np.arange(n) + 6.0) ** 0.6
    return np.asarray(weight / weight.sum())
