"""Where do the settings come from, and which wins?"""

from pathlib import Path

import pytest

from features.errors import WrongInput
from features.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MATCHER_{name.upper()}", raising=False)


def test_with_nothing_set_everything_lies_under_dot_matcher() -> None:
    settings = read_settings()
    assert settings.database_url == "sqlite:///.matcher/matcher.db"
    assert settings.home == Path(".matcher")
    assert settings.policy is None


def test_what_the_command_line_names_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHER_HOME", "from-environment")
    assert read_settings().home == Path("from-environment")
    assert read_settings(home=Path("from-command-line")).home == Path("from-command-line")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHER_THREADS", "")
    assert read_settings().threads == 2


@pytest.mark.parametrize("threads", ["0", "257", "many"])
def test_a_wrong_value_names_its_variable_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("MATCHER_THREADS", threads)
    with pytest.raises(WrongInput, match=r"MATCHER_THREADS: .*; correct it"):
        read_settings()


def test_a_password_in_the_database_url_is_not_printed() -> None:
    assert "secret" not in repr(
        read_settings(database_url="postgresql+psycopg://me:secret@localhost/fenxiao")
    )


def test_there_are_at_most_eight_settings() -> None:
    assert len(Settings.model_fields) <= 8
