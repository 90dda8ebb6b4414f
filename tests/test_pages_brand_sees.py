"""What may a brand see, and what never? Of anchors, of other brands, and of a SKU that is not its own."""

import re
from dataclasses import replace

import httpx
import numpy as np
import pytest

from api.answers import answer_list
from api.pages.brand_seen import SEEN_OF_AN_ANCHOR, cards_of, past_in_category
from api.pages.words import WORDS
from brand_site import (
    HOSTILE_NAME,
    PRIVATE,
    TURNED_AWAY,
    address_of,
    browse,
    csrf_of,
    serving,
    skus_of,
    skus_on,
    text_of,
)
from features.kernels import I32
from live import Live
from matcher.constraints import SKU_RULES
from matcher.eligibility import PAIR_RULES
from matcher.reasons.wording import SEVERAL
from matcher.request import ListRequest
from matcher.verdict import RULES


def test_what_a_brand_sees_of_an_anchor_is_listed_in_one_place_and_nothing_else_leaks(
    brands_site: Live,
) -> None:
    (card,) = _cards(brands_site, [brands_site.anchor_id])
    assert tuple(card) == SEEN_OF_AN_ANCHOR
    with browse(brands_site, "brand") as page:
        for address in addresses(brands_site):
            answer = page.get(address)
            assert answer.status_code == 200, address
            for private in (PRIVATE, f"{int(PRIVATE):,}", TURNED_AWAY, "733,173"):
                assert private not in answer.text, (address, private)


def test_a_hostile_name_is_shown_as_it_is_and_runs_nowhere(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        html = page.get(f"/skus/{brands_site.sku_id}/compare?anchor={brands_site.anchor_id}").text
    assert HOSTILE_NAME in text_of(html)
    assert "<script>alert" not in html


def test_a_sku_that_has_just_come_in_has_its_page_before_its_shortlist(brands_site: Live) -> None:
    """Named so that it comes after the brand's others, of which tests take the first."""
    row = {
        "brand_id": brands_site.brand_id,
        "title": "Brand new",
        "category": "food/snack/nut",
        "list_price_fen": 990,
    }
    with brands_site.client("brand") as api, browse(brands_site, "brand") as page:
        assert api.put("/v1/skus/just-in", json=row).status_code < 300
        told = text_of(page.get("/skus/just-in").text)
        assert "Brand new" in told
        assert "its shortlist follows within 15 minutes" in told
        assert "CPS floor Undecided" in told
        for tail in ("shortlist", "compare", "why"):
            assert address_of(page.get(f"/skus/just-in/{tail}")) == "/skus/just-in"
        assert page.get("/skus/just-in/shortlist.csv").status_code == 404


def test_sums_over_a_category_are_told_only_where_enough_other_brands_stand_in_them(
    brands_site: Live,
) -> None:
    served = serving(brands_site).current
    assert served is not None
    world = served.engine.world
    # The market's brands keep to categories of their own: here their goods stand mixed.
    mixed = (np.arange(len(world.snapshot.shelf)) % len(world.snapshot.shelf.brand_ids)).astype(np.int32)
    shelf, ledger = replace(world.snapshot.shelf, brand=mixed), world.snapshot.ledger
    mixed_world = replace(world, snapshot=replace(world.snapshot, shelf=shelf))
    market = replace(served, engine=replace(served.engine, world=mixed_world))
    told = withheld = 0
    for sku in range(0, len(shelf), 40):
        found = past_in_category(market, sku, range(len(world.snapshot.roster)))
        inside = shelf.category[ledger.sku] == shelf.category[sku]
        for anchor, past in found.items():
            rows = inside & (ledger.anchor == anchor)
            others = set(mixed[ledger.sku[rows]].tolist()) - {int(mixed[sku])}
            is_told = len(others) == 0 or len(others) >= SEVERAL
            assert past["listings"] == int(rows.sum())
            assert past["units"] == (int(ledger.rows.units[rows].sum()) if is_told else None)
            assert (past["gmv_fen"] is None) == (not is_told)
            told, withheld = told + is_told, withheld + (not is_told)
    assert told > 0
    assert withheld > 0


def test_a_foreign_sku_and_a_missing_one_are_the_same_page_everywhere(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        csrf = csrf_of(page.get("/invitations").text)
        for template in (
            "/skus/{}", "/skus/{}/what-if", "/skus/{}/shortlist", "/skus/{}/shortlist.csv", "/skus/{}/compare?anchor=A0001",
            "/skus/{}/why?anchor=A0001", "/skus/shared?sku={}",
        ):  # fmt: skip
            foreign, missing, odd = (
                page.get(template.format(sku)) for sku in (brands_site.other_sku_id, "no-such-sku", "%00%22'")
            )
            assert foreign.status_code == missing.status_code == 404, template
            assert anonymous(foreign) == anonymous(missing)
            assert odd.status_code == (200 if "shared" in template else 404)
        form = {"csrf": csrf, "anchor_id": brands_site.anchor_id, "sku_id": "", "kind": "sample_sent"}
        for post in ("/skus/{}/invite", "/invitations/tell"):
            foreign, missing = (
                page.post(post.format(sku), data=form | {"sku_id": sku})
                for sku in (brands_site.other_sku_id, "no-such-sku")
            )
            assert foreign.status_code == missing.status_code == 404
            assert anonymous(foreign) == anonymous(missing)


def test_another_brands_private_rows_change_no_byte_of_ones_own_pages(brands_site: Live) -> None:
    own = serving(brands_site)
    at = own.clock()
    real, own.clock = own.clock, lambda: at
    own.refresh()
    try:
        with browse(brands_site, "brand") as page, brands_site.client("operator") as operator:
            before = [anonymous(page.get(address)) for address in addresses(brands_site)]
            quote = {
                "sku_id": brands_site.other_sku_id,
                "platform": "douyin",
                "rate": "33",
                "rate_unit": "percent",
            }
            offer = {"sku_id": brands_site.other_sku_id, "platform": "kuaishou", "item_price_fen": 12_345}
            for table, row in (("cps_quotes", quote), ("offers", offer)):
                answer = operator.put(f"/v1/{table}/private-1", json=row | {"observed_at": at.isoformat()})
                assert answer.status_code < 300, answer.text
            own.refresh()
            after = [anonymous(page.get(address)) for address in addresses(brands_site)]
    finally:
        own.clock = real
        own.refresh()
    assert before == after


def test_pages_are_for_brands_and_operators_alone(brands_site: Live) -> None:
    for address in [*addresses(brands_site), "/invitations"]:
        with browse(brands_site, "anchor") as anchor, browse(brands_site, None) as nobody:
            assert anchor.get(address).status_code == 403
            assert nobody.get(address).headers["location"].startswith("/sign-in")


def test_an_operator_looks_at_any_brands_pages_and_changes_nothing(brands_site: Live) -> None:
    with browse(brands_site, "operator") as page:
        choice = page.get("/skus").text
        assert f"/skus?brand_id={brands_site.brand_id}" in choice
        assert page.get("/skus?brand_id=nobody").status_code == 404
        html = page.get(f"/skus?brand_id={brands_site.brand_id}").text
        assert "pages as an operator" in html
        assert sorted(skus_on(html)) == sorted(skus_of(brands_site))
        shortlist = page.get(f"/skus/{brands_site.sku_id}/shortlist").text
        assert "/invite" not in shortlist
        form = {"csrf": csrf_of(shortlist), "anchor_id": brands_site.anchor_id, "sku_id": brands_site.sku_id}
        assert page.post(f"/skus/{brands_site.sku_id}/invite", data=form).status_code == 403
        assert page.post("/invitations/tell", data=form | {"kind": "sample_sent"}).status_code == 403
        assert page.get(f"/invitations?brand_id={brands_site.brand_id}").status_code == 200


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_speaks_one_language(brands_site: Live, language: str) -> None:
    with browse(brands_site, "brand", language=language) as page:
        for address in [*addresses(brands_site), "/invitations"]:
            html = page.get(address).text
            if not address.endswith(".csv"):
                assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in html
                assert not re.search(r">\s*brand\.[a-z]", html), address


def test_every_code_that_a_page_may_have_to_tell_has_its_words() -> None:
    rules = [code for code, _ in (*SKU_RULES, *PAIR_RULES)] + [rule.upper() for rule in RULES]
    rules += ["NOT_JOINED", "SOLD_TOGETHER", "HIDDEN", "FILTERED"]
    keys = [
        f"brand.{kind}.{code}{end}"
        for code in rules
        for kind, end in (("rule", ""), ("rule", ".short"), ("do", ""))
    ]
    assert [key for key in keys if key not in WORDS] == []


def addresses(site: Live) -> list[str]:
    """Every page of a brand's, but for its invitations."""
    sku = f"/skus/{site.sku_id}"
    skus = "&".join(f"sku={sku_id}" for sku_id in skus_of(site)[:3])
    return [
        "/skus", sku, f"{sku}?rate=30&price=50&coupon=1", f"{sku}/what-if?rate=30", f"{sku}/shortlist",
        f"{sku}/shortlist.csv", f"{sku}/compare?anchor={site.anchor_id}&anchor={site.other_anchor_id}",
        f"{sku}/why?anchor={site.anchor_id}", f"/skus/shared?{skus}",
    ]  # fmt: skip


def anonymous(answer: httpx.Response) -> str:
    """A page without what every answer has of its own, and without the address that it names."""
    plain = re.sub(r'name="(csrf|request_id|next)" value="[^"]*"', "", answer.text)
    plain = re.sub(r"r_[0-9a-f]{24}", "", plain)
    return re.sub(r"Snapshot of [^<]*", "", plain)


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
