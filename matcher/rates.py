"""Which commission rate applies to this pairing at this instant, and why do the other plans not?

A plan is a row a version: what it says holds from when it was known until its next version is known. Windows are
half-open, `[valid_from, valid_to)`. A plan without a status is on. A plan counts for the SKU that it names, a
`target_shop` plan too: the file gives it one SKU a row.

Who is admitted: a plan that names anchors admits those alone; one that names none admits every anchor if it is
`open` or `leader`, and nobody if it is of a kind that is made for named anchors. The SKU's own terms hold for all
its plans: a denied anchor is admitted by none, nor is an anchor below `min_tier` (an unknown tier counts as the
lowest).

The lock (`rate_lock_days`): where the rate that resolves for the anchor fell at an instant, and the anchor had
put the SKU up in the 90 days before it, the old rate lives on for so many days; of several the highest. A rise
holds at once. An old rate outlives its plan, but not the SKU's offer: with no plan in force there is no rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from features.store.plans import AnchorStanding, PlanRow, SkuTerms
from features.units import SHANGHAI, TICK, Ppm
from matcher.policy import Policy

PROMOTING_DAYS: Final = 90
"""Who listed a SKU within so many days before its rate fell was already promoting it."""
FOR_ANYBODY: Final = ("open", "leader")
"""Kinds of plan that admit every anchor unless they name some."""
TIER_RANKS: Final = {"tail": 0, "waist": 1, "head": 2}


class Loss(StrEnum):
    """Why a plan does not apply, in the order in which it is asked."""

    PAUSED = "PAUSED"
    OFF = "OFF"
    NOT_STARTED = "NOT_STARTED"
    ENDED = "ENDED"
    NOT_OPEN = "NOT_OPEN"
    DENIED = "DENIED"
    TIER_UNKNOWN = "TIER_UNKNOWN"
    TIER_TOO_LOW = "TIER_TOO_LOW"
    NOT_NAMED = "NOT_NAMED"
    LOWER_KIND = "LOWER_KIND"
    EARLIER_START = "EARLIER_START"
    SMALLER_ID = "SMALLER_ID"
    RATE_FELL = "RATE_FELL"


@dataclass(frozen=True, slots=True)
class Loser:
    """A plan of the SKU that does not apply, with the reason as a code and in words."""

    plan: PlanRow
    reason: Loss
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class RateAnswer:
    """The rate that applies; none where no plan admits the asker."""

    sku_id: str
    anchor_id: str | None
    at: datetime
    rate_ppm: Ppm | None
    plan: PlanRow | None
    kept_until: datetime | None
    """Where the rate has fallen and this anchor keeps the old one: until when."""
    losers: tuple[Loser, ...]
    """Best first: those that admit the asker, then the others by id."""
    policy_version: str


def resolve_rate(
    terms: SkuTerms, anchor: AnchorStanding | None, at: datetime, *, policy: Policy
) -> RateAnswer:
    """The rate at `at` for an anchor, or, without one, the open rate; from the versions known at `at`."""
    versions = versions_at(terms, at)
    excluded = {plan: reason for plan in versions if (reason := _exclusion(plan, terms, anchor, at))}
    candidates = [plan for plan in versions if plan not in excluded]
    candidates.sort(key=lambda plan: _strength(plan, policy), reverse=True)
    losers = [_behind(plan, candidates[0]) for plan in candidates[1:]]
    losers += [_excluded(plan, excluded[plan], terms) for plan in versions if plan in excluded]
    if not candidates:
        return RateAnswer(terms.sku_id, _id(anchor), at, None, None, None, tuple(losers), policy.version)
    winner, kept_until = candidates[0], None
    if kept := _kept(terms, anchor, at, winner, policy):
        losers = [_fallen(winner, kept[1]), *(loser for loser in losers if loser.plan != kept[0])]
        winner, kept_until = kept
    return RateAnswer(
        terms.sku_id, _id(anchor), at, winner.rate_ppm, winner, kept_until, tuple(losers), policy.version
    )


def versions_at(terms: SkuTerms, at: datetime) -> list[PlanRow]:
    """Each plan of the SKU as it stood at `at`, by id: its latest version known by then."""
    latest: dict[str, PlanRow] = {}
    for plan in sorted(terms.plans, key=lambda plan: plan.known_at):
        if plan.known_at <= at:
            latest[plan.plan_id] = plan
    return [latest[plan_id] for plan_id in sorted(latest) if latest[plan_id].sku_id == terms.sku_id]


def is_in_force(plan: PlanRow, at: datetime) -> bool:
    """Is this version on, and its window open?"""
    return _not_in_force(plan, at) is None


def _exclusion(plan: PlanRow, terms: SkuTerms, anchor: AnchorStanding | None, at: datetime) -> Loss | None:
    """Why a plan is no candidate; nothing if it is one."""
    return _not_in_force(plan, at) or _not_admitted(plan, terms, anchor)


def _not_in_force(plan: PlanRow, at: datetime) -> Loss | None:
    if plan.status not in {None, "on"}:
        return Loss.PAUSED if plan.status == "paused" else Loss.OFF
    if at < plan.valid_from:
        return Loss.NOT_STARTED
    return Loss.ENDED if plan.valid_to is not None and at >= plan.valid_to else None


def _not_admitted(plan: PlanRow, terms: SkuTerms, anchor: AnchorStanding | None) -> Loss | None:
    if anchor is None:
        return None if plan.plan_type == "open" else Loss.NOT_OPEN
    if anchor.anchor_id in terms.denied_anchor_ids:
        return Loss.DENIED
    if TIER_RANKS[anchor.tier or "tail"] < TIER_RANKS[terms.min_tier or "tail"]:
        return Loss.TIER_TOO_LOW if anchor.tier else Loss.TIER_UNKNOWN
    is_named = anchor.anchor_id in plan.anchor_ids
    is_for_all = not plan.anchor_ids and plan.plan_type in FOR_ANYBODY
    return None if is_named or is_for_all else Loss.NOT_NAMED


def _strength(plan: PlanRow, policy: Policy) -> tuple[int, datetime, str]:
    """Of the plans that admit the asker the greatest applies: by kind, then the latest start, then the greatest id."""
    kinds: tuple[str, ...] = policy.plan_precedence
    return -kinds.index(plan.plan_type), plan.valid_from, plan.plan_id


def _kept(
    terms: SkuTerms, anchor: AnchorStanding | None, at: datetime, winner: PlanRow, policy: Policy
) -> tuple[PlanRow, datetime] | None:
    """The plan whose higher rate the anchor keeps after a fall, and until when; of equal rates the longest kept."""
    lock = timedelta(days=policy.rate_lock_days)
    if anchor is None or not lock:
        return None
    best: tuple[PlanRow, datetime] | None = None
    for change_at in _changes(terms, after=at - lock, until=at):
        before = strongest(terms, anchor, change_at - TICK, policy)
        after = strongest(terms, anchor, change_at, policy)
        fell = before is not None and (after is None or after.rate_ppm < before.rate_ppm)
        if not fell or not _was_promoting(anchor, change_at):
            continue
        assert before is not None
        if before.rate_ppm > winner.rate_ppm and (best is None or before.rate_ppm >= best[0].rate_ppm):
            best = before, change_at + lock
    return best


def _changes(terms: SkuTerms, *, after: datetime, until: datetime) -> Iterable[datetime]:
    """Instants in `(after, until]` at which another plan may begin to apply, earliest first."""
    instants = {plan.known_at for plan in terms.plans}
    instants |= {plan.valid_from for plan in terms.plans}
    instants |= {plan.valid_to for plan in terms.plans if plan.valid_to is not None}
    return sorted(instant for instant in instants if after < instant <= until)


def strongest(terms: SkuTerms, anchor: AnchorStanding | None, at: datetime, policy: Policy) -> PlanRow | None:
    """The plan that applies at `at` before any lock; nothing where none admits the asker."""
    candidates = [plan for plan in versions_at(terms, at) if _exclusion(plan, terms, anchor, at) is None]
    return max(candidates, key=lambda plan: _strength(plan, policy), default=None)


def _was_promoting(anchor: AnchorStanding, fell_at: datetime) -> bool:
    since = fell_at - timedelta(days=PROMOTING_DAYS)
    return any(since <= listed_at < fell_at for listed_at in anchor.listed_at)


def _behind(plan: PlanRow, winner: PlanRow) -> Loser:
    if plan.plan_type != winner.plan_type:
        kinds = f"{winner.plan_type} > {plan.plan_type}"
        return Loser(plan, Loss.LOWER_KIND, f"优先级较低：{kinds}", f"a kind that comes later: {kinds}")
    if plan.valid_from != winner.valid_from:
        zh, en = f"同类计划 {winner.plan_id} 生效更晚", f"{winner.plan_id}, of the same kind, began later"
        return Loser(plan, Loss.EARLIER_START, zh, en)
    zh = f"与 {winner.plan_id} 同类且同时生效，取编号较大者"
    return Loser(
        plan, Loss.SMALLER_ID, zh, f"{winner.plan_id}, of the same kind and start, has the greater id"
    )


def _fallen(plan: PlanRow, kept_until: datetime) -> Loser:
    zh = f"佣金率已下调，该主播的原佣金率保留至 {_shown(kept_until)}"
    en = f"the rate fell to this; the anchor keeps the old one until {_shown(kept_until)}"
    return Loser(plan, Loss.RATE_FELL, zh, en)


def _excluded(plan: PlanRow, reason: Loss, terms: SkuTerms) -> Loser:
    zh, en = EXCLUSIONS[reason]
    blanks = {
        "valid_from": _shown(plan.valid_from),
        "valid_to": _shown(plan.valid_to),
        "min_tier": terms.min_tier,
    }
    return Loser(plan, reason, zh.format_map(blanks), en.format_map(blanks))


EXCLUSIONS: Final = {
    Loss.PAUSED: ("计划已暂停", "the plan is paused"),
    Loss.OFF: ("计划已关闭", "the plan is switched off"),
    Loss.NOT_STARTED: ("计划自 {valid_from} 起生效", "the plan holds from {valid_from}"),
    Loss.ENDED: ("计划已于 {valid_to} 结束", "the plan ended at {valid_to}"),
    Loss.NOT_OPEN: ("未指明主播，只看普通计划", "no anchor is named, so only open plans count"),
    Loss.DENIED: ("该单品不接受此主播", "the SKU does not admit this anchor"),
    Loss.TIER_UNKNOWN: (
        "主播层级未知，该单品要求至少 {min_tier}",
        "the anchor's tier is unknown, and the SKU asks for at least {min_tier}",
    ),
    Loss.TIER_TOO_LOW: (
        "主播层级低于该单品要求的 {min_tier}",
        "the anchor's tier is below {min_tier}, which the SKU asks for",
    ),
    Loss.NOT_NAMED: ("此主播不在计划名单内", "the plan is for named anchors, and this one is not among them"),
}
"""What is said, in zh and en, of a plan that is no candidate."""


def _shown(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _id(anchor: AnchorStanding | None) -> str | None:
    return None if anchor is None else anchor.anchor_id
