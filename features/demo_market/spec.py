"""How large is the pretend market, and how strong is each force in it? Everything that may be chosen, in one place.

The market is *simulated*: it exists so that a demo and the tests have a world whose truth is known. Its parameters
(those here, the categories' in `goods_kinds.py`, the constants of the other files) are frozen. They were set on
2026-11-22 with an eye on reference lists and on two crude models, before the ranker was tuned on it. Of the attainable
GMV in the first 20, mean of `demo()` with seeds 1..5: chance .12, popularity .16, an anchor's own best sellers .40, its
goods of most GMV an impression .49, a crude regression on log GMV an impression .57, a crude lambdarank within live
sessions .66; with `shuffle_affinity` each list without learning .13. Whoever changes a parameter says so in the change
log and measures all of them again.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Self

END_ON = dt.date(2026, 10, 22)  # Shanghai; the 116 event runs since two days, so both commercial rules apply


@dataclass(frozen=True, slots=True)
class Strengths:
    """What moves a sale (log conversion a shown impression) and what moves a choice (log odds of being picked).

    The first group is the *truth*; the second only decides what history gets to see, so that choices are a biased
    picture of value: goods are carried because they are popular, familiar or well paid, not because they suit.
    """

    # the sale: standard deviations, or slopes, of the log of the conversion
    segment_category: float = 0.80  # audience segments want categories
    taste: float = 0.75  # latent taste of the audience . latent taste of the SKU
    quality: float = 0.20  # the SKU itself, for everybody
    trust_nonstandard: float = 0.40  # a unit of trust helps a non-standard SKU by this, a standard one hardly
    price_curve: float = 0.22  # against the square of the gap to what the anchor usually sells
    brand_equity: float = 0.25  # known brands, by city tier of the audience
    chemistry: float = 0.40  # what no column explains: only the pair's own history shows it
    fatigue: float = 0.14  # each recent showing of the same SKU to the same crowd
    session_noise: float = 0.25
    listing_noise: float = 0.50
    # the choice: weights of a draw with Gumbel noise
    choose_popular: float = 0.45
    choose_own: float = 2.0
    choose_success: float = 0.05
    choose_circle: float = 0.35
    choose_rate: float = 0.25
    choose_cheap: float = 0.4  # cheap goods sell many units, which pleases; not the most money
    choose_famous: float = 0.4  # known brands
    choose_home_category: float = 1.30
    choose_by_fit: float = 0.10  # what the anchor guesses of the true fit
    choose_guess_noise: float = 0.80  # ... and what it guesses wrongly
    choose_new: float = 0.50


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """Sizes and dates. `n_listings` is met to within a few per cent: baskets are scaled to it."""

    n_anchors: int
    n_skus: int
    n_listings: int
    n_brands: int
    n_days: int = 276
    end_on: dt.date = END_ON  # history ends as this Shanghai day begins; it is the demo's `as_of`
    n_feedback_weeks: int = 8
    shuffle_affinity: bool = False  # True: history as before, but the truth is dealt anew over the SKUs
    strengths: Strengths = field(default_factory=Strengths)

    @property
    def start_on(self) -> dt.date:
        """First Shanghai day of the history."""
        return self.end_on - dt.timedelta(days=self.n_days)

    @classmethod
    def demo(cls, *, shuffle_affinity: bool = False) -> Self:
        """The market of `matcher demo`: small enough for a minute on two cores."""
        return cls(
            n_anchors=200, n_skus=800, n_listings=110_000, n_brands=90, shuffle_affinity=shuffle_affinity
        )

    @classmethod
    def tiny(cls, *, shuffle_affinity: bool = False) -> Self:
        """For tests: everything present, nothing large."""
        return cls(
            n_anchors=30,
            n_skus=120,
            n_listings=6_000,
            n_brands=24,
            n_days=168,
            n_feedback_weeks=4,
            shuffle_affinity=shuffle_affinity,
        )

    @classmethod
    def bench(cls, n_listings: int = 5_000_000, n_anchors: int = 2_000, n_skus: int = 6_000) -> Self:
        """The same market at the size of a benchmark."""
        return cls(
            n_anchors=n_anchors,
            n_skus=n_skus,
            n_listings=n_listings,
            n_brands=max(24, n_skus // 12),
            n_feedback_weeks=2,
        )
