"""Do lists over HTTP say what the engine says, to whom they may, in the shapes that are promised?"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from pydantic import TypeAdapter

from api.schemas.lists import GoodsList, Pairing, SharedShortlists, Shortlist
from api.serving import Serving
from api.signing import serializer
from api.wishes import hide
from features.store.db import open_engine, read_rows, reading
from features.store.journal import Event
from live import Live, served_copy
from trained import Trained


@pytest.fixture(scope="module")
def hiding(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site in which things are hidden: other tests, which compare lists, have another."""
    with served_copy(trained, tmp_path_factory.mktemp("hiding")) as own:
        yield own


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


def test_a_page_is_as_long_as_the_first_and_need_not_be_told_so(live: Live) -> None:
    with live.client("operator") as client:
        address = f"/v1/anchors/{live.anchor_id}/goods"
        first = client.get(address, params={"limit": 3}).json()
        second = client.get(address, params={"cursor": first["next_cursor"]}).json()
        told = client.get(address, params={"cursor": first["next_cursor"], "limit": 3}).json()
        other = client.get(address, params={"cursor": first["next_cursor"], "limit": 4})
    assert [line["rank"] for line in second["items"]] == [4, 5, 6]
    assert [line["sku_id"] for line in told["items"]] == [line["sku_id"] for line in second["items"]]
    assert (other.status_code, other.json()["code"]) == (400, "bad_cursor")


def test_a_cursor_of_a_build_that_said_no_size_has_run_out(live: Live) -> None:
    with live.client("operator") as client:
        address = f"/v1/anchors/{live.anchor_id}/goods"
        cursor = client.get(address).json()["next_cursor"]
        maker = serializer(live.app.state.serving.secret, "cursor")
        binding, position = maker.loads(cursor)
        del position["size"]
        answer = client.get(address, params={"cursor": maker.dumps([binding, position])})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")


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
    assert shared.next_cursor is None
    assert shared.request_id == answer.headers["x-request-id"]
    assert {one.request_id for one in shared.items} == {shared.request_id}


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


@pytest.mark.parametrize(("limit", "status"), [(0, 422), (1, 200), (200, 200), (201, 422), (-1, 422)])
def test_a_page_has_one_to_two_hundred_lines(live: Live, limit: int, status: int) -> None:
    with live.client("operator") as client:
        for path in (f"/v1/anchors/{live.anchor_id}/goods", f"/v1/skus/{live.sku_id}/shortlist"):
            answer = client.get(path, params={"limit": limit})
            assert answer.status_code == status, answer.text
            assert status == 422 or len(answer.json()["items"]) <= limit


def test_without_a_limit_a_page_has_fifty_goods_or_twenty_anchors(live: Live) -> None:
    with live.client("operator") as client:
        for path, n in (
            (f"/v1/anchors/{live.anchor_id}/goods", 50),
            (f"/v1/skus/{live.sku_id}/shortlist", 20),
        ):
            page, whole = client.get(path).json(), client.get(path, params={"limit": 200}).json()
            assert len(page["items"]) == min(n, len(whole["items"]))


def test_the_document_tells_the_limits_of_a_page(live: Live) -> None:
    with live.client(None) as client:
        paths = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/anchors/{anchor_id}/goods", "/v1/skus/{sku_id}/shortlist"):
        (limit,) = (one for one in paths[path]["get"]["parameters"] if one["name"] == "limit")
        number = next(one for one in limit["schema"]["anyOf"] if one["type"] == "integer")
        assert (number["minimum"], number["maximum"]) == (1, 200)


INSTANTS = {
    "2026-10-22T12:00:00+08:00": True, "2026-10-22T04:00:00.5Z": True, "2026-10-22 04:00+00:00": True,
    "1790000000": False, "1790000000.5": False, "-1790000000": False, "1790000000000": False, "2026": False,
    "2026-10-22": False, "2026-10-22T12:00:00": False, "now": False,
}  # fmt: skip
"""How an instant may be written, and how not: a number is none, in digits neither."""


@pytest.mark.parametrize("text", INSTANTS)
def test_an_instant_is_written_out_with_its_offset(live: Live, text: str) -> None:
    with live.client("operator") as client:
        for path in (f"/v1/skus/{live.sku_id}/checks", f"/v1/skus/{live.sku_id}/rate"):
            answer = client.get(path, params={"at": text}, headers={"Accept-Language": "zh"})
            assert (answer.status_code == 200) == INSTANTS[text], answer.text
            if not INSTANTS[text]:
                (error,) = answer.json()["errors"]
                assert error["place"] == ["query", "at"]
                assert "时" in error["sentence"]


@pytest.mark.parametrize("at", [1_790_000_000, 1_790_000_000.5, "1790000000", True, None])
def test_a_number_is_no_instant_of_an_event(live: Live, at: object) -> None:
    event = {
        "event_id": "numbered", "at": at, "anchor_id": live.anchor_id, "sku_id": live.sku_id, "kind": "clicked",
    }  # fmt: skip
    with live.client("operator") as client:
        answer = client.post("/v1/feedback", json={"events": [event]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["place"] == ["body", "events", "0", "at"]


def test_an_instant_is_documented_as_one(live: Live) -> None:
    with live.client(None) as client:
        document = client.get("/openapi.json").json()
    at = document["components"]["schemas"]["EventAsked"]["properties"]["at"]
    assert (at["type"], at["format"]) == ("string", "date-time")
    (asked,) = (
        one
        for one in document["paths"]["/v1/skus/{sku_id}/checks"]["get"]["parameters"]
        if one["name"] == "at"
    )
    assert "date-time" in {one.get("format") for one in asked["schema"]["anyOf"]}


def test_goods_pages_follow_each_other_though_something_is_hidden_in_between(hiding: Live) -> None:
    address = f"/v1/anchors/{hiding.anchor_id}/goods"
    serving: Serving = hiding.app.state.serving
    with hiding.client("anchor") as client:
        first = client.get(address, params={"limit": 20}).json()
        whole = [line["sku_id"] for line in client.get(address, params={"limit": 60}).json()["items"]]
        for sku_id in (whole[4], whole[25]):  # of the page that was read, and of the one that comes
            hide(serving, hiding.anchor_id, "sku", sku_id, now=serving.clock())
        pages = [first]
        while len(pages) < 3:
            cursor = pages[-1]["next_cursor"]
            pages.append(client.get(address, params={"limit": 20, "cursor": cursor}).json())
        afresh = [line["sku_id"] for line in client.get(address, params={"limit": 60}).json()["items"]]
    seen = [(line["rank"], line["sku_id"]) for page in pages for line in page["items"]]
    assert seen == [(k, sku_id) for k, sku_id in enumerate(whole, start=1) if k != 26]
    assert not {whole[4], whole[25]} & set(afresh)


@pytest.fixture
def shown(hiding: Live, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """By request how many lines it had written down as shown."""
    found: Counter[str] = Counter()
    journal = hiding.app.state.serving.journal
    note_made = journal.note_made

    def counted(n_events: int, make: Callable[[], Sequence[Event]]) -> None:
        events = make()
        assert len(events) == n_events
        found.update(str(event.request_id) for event in events)
        note_made(n_events, make)

    monkeypatch.setattr(journal, "note_made", counted)
    return found


def test_a_head_shows_nothing_so_that_nothing_is_recorded_as_shown(hiding: Live, shown: Counter[str]) -> None:
    with hiding.client("operator") as client:
        for path in (f"/v1/anchors/{hiding.anchor_id}/goods", f"/v1/skus/{hiding.sku_id}/shortlist"):
            head, get = client.head(path), client.get(path)
            assert (head.status_code, head.content, get.status_code) == (200, b"", 200)
            assert shown[get.headers["x-request-id"]] == len(get.json()["items"]) > 0
            assert head.headers["x-request-id"] not in shown


@pytest.mark.parametrize(
    ("role", "path"),
    [("brand", "/skus/{sku_id}/shortlist"), ("brand", "/skus/{sku_id}/shortlist.csv"), ("anchor", "/goods")],
)
def test_a_head_of_a_page_shows_nothing_either(
    hiding: Live, shown: Counter[str], role: str, path: str
) -> None:
    address = path.format(sku_id=hiding.sku_id)
    with hiding.client(None, follow_redirects=True) as client:
        client.post("/sign-in", data={"key": hiding.keys[role]})
        head, get = client.head(address), client.get(address)
    assert head.status_code == get.status_code == 200
    assert shown[get.headers["x-request-id"]] > 0
    assert head.headers["x-request-id"] not in shown


def test_an_unknown_parameter_is_an_error_and_is_not_echoed(live: Live) -> None:
    with live.client("anchor") as client:
        answer = client.get(f"/v1/anchors/{live.anchor_id}/goods", params={"min_prise": "evil<script>"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "evil" not in answer.text
