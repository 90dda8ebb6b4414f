"""Are an anchor's picks, wishes and answers taken, once, and shown to nobody else?"""

import re
from collections.abc import Iterator

import pytest

from anchor_pages import (
    PART,
    browse,
    card,
    cards,
    drained,
    form_of,
    invite,
    left_as_found,
    pick_form,
    serving,
    since,
)
from api import wishes
from api.pages.words import WORDS
from live import Live
from matcher.policy import ModePolicy
from matcher.verdict import RULES


@pytest.fixture
def site(anchors_site: Live) -> Iterator[Live]:
    """What one test hides is not hidden from the next."""
    yield from left_as_found(anchors_site)


def test_a_pick_is_recorded_once_with_where_it_was_shown_and_seen_at_once(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        sku_id = next(sku for sku in cards(html) if "/goods/pick" in card(html, sku))
        fields = pick_form(html, sku_id)
        first = page.post("/goods/pick", data=fields)
        second = page.post("/goods/pick", data=fields)
        other_list = page.post("/goods/pick", data=pick_form(html, sku_id) | {"request_id": "r_other"})
        picks = page.get("/picks").text
    assert WORDS["anchor.picked.rules"][1] in first.text
    assert all(WORDS[f"rule.{rule}"][1] in first.text for rule in RULES)
    assert second.status_code == other_list.status_code == 200
    assert f'id="dealing-{sku_id}"' in picks
    rows = drained(
        site,
        "SELECT request_id, position, source FROM feedback WHERE kind = 'picked' AND at > :at"
        f" AND sku_id = '{sku_id}' AND anchor_id = '{site.anchor_id}'",
        since(site),
    )
    assert rows == [(fields["request_id"], cards(html).index(sku_id) + 1, f"anchor:{site.anchor_id}")]


def test_a_script_gets_the_part_that_changed_and_nothing_else(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        picked = page.post("/goods/pick", data=pick_form(html, cards(html)[1]), headers=PART)
        hidden = page.post("/goods/hide", data={**form_of(html), "sku_id": cards(html)[2]}, headers=PART)
        shown = page.post(
            "/goods/show", data={**form_of(html), "kind": "sku", "value": cards(html)[2]}, headers=PART
        )
    for answer in (picked, hidden, shown):
        assert answer.status_code == 200
        assert answer.history == []
        assert "<html" not in answer.text
    assert f'id="act-{cards(html)[1]}"' in picked.text
    assert f'id="card-{cards(html)[2]}"' in hidden.text


def test_a_pick_that_a_rule_bars_is_refused_with_the_verdicts(
    site: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = ModePolicy(cps_floor="require_pass", price_parity="require_pass")
    strict = serving(site).policy.model_copy(update={"modes": modes})
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        undecided = next(
            sku
            for sku in cards(html)
            if "indeterminate" in card(html, sku) and "/goods/pick" in card(html, sku)
        )
        monkeypatch.setattr(serving(site), "policy", strict)
        answer = page.post("/goods/pick", data=pick_form(html, undecided))
        part = page.post("/goods/pick", data=pick_form(html, undecided), headers=PART)
    assert "Not picked" in answer.text
    assert "Not picked" in part.text
    assert (
        drained(
            site,
            f"SELECT 1 FROM feedback WHERE kind = 'picked' AND sku_id = '{undecided}' AND at > :at",
            since(site),
        )
        == []
    )


def test_a_pick_needs_its_token_and_a_sku_that_is_there(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        forged = page.post("/goods/pick", data={"sku_id": cards(html)[0], "csrf": "forged"})
        unknown = page.post("/goods/pick", data={**form_of(html), "sku_id": "nobody's"})
        long = page.post("/goods/pick", data={**form_of(html), "sku_id": "x" * 500})
    assert (forged.status_code, unknown.status_code, long.status_code) == (403, 404, 422)


def test_a_form_that_is_sent_after_signing_out_leads_to_the_sign_in_and_then_home(site: Live) -> None:
    with browse(site, None) as page:
        answer = page.post("/goods/pick", data={"sku_id": site.sku_id})
    assert answer.url.path == "/sign-in"
    assert "goods/pick" not in str(answer.url)


def test_an_invitation_is_shown_answered_and_answered_once(site: Live) -> None:
    with site.client("brand") as brand, browse(site, "anchor") as page:
        invite(site, brand, site.anchor_id, site.sku_id, "inv-1")
        waiting = page.get("/picks").text
        fields = {**form_of(waiting), "sku_id": site.sku_id, "kind": "accepted", "back": "/picks"}
        page.post("/picks/answer", data=fields)
        again = page.post("/picks/answer", data=fields, headers=PART)
    assert WORDS["anchor.invitations"][1] in waiting
    assert WORDS["anchor.step.accepted"][1] in again.text
    assert "/picks/answer" not in again.text
    assert len(drained(site, "SELECT 1 FROM feedback WHERE kind = 'accepted' AND at > :at", since(site))) == 1


def test_an_invitation_for_a_sku_that_is_newer_than_the_snapshot_is_shown_and_answered(site: Live) -> None:
    row = {"brand_id": site.brand_id, "title": "Brand new", "category": "food/snack", "list_price_fen": 990}
    with site.client("brand") as brand, browse(site, "anchor") as page:
        assert brand.put("/v1/skus/zz-just-in", json=row).status_code < 300
        invite(site, brand, site.anchor_id, "zz-just-in", "inv-new")
        waiting = page.get("/picks")
        assert waiting.status_code == 200
        assert 'id="dealing-zz-just-in"' in waiting.text
        fields = {**form_of(waiting.text), "sku_id": "zz-just-in", "kind": "accepted", "back": "/picks"}
        answered = page.post("/picks/answer", data=fields, headers=PART)
        assert answered.status_code == 200
        assert WORDS["anchor.step.accepted"][1] in answered.text
        assert page.get("/picks").status_code == 200


def test_an_invitation_by_a_clock_that_is_ahead_can_be_answered_too(site: Live) -> None:
    with site.client("other_brand") as brand, browse(site, "anchor") as page:
        invite(site, brand, site.anchor_id, site.other_sku_id, "inv-ahead", minutes_ahead=4)
        waiting = page.get("/picks").text
        fields = {**form_of(waiting), "sku_id": site.other_sku_id, "kind": "declined", "back": "/picks"}
        answered = page.post("/picks/answer", data=fields, headers=PART).text
    assert WORDS["anchor.step.declined"][1] in answered
    assert "/picks/answer" not in answered


def test_nobody_answers_an_invitation_that_is_not_theirs(site: Live) -> None:
    with site.client("brand") as brand, browse(site, "other_anchor") as page:
        invite(site, brand, site.anchor_id, site.sku_id, "inv-2")
        fields = {**form_of(page.get("/picks").text), "sku_id": site.sku_id, "kind": "accepted"}
        answer = page.post("/picks/answer", data=fields)
        odd = page.post("/picks/answer", data=fields | {"kind": "sold"})
    assert (answer.status_code, odd.status_code) == (404, 404)


def test_picks_tell_what_came_of_them(site: Live) -> None:
    with site.client("brand") as brand, browse(site, "anchor") as page:
        invite(site, brand, site.anchor_id, site.sku_id, "inv-3")
        event = {
            "event_id": "sample-3",
            "anchor_id": site.anchor_id,
            "sku_id": site.sku_id,
            "kind": "sample_sent",
        }
        at = serving(site).clock().isoformat()
        assert brand.post("/v1/feedback", json={"events": [event | {"at": at}]}).status_code == 202
        html = page.get("/picks").text
    told = html[html.index(f'id="dealing-{site.sku_id}"') :]
    assert WORDS["anchor.step.invited"][1] in told
    assert WORDS["anchor.step.sample_sent"][1] in told


@pytest.mark.parametrize("kind", ["sku", "category"])
def test_what_is_hidden_is_gone_is_counted_and_can_be_shown_again(site: Live, kind: str) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        sku_id = cards(html)[0]
        path = re.search(rf'id="card-{sku_id}" data-category="([^"]+)"', html)
        assert path is not None
        value = sku_id if kind == "sku" else path[1]
        said = page.post("/goods/hide", data={**form_of(html), "sku_id": sku_id, "kind": kind})
        gone = page.get("/goods").text
        listed = page.get("/picks").text
        back = {**form_of(gone), "kind": kind, "value": value, "back": "/goods"}
        page.post("/goods/show", data=back)
        page.post("/goods/show", data=back)
        after = page.get("/goods").text
    assert WORDS["anchor.undo"][1] in said.text
    assert sku_id not in cards(gone)
    if kind == "category":
        assert f'data-category="{value}"' not in gone
    assert "hidden by you" in gone
    assert f'name="value" value="{value}"' in listed
    assert cards(after) == cards(html)


def test_what_is_hidden_stays_hidden_after_a_fresh_snapshot(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        page.post("/goods/hide", data={**form_of(html), "sku_id": cards(html)[0]})
        serving(site).refresh()
        assert cards(html)[0] not in cards(page.get("/goods").text)


def test_what_one_anchor_hides_another_still_sees(site: Live) -> None:
    with browse(site, "other_anchor") as other, browse(site, "anchor") as page:
        before = cards(other.get("/goods").text)
        html = page.get("/goods").text
        for sku_id in cards(html)[:5]:
            page.post("/goods/hide", data={**form_of(html), "sku_id": sku_id})
        assert cards(other.get("/goods").text) == before
        assert "hidden by you" not in other.get("/goods").text


def test_there_is_an_end_to_what_may_be_hidden(site: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wishes, "MOST", 2)
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        answers = [
            page.post("/goods/hide", data={**form_of(html), "sku_id": sku_id}).status_code
            for sku_id in cards(html)[:3]
        ]
    assert answers == [200, 200, 409]


@pytest.mark.parametrize("address", ["/goods", "/picks", "/goods/{sku}"])
def test_an_anchor_sees_its_own_alone_and_an_operator_looks_without_touching(
    site: Live, address: str
) -> None:
    path = address.format(sku=site.sku_id)
    with browse(site, "anchor") as page:
        assert page.get(path, params={"anchor_id": site.anchor_id}).status_code == 200
        assert page.get(path, params={"anchor_id": site.other_anchor_id}).status_code == 404
        assert page.get(path, params={"anchor_id": "nobody"}).status_code == 404
    with browse(site, "operator") as page:
        seen = page.get(path, params={"anchor_id": site.anchor_id})
        assert "as an operator" in seen.text
        assert 'action="/goods/' not in seen.text
        assert 'action="/picks/' not in seen.text
        assert 'name="anchor_id"' in page.get(path).text
        assert page.get(path, params={"anchor_id": "nobody"}).status_code == 404
    with browse(site, "brand") as page:
        assert page.get(path).status_code == 403
    with browse(site, None) as page:
        assert page.get(path).url.path == "/sign-in"


@pytest.mark.parametrize("address", ["/goods/pick", "/goods/hide", "/goods/show", "/picks/answer"])
@pytest.mark.parametrize("role", ["operator", "brand"])
def test_only_an_anchor_picks_and_wishes(site: Live, role: str, address: str) -> None:
    with browse(site, role) as page:
        home = page.get("/picks").text
        answer = page.post(
            address, data={**form_of(home), "sku_id": site.sku_id}, params={"anchor_id": site.anchor_id}
        )
    assert answer.status_code == 403


def test_one_anchors_picks_are_not_on_anothers_page(site: Live) -> None:
    with browse(site, "anchor") as page, browse(site, "other_anchor") as other:
        theirs = other.get("/picks").text
        html = page.get("/goods").text
        sku_id = next(sku for sku in cards(html) if f'id="dealing-{sku}"' not in theirs)
        page.post("/goods/pick", data=pick_form(html, sku_id))
        assert f'id="dealing-{sku_id}"' in page.get("/picks").text
        assert f'id="dealing-{sku_id}"' not in other.get("/picks").text
