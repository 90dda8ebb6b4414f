"""What is an answer made of? A list of pairings, each with what its reader decides by, and the account of the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from features.kernels import F64, I32
from features.snapshot import Snapshot
from matcher.explain import Reason
from matcher.model import Objective
from matcher.outcome import ExpectedOne
from matcher.verdict_book import Both


@dataclass(frozen=True, slots=True)
class Chosen:
    """A list of rows with their scores, best first."""

    rows: I32
    scores: F64


class Pairing(NamedTuple):
    """One line of a list, with what its reader decides by."""

    rank: int
    anchor_id: str
    sku_id: str
    score: float
    rate_ppm: int | None
    expected: ExpectedOne | None
    """Nothing where no model serves."""
    reasons: Sequence[Reason]
    title: str
    brand_id: str
    category: str
    list_price_fen: int
    anchor_name: str
    tier: str | None
    verdicts: Both | None
    """What the two rules say of the SKU; nothing where no dossiers stand behind the engine."""
    propensity: float = 1.0
    """The chance that this pairing would stand at this place: 1 where nothing was drawn."""
    is_drawn: bool = False


@dataclass(frozen=True, slots=True)
class PairingList:
    """An answer: the pairings, and an account of what was left out."""

    owner_id: str
    pairings: Sequence[Pairing]
    objective: Objective
    """What best first meant, where a model ranked."""
    model_version: str
    snapshot_at_us: int
    policy_version: str
    considered: int
    """Candidates that were ranked."""
    left_out: Mapping[str, int]
    """Reason -> how many of the rows that pass the filters; `NOT_A_CANDIDATE` is no refusal."""
    drawn_from: Sequence[str] = ()
    """Ids of the other side that the drawn places were drawn from, best first; none where the list is certain."""


def make_pairings(snapshot: Snapshot, anchors: I32, skus: I32, **said: Sequence[Any]) -> list[Pairing]:
    """Pairings of these rows of roster and shelf, with `said`: a column for each field that is on neither card."""
    on_cards = zip(
        ("anchor_id", "anchor_name", "tier", "sku_id", "title", "brand_id", "category", "list_price_fen"),
        (
            *cells(snapshot.roster.rows, anchors, "anchor_id", "name", "tier"),
            *cells(snapshot.shelf.rows, skus, "sku_id", "title", "brand_id", "category", "list_price_fen"),
        ),
        strict=True,
    )
    columns = said | dict(on_cards)
    return list(map(Pairing._make, zip(*(columns[name] for name in Pairing._fields), strict=True)))


def cells(frame: pl.DataFrame, rows: I32, *names: str) -> list[list[Any]]:
    """Some columns of some rows, a list a column."""
    at = pl.Series(rows.astype(np.uint32))  # polars' own kind of place: it takes those as they are
    return [frame[name][at].to_list() for name in names]
