"""Which models are there, which serves, and may another take its place? For operators."""

from collections.abc import Mapping
from pathlib import Path as File
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from api.access import declare
from api.cursors import make_cursor, read_cursor
from api.deps import Calling, GuardedRoute, Now, ServingNow, Speaking, guarded, json_answer
from api.loading import try_model
from api.problems import Language, Problem
from api.schemas.models import Models, Promoted
from features.errors import RegistryDamaged, UnknownId
from matcher.registry import (
    Manifest,
    Promotion,
    list_versions,
    load_manifest,
    promote,
    read_history,
    read_model,
    rollback,
)

router = APIRouter(prefix="/v1", tags=["models"], route_class=GuardedRoute)

_OPERATOR = declare("operator")
_WHAT = {"path": "/v1/models"}
Version = Annotated[str, Path(pattern=r"^\d{8}-[0-9a-f]{12}$", examples=["20261022-0123456789ab"])]


@router.get("/models", response_model=Models, **guarded(_OPERATOR, "invalid", "bad_cursor"))
def list_models(
    request: Request,
    serving: ServingNow,
    caller: Calling,
    language: Speaking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1_024)] = None,
) -> Response:
    """Every model, newest data first; damaged ones too."""
    versions = sorted(list_versions(serving.settings.home), reverse=True)
    if cursor is not None:
        before = str(read_cursor(serving.secret, cursor, account=caller.account, what=_WHAT)["before"])
        versions = [version for version in versions if version < before]
    page = versions[:limit]
    next_cursor = None
    if len(versions) > limit:
        next_cursor = make_cursor(
            serving.secret, account=caller.account, what=_WHAT, position={"before": page[-1]}
        )
    history = read_history(serving.settings.home)
    champion = history[-1].version if history else None
    return json_answer(
        {
            "champion": champion,
            "items": [model_line(serving.settings.home, version, champion, language) for version in page],
            "next_cursor": next_cursor,
            "request_id": request.state.request_id,
        }
    )


@router.post(
    "/models/{version}:promote",
    response_model=Promoted,
    **guarded(_OPERATOR, "not_found", "invalid", "refused", "conflict"),
)
def promote_model(version: Version, request: Request, serving: ServingNow, now: Now) -> Response:
    """Let a model serve that passed its gate; it is tried in another process first."""
    home = serving.settings.home
    load_manifest(home, version)
    try_model(home, version)
    return _promoted(promote(home, version, at=now), request)


@router.post(
    "/models/{version}:rollback",
    response_model=Promoted,
    **guarded(_OPERATOR, "not_found", "invalid", "refused", "conflict"),
)
def roll_back(version: Version, request: Request, serving: ServingNow) -> Response:
    """Let the champion before serve again: from the version that serves, or to the one that served before it.

    It is tried in another process first.
    """
    home = serving.settings.home
    load_manifest(home, version)
    history = read_history(home)
    if version not in [promotion.version for promotion in history[-2:]]:
        raise Problem(
            "conflict",
            en="that model neither serves nor did before the one that does",
            zh="该模型既未上线，也不是前一个上线的模型",
        )
    if len(history) > 1:
        try_model(home, history[-2].version)
    return _promoted(rollback(home), request)


_DAMAGED: Final[Mapping[Language, str]] = {
    "zh": "文件与发布时不一致",
    "en": "its files are not as they were published",
}


def model_line(home: File, version: str, champion: str | None, language: Language) -> dict[str, Any]:
    """One model; of a damaged one what is wrong with it."""
    manifest: Manifest | None = None
    problem = None
    try:
        read_model(home, version)
        manifest = load_manifest(home, version)
    except (RegistryDamaged, UnknownId):
        problem = _DAMAGED[language]
    return {
        "version": version,
        "serves": version == champion,
        "problem": problem,
        "as_of": None if manifest is None else manifest.as_of,
        "data_from": None if manifest is None else manifest.data_from,
        "gate_passed": None if manifest is None else manifest.gate.passed,
        "gate_reasons": [] if manifest is None else list(manifest.gate.reasons),
        "policy_version": None if manifest is None else manifest.policy_version,
        "metrics": {} if manifest is None else dict(manifest.metrics),
    }


def _promoted(promotion: Promotion, request: Request) -> Response:
    return json_answer(
        {
            "version": promotion.version,
            "promoted_at": promotion.promoted_at,
            "request_id": request.state.request_id,
        }
    )
