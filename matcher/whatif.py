"""What would have to change for the promise to be kept? The nearest rate, the nearest price, and what each side pays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from features.store.dossier import Dossier, version_at
from features.store.planned import Planned
from features.units import Fen, Ppm, commission_fen
from matcher.amounts import our_price
from matcher.cps import FloorAccount
from matcher.parity import Compared, ParityAccount
from matcher.policy import Policy
from matcher.price import Price, effective_price, is_dearer
from matcher.verdict import Verdict

_MOST_FEN = 10**13
"""A hundred billion yuan: nobody asks for more."""


@dataclass(frozen=True, slots=True)
class NearestRate:
    """The least open rate that would pass, and the commission a piece on both sides where prices are known."""

    rate_ppm: int
    ours_ppm: int | None
    our_commission_fen: int | None
    """Of one piece at our open rate; nothing without a price of ours."""
    needed_commission_fen: int | None
    """Of one piece at the nearest rate."""


@dataclass(frozen=True, slots=True)
class NearestPrice:
    """For one of our offers: the most that may be paid for it, and the item price that comes to that."""

    offer_id: str
    audience: str
    paid_fen: int
    most_paid_fen: int
    most_item_price_fen: int | None
    """Nothing where no item price would do, or a presale fixes what is paid."""


def nearest_rate(verdict: Verdict, policy: Policy, dossier: Dossier) -> NearestRate | None:
    """From a verdict on the floor that found one; nothing where there is none to reach."""
    account = verdict.account
    if not isinstance(account, FloorAccount) or account.floor_ppm is None:
        return None
    at = verdict.checked_at
    for_all = tuple(offer for offer in dossier.offers if (offer.audience or "all") == "all")
    price = our_price(for_all, version_at(dossier.versions, at), at, policy)

    def commission(rate_ppm: int) -> int | None:
        return (
            None
            if price is None
            else commission_fen(Fen(price.paid_fen), Ppm(rate_ppm)) // (price.offer.quantity or 1)
        )

    needed = _needed(account, policy)
    if needed is None:
        return None
    ours = None if account.plan is None else account.plan.rate_ppm
    return NearestRate(needed, ours, None if ours is None else commission(ours), commission(needed))


def _needed(account: FloorAccount, policy: Policy) -> int | None:
    """The least rate that passes by the policy's basis; nothing where the amount decides and a base is missing."""
    assert account.floor_ppm is not None
    by_rate = max(account.floor_ppm - policy.floor.tolerance_ppm, 0)
    if policy.floor.basis == "rate":
        return by_rate
    amounts = account.amounts
    if amounts is None or not amounts.is_complete or amounts.our_price is None or amounts.floor is None:
        return None
    by_amount = -(-amounts.floor * amounts.pieces // amounts.our_price.paid_fen)
    return by_amount if policy.floor.basis == "amount" else max(by_rate, by_amount)


def nearest_prices(verdict: Verdict, at: datetime, policy: Policy, dossier: Dossier) -> list[NearestPrice]:
    """Of each of our offers that was compared with a price elsewhere."""
    account = verdict.account
    if not isinstance(account, ParityAccount):
        return []
    return [
        _nearest(one, one.ours.offer.observed_at if account.is_final else at, policy, dossier)
        for one in account.compared
        if one.theirs is not None
    ]


def _nearest(one: Compared, at: datetime, policy: Policy, dossier: Dossier) -> NearestPrice:
    assert one.theirs is not None
    ours, theirs = one.ours, one.theirs.deciding[0]
    tolerance = policy.parity.tolerance_fen
    most_paid = (theirs.paid_fen * ours.units + tolerance * ours.units * theirs.units) // theirs.units
    version = version_at(dossier.versions, at)

    def priced(item_price_fen: int) -> Price:
        return effective_price(ours.offer._replace(item_price_fen=item_price_fen), at, policy, version)

    def passes(item_price_fen: int) -> bool:
        return not is_dearer(priced(item_price_fen), theirs, tolerance)

    def promotions(item_price_fen: int) -> tuple[str, ...]:
        return tuple(step.promotion_id for step in priced(item_price_fen).steps)

    is_presale = ours.offer.deposit_fen is not None
    return NearestPrice(
        offer_id=ours.offer.offer_id,
        audience=ours.offer.audience or "all",
        paid_fen=ours.paid_fen,
        most_paid_fen=most_paid,
        most_item_price_fen=None if is_presale else _greatest(passes, promotions, _ceiling(passes, ours)),
    )


def _ceiling(passes: Callable[[int], bool], ours: Price) -> int | None:
    """An item price at which every threshold is met and that is too much; nothing where none is too much."""
    price = 1 + ours.offer.item_price_fen + sum(p.threshold_fen or 0 for p in ours.offer.promotions)
    price += sum(p.off_fen or 0 for p in ours.offer.promotions)
    while passes(price):
        price *= 2
        if price > _MOST_FEN:
            return None
    return price


def _greatest(
    passes: Callable[[int], bool], promotions: Callable[[int], Sequence[str]], most: int | None
) -> int | None:
    """The greatest item price from 1 fen to `most` that passes; nothing where none does, or none is too much.

    What is paid rises with the item price as long as the same promotions hold; where others begin to, it may fall:
    so the range is cut where they change, and the dearest part that holds a passing price has the answer.
    """
    parts = [] if most is None else [(1, most)]
    while parts:
        low, high = parts.pop()
        if passes(high):
            return high
        if promotions(low) != promotions(high) and high - low > 1:
            middle = (low + high) // 2
            parts += [(low, middle), (middle, high)]
        elif passes(low):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if passes(middle) else (low, middle)
            return low
    return None


def with_planned(dossier: Dossier, planned: Planned) -> Dossier:
    """The dossier as it would be with plans and offers that are not stored; a plan of a known id takes its place."""
    ids = {plan.plan_id for plan in planned.plans}
    kept = tuple(plan for plan in dossier.plans if plan.plan_id not in ids)
    return replace(dossier, plans=(*kept, *planned.plans), offers=(*dossier.offers, *planned.offers))
