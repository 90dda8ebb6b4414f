"""What does a piece bring the anchor, here and elsewhere? The commission in fen, where bases differ and rates mislead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from features.store.dossier import Offer, SkuVersion
from features.store.plans import PlanRow
from features.units import WHOLE
from matcher.case import Case
from matcher.ours import latest_of_each_audience
from matcher.policy import Policy
from matcher.price import Price


def floor_of(figures: Sequence[int], policy: Policy) -> int:
    """What the policy's statistic makes of a figure a platform."""
    ordered = sorted(figures)
    return ordered[-1] if policy.floor.statistic == "highest" else ordered[(len(ordered) - 1) // 2]


@dataclass(frozen=True, slots=True)
class Amounts:
    """The commission a piece on both sides, in millionths of a fen; ours for `pieces`, so that nothing is divided."""

    ours: int | None
    floor: int | None
    pieces: int
    our_price: Price | None
    is_complete: bool
    """Every fresh quote carries a base, and so do we."""

    @property
    def margin_fen(self) -> int | None:
        """Ours minus the floor a piece, rounded down."""
        if self.ours is None or self.floor is None:
            return None
        return (self.ours - self.floor * self.pieces) // (WHOLE * self.pieces)

    def told(self) -> str:
        """Both, in whole fen."""
        ours = None if self.ours is None else self.ours // (WHOLE * self.pieces)
        return f"{ours} / {None if self.floor is None else self.floor // WHOLE} fen"


def find_amounts(
    case: Case, version: SkuVersion | None, plan: PlanRow, quoted: Sequence[tuple[int | None, int]]
) -> Amounts:
    """Theirs from the (base in fen, ppm) of each fresh quote; ours from the fresh offer by which least is paid a piece."""
    theirs = [base_fen * ppm for base_fen, ppm in quoted if base_fen is not None]
    if not theirs and case.policy.floor.basis == "rate":
        return Amounts(None, None, 1, None, is_complete=False)
    price = our_price(case.dossier.offers, version, case.at, case.policy)
    return Amounts(
        ours=None if price is None else price.paid_fen * plan.rate_ppm,
        floor=floor_of(theirs, case.policy) if theirs else None,
        pieces=1 if price is None else price.offer.quantity or 1,
        our_price=price,
        is_complete=price is not None and len(theirs) == len(quoted),
    )


def our_price(
    offers: Iterable[Offer], version: SkuVersion | None, at: datetime, policy: Policy
) -> Price | None:
    """The fresh, whole price in CNY by which least is paid for a piece; nothing without one."""
    fresh_for = timedelta(hours=policy.parity.offer_max_age_hours)
    usable = [
        price
        for price in latest_of_each_audience(offers, version, at, policy)
        if price.is_good and price.currency == "CNY" and at - price.offer.observed_at <= fresh_for
    ]
    return min(
        usable, key=lambda p: (Fraction(p.paid_fen, p.offer.quantity or 1), p.offer.offer_id), default=None
    )
