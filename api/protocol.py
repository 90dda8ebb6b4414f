"""How long may a request take to arrive? A connection that has not sent a whole head in time is closed.

uvicorn closes idle connections and waits for slow ones for ever: a few hundred half-requests would hold every socket.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 8.0


class TimelyProtocol(HttpToolsProtocol):
    """uvicorn's own, with a deadline for each request's head; bodies have theirs in the middleware."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A new connection owes a head."""
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        """The next request on a kept connection owes one too."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """It is there."""
        self._forget()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._forget()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._forget()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._cut)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self._deadline = None
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()
