"""What does a route ask for? Who calls and whether they may, the engine of now, the language, a moment of the store."""

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import anyio
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic_core import to_json
from sqlmodel import Session

from api.access import BOUND, Access, Caller, access_of
from api.loading import Served
from api.problems import KINDS, MEDIA_TYPE, Language, Problem, read_language
from api.schemas.types import ProblemDocument
from api.security import RETRY_SECONDS, Denial, admit
from api.serving import WAIT_SECONDS, Serving
from api.strict import StrictRequest, media_type
from features.store.columns import ID_PATTERN
from features.store.db import read_rows, reading

_BEARER: Final = HTTPBearer(auto_error=False, description="A key: `matcher keys create` makes one.")
_ALWAYS: Final = (
    "unauthenticated",
    "forbidden",
    "method_not_allowed",
    "timeout",
    "too_many_requests",
    "not_ready",
    "busy",
)


# What only hands something on is async: FastAPI would send a plain function to another thread.


async def get_serving(request: Request) -> Serving:
    """What all requests share."""
    serving: Serving = request.app.state.serving
    return serving


async def get_served(serving: "ServingNow") -> Served:
    """The engine of now; one request keeps to the one it began with."""
    served = serving.current
    if served is None:
        raise Problem("not_ready", headers={"Retry-After": "5"})
    return served


async def get_language(request: Request) -> Language:
    """Of the answer's words."""
    return read_language(request.headers.get("accept-language"))


async def get_caller(request: Request) -> Caller:
    """Who calls, as the guard has found."""
    caller: Caller = request.state.caller
    return caller


async def get_now(serving: "ServingNow") -> datetime:
    """The instant of the request."""
    return serving.clock()


@dataclass(frozen=True, slots=True)
class Asking:
    """All of the above at once, for what is asked for most often: each dependency costs a list a little."""

    serving: Serving
    served: Served
    caller: Caller
    language: Language
    now: datetime


async def get_asking(request: Request) -> Asking:
    """Whoever asks, and of what market."""
    serving = await get_serving(request)
    return Asking(
        serving,
        await get_served(serving),
        await get_caller(request),
        await get_language(request),
        await get_now(serving),
    )


def get_session(serving: "ServingNow") -> Iterator[Session]:
    """One moment of the store, for what has to be read live."""
    with reading(serving.store) as session:
        yield session


async def take_turn(serving: "ServingNow") -> AsyncIterator[None]:
    """A turn among those who write, in a line that costs no thread; Problem `busy` where it takes too long.

    Writers wait for the store's pen, each in a thread: without the line they would have all of them, and whoever only
    reads would wait too. To be asked for last, when the body is there: nobody's slow sending holds a turn.
    """
    try:
        with anyio.fail_after(WAIT_SECONDS):
            await serving.turns.acquire()
    except TimeoutError as error:
        raise Problem("busy", headers={"Retry-After": "5"}) from error
    try:
        yield
    finally:
        serving.turns.release()


ServingNow = Annotated[Serving, Depends(get_serving)]
ServedNow = Annotated[Served, Depends(get_served)]
Speaking = Annotated[Language, Depends(get_language)]
Calling = Annotated[Caller, Depends(get_caller)]
Now = Annotated[datetime, Depends(get_now)]
AskingNow = Annotated[Asking, Depends(get_asking)]
Reading = Annotated[Session, Depends(get_session)]
InTurn = Annotated[None, Depends(take_turn, scope="function")]


class Guard:
    """Lets in who holds a key of the right role, and shows everybody else's things to nobody.

    `GuardedRoute` asks it before a byte of the body is read; as a dependency it tells OpenAPI of the key, and holds
    the door on a route that is none.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    async def __call__(
        self, request: Request, _bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> None:
        """Nobody comes by here whom `admit` has not let in."""
        if getattr(request.state, "caller", None) is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})

    def is_at_hand(self, request: Request, key: str | None) -> bool:
        """Whether `admit` has nothing to ask of the store, as far as can be seen now: then it needs no thread."""
        serving: Serving = request.app.state.serving
        if key is None:
            return True
        if not serving.keys.has_at_hand(key):
            return False
        sku_id, served = request.path_params.get("sku_id"), serving.current
        return sku_id is None or (served is not None and served.brand_of(sku_id) is not None)

    def admit(self, request: Request, key: str | None) -> None:
        """Find the caller, or raise the problem: 401, 429, 403, then 404 for what is not theirs."""
        serving: Serving = request.app.state.serving
        address = request.client.host if request.client is not None else "unknown"
        caller = authenticate(serving, key, address)
        request.state.caller = caller
        if caller.role not in self.access.roles:
            raise Problem("forbidden")
        if not owns(serving, caller, self.access, request.path_params):
            raise Problem("not_found")


class GuardedRoute(APIRoute):
    """A route that knows who calls before it reads what they send, and reads JSON strictly."""

    def reader(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What reads the request and calls the operation: FastAPI's own."""
        return super().get_route_handler()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The reader, behind the guard."""
        handle = self.reader()
        access = access_of(self.openapi_extra)
        guard = None if access is None or access.is_public else Guard(access)
        is_json = self.body_field is not None

        async def answer(request: Request) -> Response:
            if access is None:
                raise Problem("forbidden")  # who declares nothing serves nobody
            if guard is not None:
                bearer = await _BEARER(request)
                key = None if bearer is None else bearer.credentials
                if guard.is_at_hand(request, key):
                    guard.admit(request, key)
                else:
                    await run_in_threadpool(guard.admit, request, key)
            if is_json and media_type(request) != "application/json":
                raise Problem("unsupported_media_type")
            return await handle(StrictRequest(request.scope, request.receive) if is_json else request)

        return answer


def authenticate(serving: Serving, key: str | None, address: str) -> Caller:
    """Whose key it is; 401 without a valid one, 429 for who tries too many or asks too often."""
    if key is None:
        raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
    caller = admit(serving.keys, serving.attempts, key=key, address=address)
    if caller is Denial.TOO_MANY_ATTEMPTS:
        raise Problem("too_many_requests", headers={"Retry-After": str(RETRY_SECONDS)})
    if isinstance(caller, Denial):
        raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
    wait_seconds = serving.limits.wait(caller.account)
    if wait_seconds is not None:
        raise Problem("too_many_requests", headers={"Retry-After": str(wait_seconds)})
    return caller


def owns(serving: Serving, caller: Caller, access: Access, path: Mapping[str, Any]) -> bool:
    """Is what the path names the caller's own? Operators and jobs may see all; what is not there is nobody's."""
    if caller.role not in BOUND[access.own] or access.own == "row":
        return True
    if caller.role == "anchor":
        return path.get("anchor_id") == caller.subject
    if access.own == "brand":
        return path.get("brand_id") == caller.subject
    sku_id = path.get("sku_id")
    return isinstance(sku_id, str) and brand_of(serving, sku_id) == caller.subject


def brand_of(serving: Serving, sku_id: str) -> str | None:
    """Whose SKU it is now: by the snapshot, and for one that it does not know by the store."""
    served = serving.current
    found = None if served is None else served.brand_of(sku_id)
    if found is not None or not _ID.fullmatch(sku_id):
        return found
    with reading(serving.store) as session:
        rows = read_rows(
            session,
            "SELECT brand_id FROM skus WHERE sku_id = :sku ORDER BY known_at DESC LIMIT 1",
            {"sku": sku_id},
        )
    return str(rows[0][0]) if rows else None


_ID: Final = re.compile(ID_PATTERN.removesuffix("$"), re.ASCII)


def guarded(declared: Mapping[str, Any], *codes: str) -> dict[str, Any]:
    """What a route says of itself: who may (`declare`), which problems it answers with; and its guard."""
    access = access_of(declared)
    assert access is not None
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*_ALWAYS, *codes)):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        "dependencies": [Depends(Guard(access))],
        "openapi_extra": dict(declared),
        "responses": {
            status: {
                "description": ", ".join(f"`{code}`: {KINDS[code].en}" for code in codes_of),
                "headers": {
                    name: {"schema": {"type": "string"}, "required": True, "description": why}
                    for name, why in _HEADERS.get(status, {}).items()
                },
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/ProblemDocument"},
                        "example": Problem(codes_of[0]).document("en", "r_0123456789abcdef01234567"),
                    }
                },
            }
            for status, codes_of in sorted(by_status.items())
        },
    }


_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},
    405: {"Allow": "The methods that there are."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document as JSON, written once, without a model in between."""
    return Response(to_json(document), status, dict(headers or {}), "application/json")


PROBLEM_SCHEMA: Final = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
