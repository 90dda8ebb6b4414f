"""What would a second reader of the rules answer about rates and the CPS floor?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

from second_price import MILLION, Row, World, effective_price, inside, our_offers, quantity, retracted

MICROSECOND = timedelta(microseconds=1)
TIERS = {"tail": 0, "waist": 1, "head": 2}


@dataclass(frozen=True)
class SecondPolicy:
    """What the operator may set, with the defaults of the rules."""

    precedence: tuple[str, ...] = (
        "exclusive",
        "leader_exclusive",
        "target_item",
        "target_shop",
        "leader",
        "open",
    )
    rate_lock_days: int = 0
    home_platform: str = "kuaishou"
    quote_max_age_hours: int = 72
    quote_max_age_event_hours: int = 24
    floor_platforms: tuple[str, ...] | None = None
    floor_statistic: str = "highest"
    allow_partial: bool = False
    rate_tolerance_ppm: int = 0
    basis: str = "rate"
    trusted_sources: tuple[str, ...] = ("operator", "job")
    reference_platform: str = "tmall"
    reference_kind: str = "double_11"
    provisional_kinds: tuple[str, ...] = ("116",)
    reference_year: str = "latest_completed"
    price_tolerance_fen: int = 0
    quota_floor_ppm: int = 10_000
    platform_threshold_on: str = "p1"
    offer_max_age_hours: int = 24


@dataclass(frozen=True)
class Answer:
    """One verdict."""

    status: str
    reason: str
    margin: int | None = None
    evidence: frozenset[str] = frozenset()
    provisional: bool = False
    next_change_at: datetime | None = None


def row_at(world: World, table: str, column: str, key: str, at: datetime) -> Row | None:
    """The row of one key that holds at `at`: the latest one known by then."""
    rows = [row for row in world.get(table, []) if row[column] == key and row["known_at"] <= at]
    return max(rows, key=lambda row: row["known_at"]) if rows else None


def enrolments_in_force(world: World, sku_id: str, rule: str, at: datetime) -> list[Row]:
    """The enrolments that bind the SKU's brand to the rule at `at`."""
    sku = row_at(world, "skus", "sku_id", sku_id, at)
    carrying = {
        row["programme_id"]
        for row in world.get("programmes", [])
        if rule in row["rules"] and row["known_at"] <= at
    }
    if sku is None:
        return []
    return [
        row
        for row in world.get("enrolments", [])
        if row["brand_id"] == sku["brand_id"]
        and row["programme_id"] in carrying
        and row["known_at"] <= at
        and inside(row, at)
        and (row["committed_at"] or row["valid_from"]) <= at
    ]


def is_big_event(event: Row, policy: SecondPolicy) -> bool:
    """Whether this is a big promotion of the home platform."""
    return event["platform"] == policy.home_platform and event["counts_as_big_promo"] is True


def big_events_running(world: World, policy: SecondPolicy, at: datetime) -> list[Row]:
    """The big promotions of the home platform in which `at` lies."""
    return [
        row
        for row in world.get("events", [])
        if is_big_event(row, policy) and row["starts_at"] <= at < row["ends_at"]
    ]


def plans_known(world: World, sku_id: str, at: datetime) -> list[Row]:
    """The rows of the SKU's plans that hold at `at` and are switched on."""
    held = [
        row_at(world, "plans", "plan_id", plan_id, at)
        for plan_id in sorted({row["plan_id"] for row in world.get("plans", [])})
    ]
    return [row for row in held if row is not None and row["sku_id"] == sku_id and row["status"] == "on"]


def admits(world: World, plan: Row, anchor_id: str | None, at: datetime) -> bool:
    """Whether the plan takes this anchor: its list, the SKU's tier and denials; no anchor: open plans."""
    if anchor_id is None:
        return bool(plan["plan_type"] == "open")
    sku = row_at(world, "skus", "sku_id", plan["sku_id"], at)
    anchor = row_at(world, "anchors", "anchor_id", anchor_id, at)
    if plan["anchor_ids"] and anchor_id not in plan["anchor_ids"]:
        return False
    if not plan["anchor_ids"] and plan["plan_type"] not in {"open", "leader"}:
        return False  # decided: a kind for named anchors that names none admits nobody
    if sku is not None and anchor_id in (sku["denied_anchor_ids"] or ()):
        return False
    if sku is not None and sku["min_tier"] is not None:
        tier = None if anchor is None else anchor["tier"]
        return TIERS[tier or "tail"] >= TIERS[sku["min_tier"]]  # decided: an unknown tier is the lowest
    return True


def listed_rate(
    world: World,
    policy: SecondPolicy,
    sku_id: str,
    anchor_id: str | None,
    at: datetime,
    asked_at: datetime | None = None,
) -> tuple[str | None, int | None]:
    """The plan that wins at `at`, and its rate, before any lock; tiers and denials as at `asked_at`."""
    candidates = [
        row
        for row in plans_known(world, sku_id, at)
        if inside(row, at)
        and admits(world, row, anchor_id, asked_at or at)
        and row["plan_type"] in policy.precedence
    ]
    if not candidates:
        return None, None
    winner = max(
        candidates,
        key=lambda row: (-policy.precedence.index(row["plan_type"]), row["valid_from"], row["plan_id"]),
    )
    return winner["plan_id"], winner["rate"]


def was_promoting(world: World, sku_id: str, anchor_id: str, fall: datetime, at: datetime) -> bool:
    """Whether the anchor listed the SKU in the 90 days before the fall, as known at `at`."""
    sessions = {
        row["live_session_id"]
        for row in world.get("live_sessions", [])
        if row["anchor_id"] == anchor_id
        and row["known_at"] <= at
        and fall - timedelta(days=90) <= row["started_at"] < fall
    }
    return any(
        row["sku_id"] == sku_id and row["live_session_id"] in sessions and row["known_at"] <= at
        for row in world.get("listings", [])
    )


def resolve_rate(
    world: World, policy: SecondPolicy, sku_id: str, anchor_id: str | None, at: datetime
) -> tuple[str | None, int | None]:
    """The plan and the rate in ppm for this anchor (None: the open rate) at `at`."""
    plan_id, rate = listed_rate(world, policy, sku_id, anchor_id, at)
    if anchor_id is None or rate is None:
        return plan_id, rate
    moments = set()
    for row in world.get("plans", []):
        moments |= {row["known_at"], row["valid_from"], row["valid_to"]}
    lock = timedelta(days=policy.rate_lock_days)
    recent = [moment for moment in moments if moment is not None and at - lock < moment <= at]
    for moment in sorted(recent, reverse=True):
        # Decided: tiers and denials are those of the asking; a gap between two plans is a fall too.
        old_id, old = listed_rate(world, policy, sku_id, anchor_id, moment - MICROSECOND, at)
        _, new = listed_rate(world, policy, sku_id, anchor_id, moment, at)
        fell = old is not None and (new is None or new < old)
        if fell and old is not None and old > rate and was_promoting(world, sku_id, anchor_id, moment, at):
            plan_id, rate = old_id, old
    return plan_id, rate


def theirs(quote: Row) -> int:
    """What a quote counts by: its rate, of a range the upper bound."""
    return int(quote["rate"] if quote["rate_high"] is None else quote["rate_high"])


def quotes_seen(world: World, policy: SecondPolicy, sku_id: str, at: datetime) -> list[Row]:
    """The quotes that may count, whatever their window."""
    return [
        row
        for row in world.get("cps_quotes", [])
        if row["sku_id"] == sku_id
        and row["platform"] != policy.home_platform
        and (policy.floor_platforms is None or row["platform"] in policy.floor_platforms)
        and row["plan_scope"] in {None, "open"}
        and row["source"] in policy.trusted_sources
        and row["observed_at"] <= at
        and not retracted(world, "cps_quotes", row["quote_id"], at)
    ]


def is_fresh(world: World, policy: SecondPolicy, quote: Row, at: datetime) -> bool:
    """Whether the quote is young enough at `at`."""
    running = big_events_running(world, policy, at)
    hours = policy.quote_max_age_event_hours if running else policy.quote_max_age_hours
    return bool(at - quote["observed_at"] <= timedelta(hours=hours))


def goes_stale_at(world: World, policy: SecondPolicy, quote: Row, at: datetime) -> datetime:
    """The first moment after `at` at which the quote is too old."""
    moments: list[datetime] = [
        quote["observed_at"] + timedelta(hours=hours) + MICROSECOND
        for hours in (policy.quote_max_age_hours, policy.quote_max_age_event_hours)
    ]
    for event in world.get("events", []):
        moments += [event["starts_at"], event["ends_at"]]
    stale = [moment for moment in moments if moment > at and not is_fresh(world, policy, quote, moment)]
    return min(stale)


def statistic(policy: SecondPolicy, values: list[Any]) -> Any:
    """The floor among several values."""
    ordered = sorted(values)
    return ordered[-1] if policy.floor_statistic == "highest" else ordered[(len(ordered) - 1) // 2]


def our_base(
    world: World, policy: SecondPolicy, sku_id: str, at: datetime
) -> tuple[Fraction | None, str | None]:
    """What is paid for one piece, least of the usable offers at `at`, and the offer."""
    usable = []
    for offer in our_offers(world, policy, sku_id, at):
        paid = effective_price(offer, world.get("offer_promotions", []), policy, at)["paid"]
        young = at - offer["observed_at"] <= timedelta(hours=policy.offer_max_age_hours)
        if young and offer["currency"] in {None, "CNY"} and paid is not None and paid > 0:
            usable.append((Fraction(paid, quantity(offer)), offer["offer_id"]))
    return min(usable) if usable else (None, None)


def earliest(moments: list[datetime | None], at: datetime) -> datetime | None:
    """The first of these moments after `at`."""
    later = [moment for moment in moments if moment is not None and moment > at]
    return min(later) if later else None


def check_cps(world: World, policy: SecondPolicy, sku_id: str, at: datetime) -> Answer:
    """Whether the open rate here is not below the open rates elsewhere."""
    enrolments = enrolments_in_force(world, sku_id, "cps_floor", at)
    if not enrolments:
        return Answer("NOT_APPLICABLE", "NOT_ENROLLED")
    ends = [row["valid_to"] for row in enrolments]
    changes: list[datetime | None] = [] if None in ends else [max(ends)]
    changes += [row["valid_from"] for row in plans_known(world, sku_id, at) if row["plan_type"] == "open"]

    plan_id, ours = resolve_rate(world, policy, sku_id, None, at)
    if plan_id is None or ours is None:
        return Answer("INDETERMINATE", "NO_PLAN", next_change_at=earliest(changes, at))
    changes += [row["valid_to"] for row in plans_known(world, sku_id, at) if row["plan_id"] == plan_id]

    seen = quotes_seen(world, policy, sku_id, at)
    changes += [row["valid_from"] for row in seen]
    in_force = [row for row in seen if inside(row, at)]
    counting = [
        max(
            [row for row in in_force if row["platform"] == platform],
            key=lambda row: (row["observed_at"], theirs(row), row["quote_id"]),
        )
        for platform in sorted({row["platform"] for row in in_force})
    ]
    fresh = [row for row in counting if is_fresh(world, policy, row, at)]
    changes += [row["valid_to"] for row in counting]
    changes += [goes_stale_at(world, policy, row, at) for row in fresh]
    soon = earliest(changes, at)
    evidence = frozenset({plan_id} | {row["quote_id"] for row in counting})
    if not counting:
        return Answer("INDETERMINATE", "NO_REFERENCE", None, evidence, next_change_at=soon)
    if not fresh:
        return Answer("INDETERMINATE", "ALL_STALE", None, evidence, next_change_at=soon)

    status, reason, margin, used = _compare(world, policy, sku_id, at, ours, fresh)
    if status == "PASS" and len(fresh) < len(counting) and not policy.allow_partial:
        status, reason, margin = "INDETERMINATE", "PARTIAL_COVERAGE", None
    return Answer(status, reason, margin, evidence | used, next_change_at=soon)


def _compare(
    world: World, policy: SecondPolicy, sku_id: str, at: datetime, ours: int, fresh: list[Row]
) -> tuple[str, str, int | None, set[str]]:
    """Status, reason, margin and further evidence, by rate, by amount, or by both."""
    rate_floor = statistic(policy, [theirs(row) for row in fresh])
    rate_ok = ours >= rate_floor - policy.rate_tolerance_ppm
    rate_margin = ours - rate_floor
    in_force = [row for row in plans_known(world, sku_id, at) if inside(row, at)]
    reaching = {r["plan_id"] for r in in_force if r["rate"] >= rate_floor - policy.rate_tolerance_ppm}
    below = "OPEN_LOWER_TARGET_OK" if reaching else "RATE_BELOW_FLOOR"
    if policy.basis == "rate":
        return ("PASS", "OK", rate_margin, set()) if rate_ok else ("FAIL", below, rate_margin, reaching)
    base, offer_id = our_base(world, policy, sku_id, at)
    bases = [row for row in fresh if row["base_fen"] is not None]
    used = {offer_id} if offer_id else set()
    amount_margin = None
    if base is not None and bases:
        amount_floor = statistic(policy, [Fraction(theirs(row) * row["base_fen"], MILLION) for row in bases])
        amount_margin = floor(ours * base / MILLION - amount_floor)
    amount_ok = amount_margin is not None and amount_margin >= 0
    if policy.basis == "both" and not rate_ok:  # decided: what the rate alone fails is a FAIL, base or none
        return "FAIL", "AMOUNT_OK_RATE_LOW" if amount_ok else below, rate_margin, used | reaching
    if base is None or len(bases) < len(fresh):
        return "INDETERMINATE", "NO_BASE", None, used
    if not amount_ok:  # decided: words that are true of the rate
        return "FAIL", "RATE_OK_AMOUNT_LOW" if rate_ok else below, amount_margin, used | reaching
    return "PASS", "OK", amount_margin if policy.basis == "amount" else rate_margin, used
