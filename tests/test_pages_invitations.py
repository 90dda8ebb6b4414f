"""Is an invitation sent once, written down, and followed until something is sold? By whom it may be, and no one else?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.pages.brand_threads import ANSWER_DAYS, STATES, Thread, told_event_id
from api.pages.brand_threads import _threads as threads_of_events
from brand_site import address_of, anchors_on, browse, csrf_of, planted_site, serving, text_of
from features.store.db import read_rows, reading
from features.store.journal import Event
from live import Live
from trained import Trained

T0 = datetime(2026, 10, 1, tzinfo=UTC)


def event(
    kind: str, days: float, *, sku_id: str = "S1", anchor_id: str = "A1", source: str = "brand:B1"
) -> Event:
    at = T0 + timedelta(days=days)
    return Event(f"{kind}-{days}-{sku_id}-{anchor_id}", None, at, anchor_id, sku_id, kind, None, source)


def states(events: Sequence[Event]) -> list[str]:
    return [thread.state for thread in threads_of_events(events)]


def test_a_thread_is_an_invitation_with_what_followed_until_the_next() -> None:
    told = [
        event("invited", 0),
        event("declined", 1),
        event("invited", 5),
        event("accepted", 6),
        event("sold", 9),
    ]
    assert states(told) == ["declined", "sold"]
    assert states(list(reversed(told))) == ["declined", "sold"]


def test_what_an_anchor_did_uninvited_is_no_answer() -> None:
    assert states([event("listed", 0), event("sold", 1), event("invited", 2)]) == ["invited"]
    assert states([event("accepted", 0, anchor_id="A2"), event("invited", 1)]) == ["invited"]


def test_a_broadcast_says_what_nobody_told() -> None:
    thread = Thread("S1", "A1", (event("invited", 0),))
    assert thread.state == "invited"
    assert Thread("S1", "A1", thread.events, listings=2).state == "listed"
    assert Thread("S1", "A1", (*thread.events, event("sample_sent", 1)), listings=2, units=3).state == "sold"


@pytest.mark.parametrize(
    ("kinds", "days_ago", "is_open"),
    [
        (("invited",), ANSWER_DAYS, True),
        (("invited",), ANSWER_DAYS + 0.1, False),
        (("invited", "accepted"), 90, True),
        (("invited", "declined"), 1, False),
    ],
)
def test_another_invitation_is_sent_only_where_the_last_came_to_nothing(
    kinds: tuple[str, ...], days_ago: float, is_open: bool
) -> None:
    thread = Thread("S1", "A1", tuple(event(kind, 0) for kind in kinds))
    assert thread.is_open(T0 + timedelta(days=days_ago)) == is_open


def test_the_same_told_twice_has_one_id() -> None:
    def told(secret: bytes = b"1", source: str = "brand:B1", anchor_id: str = "A1", n: int = 0) -> str:
        return told_event_id(secret, source, "S1", anchor_id, "invited", n)

    assert told() == told()
    assert told() not in {told(n=1), told(anchor_id="A2"), told(source="brand:B2"), told(secret=b"2")}
    assert STATES[0] == "invited"


def send(page: httpx.Client, site: Live, anchor_id: str, **fields: str) -> httpx.Response:
    shortlist = page.get(f"/skus/{site.sku_id}/shortlist").text
    form = {"csrf": csrf_of(shortlist), "anchor_id": anchor_id, "request_id": "r-1", "position": "3"} | fields
    return page.post(f"/skus/{site.sku_id}/invite", data=form)


def stored(site: Live, anchor_id: str) -> list[tuple[str, str, str]]:
    own = serving(site)
    own.journal.drain(own.store)
    with reading(own.store) as session:
        rows = read_rows(
            session,
            "SELECT kind, source, request_id FROM feedback WHERE sku_id = :sku AND anchor_id = :anchor"
            " AND kind IN ('invited', 'accepted', 'declined', 'sample_sent') ORDER BY at",
            {"sku": site.sku_id, "anchor": anchor_id},
        )
    return [(str(kind), str(source), str(request_id)) for kind, source, request_id in rows]


def invitable(site: Live, page: httpx.Client, n: int) -> str:
    return anchors_on(page.get(f"/skus/{site.sku_id}/shortlist").text)[n]


def test_an_invitation_is_answered_with_both_verdicts_and_recorded_once(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        anchor_id = invitable(brands_site, page, 4)
        before = stored(brands_site, anchor_id)
        first = send(page, brands_site, anchor_id, next=f"/skus/{brands_site.sku_id}/shortlist?tier=")
        again = send(page, brands_site, anchor_id)
        html = page.get(address_of(first)).text
        waiting = text_of(page.get("/invitations").text)
    assert first.headers["location"].endswith(f"#a-{anchor_id}")
    assert "was invited at 2026-10-22" in html
    assert "CPS floor Fail" in text_of(html)
    assert "Price parity Fail" in text_of(html)
    assert anchor_id in waiting  # before the store has it
    assert address_of(again).partition("told=")[2] == address_of(first).partition("told=")[2]
    new = stored(brands_site, anchor_id)[len(before) :]
    assert new == [("invited", f"brand:{brands_site.brand_id}", "r-1")]
    with browse(brands_site, "brand") as page:
        html = page.get(f"/skus/{brands_site.sku_id}/shortlist").text
        line = html[html.index(f'id="a-{anchor_id}"') :].partition("anchor-line")[0]
        assert "Invited" in text_of(line)
        assert anchor_id in page.get("/invitations").text


def test_what_became_of_it_is_told_by_the_brand_and_by_the_anchor(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page, brands_site.client("anchor") as anchor:
        send(page, brands_site, brands_site.anchor_id)
        form = {
            "csrf": csrf_of(page.get("/invitations").text),
            "sku_id": brands_site.sku_id,
            "anchor_id": brands_site.anchor_id,
        }
        answer = {
            "event_id": "answer-1", "at": serving(brands_site).clock().isoformat(), "kind": "accepted",
            "sku_id": brands_site.sku_id, "anchor_id": brands_site.anchor_id,
        }  # fmt: skip
        assert anchor.post("/v1/feedback", json={"events": [answer]}).status_code == 202
        assert brands_site.anchor_id in page.get("/invitations?state=accepted").text
        assert "Sample sent" in page.get("/invitations?state=accepted").text  # what can be told next
        told = page.post("/invitations/tell", data=form | {"kind": "sample_sent"})
        assert "Written down." in page.get(address_of(told)).text
        again = page.post("/invitations/tell", data=form | {"kind": "sample_sent"})
        assert address_of(again) == address_of(told)
        assert "No invitation is in this state" in page.get("/invitations?state=declined").text
        assert brands_site.anchor_id in page.get("/invitations?state=sample_sent").text
        for kind in ("sold", "shown", "nonsense"):
            assert page.post("/invitations/tell", data=form | {"kind": kind}).status_code == 422
    kinds = [kind for kind, _, _ in stored(brands_site, brands_site.anchor_id)]
    assert kinds[-3:] == ["invited", "accepted", "sample_sent"]


def test_what_cannot_be_meant_is_not_sent(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        assert send(page, brands_site, "nobody").status_code == 404
        assert send(page, brands_site, brands_site.anchor_id, csrf="").status_code == 403
        for request_id, position in (("", ""), ("evil id", "-1"), ("r", "99999999999"), ("r" * 65, "x")):
            anchor_id = invitable(brands_site, page, 6)
            assert (
                send(page, brands_site, anchor_id, request_id=request_id, position=position).status_code
                == 303
            )
        away = send(page, brands_site, brands_site.anchor_id, next="//evil.example/")
        assert address_of(away).startswith(f"/skus/{brands_site.sku_id}/shortlist")
        form = {
            "csrf": csrf_of(page.get("/invitations").text),
            "sku_id": brands_site.sku_id,
            "kind": "sample_sent",
        }
        assert page.post("/invitations/tell", data=form | {"anchor_id": "A0029x"}).status_code == 404


def test_an_invitation_that_the_policy_bars_names_the_rule_and_is_not_written_down(
    trained: Trained, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[modes]\ncps_floor = "exclude_fail"\n')
    with planted_site(trained, tmp_path, policy=policy) as site, browse(site, "brand") as page:
        assert anchors_on(page.get(f"/skus/{site.sku_id}/shortlist").text) == []
        why = text_of(page.get(f"/skus/{site.sku_id}/why?anchor={site.anchor_id}").text)
        assert "Get the CPS floor to pass first." in why
        before = stored(site, site.anchor_id)
        refused = send(page, site, site.anchor_id)
        assert refused.status_code == 409
        assert "CPS floor stands against it" in text_of(refused.text)
        assert stored(site, site.anchor_id) == before
