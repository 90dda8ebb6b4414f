"""What do the drawn places of the judge window say of a model's order? Each with what it could have held, ranked anew.

The reward is that the pairing came to something, as labels have it. A candidate that the judge's snapshot does not know
yet is left out on both sides: of the others each was still as likely as the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from features.facts import Facts
from features.kernels import F64, I32, I64
from matcher.candidates.union import Side
from matcher.model import Model
from matcher.world import World
from training.dataset import each
from training.off_policy import Draws, compare, discounted
from training.recipe import Recipe
from training.shown import Impressions, read_impressions

_MOST_LISTS: Final = 3_000


@dataclass(frozen=True, slots=True)
class _Opened:
    """The drawn places of one list, and the candidates that they were drawn from."""

    ours: I64
    """(n_candidates,) ranks from 1 by the model, in the order that was shown."""
    place: I64
    """(n_drawn,) which candidate each place got."""
    reward: F64
    propensity: F64


def judge_logs(
    facts: Facts, world: World, model: Model, recipe: Recipe, *, threads: int
) -> Mapping[str, Any]:
    """By direction, the model's order beside the one that places were drawn from; empty where no place was drawn.

    The model must not have learnt from the window that begins with the world.
    """
    found: dict[str, Any] = {}
    for side in get_args(Side):
        shown = read_impressions(
            facts, world.snapshot, side, days=recipe.origin_step_days, label_days=recipe.label_days
        )
        opened = _open(shown, world, model, side, recipe, threads)
        if opened:
            told = compare(*_draws(opened), fewest_effective=recipe.fewest_effective)
            found[side] = {"concluded": told.concluded, "sentence": told.sentence, **told.figures}
    return found


def _open(
    shown: Impressions, world: World, model: Model, side: Side, recipe: Recipe, threads: int
) -> Sequence[_Opened]:
    """Lists with drawn places, or as many of them as can be ranked anew in a night."""
    others = world.snapshot.shelf.ids if side == "goods" else world.snapshot.roster.ids
    row_of = {name: row for row, name in enumerate(others.to_list())}
    is_drawn = shown.drawn_from.is_not_null().to_numpy()
    lists = (
        np.flatnonzero(np.add.reduceat(is_drawn, shown.starts[:-1])) if len(shown) else np.zeros(0, np.int64)
    )
    if len(lists) > _MOST_LISTS:
        lists = np.sort(np.random.default_rng(recipe.seed).choice(lists, _MOST_LISTS, replace=False))

    def one(k: int) -> _Opened | None:
        span = np.arange(shown.starts[lists[k]], shown.starts[lists[k] + 1])
        drawn = span[is_drawn[span]]
        names = shown.drawn_from[int(drawn[0])].split(" ")
        known = np.array([row_of[name] for name in names if name in row_of], np.int32)
        drawn = drawn[np.isin(shown.row[drawn], known)]
        if len(known) < 2 or not len(drawn):
            return None
        return _Opened(
            ours=_ranks(world, model, side, int(shown.owner[lists[k]]), known),
            place=(shown.row[drawn][:, None] == known).argmax(axis=1),
            reward=(shown.label[drawn] > 0).astype(np.float64),
            propensity=shown.propensity[drawn] * len(names) / len(known),
        )

    return [list_ for list_ in each(one, len(lists), threads) if list_ is not None]


def _ranks(world: World, model: Model, side: Side, owner: int, rows: I32) -> I64:
    """(n,) ranks from 1 of distinct rows by the model's uptake; of equals the one that stands first."""
    ascending = np.argsort(rows, kind="stable")
    matrix = world.matrix(side, owner, world.described(side, owner, rows[ascending]))
    score = np.empty(len(rows))
    score[ascending] = model.uptake(side).score(matrix)
    ranks = np.empty(len(rows), np.int64)
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(rows) + 1)
    return ranks


def _draws(opened: Sequence[_Opened]) -> tuple[Draws, Draws]:
    """The same draws under the model's order, and under the one that was shown."""
    expect = _expectations(opened)
    list_ = np.repeat(np.arange(len(opened)), [len(one.place) for one in opened])
    reward = np.concatenate([one.reward for one in opened])
    propensity = np.concatenate([one.propensity for one in opened])

    def under(ranks: Sequence[I64]) -> Draws:
        chances = [discounted(one) for one in ranks]
        return Draws(
            reward=reward,
            propensity=propensity,
            chance=np.concatenate([c[one.place] for c, one in zip(chances, opened, strict=True)]),
            expected=np.concatenate([e[one.place] for e, one in zip(expect, opened, strict=True)]),
            expected_of_ranking=np.concatenate(
                [
                    np.full(len(one.place), (c * e).sum())
                    for c, e, one in zip(chances, expect, opened, strict=True)
                ]
            ),
            list_=list_,
        )

    return under([one.ours for one in opened]), under([_as_shown(one) for one in opened])


def _expectations(opened: Sequence[_Opened]) -> Sequence[F64]:
    """What each candidate of each list may be expected to bring, from both its ranks; learnt on the other half of the lists."""
    halves = [_learnt(opened[half::2]) for half in (1, 0)]
    return [halves[k % 2](_standing(one)) for k, one in enumerate(opened)]


def _learnt(opened: Sequence[_Opened]) -> Any:
    reward = np.concatenate([one.reward for one in opened] or [np.zeros(0)])
    if not len(reward) or reward.min() == reward.max():
        usual = float(reward.mean()) if len(reward) else 0.0
        return lambda standing: np.full(len(standing), usual)
    rows = np.concatenate([_standing(one)[one.place] for one in opened])
    with threadpool_limits(limits=1, user_api="blas"):
        fitted = LogisticRegression(C=1.0, max_iter=500).fit(rows, reward)
    weights, level = fitted.coef_[0], float(fitted.intercept_[0])
    return lambda standing: 1.0 / (1.0 + np.exp(-(level + (standing * weights).sum(axis=1))))


def _standing(one: _Opened) -> F64:
    """(n_candidates, 2) logs of both ranks."""
    return np.log(np.column_stack([one.ours, _as_shown(one)]))


def _as_shown(one: _Opened) -> I64:
    return np.arange(1, len(one.ours) + 1)
