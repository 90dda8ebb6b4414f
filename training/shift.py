"""How does a night go from beginning to end, and what if it is killed? Lease, work, publish, lists; each step written down.

Whatever happens, what served goes on serving: a model is published aside and pointed at last, and so are the lists.
Killed anywhere, the next run of the same date ends with the same bytes: what it makes depends on facts, recipe and
policy alone.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session

from features.errors import FeatureMismatch, RegistryDamaged, UnknownId
from features.facts import Facts, load_facts
from features.snapshot import take_snapshot
from features.store.db import reading
from features.store.dossiers import load_calendar, load_dossiers
from features.units import midnight
from matcher.candidates.union import Side
from matcher.engine import build_engine
from matcher.everybody import Watch
from matcher.kept_lists import KeptLists, make_lists, publish_lists
from matcher.model import Model
from matcher.policy import Policy
from matcher.registry import (
    Manifest,
    Provenance,
    champion,
    load_manifest,
    newest_serving,
    promote,
    publish,
    read_model,
)
from matcher.retention import prune
from matcher.verdict_book import VerdictBook
from matcher.world import build_world
from training.attempt import Attempt, Shift, holder_name
from training.bounds import Finding
from training.card import make_card
from training.figures import plain
from training.gate import Decision
from training.kept_work import KeptWork, work_key
from training.nightly import SIDES, Night, judge_day, run_night

__all__ = ["Shift", "Worked", "holder_name", "record", "work_night"]

_LOG: Final = logging.getLogger("training")


@dataclass(frozen=True, slots=True)
class Worked:
    """What a night came to."""

    night: Night
    manifest: Manifest
    serving: str
    lists: KeptLists | None
    said: Mapping[str, Any]


def work_night(shift: Shift, as_of: date) -> Worked:
    """Facts to lists; LeaseHeld where another night is at work. The row of the attempt says how it ended."""
    with Attempt(shift, as_of) as attempt:
        attempt.step("facts", 0.0)
        with reading(shift.store) as session:
            facts = load_facts(session, as_of=midnight(as_of))
            verdicts = _verdicts(session, shift.policy)
        attempt.count(
            listings=len(facts.listings.at_us), skus=len(facts.sku_ids), anchors=len(facts.anchor_ids)
        )
        rival, rivals_then = _rival(shift.home, judge_day(facts, shift.recipe))
        kept = KeptWork(shift.home, as_of, _key(shift, facts, rival, verdicts))
        kept.begin()
        night = _published_before(shift.home, kept) or run_night(
            facts,
            policy=shift.policy,
            recipe=shift.recipe,
            threads=shift.threads,
            say=attempt.part(0.02, 0.8),
            champion=rival,
            champion_then=rivals_then,
            verdicts=verdicts,
            kept=kept,
        )
        attempt.step("publish", 0.82)
        attempt.require_lease()
        manifest = publish(shift.home, night.provenance, night.files)
        kept.keep_published(manifest.version)
        attempt.step("promote", 0.83)
        attempt.require_lease()
        _promote(night, manifest, shift.home, shift.clock())
        lists = _lists(shift, attempt, facts, night, manifest, verdicts) if shift.lists else None
        if shift.models_kept is not None:
            attempt.step("old models", 0.995)
            attempt.count(models_removed=len(prune(shift.home, kept=shift.models_kept)))
        said = _said(night, manifest, shift.home, lists)
        attempt.ended("published" if night.decision.passed else "refused", manifest.version, said)
    kept.end()
    return Worked(night, manifest, str(said["serving"]), lists, said)


def record(night: Night, home: Path, *, now: datetime) -> dict[str, Any]:
    """Publish what a night made, and point at it if it passed; without lease, row and lists: for markets of one's own."""
    manifest = publish(home, night.provenance, night.files)
    _promote(night, manifest, home, now)
    return _said(night, manifest, home, None)


def _rival(home: Path, day: date | None) -> tuple[Model | None, Mapping[str, Any] | None]:
    """Whom tonight's model is held against, and how it did in its own night: the newest that may serve lists of `day`.

    Its data end before the judge window, so that neither has seen what both are judged on. One that cannot be read, or
    knows other features, is told of and left: the sources decide then.
    """
    if day is None:
        return None, None
    try:
        manifest = newest_serving(home, day)
        if manifest is None:
            return None, None
        model = Model.from_files(manifest.version, read_model(home, manifest.version))
    except (RegistryDamaged, FeatureMismatch) as error:
        _LOG.warning("no model stands against tonight's: %s", error)
        return None, None
    judged = manifest.metrics.get("judged")
    return model, judged if isinstance(judged, dict) else None


def _key(shift: Shift, facts: Facts, rival: Model | None, verdicts: VerdictBook | None) -> str:
    return work_key(
        facts,
        shift.policy,
        shift.recipe,
        rival.version if rival is not None else None,
        verdicts.dossiers if verdicts is not None else {},
        shift.threads,
    )


def _published_before(home: Path, kept: KeptWork) -> Night | None:
    """What a run of the same work published before it died; nothing where it did not come so far."""
    version = kept.published
    if version is None:
        return None
    try:
        manifest, files = load_manifest(home, version), read_model(home, version)
        model = Model.from_files(version, files) if files else None
    except (UnknownId, RegistryDamaged):
        return None
    metrics: Any = manifest.metrics
    findings = [Finding(**found) for found in metrics["gate"]]
    return Night(
        model,
        files,
        Provenance(**{name: getattr(manifest, name) for name in Provenance.model_fields}),
        Decision(manifest.gate.passed, manifest.gate.reasons, metrics["judged"], findings),
        metrics["best_source"],
        metrics["report"],
    )


def _verdicts(session: Session, policy: Policy) -> VerdictBook | None:
    """What the two rules say, where the policy has one of them leave pairings out."""
    if policy.modes.cps_floor == policy.modes.price_parity == "advise":
        return None
    dossiers = {dossier.sku_id: dossier for dossier in load_dossiers(session, None)}
    return VerdictBook(dossiers, load_calendar(session), policy)


def _promote(night: Night, manifest: Manifest, home: Path, now: datetime) -> None:
    """Point at it if it passed and nothing newer serves."""
    serving = champion(home)
    if night.decision.passed and (serving is None or serving.as_of <= manifest.as_of):
        promote(home, manifest.version, at=now)


def _lists(
    shift: Shift,
    attempt: Attempt,
    facts: Facts,
    night: Night,
    tonight: Manifest,
    verdicts: VerdictBook | None,
) -> KeptLists:
    """Everybody's lists, by the champion as of now, or by the best source; and the night's card."""
    attempt.step("world", 0.84)
    manifest = champion(shift.home)
    model = None
    if manifest is not None:
        model = Model.from_files(manifest.version, read_model(shift.home, manifest.version))
    world = build_world(take_snapshot(facts), shift.policy, threads=shift.threads)
    engine = build_engine(world, model, night.best_source, verdicts)
    attempt.step("lists", 0.86)
    watches: dict[Side, Watch] = {side: shift.watches.get(side, lambda lists, _n: lists) for side in SIDES}
    aside = make_lists(shift.home, engine, tonight.as_of, threads=shift.threads, watches=watches)
    attempt.step("publish lists", 0.98)
    attempt.require_lease()
    kept = publish_lists(shift.home, aside)
    attempt.count(**{f"{side}_rows": n for side, n in kept.rows.items()})
    attempt.step("card", 0.99)
    _write_whole(shift.home / "cards" / f"{tonight.version}.html", make_card(shift.home, tonight, engine))
    return kept


def _write_whole(file: Path, text: str) -> None:
    """A file that is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.part")
    try:
        with aside.open("w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def _said(night: Night, manifest: Manifest, home: Path, lists: KeptLists | None) -> dict[str, Any]:
    serving = champion(home)
    return {
        "version": manifest.version,
        "passed": night.decision.passed,
        "reasons": list(night.decision.reasons),
        "serving": serving.version if serving is not None else f"source:{night.best_source['goods']}",
        "best_source": dict(night.best_source),
        "judged": manifest.metrics.get("judged"),
        "outcome": plain(night.report.get("outcome")),
        "lists": None if lists is None else {"folder": lists.folder, "rows": dict(lists.rows)},
    }
