"""What is an answer made of? A list of pairings, each with what its reader decides by, and the account of the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.kernels import F64, I32
from matcher.explain import Reason
from matcher.model import Objective
from matcher.outcome import Expected
from matcher.verdict_book import Both


@dataclass(frozen=True, slots=True)
class Chosen:
    """A list of rows with their scores, best first."""

    rows: I32
    scores: F64


@dataclass(frozen=True, slots=True)
class Pairing:
    """One line of a list, with what its reader decides by."""

    rank: int
    anchor_id: str
    sku_id: str
    score: float
    rate_ppm: int | None
    expected: Expected | None
    """Of one pairing: arrays of length 1; nothing where no model serves."""
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
