"""Who is asked, how much of each answer is taken, and what comes of it? The union of all sources' best."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, Protocol

import numpy as np

from features.catalogue import SOURCES
from features.kernels import F32, I32, I64, Bools, find, jit
from features.snapshot import Snapshot
from matcher.candidates.audience import read_audience_source
from matcher.candidates.carried import read_carried
from matcher.candidates.content import read_content_source
from matcher.candidates.cosales import EASE_LIMIT, CosalesSource, read_cosales
from matcher.candidates.history import read_history
from matcher.candidates.neighbours import read_neighbours
from matcher.candidates.newcomers import read_newcomers
from matcher.candidates.popularity import read_adoption, read_category, read_popularity
from matcher.candidates.said import Said

Side = Literal["goods", "shortlist"]

BUDGET: Final[Mapping[str, int]] = MappingProxyType(
    {
        "history": 150,
        "cosales": 300,
        "recent_cosales": 200,
        "neighbours": 200,
        "adoption": 100,
        "popularity": 100,
        "category": 150,
        "content": 200,
        "audience": 100,
        "newcomers": 60,
    }
)
"""How many of each source's best are taken; about 1 000 candidates in the union where sources differ."""


class Source(Protocol):
    """What every source of candidates answers."""

    def goods(self, anchor: int, /) -> Said:
        """What it says of SKUs for this anchor (its row in the roster)."""

    def shortlist(self, sku: int, /) -> Said:
        """What it says of anchors for this SKU (its row on the shelf)."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of the other side, ascending, with what each source said of them."""

    rows: I32
    scores: F32
    """(n, n_sources), 0 where a source says nothing."""
    ranks: F32
    """(n, n_sources), from 1 among the source's allowed; NaN where it did not bring the row."""

    def take(self, places: I64) -> "Candidates":
        """Some of them."""
        return Candidates(self.rows[places], self.scores[places], self.ranks[places])


def read_sources(
    snapshot: Snapshot, *, ease_limit: int = EASE_LIMIT, threads: int = 1
) -> Mapping[str, Source]:
    """All sources, prepared for a snapshot, by name in the catalogue's order."""
    carried = read_carried(snapshot)
    cosales = read_cosales(carried, ease_limit=ease_limit, threads=threads)
    audience = read_audience_source(snapshot)
    sources: dict[str, Source] = {
        "history": read_history(carried),
        "cosales": CosalesSource(cosales, np.ones(len(carried.fresh), np.float32)),
        "recent_cosales": CosalesSource(cosales, carried.fresh),
        "neighbours": read_neighbours(carried),
        "adoption": read_adoption(carried),
        "popularity": read_popularity(carried, snapshot.as_of_us),
        "category": read_category(snapshot, carried),
        "content": read_content_source(snapshot, carried),
        "audience": audience,
        "newcomers": read_newcomers(snapshot, audience),
    }
    return MappingProxyType({name: sources[name] for name in SOURCES})


def find_candidates(
    sources: Mapping[str, Source], side: Side, owner: int, allowed: Bools, budget: Mapping[str, int] = BUDGET
) -> Candidates:
    """The union of each source's best allowed rows for one anchor (goods) or one SKU (shortlist)."""
    said, tops = _ask(sources, side, owner, allowed, budget)
    return _described(np.unique(np.concatenate(tops)).astype(np.int32), said, tops)


def describe(
    sources: Mapping[str, Source],
    side: Side,
    owner: int,
    allowed: Bools,
    rows: I32,
    budget: Mapping[str, int] = BUDGET,
) -> Candidates:
    """What the sources say of given rows (ascending), whether or not they would have brought them."""
    return _described(rows, *_ask(sources, side, owner, allowed, budget))


def _ask(
    sources: Mapping[str, Source], side: Side, owner: int, allowed: Bools, budget: Mapping[str, int]
) -> tuple[list[Said], list[I32]]:
    said = [getattr(source, side)(owner) for source in sources.values()]
    return said, [answer.top(allowed, budget[name]) for name, answer in zip(sources, said, strict=True)]


def _described(rows: I32, said: list[Said], tops: list[I32]) -> Candidates:
    scores = np.empty((len(rows), len(said)), np.float32)
    ranks = np.full((len(rows), len(said)), np.nan, np.float32)
    for column, (answer, top) in enumerate(zip(said, tops, strict=True)):
        scores[:, column] = answer.at(rows)
        _place_ranks(rows, top, ranks, column)
    return Candidates(rows=rows, scores=scores, ranks=ranks)


@jit
def _place_ranks(rows: I32, top: I32, ranks: F32, column: int) -> None:
    for k in range(len(top)):
        place = find(rows, 0, len(rows), top[k])
        if place >= 0:
            ranks[place, column] = k + 1
