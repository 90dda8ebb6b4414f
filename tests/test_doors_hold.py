"""Do the doors hold where two come at once, another writer is at work, the disk is full, or the store is gone?"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import polars as pl
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DatabaseError, OperationalError

from anchor_pages import browse, card, cards, drained, form_of, pick_form, since
from api import loading
from api import serving as serving_room
from api.access import Caller
from api.checking import keep
from api.deps import brand_of
from api.feedback import take_once
from api.loading import try_model
from api.outcomes import pick_id
from api.pages.words import WORDS
from api.problems import KINDS, Problem
from api.schemas.feedback import EventAsked
from api.serving import Serving
from api.wishes import hide, show_again
from features.errors import Fault, NoRoom, RegistryDamaged
from features.store.db import open_engine, read_frame, read_rows, reading, writing
from features.store.journal import Journal
from features.store.records import shown_verdicts
from features.units import shanghai_day
from journals import events
from live import Live, instead, served_copy
from matcher.policy import Policy
from matcher.registry import promote, publish, read_history, read_model, rollback
from matcher.verdict import Reason, Status, Verdict
from matcher.verdict_book import Both
from promises import NOON
from quiet import quiet
from trained import Trained

N_THREADS = 8
BRAND = {"name": "n", "observed_at": "2026-01-02T00:00:00+08:00"}


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with served_copy(trained, tmp_path_factory.mktemp("doors")) as made, quiet():
        yield made


def serving(site: Live) -> Serving:
    found: Serving = site.app.state.serving
    return found


@contextmanager
def store_that_waits(site: Live, seconds: float) -> Iterator[None]:
    """Requests wait so long for another writer."""
    other = open_engine(site.settings.database_url, wait_seconds=seconds)
    with instead(serving(site), "store", other):
        yield
    other.dispose()


@contextmanager
def pen_held(site: Live) -> Iterator[Callable[[], None]]:
    """Another process writes, until it is told to end."""
    holder = open_engine(site.settings.database_url)
    with ExitStack() as held:
        held.enter_context(writing(holder))
        yield held.close
    holder.dispose()


@contextmanager
def store_gone(site: Live) -> Iterator[None]:
    """The store cannot be asked, neither for facts nor for keys."""
    gone = create_engine("sqlite:////dev/null/gone.db")
    own = serving(site)
    with instead(own, "store", gone), instead(own.keys, "_store", gone), instead(own.keys, "_known", {}):
        yield


def until(is_so: Callable[[], object], seconds: float = 30) -> None:
    end = monotonic() + seconds
    while not is_so():
        assert monotonic() < end, "it did not come about in time"
        sleep(0.02)


def event(site: Live, event_id: str, **more: Any) -> dict[str, Any]:
    told = {"event_id": event_id, "at": "2026-01-01T00:00:00+08:00", "kind": "clicked"}
    return {"events": [told | {"anchor_id": site.anchor_id, "sku_id": site.sku_id} | more]}


def stored(site: Live, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    serving(site).journal.drain(serving(site).patient_store)
    with reading(serving(site).store) as session:
        return [tuple(row) for row in read_rows(session, sql, parameters)]


def pickable(html: str) -> str:
    return next(sku for sku in cards(html) if 'action="/goods/pick"' in card(html, sku))


# Ids that pages make


def test_who_guesses_how_a_pick_was_once_named_keeps_nobody_from_picking(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        sku_id = pickable(html)
        day = shanghai_day(serving(site).clock()).isoformat()
        public = sha256(f"pick|{site.anchor_id}|{sku_id}|{day}".encode()).hexdigest()[:40]
        squat = event(site, f"pick.{public}", anchor_id=site.other_anchor_id, sku_id=sku_id)
        with site.client("other_anchor") as other:
            assert other.post("/v1/feedback", json=squat).status_code == 202
        page.post("/goods/pick", data=pick_form(html, sku_id))
    picked = drained(
        site,
        "SELECT anchor_id FROM feedback WHERE kind = 'picked' AND at > :at"
        f" AND sku_id = '{sku_id}' AND anchor_id = '{site.anchor_id}'",
        since(site),
    )
    assert picked == [(site.anchor_id,)]


def test_where_something_else_stands_under_its_id_a_pick_is_said_to_have_failed(site: Live) -> None:
    own = serving(site)
    with browse(site, "anchor") as page, site.client("anchor") as anchor:
        html = page.get("/goods").text
        sku_id = pickable(html)
        taken = pick_id(own.secret, site.anchor_id, sku_id, own.clock())
        assert anchor.post("/v1/feedback", json=event(site, taken, sku_id=sku_id)).status_code == 202
        answer = page.post("/goods/pick", data=pick_form(html, sku_id))
        assert answer.status_code == 409
        assert "not written down" in answer.text
        assert 'action="/goods/pick"' in card(page.get("/goods").text, sku_id)


def test_the_same_told_by_two_clicks_is_told_once(site: Live) -> None:
    own, now = serving(site), serving(site).clock()
    caller = Caller("anchor", site.anchor_id, "k_1", None)
    for seconds in range(2):
        (told,) = event(site, "two-clicks", at=now - timedelta(seconds=9 - seconds))["events"]
        take_once(own, EventAsked.model_validate(told), caller, "en", now)
    (other,) = event(site, "two-clicks", kind="saved", at=now)["events"]
    with pytest.raises(Problem, match="conflict"):
        take_once(own, EventAsked.model_validate(other), caller, "en", now)
    assert stored(site, "SELECT kind FROM feedback WHERE event_id = 'two-clicks'") == [("clicked",)]


# While another writes


def test_who_reads_is_answered_while_a_crowd_waits_for_the_pen(site: Live) -> None:
    n_writers = 2 * N_THREADS
    with store_that_waits(site, 60), pen_held(site) as let_go, ThreadPoolExecutor(n_writers) as pool:

        def write(n: int) -> int:
            with site.client("operator") as client:
                return client.put(f"/v1/brands/crowd-{n}", json=BRAND).status_code

        writers = [pool.submit(write, n) for n in range(n_writers)]
        sleep(0.5)
        try:
            with site.client("anchor") as reader:
                address = f"/v1/anchors/{site.anchor_id}/goods?limit=1"
                assert reader.get(address, timeout=20).status_code == 200
        finally:
            let_go()
        statuses = [writer.result() for writer in writers]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= serving_room.MOST_WRITERS


def test_a_request_waits_two_seconds_for_the_pen_and_what_nobody_waits_for_longer(site: Live) -> None:
    own = serving(site)
    patience_ms = []
    for store in (own.store, own.patient_store):
        with reading(store) as session:
            patience_ms.append(session.connection().exec_driver_sql("PRAGMA busy_timeout").scalar_one())
    assert patience_ms == [2_000, 30_000]


def test_while_every_thread_waits_the_server_says_that_it_lives_and_is_ready(
    site: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free, n_waiting = threading.Event(), threading.Semaphore(0)

    def wait(_home: Path) -> list[str]:
        n_waiting.release()
        assert is_free.wait(60)
        return []

    monkeypatch.setattr("api.routes.models.list_versions", wait)

    def ask(_n: int) -> int:
        with site.client("operator") as client:
            return client.get("/v1/models").status_code

    with ThreadPoolExecutor(N_THREADS) as pool:
        asking = pool.map(ask, range(N_THREADS))
        try:
            for _ in range(N_THREADS):
                assert n_waiting.acquire(timeout=30)
            with site.client(None) as client:
                assert client.get("/healthz", timeout=10).json() == {"status": "alive"}
                assert client.get("/readyz", timeout=10).json()["status"] == "ready"
        finally:
            is_free.set()
        assert set(asking) == {200}


def test_who_hides_something_keeps_nobody_waiting_while_it_waits_itself(site: Live) -> None:
    own = serving(site)
    with store_that_waits(site, 60), pen_held(site) as let_go:
        hiding = threading.Thread(
            target=hide, args=(own, site.anchor_id, "sku", site.sku_id), kwargs={"now": own.clock()}
        )
        hiding.start()
        sleep(0.3)
        is_had = own.hiding.acquire(timeout=5)
        if is_had:
            own.hiding.release()
        let_go()
        hiding.join(60)
    assert is_had
    assert site.sku_id in own.hidden[site.anchor_id].sku_ids
    with reading(own.store) as session:
        rows = read_rows(session, "SELECT value FROM hidden_goods WHERE kind = 'sku'")
    assert (site.sku_id,) in [tuple(row) for row in rows]
    show_again(own, site.anchor_id, "sku", site.sku_id)
    assert site.sku_id not in own.hidden[site.anchor_id].sku_ids


def test_an_import_by_page_waits_for_the_writer_before_it(site: Live) -> None:
    brands = b"brand_id,name,observed_at\nB-wait,n,2026-01-02T00:00:00+08:00\n"
    with store_that_waits(site, 0.1), browse(site, "operator") as page:
        form = form_of(page.get("/imports").text)
        with pen_held(site):
            page.post("/imports", data=form, files=[("files", ("brands.csv", brands))])
            sleep(1)
        (job, *_) = site.app.state.desk.imports.jobs
        until(lambda: job.state.is_over)
    assert str(job.state) == "imported"


def test_what_is_journalled_is_moved_when_the_writer_before_has_finished(site: Live) -> None:
    own = serving(site)
    with site.client("anchor") as client:
        assert client.post("/v1/feedback", json=event(site, "moved-later")).status_code == 202
    with store_that_waits(site, 0.1):
        with pen_held(site):
            moving = threading.Thread(target=own._move)
            moving.start()
            sleep(1)
        moving.join(60)
        with reading(own.store) as session:
            assert read_rows(session, "SELECT 1 FROM feedback WHERE event_id = 'moved-later'")


# Two at once


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What is journalled does not reach the disk before the block ends; set once it is on its way."""
    is_free, is_under_way, real = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        is_under_way.set()
        assert is_free.wait(60)
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", slow)
        try:
            yield is_under_way
        finally:
            is_free.set()


@pytest.mark.parametrize(("kind", "status"), [("saved", 409), ("clicked", 202)])
def test_of_two_posts_of_one_id_at_once_the_second_knows_of_the_first(
    site: Live, monkeypatch: pytest.MonkeyPatch, kind: str, status: int
) -> None:
    with site.client("anchor") as client, ThreadPoolExecutor(2) as pool:

        def post(told: str) -> Future[httpx.Response]:
            body = event(site, f"at-once-{kind}", kind=told)
            return pool.submit(client.post, "/v1/feedback", json=body)

        with slow_disk(monkeypatch) as under_way:
            first = post("clicked")
            assert under_way.wait(30)
            second = post(kind)
            sleep(0.5)
    assert (first.result().status_code, second.result().status_code) == (202, status)
    if status == 202:
        assert (second.result().json()["accepted"], second.result().json()["repeated"]) == (0, 1)
    sql = "SELECT kind FROM feedback WHERE event_id = :id"
    assert stored(site, sql, id=f"at-once-{kind}") == [("clicked",)]


def test_ids_are_let_go_of_when_their_post_was_refused(site: Live) -> None:
    with site.client("anchor") as client:
        wrong = event(site, "refused-first", sku_id="none")
        assert client.post("/v1/feedback", json=wrong).status_code == 404
        assert client.post("/v1/feedback", json=event(site, "refused-first")).status_code == 202


def test_who_asks_again_is_told_of_the_verdicts_again(site: Live) -> None:
    invited = event(site, "asked-again", kind="invited", at=serving(site).clock().isoformat())
    with site.client("brand") as client:
        first, again = (client.post("/v1/feedback", json=invited).json() for _ in range(2))
    assert (first["accepted"], again["accepted"], again["repeated"]) == (1, 0, 1)
    assert len(first["commitments"]) == 1
    assert again["commitments"] == first["commitments"]


# What goes wrong beside the requests


def test_a_trial_without_end_is_a_model_that_is_not_served(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_LONGEST_TRIAL_SECONDS", 0.01)
    with pytest.raises(RegistryDamaged, match="did not end"):
        try_model(trained.home, trained.manifest.version)


def test_what_the_store_cannot_answer_is_an_error_that_is_known_above(store: Engine) -> None:
    with reading(store) as session, pytest.raises((Fault, DatabaseError)):
        read_frame(session, "SELECT no_such_column FROM skus", {}, {"no_such_column": pl.Int64})


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OperationalError("SELECT s3cret", {}, Exception("/home/s3cret.db"))]
)
def test_the_thread_that_loads_survives_anything_and_a_stranger_is_told_that_it_failed_not_how(
    site: Live, error: Exception
) -> None:
    own = serving(site)

    def fail() -> None:
        raise error

    with site.client(None) as client, browse(site, "operator") as desk:

        def trouble() -> str | None:
            told: str | None = client.get("/readyz").json()["trouble"]
            return told

        with instead(own, "_look", fail):
            until(lambda: trouble() is not None)
            assert all(thread.is_alive() for thread in own._threads)
            assert "loaded before goes on" in (trouble() or "")
            assert "s3cret" not in client.get("/readyz").text
            assert (str(error) or "ZeroDivisionError") in desk.get("/models").text.replace("&#39;", "'")
        until(lambda: trouble() is None)


def test_the_thread_that_moves_survives_anything_and_does_the_rest(site: Live) -> None:
    own, flushed = serving(site), []

    def fail(_store: Engine) -> int:
        raise RuntimeError("s3cret")

    def flush(_store: Engine, *, at_once: bool) -> int:
        flushed.append(at_once)
        return 0

    with instead(own.journal, "drain", fail), instead(own.keys, "flush", flush):
        own._move()
    assert flushed == [False]
    assert own.trouble is not None
    assert own.trouble.sentence == "s3cret"
    assert "s3cret" not in own.trouble.told
    own._move()
    assert own.trouble is None


def both(status: Status, sku_id: str = "S-said") -> Both:
    reason = Reason.OK if status is Status.PASS else Reason.NO_PLAN
    return Both(
        Verdict(sku_id, "cps_floor", status, reason, NOON, "v"),
        Verdict(sku_id, "price_parity", Status.PASS, Reason.OK, NOON, "v"),
    )


def test_each_verdict_that_was_shown_is_kept_in_its_order(sqlite_store: Engine) -> None:
    said = [both(Status.PASS), both(Status.FAIL), both(Status.FAIL), both(Status.PASS)]
    for _ in range(2):
        keep(sqlite_store, said, Policy())
    with reading(sqlite_store) as session:
        rows = shown_verdicts(session, "S-said")
    floor = [row for row in rows if row.rule == "cps_floor"]
    assert [row.status for row in floor] == ["PASS", "FAIL", "PASS", "FAIL", "PASS"]
    assert len({row.first_shown_at for row in floor}) == 5
    assert [row.status for row in rows if row.rule == "price_parity"] == ["PASS"]


def test_what_was_shown_twice_between_two_moves_is_kept_twice(site: Live) -> None:
    own = serving(site)
    for status in (Status.PASS, Status.PASS, Status.FAIL, Status.PASS):
        own.remember([both(status, "S-twice")])
    own._move()
    sql = "SELECT status FROM shown_verdicts WHERE sku_id = 'S-twice' AND rule = 'cps_floor' ORDER BY first_shown_at"
    assert stored(site, sql) == [("PASS",), ("FAIL",), ("PASS",)]


def test_what_could_not_be_kept_is_kept_the_next_time(site: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    own = serving(site)

    def fail(*_: object) -> None:
        own.remember([both(Status.FAIL, "S-later")])  # shown meanwhile
        raise RuntimeError

    own.remember([both(Status.PASS, "S-later")])
    with monkeypatch.context() as patched:
        patched.setattr(serving_room, "keep", fail)
        own._move()
    own._move()
    sql = "SELECT status FROM shown_verdicts WHERE sku_id = 'S-later' AND rule = 'cps_floor' ORDER BY first_shown_at"
    assert stored(site, sql) == [("PASS",), ("FAIL",)]


# A store that is gone, a disk that is full


@pytest.mark.parametrize("sku_id", ["\0", "S1\0", "S1\n", "a b", "中", "x" * 65, ""])
def test_what_is_no_id_is_nobodys_and_no_store_is_asked(site: Live, sku_id: str) -> None:
    with store_gone(site):
        assert brand_of(serving(site), sku_id) is None


def test_an_address_with_a_nul_in_it_is_not_found(site: Live) -> None:
    with site.client("brand") as client:
        assert client.get("/v1/models").status_code == 403  # the key is known now
        with instead(serving(site), "store", create_engine("sqlite:////dev/null/gone.db")):
            assert client.get("/v1/skus/%00/checks").status_code == 404


def test_a_page_says_that_the_store_is_busy_where_it_cannot_be_asked_who_looks(site: Live) -> None:
    with browse(site, "anchor") as page, store_gone(site):
        answer = page.get("/picks")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert KINDS["busy"].en in answer.text
    assert WORDS["problem.503"][1] not in answer.text


def test_a_page_of_somebody_who_is_known_says_so_too(site: Live) -> None:
    with browse(site, "anchor") as page:
        gone = create_engine("sqlite:////dev/null/gone.db")
        page.get("/goods")
        with instead(serving(site), "store", gone):
            answer = page.get("/picks")
    assert answer.status_code == 503
    assert KINDS["busy"].en in answer.text
    assert "/sign-out" in answer.text


def test_where_the_disk_refuses_feedback_nothing_was_taken_and_it_is_said_when_to_come_back(
    site: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with site.client("anchor") as client:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuse)
            answer = client.post("/v1/feedback", json=event(site, "no-room"))
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert "nothing was taken" in answer.json()["detail"]
        again = client.post("/v1/feedback", json=event(site, "no-room"))
    assert (again.status_code, again.json()["accepted"]) == (202, 1)


def test_a_journal_that_finds_no_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> Callable[[int], None]:
        def fail(_descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        return fail

    with closing(Journal(tmp_path / "journal")) as journal:
        for number, kind in ((errno.ENOSPC, NoRoom), (errno.EIO, Fault)):
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", refuse(number))
                with pytest.raises(Fault) as refused:
                    journal.append(events("e"))
            assert type(refused.value) is kind
        journal.append(events("e"))


# Back to the champion before


def test_a_rollback_to_a_model_that_does_not_pass_its_trial_is_refused(
    site: Live, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = site.settings.home
    first = read_history(home)[-1].version
    provenance = trained.night.provenance.model_copy(update={"seeds": {"another": 1}})
    second = publish(home, provenance, read_model(trained.home, trained.manifest.version)).version
    promote(home, second, at=serving(site).clock())
    tried = []

    def refuse(_home: Path, version: str) -> None:
        tried.append(version)
        raise RegistryDamaged("it does not load")

    try:
        with site.client("operator") as client, monkeypatch.context() as patched:
            patched.setattr("api.routes.models.try_model", refuse)
            answer = client.post(f"/v1/models/{second}:rollback")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert tried == [first]
        assert read_history(home)[-1].version == second
        with site.client("operator") as client:
            assert client.post(f"/v1/models/{second}:rollback").json()["version"] == first
    finally:
        if read_history(home)[-1].version == second:
            rollback(home)
