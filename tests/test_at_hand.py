"""Does a request whose key and SKU are in memory pass the guard without a thread, and every other one not?"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import api.deps
from live import Live, instead, served_copy
from quiet import quiet
from trained import Trained


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with served_copy(trained, tmp_path_factory.mktemp("hand")) as made, quiet():
        yield made


@pytest.fixture
def threads(site: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whom the guard has sent to a thread, while the clock of the keys stands still."""
    sent: list[str] = []
    run = api.deps.run_in_threadpool

    async def counted(work: Callable[..., Any], *arguments: Any) -> Any:
        sent.append(work.__name__)
        return await run(work, *arguments)

    monkeypatch.setattr(api.deps, "run_in_threadpool", counted)
    keys = site.app.state.serving.keys
    at = keys._clock() + timedelta(hours=1)
    with instead(keys, "_clock", lambda: at):
        yield sent


def status(site: Live, role: str | None, path: str, key: str | None = None) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with site.client(role, headers=headers) as client:
        return client.get(path).status_code


def test_a_key_goes_to_a_thread_the_first_time_and_not_the_second(site: Live, threads: list[str]) -> None:
    path = f"/v1/skus/{site.sku_id}/rate"
    assert [status(site, "brand", path) for _ in range(3)] == [200, 200, 200]
    assert threads == ["admit"]
    assert status(site, "brand", f"/v1/skus/{site.other_sku_id}/rate") == 404
    assert threads == ["admit"]  # whose it is is in memory too


def test_a_sku_that_the_snapshot_does_not_know_is_asked_of_the_store(site: Live, threads: list[str]) -> None:
    for _ in range(2):
        assert status(site, "brand", "/v1/skus/NOBODYS/rate") == 404
    assert threads == ["admit", "admit"]


def test_a_key_that_opens_nothing_is_always_looked_up(site: Live, threads: list[str]) -> None:
    wrong = "fx_" + "x" * 43
    assert [status(site, None, "/v1/models", key=wrong) for _ in range(2)] == [401, 401]
    assert threads == ["admit", "admit"]
    assert status(site, None, "/v1/models") == 401  # without a key there is nothing to look up
    assert threads == ["admit", "admit"]
