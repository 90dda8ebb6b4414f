"""What did a night learn, and what does "best first" mean with it? Rankers, the outcome model, and their mix.

`fit` is the uptake ranker's score. Value is in log yuan: the outcome model's expected GMV, and for goods the value
ranker brought to the same spread beside it. `commission` adds the log of the rate; `balanced` adds uptake and
value, each standardised within the list.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self, get_args

import numpy as np

from features.catalogue import NAMES, fingerprint
from features.errors import WrongInput
from features.kernels import F32, F64, I64
from matcher.balance import Chances, balanced_scores
from matcher.candidates.union import Side
from matcher.outcome import Outcome
from matcher.ranker import Ranker

Objective = Literal["balanced", "fit", "gmv", "commission"]
OBJECTIVES: Final[tuple[Objective, ...]] = get_args(Objective)
_NO_RATE_LOG: Final = -20.0


@dataclass(frozen=True, slots=True)
class Balance:
    """What `balanced` needs to know of a side, learnt on the early window."""

    weight: float = 0.15
    """Of a page's expected DCG of uptake beside its share of the attainable GMV."""
    chances: Chances = field(default_factory=Chances)
    """Of being taken up."""
    chances_new: Chances = field(default_factory=Chances)
    """The same in lists of new pairs."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights chosen on the early window."""

    value_ranker: float = 0.5
    """Share of the value ranker in the value of goods; the rest is the outcome model's."""
    goods: Balance = Balance()
    shortlist: Balance = Balance()

    def balance(self, side: Side) -> Balance:
        """Of a side."""
        return self.goods if side == "goods" else self.shortlist

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `asdict`."""
        sides = {
            side: Balance(
                plain[side]["weight"],
                *(Chances(tuple(plain[side][name]["coefficients"])) for name in ("chances", "chances_new")),
            )
            for side in ("goods", "shortlist")
        }
        return cls(value_ranker=plain["value_ranker"], **sides)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that serves; read-only, shared by threads."""

    version: str
    goods_uptake: Ranker
    shortlist_uptake: Ranker
    goods_value: Ranker | None
    outcome: Outcome
    mix: Mix

    def uptake(self, side: Side) -> Ranker:
        """The ranker of whether a pairing will be taken up."""
        return self.goods_uptake if side == "goods" else self.shortlist_uptake

    def score(
        self,
        objective: Objective,
        side: Side,
        matrix: F32,
        unit_gmv_fen: F64,
        rate_ppm: I64,
        *,
        new_only: bool,
    ) -> F64:
        """A score for each candidate of one query, (n,); comparable within the query only."""
        if objective == "fit":
            return self.uptake(side).score(matrix)
        value = self.value(side, matrix, unit_gmv_fen)
        if objective == "gmv":
            return value
        if objective == "commission":
            return value + np.where(rate_ppm > 0, np.log(np.maximum(rate_ppm, 1) / 1e6), _NO_RATE_LOG)
        balance = self.mix.balance(side)
        uptake = self.uptake(side).score(matrix)
        chance = (balance.chances_new if new_only else balance.chances).of(uptake)
        return balanced_scores(uptake, np.exp(value), chance, balance.weight)

    def value(self, side: Side, matrix: F32, unit_gmv_fen: F64) -> F64:
        """Log of expected GMV in yuan, (n,)."""
        if not len(matrix):
            return np.zeros(0)
        expected = np.log(np.maximum(self.outcome.expected_gmv(matrix, unit_gmv_fen), 1e-6) / 100.0)
        if side == "shortlist" or self.goods_value is None or self.mix.value_ranker == 0.0:
            return expected
        share = self.mix.value_ranker
        ranked = standardised(self.goods_value.score(matrix)) * float(expected.std()) + float(expected.mean())
        return share * ranked + (1.0 - share) * expected

    def to_files(self) -> dict[str, bytes]:
        """All files of the model but the manifest."""
        files = self.goods_uptake.to_files("goods_uptake") | self.shortlist_uptake.to_files(
            "shortlist_uptake"
        )
        if self.goods_value is not None:
            files |= self.goods_value.to_files("goods_value")
        return files | self.outcome.to_files() | {"mix.json": json.dumps(asdict(self.mix)).encode()}

    @classmethod
    def from_files(cls, version: str, files: Mapping[str, bytes]) -> Self:
        """From files that the registry has vouched for; FeatureMismatch where this build makes other features."""

        def ranker(name: str) -> Ranker:
            return Ranker.from_files(files, name, feature_names=NAMES, fingerprint=fingerprint())

        return cls(
            version=version,
            goods_uptake=ranker("goods_uptake"),
            shortlist_uptake=ranker("shortlist_uptake"),
            goods_value=ranker("goods_value") if "goods_value.txt" in files else None,
            outcome=Outcome.from_files(files, feature_names=NAMES, fingerprint=fingerprint()),
            mix=Mix.from_json(json.loads(files["mix.json"])),
        )


def read_objective(text: str) -> Objective:
    """An objective by its name."""
    for objective in OBJECTIVES:
        if objective == text:
            return objective
    raise WrongInput(f"objective {text!r} is not known; name one of {', '.join(OBJECTIVES)}")


def standardised(scores: F64) -> F64:
    """Mean 0 and spread 1 within the list; all 0 where all are alike."""
    spread = float(scores.std()) if len(scores) else 0.0
    return (scores - scores.mean()) / spread if spread > 0 else np.zeros(len(scores))
