"""What is found of one pairing or one SKU? Its fate, its rate, its verdicts: documents, each by who reads it."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlmodel import Session

from api.access import Role
from api.answers import provenance, verdict_lines
from api.checking import check_one, compare_takers
from api.documents import document
from api.loading import Served
from api.problems import Language, Problem
from api.row_words import row_fault
from api.schemas.checks import PlannedAsked
from api.serving import Serving
from features.errors import PlannedRowRefused, WrongInput
from features.store.dossiers import load_calendar, load_dossier
from features.store.intake.rejects import Code
from features.store.planned import Planned, read_planned
from features.store.plans import PlanRow
from features.store.tables import TABLES
from matcher.candidates.union import Side
from matcher.rates import FOR_ANYBODY, RateAnswer
from matcher.request import ListRequest
from matcher.whatif import with_planned
from matcher.why import Fate, why

_SEEN_BY_ALL: Final = ("plan_id", "plan_type", "rate_ppm", "status", "valid_from", "valid_to")
_ANSWERED: Final = (
    "rule",
    "status",
    "reason",
    "sentence",
    "margin",
    "margin_unit",
    "provisional",
    "policy_version",
    "checked_at",
    "next_change_at",
)


def pairing_document(
    served: Served, anchor_id: str, sku_id: str, *, role: Role, language: Language, now: Any
) -> dict[str, Any]:
    """One pairing as an anchor, a brand or an operator may see it."""
    anchor, sku = served.anchor_rows.get(anchor_id), served.sku_rows.get(sku_id)
    if anchor is None or sku is None:
        raise Problem("not_found")
    engine = served.engine
    goods, shortlist = why(engine, anchor, sku, ListRequest("goods", 0, 20, at=now))
    rate_ppm = int(engine.world.rates.at(np.array([anchor], np.int32), np.array([sku], np.int32))[0])
    return {
        "anchor_id": anchor_id,
        "sku_id": sku_id,
        **provenance(served, "shortlist" if role == "brand" else "goods"),
        "rate_ppm": rate_ppm if rate_ppm >= 0 else None,
        "expected": _expected(served, anchor, sku, "shortlist" if role == "brand" else "goods"),
        "verdicts": verdict_lines(engine.verdicts.of(sku_id, now) if engine.verdicts else None, language),
        "goods": _fate(goods, is_private=role == "brand"),
        "shortlist": _fate(shortlist, is_private=role == "anchor"),
    }


def _expected(served: Served, anchor: int, sku: int, side: Side) -> dict[str, Any] | None:
    """What the reader's own list would say of the pairing, were it on it.

    Never the other side's: what a source brings an anchor depends on what all other brands keep from them.
    """
    engine = served.engine
    if engine.model is None:
        return None
    owner, other = (anchor, sku) if side == "goods" else (sku, anchor)
    found = engine.world.described(side, owner, np.array([other], np.int32))
    matrix = engine.world.matrix(side, owner, found)
    skus = np.array([sku], np.int32)
    rate_ppm = engine.world.rates.at(np.array([anchor], np.int32), skus)
    [expected] = engine.model.outcome.expect(matrix, engine.unit_gmv_fen[skus], rate_ppm).each()
    return expected.line()


def _fate(fate: Fate, *, is_private: bool) -> dict[str, Any]:
    """As `matcher why` has it; of the other side's list whether it is on it, or the rule that keeps it off.

    Its place there would tell of third parties: a brand's exclusive plan moves every other SKU up by one.
    """
    return {
        "status": fate.status,
        "rank": None if is_private else fate.rank,
        "score": None if is_private else fate.score,
        "considered": None if is_private else fate.considered,
        "brought_by": [] if is_private else list(fate.brought_by),
        "above": [] if is_private else list(fate.above),
        "reasons": []
        if is_private
        else [{"group": one.group, "zh": one.zh, "en": one.en} for one in fate.reasons],
    }


def rate_document(answer: RateAnswer, role: Role) -> dict[str, Any]:
    """As `matcher rate --json`; an anchor sees no plan that is for others, and nobody's name in a plan."""
    is_anchor = role == "anchor"
    return {
        "sku_id": answer.sku_id,
        "anchor_id": answer.anchor_id,
        "at": answer.at,
        "rate_ppm": answer.rate_ppm,
        "plan": None if answer.plan is None else _plan(answer.plan, is_anchor),
        "kept_until": answer.kept_until,
        "losers": [
            _plan(loser.plan, is_anchor)
            | {"reason": str(loser.reason), "sentence": {"zh": loser.zh, "en": loser.en}}
            for loser in answer.losers
            if not is_anchor or _is_for(loser.plan, answer.anchor_id)
        ],
        "policy_version": answer.policy_version,
    }


def _is_for(plan: PlanRow, anchor_id: str | None) -> bool:
    """Is the plan made for this anchor too? What a brand grants to others by name is between the two of them."""
    return anchor_id in plan.anchor_ids or (not plan.anchor_ids and plan.plan_type in FOR_ANYBODY)


def _plan(plan: PlanRow, is_anchor: bool) -> dict[str, Any]:
    names = (
        _SEEN_BY_ALL
        if is_anchor
        else [field.name for field in fields(plan) if field.name not in ("known_at", "sku_id")]
    )
    columns = {name: getattr(plan, name) for name in names}
    if "anchor_ids" in columns:
        columns["anchor_ids"] = sorted(columns["anchor_ids"])
    return columns


def planned_document(
    serving: Serving,
    session: Session,
    asked: PlannedAsked,
    role: Role,
    now: datetime,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What the two rules, and the market, would say of what is planned; of another instant than now, the rules alone."""
    stored = load_dossier(session, asked.sku_id)

    def planned_at(at: datetime) -> Planned:
        return read_planned(
            {"plans": asked.plans, "offers": asked.offers},
            sku_id=asked.sku_id,
            at=at,
            home_platform=serving.policy.home_platform,
            where="body",
        )

    try:
        planned = planned_at(at or now)
    except PlannedRowRefused as error:
        code, table = Code(error.code), TABLES[error.table]
        fault = asdict(row_fault(error.index, code, table, error.column))
        raise Problem("rejected_rows", errors=[{"table": table.name, **fault}]) from error
    except WrongInput as error:  # its sentence quotes what was handed in
        raise Problem(
            "invalid",
            en="rows have the columns of the import tables; their ids differ, and their SKU is the one asked about",
            zh="各行须使用导入表的列；编号不得重复，SKU 须与所问一致",
        ) from error
    dossier = with_planned(stored, planned)
    both = check_one(dossier, load_calendar(session), None, at or now, serving.policy)
    served = serving.current
    takers = None
    if at is None and planned.plans and served is not None and asked.sku_id in served.sku_rows:
        # The market stands at its snapshot, some minutes ago: there a plan from now on would not be in force yet.
        takers = compare_takers(served.engine, with_planned(stored, planned_at(served.snapshot_at)))
    return {"takers": takers, **checks_document(document(both, dossier, serving.policy), role)}


def checks_document(plain: dict[str, Any], role: Role) -> dict[str, Any]:
    """The document of `matcher check --json`, its accounts gathered; for an anchor the verdicts alone."""
    lines = []
    for verdict in plain["verdicts"]:
        line = {name: verdict[name] for name in _ANSWERED}
        if role != "anchor":
            own = {
                name: value
                for name, value in verdict.items()
                if name not in (*_ANSWERED, "evidence", "notes")
            }
            line |= {"evidence": verdict["evidence"], "notes": verdict["notes"], "account": own}
        lines.append(line)
    return {"sku_id": plain["sku_id"], "policy_version": plain["policy_version"], "verdicts": lines}
