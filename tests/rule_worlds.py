"""How is a small world of plain rows handed to the rules? The same rows, as dossiers, calendar and policy."""

from datetime import datetime
from typing import Any

from features.store.dossier import (
    BigEvent,
    Calendar,
    Dossier,
    Enrolment,
    Equivalent,
    Offer,
    Promotion,
    Quote,
    SkuVersion,
)
from features.store.plans import AnchorStanding, PlanRow, SkuTerms
from features.units import Ppm
from matcher.policy import FloorPolicy, ParityPolicy, Policy, ReferencePolicy
from second_price import Row, World
from second_rules import SecondPolicy


def policy_of(second: SecondPolicy) -> Policy:
    """The same decisions in our words."""
    return Policy(
        home_platform=second.home_platform,
        plan_precedence=second.precedence,  # type: ignore[arg-type]
        rate_lock_days=second.rate_lock_days,
        trusted_sources=second.trusted_sources,
        floor=FloorPolicy(
            platforms=second.floor_platforms or (),
            statistic=second.floor_statistic,  # type: ignore[arg-type]
            max_age_hours=second.quote_max_age_hours,
            max_age_event_hours=second.quote_max_age_event_hours,
            tolerance_ppm=second.rate_tolerance_ppm,
            allow_partial=second.allow_partial,
            basis=second.basis,  # type: ignore[arg-type]
        ),
        parity=ParityPolicy(
            reference=ReferencePolicy(platform=second.reference_platform, kind=second.reference_kind),
            reference_year=second.reference_year,  # type: ignore[arg-type]
            provisional_kinds=second.provisional_kinds,
            tolerance_fen=second.price_tolerance_fen,
            platform_threshold=second.platform_threshold_on,  # type: ignore[arg-type]
            offer_max_age_hours=second.offer_max_age_hours,
            least_quota_ppm=second.quota_floor_ppm,
        ),
    )


def calendar_of(world: World) -> Calendar:
    """Every event."""
    rows = sorted(world["events"], key=lambda row: (row["starts_at"], row["event_id"]))
    names = ("event_id", "platform", "kind", "starts_at", "ends_at")
    return Calendar(
        tuple(BigEvent(*(row[n] for n in names), bool(row["counts_as_big_promo"])) for row in rows)
    )


def dossier_of(world: World, sku_id: str) -> Dossier:
    """Everything that the rules read of a SKU."""
    rules = {row["programme_id"]: frozenset(row["rules"]) for row in world["programmes"]}
    versions = _versions(world, sku_id)
    named = {v.equivalent_sku_id for v in versions if v.equivalent_sku_id}
    return Dossier(
        sku_id=sku_id,
        versions=versions,
        enrolments=tuple(
            Enrolment(
                row["brand_id"],
                row["programme_id"],
                rules[row["programme_id"]],
                row["valid_from"],
                row["valid_to"],
                row["committed_at"] or row["valid_from"],
            )
            for row in world["enrolments"]
        ),
        plans=terms_of(world, sku_id).plans,
        quotes=tuple(
            Quote(
                retracted_at=_retracted_at(world, "cps_quotes", row["quote_id"]),
                **_only(row, Quote._fields, rate_ppm="rate", rate_high_ppm="rate_high"),
            )
            for row in world["cps_quotes"]
            if row["sku_id"] == sku_id
        ),
        offers=_offers(world, sku_id),
        equivalents={id_: Equivalent(_versions(world, id_), _offers(world, id_)) for id_ in named} or None,
    )


def terms_of(world: World, sku_id: str, sku: Row | None = None) -> SkuTerms:
    """A SKU's plans, and whom it turns away by one version of it."""
    ids = {row["plan_id"] for row in world["plans"] if row["sku_id"] == sku_id}
    plans = [
        PlanRow(
            plan_id=row["plan_id"],
            known_at=row["known_at"],
            sku_id=row["sku_id"],
            plan_type=row["plan_type"],
            rate_ppm=Ppm(row["rate"]),
            valid_from=row["valid_from"],
            valid_to=row["valid_to"],
            status=row["status"],
            anchor_ids=frozenset(row["anchor_ids"]),
        )
        for row in world["plans"]
        if row["plan_id"] in ids
    ]
    if sku is None:
        return SkuTerms(sku_id, tuple(plans))
    return SkuTerms(sku_id, tuple(plans), sku["min_tier"], frozenset(sku["denied_anchor_ids"] or ()))


def standing_of(world: World, anchor: Row, sku_id: str, at: datetime) -> AnchorStanding:
    """As what an anchor asks, from the sessions known at `at`."""
    started = {row["live_session_id"]: row["started_at"] for row in world["live_sessions"]}
    own = {
        row["live_session_id"] for row in world["live_sessions"] if row["anchor_id"] == anchor["anchor_id"]
    }
    listed = [
        started[row["live_session_id"]]
        for row in world["listings"]
        if row["sku_id"] == sku_id and row["live_session_id"] in own and row["known_at"] <= at
    ]
    return AnchorStanding(anchor["anchor_id"], anchor["tier"], tuple(sorted(listed)))


def _versions(world: World, sku_id: str) -> tuple[SkuVersion, ...]:
    rows = [row for row in world["skus"] if row["sku_id"] == sku_id]
    return tuple(
        SkuVersion(**_only(row, SkuVersion._fields)) for row in sorted(rows, key=lambda r: r["known_at"])
    )


def _offers(world: World, sku_id: str) -> tuple[Offer, ...]:
    return tuple(
        Offer(
            promotions=tuple(
                Promotion(**_only(promotion, Promotion._fields, off_rate_ppm="off_rate"))
                for promotion in world["offer_promotions"]
                if promotion["offer_id"] == row["offer_id"]
            ),
            retracted_at=_retracted_at(world, "offers", row["offer_id"]),
            **_only(row, Offer._fields),
        )
        for row in world["offers"]
        if row["sku_id"] == sku_id
    )


def _retracted_at(world: World, table: str, key: str) -> Any:
    found = [row["at"] for row in world["retractions"] if (row["table"], row["key"]) == (table, key)]
    return min(found, default=None)


def _only(row: Row, fields: tuple[str, ...], **renamed: str) -> dict[str, Any]:
    return {name: row[renamed.get(name, name)] for name in fields if renamed.get(name, name) in row}
