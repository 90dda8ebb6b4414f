"""How do broadcasts, listings and picks look as import tables?"""

import numpy as np
import polars as pl

from features.demo_market.broadcasts import ROLES, SETTLE_DAYS, History
from features.demo_market.columns import DAY_S, Ids, instants, picked
from features.demo_market.habits import WEEK
from features.demo_market.spec import MarketSpec

FEEDBACK_KINDS = ("shown", "clicked", "picked", "sample_sent")
OPENED_S = 600  # the page is opened ten minutes into the week


def session_ids(history: History) -> list[str]:
    """`L000001`, in order of their start."""
    return [f"L{i:06d}" for i in range(1, len(history.sessions.anchor) + 1)]


def session_table(spec: MarketSpec, ids: Ids, history: History) -> pl.DataFrame:
    """One row a live session."""
    s = history.sessions
    return pl.DataFrame(
        {
            "live_session_id": session_ids(history),
            "anchor_id": picked(ids.anchors, s.anchor),
            "started_at": instants(spec, s.started_s),
            "ended_at": instants(spec, s.ended_s),
            "exposure_follow": s.exposure[:, 0],
            "exposure_public": s.exposure[:, 1],
            "exposure_paid": s.exposure[:, 2],
            "entries": s.entries,
            "watch_seconds": s.watch_seconds,
            "peak_viewers": s.peak_viewers,
            "fans_gained": s.fans_gained,
        }
    )


def listing_table(spec: MarketSpec, ids: Ids, history: History) -> pl.DataFrame:
    """One row a SKU put up; what has not settled when the history ends has no refund yet."""
    rows = history.listings
    settled_s = history.sessions.ended_s[rows.session] + SETTLE_DAYS * DAY_S
    pending = settled_s >= spec.n_days * DAY_S
    return pl.DataFrame(
        {
            "live_session_id": picked(session_ids(history), rows.session),
            "sku_id": picked(ids.skus, rows.sku),
            "role": picked(ROLES, rows.role),
            "slot": rows.slot,
            "explained_seconds": rows.explained_seconds,
            "impressions": rows.impressions,
            "clicks": rows.clicks,
            "orders": rows.orders,
            "units": rows.units,
            "gmv_fen": rows.gmv_fen,
            "buyers": rows.buyers,
            "repeat_buyers": rows.repeat_buyers,
            "refund_fen": pl.Series(rows.refund_fen).set(pl.Series(pending), None),
            "settled_at": instants(spec, settled_s, missing=pending),
        }
    )


def feedback_table(spec: MarketSpec, ids: Ids, history: History, rng: np.random.Generator) -> pl.DataFrame:
    """What the weekly page showed, what was looked at (the top more than the rest), picked, and sent as a sample."""
    pages = history.pages
    n = len(pages.sku)
    looked = pages.picked | (rng.random(n) < 0.5 / np.sqrt(pages.position))
    sent = pages.picked & (rng.random(n) < 0.35)
    masks = (np.ones(n, dtype=np.bool_), looked, pages.picked, sent)
    row = np.concatenate([np.flatnonzero(mask) for mask in masks])
    kind = np.repeat(np.arange(len(FEEDBACK_KINDS)), [int(mask.sum()) for mask in masks])
    order = np.lexsort((kind, row))
    row, kind = row[order], kind[order]
    at_s = pages.week[row] * WEEK * DAY_S + OPENED_S + kind * 3_600 + pages.position[row]
    request = [
        f"R{w:03d}-{ids.anchors[a]}"
        for w, a in zip(pages.week[row].tolist(), pages.anchor[row].tolist(), strict=True)
    ]
    return pl.DataFrame(
        {
            "event_id": [f"F{i:07d}" for i in range(1, len(row) + 1)],
            "request_id": request,
            "at": instants(spec, at_s),
            "anchor_id": picked(ids.anchors, pages.anchor[row]),
            "sku_id": picked(ids.skus, pages.sku[row]),
            "kind": picked(FEEDBACK_KINDS, kind),
            "position": pages.position[row],
        }
    )
