"""What does a buyer pay, and for how much? The effective price (到手价) of an offer, with every step kept.

Layer order item, shop, platform; in each layer the best valid promotion of each exclusive group, groups adding up.
Whole fen and whole units throughout: nothing is divided, two prices are compared crosswise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from features.store.dossier import Offer, Promotion, SkuVersion, in_window, stands
from features.units import WHOLE
from matcher.policy import Policy

PRICED_LAYERS: Final = ("item", "shop", "platform")
PERSONAL_LAYERS: Final = ("payment", "identity")
PERSONAL_KIND: Final = "red_packet"
"""Left out on both sides, in whatever layer; with them the price is conditional."""


class Step(NamedTuple):
    """One promotion that counted."""

    layer: str
    promotion_id: str
    kind: str
    off_fen: int
    left_fen: int
    """After it."""


@dataclass(frozen=True, slots=True)
class Price:
    """What an offer comes to for its quantity, before anything that depends on who pays, or how."""

    offer: Offer
    p0: int
    p1: int
    p2: int
    p3: int
    paid_fen: int
    units: int
    units_per_pack: int
    unit: str
    steps: tuple[Step, ...]
    is_whole: bool
    """False for a presale of which only the deposit or only the balance is known."""
    conditional_paid_fen: int | None
    """With payment offers, identity prices and red packets; nothing where there are none."""

    @property
    def is_good(self) -> bool:
        """Above zero, and complete."""
        return self.is_whole and self.paid_fen > 0

    @property
    def currency(self) -> str:
        """Empty is CNY."""
        return (self.offer.currency or "CNY").upper()


def effective_price(
    offer: Offer, at: datetime, policy: Policy, version: SkuVersion | None = None, *, ratio: int = 1
) -> Price:
    """The price of `offer` with the promotions that hold at `at`.

    `version`: the SKU's, for a pack size and a unit that the offer does not name. `ratio`: units of ours in one of
    an equivalent's.
    """
    pieces = offer.quantity or 1
    pack = (offer.units_per_pack or (version and version.units_per_pack) or 1) * ratio
    gift = (offer.gift_same_units or 0) * ratio
    unit = offer.unit or (version and version.unit) or "piece"
    valid = [p for p in offer.promotions if _holds(p, at)]
    p0 = offer.item_price_fen * pieces
    steps: list[Step] = []
    p1, p2, p3 = _through_layers(offer, pieces, p0, [p for p in valid if not _is_personal(p)], policy, steps)
    is_whole = (offer.deposit_fen is None) == (offer.balance_fen is None)
    if offer.deposit_fen is not None and offer.balance_fen is not None:
        p3, steps = offer.deposit_fen + offer.balance_fen, []
    shipping = offer.shipping_fen or 0
    return Price(
        offer=offer,
        p0=p0,
        p1=p1,
        p2=p2,
        p3=p3,
        paid_fen=max(p3, 0) + shipping,
        units=pieces * pack + gift,
        units_per_pack=pack,
        unit=unit,
        steps=tuple(steps),
        is_whole=is_whole,
        conditional_paid_fen=_conditional(offer, pieces, (p0, p1, p2, p3), valid, policy),
    )


def is_dearer(ours: Price, theirs: Price, tolerance_fen: int = 0) -> bool:
    """Is a unit of ours dearer than one of theirs, by more than the tolerance a unit?"""
    return (
        ours.paid_fen * theirs.units
        > theirs.paid_fen * ours.units + tolerance_fen * ours.units * theirs.units
    )


def margin_fen(ours: Price, theirs: Price) -> int:
    """Reference minus ours in fen a base unit, rounded down: below zero exactly where ours is dearer.

    Floor division, so that the margin of a price that is dearer by a thousandth of a fen is -1.
    """
    return (theirs.paid_fen * ours.units - ours.paid_fen * theirs.units) // (ours.units * theirs.units)


def _holds(promotion: Promotion, at: datetime) -> bool:
    return stands(promotion.retracted_at, at) and in_window(at, promotion.valid_from, promotion.valid_to)


def _is_personal(promotion: Promotion) -> bool:
    return promotion.layer in PERSONAL_LAYERS or promotion.kind == PERSONAL_KIND


def _through_layers(
    offer: Offer, pieces: int, p0: int, promotions: list[Promotion], policy: Policy, steps: list[Step]
) -> tuple[int, int, int]:
    p1 = _through(offer, pieces, p0, p0, _of(promotions, "item"), steps)
    p2 = _through(offer, pieces, p1, p1, _of(promotions, "shop"), steps)
    tested = p1 if policy.parity.platform_threshold == "p1" else p2
    return p1, p2, _through(offer, pieces, p2, tested, _of(promotions, "platform"), steps)


def _of(promotions: Iterable[Promotion], layer: str) -> list[Promotion]:
    return [promotion for promotion in promotions if promotion.layer == layer]


def _through(
    offer: Offer, pieces: int, entering: int, tested: int, promotions: list[Promotion], steps: list[Step]
) -> int:
    """The price after a layer: of each exclusive group the most that comes off, of equals the smallest id."""
    if not promotions:
        return entering
    best: dict[tuple[str, str], tuple[int, Promotion]] = {}
    for promotion in sorted(promotions, key=lambda p: p.promotion_id):
        if tested < (promotion.threshold_fen or 0):
            continue
        group = promotion.exclusive_group
        key = ("group", group) if group else ("alone", promotion.promotion_id)
        off = _off(promotion, offer, pieces, entering)
        if key not in best or off > best[key][0]:
            best[key] = off, promotion
    left = entering
    for off, promotion in best.values():
        left -= off
        steps.append(Step(promotion.layer, promotion.promotion_id, promotion.kind, off, left))
    return left


def _off(promotion: Promotion, offer: Offer, pieces: int, entering: int) -> int:
    """What one promotion takes off, in fen."""
    if promotion.kind == "percent_off":
        off = half_up(entering, promotion.off_rate_ppm or 0)
        return off if promotion.cap_fen is None else min(off, promotion.cap_fen)
    if promotion.kind == "nth_item":
        return half_up(offer.item_price_fen, promotion.off_rate_ppm or 0) * (pieces // (promotion.n or 1))
    if promotion.off_fen is not None:
        return promotion.off_fen
    off = half_up(entering, promotion.off_rate_ppm or 0)  # a red packet or a coupon told as a share
    return off if promotion.cap_fen is None else min(off, promotion.cap_fen)


def half_up(amount_fen: int, rate_ppm: int) -> int:
    """A share of an amount, rounded half up to the fen.

    >>> half_up(5000, 200_000), half_up(5, 100_000), half_up(4, 100_000)
    (1000, 1, 0)
    """
    return (2 * amount_fen * rate_ppm + WHOLE) // (2 * WHOLE)


def _conditional(
    offer: Offer, pieces: int, prices: tuple[int, int, int, int], valid: list[Promotion], policy: Policy
) -> int | None:
    """What the lucky buyer pays: red packets in their layers, then payment offers, then identity prices."""
    if not any(map(_is_personal, valid)):
        return None
    p0, p1, _p2, left = prices
    unseen: list[Step] = []
    if offer.deposit_fen is None or offer.balance_fen is None:
        p1, _, left = _through_layers(offer, pieces, p0, valid, policy, unseen)
    else:
        red = [p for p in valid if p.kind == PERSONAL_KIND and p.layer in PRICED_LAYERS]
        left = _through(offer, pieces, left, p1, red, unseen)
    for layer in PERSONAL_LAYERS:
        left = _through(offer, pieces, left, p1, _of(valid, layer), unseen)
    return max(left, 0) + (offer.shipping_fen or 0)
