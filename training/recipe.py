"""How does a modeller want tonight's model made? Windows, samples, forests: frozen, and written into the manifest.

What the business decides is the policy's; what differs between machines the settings'.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class ForestSetting:
    """One way to grow a ranker's forest; the night compares a few on its early window."""

    name: str
    objective: str
    learning_rate: float
    num_leaves: int
    max_rounds: int
    min_rows_in_leaf: int = 60
    feature_share: float = 0.4


SETTINGS = (
    ForestSetting("lambdarank-small", "lambdarank", 0.06, 15, 260),
    ForestSetting("xendcg-small", "rank_xendcg", 0.06, 15, 260),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that is chosen about a night's training."""

    label_days: int = 28
    """How far ahead an uptake label looks."""
    origin_step_days: int = 14
    """Between the instants at which training lists are drawn."""
    n_origins: int = 8
    """At most so many, newest first; `min_history_days` of facts must lie before each."""
    n_fit_origins: int = 5
    """Of them, at most so many for the twin that is judged."""
    min_history_days: int = 60
    gap_days: int = 14
    """Between the end of one window's labels and the origin of the next window."""
    owners_a_side: int = 350
    """Queries drawn at each origin, for either direction and mode."""
    negatives_a_query: int = 90
    fewest_shown_lists: int = 300
    """Lists that were shown join the fit window's queries of a direction where there are so many of which something came."""
    shown_lists_an_origin: int = 350
    """At most so many of them are drawn at each origin."""
    fewest_effective: int = 200
    """With fewer effective draws of places nothing is concluded from what was shown at them."""
    listing_rows_an_origin: int = 15_000
    """Rows for the value ranker and the outcome model."""
    judged_owners: int = 1_000
    """At most so many queries of a direction are replayed on the judge window."""
    weight_half_life_days: float = 120.0
    """A query's weight halves with so many days of age."""
    label_gain: tuple[float, ...] = (0.0, 0.3, 0.6, 1.0, 1.15)
    truncation: int = 13
    """k + 3 for the ten that are looked at."""
    settings: tuple[ForestSetting, ...] = SETTINGS
    early_stopping_rounds: int = 40
    least_rounds: int = 24
    """A forest that the early window would stop sooner grows on so far: a few trees follow the luck of that window."""
    value_leaves: int = 15
    value_rounds: int = 200
    outcome_leaves: int = 31
    outcome_rounds: int = 300
    seed: int = 20_110
    gate_tolerance: float = 0.0
    """How far, in NDCG@10, the whole matcher may stay behind the best single source and still serve."""
    lightgbm: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType(
            {"lambda_l2": 5.0, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 127}
        )
    )

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {
            "settings": [asdict(setting) for setting in self.settings],
            "lightgbm": dict(self.lightgbm),
        }


FAST = Recipe(
    n_origins=4,
    n_fit_origins=3,
    owners_a_side=120,
    negatives_a_query=80,
    listing_rows_an_origin=6_000,
    settings=(ForestSetting("lambdarank-small", "lambdarank", 0.1, 15, 80),),
    value_rounds=80,
    outcome_rounds=150,
)
"""For small markets and tests: the same steps on less."""
