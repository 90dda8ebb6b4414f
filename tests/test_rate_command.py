"""Does `matcher rate` answer from the store as it was known at the instant asked for?"""

import json
from pathlib import Path
from typing import Any

import pytest

from api.commands import main

TABLES = {
    "brands.csv": "brand_id,name\nB,brand\n",
    "anchors.csv": "anchor_id,name,tier\nA,Ann,waist\nC,Cee,tail\n",
    "skus.csv": "sku_id,brand_id,title,category,list_price_fen,min_tier,denied_anchor_ids\n"
    "S,B,soap,home,1000,waist,\nT,B,tea,food,1000,,A\n",
    "plans.csv": "plan_id,sku_id,plan_type,rate,rate_unit,anchor_ids,status,valid_from,valid_to,observed_at\n"
    "open,S,open,10,percent,,on,2026-01-01T00:00:00+08:00,,\n"
    "open,S,open,5,percent,,on,2026-01-01T00:00:00+08:00,,2026-06-01T00:00:00+08:00\n"
    "named,S,target_item,300,permille,A;C,on,2026-03-01T00:00:00+08:00,2026-04-01T00:00:00+08:00,\n"
    "tea,T,open,10,percent,,,2026-01-01T00:00:00+08:00,,\n",
    "live_sessions.csv": "live_session_id,anchor_id,started_at,ended_at\n"
    "L,A,2026-05-20T20:00:00+08:00,2026-05-20T23:00:00+08:00\n",
    "listings.csv": "live_session_id,sku_id,units,gmv_fen\nL,S,3,3000\n",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("files")
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    assert ended("ingest", str(folder), "--database", url) == 0
    return url


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def asked(store: str, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(*arguments: str) -> Any:
        capsys.readouterr()
        assert ended("rate", "--database", store, "--json", *arguments) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def test_without_an_anchor_the_open_rate_is_given_and_the_others_reasons(asked: Any) -> None:
    answer = asked("--sku", "S", "--at", "2026-03-15T12:00:00+08:00")
    assert (answer["rate_ppm"], answer["plan"]["plan_id"], answer["anchor_id"]) == (100_000, "open", None)
    assert [(loser["plan_id"], loser["reason"]) for loser in answer["losers"]] == [("named", "NOT_OPEN")]
    assert answer["losers"][0]["sentence"].keys() == {"zh", "en"}


def test_an_anchor_gets_the_plan_it_is_named_in_until_that_ends(asked: Any) -> None:
    answer = asked("--sku", "S", "--anchor", "A", "--at", "2026-03-31T23:59:59+08:00")
    assert (answer["rate_ppm"], answer["plan"]["anchor_ids"]) == (300_000, ["A", "C"])
    answer = asked("--sku", "S", "--anchor", "A", "--at", "2026-04-01T00:00:00+08:00")
    assert (answer["rate_ppm"], answer["losers"][0]["reason"]) == (100_000, "ENDED")


def test_an_anchor_below_the_least_tier_or_denied_gets_no_rate(asked: Any) -> None:
    low = asked("--sku", "S", "--anchor", "C", "--at", "2026-03-15")
    assert low["rate_ppm"] is None
    assert {loser["reason"] for loser in low["losers"]} == {"TIER_TOO_LOW"}
    denied = asked("--sku", "T", "--anchor", "A", "--at", "2026-03-15")
    assert (denied["plan"], [loser["reason"] for loser in denied["losers"]]) == (None, ["DENIED"])


def test_a_day_means_its_beginning_in_shanghai(asked: Any) -> None:
    assert asked("--sku", "S", "--at", "2026-06-01")["at"] == "2026-05-31T16:00:00+00:00"
    assert asked("--sku", "S", "--at", "2026-06-01")["rate_ppm"] == 50_000
    assert asked("--sku", "S", "--at", "2026-05-31")["rate_ppm"] == 100_000


def test_under_a_policy_that_locks_rates_who_was_promoting_keeps_the_old_one(
    asked: Any, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("rate_lock_days = 30\n", encoding="utf-8")
    at = ("--at", "2026-06-10")
    kept = asked("--sku", "S", "--anchor", "A", *at, "--policy", str(policy))
    assert (kept["rate_ppm"], kept["kept_until"]) == (100_000, "2026-06-30T16:00:00+00:00")
    assert kept["losers"][0]["reason"] == "RATE_FELL"
    assert asked("--sku", "S", *at, "--policy", str(policy))["rate_ppm"] == 50_000
    assert asked("--sku", "S", "--anchor", "A", *at)["rate_ppm"] == 50_000


def test_without_an_instant_the_answer_is_of_now(asked: Any) -> None:
    assert asked("--sku", "T")["plan"]["status"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sku", "X"), "no SKU X is known"),
        (("--sku", "S", "--anchor", "X"), "no anchor X is known"),
        (("--sku", "S", "--at", "2026-06-01T00:00:00"), "is no instant"),
        (("--sku", "S", "--at", "soon"), "is no instant"),
        (("--sku", "S", "--policy", "/nowhere.toml"), "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_wrong_input(
    store: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert ended("rate", "--database", store, *arguments) == 2
    assert said in capsys.readouterr().err


def test_in_words_the_winner_comes_first_and_each_loser_with_its_reason(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("rate", "--database", store, "--sku", "S", "--anchor", "A", "--at", "2026-03-15") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "SKU S, anchor A, at 2026-03-15 00:00 (Shanghai)"
    assert lines[1] == "30 % by plan named (target_item)"
    assert " ".join(lines[3].split()) == "open open 10 % a kind that comes later: target_item > open"
    assert ended("rate", "--database", store, "--sku", "S", "--at", "2025-03-15") == 0
    assert "no commission plan applies" in capsys.readouterr().out
