"""Can an anchor do its evening's work with a thumb, with the keyboard, and without scripts? In the system's Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from anchor_pages import drained, left_as_found, since
from api.pages.words import WORDS
from browsing import BrowserPage, is_narrow_enough, serious_faults, sign_in
from live import Live


@pytest.fixture
def site(anchors_site: Live) -> Iterator[Live]:
    """What one test hides is not hidden from the next."""
    yield from left_as_found(anchors_site)


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(("width", "locale"), [(390, "zh-CN"), (1280, "en-GB")])
def test_the_main_path_sign_in_filter_open_pick_and_see_it_recorded(
    site: Live, browser_page: BrowserPage, width: int, locale: str, scripts: bool
) -> None:
    role = "anchor" if scripts else "other_anchor"
    word = 0 if locale == "zh-CN" else 1
    page = browser_page(width=width, locale=locale, scripts=scripts)
    sign_in(page, site, role)
    expect(page).to_have_url(f"{site.url}/goods")
    filter_by(page, "min_rate", "10")
    page.goto(f"{site.url}/goods?min_rate=10&new_only={1 if width == 390 else ''}")
    opened = page.locator(".goods-card", has=page.locator("form[action='/goods/pick']")).first
    sku_id = (opened.get_attribute("id") or "").removeprefix("card-")
    opened.locator(".goods-title a").click()
    expect(page).to_have_url(f"{site.url}/goods/{sku_id}")
    expect(page.locator("h1")).to_be_visible()
    page.locator("form[action='/goods/pick'] button").click()
    expect(page.locator(".said")).to_contain_text(WORDS["anchor.picked.rules"][word])
    page.goto(f"{site.url}/picks")
    expect(page.locator(f"[id='dealing-{sku_id}']")).to_contain_text(WORDS["anchor.step.picked"][word])
    sql = "SELECT anchor_id, sku_id FROM feedback WHERE kind = 'picked' AND at > :at"
    anchor_id = site.anchor_id if scripts else site.other_anchor_id
    assert drained(site, sql, since(site)).count((anchor_id, sku_id)) == 1


def test_the_list_stays_beside_its_filters_while_it_is_narrowed(
    site: Live, browser_page: BrowserPage
) -> None:
    page = browser_page(width=1280)
    sign_in(page, site, "anchor")
    before = page.locator("#results").bounding_box()
    page.locator("#f-objective").select_option("commission")
    page.wait_for_url(lambda address: "objective=commission" in address)
    after = page.locator("#results").bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"], after["width"]) == (before["x"], before["width"])


def test_a_pick_on_the_list_does_not_leave_the_place(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page(width=390, locale="zh-CN")
    sign_in(page, site, "anchor")
    page.evaluate("window.stays = true")
    button = page.locator("form[action='/goods/pick'] button").first
    button.click()
    expect(page.locator(".said")).to_be_focused()
    assert page.evaluate("window.stays") is True


def test_what_is_hidden_folds_away_with_its_category_and_comes_back_by_undo(
    site: Live, browser_page: BrowserPage
) -> None:
    page = browser_page(width=390)
    sign_in(page, site, "anchor")
    cards = page.locator(".goods-card:visible")
    n_cards = cards.count()
    path = cards.first.get_attribute("data-category")
    alike = page.locator(f".goods-card[data-category='{path}']:visible").count()
    cards.first.locator(".not-for-me summary").click()
    cards.first.locator("form[action='/goods/hide'] button").nth(1).click()
    gone = page.locator(".gone")
    expect(gone).to_be_focused()
    expect(cards).to_have_count(n_cards - alike)
    gone.locator("button").click()
    expect(gone).to_have_count(0)
    expect(cards).to_have_count(n_cards)
    page.reload()
    expect(cards).to_have_count(n_cards)


def test_hidden_things_are_shown_again_from_the_picks(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page(width=390)
    sign_in(page, site, "anchor")
    card = page.locator(".goods-card").first
    card.locator(".not-for-me summary").click()
    card.locator("form[action='/goods/hide'] button").first.click()
    expect(page.locator(".gone")).to_be_visible()
    page.goto(f"{site.url}/picks#hidden")
    page.locator(".hidden-list button").click()
    expect(page.locator(".shown-again")).to_contain_text(WORDS["anchor.shown.said"][1])
    page.reload()
    expect(page.locator(".hidden-list")).to_have_count(0)


def test_without_scripts_hide_and_undo_are_told_by_the_page(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page(width=390, scripts=False)
    sign_in(page, site, "anchor")
    card = page.locator(".goods-card").first
    gone = card.get_attribute("id")
    card.locator(".not-for-me summary").click()
    card.locator("form[action='/goods/hide'] button").first.click()
    expect(page.locator("#said")).to_contain_text("Hidden")
    expect(page.locator(f"[id='{gone}']")).to_have_count(0)
    page.locator("#said button").click()
    expect(page.locator(f"[id='{gone}']")).to_have_count(1)


def test_the_keyboard_alone_picks(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page(width=1280)
    sign_in(page, site, "other_anchor")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    pick = page.locator("form[action='/goods/pick'] button").first
    for _ in range(150):
        page.keyboard.press("Tab")
        if pick.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_be_focused()


def test_the_language_is_switched_where_one_stands(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page(width=390, locale="zh-CN")
    sign_in(page, site, "anchor")
    page.goto(f"{site.url}/goods?min_price=20")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text(WORDS["anchor.goods"][1])
    expect(page).to_have_url(f"{site.url}/goods?min_price=20")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_every_page_fits_its_window_and_axe_finds_nothing_serious(
    site: Live, browser_page: BrowserPage, width: int, locale: str, dark: bool
) -> None:
    page = browser_page(width=width, locale=locale, dark=dark)
    sign_in(page, site, "anchor")
    addresses = (
        "/goods",
        "/goods?min_price=900000",
        "/goods?min_price=5&max_price=4",
        f"/goods/{site.sku_id}",
        "/picks",
        "/goods/NOPE",
    )
    for address in addresses:
        page.goto(f"{site.url}{address}")
        assert is_narrow_enough(page), address
        assert serious_faults(page) == [], address


def filter_by(page: Page, name: str, value: str) -> None:
    """Type it into its field and send it, with the list's answer in the address."""
    summary = page.locator(".filters > summary")
    field = page.locator(f"#f-{name}")
    if not field.is_visible():
        summary.click()
    field.fill(value)
    field.press("Enter")
    page.wait_for_url(lambda address: f"{name}={value}" in address)
