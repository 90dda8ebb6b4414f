"""What does the ranker see of these pairs? (snapshot, pairs) -> float32, the one path for training and serving.

What only the matcher knows comes as arrays (`Outside`): the rates it resolved, and what its candidate sources
said. Each row depends on its own pair alone, and is summed in a fixed order: a row made for training equals, to
the last bit, the row that serving would have made.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.audience import audience_columns
from features.catalogue import FEATURES, SOURCES, first_column, names_of
from features.content import content_columns
from features.history import history_columns
from features.kernels import F32, F64, I32, I64, gather, jit
from features.snapshot import Snapshot

NO_RATE = -1


@dataclass(frozen=True, slots=True)
class Outside:
    """What `matcher` hands in, a row a pair."""

    rate_ppm: I64
    """(n,) the rate that applies to the pair; NO_RATE where none does."""
    usual_rate: F32
    """(n_categories,) median open rate in percent; NaN where no plan is open."""
    scores: F32
    """(n, n_sources) in the order of `SOURCES`; 0 where a source says nothing."""
    ranks: F32
    """(n, n_sources), 1 the best; NaN where a source did not bring the pair."""


def build_matrix(snapshot: Snapshot, anchors: I32, skus: I32, outside: Outside) -> F32:
    """Shape (n_pairs, n_features), float32, C order; columns as `catalogue.NAMES`."""
    out = np.empty((len(anchors), len(FEATURES)), np.float32)
    shelf, histories = snapshot.shelf, snapshot.histories
    gather(snapshot.sku_block, skus, out, first_column("sku"))
    gather(snapshot.anchor_block, anchors, out, first_column("anchor"))
    audience_columns(snapshot.audiences, shelf, anchors, skus, out, first_column("audience"))
    history_columns(histories, shelf, anchors, skus, snapshot.as_of_us, out, first_column("history"))
    content_columns(snapshot.content, histories.sku, anchors, skus, out, first_column("content"))
    habits, habit = snapshot.habits, np.float64
    _fit_columns(
        snapshot.log_price, snapshot.price_gap, shelf.nonstandard, snapshot.log_units, snapshot.ledger.sku_conversion,
        habits.log_price.astype(habit), habits.log_price_spread, habits.trust, habits.log_units, habits.impressions,
        snapshot.ledger.anchor_ratio, anchors, skus, out, first_column("fit"),
    )  # fmt: skip
    _terms_columns(
        outside.rate_ppm,
        outside.usual_rate,
        shelf.price_fen,
        shelf.category,
        skus,
        out,
        first_column("terms"),
    )
    out[:, first_column("occasion")] = snapshot.occasion.days_to_event
    out[:, first_column("occasion") + 1] = snapshot.event_focus[skus]
    first = first_column("source")
    out[:, first : first + 2 * len(SOURCES) : 2] = outside.scores
    out[:, first + 1 : first + 2 * len(SOURCES) : 2] = outside.ranks
    return out


@jit
def _fit_columns(
    log_price: F64, price_gap: F64, nonstandard: F32, log_units: F64, conversion: F64,
    usual_price: F64, spread: F64, trust: F64, usual_units: F64, impressions: F64,
    ratio: F64, anchors: I32, skus: I32, out: Any, first: int,
) -> None:  # fmt: skip
    for i in range(len(anchors)):
        a, s = anchors[i], skus[i]
        gap = (log_price[s] - usual_price[a]) / spread[a]
        out[i, first] = gap
        out[i, first + 1] = abs(gap)
        out[i, first + 2] = price_gap[s] * nonstandard[s]
        out[i, first + 3] = trust[a] * (2.0 * nonstandard[s] - 1.0)
        out[i, first + 4] = log_units[s] - usual_units[a]
        expected = conversion[s] * ratio[a] * impressions[a]
        out[i, first + 5] = expected
        out[i, first + 6] = expected * np.exp(log_price[s]) / 100.0


@jit
def _terms_columns(
    rate_ppm: I64, usual_rate: F32, price_fen: I64, category: I32, skus: I32, out: Any, first: int
) -> None:
    for i in range(len(skus)):
        if rate_ppm[i] < 0:
            out[i, first] = np.nan
            out[i, first + 1] = np.nan
            out[i, first + 2] = np.nan
            continue
        percent = rate_ppm[i] / 10_000.0
        out[i, first] = percent
        out[i, first + 1] = (price_fen[skus[i]] * rate_ppm[i] // 1_000_000) / 100.0
        out[i, first + 2] = percent - usual_rate[category[skus[i]]]


assert len(names_of("fit")) == 7 and len(names_of("terms")) == 3  # noqa: PT018 - the kernels above count on it
