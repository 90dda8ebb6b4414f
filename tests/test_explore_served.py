"""Who is shown drawn places over HTTP, and what is kept of them?"""

from collections.abc import Iterator

import pytest

from features.store.db import open_engine, read_rows, reading
from journals import wait_until
from live import Live, served_copy
from matcher.explore import AMONG
from trained import Trained


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("exploring")
    (folder / "policy.toml").write_text("[lists]\nexplore_slots = 2\n")
    with served_copy(trained, folder, policy=folder / "policy.toml") as running:
        yield running


def exposures(site: Live, request_id: str) -> list[tuple[object, ...]]:
    """Rank, whether drawn, chance and how many it was drawn from, of each place, once the journal was moved."""
    serving = site.app.state.serving
    wait_until(lambda: not serving.journal._n_noted)
    serving._move(at_once=True)
    store = open_engine(site.settings.database_url)
    with reading(store) as session:
        rows = read_rows(
            session,
            "SELECT position, explored, propensity, drawn_from FROM exposures WHERE request_id = :id ORDER BY 1",
            {"id": request_id},
        )
    store.dispose()
    return [(p, bool(explored), chance, len(str(names or "").split())) for p, explored, chance, names in rows]


def test_what_a_reader_is_shown_is_drawn_anew_each_time_and_its_chances_are_kept(site: Live) -> None:
    address = f"/v1/anchors/{site.anchor_id}/goods"
    with site.client("anchor") as client:
        answers = [client.get(address, params={"limit": 10}).json() for _ in range(6)]
    assert len({tuple(line["sku_id"] for line in one["items"]) for one in answers}) > 1
    assert len({tuple(line["sku_id"] for line in one["items"][:6]) for one in answers}) == 1
    kept = exposures(site, answers[0]["request_id"])
    assert [place for place, *_ in kept] == list(range(1, 11))
    assert {(explored, chance, n) for _, explored, chance, n in kept} == {
        (False, 1.0, 0),
        (True, 1 / AMONG, AMONG),
    }
    assert [place for place, explored, *_ in kept if explored] == [7, 9]


def test_pages_of_a_drawn_list_follow_each_other_without_a_repeat(site: Live) -> None:
    seen: list[str] = []
    cursor = None
    with site.client("anchor") as client:
        for _ in range(4):
            asked = {"limit": 10} | ({"cursor": cursor} if cursor else {})
            answer = client.get(f"/v1/anchors/{site.anchor_id}/goods", params=asked).json()
            seen += [line["sku_id"] for line in answer["items"]]
            cursor = answer["next_cursor"]
    assert len(set(seen)) == len(seen) == 40


def test_an_operator_sees_the_certain_list_and_leaves_no_chances(site: Live) -> None:
    with site.client("operator") as client:
        answers = [
            client.get(f"/v1/skus/{site.sku_id}/shortlist", params={"limit": 10}).json() for _ in range(4)
        ]
    assert len({tuple(line["anchor_id"] for line in one["items"]) for one in answers}) == 1
    assert exposures(site, answers[0]["request_id"]) == []
    with site.client("brand") as client:
        answer = client.get(f"/v1/skus/{site.sku_id}/shortlist", params={"limit": 10}).json()
    assert len(exposures(site, answer["request_id"])) == len(answer["items"]) == 10
