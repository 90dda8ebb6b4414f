"""What became of each attempt at a night: is one at work, did one die, and on what? Beside the models, which only whole nights leave."""

import json
from datetime import datetime
from typing import Any, Final

from api.pages.words import WORDS, say
from api.problems import Language
from api.serving import Serving
from features.store.db import reading
from features.store.nights import NightRow, list_nights

LISTED: Final = 8
_LEVELS: Final = {
    "published": "good",
    "refused": "warn",
    "running": "plain",
    "failed": "bad",
    "killed": "bad",
}


def attempts_of(serving: Serving, now: datetime, language: Language) -> list[dict[str, Any]]:
    """The last ones, newest first."""
    with reading(serving.store) as session:
        return [_attempt(row, now, language) for row in list_nights(session, LISTED)]


def _attempt(row: NightRow, now: datetime, language: Language) -> dict[str, Any]:
    report = json.loads(row.report) if row.report else {}
    until = now if row.state == "running" else row.ended_at
    key = f"operator.attempt.{row.state}"
    return {
        "as_of": row.as_of,
        "number": row.attempt,
        "state": say(key, language) if key in WORDS else row.state,
        "level": _LEVELS.get(row.state, "plain"),
        "step": row.step,
        "is_over": row.state in ("published", "refused"),
        "began_at": row.started_at,
        "hours": None if until is None else max((until - row.started_at).total_seconds(), 0.0) / 3_600,
        "error": report.get("error"),
    }
