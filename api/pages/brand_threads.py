"""What became of a brand's invitations? Told events put together, an invitation each, with what was sold since.

An invitation is a thread: the event `invited` of an anchor and a SKU, and what followed until the next one of the two.
What nobody told, the broadcasts say: a listing after the invitation counts as `listed`, a sale as `sold`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlmodel import Session

from api.loading import Served
from api.serving import Serving
from api.signing import keyed_digest
from features.facts import NEVER_US
from features.store.db import read_rows
from features.store.journal import Event
from features.units import from_microseconds, microseconds

STATES: Final = ("invited", "accepted", "declined", "sample_sent", "listed", "sold")
"""In the order in which they follow each other."""
ANSWER_DAYS: Final = 14
"""An invitation that nobody answered for so long may be sent again."""

# `kind <> 'shown'` names the index; a SKU is the brand's by its version of now, not by one that was.
_EVENTS: Final = (
    "SELECT event_id, request_id, at, anchor_id, sku_id, kind, position, source FROM feedback"
    " WHERE kind <> 'shown' AND kind IN ('invited', 'accepted', 'declined', 'sample_sent', 'listed', 'sold')"
)
_OF_SKU: Final = f"{_EVENTS} AND sku_id = :sku"
_OF_BRAND: Final = (
    f"{_EVENTS} AND sku_id IN (SELECT k.sku_id FROM skus k WHERE k.brand_id = :brand"  # noqa: S608 - our own names
    " AND k.known_at = (SELECT MAX(v.known_at) FROM skus v WHERE v.sku_id = k.sku_id AND v.known_at <= :now))"
)


@dataclass(frozen=True, slots=True)
class Thread:
    """One invitation and what followed."""

    sku_id: str
    anchor_id: str
    events: tuple[Event, ...]
    """By instant; the first is the invitation."""
    listings: int = 0
    """Since then, by the broadcasts."""
    units: int = 0
    gmv_fen: int = 0

    @property
    def event_id(self) -> str:
        """Of the invitation."""
        return self.events[0].event_id

    @property
    def invited_at(self) -> datetime:
        """When it was sent."""
        return self.events[0].at

    @property
    def state(self) -> str:
        """The last that was told of it, unless a broadcast shows more."""
        told = self.events[-1].kind
        seen = "sold" if self.units else "listed" if self.listings else told
        return max(told, seen, key=STATES.index)

    def is_open(self, now: datetime) -> bool:
        """Whether another invitation would only repeat it."""
        is_silent = self.state == "invited" and now - self.invited_at > timedelta(days=ANSWER_DAYS)
        return self.state != "declined" and not is_silent


def threads_of(
    serving: Serving,
    served: Served,
    session: Session,
    brand_id: str,
    now: datetime,
    *,
    sku_id: str | None = None,
) -> list[Thread]:
    """Every invitation of the brand, or of one SKU that is its own, the newest first.

    In the store, by one query, and in the journal on its way there.
    """

    def is_ours(event: Event) -> bool:
        return event.kind in STATES and event.sku_id in own and sku_id in (None, event.sku_id)

    own = frozenset(served.engine.world.snapshot.shelf.rows.filter(brand_id=brand_id)["sku_id"])
    waiting = serving.journal.waiting_where(is_ours)  # first: an event moves from the journal into the store
    if sku_id is not None:
        rows = read_rows(session, _OF_SKU, {"sku": sku_id})
    else:
        rows = read_rows(session, _OF_BRAND, {"brand": brand_id, "now": microseconds(now)})
    stored = [_event(row) for row in rows]
    found = {event.event_id: event for event in [*waiting, *stored]}
    mine = [event for event in found.values() if _is_heard(event, brand_id)]
    return _with_results(served, sorted(_threads(mine), key=lambda thread: thread.invited_at, reverse=True))


def known_invitations(threads: Sequence[Thread], now: datetime) -> dict[str, Any]:
    """For a page with anchors to invite: the newest thread of each pair, and the pairs that need no other one."""
    states = {(one.sku_id, one.anchor_id): one for one in reversed(threads)}
    return {"states": states, "open_threads": {pair for pair, one in states.items() if one.is_open(now)}}


def thread_of(threads: Iterable[Thread], sku_id: str, anchor_id: str) -> Thread | None:
    """The newest of an anchor and a SKU."""
    return next((one for one in threads if (one.sku_id, one.anchor_id) == (sku_id, anchor_id)), None)


def told_event_id(secret: bytes, source: str, sku_id: str, anchor_id: str, kind: str, n: int) -> str:
    """The same for the same thing told twice: the n-th of this kind between a SKU and an anchor, by one teller.

    Nobody else can work it out: who could would learn by a 409 what was told, or take the id first.
    """
    return f"page_{keyed_digest(secret, 'told', source, sku_id, anchor_id, kind, str(n))[:32]}"


def _is_heard(event: Event, brand_id: str) -> bool:
    """Not what another brand told, to which the SKU may have belonged."""
    return not event.source.startswith("brand:") or event.source == f"brand:{brand_id}"


def _event(row: Sequence[Any]) -> Event:
    event_id, request_id, at_us, anchor_id, sku_id, kind, position, source = row
    at = from_microseconds(at_us)
    return Event(event_id, request_id, at, anchor_id, sku_id, kind, position, source)


def _threads(events: Iterable[Event]) -> list[Thread]:
    """What follows no invitation is an anchor's own choice, and nobody's answer."""
    threads: list[list[Event]] = []
    newest: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda one: (one.at, STATES.index(one.kind), one.event_id)):
        pair = (event.sku_id, event.anchor_id)
        if event.kind == "invited":
            newest[pair] = [event]
            threads.append(newest[pair])
        elif pair in newest:
            newest[pair].append(event)
    return [Thread(one[0].sku_id, one[0].anchor_id, tuple(one)) for one in threads]


def _with_results(served: Served, threads: Sequence[Thread]) -> list[Thread]:
    """With what was listed and sold since each invitation, until the next one of the two; `threads` newest first."""
    ledger = served.engine.world.snapshot.ledger
    skus = [served.sku_rows.get(one.sku_id, -1) for one in threads]
    anchors = [served.anchor_rows.get(one.anchor_id, -1) for one in threads]
    rows = np.flatnonzero(np.isin(ledger.sku, skus) & np.isin(ledger.anchor, anchors))
    sku, anchor, at_us = ledger.sku[rows], ledger.anchor[rows], ledger.at_us[rows]
    until: dict[tuple[int, int], int] = {}
    told = []
    for one, pair in zip(threads, zip(skus, anchors, strict=True), strict=True):
        since_us = microseconds(one.invited_at)
        is_during = (sku == pair[0]) & (anchor == pair[1]) & (at_us >= since_us)
        during = rows[is_during & (at_us < until.get(pair, NEVER_US))]
        until[pair] = since_us
        told.append(
            replace(
                one,
                listings=len(during),
                units=int(np.nansum(ledger.rows.units[during])),
                gmv_fen=int(np.nansum(ledger.rows.gmv_fen[during])),
            )
        )
    return told
