"""What came of it? Outcomes after an origin, as graded labels for uptake and as results for value.

Uptake, inside a query: 0 a candidate and nothing, 1 picked or sampled, 2 listed, 3 sold, 4 sold and in the top
quarter of the query's settled net GMV an exposure. Only what was known by the facts' own instant counts, and
what is not settled yet, in a market that settles, stays below 4.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from features.facts import NEVER_US, Facts
from features.kernels import F64, I32, I64, Bools
from features.snapshot import Snapshot
from features.units import DAY_US

TOP_SHARE = 0.25
INTERESTED = ("saved", "picked", "invited", "accepted", "sample_sent")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Listings after the origin, one a row, in rows of the origin's snapshot."""

    anchor: I32
    sku: I32
    session: I64
    at_us: I64
    units: F64
    gmv_fen: F64
    net_fen: F64
    """GMV less the refunds that are known."""
    exposure: F64
    """Impressions; NaN where nobody counted them."""
    settled: Bools
    """True throughout where the market never settles."""
    interest_anchor: I32
    interest_sku: I32
    """Pairs with feedback that shows interest."""


@dataclass(frozen=True, slots=True)
class Graded:
    """Labels of one side: rows `starts[owner]:starts[owner + 1]` are its positives, ascending."""

    starts: I64
    row: I32
    label: I32

    def of(self, owner: int) -> tuple[I32, I32]:
        """(rows, labels) of one query."""
        span = slice(int(self.starts[owner]), int(self.starts[owner + 1]))
        return self.row[span], self.label[span]


def read_outcomes(facts: Facts, snapshot: Snapshot, days: int) -> Outcomes:
    """What began within `days` after the snapshot and was known by the facts' instant."""
    begin, end = snapshot.as_of_us, snapshot.as_of_us + days * DAY_US
    sku_row = rows_in(facts.sku_ids, snapshot.shelf.ids)
    anchor_row = rows_in(facts.anchor_ids, snapshot.roster.ids)
    rows = facts.listings.take((facts.listings.at_us >= begin) & (facts.listings.at_us < end))
    rows = rows.take((sku_row[rows.sku] >= 0) & (anchor_row[rows.anchor] >= 0))
    settles = bool((facts.listings.settled_us < NEVER_US).any())
    feedback = facts.feedback.filter(
        pl.col("at_us").is_between(begin, end, closed="left") & pl.col("kind").is_in(INTERESTED)
    )
    interest = np.stack([anchor_row[feedback["anchor"].to_numpy()], sku_row[feedback["sku"].to_numpy()]])
    interest = interest[:, (interest >= 0).all(axis=0)]
    return Outcomes(
        anchor=anchor_row[rows.anchor],
        sku=sku_row[rows.sku],
        session=rows.session,
        at_us=rows.at_us,
        units=np.nan_to_num(rows.units),
        gmv_fen=np.nan_to_num(rows.gmv_fen),
        net_fen=np.nan_to_num(rows.gmv_fen) - np.nan_to_num(rows.refund_fen),
        exposure=np.where(rows.impressions > 0, rows.impressions, np.nan),
        settled=(rows.settled_us < NEVER_US) if settles else np.ones(len(rows.sku), np.bool_),
        interest_anchor=interest[0],
        interest_sku=interest[1],
    )


def exposed(exposure: F64, session: I64) -> F64:
    """(n,) exposures with what stands in for unknown ones: the mean of their session's, else of all; 1 without any."""
    known = ~np.isnan(exposure)
    if not known.any():
        return np.ones(len(exposure))
    _, place = np.unique(session, return_inverse=True)
    n = np.bincount(place, known)
    mean = np.bincount(place, np.where(known, exposure, 0.0)) / np.maximum(n, 1.0)
    usual = np.where(n > 0, mean, float(exposure[known].mean()))
    return np.where(known, exposure, usual[place])


def grade(outcomes: Outcomes, side: str, n_owners: int, n_rows: int) -> Graded:
    """Uptake labels of every query of a side."""
    listed = _oriented(outcomes.anchor, outcomes.sku, side)
    interest = _oriented(outcomes.interest_anchor, outcomes.interest_sku, side)
    key = listed[0].astype(np.int64) * n_rows + listed[1]
    pairs, place = np.unique(key, return_inverse=True)
    n = len(pairs)
    sold = np.bincount(place, outcomes.units > 0, n) > 0
    mature = outcomes.settled
    net = np.bincount(place[mature], outcomes.net_fen[mature], n)
    shown = exposed(outcomes.exposure, outcomes.session)
    exposure = np.bincount(place[mature], shown[mature], n)
    worth = np.where(sold & (exposure > 0), net / np.maximum(exposure, 1e-9), -np.inf)
    label = np.where(sold, 3, 2)
    label[_in_top(pairs // n_rows, worth)] = 4
    interested = np.setdiff1d(interest[0].astype(np.int64) * n_rows + interest[1], pairs)
    keys = np.concatenate([pairs, interested])
    labels = np.concatenate([label, np.ones(len(interested), np.int64)])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    return Graded(
        starts=np.searchsorted(keys, np.arange(n_owners + 1) * n_rows),
        row=(keys % n_rows).astype(np.int32),
        label=labels[order].astype(np.int32),
    )


def quintiles(group: I64, worth: F64) -> I32:
    """Grades 0..4 of `worth` inside each group (rows of a group lie together), by rank; ties share the lower one."""
    grades = np.zeros(len(group), np.int32)
    for begin, end in pairwise(_edges(group)):
        ranked = np.sort(worth[begin:end])
        below = np.searchsorted(ranked, worth[begin:end], side="left")
        grades[begin:end] = np.minimum(below * 5 // max(end - begin, 1), 4)
    return grades


def _in_top(owner: I64, worth: F64) -> Bools:
    """The best TOP_SHARE of each owner's finite worths, rounded down: none of three, one of four."""
    top = np.zeros(len(owner), np.bool_)
    for begin, end in pairwise(_edges(owner)):
        known = np.flatnonzero(np.isfinite(worth[begin:end])) + begin
        n = int(len(known) * TOP_SHARE)
        if n:
            top[known[np.argsort(-worth[known], kind="stable")[:n]]] = True
    return top


def _edges(group: I64) -> list[int]:
    """Where the groups begin, and where the last one ends; only that where there is none.

    >>> _edges(np.array([7, 7, 3]))
    [0, 2, 3]
    """
    changes = np.flatnonzero(group[1:] != group[:-1]) + 1
    return [*([0] if len(group) else []), *(int(place) for place in changes), len(group)]


def _oriented(anchor: I32, sku: I32, side: str) -> tuple[I32, I32]:
    return (anchor, sku) if side == "goods" else (sku, anchor)


def rows_in(ids: pl.Series, rows: pl.Series) -> I32:
    """Code in the facts -> row in the snapshot; -1 where the snapshot does not know it."""
    out = np.full(len(ids), -1, np.int32)
    out[ids.search_sorted(rows).to_numpy()] = np.arange(len(rows), dtype=np.int32)
    return out
