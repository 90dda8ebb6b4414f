"""Does `matcher keys` hand a key out once, show whose keys there are, and take one back?"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from api.commands import main
from api.security import KeyRing
from features.store.db import writing
from features.store.tables import Brand
from features.units import DAWN, shanghai_time


class Say:
    """Runs `matcher keys ...` on the store; what it printed, on stderr where it failed."""

    def __init__(self, store: Engine, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.home, self.capsys = store, home, capsys

    def __call__(self, *arguments: str, code: int = 0, url: str | None = None) -> str:
        self.capsys.readouterr()
        named = ["--database", url or self.store.url.render_as_string(), "--home", str(self.home)]
        with pytest.raises(SystemExit) as end:
            main(["keys", *arguments, *named])
        printed = self.capsys.readouterr()
        assert end.value.code == code, printed
        return printed.err if code else printed.out

    def create(self, *arguments: str) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self("create", *arguments, "--json"))
        return made

    def listed(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self("list", "--json"))["keys"]
        return rows

    def opens(self, key: str) -> bool:
        return KeyRing(self.store, lambda: datetime.now(UTC)).identify(key) is not None


@pytest.fixture
def say(sqlite_store: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    with writing(sqlite_store) as session:
        session.add(Brand(brand_id="B1", name="Brand", known_at=DAWN, source="operator"))
    return Say(sqlite_store, tmp_path / "home", capsys)


def test_a_key_that_was_made_is_printed_as_promised_and_opens(say: Say) -> None:
    made = say.create("--role", "brand", "--subject", "B1")
    assert set(made) == {"id", "key", "role", "subject", "expires_at"}
    assert (made["role"], made["subject"]) == ("brand", "B1")
    assert say.opens(made["key"])


def test_without_json_the_key_stands_alone_on_its_line_and_is_not_shown_again(say: Say) -> None:
    key, sentence = say("create", "--role", "operator").splitlines()
    assert say.opens(key)
    assert sentence.endswith("it is not shown again")
    for listed in (say("list"), say("list", "--json")):
        assert key not in listed
        assert key.removeprefix("fx_") not in listed


def life_of(made: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)


@pytest.mark.parametrize(("option", "days"), [((), 365), (("--expires-in-days", "1"), 1)])
def test_a_key_holds_for_as_long_as_was_said_or_a_year(say: Say, option: tuple[str, ...], days: int) -> None:
    life = life_of(say.create("--role", "job", *option))
    assert timedelta(days=days, minutes=-5) < life <= timedelta(days=days)


@pytest.mark.parametrize(
    ("until", "instant"),
    [
        ("2999-01-01", "2998-12-31T16:00:00+00:00"),
        ("2999-01-01T08:30:00+08:00", "2999-01-01T00:30:00+00:00"),
    ],
)
def test_a_key_may_hold_until_a_day_or_an_instant(say: Say, until: str, instant: str) -> None:
    assert say.create("--role", "job", "--expires-at", until)["expires_at"] == instant


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--role", "root"), "name brand, anchor, operator or job"),
        (("--role", "brand"), "needs a subject"),
        (("--role", "brand", "--subject", "B2"), "holds no brand 'B2'"),
        (("--role", "job", "--subject", "B1"), "leave out the subject"),
        (("--role", "job", "--expires-in-days", "0"), "--expires-in-days"),
        (("--role", "job", "--expires-in-days", "3651"), "--expires-in-days"),
        (("--role", "job", "--expires-at", "2020-01-01"), "of no use"),
        (("--role", "job", "--expires-at", "tomorrow"), "--expires-at: 'tomorrow' is no instant"),
        (("--role", "job", "--expires-at", "2999-01-01", "--expires-in-days", "3"), "name one of them"),
        (("--role", "job", "--note", "a\nb"), "one line"),
        ((), "--role"),
    ],
    ids=" ".join,
)
def test_a_key_that_cannot_be_meant_is_wrong_input_and_not_made(
    say: Say, arguments: tuple[str, ...], words: str
) -> None:
    assert words in say("create", *arguments, code=2)
    assert say.listed() == []


def test_the_list_tells_whose_keys_there_are_and_when_they_were_used(say: Say) -> None:
    assert "no key was made yet" in say("list")
    used = say.create("--role", "brand", "--subject", "B1", "--note", "旗舰店 shop")
    unused = say.create("--role", "operator")
    at = datetime(2026, 11, 11, tzinfo=UTC)
    ring = KeyRing(say.store, lambda: at)
    assert ring.identify(used["key"])
    ring.flush(say.store)
    first, second = say.listed()
    assert (first["id"], first["role"], first["subject"], first["note"]) == (
        used["id"],
        "brand",
        "B1",
        "旗舰店 shop",
    )
    assert (first["last_used_at"], first["revoked_at"]) == ("2026-11-11T00:00:00+00:00", None)
    assert (second["id"], second["subject"], second["last_used_at"]) == (unused["id"], None, None)
    assert set(first) == {
        *("id", "role", "subject", "note"),
        *("created_at", "expires_at", "revoked_at", "last_used_at"),
    }
    words = say("list")
    for said in (used["id"], unused["id"], "旗舰店 shop", "2026-11-11 08:00 (Shanghai)"):
        assert said in words
    assert shanghai_time(datetime.fromisoformat(used["expires_at"])) in words


def test_a_revoked_key_opens_nothing_and_revoking_it_again_says_since_when(say: Say) -> None:
    made = say.create("--role", "operator")
    other = say.create("--role", "operator")
    since = json.loads(say("revoke", made["id"], "--json"))
    assert since == json.loads(say("revoke", made["id"], "--json"))
    assert since["id"] == made["id"]
    assert f"opens nothing since {shanghai_time(datetime.fromisoformat(since['revoked_at']))}" in say(
        "revoke", made["id"]
    )
    assert (say.opens(made["key"]), say.opens(other["key"])) == (False, True)
    assert [row["revoked_at"] for row in say.listed()] == [since["revoked_at"], None]


def test_a_key_that_was_never_made_cannot_be_revoked(say: Say) -> None:
    assert "there is no key 'k_0'" in say("revoke", "k_0", code=2)


def test_the_first_key_makes_the_store_and_a_reader_does_not(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "new" / "store.db"
    for reader in (["list"], ["revoke", "k_0"]):
        assert "no store at" in say(*reader, code=2, url=f"sqlite:///{file}")
        assert not file.exists()
    say("create", "--role", "operator", url=f"sqlite:///{file}")
    assert file.exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ("create", "list", "revoke")),
        (("create",), ("brand, anchor, operator or job", "[default: 365]", "once")),
        (("list",), ("never the key",)),
        (("revoke",), ("within a second",)),
    ],
    ids=" ".join,
)
def test_help_helps(
    command: tuple[str, ...],
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main(["keys", *command, "--help"])
    assert end.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in words), printed
