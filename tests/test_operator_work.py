"""Do an operator's keys, imports and requests to be forgotten do what they say, and nothing else? Over a running site."""

import csv
import gzip
import io
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from api.pages.operator_uploads import own_name, require_bounded
from features.errors import StoreBusy, WrongInput
from features.store.db import read_rows, reading, writing
from features.store.forgetting import NEUTRAL_NAME
from features.store.tables import TABLES
from live import Live, served_copy
from operating import Desk, wait_for, words
from trained import Trained

Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with served_copy(trained, tmp_path_factory.mktemp("work")) as site:
        yield site


@pytest.fixture(scope="module")
def desk(site: Live) -> Desk:
    return Desk(site)


def rows(desk: Desk, sql: str) -> list[tuple[object, ...]]:
    with reading(desk.site.app.state.serving.store) as session:
        return [tuple(row) for row in read_rows(session, sql)]


# ------------------------------------------------------------------ keys


def made_key(page: str) -> str:
    found = [word for word in words(page).split() if word.startswith("fx_")]
    assert len(found) == 1
    return found[0]


def test_a_key_is_shown_once_opens_and_is_listed_without_itself(desk: Desk) -> None:
    answer = desk.send("/keys", role="brand", subject=desk.site.brand_id, days="30", note="Hangzhou office")
    page = desk.get(answer.headers["location"])
    key = made_key(page)
    assert "Copy it now" in words(page)
    assert key not in desk.get(answer.headers["location"])
    assert "Hangzhou office" in words(desk.get("/keys"))
    assert "My SKUs" in Desk(desk.site, key=key).get("/skus")


def test_a_key_that_another_has_made_is_not_shown(desk: Desk) -> None:
    other = Desk(desk.site, key=made_key(desk.done("/keys", role="operator", subject="", days="1", note="")))
    answer = desk.send("/keys", role="job", subject="", days="1", note="")
    assert "fx_" not in words(other.get(answer.headers["location"]))
    assert "fx_" in words(desk.get(answer.headers["location"]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"role": "brand", "subject": "", "days": "5"}, "needs an id"),
        ({"role": "brand", "subject": "nobody", "days": "5"}, "no such brand"),
        ({"role": "operator", "subject": "b1", "days": "5"}, "has none"),
        ({"role": "king", "subject": "", "days": "5"}, "needs an id"),
        ({"role": "job", "subject": "", "days": "0"}, "1 to 3650 days"),
        ({"role": "job", "subject": "", "days": "3651"}, "1 to 3650 days"),
        ({"role": "job", "subject": "", "days": "٣"}, "1 to 3650 days"),
        ({"role": "job", "subject": "", "days": "5", "note": "a\nb"}, "one line"),
    ],
)
def test_a_key_that_cannot_be_meant_is_not_made(desk: Desk, fields: dict[str, str], said: str) -> None:
    before = rows(desk, "SELECT COUNT(*) FROM api_keys")
    assert said in words(desk.done("/keys", **fields))
    assert rows(desk, "SELECT COUNT(*) FROM api_keys") == before


def test_a_revoked_key_opens_nothing_from_then_on_and_one_s_own_ends_the_session(desk: Desk) -> None:
    key = made_key(desk.done("/keys", role="operator", subject="", days="1", note="to be revoked"))
    other = Desk(desk.site, key=key)
    ((key_id,),) = rows(desk, "SELECT key_id FROM api_keys WHERE note = 'to be revoked'")
    assert "signs you out" in words(other.get("/keys"))
    answer = other.send(f"/keys/{key_id}/revoke")
    assert other.client.get(answer.headers["location"]).headers["location"].startswith("/sign-in")
    assert "Revoked" in words(desk.get("/keys?state=revoked"))
    assert desk.send("/keys/k_nothing/revoke").status_code == 404


def test_the_list_of_keys_is_narrowed_by_its_address(desk: Desk) -> None:
    assert desk.site.anchor_id in words(desk.get(f"/keys?role=anchor&subject={desk.site.anchor_id}"))
    assert "No key is like that" in words(desk.get("/keys?subject=nobody"))
    assert "yours" in words(desk.get("/keys?role=operator&state=nonsense"))


# ------------------------------------------------------------------ files handed in


def hand_in(desk: Desk, *files: tuple[str, bytes], **options: str) -> str:
    """The page of the import, once it is over."""
    answer = desk.send("/imports", files=[("files", file) for file in files], **options)
    assert answer.status_code == 303, words(answer.text)
    return desk.settled(answer.headers["location"])


def brands(*lines: str) -> bytes:
    return "\n".join(["brand_id,name", *lines, ""]).encode()


def names(desk: Desk, begin: str) -> list[tuple[object, ...]]:
    return rows(desk, f"SELECT name FROM brands WHERE brand_id LIKE '{begin}%' ORDER BY 1")


def test_good_files_are_imported_several_at_once_and_soon_in_the_snapshot(desk: Desk) -> None:
    parquet = io.BytesIO()
    pl.DataFrame({"programme_id": ["good-p"], "name": ["P"], "rules": ["cps_floor"]}).write_parquet(parquet)
    page = hand_in(
        desk,
        ("brands.csv.gz", gzip.compress(brands("good-1,一", "good-2,二"))),
        ("programmes.parquet", parquet.getvalue()),
        (
            "skus.jsonl",
            b'{"sku_id":"good-s","brand_id":"good-1","title":"T","category":"a","list_price_fen":5}\n',
        ),
    )
    assert "Everything was imported." in words(page)
    assert names(desk, "good-") == [("一",), ("二",)]
    serving = desk.site.app.state.serving
    wait_for(lambda: "good-s" in serving.current.sku_rows)
    assert not serving.is_behind
    assert words(hand_in(desk, ("brands.csv", brands("good-1,一")))).count("1") >= 1


def test_bad_rows_stop_the_import_and_are_shown_and_can_be_had(desk: Desk) -> None:
    page = hand_in(
        desk, ("brands.csv", brands("bad-1,One", "bad 2,Two", '=1+1,"=HYPERLINK(""x"")"', "bad-3,"))
    )
    text = words(page)
    assert "nothing was imported" in text
    assert names(desk, "bad-") == []
    for said in ("BAD_ID", "MISSING", "bad 2"):
        assert said in text
    address = page.partition("/rejects/")[0].rpartition('"')[2] + "/rejects/brands.csv"
    answer = desk.client.get(address)
    assert answer.headers["content-disposition"] == 'attachment; filename="rejects-brands.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["line"], row["column"], row["code"]) for row in table] == [
        ("3", "brand_id", "BAD_ID"),
        ("4", "brand_id", "BAD_ID"),
        ("5", "name", "MISSING"),
    ]
    assert table[1]["value"] == "'=1+1"
    assert "Bad rows" in words(desk.get("/imports"))
    assert Desk(desk.site, "brand").client.get(address).status_code == 403


def test_bad_rows_may_be_skipped_or_only_counted(desk: Desk) -> None:
    file = ("brands.csv", brands("skip-1,One", "skip 2,Two"))
    assert "Checked: some rows are bad" in words(hand_in(desk, file, dry_run="1"))
    assert "Checked; nothing was imported." in words(hand_in(desk, file, dry_run="1", skip_bad="1"))
    assert names(desk, "skip") == []
    assert "The good rows were imported" in words(hand_in(desk, file, skip_bad="1"))
    assert names(desk, "skip") == [("One",)]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (("brands.csv", b"id,title\n1,2\n"), "unknown columns"),
        (("brands.csv", b""), "is empty"),
        (("brands.csv.gz", b"no gzip"), "damaged"),
        (("brands.parquet", b"no parquet"), "no Parquet file"),
        (("brands.jsonl", b"\xff\xfe"), "UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_as_its_table_is_told_without_our_folders(
    desk: Desk, file: tuple[str, bytes], said: str
) -> None:
    text = words(hand_in(desk, file))
    assert said in text
    assert "nothing was imported" in text
    assert tempfile.gettempdir() not in text


@pytest.mark.parametrize(
    "name",
    ["x.csv", "brands.xlsx", "../brands.csv", "..\\..\\brands.csv", "/etc/brands.csv", "a/brands.csv", "brands.csv/", ".csv", "BRANDS.CSV", "brands", "api_keys.csv", "brands.csv\0.gz"],
)  # fmt: skip
def test_a_name_that_is_no_table_s_is_refused_and_never_used(desk: Desk, name: str) -> None:
    with pytest.raises(WrongInput, match="named after its table"):
        own_name(name)
    before = len(desk.site.app.state.desk.imports.jobs)
    if "\0" not in name:
        answer = desk.send("/imports", files=[("files", (name, brands("n,N")))])
        assert answer.status_code == 422
        assert "named after its table" in words(answer.text)
    assert len(desk.site.app.state.desk.imports.jobs) == before


def test_what_is_handed_in_lies_under_a_name_of_ours_and_is_gone_afterwards(desk: Desk) -> None:
    hand_in(desk, ("brands.csv", brands("gone-1,One")))
    job = desk.site.app.state.desk.imports.jobs[0]
    assert list(job.uploads.iterdir()) == []
    assert job.root.parent == Path(tempfile.gettempdir())
    assert {own_name(f"{table}{ending}") for table in TABLES for ending in (".csv", ".jsonl.gz")}


def test_one_name_twice_and_no_file_at_all_are_told(desk: Desk) -> None:
    twice = desk.send("/imports", files=[("files", ("brands.csv", brands("t,T")))] * 2)
    assert "handed in twice" in words(twice.text)
    assert "Choose 1 to 20 files." in words(desk.done("/imports", files=[("files", ("", b""))]))


def test_what_unpacks_to_too_much_is_refused_before_a_row_is_read(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = tmp_path / "brands.csv.gz"
    bomb.write_bytes(gzip.compress(b"0" * 3_000_000))
    require_bounded(bomb, 3_000_000)
    with pytest.raises(WrongInput, match="unpacks to more than"):
        require_bounded(bomb, 2_999_999)
    table = tmp_path / "brands.parquet"
    pl.DataFrame({"brand_id": ["x" * 1_000_000], "name": ["y"]}).write_parquet(table)
    with pytest.raises(WrongInput, match="unpacks to more than"):
        require_bounded(table, 1_000)
    monkeypatch.setattr(
        "api.pages.operator_importing.require_bounded", lambda file: require_bounded(file, 2_999_999)
    )
    assert "unpacks to more than" in words(hand_in(desk, ("brands.csv.gz", bomb.read_bytes())))


def test_a_body_beyond_the_limit_is_cut(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.middleware.UPLOAD_BODY", 100_000)
    answer = desk.send("/imports", files=[("files", ("brands.csv", b"x" * 200_000))])
    assert answer.status_code == 413


def test_there_is_one_import_at_a_time_and_a_busy_store_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = desk.site.app.state.serving.store
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with writing(store):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        answer = desk.send("/imports", files=[("files", ("brands.csv", brands("busy-1,One")))])
        page = desk.client.get(answer.headers["location"])
        assert page.headers["refresh"] == "2"
        assert "waiting for the store" in words(page.text)
        second = words(desk.done("/imports", files=[("files", ("brands.csv", brands("busy-2,Two")))]))
        assert "Another import is at work" in second
    finally:
        done.set()
        holder.join()
    assert "Everything was imported." in words(desk.settled(answer.headers["location"]))
    assert names(desk, "busy") == [("One",)]

    def refuse(_engine: object) -> object:
        raise StoreBusy("another writer")

    monkeypatch.setattr("api.pages.operator_importing.writing", refuse)
    assert "Another writer holds the store" in words(hand_in(desk, ("brands.csv", brands("busy-3,Three"))))


def test_an_import_that_is_not_remembered_is_not_found(desk: Desk) -> None:
    desk.get("/imports/0123456789abcdef", status=404)
    desk.get("/imports/0123456789abcdef/rejects/brands.csv", status=404)


# ------------------------------------------------------------------ to be forgotten


def test_an_anchor_is_forgotten_once_its_id_is_typed_and_no_page_names_it_any_more(desk: Desk) -> None:
    anchor, serving = desk.site.other_anchor_id, desk.site.app.state.serving
    ((name,),) = rows(desk, f"SELECT DISTINCT name FROM anchors WHERE anchor_id = '{anchor}'")
    hand_in(desk, ("anchors.csv", f"anchor_id,name,tier\n{anchor},{name}\0,head\n".encode()))
    held = words(desk.get(f"/privacy?anchor_id={anchor}"))
    assert str(name) in held
    wrong = words(desk.done("/privacy/forget", anchor_id=anchor, typed="a", asked_by="request 17"))
    assert "not the anchor's id" in wrong
    assert "Say on whose request" in words(
        desk.done("/privacy/forget", anchor_id=anchor, typed=anchor, asked_by=" ")
    )
    assert rows(desk, "SELECT * FROM forgotten_anchors") == []
    answer = desk.send("/privacy/forget", anchor_id=anchor, typed=anchor, asked_by="request 17")
    told = words(desk.settled(answer.headers["location"]))
    for said in (
        f"Anchor {anchor} is forgotten.",
        "request 17",
        "Nothing personal is left.",
        "Backups are not",
    ):
        assert said in told
    assert not serving.is_behind
    roster = serving.current.engine.world.snapshot.roster
    assert roster.rows["name"][serving.current.anchor_rows[anchor]] == NEUTRAL_NAME
    assert rows(desk, f"SELECT DISTINCT name FROM anchors WHERE anchor_id = '{anchor}'") == [(NEUTRAL_NAME,)]
    assert not any(job.report_of("anchors") for job in desk.site.app.state.desk.imports.jobs)
    with desk.site.client("operator") as client:
        for sku in (desk.site.sku_id, desk.site.other_sku_id):
            assert str(name) not in client.get(f"/v1/skus/{sku}/shortlist?limit=200").text


def test_nobody_unknown_is_forgotten(desk: Desk) -> None:
    assert "no such anchor" in words(desk.get("/privacy?anchor_id=nobody"))
    assert "no such anchor" in words(desk.get(f"/privacy?anchor_id={'x' * 500}"))
    assert desk.send("/privacy/forget", anchor_id="nobody", typed="nobody", asked_by="1").status_code == 404


def test_an_operator_looks_at_an_anchors_and_a_brands_pages(desk: Desk) -> None:
    assert "as an operator" in desk.get(f"/goods?anchor_id={desk.site.anchor_id}")
    assert "as an operator" in desk.get(f"/skus?brand_id={desk.site.brand_id}")
