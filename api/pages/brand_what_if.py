"""What if the rate, the price or a coupon were another? Both verdicts and the takers, as one types; nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue
from sqlmodel import Session

from api.findings import planned_document
from api.pages.brand_promises import margin_text, price_sum
from api.pages.figures import percent, yuan
from api.pages.words import say
from api.problems import Language
from api.schemas.checks import PlannedAsked
from api.serving import Serving
from features.errors import WrongInput
from features.store.dossier import (
    BigEvent,
    Calendar,
    Dossier,
    Offer,
    Promotion,
    in_window,
    stands,
    version_at,
)
from features.store.planned import read_planned
from features.store.plans import SkuTerms
from features.units import COMMISSION_LIMIT, Fen, Ppm, parse_rate, parse_yuan
from matcher.ours import latest_of_each_audience
from matcher.policy import Policy
from matcher.price import effective_price
from matcher.rates import strongest
from matcher.verdict import Reason

FIELDS: Final = ("rate", "price", "coupon")
_DEAREST: Final = Fen(1_000_000_000)
"""Ten million yuan a piece: above it a digit was mistaken."""
_KEPT: Final = (
    "quantity",
    "shipping_fen",
    "units_per_pack",
    "unit",
    "gift_same_units",
    "gift_other",
    "audience",
    "welfare",
    "currency",
)
"""What a planned offer takes over from the one that stands."""
_KEPT_OF_PROMOTION: Final = (
    "layer",
    "kind",
    "off_fen",
    "threshold_fen",
    "cap_fen",
    "n",
    "exclusive_group",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now, and what a plan is measured against."""

    rate_ppm: Ppm | None
    """The open rate; nothing where no open plan is in force."""
    offer: Offer | None
    """For everybody, else for the first audience."""
    item_price_fen: Fen | None
    """Of that offer; without one the list price, where it is known."""

    def typed(self) -> dict[str, str]:
        """As the form shows it."""
        price = self.item_price_fen
        return {
            "rate": "" if self.rate_ppm is None else percent(self.rate_ppm).removesuffix(" %"),
            "price": "" if price is None else f"{price // 100}.{price % 100:02d}",
            "coupon": "",
        }


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What was typed, and read exactly; a field that cannot be read has an error instead."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    rate_ppm: Ppm | None = None
    price_fen: Fen | None = None
    coupon_fen: Fen | None = None

    @property
    def is_asked(self) -> bool:
        """Whether anything differs from what stands."""
        return not self.errors and (self.rate_ppm, self.price_fen, self.coupon_fen) != (None, None, None)


def standing_of(dossier: Dossier, policy: Policy, at: datetime, list_price_fen: int | None) -> Standing:
    """From live rows."""
    plan = strongest(SkuTerms(dossier.sku_id, dossier.plans), None, at, policy)
    prices = latest_of_each_audience(dossier.offers, version_at(dossier.versions, at), at, policy)
    for_all = [price for price in prices if (price.offer.audience or "all") == "all"] or prices
    offer = for_all[0].offer if for_all else None
    item_fen = list_price_fen if offer is None else offer.item_price_fen
    return Standing(
        None if plan is None else plan.rate_ppm, offer, None if item_fen is None else Fen(item_fen)
    )


def read_what_if(given: Mapping[str, str], standing: Standing) -> WhatIf:
    """What differs from what stands, in exact arithmetic; an empty field asks for nothing."""
    typed = {name: given.get(name, "").strip()[:40] for name in FIELDS}
    errors: dict[str, str] = {}
    rate = price = coupon = None
    try:
        rate = Ppm(parse_rate(typed["rate"], "percent", limit=COMMISSION_LIMIT)) if typed["rate"] else None
    except WrongInput:
        errors["rate"] = "brand.what_if.bad_rate"
    for name in ("price", "coupon"):
        try:
            amount = parse_yuan(typed[name]) if typed[name] else None
        except WrongInput:
            amount = Fen(_DEAREST + 1)
        if amount is not None and amount > _DEAREST:
            errors[name] = "brand.what_if.bad_amount"
        elif name == "price":
            price = amount
        else:
            coupon = amount
    return WhatIf(
        typed,
        errors,
        rate_ppm=None if rate == standing.rate_ppm else rate,
        price_fen=None if price == standing.item_price_fen else price,
        coupon_fen=coupon or None,
    )


def answer_what_if(
    serving: Serving,
    session: Session,
    dossier: Dossier,
    calendar: Calendar,
    asked: WhatIf,
    standing: Standing,
    language: Language,
    now: datetime,
) -> dict[str, Any]:
    """Both verdicts under the plan, the planned price as a sum, and the takers where the rate differs.

    Where no big promotion runs, a planned price is held against the promise as if it were seen when the next begins.
    """
    policy = serving.policy
    offers = [] if asked.price_fen is None and asked.coupon_fen is None else [_offer(asked, standing, now)]
    body = PlannedAsked(sku_id=dossier.sku_id, plans=_plans(asked), offers=offers)
    found = planned_document(serving, session, body, "brand", now)
    of_rule = {line["rule"]: line for line in found["verdicts"]}
    event, ahead = _next_event(calendar, policy, now), None
    if offers and event is not None and of_rule["price_parity"]["reason"] == Reason.NO_EVENT:
        body = PlannedAsked(sku_id=dossier.sku_id, offers=offers)
        ahead = planned_document(serving, session, body, "brand", now, event.starts_at)["verdicts"][-1]
    return {
        "verdicts": [_line(line, language) for line in found["verdicts"]],
        "takers": found["takers"],
        "ahead": None if ahead is None else _line(ahead, language),
        "event": event,
        "sum": _planned_sum(dossier, policy, offers, language, now) if offers else None,
        "changes": _changes(asked, standing, language),
    }


def _plans(asked: WhatIf) -> list[dict[str, JsonValue]]:
    if asked.rate_ppm is None:
        return []
    return [{"plan_type": "open", "rate": str(asked.rate_ppm), "rate_unit": "ppm"}]


def _offer(asked: WhatIf, standing: Standing, at: datetime) -> dict[str, JsonValue]:
    """The offer that stands with another price, and one more coupon of the shop; what holds of it now goes on."""
    stands_now = standing.offer
    price_fen = standing.item_price_fen if asked.price_fen is None else asked.price_fen
    row: dict[str, JsonValue] = {"item_price_fen": price_fen or 0}
    promotions: list[JsonValue] = []
    if stands_now is not None:
        row |= _values(stands_now, _KEPT)
        promotions += [
            _promotion(promotion)
            for promotion in stands_now.promotions
            if stands(promotion.retracted_at, at) and in_window(at, promotion.valid_from, promotion.valid_to)
        ]
    if asked.coupon_fen is not None:
        promotions.append({"layer": "shop", "kind": "coupon", "off_fen": asked.coupon_fen})
    return row | {"promotions": promotions}


def _promotion(promotion: Promotion) -> dict[str, JsonValue]:
    row = _values(promotion, _KEPT_OF_PROMOTION)
    if promotion.off_rate_ppm is not None:
        row |= {"off_rate": str(promotion.off_rate_ppm), "off_rate_unit": "ppm"}
    return row


def _values(of: Offer | Promotion, names: tuple[str, ...]) -> dict[str, JsonValue]:
    return {name: value for name in names if (value := getattr(of, name)) is not None}


def _planned_sum(
    dossier: Dossier, policy: Policy, offers: list[dict[str, JsonValue]], language: Language, at: datetime
) -> dict[str, Any]:
    planned = read_planned(
        {"offers": offers},
        sku_id=dossier.sku_id,
        at=at,
        home_platform=policy.home_platform,
        where="what-if",
    )
    price = effective_price(planned.offers[0], at, policy, version_at(dossier.versions, at))
    return price_sum(price, language, is_planned=True)


def _next_event(calendar: Calendar, policy: Policy, at: datetime) -> BigEvent | None:
    events = calendar.as_known(at).big_promotions(policy.home_platform)
    return next((event for event in events if event.starts_at > at), None)


def _line(line: dict[str, Any], language: Language) -> dict[str, Any]:
    """A planned verdict as a page writes it."""
    compared = line["account"].get("compared")
    unit = compared[0]["ours"]["unit"] if compared else "piece"
    return line | {
        "sentence": line["sentence"][language],
        "margin": margin_text(line["margin"], line["margin_unit"], unit, language),
    }


def _changes(asked: WhatIf, standing: Standing, language: Language) -> list[str]:
    """What would be another, in words."""
    told = []
    if asked.rate_ppm is not None:
        values = {"now": percent(standing.rate_ppm), "then": percent(asked.rate_ppm)}
        told.append(say("brand.what_if.rate_to", language, **values))
    if asked.price_fen is not None:
        values = {"now": yuan(standing.item_price_fen), "then": yuan(asked.price_fen)}
        told.append(say("brand.what_if.price_to", language, **values))
    if asked.coupon_fen is not None:
        told.append(say("brand.what_if.coupon_of", language, amount=yuan(asked.coupon_fen)))
    return told
