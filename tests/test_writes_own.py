"""Does a brand write what is its own and nothing else, and learn nothing of what is not?"""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from api.owning import BRAND_TABLES
from features.errors import ForeignRow, TableForbidden
from features.store.db import open_engine, read_rows, reading
from features.store.migrations import upgrade
from features.store.tables import TABLES
from good_rows import GOOD
from writers import B1, B2, NOW, OPERATOR, THEIRS, contents, faults, fill, refused, write

# Of each table a row that is b1's and new, and the column that says whose it is.
NEW: dict[str, tuple[dict[str, Any], str]] = {
    "brands": (GOOD["brands"] | {"name": "another"}, "brand_id"),
    "enrolments": (GOOD["enrolments"] | {"valid_from": "2026-05-01T00:00:00+08:00"}, "brand_id"),
    "skus": (GOOD["skus"] | {"sku_id": "s9"}, "brand_id"),
    "plans": (GOOD["plans"] | {"plan_id": "pl9", "anchor_ids": ["a1"]}, "sku_id"),
    "cps_quotes": (GOOD["cps_quotes"] | {"quote_id": "q9"}, "sku_id"),
    "offers": (GOOD["offers"] | {"offer_id": "o9"}, "sku_id"),
    "offer_promotions": (GOOD["offer_promotions"] | {"promotion_id": "pr9"}, "offer_id"),
}
FOREIGN = {"brand_id": "b2", "sku_id": "s2", "offer_id": "o2"}
KEYED = ("plans", "cps_quotes", "offers", "offer_promotions")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store that both brands share; tests that use it leave it as it is."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('market') / 'store.db'}")
    upgrade(engine)
    fill(engine)
    yield engine
    engine.dispose()


def turned_away(store: Engine, table: str, *rows: Any, caller: Any = B1) -> str:
    """What a brand is told of rows that are not its own; nothing may have been written."""
    before = contents(store)
    with pytest.raises(ForeignRow) as raised:
        write(store, table, *rows, caller=caller)
    assert contents(store) == before
    return str(raised.value)


def test_a_brand_writes_its_own_in_each_of_its_tables(store: Engine) -> None:
    fill(store)
    assert set(NEW) == set(BRAND_TABLES)
    assert [write(store, table, row, caller=B1) for table, (row, _) in NEW.items()] == [(1, 0)] * len(NEW)
    assert [write(store, table, row, caller=B1) for table, (row, _) in NEW.items()] == [(0, 1)] * len(NEW)
    assert [write(store, table, row, caller=B2) for table, row in THEIRS.items()] == [(0, 1)] * len(THEIRS)
    with reading(store) as session:
        sources = [
            read_rows(session, f"SELECT COUNT(*) FROM {table} WHERE source = 'brand:b1'") for table in NEW
        ]
    assert [rows[0][0] for rows in sources] == [1] * len(NEW)


def test_a_new_brand_begins_with_itself(sqlite_store: Engine) -> None:
    assert faults(sqlite_store, "skus", {**GOOD["skus"], "denied_anchor_ids": None}, caller=B1) == [
        (0, "brand_id", "UNKNOWN_ID")
    ]
    assert write(sqlite_store, "brands", GOOD["brands"], caller=B1) == (1, 0)


@pytest.mark.parametrize("table", sorted(set(TABLES) - set(BRAND_TABLES)))
def test_what_everybody_shares_is_not_a_brand_s_to_write(table: str, market: Engine) -> None:
    with pytest.raises(TableForbidden, match=f"{table} come from the operator"):
        write(market, table, GOOD[table], caller=B1)


@pytest.mark.parametrize("table", NEW)
def test_what_is_somebody_else_s_and_what_is_nobody_s_are_answered_alike(table: str, store: Engine) -> None:
    fill(store)
    row, column = NEW[table]
    theirs = turned_away(store, table, row | {column: FOREIGN[column]})
    assert turned_away(store, table, row | {column: "nobody-s"}) == theirs
    assert turned_away(store, table, row, row | {column: FOREIGN[column]}, row) == theirs


@pytest.mark.parametrize("table", NEW)
def test_what_is_no_id_at_all_is_answered_from_the_row_alone(table: str, market: Engine) -> None:
    row, column = NEW[table]
    for value, code in (
        (7, "NUMBER_AS_ID"),
        ("", "MISSING"),
        (None, "MISSING"),
        ("s 2", "BAD_ID"),
        (["s2"], "BAD_ID"),
    ):
        assert faults(market, table, row | {column: value}, caller=B1) == [(0, column, code)]


# What is wrong with a row that would take over somebody else's key; whatever it is, the answer is the same.
CONTENTS: list[dict[str, Any]] = [
    {},
    {"sku_id": "s2"},
    {"sku_id": "nobody-s"},
    {"sku_id": None},
    {"sku_id": 7},
    {"offer_id": 7},
    {"observed_at": "never"},
    {"known_at": 0},
    {"rate": -1, "item_price_fen": "x", "off_fen": 10**30},
]


@pytest.mark.parametrize("table", KEYED)
def test_a_key_of_somebody_else_s_cannot_be_taken_over_whatever_the_row_says(
    table: str, market: Engine
) -> None:
    key = TABLES[table].key[0]
    own = NEW[table][0]
    said = {
        turned_away(market, table, own | content | {key: THEIRS[table][key]})
        for content in CONTENTS
        if not (table == "offers" and "offer_id" in content)
    }
    said |= {turned_away(market, table, {key: THEIRS[table][key]})}
    assert len(said) == 1
    assert said == {turned_away(market, table, own | {NEW[table][1]: "nobody-s"})}


@pytest.mark.parametrize("wrong", [{}, {"title": None}, {"list_price_fen": "x"}, {"colour": "red"}])
def test_a_sku_of_somebody_else_s_cannot_be_taken_over(wrong: dict[str, Any], market: Engine) -> None:
    turned_away(market, "skus", GOOD["skus"] | wrong | {"sku_id": "s2"})
    turned_away(market, "skus", THEIRS["skus"] | wrong)


def test_a_sku_is_whose_it_is_now(store: Engine) -> None:
    fill(store)
    write(store, "skus", GOOD["skus"] | {"brand_id": "b2"}, now=NOW + timedelta(hours=1))
    write(
        store,
        "skus",
        THEIRS["skus"] | {"brand_id": "b1", "observed_at": (NOW + timedelta(days=2)).isoformat()},
    )
    later = NOW + timedelta(hours=2)
    before = contents(store)
    with pytest.raises(ForeignRow):
        write(store, "offers", NEW["offers"][0], caller=B1, now=later)
    with pytest.raises(ForeignRow):
        write(store, "skus", GOOD["skus"] | {"title": "mine again"}, caller=B1, now=later)
    with pytest.raises(ForeignRow):
        write(store, "plans", GOOD["plans"] | {"rate": "30"}, caller=B1, now=later)
    with pytest.raises(ForeignRow):  # not before it is
        write(store, "offers", NEW["offers"][0] | {"sku_id": "s2"}, caller=B1, now=later)
    assert contents(store) == before
    assert write(store, "offers", NEW["offers"][0], caller=B2, now=later) == (1, 0)
    assert write(store, "plans", GOOD["plans"] | {"rate": "30"}, caller=B2, now=later) == (1, 0)
    much_later = NOW + timedelta(days=3)
    assert write(store, "offers", THEIRS["offers"], caller=B1, now=much_later) == (0, 1)


def test_a_sku_that_is_yet_to_come_is_already_somebody_s(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    row = THEIRS["skus"] | {"sku_id": "s5", "observed_at": (NOW + timedelta(days=1)).isoformat()}
    write(sqlite_store, "skus", row)
    turned_away(sqlite_store, "skus", GOOD["skus"] | {"sku_id": "s5"})
    assert write(sqlite_store, "skus", row, caller=B2) == (0, 1)


def test_a_plan_of_which_any_version_is_somebody_else_s_stays_closed(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    write(sqlite_store, "plans", THEIRS["plans"] | {"sku_id": "s1"})
    turned_away(sqlite_store, "plans", THEIRS["plans"] | {"sku_id": "s1", "rate": "30"})
    turned_away(sqlite_store, "plans", THEIRS["plans"], caller=B2)


def test_an_equivalent_is_one_s_own_stored_or_in_the_same_request(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    first, second = ({"sku_id": f"s{n}", "equivalent_ratio": 2} for n in (8, 9))
    pair = [
        GOOD["skus"] | first | {"equivalent_sku_id": "s9"},
        GOOD["skus"] | second | {"equivalent_sku_id": "s1"},
    ]
    assert turned_away(sqlite_store, "skus", pair[0]) == turned_away(
        sqlite_store, "skus", pair[0] | {"equivalent_sku_id": "s2"}
    )
    turned_away(sqlite_store, "skus", *pair, GOOD["skus"] | {"sku_id": "s2"})
    assert write(sqlite_store, "skus", *pair, caller=B1) == (2, 0)


def test_what_is_everybody_s_may_be_referred_to_and_is_missed_by_name(market: Engine) -> None:
    plan = NEW["plans"][0] | {"anchor_ids": ["a1", "a9"]}
    offer = NEW["offers"][0] | {"event_id": "e9"}
    enrolment = NEW["enrolments"][0] | {"programme_id": "p9"}
    assert faults(market, "plans", plan, caller=B1) == [(0, "anchor_ids", "UNKNOWN_ID")]
    assert faults(market, "offers", offer, caller=B1) == [(0, "event_id", "UNKNOWN_ID")]
    assert faults(market, "enrolments", enrolment, caller=B1) == [(0, "programme_id", "UNKNOWN_ID")]


def test_a_brand_s_own_observations_stand_as_they_came(market: Engine) -> None:
    refusal = refused(market, "offers", GOOD["offers"] | {"item_price_fen": 1}, caller=B1)
    assert refusal.conflict


def test_a_brand_without_a_name_owns_nothing(market: Engine) -> None:
    nobody = type(B1)("brand", None, "key", None)
    for table, (row, _) in NEW.items():
        turned_away(market, table, row, caller=nobody)


def test_an_operator_writes_anybody_s(sqlite_store: Engine) -> None:
    fill(sqlite_store)
    assert write(sqlite_store, "skus", THEIRS["skus"] | {"title": "x"}, caller=OPERATOR) == (1, 0)
