"""How do people come in, go out, and choose their language? And what do they see where something is wrong?"""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from api.access import Caller, declare_public
from api.deps import ServingNow
from api.pages import (
    anchor,
    anchor_picks,
    anchor_wishes,
    brand_checks,
    brand_compare,
    brand_file,
    brand_invitations,
    brand_shared,
    brand_shortlist,
    brand_skus,
    operator,
)
from api.pages.guarding import (
    FIRST_PAGE,
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    PageLanguage,
    SignInFirst,
    back_to,
    field_of,
    page,
    page_language,
    signed_in,
)
from api.pages.rendering import STATIC, render, render_problem
from api.problems import KINDS, Problem
from api.security import Denial, admit
from api.sessions import SESSION_LIFE
from features.errors import FenxiaoError

router = APIRouter()

_PUBLIC: Final[dict[str, Any]] = {
    "include_in_schema": False,
    "openapi_extra": declare_public(),
    "response_class": HTMLResponse,
}
_YEAR_SECONDS: Final = 365 * 86_400
_TOLD_THAT_IT_ENDED: Final = timedelta(days=7)
"""So long after its end a session's cookie stays, and opens nothing: who comes back is told why to sign in again."""
_ROOMS: Final = (
    router,
    anchor.router,
    anchor_picks.router,
    anchor_wishes.router,
    brand_skus.router,
    brand_shared.router,
    brand_checks.router,
    brand_shortlist.router,
    brand_file.router,
    brand_compare.router,
    brand_invitations.router,
    *operator.ROUTERS,
)


def add_pages(app: FastAPI) -> None:
    """Every page, and the files they load."""
    app.mount("/static", _Kept(directory=STATIC), name="static")
    for room in _ROOMS:
        app.include_router(room)
    app.add_exception_handler(SignInFirst, _send_to_sign_in)


def page_problem(request: Request, problem: Problem) -> Response:
    """A problem for people."""
    language = page_language(request)
    detail = problem.detail[language]
    if detail is None and problem.code == "busy":
        detail = getattr(KINDS["busy"], language)
    response = render_problem(
        request,
        problem.status,
        code=problem.code,
        language=language,
        caller=_who_asks(request),
        detail=detail,
        request_id=request.state.request_id,
    )
    response.headers.update(problem.headers)
    return response


def _who_asks(request: Request) -> Caller | None:
    """As the guard has found, else by the session; nobody, where the store that knows cannot be asked."""
    found: Caller | None = getattr(request.state, "caller", None)
    try:
        return found or signed_in(request, request.app.state.serving)
    except (SQLAlchemyError, FenxiaoError):
        return None


@router.get("/", **_PUBLIC)
def go_to_first_page(request: Request, serving: ServingNow) -> Response:
    """Each role has its own first page."""
    caller = signed_in(request, serving)
    return RedirectResponse("/sign-in" if caller is None else FIRST_PAGE[caller.role], 303)


@router.get("/sign-in", **_PUBLIC)
def ask_for_key(request: Request, serving: ServingNow, language: PageLanguage) -> Response:
    """The page on which a key is typed in."""
    caller = signed_in(request, serving)
    return render(
        request,
        "sign_in.html",
        language=language,
        caller=caller,
        next_path=back_to(request.query_params.get("next"), "/"),
        error=None,
        has_ended=caller is None and SESSION_COOKIE in request.cookies,
    )


@router.post("/sign-in", **_PUBLIC)
async def sign_in(request: Request, serving: ServingNow, language: PageLanguage) -> Response:
    """Take a key; what comes back is a cookie that says which one, signed."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem("bad_csrf")  # there is no session yet to bind a token to
    form = await request.form(max_files=0, max_fields=10)
    key = field_of(form, "key")
    next_path = back_to(field_of(form, "next", most=2_000), "/")
    address = request.client.host if request.client is not None else "unknown"
    caller = admit(serving.keys, serving.attempts, key=key, address=address)
    if isinstance(caller, Denial) or caller.role == "job":
        is_blocked = caller is Denial.TOO_MANY_ATTEMPTS
        error = "too_many" if is_blocked else "job" if not isinstance(caller, Denial) else "wrong"
        signed_in(request, serving)
        return render(
            request,
            "sign_in.html",
            status=429 if is_blocked else 401,
            language=language,
            caller=None,
            next_path=next_path,
            error=error,
            has_ended=False,
            stands_at=f"/sign-in?{urlencode({'next': next_path})}",
        )
    response = RedirectResponse(next_path if next_path != "/" else FIRST_PAGE[caller.role], 303)
    response.set_cookie(
        SESSION_COOKIE,
        serving.sessions.sign(caller, key, now=serving.clock()),
        max_age=int((SESSION_LIFE + _TOLD_THAT_IT_ENDED).total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out", **page("anchor", "brand", "operator"))
async def sign_out(request: Request, serving: ServingNow) -> Response:
    """Forget who looks. A form from elsewhere could do no more than this; so it carries its token all the same."""
    await _own_form(request, serving)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


@router.post("/language", **_PUBLIC)
async def choose_language(request: Request) -> Response:
    """Remember the language on this browser; nothing is changed by it but words, so that it needs no token."""
    form = await request.form(max_files=0, max_fields=10)
    response = RedirectResponse(back_to(field_of(form, "next", most=2_000), "/"), 303)
    chosen = field_of(form, "language")
    if chosen in ("zh", "en"):
        response.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return response


async def _own_form(request: Request, serving: ServingNow) -> None:
    form = await request.form(max_files=0, max_fields=10)
    session = getattr(request.state, "session", None)
    if not session or not serving.sessions.check_csrf(session, field_of(form, "csrf")):
        raise Problem("bad_csrf")


def _send_to_sign_in(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInFirst)
    return RedirectResponse(error.address, 303)


class _Kept(StaticFiles):
    """Files whose address changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As it lies there, to be kept for a year."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={_YEAR_SECONDS}, immutable"
        return response
