"""How did the last nights go, who was shown since, and is all well? The operator's first page."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.deps import Calling, Now, ServingNow
from api.pages.guarding import PageLanguage, page
from api.pages.operator_attempts import attempts_of
from api.pages.operator_desk import DeskNow
from api.pages.operator_judged import (
    DECIDING,
    KINDS,
    Night,
    day_of,
    figure_of,
    findings_of,
    history_of,
    judged_of,
    leads_of,
    lines_of,
    promised_of,
    read_nights,
    served_before,
)
from api.pages.rendering import render
from api.pages.words import WORDS, say
from api.problems import Language
from api.serving import Serving
from features.errors import RegistryDamaged
from features.store.db import reading
from features.store.exposure import Exposure, exposure_by_tier
from matcher.registry import Manifest, load_manifest

router = APIRouter()

NIGHTS: Final = 60
"""So many are drawn."""
LISTED: Final = 10
_DAYS_SHOWN: Final = 7
_GOOD_FOR: Final = timedelta(seconds=10)
_NO_REFUSAL: Final = "NOT_A_CANDIDATE"


@router.get("/nights", **page("operator"))
def show_nights(
    request: Request, serving: ServingNow, desk: DeskNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """Metrics over time, champion against challenger, exposure, refusals, and how this process does."""
    home = serving.settings.home
    nights = read_nights(home, NIGHTS)
    exposure, exposed_at = desk.lately("exposure", lambda: _exposure(serving, now), now=now, within=_GOOD_FOR)
    return render(
        request,
        "operator_nights.html",
        language=language,
        caller=caller,
        nights=[_line(night) for night in nights[:LISTED]],
        n_nights=len(nights),
        attempts=attempts_of(serving, now, language),
        plots={kind: _series(lines_of(nights, kind), language) for kind in KINDS},
        leads=_series(leads_of(nights), language),
        promised=_series(promised_of(nights), language),
        match=_match(serving, nights),
        exposure=exposure,
        bars=_bars(exposure, language),
        exposed_at=exposed_at,
        days_shown=_DAYS_SHOWN,
        refusals=_refusals(serving, language),
        began_at=desk.began_at,
        health=_health(serving, now),
    )


def _exposure(serving: Serving, now: datetime) -> Exposure:
    with reading(serving.store) as session:
        return exposure_by_tier(session, since=now - timedelta(days=_DAYS_SHOWN), until=now)


def _bars(exposure: Exposure, language: Language) -> dict[str, list[Any]]:
    """Tier by tier: its share of all anchors, and of the places in either kind of list."""
    tiers = exposure.tiers
    n_anchors = sum(one.n_anchors for one in tiers)
    return {
        "labels": [say(f"operator.tier.{one.tier or 'unknown'}", language) for one in tiers],
        "anchors": [one.n_anchors / n_anchors for one in tiers],
        "proposed": [one.n_proposed / max(exposure.n_proposed, 1) for one in tiers],
        "offered": [one.n_offered / max(exposure.n_offered, 1) for one in tiers],
    }


def _line(night: Night) -> dict[str, Any]:
    """A night in the list."""
    manifest = night.manifest
    return {
        "on": night.on,
        "version": night.version,
        "passed": None if manifest is None else manifest.gate.passed,
        "reasons": () if manifest is None else manifest.gate.reasons,
        "n_warned": 0 if manifest is None else sum(one.level == "warned" for one in findings_of(manifest)),
        "sides": {side: night.judged(label) for side, label in DECIDING.items()},
    }


def _series(
    lines: Mapping[str, Sequence[tuple[Any, float | None]]], language: Language
) -> list[dict[str, Any]]:
    """As a plot takes them; a line without a figure is left out."""
    return [
        {"label": say(f"operator.line.{name}", language), "points": points}
        for name, points in lines.items()
        if any(value is not None for _, value in points)
    ]


def _match(serving: Serving, nights: Sequence[Night]) -> dict[str, Any] | None:
    """The champion beside the newest challenger; where the newest serves, beside the champion before it."""
    history, _ = history_of(serving.settings.home)
    newest = next((night.manifest for night in nights if night.manifest is not None), None)
    if newest is None or not history:
        return None
    is_newest = history[-1].version == newest.version
    before = served_before(history, newest.version) if is_newest else history[-1]
    other = None if before is None else _known(serving, before.version)
    if other is None:
        return None
    champion, challenger = (newest, other) if is_newest else (other, newest)
    rows = [
        _held(kind, label, newest, is_newest) or _beside(kind, label, champion, challenger)
        for kind, label in {**KINDS, **DECIDING}.items()
    ]
    return {
        "champion": champion,
        "challenger": challenger,
        "serves_newest": is_newest,
        "is_same_window": all(row["is_same_window"] for row in rows),
        "rows": rows,
        "promised": {
            name: [figure_of(one, "report", "outcome", name) for one in (champion, challenger)]
            for name in ("coverage", "gmv_coverage")
        },
    }


def _known(serving: Serving, version: str) -> Manifest | None:
    try:
        return load_manifest(serving.settings.home, version)
    except RegistryDamaged:
        return None


def _held(kind: str, label: str, newest: Manifest, is_newest: bool) -> dict[str, Any] | None:
    """Both on one window, as the gate held them against each other; nothing where it did not."""
    judged = judged_of(newest, label)
    if judged is None or judged.champion is None or judged.challenger is None:
        return None
    figures, ahead = [judged.champion, judged.challenger], judged.challenger.ahead
    if is_newest:
        figures.reverse()
        ahead = None if ahead is None else (-ahead[0], -ahead[2], -ahead[1])
    return {"kind": kind, "figures": figures, "difference": ahead, "is_same_window": True}


def _beside(kind: str, label: str, champion: Manifest, challenger: Manifest) -> dict[str, Any]:
    """Each as its own night found it."""
    judged = [judged_of(one, label) for one in (champion, challenger)]
    figures = [None if one is None else one.ours for one in judged]
    known = [one.ndcg10 for one in figures if one is not None and one.ndcg10 is not None]
    plain = known[1] - known[0] if len(known) == len(figures) else None
    return {
        "kind": kind,
        "figures": figures,
        "difference": None if plain is None else (plain, None, None),
        "is_same_window": False,
    }


def _refusals(serving: Serving, language: Language) -> dict[str, Any]:
    """What was left out of lists since this process began, most first."""
    counts = {
        sample.labels["rule"]: int(sample.value)
        for family in serving.metrics.left_out.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.value
    }
    no_candidates = counts.pop(_NO_REFUSAL, 0)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "rows": [(_name(rule, language), rule, n) for rule, n in ranked],
        "n": sum(counts.values()),
        "no_candidates": no_candidates,
    }


def _name(rule: str, language: Language) -> str:
    key = f"operator.refusal.{rule}"
    return say(key, language) if key in WORDS else rule


def _health(serving: Serving, now: datetime) -> dict[str, Any]:
    """Of this process: what it answers from, and what waits."""
    served, lag = serving.current, serving.journal.lag
    return {
        "version": None if served is None else served.engine.version,
        "model_on": None if served is None or served.engine.model is None else day_of(served.engine.version),
        "snapshot_at": None if served is None else served.snapshot_at,
        "age_hours": None if served is None else (now - served.snapshot_at).total_seconds() / 3_600,
        "n_anchors": None if served is None else len(served.anchor_rows),
        "n_skus": None if served is None else len(served.sku_rows),
        "trouble": serving.trouble,
        "lag": lag,
        "is_behind": serving.is_behind,
    }
