"""Who looks at this page, in which language, and was this form sent from it? What every page asks for."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData, UploadFile

from api.access import Access, Caller, Own, Role, access_of, declare
from api.deps import ServingNow, owns
from api.pages.rendering import Footing
from api.problems import Language, Problem, read_language
from api.serving import Serving
from api.sessions import page_caller

SESSION_COOKIE: Final = "fx_session"
LANGUAGE_COOKIE: Final = "fx_language"
FIRST_PAGE: Final[Mapping[str, str]] = {
    "anchor": "/goods",
    "brand": "/skus",
    "operator": "/nights",
    "job": "/sign-in",
}
_MOST_FIELDS: Final = 2_000


class SignInFirst(Exception):
    """Nobody is signed in; the page to come back to."""

    def __init__(self, back_to: str) -> None:
        super().__init__(back_to)
        self.address = f"/sign-in?{urlencode({'next': back_to})}"


class PageGuard:
    """Lets in who has signed in with a key of the right role."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def __call__(self, request: Request, serving: ServingNow) -> None:
        """Find who looks, or send them to sign in."""
        caller = signed_in(request, serving)
        if caller is None:
            address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            raise SignInFirst(address if request.method == "GET" else "/")  # a form cannot be come back to
        request.state.caller = caller
        wait_seconds = serving.limits.wait(caller.account)
        if wait_seconds is not None:
            raise Problem("too_many_requests", headers={"Retry-After": str(wait_seconds)})
        if caller.role not in self.access.roles:
            raise Problem("forbidden")
        if not owns(serving, caller, self.access, request.path_params):
            raise Problem("not_found")


def page(*roles: Role, own: Own = "none") -> dict[str, Any]:
    """What a page's route says of itself: for whom it is, and whose things it shows them; and its guard."""
    declared = declare(*roles, own=own)
    access = access_of(declared)
    assert access is not None
    return {
        "include_in_schema": False,
        "openapi_extra": declared,
        "response_class": HTMLResponse,
        "dependencies": [Depends(PageGuard(access))],
    }


def signed_in(request: Request, serving: Serving) -> Caller | None:
    """Who has signed in on this browser; their session stands on `request.state`, and what pages stand on."""
    value = request.cookies.get(SESSION_COOKIE)
    caller = page_caller(serving.sessions, serving.keys, value, now=serving.clock())
    request.state.session = value if caller is not None else None
    request.state.csrf = serving.sessions.csrf_token(value) if caller is not None and value else ""
    served = serving.current
    request.state.footing = Footing(
        model_version=None if served is None else served.engine.version,
        snapshot_at=None if served is None else served.snapshot_at,
        simulated=serving.is_simulated,
        stale_feeds=serving.stale_feeds if caller is not None and caller.role == "operator" else (),
    )
    return caller


def page_language(request: Request) -> Language:
    """As the reader has chosen, else as their browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in ("zh", "en") else read_language(request.headers.get("accept-language"))  # type: ignore[return-value]  # one of the two


async def read_form(request: Request, serving: ServingNow) -> FormData:
    """The form that was sent, if it was sent from a page of this session; Problem `bad_csrf` if not."""
    form = await request.form(max_files=20, max_fields=_MOST_FIELDS)
    token, session = form.get("csrf"), getattr(request.state, "session", None)
    if not isinstance(token, str) or not session or not serving.sessions.check_csrf(session, token):
        raise Problem("bad_csrf")
    return form


PageLanguage = Annotated[Language, Depends(page_language)]
SentForm = Annotated[FormData, Depends(read_form)]


def field_of(form: FormData, name: str, *, most: int = 400) -> str:
    """A text field, stripped; empty where it is missing. Problem where it is too long, or no text."""
    value = form.get(name, "")
    if isinstance(value, UploadFile) or len(value) > most or "\0" in value:
        raise Problem("invalid", en=f"field {name} cannot be meant", zh=f"字段 {name} 无效")
    return value.strip()


def back_to(address: str | None, default: str) -> str:
    """An address of ours to go on to; never somebody else's.

    >>> back_to("/goods?sort=rate", "/"), back_to("//evil.example", "/"), back_to("https://evil.example", "/")
    ('/goods?sort=rate', '/', '/')
    """
    is_ours = (
        bool(address)
        and address is not None
        and address.startswith("/")
        and not address.startswith(("//", "/\\"))
    )
    is_plain = address is not None and all(" " < character < "\x7f" for character in address)
    return address if is_ours and is_plain and address is not None and len(address) < 2_000 else default
