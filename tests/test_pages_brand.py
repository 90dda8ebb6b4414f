"""Do a brand's pages tell which of its SKUs need it, on what that rests, and what would help?"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from api.pages import brand_skus
from api.pages.brand_promises import SEVERITY, a_unit, cures_of
from api.pages.words.categories import category_name
from api.problems import Language
from brand_site import (
    browse,
    kept_sku,
    serving,
    skus_of,
    skus_on,
    text_of,
)
from features.store.db import writing
from features.store.tables import Event, Offer
from features.units import from_microseconds
from live import Live
from matcher.cps import check_cps


def test_failing_skus_come_first_and_say_what_would_make_them_pass(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        html = page.get("/skus").text
    assert skus_on(html)[0] == brands_site.sku_id
    assert sorted(skus_on(html)) == sorted(skus_of(brands_site))
    told = text_of(html)
    assert "CPS floor: Passes once the open rate rises from 10 % to 15.5 %" in told
    assert "Everybody: passes once ¥98.00 paid falls to ¥90.00, an item price of at most ¥92.00" in told


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_category_is_called_as_people_call_it(brands_site: Live, language: Language) -> None:
    served = serving(brands_site).current
    assert served is not None
    rows = served.engine.world.snapshot.shelf.rows
    with browse(brands_site, "brand", language=language) as page:
        for address in ("/skus", f"/skus/{brands_site.sku_id}"):
            html = page.get(address).text
            told = re.findall(r'<span class="category-path">([^<]*)</span>', html)
            named = re.findall(r"<span>(S\d+)</span>", html)
            assert len(told) == len(named) > 0
            for sku_id, text in zip(named, told, strict=True):
                path = rows["category"][served.sku_rows[sku_id]]
                assert text == category_name(path, language)
            assert not re.search("[a-z]" if language == "zh" else "/", "".join(told))


def test_the_list_is_narrowed_by_verdict_rule_and_words_in_the_address(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:

        def found(query: str) -> list[str]:
            return skus_on(page.get(f"/skus?{query}").text)

        assert found("verdict=FAIL") == [brands_site.sku_id]
        assert found("verdict=FAIL&rule=price_parity&q=") == [brands_site.sku_id]
        assert found("verdict=PASS&rule=cps_floor") == found("verdict=PASS") == [kept_sku(brands_site)]
        assert found(f"q={brands_site.sku_id.lower()}") == [brands_site.sku_id]
        by_verdict = [sku for status in SEVERITY for sku in found(f"verdict={status}")]
        assert by_verdict == found("")
        assert "No SKU matches" in page.get("/skus?q=no-such-title").text
        assert found("verdict=EVIL&rule=x&cursor=-1") == found("")  # what cannot be meant narrows nothing


def test_a_long_list_is_turned_page_by_page(brands_site: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with browse(brands_site, "brand") as page:
        whole = skus_on(page.get("/skus").text)
        monkeypatch.setattr(brand_skus, "SKUS_A_PAGE", 4)
        html = page.get("/skus").text
        seen = skus_on(html)
        while link := re.search(r'rel="next" href="([^"]+)"', html):
            html = page.get(link[1].replace("&amp;", "&")).text
            seen += skus_on(html)
    assert seen == whole


def test_a_page_asks_the_store_as_often_for_many_skus_as_for_few(
    brands_site: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with browse(brands_site, "brand") as page, counted(serving(brands_site).store) as statements:
        page.get("/skus")
        many = len(statements)
        monkeypatch.setattr(brand_skus, "SKUS_A_PAGE", 1)
        page.get("/skus")
        few = len(statements) - many
        statements.clear()
        page.get(f"/skus/{brands_site.sku_id}/shortlist")
    assert many == few == 0
    assert len([sql for sql in statements if sql.lstrip().startswith("SELECT")]) == 1


def test_a_skus_page_tells_both_verdicts_their_evidence_and_until_when(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        told = text_of(page.get(f"/skus/{brands_site.sku_id}").text)
    assert "5.5 percentage points below the floor" in told
    assert "¥8.00 a piece over the reference" in told
    for evidence in ("quote", "plan", "ours", "theirs"):
        assert f"{evidence}-{brands_site.sku_id}" in told
    assert "Douyin 15.5 %" in told
    assert told.count("Holds until 2026-10-23 11:00 (Shanghai time)") == 2


def test_the_effective_price_is_a_sum_beside_the_reference_that_decides(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        told = text_of(page.get(f"/skus/{brands_site.sku_id}").text)
    ours = "Item price ¥100.00 ¥100.00 Shop promotion coupon · coupon-{} -¥5.00 ¥95.00 Shipping ¥3.00 ¥98.00 Paid"
    assert ours.format(brands_site.sku_id) in told
    assert "Item price ¥90.00 ¥90.00 Paid for 1 piece · ¥90.00 a piece ¥90.00" in told


@pytest.mark.parametrize(
    ("rate", "status"), [("15.5", "Pass"), ("15.4999", "Fail"), ("0", "Fail"), ("90", "Pass")]
)
def test_what_if_of_a_rate_is_exact(brands_site: Live, rate: str, status: str) -> None:
    with browse(brands_site, "brand") as page:
        told = text_of(page.get(f"/skus/{brands_site.sku_id}/what-if?rate={rate}").text)
    assert f"CPS floor {status}" in told
    assert f"Open rate 10 % → {rate} %" in told


def test_what_if_of_a_rate_tells_what_it_costs_and_who_would_take_it_up(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        html = page.get(f"/skus/{brands_site.sku_id}/what-if?rate=40").text
    cells = re.findall(r'<td data-label="Now" class="number"><div>(.*?)</div></td>', html, re.DOTALL)
    takers_now, takers_then, *_, cost_now, cost_then = [text_of(cell) for cell in cells]
    assert re.search(r"\d+\.\d", takers_now)
    assert re.search(r"\d+\.\d", takers_then)
    assert cost_now != cost_then


@pytest.mark.parametrize(
    ("query", "status"),
    [("price=92", "Pass"), ("price=92.01", "Fail"), ("coupon=8", "Pass"), ("coupon=7.99", "Fail")],
)
def test_what_if_of_a_price_is_exact_and_keeps_what_runs(brands_site: Live, query: str, status: str) -> None:
    with browse(brands_site, "brand") as page:
        told = text_of(page.get(f"/skus/{brands_site.sku_id}/what-if?{query}").text)
    assert f"Price parity {status}" in told
    assert "-¥5.00" in told  # the coupon that runs


def test_what_if_says_which_field_cannot_be_read_and_echoes_nothing(brands_site: Live) -> None:
    with browse(brands_site, "brand") as page:
        for query in (
            "rate=91",
            "rate=1e99",
            "rate=x<script>",
            "price=-1",
            "price=1.234",
            "coupon=99999999999",
        ):
            answer = page.get(f"/skus/{brands_site.sku_id}/what-if?{query}")
            assert answer.status_code == 200
            assert 'aria-invalid="true"' in answer.text
            assert "x<script>" not in answer.text
        unchanged = page.get(f"/skus/{brands_site.sku_id}/what-if?rate=10&price=100.00&coupon=")
    assert "Change a figure" in unchanged.text


def test_a_planned_price_is_held_against_the_next_promotion_where_none_runs(brands_site: Live) -> None:
    """And the last one's final verdict is told."""
    own = serving(brands_site)
    later = from_microseconds(1_794_412_800_000_000) + timedelta(days=1)  # the 116 of the demo market is over
    with writing(own.store) as session:
        for n, days in enumerate((200, 250, 330)):
            at = later + timedelta(days=days)
            session.add(
                Event(
                    event_id=f"next-{n}", platform="kuaishou", kind="616", name="616", starts_at=at,
                    ends_at=at + timedelta(days=5), counts_as_big_promo=True, known_at=at, source="operator",
                )
            )  # fmt: skip
        then = later - timedelta(days=5)  # within that year's Double 11
        session.add(
            Offer(
                offer_id="theirs-2026", sku_id=brands_site.sku_id, platform="tmall", shop_kind="flagship", mapping="code",
                item_price_fen=9_000, evidence="screenshot-2", units_per_pack=1, unit="piece", observed_at=then, known_at=then, source="operator",
            )
        )  # fmt: skip
    real, own.clock = own.clock, lambda: later
    try:
        with browse(brands_site, "brand") as page:
            told = text_of(page.get(f"/skus/{brands_site.sku_id}?price=80").text)
    finally:
        own.clock = real
    assert "no big promotion of ours runs at that moment" in told
    assert re.search(r"Price parity Pass In the next promotion, next-0 from 2027-\d\d-\d\d", told)
    assert "Final verdict of the last promotion ks-116-2026" in told


def test_a_rate_is_no_cure_by_itself_where_a_platform_was_seen_too_long_ago(brands_site: Live) -> None:
    served, policy = serving(brands_site).current, serving(brands_site).policy
    assert served is not None
    assert served.engine.verdicts is not None
    stored = served.engine.verdicts.dossiers[brands_site.sku_id]
    stale = stored.quotes[0]._replace(
        quote_id="old", platform="jd", observed_at=stored.quotes[0].observed_at - timedelta(days=9)
    )
    dossier = replace(stored, quotes=(*stored.quotes, stale))
    verdict = check_cps(dossier, served.engine.verdicts.calendar, served.snapshot_at, policy)
    (cure,) = cures_of(verdict, dossier, policy, "en")
    assert cure.rate == "15.5"
    assert "a pass then waits for platforms whose rates are too old" in cure.text


def test_a_price_that_does_not_come_out_even_says_so() -> None:
    assert a_unit(300, 3) == "¥1.00"
    assert a_unit(100, 3) == "≈ ¥0.333"
    assert a_unit(100_001, 7) == "≈ ¥142.86"


@contextmanager
def counted(store: Engine) -> Iterator[list[str]]:
    """The statements that the store is asked, but for those of keys and of what moves beside the requests."""
    statements: list[str] = []

    def hear(*args: object) -> None:
        sql = str(args[2])
        if " api_keys" not in sql and sql.startswith("SELECT") and " verdicts" not in sql:
            statements.append(sql)

    event.listen(store, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(store, "before_cursor_execute", hear)
