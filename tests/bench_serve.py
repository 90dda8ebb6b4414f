"""What does HTTP add to a list? One worker over 100 000 SKUs, beside the same in process and FastAPI's own floor.

Its capacity, then how long an answer takes at a quarter, at half and at three quarters of it. Beside each of them, just
before it and just after it, the same operation in process (the same page with its cursor, written down as shown, as the
same JSON): one call after the other without a pause, which is the time that HTTP is measured against, and at the very
instants of the load.

Under those loads the processors are kept from falling asleep, by work that gives way to any other: one that is woken for a
request may be slow for longer than the request takes, which says something of the machine and nothing of HTTP. FENXIAO_BENCH_RESTING=1 lets them.

The server is a process of its own; the load comes from here, over kept connections, with arrivals that wait for nobody
(open loop). FENXIAO_BENCH_SKUS names another size, FENXIAO_BENCH_SECONDS how long each load goes on.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import perf_counter, sleep
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import numpy as np
import pytest
import uvloop

SECONDS = float(os.environ.get("FENXIAO_BENCH_SECONDS", "15"))
N_SKUS = int(os.environ.get("FENXIAO_BENCH_SKUS", "100000"))
N_ANCHORS = 2_000
AT_LEAST_OF_IN_PROCESS = 0.7
SETTLED_SECONDS = 5.0
"""After which the load before is written down."""
MOST_ADDED_MS = 3.0
_T = TypeVar("_T")
_AWAKE_SECONDS = 0.0015
"""So long before a request is due its sender is awake: a timer alone is a millisecond late."""


@dataclass(frozen=True)
class Child:
    """A server process, and what it measured of itself before it listened."""

    process: "subprocess.Popen[str]"
    port: int
    key: str
    anchors: Sequence[str]

    def resident_mib(self) -> float:
        """What it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.fixture
def child(tmp_path: Path) -> "Iterator[Child]":
    """The market behind HTTP, in a process of its own."""
    command = [sys.executable, __file__, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert process.stdout is not None
        try:
            yield Child(process, **json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


@contextmanager
def awake() -> Iterator[None]:
    """No processor rests while this is held: idle work on each of them."""
    watches = []
    if os.environ.get("FENXIAO_BENCH_RESTING") != "1":
        code = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
        for processor in os.sched_getaffinity(0):
            watches.append(subprocess.Popen([sys.executable, "-c", code]))
            os.sched_setaffinity(watches[-1].pid, {processor})
    try:
        yield
    finally:
        for watch in watches:
            watch.kill()
            watch.wait()


def test_what_http_adds_to_a_list(child: Child) -> None:
    paths = [f"/v1/anchors/{anchor}/goods" for anchor in child.anchors]
    uvloop.run(closed_loop(child, paths, 3.0))  # warm
    floor = uvloop.run(closed_loop(child, ["/floor"], 4.0))
    capacity, in_process_ms = beside(child, "/timed", lambda: uvloop.run(closed_loop(child, paths, SECONDS)))
    in_process = 1_000 / np.mean(in_process_ms)
    ratio = capacity / in_process
    print(
        f"\n{N_SKUS:,} SKUs, lists of 50: in process {np.mean(in_process_ms):.1f} ms, {in_process:.0f} a second; "
        f"over HTTP {capacity:.0f} a second: ratio {ratio:.2f} (at least {AT_LEAST_OF_IN_PROCESS:.2f}); "
        f"FastAPI's floor {floor:.0f} a second"
    )
    added, beside_same = [], []
    for part in (0.25, 0.5, 0.75):
        load = partial(loaded, child, paths, capacity * part)
        same = f"/called?a_second={capacity * part}&seconds={SECONDS}"
        with awake():
            (took_ms, in_process_ms), called_ms = beside(child, same, partial(beside, child, "/timed", load))
        (p50, p99), (called_p50, called_p99) = (np.percentile(ms, [50, 99]) for ms in (took_ms, called_ms))
        added.append(p50 - np.mean(in_process_ms))
        beside_same.append(p50 - called_p50)
        print(
            f"at {part:.0%} of it ({capacity * part:.0f} a second): p50 {p50:.1f} ms, p99 {p99:.1f} ms, n {len(took_ms)}; in "
            f"process {np.mean(in_process_ms):.1f} ms, at the same instants {called_p50:.1f} and {called_p99:.1f} ms"
        )
    print(
        f"at a quarter HTTP adds {added[0]:.1f} ms to the time in process (at most {MOST_ADDED_MS:.0f}), "
        f"{beside_same[0]:.1f} ms to the median of the same calls at the same instants"
    )
    assert ratio >= AT_LEAST_OF_IN_PROCESS
    assert added[0] <= MOST_ADDED_MS


def loaded(child: Child, paths: Sequence[str], a_second: float) -> list[float]:
    """Milliseconds that each answer took in an open loop."""
    return uvloop.run(open_loop(child, paths, arrivals(a_second, SECONDS)))


def arrivals(a_second: float, seconds: float) -> list[float]:
    """When requests are due that wait for nobody, in seconds from the beginning."""
    return list(np.cumsum(np.random.default_rng(5).exponential(1 / a_second, int(a_second * seconds))))


def call_at(due: Sequence[float], answer: Callable[[int], object]) -> list[float]:
    """Milliseconds from when each call was due, one after the other as they come."""
    took_ms = []
    began = perf_counter()
    for k, at in enumerate(due):
        sleep(max(0.0, at - (perf_counter() - began)))
        answer(k)
        took_ms.append(1_000 * (perf_counter() - began - at))
    return took_ms


def beside(child: Child, path: str, measure: Callable[[], _T]) -> tuple[_T, list[float]]:
    """What was measured, and what the server says at `path` of itself just before it and just after it."""
    sleep(SETTLED_SECONDS)
    said = json.loads(uvloop.run(ask_once(child, path)))
    sleep(SETTLED_SECONDS)
    measured = measure()
    sleep(SETTLED_SECONDS)
    return measured, said + json.loads(uvloop.run(ask_once(child, path)))


async def ask_once(child: Child, path: str) -> bytes:
    """One answer, however long it takes."""
    connection = await Connection.open(child)
    body = await connection.get(path)
    connection.close()
    return body


async def closed_loop(
    child: Child, paths: Sequence[str], seconds: float | None, *, n_requests: int = 0, n_connections: int = 4
) -> float:
    """Answers a second where each of a few clients asks again as soon as it is answered."""
    began = perf_counter()
    done = 0

    async def client(number: int) -> None:
        nonlocal done
        connection = await Connection.open(child)
        k = number
        while (done < n_requests) if seconds is None else (perf_counter() - began < seconds):
            await connection.get(paths[k % len(paths)])
            k += n_connections
            done += 1
        connection.close()

    await asyncio.gather(*(client(n) for n in range(n_connections)))
    return done / (perf_counter() - began)


async def open_loop(child: Child, paths: Sequence[str], due: Sequence[float]) -> list[float]:
    """Milliseconds from when each request was due, whether or not the ones before it were answered."""
    free: list[Connection] = [await Connection.open(child) for _ in range(4)]
    took_ms: list[float] = []
    began = perf_counter()

    async def ask(path: str, at: float) -> None:
        # in turn: one that idles is closed by the server
        connection = free.pop(0) if free else await Connection.open(child)
        await connection.get(path)
        took_ms.append(1_000 * (perf_counter() - began - at))
        free.append(connection)

    asked = []
    for k, at in enumerate(due):
        await asyncio.sleep(max(0.0, at - _AWAKE_SECONDS - (perf_counter() - began)))
        while perf_counter() - began < at:  # noqa: ASYNC110 - no event is as exact
            await asyncio.sleep(0)
        asked.append(asyncio.create_task(ask(paths[k % len(paths)], float(at))))
    await asyncio.gather(*asked)
    for connection in free:
        connection.close()
    return took_ms


class Connection(asyncio.Protocol):
    """A kept HTTP/1.1 connection that costs next to nothing: a client library, or a stream, would be a part of the floor."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._transport: asyncio.Transport
        self._pieces: list[bytes] = []
        self._missing = 0
        """Bytes of the answer still to come, once its head has said so."""
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, child: Child) -> "Connection":
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: cls(child.key), "127.0.0.1", child.port
        )
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of another family

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._missing:
            self._missing -= len(data)
        else:
            whole = b"".join(self._pieces)
            head, ended, body = whole.partition(b"\r\n\r\n")
            if not ended:
                return
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self._missing = length - len(body)
        if self._missing == 0:
            assert self._answer is not None
            self._answer.set_result(b"".join(self._pieces))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer was whole"))

    async def get(self, path: str) -> bytes:
        self._pieces, self._missing = [], 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._key}\r\n\r\n".encode()
        )
        head, _, body = (await self._answer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), body
        return body

    def close(self) -> None:
        self._transport.close()


def serve_large_market(folder: Path) -> None:
    """The other process: a market in memory, behind the application as it is."""
    from fastapi import Request, Response
    from pydantic_core import to_json

    from api.access import Caller
    from api.app import make_app
    from api.loading import Served, last_stats, past_sales
    from api.logs import set_up_logs
    from api.schemas.lists import ListQuery
    from api.security import create_key
    from api.telling import tell, turn_goods
    from bench_list import list_model
    from features.settings import Settings
    from features.snapshot import take_snapshot
    from features.store.db import writing
    from features.store.dossier import Calendar
    from large_market import large_facts
    from matcher.engine import build_engine
    from matcher.policy import Policy
    from matcher.verdict_book import VerdictBook
    from matcher.world import build_world

    facts = large_facts(N_SKUS, n_anchors=N_ANCHORS)
    world = build_world(take_snapshot(facts), Policy())
    best = {"goods": "neighbours", "shortlist": "audience"}
    engine = build_engine(world, list_model(world), best, VerdictBook({}, Calendar([]), Policy()))
    settings = Settings(
        database_url=f"sqlite:///{folder / 'bench.db'}", home=folder, requests_a_minute=10**9, log_json=True
    )
    set_up_logs(settings)
    app = make_app(settings, clock=lambda: datetime.now(UTC))
    serving = app.state.serving
    served = Served(engine, datetime.now(UTC), {}, past_sales(world), last_stats(facts))
    serving._look = lambda: None  # the market is not in the store
    serving.swap(served, None)
    with writing(serving.store) as session:
        now = datetime.now(UTC)
        _, key = create_key(session, role="operator", subject=None, note=None, expires_at=None, now=now)

    @app.get("/floor")
    def floor() -> Response:
        return Response(b'{"items": []}', media_type="application/json")

    @app.get("/called")
    def called(a_second: float, seconds: float) -> list[float]:
        return call_at(arrivals(a_second, seconds), lambda k: answered(anchors[k % len(anchors)]))

    def answered(anchor_id: str) -> bytes:
        query, now = ListQuery(), datetime.now(UTC)
        path, asking = f"/v1/anchors/{anchor_id}/goods", SimpleNamespace(request_id=f"r_{token_hex(12)}")
        page = turn_goods(serving, served, anchor_id, query, path=path, caller=caller, language="en", now=now)
        return to_json(tell(serving, page, caller, cast("Request", SimpleNamespace(state=asking)), now))

    @app.get("/timed")
    def timed() -> list[float]:
        took_ms = []
        for anchor_id in anchors:
            began = perf_counter()
            answered(anchor_id)
            took_ms.append(1_000 * (perf_counter() - began))
        return took_ms

    owners = np.random.default_rng(3).integers(0, N_ANCHORS, 200)
    anchors = [world.snapshot.roster.ids[int(owner)] for owner in owners]
    caller = Caller("operator", None, "in-process", None)
    _serve(app, key, anchors)


def _serve(app: Any, key: str, anchors: Sequence[str]) -> None:
    import uvicorn

    from api.protocol import TimelyProtocol

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=TimelyProtocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_tell, args=(server, key, anchors), daemon=True).start()
    server.run()


def _tell(server: Any, key: str, anchors: Sequence[str]) -> None:
    while not server.started:
        sleep(0.05)
    said = {
        "port": server.servers[0].sockets[0].getsockname()[1],
        "key": key,
        "anchors": anchors,
    }
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve_large_market(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
