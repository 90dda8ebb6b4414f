"""Does the site go on answering while models change, snapshots are taken anew, files are damaged and people are slow?"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api import serving as serving_room
from api.loading import load_champion, try_model
from api.serving import Serving
from features.errors import RegistryDamaged
from features.store.db import open_engine, read_rows, reading, writing
from features.store.keys import revoke_key
from live import Live, served_copy
from matcher.registry import promote, publish, read_model, rollback
from trained import Trained

N_SWAPS = 200


def until(is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait for something that another thread brings about."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def second_model(trained: Trained, home: Path) -> str:
    """Another version of the same forests, published and promoted."""
    files = read_model(trained.home, trained.manifest.version)
    other = trained.night.provenance.model_copy(update={"seeds": {"another": 1}})
    manifest = publish(home, other, files)
    promote(home, manifest.version, at=datetime.now(UTC))
    return manifest.version


def test_two_hundred_swaps_under_load_fail_no_request(trained: Trained, tmp_path: Path) -> None:
    with served_copy(trained, tmp_path) as site:
        serving: Serving = site.app.state.serving
        served = serving.current
        assert served is not None
        done = threading.Event()
        statuses: Counter[int] = Counter()

        def ask() -> None:
            with site.client("anchor") as client:
                while not done.is_set():
                    answer = client.get(f"/v1/anchors/{site.anchor_id}/goods", params={"limit": 5})
                    statuses[answer.status_code] += 1
                    page = answer.json()
                    assert len(page["items"]) == 5

        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask) for _ in range(3)]
            for n in range(N_SWAPS):
                engine = replace(served.engine, model=None if n % 2 else served.engine.model)
                serving.swap(replace(served, engine=engine, loaded_at=served.loaded_at), serving.champion)
                time.sleep(0.01)
            done.set()
            for one in asking:
                one.result()
    assert set(statuses) == {200}
    assert statuses[200] > 50


def test_a_new_champion_is_picked_up_and_a_rollback_too(trained: Trained, tmp_path: Path) -> None:
    with served_copy(trained, tmp_path) as site:
        first = site.app.state.serving.current.engine.version

        def serves(version: str) -> bool:
            with site.client(None) as client:
                return bool(client.get("/readyz").json()["model_version"] == version)

        second = second_model(trained, site.settings.home)
        until(lambda: serves(second))
        rollback(site.settings.home)
        until(lambda: serves(first))


def test_a_champion_that_has_served_here_comes_back_without_a_trial(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_copy(trained, tmp_path) as site:
        own = site.app.state.serving
        before = own.current.engine.model
        second = second_model(trained, site.settings.home)
        until(lambda: own.current.engine.version == second)

        def no_trial(*_: object) -> None:
            raise RegistryDamaged("it was tried when it came")

        monkeypatch.setattr("api.loading.try_model", no_trial)
        rollback(site.settings.home)
        until(lambda: own.current.engine.model is before)


@pytest.mark.parametrize("name", ["goods_uptake.txt", "outcome.json", "golden.json", "manifest.json"])
def test_a_damaged_champion_is_never_served_and_the_one_before_goes_on(
    trained: Trained, tmp_path: Path, name: str
) -> None:
    with served_copy(trained, tmp_path) as site:
        first = site.app.state.serving.current.engine.version
        home = site.settings.home
        files = read_model(trained.home, trained.manifest.version)
        manifest = publish(home, trained.night.provenance.model_copy(update={"seeds": {"damaged": 1}}), files)
        promote(home, manifest.version, at=datetime.now(UTC))
        place = home / "models" / manifest.version / name
        place.write_bytes(place.read_bytes()[:-40])
        with site.client("anchor") as client:
            until(lambda: client.get("/readyz").json()["trouble"] is not None)
            assert client.get("/readyz").json()["model_version"] == first
            assert client.get(f"/v1/anchors/{site.anchor_id}/goods").json()["model_version"] == first


def test_a_model_that_scores_otherwise_than_where_it_was_trained_is_refused(
    trained: Trained, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained.home, home)
    files = read_model(home, trained.manifest.version) | {"golden.json": b'{"sha256": "0"}'}
    manifest = publish(home, trained.night.provenance, files)
    with pytest.raises(RegistryDamaged, match="scores otherwise"):
        try_model(home, manifest.version)
    try_model(home, trained.manifest.version)


def test_bytes_that_kill_lightgbm_kill_the_trial_alone(trained: Trained, tmp_path: Path) -> None:
    home = tmp_path / "home"
    files = dict(read_model(trained.home, trained.manifest.version))
    text = files["goods_uptake.txt"]
    files["goods_uptake.txt"] = text.replace(b"left_child=", b"left_child=999999999 ", 3)
    manifest = publish(home, trained.night.provenance, files)
    promote(home, manifest.version, at=datetime.now(UTC))
    with pytest.raises(RegistryDamaged):
        load_champion(home)


def test_a_fresh_snapshot_is_taken_when_the_old_one_is_due(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_room, "SNAPSHOT_AGE", timedelta(seconds=1))
    with served_copy(trained, tmp_path) as site:
        first = site.app.state.serving.current.snapshot_at
        until(lambda: site.app.state.serving.current.snapshot_at > first)


def test_an_empty_store_is_not_ready_and_says_why(tmp_path: Path) -> None:
    from api.app import make_app  # noqa: PLC0415
    from features.settings import Settings  # noqa: PLC0415
    from live import running  # noqa: PLC0415

    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'empty.db'}", home=tmp_path / "home", log_level="error"
    )
    with running(make_app(settings)) as url, httpx.Client(base_url=url) as client:
        until(lambda: client.get("/readyz").json()["trouble"] is not None)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "matcher ingest" in answer.json()["trouble"]
        assert client.get("/healthz").status_code == 200


def test_a_revoked_key_is_out_within_a_second(live: Live) -> None:
    from api.security import create_key  # noqa: PLC0415

    store = open_engine(live.settings.database_url)
    with writing(store) as session:
        row, key = create_key(
            session, role="operator", subject=None, note=None, expires_at=None, now=datetime.now(UTC)
        )
    with httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.get("/v1/models").status_code == 200
        with writing(store) as session:
            revoke_key(session, row.key_id, at=datetime.now(UTC))
        time.sleep(1.1)
        assert client.get("/v1/models").status_code == 401
    store.dispose()


def test_of_ten_thousand_wrong_keys_none_is_in_and_a_known_right_one_stays_in(
    trained: Trained, tmp_path: Path
) -> None:
    with (
        served_copy(trained, tmp_path) as site,
        site.client("operator") as known,
        site.client(None) as client,
    ):
        assert known.get("/v1/models").status_code == 200
        statuses: Counter[int] = Counter()
        for n in range(10_000):  # each another one
            answer = client.get("/v1/models", headers={"Authorization": f"Bearer fx_{n:043d}"})
            statuses[answer.status_code] += 1
        assert set(statuses) == {401, 429}
        assert statuses[429] > 9_000
        assert known.get("/v1/models").status_code == 200


def test_two_hundred_half_requests_are_closed_within_fifteen_seconds(live: Live) -> None:
    host, _, port = live.url.removeprefix("http://").partition(":")
    halves = [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"",
        b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
        + live.keys["operator"].encode()
        + b'\r\nContent-Length: 1000\r\n\r\n{"events": [',
    ]
    sockets = []
    for n in range(200):
        one = socket.create_connection((host, int(port)), timeout=20)
        one.sendall(halves[n % len(halves)])
        sockets.append(one)
    began = time.monotonic()
    with live.client(None) as client:
        assert client.get("/healthz").status_code == 200
    for one in sockets:
        while one.recv(65_536):  # an answer, perhaps; then the end
            pass
        one.close()
    assert time.monotonic() - began < 15


def test_a_body_that_drips_is_cut(live: Live) -> None:
    host, _, port = live.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as one:
        one.sendall(
            b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
            + live.keys["operator"].encode()
            + b"\r\nContent-Length: 1000\r\n\r\n"
        )
        began = time.monotonic()
        one.settimeout(0.5)
        answer = b""
        while time.monotonic() - began < 25:
            try:
                one.sendall(b" ")
                got = one.recv(65_536)
            except TimeoutError:
                continue
            except OSError:  # closed while we were still sending
                break
            answer += got
            if not got:
                break
        assert not answer or b" 408 " in answer.split(b"\r\n")[0]
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("declared", ["1048577", "99999999999999999999"])
def test_a_body_that_is_declared_too_large_is_refused_unread(live: Live, declared: str) -> None:
    host, _, port = live.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as one:
        one.sendall(
            b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
            + live.keys["operator"].encode()
            + f"\r\nContent-Length: {declared}\r\n\r\n".encode()
        )
        status = one.recv(65_536).split(b"\r\n")[0]
    assert b" 413 " in status or b" 400 " in status


def test_what_was_shown_is_in_the_store_with_its_place_and_its_request(
    trained: Trained, tmp_path: Path
) -> None:
    with served_copy(trained, tmp_path) as site, site.client("anchor") as client:
        page = client.get(f"/v1/anchors/{site.anchor_id}/goods", params={"limit": 9}).json()
    store = open_engine(site.settings.database_url)
    with reading(store) as session:
        rows = read_rows(
            session,
            "SELECT sku_id, position, kind, source FROM feedback WHERE request_id = :id ORDER BY position",
            {"id": page["request_id"]},
        )
    store.dispose()
    assert [(row[0], row[1]) for row in rows] == [(line["sku_id"], line["rank"]) for line in page["items"]]
    assert {row[2] for row in rows} == {"shown"}
    assert {row[3] for row in rows} == {f"anchor:{site.anchor_id}"}


def test_sigterm_lets_requests_finish_and_then_ends(trained: Trained, tmp_path: Path) -> None:
    taken = ExitStack()
    shutil.copy(trained.url.removeprefix("sqlite:///"), tmp_path / "site.db")
    shutil.copytree(trained.home, tmp_path / "home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-c", "from api.commands import main; main()", "serve", "--port", str(port),
        "--database", f"sqlite:///{tmp_path / 'site.db'}", "--home", str(tmp_path / "home"),
    ]  # fmt: skip
    environment = {**os.environ, "MATCHER_LOG_LEVEL": "error"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:

        def is_ready() -> bool:
            try:
                return httpx.get(f"{url}/readyz").status_code == 200
            except httpx.HTTPError:
                return False

        until(is_ready, seconds=120)
        slow = taken.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        slow.sendall(
            b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        first = slow.recv(1_000)  # the answer has begun, and we do not read on
        server.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        answer = first
        while got := slow.recv(1 << 20):
            answer += got
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        assert len(body) == length
        assert server.wait(30) == 0
    finally:
        taken.close()
        server.kill()
        server.wait()
