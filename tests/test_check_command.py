"""What does `matcher check` say of a SKU, of all of them, of what is planned, and of what was shown before?"""

import csv
import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api.commands import main

NOW = "2026-10-25T12:00:00+08:00"
TABLES = {
    "brands.csv": "brand_id,name\nB,brand\nC,other\n",
    "programmes.csv": "programme_id,name,rules\nP,flagship,cps_floor;price_parity\n",
    "enrolments.csv": "brand_id,programme_id,valid_from\nB,P,2026-01-01T00:00:00+08:00\n",
    "events.csv": "event_id,platform,kind,name,starts_at,ends_at,counts_as_big_promo\n"
    "k616,kuaishou,616,616,2026-06-01T00:00:00+08:00,2026-06-19T00:00:00+08:00,true\n"
    "k818,kuaishou,818,818,2026-08-10T00:00:00+08:00,2026-08-19T00:00:00+08:00,true\n"
    "k116,kuaishou,116,116,2026-10-20T00:00:00+08:00,2026-11-12T00:00:00+08:00,true\n"
    "t25,tmall,double_11,d,2025-10-15T00:00:00+08:00,2025-11-12T00:00:00+08:00,true\n"
    "t26,tmall,double_11,d,2026-10-15T00:00:00+08:00,2026-11-12T00:00:00+08:00,true\n",
    "skus.csv": "sku_id,brand_id,title,category,list_price_fen,status\n"
    "S,B,soap,home,1000,on\nT,C,tea,food,1000,off\n",
    "plans.csv": "plan_id,sku_id,plan_type,rate,rate_unit,valid_from\n"
    "open,S,open,10,percent,2026-01-01T00:00:00+08:00\n",
    "cps_quotes.csv": "quote_id,sku_id,platform,rate,rate_unit,observed_at\n"
    "q1,S,tmall,120,permille,2026-10-25T08:00:00+08:00\n"
    "q2,S,jd,8,percent,2026-10-25T09:00:00+08:00\n",
    "offers.csv": "offer_id,sku_id,platform,shop_kind,item_price_fen,mapping,evidence,observed_at\n"
    "o1,S,kuaishou,,1100,,,2026-10-25T10:00:00+08:00\n"
    "o2,S,tmall,flagship,1000,code,shot,2025-11-05T10:00:00+08:00\n"
    "o3,S,tmall,flagship,1200,code,shot,2026-11-05T10:00:00+08:00\n",
    "offer_promotions.csv": "promotion_id,offer_id,layer,kind,off_fen\nm1,o1,shop,coupon,50\n",
}


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "files").mkdir()
    for name, text in TABLES.items():
        (tmp_path / "files" / name).write_text(text, encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert ended("ingest", str(tmp_path / "files"), "--database", url) == 0
    return url


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def check(store: str, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*arguments: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert ended("check", "--database", store, "--json", *arguments) == code
        out = capsys.readouterr().out
        answer = json.loads(out)
        if "answers" in answer:
            return dict(answer)
        return {verdict["rule"]: verdict for verdict in answer["verdicts"]}

    return ask


def test_both_rules_answer_with_margin_evidence_and_what_would_pass(check: Any) -> None:
    answer = check("--sku", "S", "--at", NOW)
    floor, price = answer["cps_floor"], answer["price_parity"]
    assert (floor["status"], floor["reason"], floor["margin"]) == ("FAIL", "RATE_BELOW_FLOOR", -20_000)
    assert [row["id"] for row in floor["evidence"]] == ["open", "q1", "q2"]
    assert floor["nearest_rate"]["rate_ppm"] == 120_000
    assert floor["nearest_rate"]["needed_commission_fen"] == 126
    assert (price["status"], price["margin"], price["provisional"]) == ("FAIL", -50, True)
    assert price["nearest_prices"][0]["most_item_price_fen"] == 1050
    assert price["compared"][0]["ours"]["p2"] == 1050


def test_a_verdict_is_an_answer_unless_strict(check: Any) -> None:
    check("--sku", "S", "--at", NOW)
    check("--sku", "S", "--at", NOW, "--strict", code=3)
    check("--sku", "T", "--at", NOW, "--strict")


def test_before_the_event_there_is_nothing_to_compare(check: Any) -> None:
    assert check("--sku", "S", "--at", "2026-10-19T23:59:59+08:00")["price_parity"]["reason"] == "NO_EVENT"


def test_the_final_verdict_waits_for_the_same_years_double_11(check: Any) -> None:
    later = check("--sku", "S", "--event", "k116", "--at", "2026-11-12T00:00:00+08:00")["price_parity"]
    assert (later["status"], later["margin"], later["provisional"]) == ("PASS", 150, False)


def test_all_skus_ever_stored_are_in_the_file_a_row_a_rule(check: Any, tmp_path: Path) -> None:
    said = check("--all", "--at", NOW, "--out", str(tmp_path / "out.csv"))
    assert said["rows"] == 4
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sku_id", "rule", "status", "reason", "margin", "evidence", "provisional"]
    assert [(row["sku_id"], row["rule"], row["status"]) for row in rows] == [
        ("S", "cps_floor", "FAIL"),
        ("S", "price_parity", "FAIL"),
        ("T", "cps_floor", "NOT_APPLICABLE"),
        ("T", "price_parity", "NOT_APPLICABLE"),
    ]
    assert (rows[1]["margin"], rows[1]["evidence"], rows[1]["provisional"]) == ("-50", "o1;o2", "true")
    assert rows[2]["margin"] == ""
    check("--all", "--at", NOW, "--out", str(tmp_path / "out.parquet"))
    assert pl.read_parquet(tmp_path / "out.parquet")["margin"].to_list() == [-20_000, -50, None, None]


def test_a_planned_plan_and_offer_are_judged_and_not_stored(check: Any, tmp_path: Path) -> None:
    planned = {
        "plans": [{"plan_type": "open", "rate": "12", "rate_unit": "percent"}],
        "offers": [
            {"item_price_fen": 1050, "promotions": [{"layer": "item", "kind": "direct", "off_fen": 50}]}
        ],
    }
    (tmp_path / "plan.json").write_text(json.dumps(planned))
    answer = check("--sku", "S", "--at", NOW, "--plan", str(tmp_path / "plan.json"))
    assert {rule: verdict["status"] for rule, verdict in answer.items()} == {
        "cps_floor": "PASS",
        "price_parity": "PASS",
    }
    assert check("--sku", "S", "--at", NOW)["cps_floor"]["status"] == "FAIL"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no object"),
        ('{"offers": [{"item_price_fen": 9, "item_price_fen": 8}]}', "given twice"),
        (
            '{"plans": [{"plan_type": "open", "rate": 20.00000000000000001, "rate_unit": "percent"}]}',
            "whole number",
        ),
        ('{"plan": []}', "known are plans and offers"),
        ('{"plans": [{"plan_type": "open", "rate": "12"}]}', "rate_unit"),
        ('{"plans": [{"plan_type": "open", "rate": "95", "rate_unit": "percent"}]}', "90 %"),
        ('{"offers": [{"item_price_fen": 9.5}]}', "item_price_fen"),
        ('{"offers": [{"sku_id": "T", "item_price_fen": 9}]}', "the question for S"),
    ],
)
def test_a_planned_row_that_cannot_be_meant_is_refused_by_name(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str, said: str
) -> None:
    (tmp_path / "plan.json").write_text(document)
    assert ended("check", "--database", store, "--sku", "S", "--plan", str(tmp_path / "plan.json")) == 2
    assert said in capsys.readouterr().err


def test_a_retracted_quote_counts_for_the_past_alone(check: Any, store: str) -> None:
    row = ("retract", "--database", store, "--table", "cps_quotes", "--key", "q1", "--reason", "misread")
    assert ended(*row) == 0
    assert check("--sku", "S", "--at", NOW)["cps_floor"]["status"] == "FAIL"
    with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:  # as if it had been taken back then
        connection.execute("UPDATE retractions SET retracted_at = 0 + 1792900000000000")
    assert check("--sku", "S", "--at", NOW)["cps_floor"]["status"] == "PASS"
    assert ended(*row) == 0  # again: the first retraction stands


@pytest.mark.parametrize(
    ("table", "key", "code"), [("cps_quotes", "q9", 2), ("skus", "S", 2), ("offers", "o1", 0)]
)
def test_only_an_observation_that_is_there_is_retracted(store: str, table: str, key: str, code: int) -> None:
    assert ended("retract", "--database", store, "--table", table, "--key", key, "--reason", "r") == code


def test_what_was_shown_is_found_again_with_its_evidence_and_policy(
    check: Any, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version = check("--sku", "S", "--at", NOW)["cps_floor"]["policy_version"]
    check("--sku", "S", "--at", NOW)
    capsys.readouterr()
    assert ended("check", "--database", store, "--sku", "S", "--shown", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(row["rule"], row["status"], row["policy_version"]) for row in shown] == [
        ("cps_floor", "FAIL", version),
        ("price_parity", "FAIL", version),
    ]
    assert [id_ for id_, _, _ in shown[0]["evidence"]] == ["open", "q1", "q2"]


def test_the_account_for_a_person_tells_every_step(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("check", "--database", store, "--sku", "S", "--at", NOW) == 0
    out = capsys.readouterr().out
    for said in (
        "12 %",
        "floor",
        "-¥0.50 coupon m1",
        "¥10.50",
        "would pass at 12 %",
        "holds until",
        "Shanghai",
    ):
        assert said in out


@pytest.mark.parametrize(
    "arguments",
    [(), ("--sku", "S", "--all"), ("--all",), ("--sku", "S", "--out", "x.csv"), ("--sku", "nobody"),
     ("--sku", "S", "--event", "none"), ("--sku", "S", "--at", "2026-13-01"), ("--all", "--out", "x.txt")],
)  # fmt: skip
def test_what_cannot_be_meant_ends_with_2(store: str, arguments: tuple[str, ...]) -> None:
    assert ended("check", "--database", store, *arguments) == 2


def test_parity_that_does_more_than_advise_is_warned_of(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "policy.toml").write_text('[modes]\nprice_parity = "exclude_fail"\n')
    with caplog.at_level(logging.WARNING, "matcher"):
        ended("check", "--database", store, "--sku", "S", "--policy", str(tmp_path / "policy.toml"))
    assert "10 April 2026" in caplog.text


def test_an_import_warns_of_a_year_without_three_big_promotions(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.csv").write_text(
        TABLES["events.csv"].splitlines()[0]
        + "\nextra,kuaishou,day,d,2026-04-01T00:00:00+08:00,2026-04-02T00:00:00+08:00,true\n"
    )
    capsys.readouterr()
    assert ended("ingest", str(tmp_path / "events.csv"), "--database", store) == 0
    assert "2026 holds 4 big promotions of kuaishou" in capsys.readouterr().err
    assert ended("check", "--database", store, "--sku", "S", "--at", NOW) == 0
    assert "INDETERMINATE CALENDAR" in capsys.readouterr().out


def test_an_event_alone_asks_for_the_final_verdicts_of_all(check: Any) -> None:
    said = check("--event", "k116", "--at", "2026-11-12T00:00:00+08:00")
    assert (said["file"], said["rows"]) == (None, 4)
    found = {(row["rule"], row["status"]): row["skus"] for row in said["answers"]}
    assert found["price_parity", "PASS"] == 1
    rows = said["verdicts"]
    assert [row["sku_id"] for row in rows if row["rule"] == "price_parity" and row["status"] == "PASS"] == [
        "S"
    ]
    assert len(rows) == 4
    assert set(rows[0]) == {"sku_id", "rule", "status", "reason", "margin", "evidence", "provisional"}
