"""Who would take this SKU up at another rate? Its shortlist, as the models see it under the rates that a plan would make."""

from dataclasses import dataclass

import numpy as np

from features.kernels import I32, I64
from features.store.dossier import Dossier
from features.store.plans import AnchorStanding, SkuTerms, ids_of
from matcher.engine import Engine
from matcher.rates import strongest
from matcher.request import ListRequest

FIRST = 20
_SPREAD_80 = 1.2816
"""Standard deviations to the 10 % and the 90 % point of a normal curve."""


@dataclass(frozen=True, slots=True)
class Takers:
    """What a shortlist promises under given rates."""

    takers: float
    """Anchors, of all candidates, that are expected to take the SKU up within the label window."""
    takers_low: float
    """With `takers_high` the 80 % range: each candidate takes it up or not, by its own chance."""
    takers_high: float
    units: float
    """Of the first 20 by uptake, each in its next session; the ends are the sums of the ends."""
    units_low: float
    units_high: float
    gmv_fen: int
    commission_fen: int


def expect_takers(engine: Engine, sku: int, dossier: Dossier | None = None) -> Takers | None:
    """Under today's rates, or, with a dossier that holds planned plans, under its rates; nothing without a model."""
    if engine.model is None:
        return None
    world, request = engine.world, ListRequest("shortlist", sku, FIRST, "fit")
    among, _ = engine.among(request)
    found = world.candidates("shortlist", sku, among)
    rate_ppm = world.rates.at(found.rows, np.full(len(found.rows), sku, np.int32))
    if dossier is not None:
        rate_ppm = _planned(engine, sku, found.rows, dossier)
    matrix = world.matrix("shortlist", sku, found, rate_ppm=rate_ppm)
    uptake = engine.model.uptake("shortlist").score(matrix)
    chance = engine.model.mix.balance("shortlist").chances.of(uptake)
    spread = _SPREAD_80 * float(np.sqrt((chance * (1.0 - chance)).sum()))
    first = np.argsort(-uptake, kind="stable")[:FIRST]
    unit_gmv_fen = np.full(len(first), engine.unit_gmv_fen[sku])
    expected = engine.model.outcome.expect(matrix[first], unit_gmv_fen, rate_ppm[first])
    takers = float(chance.sum())
    return Takers(
        takers=takers,
        takers_low=max(takers - spread, 0.0),
        takers_high=takers + spread,
        units=float(expected.units.sum()),
        units_low=float(expected.units_low.sum()),
        units_high=float(expected.units_high.sum()),
        gmv_fen=int(expected.gmv_fen.sum()),
        commission_fen=int(np.maximum(expected.commission_fen, 0).sum()),
    )


def _planned(engine: Engine, sku: int, anchors: I32, dossier: Dossier) -> I64:
    """(n,) the rates that the dossier's plans make; -1 where none admits the anchor."""
    world = engine.world
    card = world.snapshot.shelf.rows.row(sku, named=True)
    terms = SkuTerms(dossier.sku_id, dossier.plans, card["min_tier"], ids_of(card["denied_anchor_ids"]))
    roster, at = world.snapshot.roster, world.snapshot.as_of
    tiers = roster.rows["tier"]
    plans = [
        strongest(terms, AnchorStanding(roster.ids[int(row)], tiers[int(row)]), at, world.policy)
        for row in anchors
    ]
    return np.array([-1 if plan is None else plan.rate_ppm for plan in plans], np.int64)
