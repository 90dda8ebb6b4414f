"""Which places of a page are drawn, so that what nobody was shown yet can be learnt about? None, unless the policy says so.

The best of the page stay where they are. `explore_slots` places, spread over its lower half, are filled from what lies
next below: the candidates that would have had those last places, and those after them, AMONG in all, each as likely
as the other. Uniform rather than in proportion to the scores (Plackett-Luce): scores of different queries do not compare,
so no temperature suits them all, while 1 in AMONG is known exactly, the same at every place, and never so small that a
single draw outweighs a hundred others when it is divided by. What it costs is bounded: nothing is drawn from further down.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from features.kernels import F64, I64, Bools
from matcher.list_ import ListTerms, capped, choose, choose_page

AMONG: Final = 20
"""So many may stand at a drawn place."""


@dataclass(frozen=True, slots=True)
class Page:
    """Places of the chosen among the candidates, as they stand on the page."""

    places: I64
    propensity: F64
    """(n,) the chance that just this one would stand there: 1 where nothing was drawn."""
    is_drawn: Bools
    """(n,)"""
    among: I64
    """What the drawn places were drawn from, best first; empty where none was."""


def certain(places: I64) -> Page:
    """A page of which nothing is drawn."""
    n = len(places)
    return Page(places, np.ones(n), np.zeros(n, np.bool_), np.zeros(0, np.int64))


def deal(scores: F64, terms: ListTerms, skip: int, *, slots: int, seed: int | None) -> Page:
    """As `choose_page`, with up to `slots` places of each page drawn; without a seed nothing ever is.

    Pages of one list have to be dealt with one seed: then no pairing comes twice, and what lost its place to a draw
    is the first of the next page.
    """
    if seed is None or slots == 0:
        return certain(choose_page(scores, terms, skip))
    left = np.arange(len(scores))
    for number in range(skip // terms.size):
        left = np.delete(left, _drawn(scores[left], terms.of(left), slots, seed, number).places)
    page = _drawn(scores[left], terms.of(left), slots, seed, skip // terms.size)
    return Page(left[page.places], page.propensity, page.is_drawn, left[page.among])


def _drawn(scores: F64, terms: ListTerms, slots: int, seed: int, number: int) -> Page:
    """The first page of these candidates, which is page `number` of the list."""
    page = choose(scores, terms)
    given_up = _lowest(page, terms, min(slots, len(page) // 2))
    kept = np.delete(page, given_up)
    among = _next_below(kept, scores, terms)
    n_drawn = len(given_up)
    if not n_drawn or len(among) <= n_drawn:
        return certain(page)  # nothing lies below the page
    rng = np.random.default_rng([seed, number])
    spots = _spots(len(page), n_drawn)
    places = np.insert(kept, spots - np.arange(n_drawn), among[rng.permutation(len(among))[:n_drawn]])
    is_drawn = np.isin(np.arange(len(page)), spots)
    return Page(places, np.where(is_drawn, 1.0 / len(among), 1.0), is_drawn, among)


def _lowest(page: I64, terms: ListTerms, most: int) -> I64:
    """Where on the page the lowest stand that owe their place to their score alone: others' reserved places stay theirs."""
    free = np.arange(len(page))
    if terms.reserved is not None and terms.reserved_share > 0:
        free = free[~terms.reserved[page]]
    return free[len(free) - min(most, len(free)) :]


def _next_below(kept: I64, scores: F64, terms: ListTerms) -> I64:
    """The next AMONG after those kept; of a capped group no more than would fit were all of them drawn."""
    order = np.argsort(-scores, kind="stable")
    waiting = np.concatenate([kept, order[~np.isin(order, kept)]])
    if terms.cap and terms.group is not None:
        waiting = capped(waiting, terms.group, terms.cap)
    return waiting[len(kept) : len(kept) + AMONG]


def _spots(n: int, n_drawn: int) -> I64:
    """Ascending places on a page of `n`, in the middles of equal parts of its lower half.

    >>> _spots(50, 2).tolist(), _spots(5, 1).tolist()
    ([31, 43], [4])
    """
    low = n // 2
    return n - low + (2 * np.arange(n_drawn) + 1) * low // (2 * n_drawn)
