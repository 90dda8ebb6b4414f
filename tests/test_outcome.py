"""Are expected units, GMV and commission right where the truth is known, and do they say how sure they are?"""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console
from sqlalchemy import Engine

from features.catalogue import NAMES, fingerprint
from features.errors import FeatureMismatch
from features.kernels import F32, F64
from features.matrix import NO_RATE
from features.units import Fen, Ppm, commission_fen
from market import Market, ago
from matcher.outcome import NO_COMMISSION, Curve, ExpectedOne, Outcome, starting_units, unit_gmv
from training.dataset import ListingRows
from training.outcome_fit import (
    FEWEST_ROWS,
    calibration,
    calibration_table,
    fit_outcome,
    measure_outcome,
    point_of,
)
from training.recipe import Recipe

RECIPE = Recipe(outcome_rounds=120, early_stopping_rounds=20)
FIT, CALIBRATE, JUDGE = range(3)
USUAL_EXPOSURE = 100.0


def column(name: str) -> int:
    return NAMES.index(name)


def listings(
    n: int, window: int, *, level: float = 1.0, usual: float = 3.0, is_shown: bool = True, hits: bool = False
) -> tuple[ListingRows, F64]:
    """Listings of a Poisson world, and the units that each would truly bring at its anchor's usual exposure.

    The starting value is right but for what two features add. `hits`: a third of the goods, which another column
    shows, get ten times the exposure and convert like the rest.
    """
    rng = np.random.default_rng([20_261_122, window])
    matrix = np.full((n, len(NAMES)), np.nan, np.float32)
    start = rng.lognormal(np.log(usual), 1.0, n)
    gap, trust, popular = rng.normal(size=n), rng.normal(size=n), rng.random(n) < 1 / 3
    for name, values in {
        "expected_ratio": start,
        "anchor_impressions_per_listing": np.full(n, USUAL_EXPOSURE),
        "sku_price_gap": gap,
        "trust_nonstandard": trust,
        "sku_listings_30d": popular.astype(np.float64),
    }.items():
        matrix[:, column(name)] = values
    truth = start * np.exp(0.5 * gap - 0.7 * np.abs(trust)) * level
    exposure = USUAL_EXPOSURE * rng.lognormal(-0.02, 0.2, n) * np.where(popular & hits, 10.0, 1.0)
    units = rng.poisson(truth * exposure / USUAL_EXPOSURE).astype(np.float64)
    rows = ListingRows(
        matrix=matrix,
        session=np.arange(n) // 10,
        units=units,
        gmv_fen=units * 2_000,
        net_fen=units * 2_000,
        exposure=exposure if is_shown else np.full(n, np.nan),
        settled=np.ones(n, np.bool_),
        weight=np.ones(n),
        unit_gmv_fen=np.full(n, 2_000.0),
    )
    return rows, truth


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return fit_outcome(listings(8_000, FIT)[0], listings(6_000, CALIBRATE)[0], RECIPE)


@pytest.fixture(scope="module")
def judged() -> tuple[ListingRows, F64]:
    return listings(6_000, JUDGE)


def no_rates(n: int) -> NDArray[np.int64]:
    return np.full(n, NO_RATE, np.int64)


def test_expected_units_follow_the_truth_within_a_few_per_cent_at_every_level(
    outcome: Outcome, judged: tuple[ListingRows, F64]
) -> None:
    rows, truth = judged
    units = outcome.expect(rows.matrix, rows.unit_gmv_fen, no_rates(len(truth))).units
    assert units.sum() == pytest.approx(truth.sum(), rel=0.05)
    for tenth in np.array_split(np.argsort(units), 10):
        assert units[tenth].mean() == pytest.approx(truth[tenth].mean(), rel=0.15, abs=0.05)
    assert np.corrcoef(np.log(units), np.log(truth))[0, 1] > 0.97


def test_four_outcomes_of_five_lie_in_the_interval_and_as_many_below_as_above() -> None:
    fit, later, last = (listings(5_000, window, usual=40.0)[0] for window in (FIT, CALIBRATE, JUDGE))
    report = measure_outcome(fit_outcome(fit, later, RECIPE), last)
    assert report["coverage"] == pytest.approx(0.8, abs=0.04)
    assert report["below"] == pytest.approx(0.1, abs=0.03)
    assert report["above"] == pytest.approx(0.1, abs=0.03)
    assert report["gmv_coverage"] == pytest.approx(report["coverage"], abs=0.02)
    assert report["calibrated_on"] == 5_000
    assert report["deviance_share"] > report["deviance_share_of_start"] + 0.1
    for tenth in report["tenths"]:
        assert tenth["coverage"] == pytest.approx(0.8, abs=0.1)


def test_where_few_are_sold_the_interval_begins_at_nothing_and_still_a_tenth_lies_above(
    outcome: Outcome, judged: tuple[ListingRows, F64]
) -> None:
    report = measure_outcome(outcome, judged[0])
    assert report["above"] == pytest.approx(0.1, abs=0.03)
    least = report["tenths"][0]
    assert least["below"] == 0.0
    assert least["above"] < 0.13


def test_a_level_that_moved_since_the_fit_is_learned_from_the_later_window(outcome: Outcome) -> None:
    doubled = fit_outcome(listings(4_000, FIT)[0], listings(4_000, CALIBRATE, level=2.0)[0], RECIPE)
    rows, truth = listings(4_000, JUDGE, level=2.0)
    expected = doubled.expect(rows.matrix, rows.unit_gmv_fen, no_rates(4_000))
    assert expected.units.sum() == pytest.approx(truth.sum(), rel=0.08)
    assert outcome.expect(rows.matrix, rows.unit_gmv_fen, no_rates(4_000)).units.sum() < 0.6 * truth.sum()


def test_goods_that_were_only_shown_more_are_not_taken_for_better() -> None:
    fit, later = listings(6_000, FIT, hits=True)[0], listings(3_000, CALIBRATE)[0]
    popular = later.matrix[:, column("sku_listings_30d")] > 0
    assert _lift(fit_outcome(fit, later, RECIPE), later, popular) == pytest.approx(1.0, abs=0.15)
    blind = replace(fit, exposure=np.full(6_000, np.nan))
    assert _lift(fit_outcome(blind, later, RECIPE, rounds=60), later, popular) > 3.0


def _lift(outcome: Outcome, rows: ListingRows, of: NDArray[np.bool_]) -> float:
    start = rows.matrix[:, column("expected_ratio")]
    ratio = outcome.raw_units(rows.matrix) / start
    return float(ratio[of].mean() / ratio[~of].mean())


def test_where_nobody_counts_exposures_units_are_still_right() -> None:
    outcome = fit_outcome(
        listings(6_000, FIT, is_shown=False)[0],
        listings(3_000, CALIBRATE, is_shown=False)[0],
        RECIPE,
    )
    rows, truth = listings(3_000, JUDGE, is_shown=False)
    units = outcome.expect(rows.matrix, rows.unit_gmv_fen, no_rates(3_000)).units
    assert units.sum() == pytest.approx(truth.sum(), rel=0.08)


def test_the_curves_rise(outcome: Outcome) -> None:
    for curve in (outcome.calibration.mean, outcome.calibration.low, outcome.calibration.high):
        assert (np.diff(curve.at) > 0).all()
        assert (np.diff(curve.value) >= 0).all()
    assert (np.diff(outcome.calibration.mean.value) > 0).all()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10_000)), min_size=FEWEST_ROWS, max_size=400))
def test_curves_rise_whatever_came(pairs: Sequence[tuple[float, int]]) -> None:
    raw, units = np.array(pairs, np.float64).T
    found = calibration(raw + 1e-9, units, np.ones(len(pairs)))
    if not units.sum() > 0:
        assert found is None
        return
    assert found is not None
    x = np.sort(np.concatenate([raw, raw * 3, np.geomspace(1e-9, 1e9, 50)]))
    for curve in (found.mean, found.low, found.high):
        assert np.isfinite(curve(x)).all()
        assert (np.diff(curve(x)) >= -1e-9 * curve(x)[1:]).all()


def test_beyond_its_last_knot_a_curve_goes_on_in_proportion_and_before_its_first_it_is_level() -> None:
    curve = Curve(np.array([1.0, 2.0]), np.array([3.0, 8.0]))
    assert curve(np.array([0.0, 1.0, 1.5, 2.0, 4.0])).tolist() == [3.0, 3.0, 5.5, 8.0, 16.0]


def test_with_a_listing_too_few_a_poisson_stands_in_for_the_calibration() -> None:
    rows, _ = listings(600, FIT)
    enough, _ = listings(FEWEST_ROWS, CALIBRATE)
    short = _first(enough, FEWEST_ROWS - 1)
    assert fit_outcome(rows, enough, RECIPE).calibration.n_rows == FEWEST_ROWS
    believed = fit_outcome(rows, short, RECIPE)
    assert believed.calibration.n_rows == 0
    units = np.array([0.5, 5.0, 50.0])
    np.testing.assert_allclose(believed.calibration.mean(units), units)
    np.testing.assert_allclose(believed.calibration.low(units), [0.0, 2.0, 41.0], atol=0.6)
    np.testing.assert_allclose(believed.calibration.high(units), [1.0, 8.0, 59.0], atol=0.6)


def test_without_an_earlier_window_the_later_one_is_fitted_and_nothing_calibrated() -> None:
    rows, _ = listings(1_000, FIT)
    outcome = fit_outcome(_first(rows, 0), rows, RECIPE)
    assert outcome.calibration.n_rows == 0
    assert outcome.raw_units(rows.matrix).sum() == pytest.approx(rows.units.sum(), rel=0.1)


@pytest.mark.parametrize("n", [1, 5, 300])
def test_a_market_that_sold_nothing_is_expected_to_sell_next_to_nothing(n: int) -> None:
    rows = replace(_first(listings(300, FIT)[0], n), units=np.zeros(n), gmv_fen=np.zeros(n))
    outcome = fit_outcome(rows, rows, RECIPE)
    expected = outcome.expect(rows.matrix, rows.unit_gmv_fen, no_rates(n))
    assert np.isfinite(expected.units).all()
    assert (expected.units >= 0).all()
    assert measure_outcome(outcome, rows)["n"] == n


def test_a_freak_listing_does_not_carry_its_leaf_away() -> None:
    rows, truth = listings(3_000, FIT)
    units = rows.units.copy()
    units[0] = 1e6
    outcome = fit_outcome(replace(rows, units=units), rows, RECIPE)
    fine = outcome.raw_units(rows.matrix)[1:]
    assert np.isfinite(fine).all()
    assert np.median(fine / truth[1:]) < 10


def test_units_money_and_commission_agree(outcome: Outcome, judged: tuple[ListingRows, F64]) -> None:
    rows, _ = judged
    n = 500
    unit_fen = np.linspace(1.0, 1e6, n)
    rate_ppm = np.where(np.arange(n) % 5 == 0, NO_RATE, np.arange(n) * 1_000).astype(np.int64)
    expected = outcome.expect(rows.matrix[:n], unit_fen, rate_ppm)
    assert (expected.units_low <= expected.units).all()
    assert (expected.units <= expected.units_high).all()
    assert (expected.units_low >= 0).all()
    np.testing.assert_array_equal(expected.gmv_fen, np.rint(expected.units * unit_fen))
    for gmv, commission in (
        (expected.gmv_low_fen, expected.commission_low_fen),
        (expected.gmv_fen, expected.commission_fen),
        (expected.gmv_high_fen, expected.commission_high_fen),
    ):
        assert (commission[rate_ppm == NO_RATE] == NO_COMMISSION).all()
        for place in np.flatnonzero(rate_ppm != NO_RATE):
            exact = commission_fen(Fen(int(gmv[place])), Ppm(int(rate_ppm[place])))
            assert commission[place] == exact
    ranked = outcome.expected_gmv(rows.matrix[:n], unit_fen)
    np.testing.assert_array_equal(np.rint(ranked), expected.gmv_fen)


def test_commission_of_the_largest_amounts_does_not_wrap_around(outcome: Outcome) -> None:
    rows, _ = listings(2, JUDGE)
    expected = outcome.expect(rows.matrix, np.array([1e30, 1e300]), np.array([900_000, 1_000_000]))
    assert (expected.gmv_fen > 0).all()
    assert (expected.commission_high_fen > 0).all()


def test_each_pairing_is_what_it_would_be_alone(outcome: Outcome, judged: tuple[ListingRows, F64]) -> None:
    rows, _ = judged
    rate_ppm = np.array([100_000, -1, 0, 900_000, 100_000])
    each = outcome.expect(rows.matrix[:5], rows.unit_gmv_fen[:5], rate_ppm).each()
    for k, one in enumerate(each):
        alone = outcome.expect(rows.matrix[k : k + 1], rows.unit_gmv_fen[k : k + 1], rate_ppm[k : k + 1])
        assert one == tuple(getattr(alone, name)[0] for name in ExpectedOne._fields)
        assert {type(value) for value in one[:3]} == {float}
        assert {type(value) for value in one[3:]} == {int}


def test_a_reader_gets_units_to_four_places_and_no_commission_where_no_rate_applies() -> None:
    assert ExpectedOne(1.23456, 0.5, 2.0, 900, 300, 1_200, -1, -1, -1).line() == {
        "units": 1.2346,
        "units_low": 0.5,
        "units_high": 2.0,
        "gmv_fen": 900,
        "gmv_low_fen": 300,
        "gmv_high_fen": 1_200,
        "commission_fen": None,
        "commission_low_fen": None,
        "commission_high_fen": None,
    }
    paid = ExpectedOne(1.0, 0.5, 2.0, 900, 300, 1_200, 0, 0, 1).line()
    assert [paid[name] for name in ("commission_fen", "commission_low_fen", "commission_high_fen")] == [
        0,
        0,
        1,
    ]


def test_nothing_is_expected_of_no_rows(outcome: Outcome) -> None:
    expected = outcome.expect(np.zeros((0, len(NAMES)), np.float32), np.zeros(0), no_rates(0))
    assert expected.units.shape == expected.gmv_fen.shape == expected.commission_fen.shape == (0,)
    assert measure_outcome(outcome, _first(listings(1, JUDGE)[0], 0)) == {}


def test_the_starting_value_falls_back_from_the_pair_to_the_sku_to_all() -> None:
    matrix = np.full((5, len(NAMES)), np.nan, np.float32)
    matrix[:, column("expected_ratio")] = [4.0, np.nan, 0.0, np.nan, np.inf]
    matrix[:, column("sku_units_per_listing")] = [2.0, 2.0, 2.0, np.nan, 0.0]
    assert starting_units(matrix, NAMES, 7.0).tolist() == [4.0, 2.0, 2.0, 7.0, 7.0]


def test_saved_and_loaded_it_has_the_same_bytes_and_expects_the_same(
    outcome: Outcome, judged: tuple[ListingRows, F64]
) -> None:
    rows, _ = judged
    outcome = outcome.with_report(measure_outcome(outcome, rows))
    files = outcome.to_files()
    assert sorted(files) == ["outcome.json", "outcome.txt"]
    loaded = Outcome.from_files(files, feature_names=NAMES, fingerprint=fingerprint())
    assert loaded.to_files() == files
    assert loaded.report == json.loads(json.dumps(outcome.report))
    before, after = (model.expected_gmv(rows.matrix, rows.unit_gmv_fen) for model in (outcome, loaded))
    assert before.tobytes() == after.tobytes()


def test_the_same_rows_give_the_same_bytes() -> None:
    fit, later = listings(1_500, FIT)[0], listings(500, CALIBRATE)[0]
    first, again = (fit_outcome(fit, later, RECIPE).to_files() for _ in range(2))
    assert first == again


def test_a_build_with_other_features_is_refused(outcome: Outcome) -> None:
    with pytest.raises(FeatureMismatch, match="this build does not make newcomers_rank"):
        Outcome.from_files(outcome.to_files(), feature_names=NAMES[:-1], fingerprint=fingerprint())


def test_the_table_has_a_line_for_each_tenth_and_one_for_all(
    outcome: Outcome, judged: tuple[ListingRows, F64]
) -> None:
    printed = _printed(measure_outcome(outcome, judged[0]))
    assert [f"tenth {place}" in printed for place in range(1, 11)] == [True] * 10
    assert "in the 80 % range" in printed
    assert "6,000" in printed
    assert "tenth" not in _printed({})


def _printed(report: dict[str, object]) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(calibration_table(report))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("units", "share", "point"),
    [
        ([0.0] * 10, 0.1, 0.0),  # would lie at -0.4: a count is not below nothing
        ([0.0] * 10, 0.9, 0.4),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
        ([7.0], 0.1, 6.6),
    ],
)
def test_counts_are_spread_evenly_about_themselves(units: list[float], share: float, point: float) -> None:
    assert point_of(np.array(units), share) == pytest.approx(point)


def test_a_unit_brings_what_it_was_sold_for_not_what_it_is_listed_at(sqlite_store: Engine) -> None:
    seen = (
        Market()
        .sku("sold_at_half", list_price_fen=20_000)
        .sku("its_kin", list_price_fen=50_000)
        .sku("elsewhere", list_price_fen=10_000, brand_id="other", category="others")
        .anchor("a")
        .add("brands", brand_id="brand", name="brand")
        .add("brands", brand_id="other", name="other")
    )
    for day in range(1, 41):
        seen.live("a", ago(day), {"sold_at_half": 10, "elsewhere": 20})  # a unit brings 100 yuan
    snapshot = seen.seen(sqlite_store).snapshot
    brings = dict(zip(snapshot.shelf.ids, unit_gmv(snapshot).tolist(), strict=True))
    assert brings["sold_at_half"] == pytest.approx(10_000, rel=0.1)
    assert brings["elsewhere"] == pytest.approx(10_000, rel=0.1)
    assert 25_000 < brings["its_kin"] < 35_000  # its brand goes at half price, all else at full


def test_before_anything_was_sold_a_unit_brings_its_list_price(sqlite_store: Engine) -> None:
    market = Market().add("brands", brand_id="brand", name="brand").sku("s", list_price_fen=1_990).anchor("a")
    assert unit_gmv(market.seen(sqlite_store).snapshot).tolist() == [1_990.0]


def _first(rows: ListingRows, n: int) -> ListingRows:
    return replace(rows, **{name: getattr(rows, name)[:n] for name in ListingRows.__slots__})


def test_matrices_of_other_kinds_are_refused(outcome: Outcome) -> None:
    wrong: F32 = np.zeros((1, len(NAMES) - 1), np.float32)
    with pytest.raises(FeatureMismatch):
        outcome.forest.score(wrong)
