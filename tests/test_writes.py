"""Are rows from a program taken and refused as those of files are, all of them or none, in words that echo nothing?"""

import string
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from api.row_words import row_fault
from api.writes import write_rows
from features.errors import FenxiaoError, ForeignRow, RowsRefused, TableForbidden, UnknownId
from features.store.db import open_engine, read_rows, reading, writing
from features.store.intake.rejects import Code
from features.store.migrations import upgrade
from features.store.tables import TABLES
from features.units import microseconds
from good_rows import GOOD
from writers import ANCHOR, B1, JOB, NOW, OPERATOR, brief, contents, faults, fill, refused, write

WRITTEN = list(GOOD)
CANARY = "canary0canary"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store that holds the good rows; tests that use it leave it as it is."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('market') / 'store.db'}")
    upgrade(engine)
    fill(engine)
    yield engine
    engine.dispose()


def stored(store: Engine, sql: str) -> list[tuple[Any, ...]]:
    with reading(store) as session:
        return [tuple(row) for row in read_rows(session, sql)]


def test_an_operator_writes_every_table_and_the_same_rows_again_are_no_news(store: Engine) -> None:
    assert [write(store, table, GOOD[table]) for table in WRITTEN] == [(1, 0)] * len(WRITTEN)
    before = contents(store)
    assert [write(store, table, GOOD[table]) for table in WRITTEN] == [(0, 1)] * len(WRITTEN)
    assert contents(store) == before


def test_rows_keep_who_supplied_them(sqlite_store: Engine) -> None:
    write(sqlite_store, "brands", GOOD["brands"], caller=B1)
    write(sqlite_store, "brands", GOOD["brands"] | {"brand_id": "b2"}, caller=JOB)
    write(sqlite_store, "brands", GOOD["brands"] | {"brand_id": "b3"}, caller=OPERATOR)
    assert stored(sqlite_store, "SELECT source FROM brands ORDER BY brand_id") == [
        ("brand:b1",),
        ("job",),
        ("operator",),
    ]


def test_rows_from_a_program_are_stored_as_those_of_a_file_are(sqlite_store: Engine) -> None:
    row = GOOD["skus"] | {
        "refund_rate": 4.5,
        "denied_anchor_ids": ["a1"],
        "channel_exclusive": False,
        "stock": "12",
        "title": "  面膜\u3000",
        "min_tier": None,
        "sample": "",
    }
    for table in ("brands", "anchors", "skus"):
        write(sqlite_store, table, GOOD[table])
    assert write(sqlite_store, "skus", row) == (0, 1)


def test_a_number_keeps_its_digits(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    big = {"list_price_fen": 2**53 + 1, "sku_id": "s9"}
    write(sqlite_store, "skus", GOOD["skus"] | big)
    found = stored(sqlite_store, "SELECT list_price_fen, refund_rate_ppm FROM skus WHERE sku_id = 's9'")
    assert found == [(2**53 + 1, 45_000)]


def test_nothing_to_write_is_nothing_written(market: Engine) -> None:
    assert write(market, "skus") == (0, 0)


def test_a_changed_row_is_a_version_that_holds_from_now(sqlite_store: Engine) -> None:
    write(sqlite_store, "brands", GOOD["brands"])
    assert write(sqlite_store, "brands", GOOD["brands"] | {"stage": "self_live"}) == (1, 0)
    assert write(sqlite_store, "brands", GOOD["brands"] | {"stage": "self_live"}) == (0, 1)
    rows = stored(sqlite_store, "SELECT stage, known_at FROM brands ORDER BY known_at")
    assert rows == [("new", 0), ("self_live", microseconds(NOW))]


def test_a_row_may_say_since_when_it_is_known(sqlite_store: Engine) -> None:
    at = NOW - timedelta(days=3)
    write(sqlite_store, "brands", GOOD["brands"] | {"observed_at": at.isoformat()})
    assert stored(sqlite_store, "SELECT known_at FROM brands") == [(microseconds(at),)]


def test_after_the_last_instant_there_is_no_version(sqlite_store: Engine) -> None:
    write(sqlite_store, "brands", GOOD["brands"] | {"observed_at": "9999-12-31T23:59:59.999999Z"})
    refusal = refused(sqlite_store, "brands", GOOD["brands"] | {"stage": "self_live"})
    assert ([brief(fault) for fault in refusal.faults], refusal.conflict) == (
        [(0, "stage", "KEY_CONFLICT")],
        True,
    )


@pytest.mark.parametrize("table", ["programmes", "cps_quotes", "offers", "events", "listings"])
def test_another_content_under_a_known_key_is_a_conflict(table: str, market: Engine) -> None:
    column, value = {
        "programmes": ("name", "x"),
        "cps_quotes": ("platform", "x"),
        "offers": ("item_price_fen", 1),
        "events": ("name", "x"),
        "listings": ("units", 4),
    }[table]
    refusal = refused(market, table, GOOD[table] | {column: value})
    assert refusal.conflict
    assert [brief(fault) for fault in refusal.faults] == [(0, column, "KEY_CONFLICT")]


def test_a_conflict_beside_another_fault_is_no_mere_conflict(market: Engine) -> None:
    refusal = refused(
        market, "offers", GOOD["offers"] | {"item_price_fen": 1}, GOOD["offers"] | {"quantity": 0}
    )
    assert not refusal.conflict
    assert [brief(fault) for fault in refusal.faults] == [
        (0, "item_price_fen", "KEY_CONFLICT"),
        (1, "quantity", "OUT_OF_RANGE"),
    ]


def test_a_row_that_comes_twice_in_a_batch_counts_once_and_may_not_contradict_itself(
    sqlite_store: Engine,
) -> None:
    fill(sqlite_store)
    row = GOOD["offers"] | {"offer_id": "o9"}
    assert faults(sqlite_store, "offers", row, row | {"item_price_fen": 1}) == [
        (1, "item_price_fen", "KEY_CONFLICT")
    ]
    assert write(sqlite_store, "offers", row, row) == (1, 1)


def test_one_bad_row_keeps_all_of_a_batch_out_and_every_bad_row_is_named_once(store: Engine) -> None:
    fill(store)
    rows = [GOOD["offers"] | {"offer_id": f"n{number}"} for number in range(6)]
    rows[1] |= {"sku_id": "s9", "event_id": "e9"}
    rows[2] |= {"colour": "red"}
    rows[4] |= {"item_price_fen": 1.5, "quantity": 0}
    before = contents(store)
    with writing(store) as session:
        with pytest.raises(RowsRefused) as raised:
            write_rows(session, "offers", [*rows, "a row", None], caller=OPERATOR, now=NOW)  # type: ignore[list-item]
        assert write_rows(session, "offers", [rows[0]], caller=OPERATOR, now=NOW).n_new == 1
    assert [brief(fault) for fault in raised.value.faults] == [
        (1, "sku_id", "UNKNOWN_ID"),
        (2, "", "UNKNOWN_COLUMN"),
        (4, "quantity", "OUT_OF_RANGE"),
        (6, "", "BAD_JSON"),
        (7, "", "BAD_JSON"),
    ]
    assert not raised.value.conflict
    after = contents(store)
    assert len(after.pop("offers")) == len(before.pop("offers")) + 1
    assert after == before


DEEP: Any = CANARY
for _ in range(50_000):
    DEEP = [DEEP]

# Table, what is wrong with an otherwise good row, then the column and the code to expect.
BROKEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("skus", {"sku_id": 9007199254740993}, "sku_id", "NUMBER_AS_ID"),
    ("skus", {"sku_id": 10**6_000}, "sku_id", "NUMBER_AS_ID"),
    ("skus", {"sku_id": True}, "sku_id", "BAD_ID"),
    ("skus", {"sku_id": f"{CANARY}\0"}, "sku_id", "BAD_ID"),
    ("skus", {"sku_id": f"{CANARY}\ud800"}, "sku_id", "NOT_UTF8"),
    ("skus", {"sku_id": None}, "sku_id", "MISSING"),
    ("skus", {"sku_id": DEEP}, "sku_id", "BAD_ID"),
    ("skus", {"sku_id": {CANARY: CANARY}}, "sku_id", "BAD_ID"),
    ("skus", {"brand_id": CANARY}, "brand_id", "UNKNOWN_ID"),
    ("skus", {"title": f"{CANARY}\0"}, "title", "BAD_TEXT"),
    ("skus", {"title": f"{CANARY}\udfff"}, "title", "NOT_UTF8"),
    ("skus", {"title": CANARY * 4_000}, "title", "BAD_TEXT"),
    ("skus", {"title": 2**64}, "title", "OUT_OF_RANGE"),
    ("skus", {"title": DEEP}, "title", "BAD_TEXT"),
    ("skus", {"category": f"{CANARY}//x"}, "category", "BAD_TEXT"),
    ("skus", {"list_price_fen": 99.0}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"list_price_fen": 99.5}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"list_price_fen": float("nan")}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"list_price_fen": CANARY}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"list_price_fen": -1}, "list_price_fen", "OUT_OF_RANGE"),
    ("skus", {"list_price_fen": 2**63}, "list_price_fen", "OUT_OF_RANGE"),
    ("skus", {"list_price_fen": -(10**6_000)}, "list_price_fen", "OUT_OF_RANGE"),
    ("skus", {"list_price_fen": DEEP}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"list_price_fen": True}, "list_price_fen", "BAD_NUMBER"),
    ("skus", {"stock": [1]}, "stock", "BAD_NUMBER"),
    ("skus", {"status": CANARY}, "status", "BAD_CHOICE"),
    ("skus", {"status": [CANARY]}, "status", "BAD_TEXT"),
    ("skus", {"refund_rate": CANARY}, "refund_rate", "BAD_RATE"),
    ("skus", {"refund_rate": 101}, "refund_rate", "BAD_RATE"),
    ("skus", {"refund_rate_unit": CANARY}, "refund_rate_unit", "BAD_UNIT"),
    ("skus", {"refund_rate_unit": None}, "refund_rate_unit", "BAD_UNIT"),
    ("skus", {"refund_rate_unit": DEEP}, "refund_rate_unit", "BAD_TEXT"),
    ("skus", {"launched_on": CANARY}, "launched_on", "BAD_DATE"),
    ("skus", {"retired_on": "2025-02-28"}, "retired_on", "BAD_WINDOW"),
    ("skus", {"authorised_until": CANARY}, "authorised_until", "BAD_INSTANT"),
    ("skus", {"channel_exclusive": CANARY}, "channel_exclusive", "BAD_FLAG"),
    ("skus", {"denied_anchor_ids": ["a1", CANARY]}, "denied_anchor_ids", "UNKNOWN_ID"),
    ("skus", {"denied_anchor_ids": ["a1", 7]}, "denied_anchor_ids", "BAD_ID"),
    ("skus", {"denied_anchor_ids": 7}, "denied_anchor_ids", "NUMBER_AS_ID"),
    ("skus", {"equivalent_sku_id": CANARY}, "equivalent_sku_id", "UNKNOWN_ID"),
    ("skus", {"observed_at": "2026-11-22"}, "observed_at", "BAD_INSTANT"),
    ("skus", {CANARY: 1}, "", "UNKNOWN_COLUMN"),
    ("skus", {f"{CANARY}\ud800": 1}, "", "UNKNOWN_COLUMN"),
    ("skus", {"known_at": 0}, "", "UNKNOWN_COLUMN"),
    ("skus", {"source": "operator"}, "", "UNKNOWN_COLUMN"),
    ("skus", {"refund_rate_ppm": 1}, "", "UNKNOWN_COLUMN"),
    ("cps_quotes", {"rate_high": "1"}, "rate_high", "BAD_RANGE"),
    ("offer_promotions", {"promotion_id": "pr9", "off_fen": None}, "off_fen", "INCOMPLETE"),
    ("audiences", {"role": "viewer", "share": 0.5}, "share", "SHARES_SUM"),
    ("audiences", {"share": DEEP}, "share", "BAD_NUMBER"),
    ("enrolments", {"valid_from": 1_767_196_800}, "valid_from", "BAD_INSTANT"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "wrong", "column", "code"),
    BROKEN,
    ids=[f"{number}-{column}-{code}" for number, (_, _, column, code) in enumerate(BROKEN)],
)
def test_a_bad_row_is_named_with_its_column_its_code_and_words_that_echo_nothing(
    table: str, wrong: dict[str, Any], column: str, code: str, market: Engine
) -> None:
    (fault,) = refused(market, table, GOOD[table] | wrong).faults
    assert brief(fault) == (0, column, code)
    assert column in fault.sentence
    assert column in fault.sentence_zh
    assert CANARY not in fault.sentence + fault.sentence_zh


def test_an_unknown_column_is_told_by_its_place_with_those_that_are_known(market: Engine) -> None:
    (fault,) = refused(market, "brands", {"brand_id": "b1", "colour": "red", "name": "x"}).faults
    assert fault.sentence == (
        "name 2 in it is no column of brands; the columns (* required) are "
        "brand_id*, observed_at, name*, brand_type, stage"
    )
    assert "brand_id*, observed_at, name*" in fault.sentence_zh


def test_so_many_rows_and_no_more(market: Engine) -> None:
    assert write(market, "brands", *[GOOD["brands"]] * 10_000) == (0, 10_000)
    assert faults(market, "brands", *[GOOD["brands"]] * 10_001) == [(10_000, "", "TOO_MANY_ROWS")]


def test_a_long_chain_of_rows_that_fall_with_each_other_is_judged_at_once(market: Engine) -> None:
    chain = [
        GOOD["skus"] | {"sku_id": f"c{number}", "equivalent_sku_id": f"c{number + 1}"}
        for number in range(9_999)
    ]
    began = monotonic()
    found = faults(market, "skus", *chain, {"sku_id": "c9999", "brand_id": "b1"}, caller=B1)
    assert (found[0], len(found)) == ((0, "equivalent_sku_id", "UNKNOWN_ID"), 10_000)
    assert monotonic() - began < 20  # a pass over all for each that falls would take minutes


def test_what_is_no_table_of_theirs_is_refused_whatever_the_rows(market: Engine) -> None:
    with pytest.raises(UnknownId, match="the tables are brands, "):
        write(market, "api_keys", {})
    with pytest.raises(TableForbidden, match="feedback come from the operator"):
        write(market, "feedback", GOOD["feedback"], caller=B1)
    with pytest.raises(TableForbidden, match="not in the role anchor"):
        write(market, "anchors", GOOD["anchors"], caller=ANCHOR)


def test_every_code_has_words_for_every_column_in_both_languages() -> None:
    every = [
        row_fault(0, code, table, column)
        for code in Code
        for table in TABLES.values()
        for column in table.file_columns
    ]
    for fault in every:
        assert fault.column in fault.sentence
        assert fault.column in fault.sentence_zh
        assert "{" not in fault.sentence.replace("{1,64}", "")
        assert set(fault.sentence_zh) - set(string.printable)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["b1", "s1", "s2", "o1", "a1", "2026-01-01T00:00:00Z", "2026-01-01", "percent", "\ud800", "\0", "9" * 30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def arbitrary_rows(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A table, and rows some of whose columns are hers, some of whose values could be."""
    table = draw(st.sampled_from(WRITTEN))
    names = st.sampled_from([*TABLES[table].file_columns, "x"])
    row = st.dictionaries(names, JSON, max_size=6).map(lambda wrong: GOOD[table] | wrong)
    return table, draw(st.lists(row | st.dictionaries(names, JSON) | JSON, min_size=1, max_size=4))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=arbitrary_rows(), caller=st.sampled_from([OPERATOR, B1]))
def test_whatever_comes_in_is_written_whole_or_refused_whole(
    asked: tuple[str, list[Any]], caller: Any, market: Engine
) -> None:
    table, rows = asked
    before = contents(market)
    with writing(market) as session:
        try:
            written = write_rows(session, table, rows, caller=caller, now=NOW)
        except RowsRefused as error:
            outcome: Any = [fault.index for fault in error.faults]
        except (ForeignRow, TableForbidden) as error:
            outcome = error
        else:
            outcome = written.n_new + written.n_unchanged
            session.rollback()
    assert contents(market) == before
    if isinstance(outcome, list):
        assert sorted(set(outcome)) == outcome
        assert set(outcome) <= set(range(len(rows)))
    else:
        assert outcome == len(rows) or caller is B1


def test_what_the_store_itself_refuses_is_a_fault_that_leaves_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    upgrade(engine)
    with writing(engine) as session:
        session.connection().exec_driver_sql("DROP TABLE brands")
    with writing(engine) as session, pytest.raises(FenxiaoError, match="did not take the rows"):
        write_rows(session, "brands", [GOOD["brands"]], caller=OPERATOR, now=NOW)
    engine.dispose()
