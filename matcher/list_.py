"""Which candidates make the list? Best scores first, ties always the same way, and what the policy owes to others."""

from dataclasses import dataclass

import numpy as np

from features.kernels import F64, I32, I64, Bools


@dataclass(frozen=True, slots=True)
class ListTerms:
    """What a list keeps to; rows are places among the candidates."""

    size: int
    cap: int = 0
    """At most so many of one group; 0: no cap."""
    group: I32 | None = None
    """(n,) what the cap counts: the brand of a SKU."""
    reserved: Bools | None = None
    """(n,) whom places are kept for: newcomers, small anchors."""
    reserved_share: float = 0.0


def choose(scores: F64, terms: ListTerms) -> I64:
    """Places of the chosen, best first; of equal scores the lower row first.

    Reserved places go to the best of those reserved for; they replace the lowest of the others, and the list is
    then in order of score again.
    """
    order = np.argsort(-scores, kind="stable")
    if terms.cap and terms.group is not None:
        order = _capped(order, terms.group, terms.cap)
    chosen = order[: terms.size]
    if terms.reserved is None or terms.reserved_share <= 0:
        return chosen
    owed = int(np.ceil(terms.reserved_share * len(chosen) - 1e-9))  # 0.07 x 100 is a hair above 7
    missing = owed - int(terms.reserved[chosen].sum())
    waiting = order[terms.size :][terms.reserved[order[terms.size :]]]
    for place in waiting[: max(missing, 0)]:
        others = np.flatnonzero(~terms.reserved[chosen])
        if not len(others):
            break
        chosen = np.append(np.delete(chosen, others[-1]), place)
    return chosen


def _capped(order: I64, group: I32, cap: int) -> I64:
    seen: dict[int, int] = {}
    kept = []
    for place in order:
        code = int(group[place])
        seen[code] = seen.get(code, 0) + 1
        if seen[code] <= cap:
            kept.append(place)
    return np.array(kept, np.int64)
