"""Do an anchor's pages show its own goods, each with its words, and nobody else's?"""

from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from anchor_pages import browse, cards, drained, form_of, left_as_found, next_page, serving
from api.pages.goods_filters import OBJECTIVES
from api.pages.words import WORDS
from api.security import create_key
from api.serving import Serving
from features.catalogue import SOURCES
from features.store.db import writing
from features.units import microseconds
from live import Live, served_copy
from matcher.constraints import SKU_RULES
from matcher.eligibility import PAIR_RULES
from matcher.verdict import RULES
from trained import Trained


@pytest.fixture
def site(anchors_site: Live) -> Iterator[Live]:
    """What one test hides is not hidden from the next."""
    yield from left_as_found(anchors_site)


def test_the_page_shows_the_goods_of_the_list_in_its_order(site: Live) -> None:
    with site.client("anchor") as api, browse(site, "anchor") as page:
        told = api.get(f"/v1/anchors/{site.anchor_id}/goods", params={"limit": 20, "explain": True}).json()
        html = page.get("/goods").text
    assert cards(html) == [line["sku_id"] for line in told["items"]]
    assert all(unescape(line["title"]) in unescape(html) for line in told["items"])
    assert all(reason["en"] in unescape(html) for line in told["items"] for reason in line["reasons"])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_speaks_one_language_and_changes_it_on_demand(site: Live, language: str) -> None:
    with browse(site, "anchor", accept_language=language) as page:
        for address in ("/goods", "/picks", f"/goods/{site.sku_id}"):
            html = page.get(address).text
            assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in html
        page.post("/language", data={"language": "en" if language == "zh" else "zh", "next": "/goods"})
        assert f"<h1>{WORDS['anchor.goods'][1 if language == 'zh' else 0]}</h1>" in page.get("/goods").text


def test_every_code_that_a_page_may_have_to_tell_has_its_words() -> None:
    refusals = [
        *(code for code, _ in (*SKU_RULES, *PAIR_RULES)),
        *(rule.upper() for rule in RULES),
        *("NOT_JOINED", "HIDDEN", "SOLD_TOGETHER", "NOT_A_CANDIDATE"),
    ]
    keys = [f"anchor.{kind}.{code}" for kind in ("left_out", "fate") for code in refusals]
    keys += ["anchor.fate.FILTERED", "anchor.fate.RANKED"]
    keys += [f"anchor.source.{name}" for name in SOURCES]
    keys += [f"anchor.objective.{name}" for name in OBJECTIVES]
    assert [key for key in keys if key not in WORDS] == []


def test_filters_in_the_address_narrow_the_list_as_the_api_does(site: Live) -> None:
    asked = {
        "min_price": "60",
        "max_price": "150",
        "min_rate": "12.5",
        "supply_type": "brand",
        "new_only": "1",
    }
    with site.client("anchor") as api, browse(site, "anchor") as page:
        told = api.get(f"/v1/anchors/{site.anchor_id}/goods", params={**asked, "new_only": True, "limit": 20})
        html = page.get("/goods", params=asked).text
    assert cards(html) == [line["sku_id"] for line in told.json()["items"]]
    assert cards(html)
    assert 'value="12.5"' in html


def test_a_number_typed_with_full_width_digits_is_the_same_number(site: Live) -> None:
    with browse(site, "anchor") as page:
        plain, wide = (page.get("/goods", params={"min_price": text}).text for text in ("60.5", "６０．５"))
    assert cards(plain) == cards(wide)


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("min_price", "cheap", "anchor.wrong.min_price"),
        ("max_price", "-1", "anchor.wrong.max_price"),
        ("min_price", "1e9", "anchor.wrong.min_price"),
        ("min_rate", "100.1", "anchor.wrong.min_rate"),
        ("min_rate", "nan", "anchor.wrong.min_rate"),
        ("category", "no/such/thing", "anchor.wrong.category"),
        ("category", "\ud7ff\0<script>", "anchor.wrong.category"),
        ("supply_type", "stolen", "anchor.wrong.choice"),
        ("objective", "luck", "anchor.wrong.choice"),
        ("new_only", "perhaps", "anchor.wrong.choice"),
    ],
)
def test_what_cannot_be_meant_is_told_beside_its_field(site: Live, name: str, value: str, key: str) -> None:
    with browse(site, "anchor") as page:
        answer = page.get("/goods", params={name: value})
    assert answer.status_code == 200
    assert WORDS[key][1] in unescape(answer.text)
    assert cards(answer.text) == []
    assert "<script>" not in answer.text.replace('<script src="', "")


def test_a_lowest_price_above_the_highest_is_told_too(site: Live) -> None:
    with browse(site, "anchor") as page:
        answer = page.get("/goods", params={"min_price": "50", "max_price": "40"})
    assert WORDS["anchor.wrong.order"][1] in answer.text


def test_filters_that_leave_nothing_say_so_and_can_be_cleared(site: Live) -> None:
    with browse(site, "anchor") as page:
        html = page.get("/goods", params={"min_price": "900000"}).text
    assert WORDS["anchor.none.filtered"][1] in html
    assert WORDS["anchor.none.clear"][1] in html


def test_pages_follow_each_other_though_something_is_hidden_in_between(site: Live) -> None:
    with site.client("anchor") as api, browse(site, "anchor") as page:
        lines = api.get(f"/v1/anchors/{site.anchor_id}/goods", params={"limit": 20}).json()
        whole = [line["sku_id"] for line in lines["items"]]
        first = page.get("/goods")
        gone = whole[4]
        page.post("/goods/hide", data={**form_of(first.text), "sku_id": gone, "kind": "sku"})
        second = page.get(next_page(first.text))
        third = page.get(next_page(second.text))
        again = api.get(
            f"/v1/anchors/{site.anchor_id}/goods", params={"limit": 20, "cursor": lines["next_cursor"]}
        )
    assert cards(first.text) == whole
    pages = [*cards(first.text), *cards(second.text), *cards(third.text)]
    assert len(pages) == len(set(pages)) == 60
    assert again.status_code == 200


def test_a_cursor_of_another_list_leads_to_the_first_page_and_says_so_once(site: Live) -> None:
    with browse(site, "anchor") as page:
        plain = page.get("/goods").text
        moved = page.get("/goods", params={"cursor": "damaged", "min_price": "1"})
        again = page.get("/goods", params={"min_price": "1"})
    said = WORDS["anchor.first_page.said"][1]
    assert "cursor" not in str(moved.url)
    assert said in moved.text
    assert said not in again.text
    assert said not in plain


def test_what_an_anchor_was_shown_is_recorded_and_what_an_operator_looked_at_is_not(site: Live) -> None:
    with browse(site, "anchor") as page:
        mine = page.get("/goods")
    with browse(site, "operator") as page:
        theirs = page.get("/goods", params={"anchor_id": site.anchor_id})
    rows = drained(
        site, "SELECT request_id, sku_id, position FROM feedback WHERE kind = 'shown' ORDER BY position"
    )
    by_request = [
        (sku, position) for request, sku, position in rows if request == mine.headers["x-request-id"]
    ]
    assert by_request == [(sku, place) for place, sku in enumerate(cards(mine.text), start=1)]
    assert cards(theirs.text) == cards(mine.text)
    assert theirs.headers["x-request-id"] not in {request for request, _, _ in rows}


def test_a_cut_that_is_coming_is_told_on_the_card_on_the_sku_and_above_all_picks(site: Live) -> None:
    with browse(site, "anchor") as page, site.client("operator") as operator:
        html = page.get("/goods").text
        sku_id = cards(html)[7]
        now = serving(site).clock()
        row = {
            "sku_id": sku_id,
            "plan_type": "open",
            "rate": "1",
            "rate_unit": "percent",
            "observed_at": (now - timedelta(days=1)).isoformat(),
            "valid_from": (now + timedelta(days=5)).isoformat(),
        }
        assert operator.put("/v1/plans/cut-soon", json=row).status_code == 200
        page.post("/goods/pick", data={**form_of(html), "sku_id": sku_id})
        serving(site).refresh()
        seen = [page.get(address).text for address in ("/goods?new_only=", f"/goods/{sku_id}", "/picks")]
    assert all("Cut to 1 % from" in text for text in seen)
    assert "will pay less within two weeks" in seen[2]


def test_a_sku_tells_where_it_stands_what_it_pays_and_the_two_rules(site: Live) -> None:
    with site.client("anchor") as api, browse(site, "anchor") as page:
        sku_id = cards(page.get("/goods").text)[2]
        told = api.get(f"/v1/pairings/{site.anchor_id}/{sku_id}").json()
        html = unescape(page.get(f"/goods/{sku_id}").text)
    assert f"Number {told['goods']['rank']} of" in html
    assert all(f'href="/goods/{other}"' in html for other in told["goods"]["above"])
    assert all(verdict["sentence"] in html for verdict in told["verdicts"])
    assert all(reason["en"] in html for reason in told["goods"]["reasons"])


def test_a_sku_shows_no_plan_that_is_for_others(site: Live) -> None:
    now = serving(site).clock()
    row = {
        "sku_id": site.sku_id, "plan_type": "target_item", "rate": "44", "rate_unit": "percent",
        "anchor_ids": site.other_anchor_id, "valid_from": (now - timedelta(days=2)).isoformat(),
    }  # fmt: skip
    with site.client("operator") as operator:
        assert operator.put("/v1/plans/for-another", json=row).status_code == 200
    with browse(site, "anchor") as page, browse(site, "other_anchor") as other:
        mine, theirs = (one.get(f"/goods/{site.sku_id}").text for one in (page, other))
    assert "for-another" not in mine
    assert site.other_anchor_id not in mine
    assert "for-another" in theirs


def test_a_sku_that_is_not_there_is_not_found(site: Live) -> None:
    with browse(site, "anchor") as page:
        answers = [page.get(f"/goods/{name}") for name in ("NOPE", "%00", "a" * 300, "pick")]
    assert {answer.status_code for answer in answers} == {404}
    assert all("<html" in answer.text for answer in answers)


def test_an_anchor_that_the_snapshot_does_not_know_yet_is_told_so(site: Live) -> None:
    with writing(serving(site).store) as session:
        session.connection().exec_driver_sql(
            "INSERT INTO anchors (anchor_id, known_at, name, source)"
            f" VALUES ('A-NEW', {microseconds(serving(site).clock())}, 'new', 'operator')"
        )
        key = create_key(
            session, role="anchor", subject="A-NEW", note=None, expires_at=None, now=serving(site).clock()
        )[1]
    with browse(site, None) as page:
        page.post("/sign-in", data={"key": key})
        assert WORDS["anchor.none.unknown"][1] in page.get("/goods").text
        assert WORDS["anchor.picks.none"][1] in page.get("/picks").text
        assert page.get(f"/goods/{site.sku_id}").status_code == 404


def test_while_the_market_is_loaded_the_page_says_so(site: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with browse(site, "anchor") as page:
        monkeypatch.setattr(Serving, "current", None)
        answer = page.get("/goods")
    assert answer.status_code == 503
    assert WORDS["problem.503"][1] in answer.text


def test_a_site_without_a_model_still_lists_and_says_that_nothing_is_estimated(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_copy(trained, tmp_path) as bare:
        served = serving(bare).current
        assert served is not None
        monkeypatch.setattr(type(served.engine), "model", None, raising=False)
        with browse(bare, "anchor") as page:
            html = page.get("/goods").text
    assert WORDS["anchor.expected.none"][1] in html
