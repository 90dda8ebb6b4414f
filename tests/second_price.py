"""What would a second reader of the rules pay for an offer, and for how many units?"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from second_rules import SecondPolicy

Row = dict[str, Any]
World = dict[str, list[Row]]

MILLION = 1_000_000


def inside(row: Row, at: datetime) -> bool:
    """Whether `at` lies in the row's window [valid_from, valid_to)."""
    return (row["valid_from"] is None or row["valid_from"] <= at) and (
        row["valid_to"] is None or at < row["valid_to"]
    )


def retracted(world: World, table: str, key: str, at: datetime) -> bool:
    """Whether the observation had been withdrawn by `at`."""
    return any(
        row["table"] == table and row["key"] == key and row["at"] <= at
        for row in world.get("retractions", [])
    )


def half_up(value: Fraction) -> int:
    """The nearest whole fen, halves upward."""
    return floor(value + Fraction(1, 2))


def quantity(offer: Row) -> int:
    """Pieces of the pack that are bought together."""
    return 1 if offer["quantity"] is None else int(offer["quantity"])


def pack(offer: Row) -> int:
    """Base units in one pack."""
    return 1 if offer["units_per_pack"] is None else int(offer["units_per_pack"])


def audience(offer: Row) -> str:
    """Who may buy at this price; an empty audience is everybody."""
    return str(offer["audience"] or "all")


def base_unit(offer: Row) -> str:
    """What one unit is; an empty unit is a piece."""
    return str(offer["unit"] or "piece")


def discount(promotion: Row, entering: int, offer: Row) -> int:
    """Fen that one promotion takes off, given the price that enters its layer."""
    rate = promotion["off_rate"] or 0
    if promotion["kind"] == "percent_off":
        off = half_up(Fraction(entering * rate, MILLION))
        if promotion["cap_fen"] is not None:
            off = min(off, promotion["cap_fen"])
    elif promotion["kind"] == "nth_item":
        times = quantity(offer) // promotion["n"] if promotion["n"] else 0
        off = half_up(Fraction(offer["item_price_fen"] * rate, MILLION)) * times
    else:
        off = promotion["off_fen"] or 0
    return max(off, 0)


def best_of_groups(promotions: list[Row], entering: int, tested: int, offer: Row) -> tuple[int, set[str]]:
    """The sum over the groups of one layer of the best promotion of each, and which those are."""
    groups: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for promotion in sorted(promotions, key=lambda row: str(row["promotion_id"])):
        if promotion["threshold_fen"] is not None and tested < promotion["threshold_fen"]:
            continue
        name = promotion["exclusive_group"]
        key = (promotion["layer"], "own" if name is None else "group", name or promotion["promotion_id"])
        groups.setdefault(key, []).append((discount(promotion, entering, offer), promotion["promotion_id"]))
    total = 0
    used = set()
    for members in groups.values():
        best = max(off for off, _ in members)
        total += best
        if best > 0:
            used.add(next(promotion_id for off, promotion_id in members if off == best))
    return total, used


def priced(
    offer: Row, promotions: list[Row], policy: SecondPolicy, at: datetime
) -> tuple[dict[str, int | None], set[str]]:
    """The effective price with all its steps, and the promotions that made it."""
    valid = [row for row in promotions if row["offer_id"] == offer["offer_id"] and inside(row, at)]
    plain = [row for row in valid if row["kind"] != "red_packet"]
    conditional = [
        row for row in valid if row["kind"] == "red_packet" or row["layer"] in {"payment", "identity"}
    ]
    shipping = offer["shipping_fen"] or 0

    p0 = offer["item_price_fen"] * quantity(offer)
    off, used = best_of_groups([row for row in plain if row["layer"] == "item"], p0, p0, offer)
    p1 = p0 - off
    off, more = best_of_groups([row for row in plain if row["layer"] == "shop"], p1, p1, offer)
    p2 = p1 - off
    used |= more
    tested = p1 if policy.platform_threshold_on == "p1" else p2
    off, more = best_of_groups([row for row in plain if row["layer"] == "platform"], p2, tested, offer)
    p3: int | None = p2 - off
    used |= more

    deposit, balance = offer["deposit_fen"], offer["balance_fen"]
    if deposit is not None or balance is not None:
        used = set()
        p3 = None if deposit is None or balance is None else deposit + balance

    paid = conditional_paid = None
    if p3 is not None:
        paid = max(p3, 0) + shipping
        off, _ = best_of_groups(conditional, p3, p3, offer)
        conditional_paid = max(p3 - off, 0) + shipping
    units = quantity(offer) * pack(offer) + (offer["gift_same_units"] or 0)
    steps = {"p0": p0, "p1": p1, "p2": p2, "p3": p3}
    return {**steps, "paid": paid, "units": units, "conditional_paid": conditional_paid}, used


def effective_price(
    offer: Row, promotions: list[Row], policy: SecondPolicy, at: datetime
) -> dict[str, int | None]:
    """到手价: p0 to p3, what is paid, for how many units; None where half a presale leaves it open."""
    return priced(offer, promotions, policy, at)[0]


def unit_price(world: World, policy: SecondPolicy, offer: Row, at: datetime) -> Fraction | None:
    """Fen a base unit; None where there is no price."""
    price = effective_price(offer, world.get("offer_promotions", []), policy, at)
    if price["paid"] is None or not price["units"]:
        return None
    return Fraction(price["paid"], price["units"])


def observed_offers(world: World, sku_id: str, platform: str, at: datetime) -> list[Row]:
    """Offers of one SKU on one platform, seen by `at` and not withdrawn by then."""
    return [
        row
        for row in world.get("offers", [])
        if row["sku_id"] == sku_id
        and row["platform"] == platform
        and row["observed_at"] <= at
        and not retracted(world, "offers", row["offer_id"], at)
    ]


def our_offers(world: World, policy: SecondPolicy, sku_id: str, at: datetime) -> list[Row]:
    """The offer of each audience that counts at `at`: the latest; at one instant the dearer a unit."""
    in_force = [row for row in observed_offers(world, sku_id, policy.home_platform, at) if inside(row, at)]
    chosen = []
    for name in sorted({audience(row) for row in in_force}):
        rows = [row for row in in_force if audience(row) == name]
        latest = max(row["observed_at"] for row in rows)
        ranked = []
        for row in rows:
            if row["observed_at"] == latest:
                price = unit_price(world, policy, row, at)
                ranked.append((price is None, price or Fraction(0), row["offer_id"], row))
        chosen.append(max(ranked, key=lambda entry: entry[:3])[3])
    return chosen
