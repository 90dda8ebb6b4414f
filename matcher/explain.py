"""Why is this pairing on the list? Up to three reasons in words, from what the ranker itself added up.

Contributions of features that say the same thing are added; of the strongest, one sentence a topic is told, one of
each of a buyer's three questions (like the host, need it, is it cheap) where it is strong. What is the same for all
candidates of a list, as the owner's own columns are, sets no pairing above another and is no reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from features.catalogue import FEATURES, Group
from features.kernels import F32, F64, Bools
from matcher.candidates.union import Side
from matcher.ranker import Ranker
from matcher.reasons import Reading, Topic, topics_for

GROUP_NAMES: Final[dict[Group, tuple[str, str]]] = {
    "host": ("喜欢主播", "like the host"),
    "need": ("需要它", "need it"),
    "cheap": ("便宜吗", "is it cheap"),
}
"""How each group is headed, in zh and in en."""
MOST: Final = 3
STRONG_SHARE: Final = 0.1
"""A group is heard before the second reason of another if its best adds so much of what the strongest adds."""
LEAST_SHARE: Final = 0.05
"""What adds less than this share of the strongest is no reason."""

_GROUPS: Final = {feature.name: feature.group for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, under one of the three questions."""

    group: Group
    feature: str
    """Whose value the sentence tells."""
    contribution: float
    """To the score, of all features that speak for the same; above 0."""
    zh: str
    en: str


def explain(
    ranker: Ranker, matrix: F32, *, voice: Side, tells: Bools | None = None, most: int = MOST
) -> list[tuple[Reason, ...]]:
    """Reasons for each row of a returned page, strongest first; costs milliseconds a row.

    `voice`: a goods list is read by the anchor ("you sold"), a shortlist by the brand ("this anchor sold"). `tells`:
    the features that may be told, from `differing`; all of them where nothing is given.
    """
    contributions = ranker.contributions(matrix)
    return reasons_from(contributions, matrix, ranker.feature_names, voice=voice, tells=tells, most=most)


def differing(matrix: F32) -> Bools:
    """(n_features,) those that are not the same for all of these candidates; of a single one, all.

    >>> differing(np.array([[1, 2, np.nan], [1, 3, np.nan]], np.float32)).tolist()
    [False, True, False]
    """
    if len(matrix) < 2:
        return np.ones(matrix.shape[1], np.bool_)
    same = (matrix == matrix[0]) | (np.isnan(matrix) & np.isnan(matrix[0]))
    return np.asarray(~same.all(axis=0))


def reasons_from(
    contributions: F64,
    matrix: F32,
    feature_names: Sequence[str],
    *,
    voice: Side,
    tells: Bools | None = None,
    most: int = MOST,
) -> list[tuple[Reason, ...]]:
    """The same from contributions that were mixed of several models: (n, n_features or one more, the mean)."""
    topics = topics_for(voice)
    added = contributions[:, : len(feature_names)]
    if tells is not None:
        added = np.where(tells, added, 0.0)
    # Not BLAS: a pairing's reasons must not depend on who else is on the page.
    totals = np.einsum(
        "ij,jk->ik", added, _membership(tuple(feature_names), voice), optimize=False
    )  # (n, n_topics)
    out: list[tuple[Reason, ...]] = []
    for row in range(len(matrix)):
        reading = Reading(dict(zip(feature_names, matrix[row].tolist(), strict=True)), voice)
        of_feature = dict(zip(feature_names, added[row].tolist(), strict=True))
        out.append(_chosen(_Told(topics, totals[row], of_feature, reading).reasons(), most))
    return out


@dataclass(frozen=True, slots=True)
class _Told:
    """One row's topics."""

    topics: Sequence[Topic]
    totals: F64
    added: Mapping[str, float]
    reading: Reading

    def reasons(self) -> list[Reason]:
        """Strongest first."""
        places = [k for k in range(len(self.topics)) if self.totals[k] > 0]
        places.sort(key=lambda k: -self.totals[k])
        floor = LEAST_SHARE * self.totals[places[0]] if places else 0.0
        told = (self._reason(k) for k in places if self.totals[k] >= floor)
        return [reason for reason in told if reason is not None]

    def _reason(self, k: int) -> Reason | None:
        """The sentence of the feature that adds most and has something to say."""
        for phrase in sorted(self.topics[k].phrases, key=lambda phrase: -self.added[phrase.feature]):
            if self.added[phrase.feature] <= 0:
                return None
            said = phrase.say(self.reading)
            if said is not None:
                total = float(self.totals[k])
                return Reason(_GROUPS[phrase.feature], phrase.feature, total, zh=said[0], en=said[1])
        return None


def _chosen(telling: Sequence[Reason], most: int) -> tuple[Reason, ...]:
    """The best of each group where it is strong, then the strongest left."""
    best: dict[Group, Reason] = {}
    for reason in telling:
        best.setdefault(reason.group, reason)
    floor = STRONG_SHARE * telling[0].contribution if telling else 0.0
    first = [reason for reason in best.values() if reason.contribution >= floor]
    rest = [reason for reason in telling if reason not in first]
    kept = [*first, *rest][:most]
    kept.sort(key=lambda reason: -reason.contribution)
    return tuple(kept)


@cache
def _membership(feature_names: tuple[str, ...], voice: Side) -> F64:
    """(n_features, n_topics) 1 where a feature belongs to a topic."""
    topics = topics_for(voice)
    place = {feature: k for k, topic in enumerate(topics) for feature in topic.features}
    out = np.zeros((len(feature_names), len(topics)))
    for row, name in enumerate(feature_names):
        if name in place:
            out[row, place[name]] = 1.0
    out.setflags(write=False)
    return out
