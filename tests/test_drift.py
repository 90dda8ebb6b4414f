"""Is a shift that was planted found and named, and is a market that only goes on left in peace?"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.catalogue import FEATURES, NAMES
from features.facts import Facts
from features.kernels import F64
from features.units import DAY_US
from matcher.policy import Bounds, DriftPolicy, GatePolicy
from trained import SIDES, SMALL, Trained
from training.bounds import Finding, level_of
from training.dataset import ListingRows, Queries
from training.drift import MAIN, by_chance, check_drift, psi
from training.origins import Drawn
from training.split import Split, split_time, suited

N_QUERIES, N_ROWS = 60, 40
NOTHING = np.zeros(0)
NO_LISTINGS = ListingRows(*[NOTHING] * 9)  # type: ignore[arg-type]


def drawn(seed: int, *, n_queries: int = N_QUERIES, sold: float = 0.1) -> Drawn:
    """Candidates whose features and labels are nothing but chance."""
    rng = np.random.default_rng(seed)

    def queries() -> Queries:
        n = n_queries * N_ROWS
        matrix = rng.normal(size=(n, len(NAMES))).astype(np.float32)
        label = np.where(rng.random(n) < sold, 3, rng.integers(0, 3, n)).astype(np.int32)
        return Queries(matrix, label, np.full(n_queries, N_ROWS), np.ones(n), np.ones(n), 0)

    return Drawn({side: (queries(), queries()) for side in SIDES}, NO_LISTINGS, {})


def changed(part: Drawn, name: str, change: Callable[[F64], F64]) -> Drawn:
    """One column of all candidates, changed."""

    def of(queries: Queries) -> Queries:
        matrix = queries.matrix.copy()
        matrix[:, NAMES.index(name)] = change(matrix[:, NAMES.index(name)].astype(np.float64))
        return replace(queries, matrix=matrix)

    return replace(part, queries={side: tuple(map(of, both)) for side, both in part.queries.items()})


def drift(
    facts: Facts, newest: Drawn, fit: Sequence[Drawn] | None = None, **bounds: Any
) -> dict[str, Finding]:
    """Fit windows 70 and 56 days back, judged 14 days back."""
    at = [facts.as_of_us - days * DAY_US for days in (14, 28, 56, 70)]
    split = Split(judge=at[0], stop=at[1], fit=(at[2], at[3]), everything=())
    parts = dict(zip((at[2], at[3]), fit or (drawn(1), drawn(2)), strict=True)) | {at[0]: newest}
    gate = GatePolicy(drift=DriftPolicy(**bounds))
    return {found.about: found for found in check_drift(facts, parts, split, 14, gate)}


# the index itself


def test_the_index_is_nothing_for_the_same_and_grows_with_the_shift() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(size=5_000)
    shifts = [psi(before, rng.normal(size=5_000) + shift) for shift in (0.0, 0.3, 1.0, 10.0)]
    assert shifts == sorted(shifts)
    assert shifts[0] < 0.02
    assert 0.05 < shifts[1] < 0.2
    assert shifts[3] > 5
    assert psi(before, before) == 0


def test_the_index_by_hand() -> None:
    before, now = np.repeat([0.0, 1.0], 50), np.repeat([0.0, 1.0], [75, 25])
    # under 0, 0 to 1/2, 1/2 to 1, 1, over 1, missing: each with a half more than was counted
    then, after = (
        np.array([0.5, zeros, 0.5, ones, 0.5, 0.5]) / 103 for zeros, ones in ((50.5, 50.5), (75.5, 25.5))
    )
    assert psi(before, now) == pytest.approx(float(((after - then) * np.log(after / then)).sum()))


@pytest.mark.parametrize("to", [0.0, 5.1, 1e6, np.nan])
def test_a_column_that_never_varied_is_found_when_it_does(to: float) -> None:
    assert psi(np.full(1_000, 5.0), np.full(1_000, to)) > 5


def test_what_was_missing_throughout_and_is_known_now_is_found_and_nothing_is_said_of_nothing() -> None:
    assert psi(np.full(1_000, np.nan), np.ones(1_000)) > 5
    assert psi(np.full(10, np.nan), np.full(10, np.nan)) == 0
    assert psi(NOTHING, np.ones(3)) == 0
    assert psi(np.ones(3), NOTHING) == 0


def test_chance_alone_comes_to_about_what_is_reckoned_for_it() -> None:
    rng = np.random.default_rng(2)
    drawn_ = [psi(rng.normal(size=300), rng.normal(size=150)) for _ in range(200)]
    assert np.mean(drawn_) == pytest.approx(by_chance(300, 150), rel=0.4)


def test_the_main_features_are_in_the_catalogue_and_of_every_family_but_the_calendars() -> None:
    families = {feature.name: feature.family for feature in FEATURES}
    assert len(set(MAIN)) == len(MAIN)
    assert {families[name] for name in MAIN} == {feature.family for feature in FEATURES} - {"occasion"}


# features and labels of candidates


def test_a_market_that_goes_on_as_it_was_drifts_nowhere(trained: Trained) -> None:
    assert {found.level for found in drift(trained.facts, drawn(3)).values()} == {"held"}


@pytest.mark.parametrize(
    ("change", "level"),
    [
        (lambda column: column + 0.1, "held"),
        (lambda column: column + 1.0, "warned"),
        (lambda column: np.abs(column) * 1_000 + 1_000, "refused"),
    ],
)
def test_a_feature_that_shifts_is_named_and_one_whose_unit_changed_is_refused(
    trained: Trained, change: Callable[[F64], F64], level: str
) -> None:
    found = drift(trained.facts, changed(drawn(3), "anchor_fans", change))["drift of features"]
    assert found.level == level
    figures = dict(found.figures["figures"])
    moved = figures.pop("anchor_fans")
    assert all(figure < 0.25 for figure in figures.values())
    assert (f"anchor_fans {moved:.2f}; told from 0.25, refused from 3" in found.says) == (level != "held")


def test_a_feature_of_no_importance_may_drift(trained: Trained) -> None:
    found = drift(trained.facts, changed(drawn(3), "days_to_event", lambda column: column + 1_000))
    assert found["drift of features"].level == "held"


@pytest.mark.parametrize(("share", "level"), [(0.05, "held"), (0.2, "warned"), (0.6, "refused")])
def test_a_feature_that_goes_missing_is_found(trained: Trained, share: float, level: str) -> None:
    def lose(column: F64) -> F64:
        column[: int(len(column) * share)] = np.nan
        return column

    found = drift(trained.facts, changed(drawn(3), "audience_viewer_sku", lose))["drift of what is missing"]
    assert found.level == level
    assert next(iter(found.figures["figures"].items())) == (
        "audience_viewer_sku",
        pytest.approx(share, abs=0.001),
    )


@pytest.mark.parametrize(
    ("sold", "level"),
    [(0.12, "held"), (0.2, "warned"), (0.05, "warned"), (0.02, "refused"), (0.4, "refused")],
)
def test_candidates_that_sell_far_more_or_less_often_than_they_did_are_found(
    trained: Trained, sold: float, level: str
) -> None:
    found = drift(trained.facts, drawn(3, sold=sold))["drift of labels"]
    assert found.level == level
    assert set(found.figures["rates"]) == {
        f"{side}, {mode} pairs" for side in SIDES for mode in ("all", "new")
    }


@pytest.mark.parametrize(("n", "level"), [(12, "unknown"), (13, "warned")])
def test_of_too_few_queries_no_drift_is_told(trained: Trained, n: int, level: str) -> None:
    few = changed(drawn(3, n_queries=n), "anchor_fans", lambda column: column + 1.5)
    found = drift(trained.facts, few)
    assert found["drift of features"].level == level
    assert found["drift of labels"].level == "unknown"


def test_bounds_are_the_policys(trained: Trained) -> None:
    moved = changed(drawn(3), "rate", lambda column: column + 1.0)
    for bounds, level in ((Bounds(warns=5, refuses=6), "held"), (Bounds(warns=0.1, refuses=0.5), "refused")):
        assert drift(trained.facts, moved, psi=bounds)["drift of features"].level == level


def test_a_bound_that_refuses_before_it_warns_is_no_bound() -> None:
    with pytest.raises(ValueError, match="refuses at 1, before it warns at 2"):
        Bounds(warns=2, refuses=1)
    assert level_of(0.5, Bounds(warns=0.5, refuses=0.5)) == "refused"


# categories and crowds, as of tonight


def opened(trained: Trained, share: float) -> Facts:
    """A new category: goods that nobody put up before the last two days take that share of the week's exposure."""
    facts, rng = trained.facts, np.random.default_rng(5)
    recent = facts.listings.at_us >= facts.as_of_us - 2 * DAY_US
    week = facts.listings.at_us >= facts.as_of_us - 7 * DAY_US
    newcomer = 0
    kept = facts.listings.take(facts.listings.sku != newcomer)
    recent, week = (mask[facts.listings.sku != newcomer] for mask in (recent, week))
    moved = np.flatnonzero(recent)
    n = min(round(share * np.count_nonzero(week)), len(moved))
    sku = kept.sku.copy()
    sku[rng.choice(moved, n, replace=False)] = newcomer
    listings = replace(kept, sku=sku, impressions=np.full(len(sku), np.nan))
    category = pl.when(pl.col("sku") == newcomer).then(pl.lit("pets/toys")).otherwise(pl.col("category"))
    return replace(facts, listings=listings, skus=facts.skus.with_columns(category=category))


@pytest.mark.parametrize(("share", "level"), [(0.0, "held"), (0.005, "held"), (0.05, "warned")])
def test_a_category_that_opened_two_days_ago_is_found_by_its_share_of_the_weeks_exposure(
    trained: Trained, share: float, level: str
) -> None:
    found = drift(opened(trained, share), drawn(3))["drift of categories"]
    assert found.level == level
    assert found.figures["share"] == pytest.approx(share, abs=0.003)
    assert ("(pets/toys)" in found.says) == (share > 0)


def test_a_category_that_was_there_when_the_fit_window_ended_is_not_new(trained: Trained) -> None:
    found = drift(trained.facts, drawn(3))["drift of categories"]
    assert found.figures == {"share": 0.0, "categories": []}
    silent = replace(trained.facts, listings=trained.facts.listings.take(slice(0, 0)))
    assert drift(silent, drawn(3))["drift of categories"].level == "unknown"


def observed(facts: Facts, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Facts:
    """All crowds looked at again yesterday, changed."""
    day: Any = facts.audiences["observed_day"].max()
    latest = facts.audiences.filter(
        pl.col("observed_day") == pl.col("observed_day").max().over("anchor", "role", "dimension")
    )
    again = change(latest).with_columns(
        observed_day=pl.lit(day + 1, pl.Int32), known_us=pl.lit(facts.as_of_us - DAY_US, pl.Int64)
    )
    keys = ["anchor", "role", "dimension", "observed_day", "bucket"]
    return replace(facts, audiences=pl.concat([facts.audiences, again]).sort(keys))


def test_crowds_that_changed_yesterday_are_found_and_named(trained: Trained) -> None:
    young = (pl.col("dimension") == "gender") & (pl.col("role") == "viewer")
    swapped = pl.when(young).then(1 - pl.col("share")).otherwise(pl.col("share"))
    found = drift(observed(trained.facts, lambda rows: rows.with_columns(share=swapped)), drawn(3))
    assert found["drift of audiences"].level == "warned"
    assert "viewer gender" in found["drift of audiences"].says
    same = drift(observed(trained.facts, lambda rows: rows), drawn(3))["drift of audiences"]
    assert same.level == "held"


def test_where_no_crowd_was_ever_observed_it_is_said(trained: Trained) -> None:
    blind = replace(trained.facts, audiences=trained.facts.audiences.clear())
    assert drift(blind, drawn(3))["drift of audiences"].level == "unknown"


def test_without_a_fit_window_nothing_drifts_and_it_is_said(trained: Trained) -> None:
    (told,) = check_drift(trained.facts, {}, Split(None, None, (), ()), 14, GatePolicy())
    assert told.level == "unknown"


def test_a_night_reports_what_drifts_by_the_same_figures(trained: Trained) -> None:
    recipe = suited(trained.facts, SMALL)
    split = split_time(trained.facts, recipe)
    assert split.fit
    told = {found.about: found.says for found in trained.night.decision.findings if "drift" in found.about}
    assert trained.night.report["drift"] == told
    assert len(told) == 5
