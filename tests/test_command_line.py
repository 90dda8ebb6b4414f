"""Does the console script stand, and does each kind of error end it with its promised code?"""

import subprocess
import sys
from pathlib import Path

import pytest

from api.commands import app, main
from api.stores import open_store
from features.errors import Fault, FenxiaoError, Refused, WrongInput
from features.settings import read_settings


def end_of(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def test_help_is_given_and_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("--help") == 0
    assert "Matches brands" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("--version") == 0
    assert capsys.readouterr().out.startswith("fenxiao 0.")


def test_help_waits_for_no_heavy_library() -> None:
    heavy = "{'lightgbm', 'matplotlib', 'numba', 'numpy', 'polars', 'pyarrow', 'scipy', 'sqlalchemy'}"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, api.commands; print(sorted({heavy} & set(sys.modules)))"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout == "[]\n"


def test_an_unknown_command_is_wrong_input() -> None:
    assert end_of("no-such-command") == 2


@pytest.mark.parametrize(("kind", "code"), [(WrongInput, 2), (Refused, 3), (Fault, 1)])
def test_an_error_of_ours_is_shown_as_its_message_and_ends_with_its_code(
    kind: type[FenxiaoError], code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "registered_commands", [])

    @app.command("fail")
    def _fail() -> None:
        raise kind("what, which, and what to do next")

    assert end_of("fail") == code
    assert capsys.readouterr().err == "matcher: what, which, and what to do next\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no database at all " * 99, "cannot be opened"), (b"", "")],
    ids=["garbage", "empty"],
)
def test_a_file_that_is_no_database_is_a_fault_and_an_empty_one_becomes_one(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(content)
    settings = read_settings(database_url=f"sqlite:///{file}")
    if said:
        with pytest.raises(Fault, match=said):
            open_store(settings)
    else:
        open_store(settings).dispose()


def test_a_database_server_that_does_not_answer_is_a_fault_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be opened"):
        open_store(read_settings(database_url=f"postgresql+psycopg://me:secret@/x?host={tmp_path}"))


def test_a_folder_that_cannot_be_made_is_wrong_input() -> None:
    with pytest.raises(WrongInput, match="cannot be made"):
        open_store(read_settings(database_url="sqlite:////dev/null/store.db"))
