"""How is the outcome model learned, and can it be believed? Fitted, calibrated and measured on three windows in turn.

The forest learns units a listing at the exposure that each listing really had, so that a hit that was given the
best hour is not taken for a good match; where nobody counts exposures the anchor's usual stands in. Large listings
scatter more than a Poisson would: with a variance of m + d m^2, d by moments, each weighs 1 / (1 + d m). The
calibration then sees what a list would have promised (at the usual exposure, which alone is known beforehand)
beside what came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import lightgbm
import numpy as np
from rich.table import Table
from scipy.stats import poisson
from sklearn.isotonic import isotonic_regression

from features.catalogue import NAMES, fingerprint
from features.kernels import F64, I64
from matcher.outcome import Calibration, Curve, Outcome, starting_units
from matcher.ranker import Ranker
from training.dataset import ListingRows
from training.recipe import Recipe

TAILS: Final = (0.1, 0.9)
"""Below the first and above the second a fifth of the outcomes lie."""
FEWEST_ROWS: Final = 200
"""With fewer listings in the later window there is no calibration to speak of."""
_LEARNING_RATE: Final = 0.1
_MOST_EXPOSURE_RATIO: Final = 100.0
_ROWS_A_MEAN, _MOST_MEANS = 100, 30
_ROWS_A_RANGE, _MOST_RANGES = 150, 40
_N_GROUPS: Final = 10


def fit_outcome(
    fit: ListingRows, calibrate: ListingRows, recipe: Recipe, *, rounds: int | None = None
) -> Outcome:
    """A forest grown on one window, stopped early (unless `rounds` are given) and calibrated on a later one.

    Where the earlier window is empty the later one is fitted; nothing is then left to calibrate on.
    """
    if not len(fit.units):
        fit, calibrate = calibrate, _first(calibrate, 0)
    usual = max(_mean(fit.units, fit.weight), 1e-6)
    rows, dispersion = _dataset(fit, usual, recipe, None)
    stops = len(calibrate.units) >= FEWEST_ROWS and calibrate.units.sum() > 0 and rounds is None
    booster = lightgbm.train(
        _parameters(recipe, len(fit.units)),
        rows,
        rounds or recipe.outcome_rounds,
        valid_sets=[_dataset(calibrate, usual, recipe, dispersion)[0]] if stops else [],
        callbacks=[lightgbm.early_stopping(recipe.early_stopping_rounds, verbose=False)] if stops else [],
    )
    grown = booster.best_iteration if stops and booster.best_iteration > 0 else booster.current_iteration()
    forest = Ranker.from_booster(booster, fingerprint=fingerprint(), rounds=grown)
    believed = Outcome(forest, usual, _poisson(usual), report={})
    raw, units = believed.raw_units(calibrate.matrix), np.maximum(calibrate.units, 0.0)
    return replace(believed, calibration=calibration(raw, units, calibrate.weight) or believed.calibration)


def calibration(raw: F64, units: F64, weight: F64) -> Calibration | None:
    """Rising curves from the forest's units to the mean, the 10 % and the 90 % point of what came.

    Nothing where FEWEST_ROWS are not met or nothing sold: there is nothing to hold the forest against.
    """
    if len(raw) < FEWEST_ROWS or not units.sum() > 0:
        return None
    order = np.argsort(raw, kind="stable")
    raw, units, weight = raw[order], units[order], weight[order]
    bins = np.array_split(np.arange(len(raw)), min(max(len(raw) // _ROWS_A_MEAN, 1), _MOST_MEANS))
    size = np.array([weight[rows].sum() for rows in bins])
    at = np.array([_mean(raw[rows], weight[rows]) for rows in bins])
    mean = _centred(at, at * _pooled_levels(raw, units, weight, bins), size)
    bins = np.array_split(np.arange(len(raw)), min(max(len(raw) // _ROWS_A_RANGE, 1), _MOST_RANGES))
    at = np.array([raw[rows].mean() for rows in bins])
    size = np.array([float(len(rows)) for rows in bins])
    low, high = (
        _rising(at, isotonic_regression([point_of(units[rows], tail) for rows in bins], sample_weight=size))
        for tail in TAILS
    )
    return Calibration(mean=mean, low=_from_nothing(low), high=high, n_rows=len(raw))


def point_of(units: F64, share: float) -> float:
    """The amount below which `share` of the counts lie, each count c spread evenly over c - 1/2 .. c + 1/2.

    Between two such points lie the whole numbers whose tails come nearest to what was asked for.

    >>> point_of(np.array([0.0, 0.0, 0.0, 1.0]), 0.5), point_of(np.array([0.0, 0.0, 0.0, 1.0]), 0.9)
    (0.16666666666666663, 1.1)
    """
    counts, repeats = np.unique(units, return_counts=True)
    below = np.concatenate([[0.0], np.cumsum(repeats)]) / len(units)
    place = min(int(np.searchsorted(below, share, side="right")) - 1, len(counts) - 1)
    within = (share - below[place]) / (below[place + 1] - below[place])
    return float(max(counts[place] - 0.5 + within, 0.0))


def measure_outcome(outcome: Outcome, rows: ListingRows) -> dict[str, Any]:
    """Promised against brought on a window that neither fitted nor calibrated: in all, and by tenths of the promise.

    `deviance_share` is how much of the Poisson deviance about the mean is explained, beside it what the starting
    value (`expected_ratio`) explains once its level is right. Empty where there are no rows.
    """
    n = len(rows.units)
    if not n:
        return {}
    units = np.maximum(rows.units, 0.0)
    expected = outcome.expect(rows.matrix, rows.unit_gmv_fen, np.full(n, -1, np.int64))
    start = starting_units(rows.matrix, NAMES, outcome.usual_units)
    about_mean = _deviance(units, np.full(n, units.mean()))
    order = np.argsort(expected.units, kind="stable")

    def figures(places: Any) -> dict[str, float | int]:
        came, promised = units[places], expected.units[places]
        below, above = came < expected.units_low[places], came > expected.units_high[places]
        brought = rows.gmv_fen[places]
        inside = (brought >= expected.gmv_low_fen[places]) & (brought <= expected.gmv_high_fen[places])
        return {
            "n": len(places),
            "units_expected": _round(promised.mean()),
            "units_sold": _round(came.mean()),
            "below": _round(below.mean()),
            "above": _round(above.mean()),
            "coverage": _round(1.0 - below.mean() - above.mean()),
            "gmv_expected_fen": round(float(expected.gmv_fen[places].mean())),
            "gmv_fen": round(float(brought.mean())),
            "gmv_coverage": _round(inside.mean()),
        }

    return figures(order) | {
        "calibrated_on": outcome.calibration.n_rows,
        "deviance_share": _round(1.0 - _deviance(units, expected.units) / max(about_mean, 1e-12)),
        "deviance_share_of_start": _round(
            1.0 - _deviance(units, start * (units.mean() / start.mean())) / max(about_mean, 1e-12)
        ),
        "tenths": [figures(tenth) for tenth in np.array_split(order, min(_N_GROUPS, n))],
    }


def calibration_table(report: Mapping[str, Any]) -> Table:
    """For the terminal: a line for each tenth of the promises, the least first, and one for all."""
    table = Table(title="What was promised, and what came, in the window that judged")
    for heading in ("promise", "listings", "units expected", "units sold", "in the 80 % range", "below", "above",
                    "GMV expected, yuan", "GMV, yuan", "in its range"):  # fmt: skip
        table.add_column(heading, justify="right")
    lines = [(f"tenth {place}", tenth) for place, tenth in enumerate(report.get("tenths", ()), start=1)]
    for name, figures in [*lines, *([("all", report)] if report else [])]:
        table.add_row(
            name,
            f"{figures['n']:,}",
            f"{figures['units_expected']:,.2f}",
            f"{figures['units_sold']:,.2f}",
            f"{figures['coverage']:.0%}",
            f"{figures['below']:.0%}",
            f"{figures['above']:.0%}",
            f"{figures['gmv_expected_fen'] / 100:,.0f}",
            f"{figures['gmv_fen'] / 100:,.0f}",
            f"{figures['gmv_coverage']:.0%}",
            end_section=name != "all" and figures is lines[-1][1],
        )
    return table


def _dataset(
    rows: ListingRows, usual: float, recipe: Recipe, dispersion: float | None
) -> tuple[lightgbm.Dataset, float]:
    """Rows with what they start from and what they weigh; the dispersion is taken from them if none is given."""
    start = starting_units(rows.matrix, NAMES, usual) * _exposure_ratio(rows)
    units = np.maximum(rows.units, 0.0)
    # LightGBM refuses labels that are all 0; one millionth of a unit is nothing too.
    units = units if units.sum() > 0 else np.full(len(units), 1e-6)
    usual_units = start * (_mean(units, rows.weight) / _mean(start, rows.weight))
    if dispersion is None:
        excess = _mean((units - usual_units) ** 2 - usual_units, rows.weight)
        dispersion = max(excess / _mean(usual_units**2, rows.weight), 0.0)
    dataset = lightgbm.Dataset(
        rows.matrix, units, weight=rows.weight / (1.0 + dispersion * usual_units), init_score=np.log(start),
        feature_name=list(NAMES), params={"max_bin": recipe.lightgbm["max_bin"], "verbose": -1},
    )  # fmt: skip
    return dataset, dispersion


def _exposure_ratio(rows: ListingRows) -> F64:
    """What a listing was shown to what the anchor's listings usually are; 1 where either is unknown."""
    usual = rows.matrix[:, NAMES.index("anchor_impressions_per_listing")].astype(np.float64)
    known = (rows.exposure > 0) & (usual > 0) & (rows.matrix[:, NAMES.index("expected_ratio")] > 0)
    ratio = np.where(known, rows.exposure, 1.0) / np.where(known, usual, 1.0)
    return np.clip(ratio, 1.0 / _MOST_EXPOSURE_RATIO, _MOST_EXPOSURE_RATIO)


def _parameters(recipe: Recipe, n_rows: int) -> dict[str, Any]:
    return dict(recipe.lightgbm) | {
        "objective": "poisson",
        "metric": "poisson",
        "learning_rate": _LEARNING_RATE,
        "num_leaves": recipe.outcome_leaves,
        "min_data_in_leaf": min(60, max(n_rows // 50, 1)),
        "feature_fraction": 0.4,
        "bagging_freq": recipe.lightgbm["bagging_freq"]
        if n_rows >= FEWEST_ROWS
        else 0,  # 0.7 of a row is none
        "max_delta_step": 2.0,  # one freak listing moves its leaf by no more than that, in logs
        "verbose": -1,
        "num_threads": 1,  # on two, the last bits of a leaf change from run to run
        "deterministic": True,
        "force_col_wise": True,
        "seed": recipe.seed,
    }


def _poisson(usual: float) -> Calibration:
    """The curves of a forest that is believed as it stands: its own units, and a Poisson's range about them."""
    at = np.geomspace(min(0.05, usual / 10.0), max(1_000.0, usual * 100.0), 60)
    line = np.array([0.0, at[-1]])
    low, high = (np.maximum(poisson.ppf(tail, at), 0.0) for tail in TAILS)
    return Calibration(
        mean=Curve(line, line), low=_from_nothing(Curve(at, low)), high=Curve(at, high), n_rows=0
    )


def _pooled_levels(raw: F64, units: F64, weight: F64, bins: Sequence[I64]) -> F64:
    """Units to promise of each bin, (n_bins,), drawn to that of all as far as chance alone explains the difference.

    By moments, as DerSimonian and Laird pool trials: a bin keeps t / (t + s) of its difference, s the variance of
    its own level, t what is left of the variance between the bins when their own is taken off.
    """
    overall = _mean(units, weight) / _mean(raw, weight)
    levels = np.array([_mean(units[rows], weight[rows]) / _mean(raw[rows], weight[rows]) for rows in bins])
    own = np.array([units[rows].var() / len(rows) / raw[rows].mean() ** 2 for rows in bins])
    between = max(float(((levels - overall) ** 2 - own).mean()), 0.0)
    return overall + (levels - overall) * between / np.maximum(between + own, 1e-300)


def _centred(at: F64, value: F64, size: F64) -> Curve:
    """Isotonic means as a line through the centres of their levels, so that more always promises more.

    After Oron and Flournoy, "Centered isotonic regression" (2017). Levels at nothing join the next one.
    """
    level = isotonic_regression(value, sample_weight=size)
    groups: list[list[int]] = []
    for place in range(len(at)):
        alike = groups and (level[place] == level[groups[-1][0]] or level[groups[-1]].max() <= 0)
        if alike or (groups and at[place] <= at[groups[-1]].max()):
            groups[-1].append(place)
        else:
            groups.append([place])
    centres = np.array([_mean(at[group], size[group]) for group in groups])
    heights = np.array([_mean(level[group], size[group]) for group in groups])
    return _from_nothing(Curve(centres, heights))


def _rising(at: F64, value: F64) -> Curve:
    """Knots at distinct places; of those at one place the last."""
    last = np.concatenate([at[1:] > at[:-1], [True]])
    return Curve(at[last], np.asarray(value)[last])


def _from_nothing(line: Curve) -> Curve:
    return Curve(np.concatenate([[0.0], line.at]), np.concatenate([[0.0], line.value]))


def _deviance(units: F64, expected: F64) -> float:
    """Mean Poisson deviance; what is expected counts as a little above 0, or one sale would be infinitely wrong."""
    expected = np.maximum(expected, 1e-9)
    ratio = np.where(units > 0, units, 1.0) / expected
    return float(2.0 * (np.where(units > 0, units * np.log(ratio), 0.0) - (units - expected)).mean())


def _mean(values: F64, weight: F64) -> float:
    # Not a dot product: BLAS sums in an order that depends on its threads.
    return float((values * weight).sum() / weight.sum()) if len(values) else 0.0


def _first(rows: ListingRows, n: int) -> ListingRows:
    return replace(rows, **{name: getattr(rows, name)[:n] for name in ListingRows.__slots__})


def _round(value: Any) -> float:
    return round(float(value), 4)
