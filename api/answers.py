"""What does a reader see of a list? The engine's answer with what an anchor, or a brand, decides by. For HTTP and pages.

Documents are plain dictionaries in the shapes of `schemas/lists.py`: a page of 50 costs a tenth of what its pydantic
models would. `test_http_lists` holds the two together.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from api.loading import Served
from api.problems import Language
from features.store.plans import AnchorStanding, SkuTerms, ids_of
from features.store.propensities import Draw
from features.units import Fen, Ppm, commission_fen, from_microseconds
from matcher.candidates.union import Side
from matcher.pairing import Pairing, PairingList
from matcher.rates import resolve_rate
from matcher.request import ListRequest
from matcher.verdict import SENTENCES
from matcher.verdict_book import Both

SOON: Final = timedelta(days=14)
"""A change of rate within it is told beside the rate."""


_PATIENCE_SECONDS: Final = 0.02
_MOST_AT_WORK: Final = 2


class Turns:
    """Lists are made in turn: two at once share one interpreter, and each ends as late as both.

    Who has waited for `_PATIENCE_SECONDS` goes on beside another, for lists leave the interpreter now and then; but
    never beside several, who would do nothing but take it from each other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._n_at_work = 0

    def take(self) -> None:
        """Wait for a turn."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._n_at_work == 0, _PATIENCE_SECONDS):
                self._changed.wait_for(lambda: self._n_at_work < _MOST_AT_WORK)
            self._n_at_work += 1

    def end(self) -> None:
        """Let the next one work."""
        with self._changed:
            self._n_at_work -= 1
            self._changed.notify_all()


_TURNS: Final = Turns()


@dataclass(frozen=True, slots=True)
class Answered:
    """A page of a list as a document, and what stands behind it."""

    document: dict[str, Any]
    verdicts: Sequence[Both]
    is_last: bool
    left_out: Mapping[str, int]
    draws: Mapping[int, Draw] = field(default_factory=dict)
    """By rank how each place got its pairing, where places of the page were drawn; else empty."""


def answer_list(served: Served, request: ListRequest, *, language: Language, now: datetime) -> Answered:
    """One page. `next_cursor` and `request_id` are the door's to fill in."""
    request = replace(request, at=now)
    line = _goods_line if request.side == "goods" else _shortlist_line
    with in_turn():
        answer = served.engine.answer(request)
        items = [line(served, pairing, language, now) for pairing in answer.pairings]
    document = {
        "anchor_id" if request.side == "goods" else "sku_id": answer.owner_id,
        "items": items,
        "next_cursor": None,
        "request_id": "",
        **provenance(served, request.side),
        "objective": answer.objective,
        "considered": answer.considered,
        "left_out": dict(answer.left_out),
    }
    shown = {pairing.sku_id: pairing.verdicts for pairing in answer.pairings}
    return Answered(
        document=document,
        verdicts=[both for both in shown.values() if both is not None],
        is_last=_is_last(answer, request),
        left_out=answer.left_out,
        draws=_draws(answer),
    )


@contextmanager
def in_turn() -> Iterator[None]:
    """Within it one list is made, or two under load; safe for threads, not to be nested."""
    _TURNS.take()
    try:
        yield
    finally:
        _TURNS.end()


def provenance(served: Served, side: Side) -> dict[str, Any]:
    """What a list was made of."""
    return {
        "model_version": served.engine.model_version(side),
        "snapshot_at": served.snapshot_at,
        "policy_version": served.engine.world.policy.version,
    }


def verdict_lines(both: Both | None, language: Language) -> list[dict[str, Any]]:
    """Both verdicts, without their evidence."""
    place = 0 if language == "zh" else 1
    return [
        {
            "rule": verdict.rule,
            "status": str(verdict.status),
            "reason": str(verdict.reason),
            "margin": verdict.margin,
            "provisional": verdict.provisional,
            "sentence": SENTENCES[verdict.reason][place],
        }
        for verdict in both or ()
    ]


def rate_change(served: Served, anchor_id: str, sku_id: str, now: datetime) -> dict[str, Any] | None:
    """When the rate of this pair changes next within two weeks, and to what: from plans alone, without rate locks."""
    book = served.engine.verdicts
    dossier = book.dossiers.get(sku_id) if book is not None else None
    if dossier is None:
        return None
    instants = {at for plan in dossier.plans for at in (plan.valid_from, plan.valid_to) if at is not None}
    ahead = sorted(at for at in instants if now < at <= now + SOON)
    if not ahead:
        return None
    world = served.engine.world
    sku = world.snapshot.shelf.rows.row(served.sku_rows[sku_id], named=True)
    tier = world.snapshot.roster.rows["tier"][served.anchor_rows[anchor_id]]
    terms = SkuTerms(sku_id, dossier.plans, sku["min_tier"], ids_of(sku["denied_anchor_ids"]))
    standing = AnchorStanding(anchor_id, tier)
    policy = world.policy.model_copy(update={"rate_lock_days": 0})

    def rate_at(at: datetime) -> int | None:
        # plans as they are known now, in the windows that they name
        held = SkuTerms(
            sku_id,
            tuple(p for p in terms.plans if p.known_at <= now),
            terms.min_tier,
            terms.denied_anchor_ids,
        )
        return resolve_rate(held, standing, at, policy=policy).rate_ppm

    today = rate_at(now)
    for at in ahead:
        then = rate_at(at)
        if then != today:
            return {
                "at": at,
                "rate_ppm": then,
                "is_cut": today is not None and (then is None or then < today),
            }
    return None


def past_with_brand(served: Served, anchor: int, brand: int) -> dict[str, Any]:
    """What the anchor (row) sold of a brand (code) in the year."""
    rows = served.past_of(brand).filter(pl.col("anchor") == anchor)
    if rows.is_empty():
        return {"listings": 0, "units": 0, "gmv_fen": 0, "last_at": None}
    row = rows.row(0, named=True)
    return {
        "listings": row["listings"],
        "units": int(row["units"]),
        "gmv_fen": int(row["gmv_fen"]),
        "last_at": from_microseconds(row["last_us"]),
    }


def _goods_line(served: Served, pairing: Pairing, language: Language, now: datetime) -> dict[str, Any]:
    row, rate = served.sku_rows[pairing.sku_id], pairing.rate_ppm
    return _line(pairing, language) | {
        "title": pairing.title,
        "brand_id": pairing.brand_id,
        "brand_name": served.brand_names.get(pairing.brand_id, pairing.brand_id),
        "category": pairing.category,
        "list_price_fen": pairing.list_price_fen,
        "commission_fen_a_unit": None
        if rate is None
        else commission_fen(Fen(pairing.list_price_fen), Ppm(rate)),
        **{name: column[row] for name, column in served.of_sku.items()},
        "rate_change": rate_change(served, pairing.anchor_id, pairing.sku_id, now),
    }


def _shortlist_line(served: Served, pairing: Pairing, language: Language, _now: datetime) -> dict[str, Any]:
    anchor = served.anchor_rows[pairing.anchor_id]
    snapshot = served.engine.world.snapshot
    stats = served.stats_of.get(anchor, {})
    brand = int(snapshot.shelf.brand[served.sku_rows[pairing.sku_id]])
    return _line(pairing, language) | {
        "anchor_name": pairing.anchor_name,
        "tier": pairing.tier,
        "account_kind": snapshot.roster.rows["account_kind"][anchor],
        "fans": stats.get("fans"),
        "reply_hours": stats.get("reply_hours"),
        "past_with_brand": past_with_brand(served, anchor, brand),
    }


def _line(pairing: Pairing, language: Language) -> dict[str, Any]:
    return {
        "rank": pairing.rank,
        "anchor_id": pairing.anchor_id,
        "sku_id": pairing.sku_id,
        "score": pairing.score,
        "rate_ppm": pairing.rate_ppm,
        "expected": None if pairing.expected is None else pairing.expected.line(),
        "verdicts": verdict_lines(pairing.verdicts, language),
        "reasons": [{"group": one.group, "zh": one.zh, "en": one.en} for one in pairing.reasons],
    }


def _is_last(answer: PairingList, request: ListRequest) -> bool:
    return len(answer.pairings) < request.size or request.skip + request.size >= answer.considered


def _draws(answer: PairingList) -> Mapping[int, Draw]:
    if not answer.drawn_from:
        return {}
    made_of = (answer.objective, answer.model_version, answer.policy_version)
    return {
        one.rank: Draw(one.propensity, tuple(answer.drawn_from) if one.is_drawn else (), *made_of)
        for one in answer.pairings
    }
