"""How good is a list against what came next? NDCG, recall, hits of ranked rows, and intervals from resampled queries."""

from dataclasses import dataclass

import numpy as np

from features.kernels import F64, I32, I64, Bools

N_RESAMPLES = 1_000


def ndcg(hits: Bools, n_relevant: int, k: int = 10) -> float:
    """Binary NDCG@k of a ranked list: `hits[i]`, whether place i is relevant; ideal: all relevant first.

    >>> round(ndcg(np.array([True, False, True]), 2), 4)
    0.9197
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gained = float(discount[: len(hits[:k])][hits[:k]].sum())
    return gained / float(discount[: min(k, n_relevant)].sum())


@dataclass(frozen=True, slots=True)
class ListScore:
    """One query's figures."""

    ndcg10: float
    hit10: float
    recall50: float


def score_list(rows: I32, relevant: I32) -> ListScore:
    """Of a ranked list against the set of what came; `relevant` must not be empty."""
    hits = np.isin(rows[:50], relevant)
    return ListScore(
        ndcg10=ndcg(hits, len(relevant)),
        hit10=float(hits[:10].any()),
        recall50=float(hits.sum()) / len(relevant),
    )


def grouped_ndcg(score: F64, gain: F64, group: I64, k: int = 10) -> F64:
    """Graded NDCG@k of each group of rows lying together; NaN where all gains are alike."""
    ends = np.cumsum(group).astype(np.int64)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    out = np.full(len(ends), np.nan)
    for place, (begin, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
        gains = gain[begin:end]
        ideal = -np.sort(-gains)[:k]
        if ideal[0] > gains.min():
            ranked = gains[np.argsort(-score[begin:end], kind="stable")[:k]]
            out[place] = (ranked * discount[: len(ranked)]).sum() / (ideal * discount[: len(ideal)]).sum()
    return out


def interval(values: F64, seed: int = 1) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over queries."""
    if len(values) < 2:
        return float("nan"), float("nan")
    means = _resampled(values, seed)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def paired(ours: F64, theirs: F64, seed: int = 1) -> tuple[float, float, float]:
    """Mean difference over the same queries and its 95 % interval."""
    difference = ours - theirs
    low, high = interval(difference, seed)
    return float(difference.mean()) if len(difference) else float("nan"), low, high


def paired_ratio(ours: F64, theirs: F64, seed: int = 1) -> tuple[float, float, float]:
    """Ratio of means over the same queries and its 95 % interval, queries resampled in pairs."""
    if not len(ours):
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    ratios = np.empty(N_RESAMPLES)
    for k in range(N_RESAMPLES):
        drawn = rng.integers(0, len(ours), len(ours))
        ratios[k] = ours[drawn].mean() / max(theirs[drawn].mean(), 1e-12)
    ratio = float(ours.mean() / max(theirs.mean(), 1e-12))
    return ratio, float(np.quantile(ratios, 0.025)), float(np.quantile(ratios, 0.975))


def gini(exposures: F64) -> float:
    """Concentration of exposure: 0 everybody the same, towards 1 one has all.

    >>> gini(np.array([1.0, 1.0])), round(gini(np.array([0.0, 0.0, 0.0, 4.0])), 2)
    (0.0, 0.75)
    """
    ranked = np.sort(exposures)
    if not ranked.sum() > 0:
        return 0.0
    n = len(ranked)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ranked / (n * ranked.sum()))


def _resampled(values: F64, seed: int) -> F64:
    rng = np.random.default_rng(seed)
    return np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(N_RESAMPLES)])
