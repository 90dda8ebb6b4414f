"""Does an operator see how all is, and may nobody else? Nights, models, feeds and checks, over a running site."""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from api.app import make_app
from api.security import create_key
from features.settings import Settings
from features.store.db import open_engine, read_rows, reading, writing
from features.store.nights import begin_night, write_night
from features.units import DAWN
from live import Live, clock_from, running
from matcher.registry import load_manifest, read_history
from matcher.verdict import RULES, Status
from operating import Desk, served_with_nights, versions, wait_for, words
from trained import Trained

GETS = ("/nights", "/models", "/feeds", "/checks", "/checks/retract", "/keys", "/imports", "/privacy")
POSTS = (
    "/models/20261022-0123456789ab/promote",
    "/models/20261022-0123456789ab/rollback",
    "/feeds/limit",
    "/checks/retract",
    "/keys",
    "/keys/k_1/revoke",
    "/imports",
    "/privacy/forget",
)


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """This file's own."""
    with served_with_nights(trained, tmp_path_factory.mktemp("operator")) as site:
        yield site


@pytest.fixture(scope="module")
def desk(site: Live) -> Desk:
    return Desk(site)


# ------------------------------------------------------------------ who may


@pytest.mark.parametrize("path", GETS)
def test_a_page_is_for_operators_alone(desk: Desk, path: str) -> None:
    desk.get(path)
    for role in ("brand", "anchor"):
        Desk(desk.site, role).get(path, status=403)
    with desk.site.client(None) as nobody:
        assert nobody.get(path).headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", POSTS)
def test_a_form_is_for_operators_with_the_token_of_their_session_alone(desk: Desk, path: str) -> None:
    assert desk.client.post(path, data={"csrf": "made.up"}).status_code == 403
    assert desk.client.post(path, data={"csrf": Desk(desk.site).csrf + "x"}).status_code == 403
    assert Desk(desk.site, "brand").send(path).status_code == 403


@pytest.mark.parametrize("path", GETS)
def test_every_page_speaks_both_languages(desk: Desk, path: str) -> None:
    chinese = words(Desk(desk.site, language="zh-CN").get(path))
    assert sum("\u4e00" <= letter <= "\u9fff" for letter in chinese) > 20
    assert words(desk.get(path)) != chinese


# ------------------------------------------------------------------ before anything is there


@pytest.fixture(scope="module")
def bare(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A site that never loads anything, over a registry without a model."""
    folder = tmp_path_factory.mktemp("bare")
    shutil.copy(trained.url.removeprefix("sqlite:///"), folder / "site.db")
    settings = Settings(database_url=f"sqlite:///{folder / 'site.db'}", home=folder / "home")
    clock = clock_from(DAWN + timedelta(days=20_000))
    app = make_app(settings, clock=clock)
    app.state.serving.start = lambda: None
    with writing(app.state.serving.store) as session:
        key = create_key(session, role="operator", subject=None, note=None, expires_at=None, now=clock())[1]
    with running(app) as url:
        client = httpx.Client(base_url=url, headers={"Accept": "text/html", "Accept-Language": "en"})
        client.post("/sign-in", data={"key": key, "next": "/"})
        yield client
        client.close()


@pytest.mark.parametrize("path", GETS)
def test_every_page_answers_while_nothing_is_loaded(bare: httpx.Client, path: str) -> None:
    assert bare.get(path).status_code == 200


def test_what_is_not_there_yet_is_said(bare: httpx.Client) -> None:
    assert "No night has run yet" in bare.get("/nights").text
    assert "No model is in the registry" in bare.get("/models").text
    checks = bare.get("/checks")
    assert "still being loaded" in checks.text
    assert checks.headers["refresh"] == "3"


# ------------------------------------------------------------------ nights and models


def test_the_nights_are_told_with_their_figures_and_the_gates_reasons(desk: Desk) -> None:
    page = desk.get("/nights")
    text = words(page)
    damaged, champion, passed, refused = versions(desk.site)
    for version in (damaged, champion, passed, refused):
        assert f'href="/models/{version}"' in page
    assert "it is behind <history>" in text
    assert "&lt;history&gt;" in page
    assert page.count('class="plot-frame"') == 6
    assert "0.52" in text
    assert "Champion against challenger" in text


def test_each_run_is_told_the_dead_one_by_the_next(desk: Desk) -> None:
    url, now = desk.site.settings.database_url, datetime(2026, 10, 21, 19, tzinfo=UTC)
    store = open_engine(url)
    with writing(store) as session:
        dead = begin_night(session, date(2026, 10, 21), holder="a:1", now=now)
        write_night(session, dead.as_of, dead.attempt, {"step": "publish"})
        begin_night(session, date(2026, 10, 21), holder="b:2", now=now + timedelta(minutes=3))
        ended = {
            "state": "failed",
            "ended_at": now + timedelta(minutes=8),
            "step": "lists",
            "report": '{"error": "the disk <is> full"}',
        }
        write_night(session, date(2026, 10, 21), 2, ended)
    store.dispose()
    text = words(desk.get("/nights"))
    assert "2026-10-21 run 2 Failed at the step lists the disk <is> full 2026-10-22 03:03 5 minutes" in text
    assert "2026-10-21 Killed at the step publish 2026-10-22 03:00" in text


def test_what_lists_left_out_and_whom_they_showed_is_counted(desk: Desk) -> None:
    with desk.site.client("brand") as brand, desk.site.client("anchor") as anchor:
        assert brand.get(f"/v1/skus/{desk.site.sku_id}/shortlist").status_code == 200
        assert anchor.get(f"/v1/anchors/{desk.site.anchor_id}/goods").status_code == 200
    serving = desk.site.app.state.serving

    def is_stored() -> bool:
        serving.journal.drain(serving.store)
        with reading(serving.store) as session:
            sources = read_rows(session, "SELECT DISTINCT source FROM feedback WHERE kind = 'shown'")
        return {source.partition(":")[0] for (source,) in sources} >= {"brand", "anchor"}

    wait_for(is_stored)
    desk.site.app.state.desk._kept.clear()
    text = words(desk.get("/nights"))
    assert "places in shortlists" in text
    assert "places in goods lists" in text


def test_a_model_has_a_card_with_its_provenance_figures_and_seals(desk: Desk) -> None:
    _, champion, _, _ = versions(desk.site)
    manifest = load_manifest(desk.site.settings.home, champion)
    text = words(desk.get(f"/models/{champion}"))
    for known in (
        champion,
        manifest.fingerprint,
        manifest.policy_version,
        "Popularity",
        "Files are whole",
        "Serves",
    ):
        assert known in text
    for name in manifest.files:
        assert name in text


def test_a_damaged_model_is_told_and_offered_to_nobody(desk: Desk) -> None:
    damaged = versions(desk.site)[0]
    assert "Damaged" in words(desk.get("/models"))
    page = desk.get(f"/models/{damaged}")
    assert "never loaded" in words(page)
    assert "/promote" not in page
    said = words(desk.done(f"/models/{damaged}/promote"))
    assert "nothing was changed" in said
    assert read_history(desk.site.settings.home)[-1].version == versions(desk.site)[1]


def test_a_model_that_was_refused_is_not_promoted(desk: Desk) -> None:
    refused = versions(desk.site)[3]
    assert "did not pass its gate" in words(desk.done(f"/models/{refused}/promote"))
    assert read_history(desk.site.settings.home)[-1].version == versions(desk.site)[1]


def test_a_model_that_is_not_there_is_not_found(desk: Desk) -> None:
    desk.get("/models/20200101-0123456789ab", status=404)
    assert desk.send("/models/20200101-0123456789ab/promote").status_code == 404
    desk.get("/models/..%2f..%2fsecret", status=404)


def test_promoting_and_rolling_back_change_who_serves_and_back_again(desk: Desk) -> None:
    home, serving = desk.site.settings.home, desk.site.app.state.serving
    _, champion, passed, _ = versions(desk.site)
    answer = desk.send(f"/models/{passed}/promote")
    assert answer.headers["location"] == f"/models/{passed}?said=promoted"
    assert "Promoted." in words(desk.settled(answer.headers["location"]))
    assert read_history(home)[-1].version == serving.current.engine.version == passed
    assert "Serves" in words(desk.get(f"/models/{passed}"))
    late = words(desk.done(f"/models/{champion}/rollback", to=champion))
    assert "Another model serves by now" in late
    assert "Rolled back." in words(desk.done(f"/models/{passed}/rollback", to=champion))
    wait_for(lambda: serving.current.engine.version == champion)
    assert "no champion before" in words(desk.done(f"/models/{champion}/rollback", to=champion))


# ------------------------------------------------------------------ feeds


def test_a_feed_over_its_limit_is_told_on_every_page_at_once_and_no_more_without_the_limit(
    desk: Desk,
) -> None:
    assert "Over its limit of age" not in desk.get("/keys")
    assert "The limit is set." in words(desk.done("/feeds/limit", table="enrolments", hours="1"))
    for path in GETS:
        assert "Over its limit of age: enrolments" in desk.get(path)
    Desk(desk.site, "anchor").get("/feeds", status=403)
    assert "Over its limit" not in Desk(desk.site, "anchor").get("/picks")
    assert "The limit was taken away." in words(desk.done("/feeds/limit", table="enrolments", hours=""))
    assert "Over its limit of age" not in desk.get("/nights")


@pytest.mark.parametrize(
    ("table", "hours"),
    [("listings", "0"), ("listings", "-3"), ("listings", "1e3"), ("events", "5"), ("api_keys", "5")],
)
def test_a_limit_that_cannot_be_meant_changes_nothing(desk: Desk, table: str, hours: str) -> None:
    assert "nothing was changed" in words(desk.done("/feeds/limit", table=table, hours=hours))
    with reading(desk.site.app.state.serving.store) as session:
        assert read_rows(session, "SELECT * FROM feed_limits") == []


def test_each_feed_tells_its_rows_and_its_newest(desk: Desk) -> None:
    with reading(desk.site.app.state.serving.store) as session:
        n_rows = int(read_rows(session, "SELECT COUNT(*) FROM live_sessions")[0][0])
    assert f"{n_rows:,}" in words(desk.get("/feeds"))


# ------------------------------------------------------------------ checks


def test_the_counts_are_those_of_the_verdicts_of_every_sku(desk: Desk) -> None:
    serving = desk.site.app.state.serving
    desk.get("/checks")
    book, board = serving.current.engine.verdicts, desk.site.app.state.desk.board._board
    both = [book.of(sku_id, board.made_at) for sku_id in book.dossiers]
    for rule in RULES:
        told = {
            status: sum(n for key, n in board.counts.items() if key[:2] == (rule, status))
            for status in Status
        }
        true = Counter(one.of(rule).status for one in both)
        assert told == {status: true[status] for status in Status}
    assert len(board.findings) == sum(
        verdict.status in (Status.FAIL, Status.INDETERMINATE) for one in both for verdict in one
    )


def test_the_list_is_narrowed_by_the_address_and_leads_to_the_account(desk: Desk) -> None:
    desk.get("/checks")
    board = desk.site.app.state.desk.board._board
    found = next(one for one in board.findings if one.verdict.rule == "cps_floor")
    page = desk.get(f"/checks?rule=cps_floor&status={found.verdict.status}&brand_id={found.brand_id}")
    assert f'href="/skus/{found.verdict.sku_id}?brand_id={found.brand_id}"' in page
    assert "No verdict is like that" in words(desk.get("/checks?brand_id=nobody"))
    desk.get(f"/skus/{found.verdict.sku_id}?brand_id={found.brand_id}")


@pytest.mark.parametrize(
    "query", ["rule=x", "status=PASS", "reason=%00", "cursor=-1", "cursor=99999999999", "cursor=x"]
)
def test_an_address_that_cannot_be_meant_narrows_nothing(desk: Desk, query: str) -> None:
    assert "CPS floor" in words(desk.get(f"/checks?{query}"))


def test_a_wrong_observation_is_looked_at_taken_back_and_what_changed_is_told(desk: Desk) -> None:
    store = desk.site.app.state.serving.store
    with reading(store) as session:
        quote, sku, ppm = read_rows(
            session, "SELECT quote_id, sku_id, rate_ppm FROM cps_quotes ORDER BY 1 LIMIT 1"
        )[0]
    found = words(desk.get(f"/checks/retract?table=cps_quotes&key={quote}"))
    assert f"It is about SKU {sku}." in found
    assert f"{ppm / 10_000:g} %" in found
    empty = words(desk.done("/checks/retract", table="cps_quotes", key=quote, reason="  "))
    assert "Give a reason." in empty
    told = words(desk.done("/checks/retract", table="cps_quotes", key=quote, reason="seen on a copy"))
    for said in (
        "It does not count from",
        "stay answerable",
        "seen on a copy",
        f"The verdicts on SKU {sku}",
        "Now",
    ):
        assert said in told
    with reading(store) as session:
        kept = read_rows(session, "SELECT table_name, row_key, reason, source FROM retractions")
    assert [tuple(row) for row in kept] == [("cps_quotes", quote, "seen on a copy", "operator")]
    again = words(desk.get(f"/checks/retract?table=cps_quotes&key={quote}"))
    assert "It was retracted at" in again
    assert desk.site.app.state.serving.is_behind or desk.site.app.state.serving.current is not None


def test_what_is_not_there_or_cannot_be_retracted_is_not(desk: Desk) -> None:
    assert "There is no such row" in words(desk.get("/checks/retract?table=offers&key=nothing"))
    assert desk.send("/checks/retract", table="offers", key="nothing", reason="x").status_code == 404
    assert desk.send("/checks/retract", table="anchors", key="a1", reason="x").status_code == 422
    desk.get("/checks/retracted?table=offers&key=nothing", status=404)


def test_a_large_library_is_gone_through_beside_the_request(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.pages.operator_findings.AT_ONCE", 10)
    desk.site.app.state.desk.board.__init__()
    first = desk.client.get("/checks")
    assert "Going through the SKUs" in first.text
    assert first.headers["refresh"] == "3"
    assert "ever stored" in words(desk.settled("/checks"))
