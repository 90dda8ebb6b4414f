"""Which of my SKUs need me? Every SKU of a brand with both verdicts, failing ones first, and what would cure them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from fastapi import APIRouter, Request, Response

from api.access import Caller
from api.deps import Calling, Now, ServedNow, ServingNow
from api.loading import Served
from api.pages.brand_promises import SEVERITY, Cure, cures_of
from api.pages.brand_scope import asked_choice, asked_place, asked_text, rows_of, scope_of_brand, show
from api.pages.guarding import PageLanguage, page
from api.pages.rendering import render
from api.problems import Language
from features.kernels import I64
from features.store.dossier import Dossier
from matcher.verdict import RULES, Status, Verdict
from matcher.verdict_book import Both

router = APIRouter()

SKUS_A_PAGE: Final = 50
MOST_SHARED: Final = 20
"""So many SKUs may share their anchors on one page."""


@dataclass(frozen=True, slots=True)
class SkuLine:
    """One SKU of the list."""

    row: int
    sku_id: str
    title: str
    category: str
    list_price_fen: int
    stock: int | None
    open_ppm: int | None
    refusal: str | None
    """The rule that keeps it from every list."""
    listings_30d: int
    units_30d: int
    both: Both

    def verdicts(self, rule: str | None) -> Sequence[Verdict]:
        """Both, or that of one rule."""
        return [verdict for verdict in self.both if rule in (None, verdict.rule)]

    def worst(self, rule: str | None = None) -> Status:
        """The status that has to be looked at first."""
        return min((verdict.status for verdict in self.verdicts(rule)), key=SEVERITY.index)


@router.get("/skus", **page("brand", "operator"))
def show_skus(
    request: Request,
    served: ServedNow,
    serving: ServingNow,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """The brand's SKUs; an operator who names no brand is asked which."""
    scope = scope_of_brand(request, served, caller)
    if scope is None:
        return choose_brand(request, served, caller, language)
    rule = asked_choice(request, "rule", RULES)
    verdict = asked_choice(request, "verdict", [str(status) for status in SEVERITY])
    words = asked_text(request, "q")
    lines = lines_of(served, rows_of(served, scope.brand_id), now)
    found = _matching(lines, words)
    counts = Counter(str(line.worst(rule)) for line in found)
    chosen = [line for line in found if verdict is None or line.worst(rule) == verdict]
    chosen.sort(key=lambda line: (SEVERITY.index(line.worst(rule)), -line.units_30d, line.sku_id))
    place = asked_place(request, SKUS_A_PAGE)
    shown = chosen[place : place + SKUS_A_PAGE]
    serving.remember(line.both for line in shown)
    is_more = place + SKUS_A_PAGE < len(chosen)
    return show(
        request,
        "brand_skus.html",
        scope=scope,
        caller=caller,
        language=language,
        lines=shown,
        cures={line.sku_id: _cures(served, line, language) for line in shown},
        counts={str(status): counts[str(status)] for status in SEVERITY},
        n_found=len(chosen),
        n_all=len(lines),
        place=place,
        next_place=place + SKUS_A_PAGE if is_more else None,
        asked={"rule": rule, "verdict": verdict, "q": words},
        most_shared=MOST_SHARED,
    )


def lines_of(served: Served, rows: Sequence[int], now: datetime) -> list[SkuLine]:
    """The SKUs of these rows as a brand's list tells them; from memory alone."""
    engine = served.engine
    snapshot, rates = engine.world.snapshot, engine.world.rates
    shelf = snapshot.shelf
    places = np.array(rows, np.int64)
    cards = shelf.rows.select("sku_id", "title", "category", "list_price_fen", "stock")[places]
    refusals = _refusals(served, places)
    recent = {
        name: snapshot.sku_block[places, snapshot.column("sku", f"sku_{name}_30d")]
        for name in ("listings", "units")
    }
    assert engine.verdicts is not None
    found = engine.verdicts.of_page(cards["sku_id"].to_list(), now)
    return [
        SkuLine(
            row=row,
            **card,
            open_ppm=int(rates.open_ppm[row]) if rates.open_ppm[row] >= 0 else None,
            refusal=refusals.get(row),
            listings_30d=int(recent["listings"][k]),
            units_30d=int(recent["units"][k]),
            both=found[k],
        )
        for k, (row, card) in enumerate(zip(rows, cards.iter_rows(named=True), strict=True))
    ]


def dossier_of(served: Served, sku_id: str) -> Dossier:
    """As the engine has it in memory."""
    book = served.engine.verdicts
    assert book is not None
    return book.dossiers.get(sku_id) or Dossier(sku_id, ())


def choose_brand(request: Request, served: Served, caller: Caller, language: Language) -> Response:
    """For an operator: whose pages are to be looked at?"""
    shelf = served.engine.world.snapshot.shelf
    sizes = np.bincount(shelf.brand, minlength=len(shelf.brand_ids))
    n_skus = dict(zip(shelf.brand_ids, sizes.tolist(), strict=True))
    words = (asked_text(request, "q") or "").casefold()
    brands = [
        {"brand_id": brand_id, "name": name, "n_skus": n_skus.get(brand_id, 0)}
        for brand_id, name in sorted(served.brand_names.items())
        if words in brand_id.casefold() or words in name.casefold()
    ]
    place = asked_place(request, SKUS_A_PAGE)
    return render(
        request,
        "brand_choose.html",
        language=language,
        caller=caller,
        scope=None,
        brands=brands[place : place + SKUS_A_PAGE],
        place=place,
        next_place=place + SKUS_A_PAGE if place + SKUS_A_PAGE < len(brands) else None,
        q=asked_text(request, "q"),
    )


def _matching(lines: Sequence[SkuLine], words: str | None) -> list[SkuLine]:
    """Those whose title or id holds every one of the words."""
    parts = (words or "").casefold().split()
    return [line for line in lines if all(part in f"{line.title} {line.sku_id}".casefold() for part in parts)]


def _cures(served: Served, line: SkuLine, language: Language) -> list[tuple[str, Cure]]:
    """Of each rule that is not kept, what the brand can do about it."""
    dossier, policy = dossier_of(served, line.sku_id), served.engine.world.policy
    return [
        (verdict.rule, cure)
        for verdict in line.both
        for cure in cures_of(verdict, dossier, policy, language)
        if cure.is_ours
    ]


def _refusals(served: Served, rows: I64) -> Mapping[int, str]:
    refused: dict[int, str] = {}
    for reason, broken in served.engine.world.verdicts.refused.items():
        refused |= dict.fromkeys(rows[broken[rows]].tolist(), reason)
    return refused
