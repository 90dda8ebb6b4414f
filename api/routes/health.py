"""Is it alive, is it ready, and how is it doing?"""

from typing import Any, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.deps import Now, ServingNow, json_answer
from api.schemas.health import Live, Ready
from features.units import midnight, parse_day

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Live)
async def is_alive() -> dict[str, str]:
    """The process answers; async, for it needs no thread, and answers while all of them wait."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Nothing is loaded yet."}},
)
async def is_ready(serving: ServingNow, now: Now) -> Response:
    """Which model and snapshot are in memory; 503 until the first are. That something has failed since is told, not what."""
    served, trouble = serving.current, serving.trouble
    document: dict[str, Any] = {
        "status": "loading" if served is None else "ready",
        "model_version": None if served is None else served.engine.version,
        "snapshot_at": None if served is None else served.snapshot_at,
        "snapshot_age_seconds": None
        if served is None
        else round((now - served.snapshot_at).total_seconds(), 1),
        "policy_version": serving.policy.version,
        "trouble": None if trouble is None else trouble.told,
    }
    return json_answer(document, 503 if served is None else 200, {"Cache-Control": "no-store"})


_FIGURES: Final = {"schema": {"type": "string"}, "example": "fenxiao_snapshot_age_seconds 4.3\n"}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": _FIGURES}}})
def get_metrics(serving: ServingNow, now: Now) -> Response:
    """Figures for Prometheus."""
    metrics, served, lag = serving.metrics, serving.current, serving.journal.lag
    if served is not None:
        metrics.snapshot_age.set((now - served.snapshot_at).total_seconds())
        model = served.engine.model
        ended = (
            None
            if model is None
            else midnight(parse_day(f"{model.version[:4]}-{model.version[4:6]}-{model.version[6:8]}"))
        )
        metrics.model_age.set(-1 if ended is None else (now - ended).total_seconds())
    metrics.journal_waiting.set(lag.n_waiting)
    metrics.journal_dropped.set(lag.n_dropped)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
