"""What stands in the file of a shortlist? What the page tells, a column each: money in yuan, rates in percent."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.answers import answer_list
from api.deps import Calling, Now, ServedNow, ServingNow
from api.pages.brand_scope import scope_of_sku
from api.pages.brand_seen import cards_of
from api.pages.brand_shortlist import query_of
from api.pages.exporting import Cell, csv_file
from api.pages.figures import percent
from api.pages.guarding import PageLanguage, page
from api.pages.words import say
from api.problems import Language, Problem
from api.telling import list_request, tell
from features.units import Ppm, shanghai_day
from matcher.request import Hidden

router = APIRouter()

MOST_EXPORTED: Final = 200

_Card = Mapping[str, Any]
_Column = Callable[[_Card, Language], Cell]


@router.get("/skus/{sku_id}/shortlist.csv", **page("brand", "operator", own="sku"))
def export_shortlist(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """The first of the shortlist as a file, under the filters of the page."""
    scope_of_sku(serving, served, caller, sku_id)
    row = served.sku_rows.get(sku_id)
    if row is None:
        raise Problem("not_found")
    asked = replace(list_request("shortlist", row, query_of(request), Hidden()), size=MOST_EXPORTED)
    answered = answer_list(served, asked, language=language, now=now)
    document = tell(serving, answered, caller, request, now)
    headings = [say(f"brand.csv.{name}", language) for name in COLUMNS]
    cards = cards_of(served, row, document["items"])
    rows = [[column(card, language) for column in COLUMNS.values()] for card in cards]
    return csv_file(f"shortlist-{sku_id.replace(':', '_')}.csv", headings, rows)


def _plain(name: str, decimals: int = 0, scale: float = 1.0) -> _Column:
    """A figure of the card."""
    return lambda card, _: _rounded(card[name], decimals, scale)


def _inner(name: str, figure: str, decimals: int = 0) -> _Column:
    """A figure of a part of the card, which may not be there."""
    return lambda card, _: _rounded((card[name] or {}).get(figure), decimals)


def _money(name: str, figure: str) -> _Column:
    return lambda card, _: _yuan((card[name] or {}).get(figure))


def _word(name: str, kind: str) -> _Column:
    return lambda card, language: None if card[name] is None else say(f"brand.{kind}.{card[name]}", language)


def _last(name: str) -> _Column:
    return lambda card, _: _day((card[name] or {}).get("last_at"))


def _expected(figure: str) -> dict[str, _Column]:
    """The middle and both ends of a range."""
    name = figure.removesuffix("_fen")
    ends = {"": figure, "_low": figure, "_high": figure}
    for end in ("_low", "_high"):
        ends[end] = f"{name}{end}_fen" if figure.endswith("_fen") else f"{name}{end}"
    if figure.endswith("_fen"):
        return {f"{name}{end}": _money("expected", key) for end, key in ends.items()}
    return {f"{name}{end}": _inner("expected", key, 2) for end, key in ends.items()}


COLUMNS: Final[Mapping[str, _Column]] = {
    "rank": _plain("rank"),
    "anchor_id": lambda card, _: str(card["anchor_id"]),
    "anchor_name": lambda card, _: str(card["anchor_name"]),
    "tier": _word("tier", "tier"),
    "account_kind": _word("account_kind", "kind"),
    "fans": _plain("fans"),
    "peak_viewers": _plain("peak_viewers"),
    "match": _plain("match", 0, 100.0),
    "reply_hours": _plain("reply_hours", 1),
    "sample_share": _plain("sample_share", 0, 100.0),
    "rate": lambda card, _: (
        None if card["rate_ppm"] is None else percent(Ppm(card["rate_ppm"])).removesuffix(" %")
    ),
    **_expected("units"),
    **_expected("gmv_fen"),
    **_expected("commission_fen"),
    "brand_listings": _inner("past_with_brand", "listings"),
    "brand_units": _inner("past_with_brand", "units"),
    "brand_gmv": _money("past_with_brand", "gmv_fen"),
    "brand_last": _last("past_with_brand"),
    "category_listings": _inner("past_in_category", "listings"),
    "category_units": _inner("past_in_category", "units"),
    "category_gmv": _money("past_in_category", "gmv_fen"),
    "category_last": _last("past_in_category"),
    "reasons": lambda card, language: "; ".join(one[language] for one in card["reasons"]),
}
"""By the name under which words have its heading."""


def _rounded(value: float | None, decimals: int, scale: float = 1.0) -> Cell:
    return None if value is None else f"{value * scale:.{decimals}f}"


def _yuan(amount_fen: int | None) -> Cell:
    return None if amount_fen is None else f"{amount_fen // 100}.{amount_fen % 100:02d}"


def _day(at: datetime | None) -> Cell:
    return None if at is None else shanghai_day(at).isoformat()
