"""Who should sell these SKUs of one brand, together? Shortlists that share the anchors, none of whom carries too many.

Scores of different shortlists do not compare, places do: so the SKUs take turns. In each round every SKU takes the best
anchor of its own list that is not full yet, and the SKU whose next choice falls furthest behind, were it to lose the
one in question, goes first (the regret of transport problems: R. Vogel's approximation, 1958).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from features.kernels import I32
from matcher.engine import Engine
from matcher.request import MOST_LISTED, ListRequest


def share_shortlists(
    engine: Engine, requests: Sequence[ListRequest], most_an_anchor: int
) -> Mapping[int, I32]:
    """Of each SKU (row) the anchors (rows) that it gets, best first: at most its `size`, and each at most so often.

    With one SKU, or where no anchor is wanted more often than it may be had, these are the shortlists themselves.
    """
    if most_an_anchor < 1:
        raise ValueError("an anchor carries at least one SKU")
    deep = [_deep(engine, request, len(requests), most_an_anchor) for request in requests]
    taken: list[list[int]] = [[] for _ in requests]
    load: dict[int, int] = {}
    next_place = [0] * len(requests)

    def free(k: int, place: int) -> int:
        """The first place from `place` on in list `k` whose anchor is not full."""
        while place < len(deep[k]) and load.get(int(deep[k][place]), 0) >= most_an_anchor:
            place += 1
        return place

    def regret(k: int) -> int:
        """How many places its next best free anchor lies below its best; most where there is no other."""
        second = free(k, next_place[k] + 1)
        return second - next_place[k] if second < len(deep[k]) else MOST_LISTED

    for round_ in range(max((request.size for request in requests), default=0)):
        waiting = [k for k, request in enumerate(requests) if round_ < request.size]
        while waiting:
            for k in waiting:
                next_place[k] = free(k, next_place[k])
            chosen = max(waiting, key=lambda k: (regret(k), -k))  # of equals the first that was asked for
            waiting.remove(chosen)
            if next_place[chosen] < len(deep[chosen]):
                anchor = int(deep[chosen][next_place[chosen]])
                taken[chosen].append(anchor)
                load[anchor] = load.get(anchor, 0) + 1
                next_place[chosen] += 1
    return {request.owner: np.array(rows, np.int32) for request, rows in zip(requests, taken, strict=True)}


def _deep(engine: Engine, request: ListRequest, n_skus: int, most_an_anchor: int) -> I32:
    """A list so long that the others cannot empty it."""
    deepest = request.size * max(1, -(-n_skus // most_an_anchor)) + request.size
    return engine.choose(replace(request, size=min(MOST_LISTED, deepest))).rows
