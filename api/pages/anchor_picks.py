"""What has an anchor picked, who invites it, and what came of it? And what it has hidden, to be shown again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Response

from api.outcomes import Dealing, dealings_of
from api.pages.anchor_desk import AtDesk, Desk
from api.pages.guarding import page
from api.wishes import hidden_rows
from features.units import from_microseconds, microseconds

router = APIRouter()

DEALINGS_A_PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Sold:
    """What the anchor's live sessions since a dealing began brought of the SKU."""

    listings: int
    units: int
    gmv_fen: int
    last_at: datetime


@router.get("/picks", **page("anchor", "operator"))
def show_picks(desk: AtDesk) -> Response:
    """Invitations that wait, then picks, the latest first; what is hidden stands below."""
    if desk.anchor_id is None:
        return desk.render("anchor_choose.html", address="/picks")
    dealings = dealings_of(desk.serving, desk.session, desk.owner, now=desk.now)
    invited = [one for one in dealings.values() if one.invitation is not None]
    others = [one for one in dealings.values() if one.invitation is None]
    number = _page_number(desk)
    shown = others[(number - 1) * DEALINGS_A_PAGE : number * DEALINGS_A_PAGE]
    hidden = hidden_rows(desk.session, desk.owner)
    named = [one.sku_id for one in (*invited, *others)] + [row.value for row in hidden if row.kind == "sku"]
    goods = desk.goods(named)
    return desk.render(
        "picks.html",
        invited=invited,
        dealings=shown,
        n_dealings=len(others),
        number=number,
        is_last=number * DEALINGS_A_PAGE >= len(others),
        goods=goods,
        cuts=_cuts([goods[one.sku_id] for one in (*invited, *others)]),
        sold=sold_since(desk, [*invited, *shown]),
        hidden=hidden,
        said=desk.said(dealings),
    )


def sold_since(desk: Desk, dealings: Sequence[Dealing]) -> Mapping[str, Sold]:
    """By SKU what was sold since each dealing began, as the snapshot knows it; nothing for what was never put up."""
    if desk.row is None or not dealings:
        return {}
    ledger = desk.served.engine.world.snapshot.ledger
    mine = np.flatnonzero(ledger.anchor == desk.row)
    skus, at_us = ledger.sku[mine], ledger.at_us[mine]
    found = {}
    for one in dealings:
        row = desk.served.sku_rows.get(one.sku_id, -1)
        rows = mine[(skus == row) & (at_us >= microseconds(one.began_at))]
        if len(rows):
            found[one.sku_id] = Sold(
                listings=len(rows),
                units=int(np.nansum(ledger.rows.units[rows])),
                gmv_fen=int(np.nansum(ledger.rows.gmv_fen[rows])),
                last_at=from_microseconds(int(ledger.at_us[rows].max())),
            )
    return found


def _cuts(goods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose rate is about to be cut, the nearest first."""
    falling = [sku for sku in goods if sku["title"] is not None and (sku["rate_change"] or {}).get("is_cut")]
    return sorted(falling, key=lambda sku: (sku["rate_change"]["at"], sku["sku_id"]))


def _page_number(desk: Desk) -> int:
    asked = desk.request.query_params.get("page", "")
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 5 else 1
