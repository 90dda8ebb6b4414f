"""Can a brand's operator walk the whole way in a browser? From what fails to an invitation, by mouse and by keyboard."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from brand_site import serving, skus_of
from browsing import BrowserPage, is_narrow_enough, serious_faults, sign_in
from features.store.db import read_rows, reading
from live import Live


def addresses(site: Live) -> list[str]:
    sku = f"/skus/{site.sku_id}"
    skus = "&".join(f"sku={sku_id}" for sku_id in skus_of(site)[:4])
    anchors = f"anchor={site.anchor_id}&anchor={site.other_anchor_id}"
    return [
        "/skus", sku, f"{sku}?rate=30&price=50#what-if", f"{sku}/shortlist", f"{sku}/compare?{anchors}",
        f"{sku}/why?anchor={site.anchor_id}", f"/skus/shared?{skus}", "/invitations",
    ]  # fmt: skip


def test_a_brand_walks_from_what_fails_to_an_invitation(
    browser_page: BrowserPage, brands_site: Live, tmp_path: Path
) -> None:
    site = brands_site
    page: Page = browser_page()
    sign_in(page, site, "brand")
    expect(page).to_have_url(f"{site.url}/skus")

    # filter, and the address can be kept
    page.get_by_label("Verdict", exact=True).select_option("FAIL")
    expect(page.locator("tr.sku-line")).to_have_count(1)
    assert "verdict=FAIL" in page.url
    page.reload()
    expect(page.locator("tr.sku-line")).to_have_count(1)
    page.locator(f'a[href="/skus/{site.sku_id}"]').click()

    # the what-if answers as one types
    answer = page.locator("#what-if-answer")
    rate = page.get_by_label("Open rate")
    rate.fill("15.4")
    expect(answer).to_contain_text("0.1 percentage points below the floor")
    rate.fill("15.5")
    expect(answer).to_contain_text("exactly at the floor")
    expect(answer).to_contain_text("Anchors taking it up")
    page.get_by_label("Item price").fill("92")
    expect(answer).to_contain_text("exactly the reference price")
    rate.fill("95")
    expect(answer).to_contain_text("exactly the reference price")  # half a figure is not asked about
    assert page.url.endswith(f"/skus/{site.sku_id}")

    # the shortlist, its file, and two anchors side by side
    page.get_by_role("link", name="Shortlist").click()
    page.get_by_label("Tier", exact=True).select_option("tail")
    expect(page).to_have_url(f"{site.url}/skus/{site.sku_id}/shortlist?tier=tail&objective=balanced")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.reader(opened))
    shown = page.locator(".anchor-line").evaluate_all("lines => lines.map(line => line.id.slice(2))")
    assert [row[1] for row in rows[1:]][: len(shown)] == shown
    boxes = page.locator('.anchor-line input[name="anchor"]')
    for k in (1, 2):
        boxes.nth(k).check()
    page.get_by_role("button", name="Compare the chosen").click()
    expect(page.locator(".compared-anchor")).to_have_count(2)
    assert [one for one in shown[1:3] if f"anchor={one}" not in page.url] == []

    # invite, and see it recorded
    page.locator(".compared-anchor").nth(1).get_by_role("button", name="Invite").click()
    expect(page.locator(".compared-anchor").nth(1)).to_contain_text("Invited")
    page.get_by_role("link", name="Invitations").first.click()
    line = page.locator("tbody tr").filter(has_text=shown[2])
    expect(line).to_contain_text("Invited")
    line.get_by_role("button", name="Sample sent").click()
    expect(page.get_by_role("status").filter(has_text="Written down.")).to_be_visible()
    expect(page.locator("tbody tr").filter(has_text=shown[2])).to_contain_text("Sample sent")
    assert _told(site, shown[2]) == ["invited", "sample_sent"]


def test_no_more_than_four_can_be_chosen_and_what_is_chosen_stays_at_hand(
    browser_page: BrowserPage, brands_site: Live
) -> None:
    page = browser_page()
    sign_in(page, brands_site, "brand")
    page.goto(f"{brands_site.url}/skus/{brands_site.sku_id}/shortlist")
    boxes = page.locator('.anchor-line input[name="anchor"]')
    button = page.get_by_role("button", name="Compare the chosen")
    expect(button).not_to_be_in_viewport()
    for k in range(4):
        boxes.nth(k).check()
    expect(boxes.nth(4)).to_be_disabled()
    expect(button).to_be_in_viewport()
    boxes.nth(0).uncheck()
    expect(boxes.nth(4)).to_be_enabled()


def test_the_keyboard_alone_is_enough(browser_page: BrowserPage, brands_site: Live) -> None:
    page = browser_page()
    sign_in(page, brands_site, "brand")
    page.goto(f"{brands_site.url}/skus/{brands_site.sku_id}/shortlist")
    page.locator('.anchor-line input[name="anchor"]').first.focus()
    page.keyboard.press("Space")
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Compare the chosen":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".compared-anchor")).to_have_count(1)


def test_without_scripts_filters_and_the_what_if_are_pages_of_their_own(
    browser_page: BrowserPage, brands_site: Live
) -> None:
    page = browser_page(scripts=False)
    sign_in(page, brands_site, "brand")
    page.get_by_label("Verdict", exact=True).select_option("FAIL")
    page.get_by_role("button", name="Apply").click()
    assert page.locator("tr.sku-line").count() == 1
    page.goto(f"{brands_site.url}/skus/{brands_site.sku_id}")
    page.get_by_label("Open rate").fill("15.5")
    page.get_by_role("button", name="Work it out").click()
    assert "exactly at the floor" in page.locator("#what-if-answer").inner_text()


@pytest.mark.parametrize(
    ("width", "locale", "dark"), [(1280, "en-GB", False), (390, "zh-CN", True), (390, "en-GB", False)]
)
def test_every_page_fits_and_can_be_read(
    browser_page: BrowserPage, brands_site: Live, width: int, locale: str, dark: bool
) -> None:
    page = browser_page(width=width, locale=locale, dark=dark)
    sign_in(page, brands_site, "brand")
    for address in addresses(brands_site):
        page.goto(brands_site.url + address)
        assert is_narrow_enough(page), address
        assert serious_faults(page) == [], address


def _told(site: Live, anchor_id: str) -> list[str]:
    own = serving(site)
    own.journal.drain(own.store)
    with reading(own.store) as session:
        rows = read_rows(
            session,
            "SELECT kind FROM feedback WHERE sku_id = :sku AND anchor_id = :anchor AND source = :us"
            " AND kind <> 'shown' ORDER BY at",
            {"sku": site.sku_id, "anchor": anchor_id, "us": f"brand:{site.brand_id}"},
        )
    return [str(row[0]) for row in rows]
