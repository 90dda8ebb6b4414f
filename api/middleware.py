"""What holds for every request? An id, a limit of size and of time, headers for browsers, a line in the log, a figure.

Plain ASGI: a wrapper made of coroutines over each answer would cost more than most answers.
"""

import asyncio
import secrets
import time
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics

SMALL_BODY: Final = 1 * 2**20
BATCH_BODY: Final = 16 * 2**20
UPLOAD_BODY: Final = 64 * 2**20
"""An operator's file of import rows, through the page."""
PAUSE_SECONDS: Final = 8.0
"""The longest that the next piece of a body may take."""
BODY_SECONDS: Final = 12.0
"""The longest that a body of 1 MiB may take; longer ones in proportion, but no more than five times as long."""
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_LOG: Final = structlog.get_logger("matcher.http")


class TooSlow(HTTPException):
    """The body did not arrive in time; an HTTPException, for of others FastAPI makes a 400."""

    def __init__(self) -> None:
        super().__init__(408, headers={"Connection": "close"})


class TooLarge(HTTPException):
    """The body is longer than this route takes."""

    def __init__(self) -> None:
        super().__init__(413, headers={"Connection": "close"})


class Doorkeeper:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; everything but HTTP goes by."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = f"r_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        declared = Headers(scope=scope).get("content-length")
        seen: dict[str, int] = {}
        is_head = scope["state"]["is_head"] = scope["method"] == "HEAD"
        asked: Scope = {**scope, "method": "GET"} if is_head else scope  # routes need not know of it

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                add_headers(MutableHeaders(scope=message), scope)
            elif is_head and "body" in message:
                message["body"] = b""
            await send(message)

        body = _Body(receive, _most_bytes(scope["path"]), declared)
        try:
            await self.app(asked, body, answer)
        finally:
            self._note(asked, seen.get("status", 500), time.perf_counter() - began, request_id)

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.requests.labels(route, scope["method"] if route != "none" else "any", status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        caller = scope["state"].get("caller")
        _LOG.info(
            "request",
            request_id=request_id,
            method=scope["method"][:16],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            caller=None if caller is None else caller.name,
        )


class _Body:
    """What is received, counted and timed."""

    def __init__(self, receive: Receive, most_bytes: int, declared: str | None) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._is_declared_larger = (
            declared is not None and declared.isdecimal() and int(declared[:20]) > most_bytes
        )
        self._n_bytes = 0
        self._is_whole = False
        self._began: float | None = None

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()  # the end of the connection: as long as the answer takes
        if self._is_declared_larger:
            raise TooLarge
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        most = min(5.0, max(1.0, self._n_bytes / SMALL_BODY)) * BODY_SECONDS
        left = min(PAUSE_SECONDS, self._began + most - now)
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except TimeoutError as error:
            raise TooSlow from error
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._n_bytes > self._most_bytes:
                raise TooLarge
        return message


def _most_bytes(path: str) -> int:
    if path == "/imports":
        return UPLOAD_BODY
    return BATCH_BODY if path.startswith("/v1/") and path.endswith(":batch") else SMALL_BODY


def add_headers(headers: MutableHeaders, scope: Scope) -> None:
    """What every answer carries."""
    headers["X-Request-ID"] = scope["state"]["request_id"]
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else _DATA_POLICY)
    if scope["path"].startswith("/v1/"):
        headers.setdefault("Cache-Control", "private, no-store")
