"""Which models are there, how did each come about, and which of them serves? With promote and roll back."""

import hashlib
from pathlib import Path as File
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from api.deps import Calling, Now, ServingNow
from api.loading import try_model
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_judged import DECIDING, KINDS, findings_of, history_of, judged_of
from api.pages.operator_said import notice_of, offset_of, said
from api.pages.rendering import render
from api.pages.words import WORDS, say
from api.problems import Language, Problem
from api.serving import Serving
from features.errors import GateRefused, Refused, RegistryDamaged, UnknownId
from matcher.registry import (
    Manifest,
    list_versions,
    load_manifest,
    promote,
    read_model,
    rollback,
)

router = APIRouter()

A_PAGE: Final = 20
"""Every file of each model on a page is read and summed."""
Version = Annotated[str, Path(pattern=r"^\d{8}-[0-9a-f]{12}$")]


@router.get("/models", **page("operator"))
def show_models(request: Request, serving: ServingNow, caller: Calling, language: PageLanguage) -> Response:
    """Every model, newest data first; damaged ones too."""
    home = serving.settings.home
    versions = sorted(list_versions(home), reverse=True)
    begin = offset_of(request)
    shown = versions[begin : begin + A_PAGE]
    response = render(
        request,
        "operator_models.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language),
        models=[_line(home, version) for version in shown],
        n_models=len(versions),
        begin=begin,
        next_begin=begin + A_PAGE if begin + A_PAGE < len(versions) else None,
        **_standing(serving),
    )
    return _until_loaded(response, request, serving)


@router.get("/models/{version}", **page("operator"))
def show_model(
    version: Version, request: Request, serving: ServingNow, caller: Calling, language: PageLanguage
) -> Response:
    """A model's card: how it came about, how it did, what the gate said, and whether its files are as published."""
    home = serving.settings.home
    if version not in list_versions(home):
        raise Problem("not_found")
    try:
        manifest, damage = load_manifest(home, version), None
    except RegistryDamaged as error:
        manifest, damage = None, str(error)
    seals = [] if manifest is None else _seals(home, manifest)
    response = render(
        request,
        "operator_model.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language),
        version=version,
        manifest=manifest,
        damage=damage,
        seals=seals,
        is_whole=manifest is not None and all(is_same for _, _, is_same in seals),
        judged=[(kind, _table(manifest, label, language)) for kind, label in {**DECIDING, **KINDS}.items()]
        if manifest is not None
        else [],
        outcome=_outcome(manifest),
        findings=[] if manifest is None else findings_of(manifest),
        promotions=[one for one in history_of(home)[0] if one.version == version],
        **_standing(serving),
    )
    return _until_loaded(response, request, serving)


@router.post("/models/{version}/promote", **page("operator"))
def promote_model(version: Version, _form: SentForm, serving: ServingNow, now: Now) -> Response:
    """Let a model serve that passed its gate; it is tried in another process first."""
    home = serving.settings.home
    try:
        load_manifest(home, version)
        try_model(home, version)
        promote(home, version, at=now)
    except UnknownId as error:
        raise Problem("not_found") from error
    except GateRefused:
        return said(f"/models/{version}", "gate_refused")
    except RegistryDamaged:
        return said(f"/models/{version}", "damaged")
    return said(f"/models/{version}", "promoted")


@router.post("/models/{version}/rollback", **page("operator"))
def roll_back(version: Version, form: SentForm, serving: ServingNow) -> Response:
    """Let the champion before serve again: from the version that serves, which the form names."""
    history, _ = history_of(serving.settings.home)
    if not history or history[-1].version != version:
        return said("/models", "moved_on")
    to = field_of(form, "to", most=40)
    if len(history) > 1 and history[-2].version != to:
        return said("/models", "moved_on")
    try:
        try_model(serving.settings.home, to)
        rollback(serving.settings.home)
    except (RegistryDamaged, UnknownId):
        return said("/models", "damaged")
    except Refused:
        return said("/models", "nothing_before")
    return said("/models", "rolled_back")


def _standing(serving: Serving) -> dict[str, Any]:
    """Who serves, who did before, and what is in memory."""
    history, pointer_damage = history_of(serving.settings.home)
    served = serving.current
    return {
        "pointer_damage": pointer_damage,
        "champion": history[-1] if history else None,
        "before": history[-2] if len(history) > 1 else None,
        "loaded": None if served is None else served.engine.version,
        "trouble": serving.trouble,
    }


def _until_loaded(response: Response, request: Request, serving: Serving) -> Response:
    """After a change the page comes again by itself, until the champion is the model in memory."""
    if "said" not in request.query_params:
        return response
    history, _ = history_of(serving.settings.home)
    if history and serving.champion != history[-1].version and serving.trouble is None:
        response.headers["Refresh"] = "3"
    return response


def _line(home: File, version: str) -> dict[str, Any]:
    """A model in the list; a damaged one is told by its version alone."""
    try:
        read_model(home, version)
        manifest = load_manifest(home, version)
    except (RegistryDamaged, UnknownId):
        return {"version": version, "manifest": None, "sides": {}}
    sides = {side: judged_of(manifest, label) for side, label in DECIDING.items()}
    return {"version": version, "manifest": manifest, "sides": sides}


def _seals(home: File, manifest: Manifest) -> list[tuple[str, str, bool]]:
    """Every file with its seal, and whether it is the one that was published."""
    found = []
    for name, sha256 in manifest.files.items():
        try:
            content = (home / "models" / manifest.version / name).read_bytes()
        except OSError:
            found.append((name, sha256, False))
        else:
            found.append((name, sha256, hashlib.sha256(content).hexdigest() == sha256))
    return found


def _table(manifest: Manifest, label: str, language: Language) -> dict[str, Any] | None:
    judged = judged_of(manifest, label)
    if judged is None:
        return None
    return {
        "n_queries": judged.n_queries,
        "systems": [(system_name(one.name, language), one) for one in judged.systems],
        "challenger": judged.challenger,
    }


def system_name(name: str, language: Language) -> str:
    """What a source or baseline is called."""
    key = f"operator.system.{name}"
    return say(key, language) if key in WORDS else name


def _outcome(manifest: Manifest | None) -> dict[str, Any] | None:
    """The outcome model's calibration, as the manifest has it."""
    report = None if manifest is None else manifest.metrics.get("report")
    found = report.get("outcome") if isinstance(report, dict) else None
    wanted = (
        "n",
        "units_expected",
        "units_sold",
        "coverage",
        "gmv_expected_fen",
        "gmv_fen",
        "gmv_coverage",
        "tenths",
    )
    if not isinstance(found, dict) or any(name not in found for name in wanted):
        return None
    return found
