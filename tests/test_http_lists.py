"""Do lists over HTTP say what the engine says, to whom they may, in the shapes that are promised?"""

import pytest
from pydantic import TypeAdapter

from api.schemas.lists import GoodsList, Pairing, SharedShortlists, Shortlist
from features.store.db import open_engine, read_rows, reading
from live import Live


def test_goods_are_the_engines_in_the_promised_shape(live: Live) -> None:
    with live.client("anchor") as client:
        answer = client.get(f"/v1/anchors/{live.anchor_id}/goods", params={"limit": 10, "explain": True})
    assert answer.status_code == 200, answer.text
    page = TypeAdapter(GoodsList).validate_json(answer.content)
    assert [line.rank for line in page.items] == list(range(1, 11))
    assert all(
        line.anchor_id == live.anchor_id and line.reasons and len(line.verdicts) == 2 for line in page.items
    )
    assert answer.headers["x-request-id"] == page.request_id


def test_a_shortlist_is_in_the_promised_shape(live: Live) -> None:
    with live.client("brand") as client:
        answer = client.get(f"/v1/skus/{live.sku_id}/shortlist", params={"limit": 5})
    assert answer.status_code == 200, answer.text
    page = TypeAdapter(Shortlist).validate_json(answer.content)
    assert len({line.anchor_id for line in page.items}) == len(page.items) > 0


@pytest.mark.parametrize("limit", [7, 20])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(live: Live, limit: int) -> None:
    with live.client("anchor") as client:
        address = f"/v1/anchors/{live.anchor_id}/goods"
        whole = [line["sku_id"] for line in client.get(address, params={"limit": 60}).json()["items"]]
        seen: list[str] = []
        cursor = None
        while len(seen) < 60:
            page = client.get(
                address, params={"limit": limit} | ({"cursor": cursor} if cursor else {})
            ).json()
            seen += [line["sku_id"] for line in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert seen[: len(whole)] == whole[: len(seen)]
    assert len(set(seen)) == len(seen)


def test_a_cursor_is_good_for_its_own_filters_alone(live: Live) -> None:
    with live.client("operator") as client:
        address = f"/v1/anchors/{live.anchor_id}/goods"
        cursor = client.get(address, params={"limit": 3}).json()["next_cursor"]
        other = client.get(address, params={"limit": 3, "objective": "gmv", "cursor": cursor})
    assert (other.status_code, other.json()["code"]) == (400, "bad_cursor")


def test_a_brands_skus_share_the_anchors(live: Live) -> None:
    store = open_engine(live.settings.database_url)
    with reading(store) as session:
        rows = read_rows(
            session,
            "SELECT DISTINCT sku_id FROM skus WHERE brand_id = :b ORDER BY sku_id LIMIT 4",
            {"b": live.brand_id},
        )
    store.dispose()
    asked = {"sku_ids": [row[0] for row in rows], "size": 5, "most_skus_an_anchor": 1}
    with live.client("brand") as client:
        answer = client.post(f"/v1/brands/{live.brand_id}/shortlists", json=asked)
    assert answer.status_code == 200, answer.text
    shared = TypeAdapter(SharedShortlists).validate_json(answer.content)
    anchors = [line.anchor_id for one in shared.items for line in one.items]
    assert len(anchors) == len(set(anchors)) > 0


def test_a_pairing_hides_from_each_side_what_is_the_others(live: Live) -> None:
    address = f"/v1/pairings/{live.anchor_id}/{live.sku_id}"
    seen = {}
    for role in ("anchor", "brand", "operator"):
        with live.client(role) as client:
            seen[role] = TypeAdapter(Pairing).validate_json(client.get(address).content)
    assert seen["operator"].goods.above or seen["operator"].goods.rank == 1
    assert not seen["brand"].goods.above
    assert not seen["anchor"].shortlist.above
    assert seen["brand"].shortlist.rank == seen["operator"].shortlist.rank


def test_an_unknown_parameter_is_an_error_and_is_not_echoed(live: Live) -> None:
    with live.client("anchor") as client:
        answer = client.get(f"/v1/anchors/{live.anchor_id}/goods", params={"min_prise": "evil<script>"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "evil" not in answer.text
