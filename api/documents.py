"""How does a verdict look to a program? As JSON: money in fen, rates in ppm, instants with their offset."""

from dataclasses import asdict
from typing import Any

from features.store.dossier import Dossier
from matcher.cps import FloorAccount
from matcher.parity import Compared, ParityAccount
from matcher.policy import Policy
from matcher.price import Price
from matcher.verdict import SENTENCES, Reason, Verdict
from matcher.verdict_book import Both
from matcher.whatif import nearest_prices, nearest_rate


def document(both: Both, dossier: Dossier, policy: Policy) -> dict[str, Any]:
    """Both verdicts as JSON: money in fen, rates in ppm, instants with their offset."""
    return {
        "sku_id": dossier.sku_id,
        "policy_version": policy.version,
        "verdicts": [
            verdict_document(verdict)
            | {"margin_unit": margin_unit(verdict, policy)}
            | _what_if(verdict, dossier, policy)
            for verdict in both
        ],
    }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """One verdict, without its account."""
    zh, en = SENTENCES[verdict.reason]
    return {
        "rule": verdict.rule,
        "status": str(verdict.status),
        "reason": str(verdict.reason),
        "sentence": {"zh": zh, "en": en},
        "margin": verdict.margin,
        "evidence": [
            {"id": row.id, "table": row.table, "observed_at": row.observed_at.isoformat()}
            for row in verdict.evidence
        ],
        "provisional": verdict.provisional,
        "policy_version": verdict.policy_version,
        "checked_at": verdict.checked_at.isoformat(),
        "next_change_at": None if verdict.next_change_at is None else verdict.next_change_at.isoformat(),
        "notes": [{"reason": str(note.reason), "about": note.about} for note in verdict.notes],
    }


def _what_if(verdict: Verdict, dossier: Dossier, policy: Policy) -> dict[str, Any]:
    """What would make it pass, and the account of what was compared."""
    if verdict.rule == "cps_floor":
        nearest = nearest_rate(verdict, policy, dossier)
        account = verdict.account
        if not isinstance(account, FloorAccount):
            return {"nearest_rate": None}
        return {
            "nearest_rate": None if nearest is None else asdict(nearest),
            "plan_id": None if account.plan is None else account.plan.plan_id,
            "rate_ppm": None if account.plan is None else account.plan.rate_ppm,
            "floor_ppm": account.floor_ppm,
            "platforms": [
                {
                    "platform": one.quote.platform,
                    "quote_id": one.quote.quote_id,
                    "rate_ppm": one.rate_ppm,
                    "observed_at": one.quote.observed_at.isoformat(),
                    "fresh": one.is_fresh,
                }
                for one in account.theirs
            ],
        }
    prices = nearest_prices(verdict, verdict.checked_at, policy, dossier)
    parity = verdict.account if isinstance(verdict.account, ParityAccount) else None
    return {
        "nearest_prices": [asdict(one) for one in prices],
        "event_id": None if parity is None else parity.event.event_id,
        "reference_event_ids": [] if parity is None else [event.event_id for event in parity.references],
        "compared": [] if parity is None else [_compared_document(one) for one in parity.compared],
    }


def _compared_document(one: Compared) -> dict[str, Any]:
    return {
        "status": str(one.status),
        "reason": str(one.reason),
        "margin": one.margin,
        "ours": price_document(one.ours),
        "theirs": [] if one.theirs is None else [price_document(price) for price in one.theirs.deciding],
    }


def price_document(price: Price) -> dict[str, Any]:
    """An effective price with every step."""
    return {
        "offer_id": price.offer.offer_id,
        "audience": price.offer.audience or "all",
        "observed_at": price.offer.observed_at.isoformat(),
        "p0": price.p0,
        "p1": price.p1,
        "p2": price.p2,
        "p3": price.p3,
        "shipping_fen": price.offer.shipping_fen or 0,
        "paid_fen": price.paid_fen,
        "units": price.units,
        "unit": price.unit,
        "units_per_pack": price.units_per_pack,
        "steps": [step._asdict() for step in price.steps],
        "conditional_paid_fen": price.conditional_paid_fen,
        "gift_other": price.offer.gift_other,
    }


def margin_unit(verdict: Verdict, policy: Policy) -> str:
    """What a margin is counted in."""
    if verdict.rule == "price_parity":
        return "fen a base unit"
    is_amount = policy.floor.basis == "amount" or verdict.reason is Reason.RATE_OK_AMOUNT_LOW
    return "fen a piece" if is_amount else "ppm"
