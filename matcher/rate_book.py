"""Which rate applies to each of a thousand pairings at once? `rates.resolve_rate`, laid out in arrays for one instant.

A version of a plan is in force over an interval: from when it is known and valid until its next version is known or
its window ends. So the book keeps, for each SKU, the plans in force at its instant, the strongest first; and, where
rates may be locked, those in force around each change within the lock. Most SKUs pay everybody the same: one look-up.
`tests/test_rate_book.py` holds it equal to `resolve_rate`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from features.kernels import I32, I64, Bools, find, jit, row_starts
from features.units import DAY_US
from matcher.ids import id_lists, places, tier_ranks
from matcher.policy import Policy
from matcher.rates import FOR_ANYBODY, PROMOTING_DAYS

NO_RATE: Final = -1
"""No plan admits the anchor."""

LastListed = Callable[[I64, I64, I64], I64]
"""(anchors, skus, before_us), each (n,) -> when each anchor last put the SKU up before then, in us; any
instant before 1900 for never."""

_ASK: Final = -2
_NEVER_US: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class RateBook:
    """Resolved rates at one instant; anchors and SKUs by their places in the ids it was built with. Read-only."""

    at_us: int
    open_ppm: I64
    """(n_skus,) the open rate, what the SKU pays without an anchor; NO_RATE where no plan is open."""
    plain_ppm: I64
    """(n_skus,) what every anchor gets; NO_RATE where nobody gets any; -2 where it depends on who asks."""
    now: "_Runs"
    """Plans in force by SKU."""
    changes: "_Changes | None"
    """Where rates may be locked: what was in force around each change within the lock."""
    admission: "_Admission"
    last_listed: LastListed | None

    def at(self, anchors: I32 | I64, skus: I32 | I64) -> I64:
        """(n,) ppm of the rate that applies to each pair; NO_RATE where none does."""
        anchors, skus = anchors.astype(np.int64, copy=False), skus.astype(np.int64, copy=False)
        rate_ppm: I64 = _resolve(anchors, skus, self.plain_ppm, self.now, self.admission)
        if self.changes is None or self.last_listed is None:
            return rate_ppm
        pair, fell_us, old_ppm = _falls(anchors, skus, rate_ppm, self.changes, self.admission)
        if len(pair):
            listed_us = self.last_listed(anchors[pair], skus[pair], fell_us)
            kept = (listed_us < fell_us) & (listed_us >= fell_us - PROMOTING_DAYS * DAY_US)
            np.maximum.at(rate_ppm, pair[kept], old_ppm[kept])
        return rate_ppm


def build_rate_book(
    plans: pl.DataFrame,
    skus: pl.DataFrame,
    anchors: pl.DataFrame,
    *,
    sku_ids: pl.Series,
    anchor_ids: pl.Series,
    at_us: int,
    policy: Policy,
    last_listed: LastListed | None = None,
) -> RateBook:
    """The book at `at_us` from the versions in the frames, all known by then; order of rows plays no part.

    `plans`: plan_id, known_us, sku_id, plan_type, rate_ppm, anchor_ids (`;`), status, valid_from_us, valid_to_us;
    every version. `skus`: sku_id, known_us, min_tier, denied_anchor_ids; `anchors`: anchor_id, known_us, tier; the
    latest version counts. A policy that locks rates needs `last_listed`.
    """
    if policy.rate_lock_days and last_listed is None:
        raise ValueError(
            "the policy locks rates: hand in last_listed, so that the book knows who was promoting"
        )
    versions = _versions(plans, sku_ids, policy)
    n_skus = len(sku_ids)
    admission = _read_admission(versions, skus, anchors, sku_ids, anchor_ids)
    in_force = versions.filter(pl.col("from_us") <= at_us, pl.col("to_us") > at_us)
    return RateBook(
        at_us=at_us,
        open_ppm=_first_ppm(in_force.filter(pl.col("plan_type") == "open"), n_skus),
        plain_ppm=_plain(in_force, admission, n_skus),
        now=_runs(in_force, "sku", n_skus),
        changes=_read_changes(versions, at_us, n_skus, policy) if policy.rate_lock_days else None,
        admission=admission,
        last_listed=last_listed,
    )


class _Runs(NamedTuple):
    """Plans in runs, strongest first; run `i` is `start[i]:start[i + 1]`. Tuples, for compiled loops take them."""

    start: I64
    version: I64  # which list of anchors is the plan's
    ppm: I64


class _Changes(NamedTuple):
    """Instants at which another plan began to apply to a SKU; those of SKU `i` are `start[i]:start[i + 1]`."""

    start: I64
    at_us: I64
    before: _Runs  # by change
    after: _Runs


class _Admission(NamedTuple):
    """Who is admitted: lists of anchors in runs by version and by SKU, tiers by rank."""

    for_all: Bools  # (n_versions,) the plan admits every anchor that the SKU admits
    named_start: I64  # (n_versions + 1,)
    named: I64
    denied_start: I64  # (n_skus + 1,)
    denied: I64
    least_tier: I64  # (n_skus,)
    tier: I64  # (n_anchors,)


def _versions(plans: pl.DataFrame, sku_ids: pl.Series, policy: Policy) -> pl.DataFrame:
    """Every version that is on, with its interval; by SKU the strongest first, and `version` is its place."""
    kinds = pl.Series(policy.plan_precedence, dtype=pl.String)
    next_plan, next_us = pl.col("plan_id").shift(-1), pl.col("known_us").shift(-1)
    return (
        plans.sort("plan_id", "known_us")
        .with_row_index("by_id")  # as good as the id where two versions compete, for they are of two plans
        .with_columns(next_us=pl.when(pl.col("plan_id") == next_plan).then(next_us))
        .filter(pl.col("status").fill_null("on") == "on")
        .select(
            "by_id",
            "plan_type",
            "anchor_ids",
            "rate_ppm",
            "valid_from_us",
            sku=places("sku_id", sku_ids),
            kind=places("plan_type", kinds),
            from_us=pl.max_horizontal("known_us", "valid_from_us"),
            to_us=pl.min_horizontal("next_us", "valid_to_us").fill_null(_NEVER_US),
        )
        .filter(pl.col("from_us") < pl.col("to_us"), pl.col("sku").is_not_null())
        .sort("sku", "kind", "valid_from_us", "by_id", descending=[False, False, True, True])
        .with_row_index("version")
    )


def _read_admission(
    versions: pl.DataFrame,
    skus: pl.DataFrame,
    anchors: pl.DataFrame,
    sku_ids: pl.Series,
    anchor_ids: pl.Series,
) -> _Admission:
    skus = _latest(skus, "sku_id", sku_ids)
    anchors = _latest(anchors, "anchor_id", anchor_ids)
    for_all = versions["plan_type"].is_in(list(FOR_ANYBODY)) & versions["anchor_ids"].is_null()
    named_start, named = id_lists(versions["anchor_ids"], anchor_ids)
    denied_start, denied = id_lists(skus["denied_anchor_ids"], anchor_ids)
    return _Admission(
        for_all=for_all.to_numpy(),
        named_start=named_start,
        named=named,
        denied_start=denied_start,
        denied=denied,
        least_tier=tier_ranks(skus["min_tier"]),
        tier=tier_ranks(anchors["tier"]),
    )


def _read_changes(versions: pl.DataFrame, at_us: int, n_skus: int, policy: Policy) -> _Changes:
    since_us = at_us - policy.rate_lock_days * DAY_US
    changes = (
        pl.concat([versions.select("sku", change_us="from_us"), versions.select("sku", change_us="to_us")])
        .filter(pl.col("change_us") > since_us, pl.col("change_us") <= at_us)
        .unique()
        .sort("sku", "change_us")
        .with_row_index("change")
    )
    around = changes.join(versions, on="sku")
    before = around.filter(pl.col("from_us") < pl.col("change_us"), pl.col("to_us") >= pl.col("change_us"))
    after = around.filter(pl.col("from_us") <= pl.col("change_us"), pl.col("to_us") > pl.col("change_us"))
    return _Changes(
        start=row_starts(changes["sku"].to_numpy(), n_skus),
        at_us=changes["change_us"].to_numpy(),
        before=_runs(before, "change", len(changes)),
        after=_runs(after, "change", len(changes)),
    )


def _runs(versions: pl.DataFrame, by: str, n_runs: int) -> _Runs:
    versions = versions.sort(by, "version")
    return _Runs(
        start=row_starts(versions[by].to_numpy(), n_runs),
        version=versions["version"].cast(pl.Int64).to_numpy(),
        ppm=versions["rate_ppm"].cast(pl.Int64).to_numpy(),
    )


def _first_ppm(versions: pl.DataFrame, n_skus: int) -> I64:
    strongest = versions.unique("sku", keep="first", maintain_order=True)
    first_ppm = np.full(n_skus, NO_RATE, np.int64)
    first_ppm[strongest["sku"].to_numpy()] = strongest["rate_ppm"].to_numpy()
    return first_ppm


def _plain(in_force: pl.DataFrame, admission: _Admission, n_skus: int) -> I64:
    """The strongest plan's rate where it admits everybody and the SKU turns nobody away."""
    plain = _first_ppm(in_force, n_skus)
    strongest = in_force.unique("sku", keep="first", maintain_order=True)
    for_all = admission.for_all[strongest["version"].to_numpy()]
    plain[strongest["sku"].to_numpy()[~for_all]] = _ASK
    is_choosy = (np.diff(admission.denied_start) > 0) | (admission.least_tier > 0)
    plain[is_choosy & (plain >= 0)] = _ASK
    return plain


def _latest(frame: pl.DataFrame, column: str, ids: pl.Series) -> pl.DataFrame:
    """The latest version of each of `ids`, in their order."""
    latest = frame.sort("known_us").unique(column, keep="last")
    return pl.DataFrame({column: ids}).join(latest, on=column, how="left", maintain_order="left")


@jit
def _resolve(anchors: Any, skus: Any, plain_ppm: Any, now: Any, admission: Any) -> Any:
    rate_ppm = np.empty(skus.shape[0], np.int64)
    for i in range(skus.shape[0]):
        sku, anchor = skus[i], anchors[i]
        rate_ppm[i] = plain_ppm[sku]
        if rate_ppm[i] != _ASK:
            continue
        denied = find(admission.denied, admission.denied_start[sku], admission.denied_start[sku + 1], anchor)
        if denied >= 0 or admission.tier[anchor] < admission.least_tier[sku]:
            rate_ppm[i] = NO_RATE
        else:
            rate_ppm[i] = _strongest(anchor, sku, now, admission)
    return rate_ppm


@jit
def _strongest(anchor: int, run: int, runs: Any, admission: Any) -> Any:
    """The rate of the first plan in the run that admits the anchor."""
    for place in range(runs.start[run], runs.start[run + 1]):
        version = runs.version[place]
        begin, end = admission.named_start[version], admission.named_start[version + 1]
        if admission.for_all[version] or find(admission.named, begin, end, anchor) >= 0:
            return runs.ppm[place]
    return NO_RATE


@jit
def _falls(anchors: Any, skus: Any, rate_ppm: Any, changes: Any, admission: Any) -> Any:
    """Falls, within the lock, from above what a pair gets now: (pair, when, the old rate); each (n_falls,)."""
    pair, fell_us, old_ppm = [0][:0], [0][:0], [0][:0]
    for i in range(skus.shape[0]):
        for change in range(changes.start[skus[i]], changes.start[skus[i] + 1]):
            before = _strongest(anchors[i], change, changes.before, admission)
            after = _strongest(anchors[i], change, changes.after, admission)
            if rate_ppm[i] >= 0 and before > max(after, rate_ppm[i]):
                pair.append(i)
                fell_us.append(changes.at_us[change])
                old_ppm.append(before)
    return np.array(pair, np.int64), np.array(fell_us, np.int64), np.array(old_ppm, np.int64)
