"""Does the book of all pairs say exactly what `resolve_rate` says of each?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.store.plans import AnchorStanding, PlanRow, SkuTerms
from features.units import DAY_US, Ppm, from_microseconds, microseconds
from matcher.policy import Policy
from matcher.rate_book import NO_RATE, RateBook, build_rate_book
from matcher.rates import resolve_rate

SKU_IDS, ANCHOR_IDS = tuple(f"s{i}" for i in range(40)), ("a1", "a2", "a3")
PAIRS = len(ANCHOR_IDS) * len(SKU_IDS)
KINDS = Policy().plan_precedence
AT_US = 200 * DAY_US
NEVER_US = np.iinfo(np.int64).min
ON_THE_EDGES = (0, 80, 107, 108, 109, 110, 195, 197, 198, 199, 200, 201)
"""Few days, so that edges meet: falls within locks of 2 or 3 days, listings 90 days before them."""


@dataclass(frozen=True)
class World:
    """Plans and listings drawn at random; small, and crowded at the edges."""

    plans: Sequence[PlanRow]
    min_tiers: Sequence[str | None]
    denied: Sequence[frozenset[str]]
    tiers: Sequence[str | None]
    listed_us: Sequence[Sequence[int]]  # by anchor, SKU after SKU
    lock_days: int

    @property
    def policy(self) -> Policy:
        return Policy(rate_lock_days=self.lock_days)

    def book(self) -> RateBook:
        return build_rate_book(
            plan_frame(self.plans),
            pl.DataFrame(
                {
                    "sku_id": SKU_IDS,
                    "known_us": 0,
                    "min_tier": pl.Series(self.min_tiers, dtype=pl.String),
                    "denied_anchor_ids": pl.Series([joined(ids) for ids in self.denied], dtype=pl.String),
                }
            ),
            pl.DataFrame(
                {"anchor_id": ANCHOR_IDS, "known_us": 0, "tier": pl.Series(self.tiers, dtype=pl.String)}
            ),
            sku_ids=pl.Series(SKU_IDS),
            anchor_ids=pl.Series(ANCHOR_IDS),
            at_us=AT_US,
            policy=self.policy,
            last_listed=self.last_listed,
        )

    def last_listed(
        self, anchors: npt.NDArray[np.int64], skus: npt.NDArray[np.int64], before_us: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        latest = []
        for anchor, sku, before in zip(anchors, skus, before_us, strict=True):
            listed = self.listed_us[anchor * len(SKU_IDS) + sku]
            latest.append(max((at_us for at_us in listed if at_us < before), default=NEVER_US))
        return np.array(latest, np.int64)

    def terms(self, sku: int) -> SkuTerms:
        plans = tuple(plan for plan in self.plans if plan.plan_id.startswith(f"{SKU_IDS[sku]}p"))
        return SkuTerms(SKU_IDS[sku], plans, self.min_tiers[sku], self.denied[sku])

    def standing(self, anchor: int, sku: int) -> AnchorStanding:
        listed = self.listed_us[anchor * len(SKU_IDS) + sku]
        return AnchorStanding(
            ANCHOR_IDS[anchor], self.tiers[anchor], tuple(from_microseconds(at_us) for at_us in listed)
        )


def made_world(seed: int, lock_days: int) -> World:
    rng = np.random.default_rng(seed)

    def instant() -> int:
        return int(rng.choice(ON_THE_EDGES)) * DAY_US + int(rng.choice([-1, 0, 0, 0, 0, 1]))

    def drawn(*among: str | None) -> str | None:
        return among[rng.integers(len(among))]

    def some_anchors(most: int) -> frozenset[str]:
        return frozenset(rng.choice([*ANCHOR_IDS, "unknown"], rng.integers(most + 1)).tolist())

    rows = {}
    for sku_id in SKU_IDS:
        for _ in range(rng.integers(6)):
            plan_type = drawn(*KINDS, "open", "open", "leader")
            assert plan_type is not None
            row = PlanRow(
                plan_id=f"{sku_id}{drawn('p', 'p1', 'p10', 'p9')}",
                known_at=from_microseconds(min(instant(), AT_US) if rng.random() < 0.5 else 0),
                sku_id=sku_id if rng.random() < 0.95 else "gone",
                plan_type=plan_type,
                rate_ppm=Ppm(int(rng.integers(6)) * 10_000),
                valid_from=from_microseconds(instant()),
                valid_to=from_microseconds(instant()) if rng.random() < 0.3 else None,
                status=drawn("on", "on", "on", "on", "on", None, "paused", "off"),
                anchor_ids=some_anchors(1 if plan_type in {"open", "leader"} else 3),
            )
            rows[row.plan_id, row.known_at] = row
    return World(
        plans=list(rows.values()),
        min_tiers=[drawn("waist", "head", "tail", None, None, None) for _ in SKU_IDS],
        denied=[some_anchors(2) if rng.random() < 0.2 else frozenset() for _ in SKU_IDS],
        tiers=[drawn("tail", "waist", "head", None) for _ in ANCHOR_IDS],
        listed_us=[[instant() for _ in range(rng.integers(4))] for _ in range(PAIRS)],
        lock_days=lock_days,
    )


worlds = st.builds(made_world, st.integers(0, 2**32), st.sampled_from([0, 2, 3, 100]))


def joined(ids: frozenset[str]) -> str | None:
    return ";".join(sorted(ids)) or None


def plan_frame(plans: Sequence[PlanRow]) -> pl.DataFrame:
    schema = {
        "plan_id": pl.String,
        "known_us": pl.Int64,
        "sku_id": pl.String,
        "plan_type": pl.String,
        "rate_ppm": pl.Int64,
        "anchor_ids": pl.String,
        "status": pl.String,
        "valid_from_us": pl.Int64,
        "valid_to_us": pl.Int64,
    }
    rows = [
        (
            plan.plan_id,
            microseconds(plan.known_at),
            plan.sku_id,
            plan.plan_type,
            plan.rate_ppm,
            joined(plan.anchor_ids),
            plan.status,
            microseconds(plan.valid_from),
            None if plan.valid_to is None else microseconds(plan.valid_to),
        )
        for plan in plans
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


@given(world=worlds)
def test_the_book_equals_the_rule_for_every_pair(world: World) -> None:
    book, at = world.book(), from_microseconds(AT_US)
    anchors, skus = np.divmod(np.arange(PAIRS), len(SKU_IDS))
    rate_ppm = book.at(anchors, skus)
    for anchor, sku, ppm in zip(anchors, skus, rate_ppm, strict=True):
        answer = resolve_rate(world.terms(sku), world.standing(anchor, sku), at, policy=world.policy)
        assert ppm == (NO_RATE if answer.rate_ppm is None else answer.rate_ppm)
    for sku in range(len(SKU_IDS)):
        answer = resolve_rate(world.terms(sku), None, at, policy=world.policy)
        assert book.open_ppm[sku] == (NO_RATE if answer.rate_ppm is None else answer.rate_ppm)


@settings(max_examples=20)
@given(world=worlds, seed=st.integers(0, 2**32))
def test_the_order_of_rows_and_of_pairs_plays_no_part(world: World, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = replace(world, plans=[world.plans[i] for i in rng.permutation(len(world.plans))])
    order = rng.permutation(PAIRS)
    anchors, skus = np.divmod(np.arange(PAIRS), len(SKU_IDS))
    in_order = world.book().at(anchors, skus)
    assert shuffled.book().at(anchors[order], skus[order]).tolist() == in_order[order].tolist()


def test_a_policy_that_locks_rates_has_to_know_who_was_promoting() -> None:
    empty = pl.DataFrame(schema={"sku_id": pl.String, "known_us": pl.Int64})
    with pytest.raises(ValueError, match="hand in last_listed"):
        build_rate_book(
            plan_frame([]),
            empty,
            empty,
            sku_ids=pl.Series([], dtype=pl.String),
            anchor_ids=pl.Series([], dtype=pl.String),
            at_us=AT_US,
            policy=Policy(rate_lock_days=1),
        )


def test_a_world_without_plans_has_a_book() -> None:
    book = replace(made_world(1, 3), plans=[]).book()
    assert book.at(np.array([0, 1]), np.array([2, 2])).tolist() == [NO_RATE, NO_RATE]
    assert set(book.open_ppm.tolist()) == {NO_RATE}
    assert book.at(np.zeros(0, np.int32), np.zeros(0, np.int32)).shape == (0,)


def test_a_thousand_pairs_are_resolved_in_well_under_a_millisecond() -> None:
    n_skus, rng = 50_000, np.random.default_rng(0)
    sku_ids, anchor_ids = (
        pl.Series([f"s{i}" for i in range(n_skus)]),
        pl.Series([f"a{i}" for i in range(500)]),
    )
    kinds = rng.choice(["open", "leader", "target_item", "exclusive"], 2 * n_skus)
    names = [None if kind in {"open", "leader"} else "a1;a7;a9" for kind in kinds]
    plans = pl.DataFrame(
        {
            "plan_id": [f"p{i}" for i in range(2 * n_skus)],
            "known_us": pl.zeros(2 * n_skus, pl.Int64, eager=True),
            "sku_id": sku_ids.gather(rng.integers(0, n_skus, 2 * n_skus)),
            "plan_type": kinds,
            "rate_ppm": rng.integers(0, 500_000, 2 * n_skus),
            "anchor_ids": names,
            "status": "on",
            "valid_from_us": pl.zeros(2 * n_skus, pl.Int64, eager=True),
            "valid_to_us": rng.integers(AT_US - 40 * DAY_US, 2 * AT_US, 2 * n_skus),
        }
    )
    book = build_rate_book(
        plans,
        pl.DataFrame({"sku_id": sku_ids}).with_columns(
            known_us=pl.lit(0), min_tier=pl.lit("waist"), denied_anchor_ids=pl.lit("a9")
        ),
        pl.DataFrame({"anchor_id": anchor_ids}).with_columns(known_us=pl.lit(0), tier=pl.lit("head")),
        sku_ids=sku_ids,
        anchor_ids=anchor_ids,
        at_us=AT_US,
        policy=Policy(rate_lock_days=30),
        last_listed=lambda _anchors, _skus, before_us: before_us - DAY_US,
    )
    anchors, skus = np.full(1000, 7), np.sort(rng.integers(0, n_skus, 1000))
    seconds = []
    for _ in range(20):
        started = perf_counter()
        book.at(anchors, skus)
        seconds.append(perf_counter() - started)
    assert min(seconds) < 0.0005
