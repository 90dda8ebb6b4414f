"""How is a forest grown? `lightgbm.train` on queries or on listings, the same bytes from the same rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from features.catalogue import FEATURES, NAMES, fingerprint
from features.kernels import F64, I32, I64
from matcher.ranker import Ranker
from training.dataset import ListingRows, Queries, without_shown
from training.labels import exposed, quintiles
from training.metrics import grouped_ndcg, paired
from training.recipe import ForestSetting, Recipe


@dataclass(frozen=True, slots=True)
class Grown:
    """A ranker, and how many rounds it took."""

    ranker: Ranker
    rounds: int


def fit_uptake(
    queries: Queries, recipe: Recipe, setting: ForestSetting, *, stop: Queries | None = None,
    rounds: int | None = None,
) -> Grown:  # fmt: skip
    """Grow for `rounds`, or until the `stop` window has not improved for a while.

    Of the objectives lambdarank alone tells apart what a row's place did; others grow on drawn queries only.
    """
    queries = queries if setting.objective == "lambdarank" else without_shown(queries)
    parameters = _parameters(recipe) | {
        "objective": setting.objective,
        "learning_rate": setting.learning_rate,
        "num_leaves": setting.num_leaves,
        "min_data_in_leaf": min(setting.min_rows_in_leaf, max(len(queries.label) // 50, 1)),
        "feature_fraction": setting.feature_share,
        "lambdarank_truncation_level": recipe.truncation,
        "label_gain": list(recipe.label_gain),
        "bagging_by_query": True,
        "metric": "ndcg",
        "eval_at": [10],
    }
    return _grow(
        parameters, _ranked(queries), _ranked(stop) if stop else None, recipe, rounds or setting.max_rounds
    )


def fit_value(listings: ListingRows, recipe: Recipe, *, rounds: int | None = None) -> Grown:
    """A ranker within live sessions: the same crowd, graded by settled net GMV an exposure."""
    kept = np.flatnonzero(listings.settled)
    label, group = session_grades(listings, kept)
    parameters = _parameters(recipe) | {
        "objective": "lambdarank",
        "learning_rate": 0.06,
        "num_leaves": recipe.value_leaves,
        "min_data_in_leaf": min(60, max(len(kept) // 50, 1)),
        "feature_fraction": 0.4,
        "lambdarank_truncation_level": recipe.truncation,
        "label_gain": [0, 1, 3, 7, 15],
    }
    rows = lightgbm.Dataset(
        listings.matrix[kept], label, group=group, weight=listings.weight[kept], feature_name=list(NAMES),
        params={"max_bin": parameters["max_bin"], "verbose": -1},
    )  # fmt: skip
    return _grow(parameters, rows, None, recipe, rounds or recipe.value_rounds)


def session_grades(listings: ListingRows, kept: I64) -> tuple[I32, I64]:
    """Grades 0..4 inside each session, and the sessions' sizes; GMV a listing where exposures are unknown."""
    session = listings.session[kept]
    exposure = exposed(listings.exposure[kept], session)
    changes = np.flatnonzero(np.concatenate([[True], session[1:] != session[:-1]]))
    return quintiles(session, listings.net_fen[kept] / exposure), np.diff([*changes, len(kept)])


def compare_settings(
    fit: Queries, stop: Queries, recipe: Recipe
) -> tuple[Grown, ForestSetting, list[Mapping[str, Any]]]:
    """Each setting grown on the fit window and stopped on the early window; the best there by paired bootstrap.

    A later setting must be better than the best so far beyond doubt; otherwise the earlier one stays.
    """
    report: list[Mapping[str, Any]] = []
    best: tuple[Grown, ForestSetting, F64] | None = None
    for setting in recipe.settings:
        grown = fit_uptake(fit, recipe, setting, stop=stop)
        gain = np.asarray(recipe.label_gain)[stop.label]
        values = np.nan_to_num(grouped_ndcg(grown.ranker.score(stop.matrix), gain, stop.group))
        entry: dict[str, Any] = {
            "setting": setting.name,
            "rounds": grown.rounds,
            "ndcg10": float(values.mean()),
        }
        if best is not None:
            entry["against_best"] = paired(values, best[2])
        if best is None or entry["against_best"][1] > 0:
            best = (grown, setting, values)
        report.append(entry)
    assert best is not None, "a recipe names at least one setting"
    return best[0], best[1], report


def _grow(
    parameters: Mapping[str, Any],
    rows: lightgbm.Dataset,
    stop: lightgbm.Dataset | None,
    recipe: Recipe,
    rounds: int,
) -> Grown:
    callbacks: list[Callable[..., Any]] = []
    if stop is not None:
        callbacks.append(lightgbm.early_stopping(recipe.early_stopping_rounds, verbose=False))
    booster = lightgbm.train(
        dict(parameters), rows, rounds, valid_sets=[stop] if stop else [], callbacks=callbacks
    )
    grown = booster.current_iteration()
    if stop and booster.best_iteration > 0:
        grown = max(booster.best_iteration, min(recipe.least_rounds, grown))
    return Grown(Ranker.from_booster(booster, fingerprint=fingerprint(), rounds=grown), rounds=grown)


def _ranked(queries: Queries) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        queries.matrix, queries.label, group=queries.group, weight=queries.weight, position=queries.position,
        feature_name=list(NAMES), params={"max_bin": 127, "verbose": -1},
    )  # fmt: skip


def _parameters(recipe: Recipe) -> dict[str, Any]:
    return dict(recipe.lightgbm) | {
        "verbose": -1,
        "num_threads": 1,  # on two, the last bits of a leaf change from run to run
        "deterministic": True,
        "force_col_wise": True,
        "seed": recipe.seed,
        "monotone_constraints": _signs(),
    }


def _signs() -> Sequence[int]:
    return [feature.sign for feature in FEATURES]
