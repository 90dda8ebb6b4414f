"""Which goods for this anchor, which anchors for this SKU? The main path: candidates, rules, matrix, ranker, list.

An `Engine` is one consistent world: a snapshot with its sources, rates and verdicts, a model, and the policy. It
asks no database and no clock, and threads may share it.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from features.catalogue import SOURCES
from features.errors import UnknownId
from features.kernels import F32, F64, I32, I64, Bools
from features.units import TICK, shanghai_time
from matcher.candidates.union import Candidates, Side
from matcher.explain import Reason, differing, explain
from matcher.explore import Page, certain, deal
from matcher.list_ import ListTerms
from matcher.model import Model
from matcher.outcome import Expected, unit_gmv
from matcher.pairing import Chosen, PairingList, cells, make_pairings
from matcher.request import ListRequest
from matcher.verdict_book import Both, VerdictBook
from matcher.world import World

_OWNERS_A_BATCH = 64


@dataclass(frozen=True, slots=True)
class Engine:
    """One consistent world. Without a model the named source ranks, and the answer says so."""

    world: World
    model: Model | None
    best_source: Mapping[Side, str]
    unit_gmv_fen: F64
    """(n_skus,) what a unit brings."""
    verdicts: VerdictBook | None = None
    """What the two rules say of the shelf; without one no pairing carries a verdict."""

    @property
    def version(self) -> str:
        """What ranks here; for both directions where a source does."""
        if self.model is not None:
            return self.model.version
        return "source:" + "+".join(dict.fromkeys(self.best_source.values()))

    def answer(self, request: ListRequest) -> PairingList:
        """At most `request.size` pairings, best first; outcomes and reasons for the returned page alone."""
        among, refused = self.among(request)
        found, matrix, scores = self.rank(request, among)
        page = self._page(request, found, scores)
        places = page.places
        anchors, skus = self._pairs(request.side, request.owner, found.rows[places])
        rate_ppm = self.world.rates.at(anchors, skus)
        expected = self._expected(matrix[places] if matrix is not None else None, skus, rate_ppm)
        reasons = self.reasons(request, matrix, places) if request.explain else [()] * len(places)
        roster, shelf = self.world.snapshot.roster, self.world.snapshot.shelf
        owner_ids, ids = (roster.ids, shelf.ids) if request.side == "goods" else (shelf.ids, roster.ids)
        return PairingList(
            owner_id=owner_ids[request.owner],
            pairings=make_pairings(
                self.world.snapshot,
                anchors,
                skus,
                rank=range(request.skip + 1, request.skip + 1 + len(places)),
                score=scores[places].tolist(),
                rate_ppm=[ppm if ppm >= 0 else None for ppm in rate_ppm.tolist()],
                expected=[None] * len(places) if expected is None else expected.each(),
                reasons=reasons,
                verdicts=self._verdicts(request, skus),
                propensity=page.propensity.tolist(),
                is_drawn=page.is_drawn.tolist(),
            ),
            objective=request.objective,
            model_version=self.model_version(request.side),
            snapshot_at_us=self.world.snapshot.as_of_us,
            policy_version=self.world.policy.version,
            considered=len(found.rows),
            left_out=refused | {"NOT_A_CANDIDATE": int(np.count_nonzero(among)) - len(found.rows)},
            drawn_from=ids[found.rows[page.among]].to_list(),
        )

    def choose(self, request: ListRequest) -> Chosen:
        """The rows of a list and their scores, without what a reader sees: for lists of everybody."""
        among, _ = self.among(request)
        found, _, scores = self.rank(request, among)
        places = self._page(request, found, scores).places
        return Chosen(rows=found.rows[places], scores=scores[places])

    def choose_all(
        self, request: ListRequest, owners: Sequence[int], *, threads: int
    ) -> Iterator[tuple[int, Chosen]]:
        """The lists of many owners, in their order, a batch at a time; the answer does not depend on `threads`."""

        def one(owner: int) -> Chosen:
            return self.choose(replace(request, owner=owner))

        with ThreadPoolExecutor(threads) as pool:
            for begin in range(0, len(owners), _OWNERS_A_BATCH):
                batch = owners[begin : begin + _OWNERS_A_BATCH]
                yield from zip(batch, pool.map(one, batch), strict=True)

    def owners(self, request: ListRequest) -> list[int]:
        """Who gets a list when everybody is asked for: those that pass the filters and are there."""
        if request.side == "goods":
            there = self.world.snapshot.roster.has_joined & request.filters.anchors(self.world.snapshot)
        else:
            there = self.world.verdicts.allowed & request.filters.skus(self.world.snapshot)
        return [int(row) for row in np.flatnonzero(there)]

    def model_version(self, side: Side) -> str:
        """What ranked a list of this side."""
        return self.model.version if self.model is not None else f"source:{self.best_source[side]}"

    def row(self, side: Side, owner_id: str) -> int:
        """An owner's row; UnknownId where the snapshot does not know it."""
        ids = self.world.snapshot.roster.ids if side == "goods" else self.world.snapshot.shelf.ids
        found = (ids == owner_id).arg_true()
        if not len(found):
            kind = "anchor" if side == "goods" else "SKU"
            raise UnknownId(
                f"{kind} {owner_id!r} was not known at {shanghai_time(self.world.snapshot.as_of)}"
            )
        return int(found[0])

    def rows_of_brand(self, brand_id: str) -> list[int]:
        """The rows of a brand's SKUs; UnknownId where the snapshot knows none."""
        shelf = self.world.snapshot.shelf
        rows = (shelf.rows["brand_id"] == brand_id).arg_true().to_list()
        if not rows:
            raise UnknownId(f"brand {brand_id!r} had no SKU at {shanghai_time(self.world.snapshot.as_of)}")
        return rows

    def among(self, request: ListRequest) -> tuple[Bools, dict[str, int]]:
        """Rows that may be candidates, and how many of those that pass the filters each rule refused."""
        among = self._passing(request)
        refused: dict[str, int] = {}
        for reason, broken in self.refusals(request):
            refused[reason] = 0
            if broken.any():  # of most rules nothing is broken
                hit = among & broken
                refused[reason] = int(np.count_nonzero(hit))
                among ^= hit
        return among, refused

    def refusals(self, request: ListRequest) -> Iterator[tuple[str, Bools]]:
        """The hard rules in order of priority, each with the rows of the other side that it refuses to the owner.

        What refuses the owner refuses every row.
        """
        world, owner = self.world, request.owner
        not_joined = ~world.snapshot.roster.has_joined
        if request.side == "goods":
            yield from world.verdicts.refused.items()
            yield "NOT_JOINED", np.broadcast_to(not_joined[owner], len(world.snapshot.shelf))
        else:
            for reason, broken in world.verdicts.refused.items():
                yield reason, np.broadcast_to(broken[owner], len(not_joined))
            yield "NOT_JOINED", not_joined
        yield from world.pair_rules.refusals(request.side, owner)
        yield from self._barred(request)
        if request.side == "goods" and (request.hidden.sku_ids or request.hidden.categories):
            yield "HIDDEN", request.hidden.skus(world.snapshot)
        if request.new_only:
            sold = np.zeros(self._n_rows(request.side), np.bool_)
            sold[world.sold_together(request.side, owner)] = True
            yield "SOLD_TOGETHER", sold

    def _barred(self, request: ListRequest) -> Iterator[tuple[str, Bools]]:
        """What the policy has the two rules leave out."""
        if self.verdicts is None:
            return
        ids, at = self.world.snapshot.shelf.ids, self._at(request)
        for rule in self.verdicts.bars:
            if request.side == "goods":
                yield rule.upper(), self.verdicts.refused(rule, ids, at)
            else:
                refused = self.verdicts.is_refused(rule, ids[request.owner], at)
                yield rule.upper(), np.full(self._n_rows(request.side), refused)

    def rank(self, request: ListRequest, among: Bools) -> tuple[Candidates, F32 | None, F64]:
        """Candidates among those rows, what the ranker sees of them (nothing where a source ranks), their scores."""
        found = self.world.candidates(request.side, request.owner, among)
        if self.model is None:
            return found, None, self._said(request.side, found)
        matrix = self.world.matrix(request.side, request.owner, found)
        anchors, skus = self._pairs(request.side, request.owner, found.rows)
        rate_ppm = self.world.rates.at(anchors, skus)
        scores = self.model.score(
            request.objective,
            request.side,
            matrix,
            self.unit_gmv_fen[skus],
            rate_ppm,
            new_only=request.new_only,
        )
        return found, matrix, scores

    def reasons(self, request: ListRequest, matrix: F32 | None, places: I64) -> Sequence[Sequence[Reason]]:
        """Why those places of all candidates are where they are: none without a model."""
        if self.model is None or matrix is None:
            return [()] * len(places)
        ranks = (
            self.model.outcome.forest
            if request.objective in ("gmv", "commission")
            else self.model.uptake(request.side)
        )
        return explain(ranks, matrix[places], voice=request.side, tells=differing(matrix))

    def terms(self, request: ListRequest, found: Candidates) -> ListTerms:
        """What the policy has a list of these candidates keep to."""
        owed, snapshot = self.world.policy.lists, self.world.snapshot
        if request.side == "goods":
            listings = snapshot.sku_block[found.rows, snapshot.column("sku", "sku_anchors_365d")]
            return ListTerms(
                size=request.size,
                cap=owed.brand_cap,
                group=snapshot.shelf.brand[found.rows],
                reserved=listings < owed.newcomer_trials,
                reserved_share=owed.newcomer_share,
            )
        days = snapshot.anchor_block[found.rows, snapshot.column("anchor", "anchor_days_on_air")]
        small = (
            (snapshot.roster.tier[found.rows] < 2) if owed.small_anchor_share else days < owed.newcomer_trials
        )
        return ListTerms(
            size=request.size, reserved=small, reserved_share=owed.small_anchor_share or owed.newcomer_share
        )

    def _page(self, request: ListRequest, found: Candidates, scores: F64) -> Page:
        """Of the candidates those on the page, best first but for what the policy has drawn."""
        if request.only is None:
            slots = self.world.policy.lists.explore_slots
            return deal(scores, self.terms(request, found), request.skip, slots=slots, seed=request.seed)
        wanted = np.flatnonzero(np.isin(found.rows, request.only))
        return certain(wanted[np.argsort(-scores[wanted], kind="stable")])

    def _passing(self, request: ListRequest) -> Bools:
        """Rows that pass the filters together with the owner."""
        skus, anchors = (
            request.filters.skus(self.world.snapshot),
            request.filters.anchors(self.world.snapshot),
        )
        passed, owners = (skus, anchors) if request.side == "goods" else (anchors, skus)
        if not owners[request.owner]:
            return np.zeros_like(passed)
        if request.filters.min_rate_ppm is not None:
            rows = np.flatnonzero(passed).astype(np.int32)
            rate_ppm = self.world.rates.at(*self._pairs(request.side, request.owner, rows))
            passed[rows[rate_ppm < request.filters.min_rate_ppm]] = False
        return passed

    def _said(self, side: Side, found: Candidates) -> F64:
        """What the serving source says; where it says nothing, the popular first, all below what it says."""
        scores = found.scores[:, SOURCES.index(self.best_source[side])].astype(np.float64)
        popular = found.scores[:, SOURCES.index("popularity")].astype(np.float64)
        return np.where(scores > 0, scores, popular / (1.0 + popular.max(initial=0.0)) - 1.0)

    def _verdicts(self, request: ListRequest, skus: I32) -> Sequence[Both | None]:
        if self.verdicts is None:
            return [None] * len(skus)
        [sku_ids] = cells(self.world.snapshot.shelf.rows, skus, "sku_id")
        return self.verdicts.of_page(sku_ids, self._at(request))

    def _at(self, request: ListRequest) -> datetime:
        return (
            request.at or self.world.snapshot.as_of - TICK
        )  # a list knows what was known before its instant

    def _n_rows(self, side: Side) -> int:
        return len(self.world.snapshot.shelf if side == "goods" else self.world.snapshot.roster)

    def _pairs(self, side: Side, owner: int, rows: I32) -> tuple[I32, I32]:
        owners = np.full(len(rows), owner, np.int32)
        return (owners, rows) if side == "goods" else (rows, owners)

    def _expected(self, rows: F32 | None, skus: I32, rate_ppm: I64) -> Expected | None:
        if self.model is None or rows is None:
            return None
        return self.model.outcome.expect(rows, self.unit_gmv_fen[skus], rate_ppm)


def build_engine(
    world: World, model: Model | None, best_source: Mapping[Side, str], verdicts: VerdictBook | None = None
) -> Engine:
    """A world, what ranks in it, what a unit of each SKU brings, and what the two rules say."""
    return Engine(world, model, best_source, unit_gmv(world.snapshot), verdicts)
