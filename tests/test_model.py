"""Does a model score the same after a round trip through its files, and does each objective mean what it says?"""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import FeatureMismatch, WrongInput
from features.kernels import F32, F64, I64
from matcher.golden import golden_file
from matcher.model import OBJECTIVES, Mix, Model, Objective, read_objective, standardised
from trained import Trained
from training.nightly import SIDES

Query = tuple[F32, F64, I64]


@pytest.fixture(scope="module")
def query(trained: Trained) -> Query:
    world = trained.world
    found = world.candidates("goods", 3, world.allowed("goods", 3, new_only=False))
    rate_ppm = world.rates.at(np.full(len(found.rows), 3, np.int32), found.rows)
    return world.matrix("goods", 3, found), trained.engine.unit_gmv_fen[found.rows], rate_ppm


def model_of(trained: Trained) -> Model:
    assert trained.engine.model is not None
    return trained.engine.model


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("side", SIDES)
def test_a_model_scores_the_same_before_and_after_its_files(
    trained: Trained, query: Query, objective: Objective, side: str
) -> None:
    before, after = trained.night.model, model_of(trained)
    assert before is not None
    for new_only in (False, True):
        scores = [model.score(objective, side, *query, new_only=new_only) for model in (before, after)]  # type: ignore[arg-type]
        assert scores[0].tobytes() == scores[1].tobytes()


def test_its_files_come_back_as_the_same_bytes(trained: Trained) -> None:
    model = model_of(trained)
    assert model.to_files() | golden_file(model) == dict(trained.night.files)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_of_no_candidates_there_are_no_scores(trained: Trained, query: Query, objective: Objective) -> None:
    empty = tuple(part[:0] for part in query)
    for side in SIDES:
        assert model_of(trained).score(objective, side, *empty, new_only=True).shape == (0,)


def test_commission_is_gmv_times_the_rate_and_what_pays_nothing_comes_last(
    trained: Trained, query: Query
) -> None:
    matrix, unit_gmv_fen, _ = query
    rate_ppm = np.where(np.arange(len(matrix)) % 2, 200_000, -1).astype(np.int64)
    gmv, paid = (
        model_of(trained).score(objective, "goods", matrix, unit_gmv_fen, rate_ppm, new_only=False)
        for objective in ("gmv", "commission")
    )
    assert paid[1::2] == pytest.approx(gmv[1::2] + np.log(0.2))
    assert paid[::2].max() < paid[1::2].min()


def test_gmv_rises_with_what_a_unit_brings(trained: Trained, query: Query) -> None:
    matrix, unit_gmv_fen, rate_ppm = query
    plain = replace(model_of(trained), mix=replace(Mix(), value_ranker=0.0))
    dearer = plain.score("gmv", "goods", matrix, 2 * unit_gmv_fen, rate_ppm, new_only=False)
    assert dearer == pytest.approx(
        plain.score("gmv", "goods", matrix, unit_gmv_fen, rate_ppm, new_only=False) + np.log(2)
    )


def test_a_model_of_other_features_is_refused(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcher.model.fingerprint", lambda: "another")
    with pytest.raises(FeatureMismatch, match="retrain or roll back"):
        Model.from_files("some", trained.night.files)


def test_an_unknown_objective_is_answered_with_those_there_are() -> None:
    assert read_objective("gmv") == "gmv"
    with pytest.raises(WrongInput, match="name one of balanced, fit, gmv, commission"):
        read_objective("GMV")


def test_scores_that_are_all_alike_have_no_spread_to_standardise() -> None:
    assert standardised(np.full(3, 7.0)).tolist() == [0, 0, 0]
    assert standardised(np.array([1.0, 3.0])).tolist() == [-1, 1]
    assert standardised(np.zeros(0)).shape == (0,)
