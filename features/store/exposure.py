"""Who was shown? The places of lists of the last days, by anchor: as proposed to brands, and as those who looked.

A request that showed several anchors was a shortlist; one with a single anchor is told by what it had most of, and
last by who asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from features.store.db import read_rows
from features.store.tables import TIERS
from features.units import microseconds

_SHOWN = """
WITH lists AS (
  SELECT request_id, COUNT(DISTINCT anchor_id) AS n_anchors, COUNT(DISTINCT sku_id) AS n_skus, MIN(source) AS source
  FROM feedback WHERE kind = 'shown' AND at >= :since AND at < :until AND request_id IS NOT NULL
  GROUP BY request_id
)
SELECT f.anchor_id,
  SUM(CASE WHEN l.n_anchors > 1 OR (l.n_skus = 1 AND l.source LIKE 'brand:%') THEN 1 ELSE 0 END) AS proposed,
  SUM(CASE WHEN l.n_anchors > 1 OR (l.n_skus = 1 AND l.source LIKE 'brand:%') THEN 0 ELSE 1 END) AS offered
FROM feedback f JOIN lists l ON l.request_id = f.request_id
WHERE f.kind = 'shown' AND f.at >= :since AND f.at < :until
GROUP BY f.anchor_id
"""
_TIERS = """
SELECT a.anchor_id, a.tier FROM anchors a
WHERE a.known_at = (SELECT MAX(b.known_at) FROM anchors b WHERE b.anchor_id = a.anchor_id AND b.known_at <= :until)
"""


@dataclass(frozen=True, slots=True)
class TierExposure:
    """What the anchors of one tier got."""

    tier: str | None
    """Nothing: those whose tier is not known."""
    n_anchors: int
    n_proposed: int
    """Places in shortlists that brands were shown."""
    n_offered: int
    """Places in goods lists that these anchors were shown."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Of the lists between two instants."""

    tiers: Sequence[TierExposure]
    """Head first; a tier without an anchor is left out."""
    n_proposed: int
    n_offered: int
    top_ten_share: float | None
    """How much of all places in shortlists the ten anchors had that were proposed most; nothing without a place."""


def exposure_by_tier(session: Session, *, since: datetime, until: datetime) -> Exposure:
    """Reads the feedback `[since, until)` as a whole: a second for some million rows."""
    window = {"since": microseconds(since), "until": microseconds(until)}
    shown = {str(anchor): (int(a), int(b)) for anchor, a, b in read_rows(session, _SHOWN, window)}
    counts = {tier: [0, 0, 0] for tier in (*TIERS, None)}
    for anchor, tier in read_rows(session, _TIERS, {"until": window["until"]}):
        of_tier = counts[tier if tier in TIERS else None]
        proposed, offered = shown.get(str(anchor), (0, 0))
        of_tier[0] += 1
        of_tier[1] += proposed
        of_tier[2] += offered
    by_anchor = sorted((proposed for proposed, _ in shown.values()), reverse=True)
    n_proposed = sum(by_anchor)
    return Exposure(
        tiers=[TierExposure(tier, *numbers) for tier, numbers in counts.items() if numbers[0]],
        n_proposed=n_proposed,
        n_offered=sum(offered for _, offered in shown.values()),
        top_ten_share=sum(by_anchor[:10]) / n_proposed if n_proposed else None,
    )
