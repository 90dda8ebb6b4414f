"""Do the pages of a shortlist tell who should sell a SKU, who should not, and why?"""

import re

import numpy as np
import pytest
from sqlalchemy import Engine

from api.answers import answer_list
from api.pages.brand_seen import cards_of
from brand_site import (
    address_of,
    anchors_on,
    browse,
    kept_sku,
    serving,
    skus_of,
    text_of,
)
from features.audience import overlap
from features.kernels import I32
from features.store.db import read_rows, reading
from live import Live
from matcher.request import ListRequest


def test_the_shortlist_is_the_apis_in_its_order_under_the_filters_of_the_address(brands_site: Live) -> None:
    address = f"/skus/{brands_site.sku_id}/shortlist"
    with brands_site.client("brand") as api, browse(brands_site, "brand") as page:
        for asked, named in (
            ({}, {"tier": "", "objective": ""}),
            ({"tier": "tail"}, {"tier": "tail"}),
            ({"objective": "commission", "tier": "waist"}, {"objective": "commission", "tier": "waist"}),
            ({"new_only": "true"}, {"new_only": "1", "tier": "nonsense"}),
        ):
            told = api.get(f"/v1{address}", params=asked).json()
            assert anchors_on(page.get(address, params=named).text) == [
                line["anchor_id"] for line in told["items"]
            ]
        html = page.get(address).text
        assert len(anchors_on(html)) == 20
        link = re.search(r'rel="next" href="([^"]+)"', html)
        assert link is not None
        second = anchors_on(page.get(link[1].replace("&amp;", "&")).text)
    assert second
    assert not set(second) & set(anchors_on(html))


def test_a_cursor_of_another_market_leads_back_to_the_first_page(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        answer = page.get(f"/skus/{brands_site.sku_id}/shortlist?tier=tail&cursor=of-yesterday")
    assert address_of(answer).endswith(f"/skus/{brands_site.sku_id}/shortlist?tier=tail")


def test_what_was_shown_is_written_down(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        html = page.get(f"/skus/{brands_site.sku_id}/shortlist").text
    request_id = re.search(r'name="request_id" value="([^"]+)"', html)
    assert request_id is not None
    own = serving(brands_site)
    shown: list[str] = []
    while len(shown) < 20:  # the journal is written beside the request
        own.journal.drain(own.store)
        shown = _anchors_shown(own.store, request_id[1])
    assert shown == anchors_on(html)


def test_the_audiences_match_is_the_mean_of_what_is_drawn(brands_site: Live) -> None:
    served = serving(brands_site).current
    assert served is not None
    sku = served.sku_rows[brands_site.sku_id]
    audiences = served.engine.world.snapshot.audiences
    rows: I32 = _int32([served.anchor_rows[brands_site.anchor_id]])
    wanted = float(overlap(audiences.buyer, rows, audiences.of_sku, _int32([sku]))[0])
    (card,) = _cards(brands_site, [brands_site.anchor_id])
    assert card["match"] == pytest.approx(wanted, abs=1e-6)
    for crowd in card["crowds"].dimensions:
        assert sum(crowd.theirs) == pytest.approx(1, abs=1e-3) or len(crowd.buckets) == 8
    ages = next(crowd for crowd in card["crowds"].dimensions if crowd.dimension == "age")
    assert ages.buckets == ("18-23", "24-30", "31-40", "41-49", "50+")


def test_up_to_four_anchors_stand_side_by_side_and_a_fifth_is_named(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        anchors = anchors_on(page.get(f"/skus/{brands_site.sku_id}/shortlist").text)
        query = "&".join(f"anchor={anchor_id}" for anchor_id in anchors[:5])
        html = page.get(f"/skus/{brands_site.sku_id}/compare?{query}").text
        nobody = page.get(f"/skus/{brands_site.sku_id}/compare?anchor=nobody").text
    assert (
        re.findall(r'<section class="card compared-anchor" aria-labelledby="c-([^"]+)"', html) == anchors[:4]
    )
    assert "At most 4 stand side by side" in html
    assert html.count('<table class="bars">') == 4 * 5
    assert "No anchor is chosen" in nobody


def test_why_an_anchor_is_not_on_the_list_is_told_in_words(brands_site: Live) -> None:
    address = f"/skus/{brands_site.sku_id}/why"
    with browse(brands_site, "brand") as page:
        ranked = text_of(page.get(f"{address}?anchor={brands_site.anchor_id}").text)
        several = text_of(page.get(f"{address}?anchor=主播").text)
        nobody = text_of(page.get(f"{address}?anchor=nobody").text)
        refused = text_of(page.get(f"/skus/{kept_sku(brands_site)}/why?anchor={brands_site.anchor_id}").text)
    assert re.search(r"It is on the list: no\. \d+ of \d+ candidates\.", ranked)
    assert "Which of these?" in several
    assert "No such anchor" in nobody
    assert "Left out by a rule: the SKU is off the shelf" in refused
    assert "Put it back on the shelf." in refused


def test_several_skus_share_their_anchors(brands_site: Live) -> None:
    query = "&".join(f"sku={sku_id}" for sku_id in skus_of(brands_site)[:4])
    with browse(brands_site, "brand") as page:
        html = page.get(f"/skus/shared?{query}&load=1&size=5").text
        nothing = page.get("/skus/shared").text
    anchors = re.findall(r'name="anchor_id" value="([^"]+)"', html)
    assert len(anchors) == len(set(anchors)) > 0
    assert "No SKU is chosen" in nothing


def _anchors_shown(store: Engine, request_id: str) -> list[str]:
    with reading(store) as session:
        rows = read_rows(
            session,
            "SELECT anchor_id FROM feedback WHERE request_id = :r AND kind = 'shown' ORDER BY position",
            {"r": request_id},
        )
    return [str(row[0]) for row in rows]


def _cards(site: Live, anchor_ids: list[str]) -> list[dict[str, object]]:
    served = serving(site).current
    assert served is not None
    sku = served.sku_rows[site.sku_id]
    only = _int32([served.anchor_rows[anchor_id] for anchor_id in anchor_ids])
    request = ListRequest("shortlist", sku, 20, explain=True, only=only)
    answered = answer_list(served, request, language="en", now=serving(site).clock())
    return cards_of(served, sku, answered.document["items"])


def _int32(values: list[int]) -> I32:
    return np.array(values, np.int32)
