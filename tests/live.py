"""How is a running site had in a test? The trained market's, served for real in a thread, with a key for each role.

`live` is shared by the tests of a worker: what they write they write under ids of their own. `served_copy` is a site
of one's own, for tests that break things.
"""

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from api.app import make_app
from api.protocol import TimelyProtocol
from api.security import create_key
from features.settings import Settings
from features.store.db import open_engine, read_rows, reading, writing
from features.units import midnight
from trained import Trained


@dataclass(frozen=True)
class Live:
    """A running site."""

    url: str
    app: FastAPI
    settings: Settings
    keys: dict[str, str]
    """By role: brand, anchor, operator, job; and other_brand, other_anchor."""
    brand_id: str
    sku_id: str
    """Of that brand."""
    anchor_id: str
    other_brand_id: str
    other_sku_id: str
    other_anchor_id: str

    def client(self, role: str | None, **options: Any) -> httpx.Client:
        """A client with the role's key, or with none."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.keys[role]}"}
        return httpx.Client(
            base_url=self.url, headers=headers | options.pop("headers", {}), timeout=60, **options
        )


@pytest.fixture(scope="session")
def live(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One site for all tests of a worker."""
    with served_copy(trained, tmp_path_factory.mktemp("live")) as site:
        yield site


def clock_from(start: datetime) -> Any:
    """A clock that stood at `start` when it was made, and goes as ours does."""
    began = datetime.now(UTC)
    return lambda: start + (datetime.now(UTC) - began)


@contextmanager
def served_copy(trained: Trained, folder: Path, **settings: Any) -> Iterator[Live]:
    """A site of its own, over a copy of the trained market's store and registry."""
    shutil.copy(trained.url.removeprefix("sqlite:///"), folder / "site.db")
    shutil.copytree(trained.home, folder / "home")
    options = Settings(
        database_url=f"sqlite:///{folder / 'site.db'}",
        home=folder / "home",
        **{"requests_a_minute": 1_000_000, "log_level": "error"} | settings,
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    clock = clock_from(midnight(trained.market.as_of) + timedelta(hours=12))
    who, keys = _keys(options, clock())
    app = make_app(options, clock=clock)
    with running(app) as url:
        site = Live(url, app, options, keys, **who)
        _wait_until_ready(site)
        yield site


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The application behind a real socket; its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=TimelyProtocol, ws="none", log_config=None, access_log=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = monotonic() + 60
    while not server.started and monotonic() < end:
        sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)


def _wait_until_ready(site: Live) -> None:
    end = monotonic() + 120
    with site.client(None) as client:
        while client.get("/readyz").status_code != 200:
            if monotonic() > end:
                pytest.fail(f"the site does not get ready: {client.get('/readyz').text}")
            sleep(0.1)


def _keys(settings: Settings, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """Two brands with listed SKUs, the two busiest anchors, and a key for each of them and the other roles."""
    store = open_engine(settings.database_url)
    with reading(store) as session:
        skus = read_rows(
            session,
            "SELECT k.brand_id, k.sku_id, COUNT(*) AS n FROM listings l JOIN skus k ON k.sku_id = l.sku_id"
            " WHERE COALESCE(k.status, 'on') = 'on' GROUP BY k.brand_id, k.sku_id ORDER BY n DESC, k.sku_id",
        )
        anchors = read_rows(
            session,
            "SELECT anchor_id FROM live_sessions GROUP BY anchor_id ORDER BY COUNT(*) DESC, anchor_id LIMIT 2",
        )
    (brand, sku, _), (other_brand, other_sku, _) = skus[0], next(row for row in skus if row[0] != skus[0][0])
    anchor, other_anchor = anchors[0][0], anchors[1][0]
    subjects = {
        "brand": ("brand", brand),
        "anchor": ("anchor", anchor),
        "operator": ("operator", None),
        "job": ("job", None),
        "other_brand": ("brand", other_brand),
        "other_anchor": ("anchor", other_anchor),
    }
    with writing(store) as session:
        keys = {
            name: create_key(session, role=role, subject=subject, note=None, expires_at=None, now=now)[1]
            for name, (role, subject) in subjects.items()
        }
    store.dispose()
    who = {
        "brand_id": brand, "sku_id": sku, "anchor_id": anchor,
        "other_brand_id": other_brand, "other_sku_id": other_sku, "other_anchor_id": other_anchor,
    }  # fmt: skip
    return who, keys


@contextmanager
def instead(of: Any, name: str, value: Any) -> Iterator[None]:
    """For a while another thing in its place."""
    before = getattr(of, name)
    setattr(of, name, value)
    try:
        yield
    finally:
        setattr(of, name, before)
