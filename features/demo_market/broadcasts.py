"""Who went live when, what was put up, and how did it sell? The market's history, week by week.

An anchor draws up a shortlist each week, by habit more than by worth, and fills its baskets from it; what then sells
follows the truth. Each week's sales shape the next week's habits: that is why time is a loop and the rest is arrays.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from features.demo_market.crowd import Anchors, Floats, Ints
from features.demo_market.goods import Skus
from features.demo_market.habits import WEEK, Memory, draw_shortlists, fill_baskets, remember, standing_habit
from features.demo_market.rhythm import Sessions, draw_sessions
from features.demo_market.seasons import log_lift, paid_price_fen
from features.demo_market.spec import MarketSpec
from features.demo_market.truth import LARGEST_CONVERSION, Matrix, extra_units_share

SETTLE_DAYS = 15  # from a session to the day when its refunds are known
ROLES = ("welfare", "hit", "profit", "regular")

Columns = TypeVar("Columns", "Listings", "Pages")


class Listings(NamedTuple):
    """Rows ordered by session, then slot."""

    session: Ints
    sku: Ints
    slot: Ints
    role: Ints
    explained_seconds: Ints
    impressions: Ints
    clicks: Ints
    orders: Ints
    units: Ints
    gmv_fen: Ints
    buyers: Ints
    repeat_buyers: Ints
    refund_fen: Ints


class Pages(NamedTuple):
    """What an anchor's weekly shortlist showed, best first, and whether a basket took it."""

    week: Ints
    anchor: Ints
    position: Ints
    sku: Ints
    picked: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class History:
    """All that happened, and the tiredness of every crowd at the end."""

    sessions: Sessions
    listings: Listings
    pages: Pages
    recent: Matrix  # (n_anchors, n_skus) decayed count of the pair's listings when the history ends


def live_through(
    spec: MarketSpec,
    anchors: Anchors,
    skus: Skus,
    fame: Floats,
    log_conversion: Matrix,
    eligible: NDArray[np.bool_],
    rngs: tuple[np.random.Generator, np.random.Generator, np.random.Generator],
) -> History:
    """The whole history. `eligible` bars pairs, never days; `rngs` are for the rhythm, the choices and the sales."""
    rhythm, choice, sale = rngs
    sessions = draw_sessions(spec, anchors, rhythm)
    habit = standing_habit(spec, anchors, skus, fame, log_conversion, choice)
    habit[~eligible] = -np.inf
    memory = Memory(
        own=np.zeros_like(habit),
        success=np.zeros_like(habit),
        popular=np.zeros(spec.n_skus),
        circle=np.zeros((int(anchors.circle.max()) + 1, spec.n_skus), dtype=np.float32),
    )
    n_weeks = -(-spec.n_days // WEEK)
    bounds = np.searchsorted(sessions.started_s, np.arange(n_weeks + 1) * WEEK * 86_400)
    listings: list[Listings] = []
    pages: list[Pages] = []
    for week in range(n_weeks):
        now = np.arange(bounds[week], bounds[week + 1])
        if len(now) == 0:
            continue
        page_anchors, shortlists = draw_shortlists(
            spec, anchors, skus, habit, memory, sessions, now, week, choice
        )
        chosen = fill_baskets(sessions, now, page_anchors, shortlists, choice)
        sold = sell(spec, anchors, skus, log_conversion, memory, sessions, chosen, sale)
        listings.append(sold)
        if week >= n_weeks - spec.n_feedback_weeks:
            pages.append(_page(week, page_anchors, shortlists, sessions, sold))
        remember(memory, anchors, sessions.anchor[sold.session], sold.sku, sold.gmv_fen / sold.impressions)
    return History(sessions, _joined(Listings, listings), _joined(Pages, pages), memory.own)


def sell(
    spec: MarketSpec,
    anchors: Anchors,
    skus: Skus,
    log_conversion: Matrix,
    memory: Memory,
    sessions: Sessions,
    chosen: tuple[Ints, Ints, Ints],
    rng: np.random.Generator,
) -> Listings:
    """How the week's listings sold: impressions by role and slot, orders Poisson round the truth."""
    session, sku, slot = chosen
    anchor = sessions.anchor[session]
    n = len(session)
    days, of_day = np.unique(sessions.started_s[session] // 86_400, return_inverse=True)
    lift = np.stack([log_lift(spec, skus, day) for day in days.tolist()])[of_day, sku]
    price = np.stack([paid_price_fen(spec, skus, day) for day in days.tolist()])[of_day, sku]
    role = _roles(session, slot, price, skus.rate_ppm[sku] * price, rng)
    shown = np.array([0.30, 0.55, 0.22, 0.22])[role] * rng.lognormal(-0.1, 0.40, n)
    impressions = 5 + (sessions.entries[session] * np.minimum(shown, 1.2)).astype(np.int64)
    force = spec.strengths
    of_session = np.cumsum(slot == 1) - 1
    mood = force.session_noise * rng.normal(0, 1, int(of_session[-1]) + 1)[of_session]
    noise = mood + force.listing_noise * rng.normal(0, 1, n)
    noise -= (force.session_noise**2 + force.listing_noise**2) / 2  # so that its exponential is 1 on average
    log_rate = log_conversion[anchor, sku] + lift - force.fatigue * memory.own[anchor, sku] + noise
    rate = np.minimum(np.exp(log_rate), LARGEST_CONVERSION)
    orders = np.minimum(rng.poisson(impressions * rate), impressions)
    units = orders + rng.poisson(orders * extra_units_share(skus)[sku])
    buyers = orders - rng.binomial(orders, 0.03)
    refund_share = np.clip(skus.refund_share[sku] * np.exp(-0.2 * anchors.trust[anchor]), 0, 0.9)
    return Listings(
        session=session,
        sku=sku,
        slot=slot,
        role=role,
        explained_seconds=(60 * rng.lognormal(0.5, 0.5, n) * np.array([0.7, 3.0, 1.2, 1.0])[role]).astype(
            np.int64
        ),
        impressions=impressions,
        clicks=orders + rng.binomial(impressions - orders, np.minimum(2.5 * rate**0.8, 0.5)),
        orders=orders,
        units=units,
        gmv_fen=units * price,
        buyers=buyers,
        repeat_buyers=rng.binomial(buyers, anchors.repeat_share[anchor]),
        refund_fen=rng.binomial(units, refund_share) * price,
    )


def _roles(session: Ints, slot: Ints, price: Ints, earning: Ints, rng: np.random.Generator) -> Ints:
    """A welfare SKU (the cheapest), two hits, the best earner as profit; everything else is regular."""
    role = np.full(len(session), ROLES.index("regular"))
    starts = np.flatnonzero(slot == 1)
    by_earning = np.lexsort((-earning, session))[starts]
    by_price = np.lexsort((price, session))[starts]
    drawn = np.lexsort((rng.random(len(session)), session))
    role[drawn[starts]] = ROLES.index("hit")
    role[drawn[np.minimum(starts + 1, len(slot) - 1)]] = ROLES.index("hit")
    role[by_earning] = ROLES.index("profit")
    role[by_price] = ROLES.index("welfare")
    return role


def _page(week: int, live: Ints, shortlists: Ints, sessions: Sessions, sold: Listings) -> Pages:
    """The first twenty of each shortlist of the week, as a page that was shown."""
    first = shortlists[:, :20]
    row, place = np.nonzero(first >= 0)
    n_skus = int(max(shortlists.max(), sold.sku.max())) + 1
    listed = np.unique(sessions.anchor[sold.session] * n_skus + sold.sku)
    sku = first[row, place]
    return Pages(
        week=np.full(len(row), week),
        anchor=live[row],
        position=place + 1,
        sku=sku,
        picked=np.isin(live[row] * n_skus + sku, listed),
    )


def _joined(kind: type[Columns], parts: list[Columns]) -> Columns:
    """One tuple of columns from those of the weeks."""
    return kind(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
