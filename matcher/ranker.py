"""How good is each pairing? A boosted forest together with the columns it was trained on, and no other columns.

LightGBM takes swapped columns without a word; so the names, their order and the catalogue's fingerprint travel with
the model, and a build that makes other features is told exactly what differs. On disk: the model as LightGBM text,
the columns as JSON.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import lightgbm
import numpy as np
import numpy.typing as npt

from features.errors import FeatureMismatch
from matcher.forest import Forest, read_forest, score_forest


@dataclass(frozen=True, slots=True)
class Ranker:
    """Read-only; threads may share one. A score has no unit and compares only within one query."""

    feature_names: tuple[str, ...]
    fingerprint: str
    """Of the catalogue that the features were made by: their meaning, where the names alone would still agree."""
    model_text: str
    forest: Forest
    booster: lightgbm.Booster

    @classmethod
    def from_booster(cls, booster: lightgbm.Booster, *, fingerprint: str, rounds: int | None = None) -> Self:
        """The ranker of a fresh fit, its first `rounds`; the booster's own names are the columns.

        Without `rounds` up to its best iteration. ValueError for a forest that `matcher.forest` does not score.
        """
        return cls._of_text(booster.model_to_string(num_iteration=rounds), fingerprint=fingerprint)

    def score(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """A score a row, (n,): what `Booster.predict(raw_score=True)` gives, to the last bit, on one thread."""
        return score_forest(self.forest, self._checked(matrix))

    def contributions(
        self, matrix: npt.NDArray[np.float32], *, num_threads: int = 1
    ) -> npt.NDArray[np.float64]:
        """What each feature adds to each row's score, (n, n_features + 1); the last column is the mean score.

        A row adds up to its score, but for rounding. Costs milliseconds a row: for a page, not for candidates.
        """
        checked = self._checked(matrix)
        if not len(checked):
            return np.zeros((0, len(self.feature_names) + 1))
        return np.asarray(
            self.booster.predict(checked, pred_contrib=True, num_threads=num_threads), np.float64
        )

    def to_files(self, name: str) -> dict[str, bytes]:
        """The files that hold this ranker, by file name: `<name>.txt` and `<name>.json`."""
        columns = {"feature_names": list(self.feature_names), "fingerprint": self.fingerprint}
        return {
            f"{name}.txt": self.model_text.encode(),
            f"{name}.json": json.dumps(columns, ensure_ascii=False, indent=1).encode(),
        }

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], name: str, *, feature_names: Sequence[str], fingerprint: str
    ) -> Self:
        """The ranker `name` among verified files, for a build that makes `feature_names` by `fingerprint`.

        LightGBM dies of damaged bytes: hand in none that a manifest has not vouched for. FeatureMismatch where
        the build makes other features than the model was trained on.
        """
        columns = json.loads(files[f"{name}.json"])
        trained_on = tuple(columns["feature_names"])
        refuse_mismatch(name, (trained_on, columns["fingerprint"]), (tuple(feature_names), fingerprint))
        ranker = cls._of_text(files[f"{name}.txt"].decode(), fingerprint=fingerprint)
        refuse_mismatch(f"{name}.txt", (ranker.feature_names, fingerprint), (trained_on, fingerprint))
        return ranker

    def save(self, folder: Path, name: str = "ranker") -> None:
        """Write the two files of `to_files` into a folder that is there."""
        for file_name, content in self.to_files(name).items():
            (folder / file_name).write_bytes(content)

    @classmethod
    def load(
        cls, folder: Path, name: str = "ranker", *, feature_names: Sequence[str], fingerprint: str
    ) -> Self:
        """As `from_files`, from a folder that nobody else writes to; served models come from the registry."""
        files = {f"{name}.{ending}": (folder / f"{name}.{ending}").read_bytes() for ending in ("txt", "json")}
        return cls.from_files(files, name, feature_names=feature_names, fingerprint=fingerprint)

    @classmethod
    def _of_text(cls, model_text: str, *, fingerprint: str) -> Self:
        forest = read_forest(model_text)
        booster = lightgbm.Booster(model_str=model_text)
        return cls(forest.feature_names, fingerprint, model_text, forest, booster)

    def _checked(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[1] != len(self.feature_names):
            raise FeatureMismatch(
                f"the ranker takes float32 of shape (n, {len(self.feature_names)}), "
                f"not {matrix.dtype} of shape {matrix.shape}; build the matrix by features.matrix"
            )
        return np.ascontiguousarray(matrix)


def refuse_mismatch(
    name: str, trained_on: tuple[tuple[str, ...], str], made_here: tuple[tuple[str, ...], str]
) -> None:
    """FeatureMismatch, with what differs, unless names, order and fingerprint are all the same."""
    (trained_names, trained_fingerprint), (names, fingerprint) = trained_on, made_here
    if trained_on == made_here:
        return
    missing = [feature for feature in trained_names if feature not in set(names)]
    unknown = [feature for feature in names if feature not in set(trained_names)]
    differences = []
    if missing:
        differences.append(f"this build does not make {', '.join(missing)}")
    if unknown:
        differences.append(f"the model does not know {', '.join(unknown)}")
    if not differences and trained_names != names:
        swapped = [pair for pair in zip(trained_names, names, strict=True) if pair[0] != pair[1]]
        trained, made = swapped[0]
        differences.append(
            f"{len(swapped)} columns stand elsewhere, first where the model has {trained} and this build {made}"
        )
    if not differences:
        differences.append(
            f"the names agree but their meaning changed (fingerprint {trained_fingerprint}, here {fingerprint})"
        )
    raise FeatureMismatch(
        f"model {name} was trained on other features: {'; '.join(differences)}; retrain or roll back"
    )
