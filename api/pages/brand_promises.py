"""How are a SKU's two verdicts told to its brand? By how far they miss, what would cure them, and price sums.

What a page writes is made here once: the list of SKUs, a SKU's own page and the what-if say the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.documents import margin_unit
from api.pages.figures import instant, percent, yuan
from api.pages.words import WORDS, say
from api.problems import Language
from features.store.dossier import Dossier, Offer
from matcher.cps import FloorAccount
from matcher.parity import ParityAccount
from matcher.policy import Policy
from matcher.price import Price
from matcher.verdict import SENTENCES, Reason, Status, Verdict
from matcher.whatif import nearest_prices, nearest_rate

SEVERITY: Final = (Status.FAIL, Status.INDETERMINATE, Status.PASS, Status.NOT_APPLICABLE)
"""What a brand has to look at first."""

_OURS_TO_DO: Final = {
    ("cps_floor", Reason.NO_PLAN),
    ("price_parity", Reason.NO_OFFER),
    ("price_parity", Reason.ALL_STALE),
    ("price_parity", Reason.BAD_PRICE),
    ("price_parity", Reason.CURRENCY),
    ("price_parity", Reason.UNIT_MISMATCH),
}
"""What leaves a promise undecided until its brand does something; the rest waits for the operator's figures."""


@dataclass(frozen=True, slots=True)
class Cure:
    """What would make a promise kept, in one line; `rate` and `price` are what to type into the what-if."""

    text: str
    rate: str | None = None
    price: str | None = None
    is_ours: bool = True
    """The brand can do it; where not, it waits for others."""


def cures_of(verdict: Verdict, dossier: Dossier, policy: Policy, language: Language) -> list[Cure]:
    """Nothing for what is kept, or does not apply."""
    if verdict.status is Status.INDETERMINATE:
        own = f"brand.cure.{verdict.rule}.{verdict.reason}"
        text = say(own if own in WORDS else "brand.cure.look", language)
        return [Cure(text, is_ours=(verdict.rule, verdict.reason) in _OURS_TO_DO)]
    if verdict.status is not Status.FAIL:
        return []
    if verdict.rule == "cps_floor":
        return _rate_cure(verdict, dossier, policy, language)
    return _price_cures(verdict, dossier, policy, language)


def margin_of(verdict: Verdict, policy: Policy, language: Language) -> str | None:
    """How far it is from the threshold, with its unit; nothing where nothing was measured."""
    account = verdict.account
    is_known = isinstance(account, ParityAccount) and account.compared
    base = account.compared[0].ours.unit if is_known else "piece"
    return margin_text(verdict.margin, margin_unit(verdict, policy), base, language)


def margin_text(margin: int | None, unit: str, base_unit: str, language: Language) -> str | None:
    """The same of a verdict's document: `unit` is its `margin_unit`."""
    if margin is None:
        return None
    side = "even" if margin == 0 else "above" if margin > 0 else "below"
    if unit == "ppm":
        return say(f"brand.margin.rate.{side}", language, points=percent(abs(margin)).removesuffix(" %"))
    what = "piece" if unit == "fen a piece" else "unit"
    word = unit_word(base_unit, language)
    return say(f"brand.margin.{what}.{side}", language, amount=yuan(abs(margin)), unit=word)


def unit_word(unit: str, language: Language, n: int = 1) -> str:
    """A base unit in words, as it is said of so many."""
    return say(f"brand.unit.{unit}", language, n=n) if f"brand.unit.{unit}" in WORDS else unit


def platform_word(platform: str, language: Language) -> str:
    """A platform by the name that people use."""
    return say(f"brand.platform.{platform}", language) if f"brand.platform.{platform}" in WORDS else platform


def a_unit(paid_fen: int, units: int) -> str:
    """What a base unit comes to; marked where it does not come out even.

    >>> a_unit(5900, 2), a_unit(1000, 3), a_unit(199, 500)
    ('¥29.50', '≈ ¥3.33', '≈ ¥0.00398')
    """
    if paid_fen % units == 0:
        return yuan(paid_fen // units)
    each = paid_fen / units / 100
    return f"≈ ¥{each:,.2f}" if each >= 1 else f"≈ ¥{each:.3g}"


def price_sum(price: Price, language: Language, *, is_planned: bool = False) -> dict[str, Any]:
    """An effective price as a sum, layer by layer, with what stands behind it; for the macro `price_sum`.

    Behind what is planned nothing stands, and its ids are made up.
    """
    offer = price.offer
    pieces = offer.quantity or 1
    note = say("brand.sum.pieces", language, n=pieces, price=yuan(offer.item_price_fen))
    layers = [_layer("brand.sum.item", price.p0, note if pieces > 1 else None, language)]
    kinds = {promotion.promotion_id: promotion.kind for promotion in offer.promotions}
    for step in price.steps:
        label = f"brand.sum.layer.{step.layer}"
        kind = say(f"brand.sum.kind.{kinds.get(step.promotion_id, step.kind)}", language)
        named = kind if is_planned else f"{kind} · {step.promotion_id}"
        layers.append(_layer(label, -step.off_fen, named, language))
    if offer.deposit_fen is not None and offer.balance_fen is not None:
        parts = say(
            "brand.sum.presale.says",
            language,
            deposit=yuan(offer.deposit_fen),
            balance=yuan(offer.balance_fen),
        )
        layers.append(_layer("brand.sum.presale", price.p3 - price.p0, parts, language))
    if price.p3 < 0:
        layers.append(_layer("brand.sum.never_below", -price.p3, None, language))
    if offer.shipping_fen:
        layers.append(_layer("brand.sum.shipping", offer.shipping_fen, None, language))
    unit, units = (unit_word(price.unit, language, n) for n in (1, price.units))
    return {
        "offer_id": offer.offer_id,
        "layers": layers,
        "paid_fen": price.paid_fen,
        "units": say("brand.sum.units", language, n=f"{price.units:,}", unit=units),
        "each": say("brand.sum.each", language, amount=a_unit(price.paid_fen, price.units), unit=unit),
        "conditional_paid_fen": price.conditional_paid_fen,
        "facts": [] if is_planned else _facts(offer, language),
    }


def sums_of(verdict: Verdict, language: Language) -> list[dict[str, Any]]:
    """Of a verdict on prices: each of our prices with the reference that decides, failing ones first."""
    account = verdict.account
    if not isinstance(account, ParityAccount):
        return []
    return [
        {
            "status": str(one.status),
            "reason": str(one.reason),
            "audience": say(f"brand.audience.{one.ours.offer.audience or 'all'}", language),
            "ours": price_sum(one.ours, language),
            "theirs": None if one.theirs is None else price_sum(one.theirs.deciding[0], language),
            "n_supporting": 0 if one.theirs is None else len(one.theirs.supporting),
        }
        for one in account.compared
    ]


def told(verdict: Verdict, dossier: Dossier, policy: Policy, language: Language) -> dict[str, Any]:
    """One verdict with all that a brand may know of it."""
    place = 0 if language == "zh" else 1
    account = verdict.account
    return {
        "rule": verdict.rule,
        "status": str(verdict.status),
        "reason": str(verdict.reason),
        "sentence": SENTENCES[verdict.reason][place],
        "provisional": verdict.provisional,
        "margin": margin_of(verdict, policy, language),
        "cures": cures_of(verdict, dossier, policy, language),
        "evidence": verdict.evidence,
        "notes": [{"sentence": SENTENCES[note.reason][place], "about": note.about} for note in verdict.notes],
        "checked_at": verdict.checked_at,
        "holds_until": verdict.next_change_at,
        "floor": account if isinstance(account, FloorAccount) else None,
        "nearest": nearest_rate(verdict, policy, dossier) if verdict.rule == "cps_floor" else None,
        "parity": account if isinstance(account, ParityAccount) else None,
        "compared": sums_of(verdict, language),
    }


def _rate_cure(verdict: Verdict, dossier: Dossier, policy: Policy, language: Language) -> list[Cure]:
    nearest = nearest_rate(verdict, policy, dossier)
    if nearest is None:
        return [Cure(say("brand.cure.look", language))]
    account = verdict.account
    assert isinstance(account, FloorAccount)
    is_partial = not policy.floor.allow_partial and not all(one.is_fresh for one in account.theirs)
    key = "brand.cure.rate_partly" if is_partial else "brand.cure.rate"
    values = {"now": percent(nearest.ours_ppm), "needed": percent(nearest.rate_ppm)}
    return [Cure(say(key, language, **values), rate=values["needed"].removesuffix(" %"))]


def _price_cures(verdict: Verdict, dossier: Dossier, policy: Policy, language: Language) -> list[Cure]:
    cures = []
    for nearest in nearest_prices(verdict, verdict.checked_at, policy, dossier):
        if nearest.paid_fen <= nearest.most_paid_fen:
            continue
        item_fen = nearest.most_item_price_fen
        values = {
            "now": yuan(nearest.paid_fen),
            "most": yuan(nearest.most_paid_fen),
            "item": yuan(item_fen),
            "audience": say(f"brand.audience.{nearest.audience}", language),
        }
        key = "brand.cure.price" if item_fen is not None else "brand.cure.paid"
        price = None if item_fen is None else f"{item_fen // 100}.{item_fen % 100:02d}"
        cures.append(Cure(say(key, language, **values), price=price))
    return cures


def _layer(key: str, amount_fen: int, note: str | None, language: Language) -> dict[str, Any]:
    return {"label": say(key, language), "amount_fen": amount_fen, "note": note}


def _facts(offer: Offer, language: Language) -> Sequence[tuple[str, str]]:
    """What stands behind a price: where, by whom, and for how long."""
    named: Mapping[str, str | None] = {
        "platform": platform_word(offer.platform, language),
        "shop_kind": offer.shop_kind and say(f"brand.shop.{offer.shop_kind}", language),
        "audience": say(f"brand.audience.{offer.audience or 'all'}", language),
        "gift": offer.gift_other,
        "seen": instant(offer.observed_at),
        "valid_to": None if offer.valid_to is None else instant(offer.valid_to),
        "source": offer.source,
        "evidence": offer.evidence,
        "id": offer.offer_id,
    }
    return [(say(f"brand.offer.{name}", language), value) for name, value in named.items() if value]
