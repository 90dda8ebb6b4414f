"""What does one SKU pay, to whom, and who is asking? A SKU's commission plans and an anchor's standing, as known at an instant."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from features.errors import UnknownId
from features.store.observations import Listing, LiveSession
from features.store.tables import Anchor, Plan, Sku
from features.units import Ppm


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One version of a commission plan; it holds from `known_at` until the plan's next version is known."""

    plan_id: str
    known_at: datetime
    sku_id: str
    plan_type: str
    rate_ppm: Ppm
    valid_from: datetime
    valid_to: datetime | None = None
    status: str | None = None
    anchor_ids: frozenset[str] = frozenset()
    service_fee_rate_ppm: Ppm | None = None


@dataclass(frozen=True, slots=True)
class SkuTerms:
    """On which terms a SKU can be promoted: its plans, every version known by then, and whom it does not admit."""

    sku_id: str
    plans: tuple[PlanRow, ...] = ()
    min_tier: str | None = None
    denied_anchor_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AnchorStanding:
    """As what an anchor asks: its tier, and when it had put this SKU up (starts of the live sessions known by then)."""

    anchor_id: str
    tier: str | None = None
    listed_at: tuple[datetime, ...] = ()


def load_terms(session: Session, sku_id: str, *, at: datetime) -> SkuTerms:
    """The terms of a SKU from the rows known at `at`; UnknownId for one that was not known then.

    Versions under which a plan belonged to another SKU come along: they say until when it belonged to this one.
    """
    sku = session.exec(
        select(Sku)
        .where(Sku.sku_id == sku_id, col(Sku.known_at) <= at)
        .order_by(col(Sku.known_at).desc())
        .limit(1)
    ).first()
    if sku is None:
        raise UnknownId(f"no SKU {sku_id} is known at {at.isoformat()}; `matcher ingest` brings SKUs in")
    named_for_it = select(Plan.plan_id).where(Plan.sku_id == sku_id)
    plans = session.exec(
        select(Plan)
        .where(col(Plan.plan_id).in_(named_for_it), col(Plan.known_at) <= at)
        .order_by(col(Plan.plan_id), col(Plan.known_at))
    )
    return SkuTerms(
        sku_id=sku_id,
        plans=tuple(_plan_row(plan) for plan in plans),
        min_tier=sku.min_tier,
        denied_anchor_ids=ids_of(sku.denied_anchor_ids),
    )


def load_standing(session: Session, anchor_id: str, sku_id: str, *, at: datetime) -> AnchorStanding:
    """The standing of an anchor towards a SKU from the rows known at `at`; UnknownId as for `load_terms`."""
    anchor = session.exec(
        select(Anchor)
        .where(Anchor.anchor_id == anchor_id, col(Anchor.known_at) <= at)
        .order_by(col(Anchor.known_at).desc())
        .limit(1)
    ).first()
    if anchor is None:
        raise UnknownId(
            f"no anchor {anchor_id} is known at {at.isoformat()}; `matcher ingest` brings anchors in"
        )
    listed_at = session.exec(
        select(LiveSession.started_at)
        .join(Listing, col(Listing.live_session_id) == col(LiveSession.live_session_id))
        .where(
            LiveSession.anchor_id == anchor_id,
            Listing.sku_id == sku_id,
            col(LiveSession.started_at) <= at,
            col(Listing.known_at) <= at,
        )
        .order_by(col(LiveSession.started_at))
    )
    return AnchorStanding(anchor_id, anchor.tier, tuple(listed_at))


def _plan_row(plan: Plan) -> PlanRow:
    return PlanRow(
        plan_id=plan.plan_id,
        known_at=plan.known_at,
        sku_id=plan.sku_id,
        plan_type=plan.plan_type,
        rate_ppm=Ppm(plan.rate_ppm),
        valid_from=plan.valid_from,
        valid_to=plan.valid_to,
        status=plan.status,
        anchor_ids=ids_of(plan.anchor_ids),
        service_fee_rate_ppm=None if plan.service_fee_rate_ppm is None else Ppm(plan.service_fee_rate_ppm),
    )


def ids_of(joined: str | None) -> frozenset[str]:
    """A `;` list as the store keeps it."""
    return frozenset(joined.split(";")) if joined else frozenset()
