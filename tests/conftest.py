"""Where do the tests get their databases? A file each on SQLite, a database each on a server of their own.

The server is PostgreSQL, from the system's binaries, started once a worker and thrown away. Where there are none the
tests that need it are skipped, and say so; with FENXIAO_REQUIRE_POSTGRES=1 they fail instead.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from pwd import getpwall
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Engine

from anchor_pages import anchors_site  # noqa: F401 - one site a worker for the pages of anchors
from brand_site import brands_site  # noqa: F401 - one site a worker for the pages of brands
from browsing import browser, browser_page  # noqa: F401 - the system's Chromium, for tests of the pages
from features.store.db import open_engine
from features.store.migrations import upgrade
from live import live  # noqa: F401 - one running site a worker
from trained import trained  # noqa: F401 - shared by every test that needs a model: one night a worker

# Two cores, shared with whatever else runs: a deadline would test the neighbours.
settings.register_profile("fenxiao", deadline=None, max_examples=60)
settings.load_profile("fenxiao")

# A test never touches the configured database: what names none of its own finds none.
os.environ["MATCHER_DATABASE_URL"] = "sqlite:////dev/null/a-test-names-its-own.db"
os.environ["MATCHER_HOME"] = "/dev/null/a-test-names-its-own"
os.environ.pop("MATCHER_POLICY", None)

_DATABASES = ("sqlite", "postgres")
_NUMBERS = count()
_LONGEST_START_SECONDS = 60


@pytest.fixture(params=_DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return _new_postgres(request.getfixturevalue("postgres"), "template0")


@pytest.fixture(params=_DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with every table and no row, once of each kind."""
    template = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(template, tmp_path / 'store.db')}"
    return _new_postgres(request.getfixturevalue("postgres"), template)


@pytest.fixture
def empty_store(empty_url: str) -> Iterator[Engine]:
    """An engine on `empty_url`."""
    yield from _open(empty_url)


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """An engine on `store_url`."""
    yield from _open(store_url)


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """As `store`, on SQLite alone: for what asks nothing of the database."""
    yield from _open(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'store.db')}")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every table, to be copied."""
    file = tmp_path_factory.mktemp("template") / "store.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: Path) -> str:
    """The name of a database with every table, to be copied."""
    url = _new_postgres(postgres, "template0")
    _upgrade(url)
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The folder of the socket on which this worker's server answers."""
    binaries = _postgres_binaries()
    if binaries is None and os.environ.get("FENXIAO_REQUIRE_POSTGRES") == "1":
        pytest.fail(
            "FENXIAO_REQUIRE_POSTGRES=1, and no PostgreSQL server binaries: apt-get install postgresql"
        )
    if binaries is None:
        pytest.skip("no PostgreSQL server binaries; on Debian: apt-get install postgresql")
    folder = Path(
        tempfile.mkdtemp(prefix="fenxiao-pg-")
    )  # not pytest's own: its path is too long for a socket
    try:
        with (folder / "log").open("wb") as log:
            yield from _serve(
                binaries, folder, {"cwd": folder, "stdout": log, "stderr": log, **_owner(folder)}
            )
    finally:
        shutil.rmtree(folder)


def _serve(binaries: Path, folder: Path, how: dict[str, Any]) -> Iterator[Path]:
    cluster = folder / "cluster"
    initdb = [
        binaries / "initdb",
        "-D",
        cluster,
        "-U",
        "fenxiao",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]
    subprocess.run(initdb, check=True, **how)
    options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=40")
    flags = [word for option in options for word in ("-c", option)]
    server = subprocess.Popen([binaries / "postgres", "-D", cluster, *flags], **how)
    try:
        _wait_for(server, folder)
        yield folder
    finally:
        server.send_signal(signal.SIGINT)  # a fast stop: whoever is still connected is dropped
        server.wait(_LONGEST_START_SECONDS)


def _wait_for(server: subprocess.Popen[bytes], folder: Path) -> None:
    end = monotonic() + _LONGEST_START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user="fenxiao", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or monotonic() > end:
                pytest.fail(f"PostgreSQL does not start:\n{(folder / 'log').read_text()}")
            sleep(0.05)
        else:
            return


def _postgres_binaries() -> Path | None:
    packaged = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(packaged, key=lambda file: int(file.parts[-3]), default=None)
    found = newest or shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _owner(folder: Path) -> dict[str, Any]:
    """Whom to run the server as: it refuses to be root's, so then the unprivileged user that there is."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in getpwall()}
    user = users.get("postgres") or users["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _new_postgres(server: Path, template: str) -> str:
    name = f"fenxiao_{next(_NUMBERS)}"
    with psycopg.connect(host=str(server), user="fenxiao", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return f"postgresql+psycopg://fenxiao@/{name}?host={server}"


def _upgrade(url: str) -> None:
    for engine in _open(url):
        upgrade(engine)


def _open(url: str) -> Iterator[Engine]:
    engine = open_engine(url, wait_seconds=5)
    try:
        yield engine
    finally:
        engine.dispose()
