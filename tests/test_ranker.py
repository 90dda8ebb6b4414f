"""Does a ranker score only the columns it was trained on, and say what differs otherwise?"""

from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest

from features.errors import FeatureMismatch
from matcher.ranker import Ranker, refuse_mismatch

NAMES = ("price_fen", "rate_ppm", "overlap_share", "age_days")
FINGERPRINT = "f00d"


@pytest.fixture(scope="module")
def matrix() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(240, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def booster(matrix: npt.NDArray[np.float32]) -> lightgbm.Booster:
    label = np.digitize(matrix[:, 0] + matrix[:, 1], [0, 1, 2])
    rows = lightgbm.Dataset(matrix, label, group=[24] * 10, feature_name=list(NAMES))
    parameters = {"objective": "lambdarank", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 2}
    return lightgbm.train(parameters, rows, 20)


@pytest.fixture
def ranker(booster: lightgbm.Booster) -> Ranker:
    return Ranker.from_booster(booster, fingerprint=FINGERPRINT)


def test_a_saved_ranker_loads_and_scores_the_same_bits(
    ranker: Ranker, matrix: npt.NDArray[np.float32], tmp_path: Path
) -> None:
    ranker.save(tmp_path, "goods_uptake")
    loaded = Ranker.load(tmp_path, "goods_uptake", feature_names=NAMES, fingerprint=FINGERPRINT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["goods_uptake.json", "goods_uptake.txt"]
    assert loaded.score(matrix).tobytes() == ranker.score(matrix).tobytes()
    assert loaded.to_files("goods_uptake") == ranker.to_files("goods_uptake")


def test_the_score_is_the_boosters_and_the_contributions_add_up_to_it(
    ranker: Ranker, booster: lightgbm.Booster, matrix: npt.NDArray[np.float32]
) -> None:
    assert ranker.score(matrix).tobytes() == booster.predict(matrix, num_threads=1).tobytes()
    contributions = ranker.contributions(matrix[:5])
    assert contributions.shape == (5, 5)
    np.testing.assert_allclose(contributions.sum(axis=1), ranker.score(matrix)[:5], rtol=1e-12, atol=1e-12)


def test_an_early_stopped_fit_scores_up_to_its_best_iteration(matrix: npt.NDArray[np.float32]) -> None:
    rows = lightgbm.Dataset(matrix, matrix[:, 0].copy(), feature_name=list(NAMES))
    booster = lightgbm.train({"num_threads": 1, "verbose": -1}, rows, 20)
    booster.best_iteration = 7
    ranker = Ranker.from_booster(booster, fingerprint=FINGERPRINT)
    assert ranker.forest.n_trees == 7
    assert ranker.score(matrix).tobytes() == booster.predict(matrix, num_threads=1).tobytes()


def test_no_rows_have_no_scores_and_no_contributions(ranker: Ranker) -> None:
    nothing = np.zeros((0, 4), np.float32)
    assert ranker.score(nothing).shape == (0,)
    assert ranker.contributions(nothing).shape == (0, 5)


def test_rows_laid_column_by_column_score_the_same(ranker: Ranker, matrix: npt.NDArray[np.float32]) -> None:
    assert ranker.score(np.asfortranarray(matrix)).tobytes() == ranker.score(matrix).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((3, 4)), np.zeros((3, 5), np.float32), np.zeros((3, 3), np.float32), np.zeros(4, np.float32)],
    ids=["double precision", "a column more", "a column less", "one row without its axis"],
)
def test_a_matrix_of_another_shape_is_refused(ranker: Ranker, wrong: npt.NDArray[np.float32]) -> None:
    with pytest.raises(FeatureMismatch, match=r"takes float32 of shape \(n, 4\)"):
        ranker.score(wrong)


@pytest.mark.parametrize(
    ("names", "fingerprint", "sentence"),
    [
        (NAMES[:3], FINGERPRINT, "this build does not make age_days"),
        ((*NAMES, "stock"), FINGERPRINT, "the model does not know stock"),
        (
            (*NAMES[:3], "stock"),
            FINGERPRINT,
            "this build does not make age_days; the model does not know stock",
        ),
        (
            ("rate_ppm", "price_fen", *NAMES[2:]),
            FINGERPRINT,
            "2 columns stand elsewhere, first where the model has price_fen and this build rate_ppm",
        ),
        (NAMES, "beef", r"the names agree but their meaning changed \(fingerprint f00d, here beef\)"),
    ],
)
def test_what_differs_is_said_exactly(
    ranker: Ranker, tmp_path: Path, names: tuple[str, ...], fingerprint: str, sentence: str
) -> None:
    ranker.save(tmp_path)
    with pytest.raises(FeatureMismatch, match=sentence + "; retrain or roll back"):
        Ranker.load(tmp_path, feature_names=names, fingerprint=fingerprint)


def test_columns_swapped_in_the_model_file_alone_are_seen(ranker: Ranker) -> None:
    files = ranker.to_files("r")
    files["r.txt"] = files["r.txt"].replace(b"price_fen rate_ppm", b"rate_ppm price_fen")
    with pytest.raises(FeatureMismatch, match="2 columns stand elsewhere"):
        Ranker.from_files(files, "r", feature_names=NAMES, fingerprint=FINGERPRINT)


def test_the_same_columns_pass() -> None:
    refuse_mismatch("r", (NAMES, FINGERPRINT), (NAMES, FINGERPRINT))
