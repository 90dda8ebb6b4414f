"""Which candidates make the list? Best scores first, ties always the same way, and what the policy owes to others."""

from dataclasses import dataclass, replace

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

    def of(self, places: I64) -> "ListTerms":
        """The same terms where those candidates are all that there are."""
        return replace(
            self,
            group=None if self.group is None else self.group[places],
            reserved=None if self.reserved is None else self.reserved[places],
        )


def choose(scores: F64, terms: ListTerms) -> I64:
    """Places of the chosen, best first; of equal scores the lower row first.

    Reserved places go to the best of those reserved for; they replace the lowest of the others, and the list is
    then in order of score again.
    """
    order = np.argsort(-scores, kind="stable")
    if terms.cap and terms.group is not None:
        order = capped(order, terms.group, terms.cap)
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


def choose_page(scores: F64, terms: ListTerms, skip: int) -> I64:
    """As `choose`, after the first `skip` places: a list is dealt in pages, each of which keeps to the terms.

    So the first page is the list of its size, and no place comes twice. `skip` is a number of whole pages.
    """
    if skip % terms.size:
        raise ValueError(f"{skip} places are no whole number of pages of {terms.size}")
    left = np.arange(len(scores))
    for _ in range(skip // terms.size):
        left = np.delete(left, choose(scores[left], terms.of(left)))
    page: I64 = left[choose(scores[left], terms.of(left))]
    return page


def capped(order: I64, group: I32, cap: int) -> I64:
    """Of an order those that are among the first `cap` of their group."""
    seen: dict[int, int] = {}
    kept = []
    for place in order:
        code = int(group[place])
        seen[code] = seen.get(code, 0) + 1
        if seen[code] <= cap:
            kept.append(place)
    return np.array(kept, np.int64)
