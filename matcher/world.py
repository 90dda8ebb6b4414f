"""What does the matcher know at an instant? The snapshot, what its sources prepared, resolved rates, hard rules.

Training and serving build the same `World` and the same rows from it: `candidates` and then `matrix`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.kernels import F32, I32, I64, Bools, counting_order, jit
from features.ledger import Ledger
from features.matrix import Outside, build_matrix
from features.snapshot import Snapshot
from matcher.candidates.history import HistorySource
from matcher.candidates.union import BUDGET, Candidates, Side, Source, describe, find_candidates, read_sources
from matcher.constraints import ShelfVerdicts, judge_shelf
from matcher.eligibility import PairRules, read_pair_rules
from matcher.policy import Policy
from matcher.rate_book import LastListed, RateBook, build_rate_book


@dataclass(frozen=True, slots=True)
class World:
    """One consistent moment, read-only, shared by threads."""

    snapshot: Snapshot
    sources: Mapping[str, Source]
    rates: RateBook
    usual_rate: F32
    """(n_categories,) median open rate in percent, NaN where none is open."""
    verdicts: ShelfVerdicts
    pair_rules: PairRules
    policy: Policy

    def asks(self, side: Side) -> Bools:
        """Who may ask: anchors that have joined, SKUs that may be shown."""
        return self.snapshot.roster.has_joined if side == "goods" else self.verdicts.allowed

    def n_owners(self, side: Side) -> int:
        """How many may ask: anchors for goods, SKUs for shortlists."""
        return len(self.snapshot.roster) if side == "goods" else len(self.snapshot.shelf)

    def allowed(self, side: Side, owner: int, *, new_only: bool, among: Bools | None = None) -> Bools:
        """Rows of the other side that may be recommended; `among` narrows them further."""
        may = self.verdicts.allowed if side == "goods" else self.snapshot.roster.has_joined
        may = may & ~self.pair_rules.refused(side, owner)
        if among is not None:
            may &= among
        if new_only:
            may[self.sold_together(side, owner)] = False
        return may

    def sold_together(self, side: Side, owner: int) -> I32:
        """The other side's rows with which the owner sold something in the year."""
        history = self.sources["history"]
        assert isinstance(history, HistorySource)
        return history.sold_with(side, owner)

    def candidates(self, side: Side, owner: int, allowed: Bools) -> Candidates:
        """The union of the sources' best among the allowed."""
        return find_candidates(self.sources, side, owner, allowed, BUDGET)

    def described(self, side: Side, owner: int, rows: I32) -> Candidates:
        """The same of given rows (ascending), as a list of everything would have said it."""
        return describe(self.sources, side, owner, self.allowed(side, owner, new_only=False), rows, BUDGET)

    def matrix(self, side: Side, owner: int, found: Candidates, *, rate_ppm: I64 | None = None) -> F32:
        """The rows that a ranker sees, (n, n_features); with `rate_ppm` as if these rates held."""
        owners = np.full(len(found.rows), owner, np.int32)
        anchors, skus = (owners, found.rows) if side == "goods" else (found.rows, owners)
        outside = Outside(
            rate_ppm=self.rates.at(anchors, skus) if rate_ppm is None else rate_ppm,
            usual_rate=self.usual_rate,
            scores=found.scores,
            ranks=found.ranks,
        )
        return build_matrix(self.snapshot, anchors, skus, outside)


def build_world(snapshot: Snapshot, policy: Policy, *, threads: int = 1) -> World:
    """Prepare sources, resolve rates, apply the rules of SKUs."""
    shelf, roster = snapshot.shelf, snapshot.roster
    rates = build_rate_book(
        snapshot.plans,
        shelf.rows,
        roster.rows,
        sku_ids=shelf.ids,
        anchor_ids=roster.ids,
        at_us=snapshot.as_of_us - 1,  # what was known before the instant, and so what held just before it
        policy=policy,
        last_listed=_last_listed(snapshot.ledger) if policy.rate_lock_days else None,
    )
    return World(
        snapshot=snapshot,
        sources=read_sources(snapshot, threads=threads),
        rates=rates,
        usual_rate=_usual_rates(rates.open_ppm, shelf.category, len(shelf.category_paths)),
        verdicts=judge_shelf(shelf, snapshot.as_of_us),
        pair_rules=read_pair_rules(snapshot),
        policy=policy,
    )


def _usual_rates(open_ppm: I64, category: I32, n_categories: int) -> F32:
    starts = np.searchsorted(category, np.arange(n_categories + 1))
    out = np.full(n_categories, np.nan, np.float32)
    for c in range(n_categories):
        known = np.sort(open_ppm[starts[c] : starts[c + 1]])
        known = known[known >= 0]
        if len(known):
            out[c] = known[len(known) // 2] / 10_000.0
    return out


def _last_listed(ledger: Ledger) -> LastListed:
    order = np.argsort(ledger.at_us, kind="stable")
    order = counting_order(ledger.sku, ledger.n_skus, order)
    order = counting_order(ledger.anchor, ledger.n_anchors, order)
    anchor, sku, at_us = ledger.anchor[order], ledger.sku[order], ledger.at_us[order]

    def last(anchors: I64, skus: I64, before_us: I64) -> I64:
        return np.asarray(_last_before(anchor, sku, at_us, anchors, skus, before_us))

    return last


@jit
def _last_before(anchor: I32, sku: I32, at_us: I64, anchors: I64, skus: I64, before_us: I64) -> I64:
    out = np.full(len(anchors), np.iinfo(np.int64).min // 2, np.int64)
    for i in range(len(anchors)):
        low, high = 0, len(anchor)
        while low < high:
            m = (low + high) >> 1
            if (anchor[m], sku[m], at_us[m]) < (anchors[i], skus[i], before_us[i]):
                low = m + 1
            else:
                high = m
        if low > 0 and anchor[low - 1] == anchors[i] and sku[low - 1] == skus[i]:
            out[i] = at_us[low - 1]
    return out
