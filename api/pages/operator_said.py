"""What is a page told after a form, and where in a list does it begin? Words of ours in the address, nothing else."""

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from api.pages.words import WORDS, say
from api.problems import Language

_DEEPEST: Final = 10_000_000


def said(address: str, word: str, **parameters: str | None) -> RedirectResponse:
    """After a form: on to a page that may be looked at again, and that begins with the notice `operator.said.<word>`."""
    query = urlencode(
        {"said": word, **{name: value for name, value in parameters.items() if value is not None}}
    )
    return RedirectResponse(f"{address}?{query}", 303)


def notice_of(request: Request, language: Language, **values: Any) -> dict[str, str] | None:
    """The notice that the address asks for, if it is one of ours."""
    word = request.query_params.get("said", "")
    key = f"operator.said.{word}"
    if key not in WORDS:
        return None
    return {"kind": _KINDS.get(word, "good"), "text": say(key, language, **values)}


_KINDS: Final = {
    "gate_refused": "bad",
    "damaged": "bad",
    "moved_on": "warn",
    "nothing_before": "warn",
    "one_at_a_time": "warn",
    "no_files": "warn",
    "bad_limit": "bad",
    "no_reason": "warn",
    "bad_days": "bad",
    "no_subject": "bad",
    "bad_key": "bad",
    "not_typed": "warn",
    "no_request": "warn",
}
"""Of the notices that are no good news."""


def offset_of(request: Request) -> int:
    """Where the page of a list begins; 0 where the address names nothing that can be meant."""
    text = request.query_params.get("cursor", "")
    return min(int(text), _DEEPEST) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
