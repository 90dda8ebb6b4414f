"""Which rows stand in a body, and which key in a path?"""

import json
from collections.abc import Callable
from io import BytesIO
from itertools import count
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from api.bodies import MOST_ROWS, key_row, read_batch, read_row
from features.errors import RowFault, RowsRefused, UnknownId
from features.store.db import read_rows, reading
from features.store.tables import TABLES
from good_rows import GOOD
from writers import brief, fill, refused, write

ROWS = [{"brand_id": "b1", "name": "青瓷"}, {"brand_id": "b2", "name": "白鹿", "stage": None}]


def read(body: bytes | str) -> list[Any]:
    """The rows, faults without their words."""
    lines = BytesIO(body if isinstance(body, bytes) else body.encode())
    return [brief(row) if isinstance(row, RowFault) else row for row in read_batch(lines)]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        f" \r\n\t{json.dumps(ROWS)}\r\n\n",
        "\ufeff" + json.dumps(ROWS),
        "\n".join(map(json.dumps, ROWS)),
        "\n\n".join(map(json.dumps, ROWS)) + "\r\n",
        "\ufeff" + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
    ],
    ids=map(str, count()),
)
def test_an_array_and_lines_hold_the_same_rows(body: str) -> None:
    assert read(body) == ROWS


@pytest.mark.parametrize("body", ["[]", " [ \n ] \n"])
def test_an_empty_array_has_no_rows(body: str) -> None:
    assert read(body) == []


BAD = "BAD_JSON"
GOOD_LINE = '{"a": 1}'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("", [(0, "", BAD)]),
        ("  \n", [(0, "", BAD)]),
        ("7", [(0, "", BAD)]),
        ('"x"\nnull', [(0, "", BAD), (1, "", BAD)]),
        (f"{GOOD_LINE}\n{{\n{GOOD_LINE}", [{"a": 1}, (1, "", BAD), {"a": 1}]),
        (f"{GOOD_LINE} {GOOD_LINE}", [(0, "", BAD)]),
        ('{"a": 1, "a": 1}', [(0, "", BAD)]),
        ('{"a": NaN}\n{"a": -Infinity}', [(0, "", BAD), (1, "", BAD)]),
        (f'{GOOD_LINE}\n{{"a": "\\q"}}', [{"a": 1}, (1, "", BAD)]),
        (b'{"a": 1}\n{"a": "\xe9"}\n{"a": 1}', [{"a": 1}, (1, "", "NOT_UTF8"), {"a": 1}]),
        (f"[{GOOD_LINE}, 7, {GOOD_LINE}]", [{"a": 1}, (1, "", BAD), {"a": 1}]),
        (f"[{GOOD_LINE}, ]", [{"a": 1}, (1, "", BAD)]),
        (f"[{GOOD_LINE}", [(0, "", BAD)]),
        (f"[{GOOD_LINE}] x", [(0, "", BAD)]),
        (f"[{GOOD_LINE} {GOOD_LINE}]", [(0, "", BAD)]),
        (f"[,{GOOD_LINE}]", [(0, "", BAD)]),
        ("[", [(0, "", BAD)]),
        ("[] []", [(0, "", BAD)]),
        (f"[{GOOD_LINE}, {{", [{"a": 1}, (1, "", BAD)]),
        ('[{"a": 1, "a": 2}]', [(0, "", BAD)]),
        (b'[{"a": 1}, {"a": "\xe9"}, {"a": 1}]', [{"a": 1}, (1, "", "NOT_UTF8"), {"a": 1}]),
        ("[" * 200_000, [(0, "", BAD)]),
        ('{"a": ' * 200_000, [(0, "", BAD)]),
        ('[{"a": ' + "[" * 200_000, [(0, "", BAD)]),
        ('{"a": ' + "9" * 100_000 + "}", [(0, "", BAD)]),
    ],
    ids=map(str, count()),
)
def test_what_cannot_be_read_takes_its_row_s_place(body: bytes | str, found: list[Any]) -> None:
    assert read(body) == found


def test_reading_stops_at_the_first_row_too_many() -> None:
    for row, start, end in (("{}", "[", "]"), ("{}\n", "", ""), ("7\n", "", "")):
        mark = "," if start else ""
        assert len(read(start + mark.join([row] * MOST_ROWS) + end)) == MOST_ROWS
        with pytest.raises(RowsRefused) as raised:
            read(start + mark.join([row] * 5_000_000) + end)
        assert [brief(fault) for fault in raised.value.faults] == [(MOST_ROWS, "", "TOO_MANY_ROWS")]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b" " * 2**24,
        b"[{}" + b" " * 2**24,
        b'[{"' + b"a" * 2**24,
        b'["' + b"\\u0061" * (2**24 // 6) + b'"]',
        b"[" + b'{"a":"\xff"},' * 9_999 + b" " * 2**24,
        b'{"a":' + b"1." + b"9" * 2**24 + b"}",
        b"\n" * 2**22 + b"\r\n" * 2**22,
        b'{"a"\n' * 9_999,
    ],
    ids=map(str, count()),
)
def test_the_longest_bodies_are_read_at_once(body: bytes) -> None:
    began = monotonic()
    assert len(read(body)) <= MOST_ROWS
    assert monotonic() - began < 5


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | st.text('[]{}",:1a \n\\\ud800', max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_rows_or_faults_in_their_places(body: bytes) -> None:
    for index, row in enumerate(read_batch(BytesIO(body))):
        assert isinstance(row, dict) or row.index == index


@given(
    st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), min_size=1)
)
def test_whatever_json_can_say_is_read_as_it_was_said(rows: list[dict[str, Any]]) -> None:
    assert read(json.dumps(rows)) == rows
    assert read("\n".join(map(json.dumps, rows))) == rows


def test_numbers_keep_their_digits_on_the_way_in(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    plan = json.dumps(GOOD["plans"] | {"plan_id": "pl9", "rate": "@"}).replace('"@"', "12.3456")
    write(sqlite_store, "plans", *read_batch([plan.encode()]))
    with reading(sqlite_store) as session:
        assert [
            tuple(row) for row in read_rows(session, "SELECT rate_ppm FROM plans WHERE plan_id = 'pl9'")
        ] == [(123_456,)]


def test_bad_lines_and_bad_rows_are_told_together(sqlite_store: Engine) -> None:
    rows = read_batch([b'{"brand_id": 7, "name": "x"}', b"{", b'{"brand_id": "b1"}'])
    assert [brief(fault) for fault in refused(sqlite_store, "brands", *rows).faults] == [
        (0, "brand_id", "NUMBER_AS_ID"),
        (1, "", BAD),
        (2, "name", "MISSING"),
    ]


def test_one_row_is_one_object() -> None:
    assert read_row(b'\xef\xbb\xbf {"a": null} \n') == {"a": None}
    for body in (b"", b"[]", b"{}{}", b'{"a": 1, "a": 1}', b"[" * 100_000):
        with pytest.raises(RowsRefused) as raised:
            read_row(body)
        assert [brief(fault) for fault in raised.value.faults] == [(0, "", BAD)]


def unkeyed(table: str) -> tuple[str, dict[str, Any], list[str]]:
    """The key of the good row as a path has it, the row without it, and the names of its parts."""
    names = [name for name in TABLES[table].key if TABLES[table].columns[name].key]
    rest = {name: value for name, value in GOOD[table].items() if name not in names}
    return ":".join(GOOD[table][name] for name in names), rest, names


@pytest.mark.parametrize("table", TABLES)
def test_a_path_s_key_makes_the_row_whole(table: str) -> None:
    key, rest, names = unkeyed(table)
    assert key_row(table, key, rest) == GOOD[table]
    assert key_row(table, key, GOOD[table]) == GOOD[table]
    for name in names:
        assert key_row(table, key, rest | {name: GOOD[table][name]}) == GOOD[table]
        assert key_row(table, key, rest | {name: None}) == GOOD[table]


def fault_of(call: Callable[[], object]) -> tuple[int, str, str]:
    with pytest.raises(RowsRefused) as raised:
        call()
    (fault,) = raised.value.faults
    assert fault.sentence_zh
    return brief(fault)


@pytest.mark.parametrize("table", TABLES)
def test_a_body_that_names_another_key_than_the_path_is_refused(table: str) -> None:
    key, _, names = unkeyed(table)
    for name in names:
        other = {
            "valid_from": "2026-01-02T00:00:00+08:00",
            "observed_on": "2026-11-02",
            "role": "viewer",
            "dimension": "age",
        }
        wrong = GOOD[table] | {name: other.get(name, "other")}
        assert fault_of(lambda wrong=wrong: key_row(table, key, wrong)) == (0, "", "KEY_MISMATCH")  # type: ignore[misc]


def test_a_number_is_no_part_of_a_key() -> None:
    assert fault_of(lambda: key_row("skus", "7", {"sku_id": 7})) == (0, "sku_id", "NUMBER_AS_ID")
    assert fault_of(lambda: key_row("listings", "1:2", {"sku_id": 2})) == (0, "sku_id", "NUMBER_AS_ID")
    assert fault_of(lambda: key_row("anchor_stats", "a1:x", {"observed_on": 7})) == (
        0,
        "observed_on",
        "BAD_DATE",
    )


def test_ids_with_colons_are_taken_whole_where_the_key_is_one_column() -> None:
    assert key_row("skus", "a:b:c", {}) == {"sku_id": "a:b:c"}


def test_a_key_that_can_be_split_in_several_ways_needs_the_body_s_word() -> None:
    ambiguous = fault_of(lambda: key_row("listings", "l:1:s1", {"units": 1}))
    assert ambiguous == (0, "", "KEY_AMBIGUOUS")
    whole = {"live_session_id": "l:1", "sku_id": "s1"}
    assert key_row("listings", "l:1:s1", {"sku_id": "s1"}) == whole
    assert key_row("listings", "l:1:s1", {"live_session_id": "l:1"}) == whole
    assert key_row("listings", "l:1:s1", {"sku_id": "1:s1"}) == {"live_session_id": "l", "sku_id": "1:s1"}
    assert key_row("listings", "l:1:s1", whole) == whole
    assert fault_of(lambda: key_row("listings", "l:1:s1", {"sku_id": "s2"})) == (0, "", "KEY_MISMATCH")


def test_an_instant_s_own_colons_do_not_make_a_key_ambiguous() -> None:
    at = "2026-01-01T00:00:00+08:00"
    assert key_row("enrolments", f"b1:p1:{at}", {}) == {
        "brand_id": "b1",
        "programme_id": "p1",
        "valid_from": at,
    }
    assert fault_of(lambda: key_row("enrolments", f"b:1:p1:{at}", {})) == (0, "", "KEY_AMBIGUOUS")
    parted = key_row("enrolments", f"b:1:p1:{at}", {"brand_id": "b:1"})
    assert parted == {"brand_id": "b:1", "programme_id": "p1", "valid_from": at}


def test_one_instant_may_be_written_in_two_ways() -> None:
    body = {"valid_from": "2025-12-31T16:00:00Z"}
    row = key_row("enrolments", "b1:p1:2026-01-01T00:00:00+08:00", body)
    assert row == {"brand_id": "b1", "programme_id": "p1"} | body


def test_a_bucket_may_hold_colons_for_it_stands_last() -> None:
    row = key_row("audiences", "a1:2026-11-01:buyer:price_band:0:50", {"share": 1})
    assert row["bucket"] == "0:50"
    assert (row["dimension"], row["role"]) == ("price_band", "buyer")


@pytest.mark.parametrize(
    "key",
    ["", ":", "a1", "a1:", "a1:2026-02-30", "a 1:2026-11-01", ":" * 100_000, "a:" * 300, "\ud800:2026-11-01"],
    ids=map(str, count()),
)
def test_a_path_that_is_no_key_is_refused(key: str) -> None:
    assert fault_of(lambda: key_row("anchor_stats", key, {})) == (0, "", "KEY_MISMATCH")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.sampled_from(list(TABLES)),
    key=st.text(":ab12-T+Z0.\ud800\0 品", max_size=40),
    body=st.dictionaries(
        st.sampled_from(["brand_id", "programme_id", "valid_from", "sku_id", "observed_on", "role"]),
        st.none() | st.integers() | st.text("ab:1", max_size=3) | st.lists(st.none(), max_size=1),
    ),
)
def test_any_path_and_body_make_a_row_or_a_refusal(table: str, key: str, body: dict[str, Any]) -> None:
    try:
        row = key_row(table, key, body)
    except RowsRefused as error:
        faults: tuple[RowFault, ...] = error.faults
        assert {(fault.index, bool(fault.sentence)) for fault in faults} == {(0, True)}
    else:
        assert all(row[name] == value for name, value in body.items() if value not in (None, ""))


def test_there_is_no_key_without_a_table() -> None:
    with pytest.raises(UnknownId):
        key_row("api_keys", "k", {})
