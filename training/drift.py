"""Has the world moved since what the twin learnt from? Features, labels, categories and crowds, then and now.

Two looks, for two speeds. The rows drawn at the newest origin against those of the fit window, feature by feature:
what the rankers see, as late as labels have matured. And tonight's own facts, which need no label: the last week's
exposure in categories that are new, and the anchors' crowds as they were last observed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from features.audience import DIMENSIONS, ROLES
from features.catalogue import NAMES
from features.facts import Facts
from features.kernels import F32, F64
from features.units import DAY_US
from matcher.policy import Bounds, GatePolicy
from training.bounds import Finding, level_of
from training.labels import exposed
from training.origins import SIDES, Drawn
from training.split import Split

MAIN: Final = (
    "sku_price", "sku_rating", "sku_listings_30d", "sku_anchors_90d", "sku_conversion", "sku_units_per_listing",
    "sku_gmv_per_listing", "sku_refund_share", "anchor_fans", "anchor_sessions_28d", "anchor_listings_per_session",
    "anchor_exposure_per_session", "anchor_gmv_per_session", "anchor_impressions_per_listing",
    "anchor_conversion_ratio", "anchor_usual_price", "anchor_category_entropy", "audience_viewer_sku",
    "audience_viewer_category", "audience_buyer_category", "pair_listings", "pair_ratio", "brand_listings",
    "category_lift", "category_listings", "title_cosine", "price_gap_usual", "expected_ratio", "formula_gmv", "rate",
    "cosales_score", "neighbours_score",
)  # fmt: skip
"""At least one of each feed and family, the same every night. Left out is what only tells the date or the age of the
market (days to an event, days since a launch, counts of a year), and what a handful of categories share."""
N_BINS: Final = 10
SOLD: Final = 3
"""The label from which a candidate came to a sale."""
_FEWEST_ANCHORS: Final = 10
_LEAST_SHARE: Final = 1e-4
_N_TOLD: Final = 5


def check_drift(
    facts: Facts, drawn: Mapping[int, Drawn], split: Split, label_days: int, gate: GatePolicy
) -> list[Finding]:
    """Everything that drifts, worst first within each finding; nothing where there is no fit window."""
    if split.judge is None or not split.fit:
        return [Finding("drift", "unknown", "there is no fit window to hold tonight against")]
    fit, newest = [drawn[origin] for origin in split.fit], drawn[split.judge]
    learnt_us = max(split.fit) + label_days * DAY_US
    return [
        *_check_features(fit, newest, gate),
        _check_labels(fit, newest, gate),
        _check_categories(facts, learnt_us, gate),
        _check_crowds(facts, max(split.fit), gate),
    ]


def psi(before: F64, now: F64) -> float:
    """Population stability index over tenths of `before`, with bins of their own for what lies outside and for NaN.

    A count of one half is added to each bin: nothing is infinitely strange. 0 where either is empty.

    >>> ten = np.arange(10.0)
    >>> psi(ten, ten), psi(ten, ten + 100.0) > 1.0
    (0.0, True)
    """
    if not len(before) or not len(now):
        return 0.0
    known = before[~np.isnan(before)]
    edges = np.zeros(0)
    if len(known):
        inner = np.quantile(known, np.arange(N_BINS) / N_BINS)
        edges = np.unique(np.append(inner, np.nextafter(known.max(), np.inf)))
    then, after = _binned(before, edges), _binned(now, edges)
    return float(((after - then) * np.log(after / then)).sum())


def by_chance(n_before: int, n_now: int) -> float:
    """What `psi` comes to where nothing has changed, for samples of so many that do not depend on one another.

    >>> by_chance(100, 100)
    0.18
    """
    return (N_BINS - 1) * (1.0 / max(n_before, 1) + 1.0 / max(n_now, 1))


def _binned(values: F64, edges: F64) -> F64:
    known = ~np.isnan(values)
    places = np.searchsorted(edges, values[known], side="right")
    counts = np.append(np.bincount(places, minlength=len(edges) + 1), np.count_nonzero(~known)) + 0.5
    shares: F64 = counts / counts.sum()
    return shares


def _check_features(fit: Sequence[Drawn], newest: Drawn, gate: GatePolicy) -> list[Finding]:
    """Rows of one query hang together: chance is reckoned as if each query were one observation."""
    before, n_before = _rows(fit)
    now, n_now = _rows([newest])
    about = ("drift of features", "drift of what is missing")
    if min(n_before, n_now) < gate.least_queries:
        told = f"{n_before} queries of the fit window and {n_now} of the judge's are too few to tell a drift of features"
        return [Finding(name, "unknown", told) for name in about]
    chance = by_chance(n_before, n_now)
    moved, missing = {}, {}
    for column, name in enumerate(MAIN):
        then, after = before[:, column].astype(np.float64), now[:, column].astype(np.float64)
        moved[name] = max(psi(then, after) - chance, 0.0)
        missing[name] = abs(float(np.isnan(after).mean() - np.isnan(then).mean()))
    bounds = gate.drift
    return [
        _worst(
            about[0],
            moved,
            bounds.psi,
            "population stability index of a main feature, fit window to judge window",
            by_chance=chance,
        ),
        _worst(
            about[1], missing, bounds.missing, "change in the share of rows where a main feature is missing"
        ),
    ]


def _rows(parts: Sequence[Drawn]) -> tuple[F32, int]:
    """Main features of all candidates drawn, and of how many queries they are."""
    columns = [NAMES.index(name) for name in MAIN]
    queries = [one for part in parts for side in SIDES for one in part.queries[side]]
    return np.concatenate([one.matrix[:, columns] for one in queries]), sum(len(one.group) for one in queries)


def _check_labels(fit: Sequence[Drawn], newest: Drawn, gate: GatePolicy) -> Finding:
    """How often a candidate sold, a direction and a mode at a time."""
    about, bounds = "drift of labels", gate.drift.label_factor
    factors, rates = {}, {}
    for side in SIDES:
        for place, mode in enumerate(("all", "new")):
            then = [part.queries[side][place] for part in fit]
            after = newest.queries[side][place]
            if min(sum(len(one.group) for one in then), len(after.group)) < gate.least_queries:
                continue
            rate_then = float((np.concatenate([one.label for one in then]) >= SOLD).mean())
            rate_now = float((after.label >= SOLD).mean())
            name = f"{side}, {mode} pairs"
            low, high = sorted((max(rate_then, _LEAST_SHARE), max(rate_now, _LEAST_SHARE)))
            factors[name], rates[name] = high / low, [rate_then, rate_now]
    if not factors:
        return Finding(
            about, "unknown", "too few queries to tell whether candidates sell as often as they did"
        )
    what = "times as often, or as rarely, as in the fit window do candidates sell"
    return _worst(about, factors, bounds, what, rates=rates)


def _check_categories(facts: Facts, learnt_us: int, gate: GatePolicy) -> Finding:
    about, bounds = "drift of categories", gate.drift.unseen
    listings = facts.listings
    week = listings.take(listings.at_us >= facts.as_of_us - 7 * DAY_US)
    if not len(week.sku):
        return Finding(
            about, "unknown", "no listing of the last 7 days says in which categories exposure lies"
        )
    latest = facts.skus.unique("sku", keep="last", maintain_order=True).sort("sku")
    paths, category = latest["category"].to_numpy(), latest["category"].rank("dense").to_numpy()
    learnt = np.unique(category[listings.sku[listings.at_us < learnt_us]])
    exposure = exposed(np.where(week.impressions > 0, week.impressions, np.nan), week.session)
    unseen = ~np.isin(category[week.sku], learnt)
    share = float(exposure[unseen].sum() / exposure.sum())
    names = sorted({str(paths[sku]) for sku in np.unique(week.sku[unseen])})
    named = f" ({', '.join(names[:_N_TOLD])}{' and others' if len(names) > _N_TOLD else ''})" if names else ""
    return Finding(
        about,
        level_of(share, bounds) if names else "held",
        f"{share:.1%} of the last 7 days' exposure lies in categories that nobody had put up when the fit window "
        f"ended{named}; told from {bounds.warns:.0%}, refused from {bounds.refuses:.0%}",
        {"share": share, "categories": names},
    )


def _check_crowds(facts: Facts, then_us: int, gate: GatePolicy) -> Finding:
    """The mean crowd of the anchors that were observed by both instants, as of the last fit origin and as of now."""
    about, bounds = "drift of audiences", gate.drift.audience
    keys = ["anchor", "role", "dimension"]
    rows = facts.audiences.filter(pl.col("dimension").is_in(DIMENSIONS))
    before, now = (
        frame.filter(pl.col("observed_day") == pl.col("observed_day").max().over(keys))
        for frame in (rows.filter(pl.col("known_us") < then_us), rows)
    )
    moved: dict[str, float] = {}
    for role in ROLES:
        for dimension in DIMENSIONS:
            of = (pl.col("role") == role) & (pl.col("dimension") == dimension)
            then, after = before.filter(of), now.filter(of)
            both = then["anchor"].unique().filter(then["anchor"].unique().is_in(after["anchor"].implode()))
            if len(both) >= _FEWEST_ANCHORS:
                moved[f"{role} {dimension}"] = _crowd_psi(then, after, both)
    if not moved:
        told = f"fewer than {_FEWEST_ANCHORS} anchors' crowds were observed both then and now"
        return Finding(about, "unknown", told)
    what = "population stability index of the anchors' crowds, last fit origin to tonight"
    return _worst(about, moved, bounds, what)


def _crowd_psi(then: pl.DataFrame, after: pl.DataFrame, anchors: pl.Series) -> float:
    """Of the mean shares; summed in the order of anchors, so that the last bits do not depend on threads."""
    buckets = pl.concat([then["bucket"], after["bucket"]]).unique().sort()
    shares = []
    for frame in (then, after):
        rows = frame.filter(pl.col("anchor").is_in(anchors.implode())).sort("anchor", "bucket")
        places = buckets.search_sorted(rows["bucket"]).to_numpy()
        sums = np.bincount(places, rows["share"].to_numpy(), len(buckets)) / len(anchors) + _LEAST_SHARE
        shares.append(sums / sums.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def _worst(about: str, figures: Mapping[str, float], bounds: Bounds, what: str, **more: Any) -> Finding:
    """One finding of many figures: those that are over the bound by name, else the greatest."""
    ranked = sorted(figures.items(), key=lambda item: -item[1])
    over = [item for item in ranked if item[1] >= bounds.warns] or ranked[:1]
    named = ", ".join(f"{name} {figure:.2f}" for name, figure in over[:_N_TOLD])
    others = f" and {len(over) - _N_TOLD} more" if len(over) > _N_TOLD else ""
    told = f"{what}: {named}{others}; told from {bounds.warns:g}, refused from {bounds.refuses:g}"
    return Finding(about, level_of(ranked[0][1], bounds), told, {"figures": dict(ranked), **more})
