"""What would a second reader of the rules answer about price parity?"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from math import floor

from second_price import Row, World, audience, base_unit, inside, observed_offers, our_offers, pack, priced
from second_rules import Answer, SecondPolicy, big_events_running, enrolments_in_force, is_big_event, row_at

SHANGHAI = timezone(timedelta(hours=8))
SHOP_KINDS = ("flagship", "official", "reseller", None)
OUR_ORDER = ("ALL_STALE", "CURRENCY", "BAD_PRICE")
REFERENCE_ORDER = (
    "REFERENCE_NOT_YET_OBSERVED",
    "NO_REFERENCE",
    "LOW_EVIDENCE",
    "CURRENCY",
    "BAD_PRICE",
    "UNIT_MISMATCH",
)
PASS_ORDER = ("GIFT_GAP", "PACK_DIFFERS", "OK")


@dataclass(frozen=True)
class Seen:
    """One offer with its price at the instant that counts for it."""

    offer: Row
    paid: int | None
    price: Fraction | None
    pack: int
    ids: frozenset[str]


@dataclass(frozen=True)
class Reference:
    """The price that decides, with what stood beside it; or the reason why there is none."""

    reason: str | None
    price: Fraction = Fraction(0)
    gift: bool = False
    packs: frozenset[int] = frozenset()
    ids: frozenset[str] = frozenset()


def see(world: World, policy: SecondPolicy, offer: Row, at: datetime, ratio: int = 1) -> Seen:
    """The offer as priced at `at`, its units and packs times `ratio`."""
    steps, used = priced(offer, world.get("offer_promotions", []), policy, at)
    paid, units = steps["paid"], (steps["units"] or 0) * ratio
    price = None if paid is None else Fraction(paid, units)
    return Seen(offer, paid, price, pack(offer) * ratio, frozenset({offer["offer_id"]} | used))


def trouble(seen: Seen) -> str | None:
    """Why an offer has no price to compare, if it has none."""
    if seen.offer["currency"] not in {None, "CNY"}:
        return "CURRENCY"
    if seen.paid is None or seen.paid <= 0:
        return "BAD_PRICE"
    return None


def year(at: datetime) -> int:
    """The calendar year in Shanghai."""
    return at.astimezone(SHANGHAI).year


def calendar_holds(world: World, policy: SecondPolicy, at: datetime) -> bool:
    """Whether exactly three big promotions start in the year of `at`."""
    starts = [row["starts_at"] for row in world.get("events", []) if is_big_event(row, policy)]
    return len([start for start in starts if year(start) == year(at)]) == 3


def reference_events(
    world: World, policy: SecondPolicy, event: Row, mode: str, at: datetime
) -> tuple[str | None, list[Row]]:
    """The events whose prices bind, or the reason why there are none."""
    kind = [
        row
        for row in world.get("events", [])
        if row["platform"] == policy.reference_platform and row["kind"] == policy.reference_kind
    ]
    chosen = []
    if mode != "latest_completed":
        same = [row for row in kind if year(row["starts_at"]) == year(event["starts_at"])]
        latest = max(same, key=lambda row: (row["ends_at"], row["event_id"])) if same else None
        if latest is None or latest["ends_at"] > at:
            return "REFERENCE_NOT_YET_OBSERVED", []
        chosen.append(latest)
    if mode != "same_year":
        before = [row for row in kind if row["ends_at"] <= event["starts_at"]]
        if not before:
            return "NO_REFERENCE", []
        chosen.append(max(before, key=lambda row: (row["ends_at"], row["event_id"])))
    return None, chosen


def tiny_quota(offer: Row, policy: SecondPolicy) -> bool:
    """Whether the offer was for too few of the event's units to count."""
    if offer["quota"] is None or offer["event_units"] is None:
        return False
    return bool(Fraction(offer["quota"]) < Fraction(offer["event_units"] * policy.quota_floor_ppm, 1_000_000))


def is_supported(row: Seen, rows: list[Seen]) -> bool:
    """Whether a row at this price has evidence, or two rows are at it or below."""
    assert row.price is not None
    at_it = [other for other in rows if other.price == row.price]
    at_or_below = [other for other in rows if other.price is not None and other.price <= row.price]
    return any(other.offer["evidence"] for other in at_it) or len(at_or_below) >= 2


def find_reference(
    world: World, policy: SecondPolicy, sku: Row, event: Row, unit: str, at: datetime
) -> Reference:
    """The deciding price of one reference event, for an offer of ours in this base unit."""
    sku_id, ratio = sku["sku_id"], 1
    if sku["channel_exclusive"]:
        sku_id, ratio = sku["equivalent_sku_id"], sku["equivalent_ratio"] or 1
    rows = [
        see(world, policy, offer, offer["observed_at"], ratio)
        for offer in observed_offers(world, sku_id, policy.reference_platform, at)
        if event["starts_at"] <= offer["observed_at"] < event["ends_at"]
        and audience(offer) in {"all", "old_fan"}
        and offer["source"] in policy.trusted_sources
        and not tiny_quota(offer, policy)
    ]
    if not rows:
        return Reference("NO_REFERENCE")
    mapped = [row for row in rows if row.offer["mapping"] in {"code", "manual"}]
    comparable = [row for row in mapped if trouble(row) is None and base_unit(row.offer) == unit]
    for kind in SHOP_KINDS:
        of_kind = [row for row in comparable if row.offer["shop_kind"] == kind]
        supported = [row for row in of_kind if is_supported(row, of_kind)]
        if supported:
            price = min(row.price for row in supported if row.price is not None)
            ids: frozenset[str] = frozenset()
            for row in of_kind:
                if row.price is not None and row.price <= price:
                    ids |= row.ids
            gift = any(row.price == price and row.offer["gift_other"] for row in of_kind)
            return Reference(None, price, gift, frozenset(row.pack for row in supported), ids)
    for kind in SHOP_KINDS:
        alone = [
            row
            for row in mapped
            if row not in comparable and row.offer["evidence"] and row.offer["shop_kind"] == kind
        ]
        for reason in ("CURRENCY", "BAD_PRICE", "UNIT_MISMATCH"):
            deciding = [row for row in alone if (trouble(row) or "UNIT_MISMATCH") == reason]
            if deciding:
                return Reference(reason, ids=frozenset().union(*(row.ids for row in deciding)))
    return Reference("LOW_EVIDENCE", ids=frozenset().union(*(row.ids for row in rows)))


def agree(references: list[Reference]) -> Reference:
    """The lower of several references; the first reason in the order of answers, if one has none."""
    for reason in REFERENCE_ORDER:
        for reference in references:
            if reference.reason == reason:
                return reference
    price = min(reference.price for reference in references)
    lowest = [reference for reference in references if reference.price == price]
    return Reference(
        None,
        price,
        any(reference.gift for reference in lowest),
        frozenset().union(*(reference.packs for reference in lowest)),
        frozenset().union(*(reference.ids for reference in references)),
    )


def on_our_side(ours: Seen) -> Answer | None:
    """The answer where our offer has no price to compare."""
    if ours.offer["welfare"] and ours.paid == 0:
        return Answer("NOT_APPLICABLE", "WELFARE", None, ours.ids)
    reason = trouble(ours)
    return None if reason is None else Answer("INDETERMINATE", reason, None, ours.ids)


def against(
    world: World, policy: SecondPolicy, sku: Row, event: Row, mode: str, ours: Seen, at: datetime
) -> Answer:
    """One offer of ours, which has a price, against the reference."""
    reason, events = reference_events(world, policy, event, mode, at)
    if reason is not None:
        return Answer("INDETERMINATE", reason, None, ours.ids)
    unit = base_unit(ours.offer)
    reference = agree([find_reference(world, policy, sku, row, unit, at) for row in events])
    evidence = ours.ids | reference.ids
    if reference.reason is not None:
        return Answer("INDETERMINATE", reference.reason, None, evidence)
    assert ours.price is not None
    margin = floor(reference.price - ours.price)
    if ours.price > reference.price + policy.price_tolerance_fen:
        return Answer("FAIL", "PRICE_ABOVE_REFERENCE", margin, evidence)
    if reference.gift and not ours.offer["gift_other"]:
        return Answer("PASS", "GIFT_GAP", margin, evidence)
    if ours.pack not in reference.packs:
        return Answer("PASS", "PACK_DIFFERS", margin, evidence)
    return Answer("PASS", "OK", margin, evidence)


def together(unpriced: list[Answer], compared: list[Answer], provisional: bool) -> Answer:
    """Any FAIL decides, then any INDETERMINATE (ours first), then PASS; welfare where nothing else is."""
    evidence: frozenset[str] = frozenset().union(*(answer.evidence for answer in unpriced + compared))
    margins = {
        status: min(
            (row.margin for row in compared if row.status == status and row.margin is not None), default=None
        )
        for status in ("FAIL", "PASS")
    }
    order = [("FAIL", "PRICE_ABOVE_REFERENCE", compared)]
    order += [("INDETERMINATE", reason, unpriced) for reason in OUR_ORDER]
    order += [("INDETERMINATE", reason, compared) for reason in REFERENCE_ORDER]
    order += [("PASS", reason, compared) for reason in PASS_ORDER]
    order += [("NOT_APPLICABLE", "WELFARE", unpriced)]
    for status, reason, answers in order:
        if any((answer.status, answer.reason) == (status, reason) for answer in answers):
            return Answer(status, reason, margins.get(status), evidence, provisional)
    return Answer("INDETERMINATE", "NO_OFFER", None, evidence, provisional)


def before_prices(
    world: World, policy: SecondPolicy, sku_id: str, event: Row | None, year_of: datetime, at: datetime
) -> tuple[Answer | None, Row]:
    """The answer of scope, event, calendar or comparability, if one of them answers; and the SKU."""
    sku = row_at(world, "skus", "sku_id", sku_id, at)
    if sku is None or not enrolments_in_force(world, sku_id, "price_parity", at):
        return Answer("NOT_APPLICABLE", "NOT_ENROLLED"), {}
    if event is None:
        return Answer("NOT_APPLICABLE", "NO_EVENT"), sku
    if not calendar_holds(world, policy, year_of):
        return Answer("INDETERMINATE", "CALENDAR"), sku
    if sku["channel_exclusive"] and sku["equivalent_sku_id"] is None:
        return Answer("NOT_APPLICABLE", "NOT_COMPARABLE"), sku
    return None, sku


def check_parity(world: World, policy: SecondPolicy, sku_id: str, at: datetime) -> Answer:
    """Whether our price at `at`, in a big promotion, is not above the reference."""
    running = big_events_running(world, policy, at)
    event = max(running, key=lambda row: (row["starts_at"], row["event_id"])) if running else None
    answer, sku = before_prices(world, policy, sku_id, event, at, at)
    if answer is not None or event is None:
        return answer or Answer("NOT_APPLICABLE", "NO_EVENT")
    provisional = event["kind"] in policy.provisional_kinds
    unpriced = []
    compared = []
    for offer in our_offers(world, policy, sku_id, at):
        ours = see(world, policy, offer, at)
        missing = on_our_side(ours)
        if at - offer["observed_at"] > timedelta(hours=policy.offer_max_age_hours):
            unpriced.append(Answer("INDETERMINATE", "ALL_STALE", None, ours.ids))
        elif missing is not None:
            unpriced.append(missing)
        else:
            compared.append(against(world, policy, sku, event, policy.reference_year, ours, at))
    return together(unpriced, compared, provisional)


def bound(world: World, sku: Row, moment: datetime) -> bool:
    """Whether this SKU's brand was enrolled at that moment."""
    alone = world | {"skus": [sku | {"known_at": moment}]}
    return bool(enrolments_in_force(alone, sku["sku_id"], "price_parity", moment))


def check_parity_final(
    world: World, policy: SecondPolicy, sku_id: str, event_id: str, at: datetime
) -> Answer:
    """The final verdict of an event that is over: our highest unit price observed in it."""
    over = [
        row
        for row in world.get("events", [])
        if row["event_id"] == event_id and is_big_event(row, policy) and row["ends_at"] <= at
    ]
    event = over[0] if over else None
    if event is None:
        return Answer("NOT_APPLICABLE", "NO_EVENT")
    # Decided: bound is who was enrolled at some moment of the event, and by what was observed while enrolled.
    # Decided too: the SKU is what it was as the event ended.
    sku = row_at(world, "skus", "sku_id", sku_id, event["ends_at"] - timedelta(microseconds=1))
    moments = [event["starts_at"]]
    for row in world.get("enrolments", []):
        moments += [row["valid_from"], row["committed_at"] or row["valid_from"]]
    moments = [moment for moment in moments if event["starts_at"] <= moment < event["ends_at"]]
    if sku is None or not any(bound(world, sku, moment) for moment in moments):
        return Answer("NOT_APPLICABLE", "NOT_ENROLLED")
    if not calendar_holds(world, policy, event["starts_at"]):
        return Answer("INDETERMINATE", "CALENDAR")
    if sku["channel_exclusive"] and sku["equivalent_sku_id"] is None:
        return Answer("NOT_APPLICABLE", "NOT_COMPARABLE")
    mode = "same_year" if event["kind"] in policy.provisional_kinds else policy.reference_year
    unpriced = []
    compared = []
    for offer in observed_offers(world, sku_id, policy.home_platform, at):
        if (
            event["starts_at"] <= offer["observed_at"] < event["ends_at"]
            and inside(offer, offer["observed_at"])
            and bound(world, sku, offer["observed_at"])
        ):
            ours = see(world, policy, offer, offer["observed_at"])
            missing = on_our_side(ours)
            if missing is not None:
                unpriced.append(missing)
            else:
                compared.append((ours.price, against(world, policy, sku, event, mode, ours, at)))
    whole = together(unpriced, [answer for _, answer in compared], provisional=False)
    if whole.status != "PASS":
        return whole
    highest = max(price for price, _ in compared if price is not None)
    deciding = together([], [answer for price, answer in compared if price == highest], provisional=False)
    return Answer(deciding.status, deciding.reason, deciding.margin, whole.evidence)
