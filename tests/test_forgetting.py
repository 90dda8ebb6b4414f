"""Is what was personal gone, and does it stay gone, while what was sold stays?"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from features.errors import UnknownId, WrongInput
from features.store.access import ApiKey, HiddenGoods
from features.store.db import read_rows, reading, writing
from features.store.forgetting import (
    NEUTRAL_NAME,
    ForgottenAnchor,
    Held,
    Leftover,
    all_forgotten,
    forget,
    forgotten_ids,
    held_of,
    scrub,
)
from features.store.ingest import Imported, ingest
from features.store.tables import Anchor, Audience, Feedback, LiveSession
from features.units import DAWN
from writers import NOW, write

LATER = NOW + timedelta(days=1)
NAME = "Wang Xiaoya-Personal"


@pytest.fixture
def known(store: Engine) -> Engine:
    """An anchor with two versions, a crowd, a session, feedback, a hidden SKU and a key; and another one beside."""
    with writing(store) as session:
        for one, name in (("a1", NAME), ("a2", "Somebody Else")):
            session.add(person(one, name, DAWN))
            session.add(Audience(**portrait(one), known_at=NOW, source="job"))
            session.add(HiddenGoods(anchor_id=one, kind="sku", value="s1", hidden_at=NOW))
            session.add(key(one))
            session.add(
                LiveSession(
                    live_session_id=f"l-{one}", anchor_id=one, started_at=NOW, known_at=NOW, source="job"
                )
            )
            session.add(
                Feedback(
                    event_id=f"f-{one}",
                    at=NOW,
                    anchor_id=one,
                    sku_id="s1",
                    kind="picked",
                    known_at=NOW,
                    source="job",
                )
            )
        session.add(person("a1", f"{NAME} (live)", NOW))
    return store


def person(anchor_id: str, name: str, known_at: datetime) -> Anchor:
    return Anchor(
        anchor_id=anchor_id, name=name, known_at=known_at, tier="waist", home_city_tier="2", joined_on=date(2024, 1, 1),
        denied_categories="food", source="job",
    )  # fmt: skip


def portrait(anchor_id: str) -> dict[str, Any]:
    return {
        "anchor_id": anchor_id, "observed_on": date(2026, 11, 1), "role": "viewer", "dimension": "gender",
        "bucket": "female", "share": 1.0,
    }  # fmt: skip


def key(anchor_id: str) -> ApiKey:
    return ApiKey(
        key_id=f"k-{anchor_id}",
        sha256=anchor_id * 32,
        role="anchor",
        subject=anchor_id,
        note="her phone",
        created_at=NOW,
    )


def forgotten(
    store: Engine, anchor_id: str = "a1", at: datetime = LATER, asked_by: str = "request 17"
) -> ForgottenAnchor:
    with writing(store) as session:
        return forget(session, anchor_id, asked_by=asked_by, done_by="k_1", at=at)


def rows(store: Engine, sql: str) -> list[tuple[Any, ...]]:
    with reading(store) as session:
        return [tuple(row) for row in read_rows(session, sql)]


def test_every_name_is_replaced_and_what_is_personal_is_emptied(known: Engine) -> None:
    forgotten(known)
    columns = "name, home_city_tier, joined_on, tier, denied_categories"
    assert (
        rows(known, f"SELECT {columns} FROM anchors WHERE anchor_id = 'a1'")
        == [(NEUTRAL_NAME, None, None, "waist", "food")] * 2
    )
    for table in ("audiences", "hidden_goods"):
        assert rows(known, f"SELECT anchor_id FROM {table}") == [("a2",)]
    assert rows(known, "SELECT subject, note FROM api_keys ORDER BY 1") == [("a1", None), ("a2", "her phone")]


def test_sales_facts_and_everybody_else_stay_as_they_were(known: Engine) -> None:
    before = rows(known, "SELECT * FROM anchors WHERE anchor_id = 'a2'")
    forgotten(known)
    assert rows(known, "SELECT * FROM anchors WHERE anchor_id = 'a2'") == before
    assert len(rows(known, "SELECT * FROM live_sessions")) == 2
    assert len(rows(known, "SELECT * FROM feedback")) == 2


def test_what_would_be_taken_away_is_told_first(known: Engine) -> None:
    with reading(known) as session:
        held = held_of(session, "a1")
    assert held == Held((f"{NAME} (live)", NAME), 2, 1, 1, 1, ("home_city_tier", "joined_on"))
    forgotten(known)
    with reading(known) as session:
        assert held_of(session, "a1") == Held((), 2, 0, 0, 0, ())


def test_who_asked_is_written_down_and_nothing_that_names_anybody(known: Engine) -> None:
    forgotten(known)
    with reading(known) as session:
        (record,) = all_forgotten(session)
        assert forgotten_ids(session) == {"a1"}
    assert record.model_dump() == {
        "anchor_id": "a1", "forgotten_at": LATER, "asked_by": "request 17", "done_by": "k_1", "n_versions": 2,
        "n_audience_rows": 1,
    }  # fmt: skip


def test_a_second_request_is_met_and_written_down_as_well(known: Engine) -> None:
    forgotten(known)
    forgotten(known, at=LATER + timedelta(days=1), asked_by="request 18")
    with reading(known) as session:
        assert [one.asked_by for one in all_forgotten(session)] == ["request 18", "request 17"]


def test_nobody_is_forgotten_who_is_not_stored(known: Engine) -> None:
    with pytest.raises(UnknownId, match="no anchor 'a9'"):
        forgotten(known, "a9")
    assert rows(known, "SELECT * FROM forgotten_anchors") == []


@pytest.mark.parametrize("asked_by", ["", "  ", "x" * 201, "two\nlines"])
def test_nobody_is_forgotten_without_a_word_on_whose_request(known: Engine, asked_by: str) -> None:
    with pytest.raises(WrongInput, match="on whose request"):
        forgotten(known, asked_by=asked_by)


def test_a_failure_half_way_forgets_nothing(known: Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(known) as session:
        forget(session, "a1", asked_by="request 17", done_by="k_1", at=LATER)
        raise ZeroDivisionError
    assert (NAME,) in rows(known, "SELECT name FROM anchors")


# ------------------------------------------------------------------ what comes back


def import_csv(store: Engine, folder: Path, table: str, text: str, now: datetime = LATER) -> Imported:
    file = folder / f"{table}.csv"
    file.write_text(text, encoding="utf-8")
    with writing(store) as session:
        return ingest(session, [file], now=now, rejects=folder / "rejects")


def test_an_import_that_brings_the_name_back_is_made_neutral(known: Engine, tmp_path: Path) -> None:
    forgotten(known)
    text = f"anchor_id,name,tier,home_city_tier,joined_on\na1,{NAME},head,1,2024-01-01\na2,Somebody Else,waist,2,2024-01-01\n"
    imported = import_csv(known, tmp_path, "anchors", text)
    assert (imported.is_refused, imported.tables["anchors"].n_rejected) == (False, 0)
    latest = rows(
        known,
        "SELECT name, tier, home_city_tier, joined_on FROM anchors WHERE anchor_id = 'a1' ORDER BY known_at",
    )
    assert latest[-1] == (NEUTRAL_NAME, "head", None, None)
    assert {row[0] for row in latest} == {NEUTRAL_NAME}
    assert ("Somebody Else",) in rows(known, "SELECT name FROM anchors")


def test_the_same_file_again_changes_nothing(known: Engine, tmp_path: Path) -> None:
    forgotten(known)
    text = f"anchor_id,name,tier,observed_at\na1,{NAME},head,2026-11-21T00:00:00Z\n"
    assert import_csv(known, tmp_path, "anchors", text).tables["anchors"].n_new == 1
    assert import_csv(known, tmp_path, "anchors", text).tables["anchors"].n_unchanged == 1


def test_a_portrait_of_a_forgotten_anchor_is_left_out_and_the_others_are_taken(
    known: Engine, tmp_path: Path
) -> None:
    forgotten(known)
    line = "{},2026-11-20,viewer,gender,{},{}"
    body = [line.format(one, *part) for one in ("a1", "a2") for part in (("female", 0.6), ("male", 0.4))]
    text = "\n".join(["anchor_id,observed_on,role,dimension,bucket,share", *body, ""])
    counts = import_csv(known, tmp_path, "audiences", text).tables["audiences"]
    assert (counts.n_new, counts.n_unchanged, counts.n_rejected) == (2, 2, 0)
    assert rows(known, "SELECT DISTINCT anchor_id FROM audiences") == [("a2",)]


def test_a_program_that_writes_the_name_writes_it_neutral(known: Engine) -> None:
    forgotten(known)
    assert write(known, "anchors", {"anchor_id": "a1", "name": NAME, "tier": "head"}, now=LATER) == (1, 0)
    assert {row[0] for row in rows(known, "SELECT name FROM anchors WHERE anchor_id = 'a1'")} == {
        NEUTRAL_NAME
    }


# ------------------------------------------------------------------ the bytes


def test_the_database_is_asked_to_let_go_of_the_bytes_too(known: Engine) -> None:
    forgotten(known)
    assert scrub(known) is (Leftover.NOTHING if known.dialect.name == "sqlite" else Leftover.DEAD_ROWS)


def test_on_sqlite_neither_the_file_nor_its_log_holds_the_name(sqlite_store: Engine) -> None:
    store = sqlite_store
    with writing(store) as session:
        session.add_all(person(f"b{n}", f"Other {n}", DAWN) for n in range(500))
        session.add(person("a1", NAME, DAWN))
    folder = Path(str(store.url.database)).parent
    assert any(NAME.encode() in file.read_bytes() for file in folder.glob("store.db*"))
    forgotten(store)
    assert scrub(store) is Leftover.NOTHING
    assert not any(NAME.encode() in file.read_bytes() for file in folder.glob("store.db*"))


def test_on_sqlite_a_reader_that_stays_keeps_the_log_and_that_is_told(sqlite_store: Engine) -> None:
    with writing(sqlite_store) as session:
        session.add(person("a1", NAME, DAWN))
    with reading(sqlite_store) as session:
        read_rows(session, "SELECT * FROM anchors")
        forgotten(sqlite_store, at=datetime(2026, 11, 23, tzinfo=UTC))
        assert scrub(sqlite_store) is Leftover.LOG
    assert scrub(sqlite_store) is Leftover.NOTHING
