"""What is done better where scripts run, and does all of it work without? A few small pages in a real browser."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from browsing import BrowserPage, is_narrow_enough
from small_pages import SmallPages, served_small_pages


@pytest.fixture(scope="module")
def small_pages() -> Iterator[SmallPages]:
    with served_small_pages() as site:
        yield site


def test_a_filter_answers_at_once_and_the_address_follows(
    small_pages: SmallPages, browser_page: BrowserPage
) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/list?anchor_id=A1")
    page.get_by_label("Category").select_option("jade")
    expect(page.locator("#results")).to_have_text("found jade-None-None for A1")
    expect(page).to_have_url(f"{small_pages.url}/list?anchor_id=A1&category=jade")
    page.get_by_label("Words").press_sequentially("green")
    expect(page.locator("#results")).to_have_text("found jade-green-None for A1")
    expect(page.get_by_label("Words")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="found")).to_have_text("found jade-green-None")
    page.reload()
    expect(page.get_by_label("Words")).to_have_value("green")


def test_an_older_answer_never_overtakes_a_newer_one(
    small_pages: SmallPages, browser_page: BrowserPage
) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/list")
    page.get_by_label("Words").fill("slow")
    page.wait_for_timeout(400)
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    page.get_by_label("Words").fill("quick")
    expect(page.locator("#results")).to_contain_text("quick")
    page.wait_for_timeout(1_000)
    expect(page.locator("#results")).to_contain_text("quick")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def test_a_failed_answer_is_said_and_leaves_what_was_there(
    small_pages: SmallPages, browser_page: BrowserPage
) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/list?q=tea")
    page.get_by_label("Words").fill("broken")
    expect(page.locator(".live-status")).to_have_text("Could not be updated; try again.")
    expect(page.locator("#results")).to_contain_text("tea")
    page.get_by_label("Words").fill("mended")
    expect(page.locator("#results")).to_contain_text("mended")


def test_half_a_number_is_not_asked_for(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/list")
    page.get_by_label("Price").fill("-5")
    page.wait_for_timeout(500)
    expect(page).to_have_url(f"{small_pages.url}/list")


def test_a_session_that_has_ended_leads_to_the_page_for_signing_in(
    small_pages: SmallPages, browser_page: BrowserPage
) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/list")
    page.get_by_label("Words").fill("gone")
    page.wait_for_url(f"{small_pages.url}/sign-in")


def test_filters_work_without_scripts(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page(scripts=False, width=390)
    page.goto(f"{small_pages.url}/list?anchor_id=A1")
    page.get_by_text("Filters").click()
    page.get_by_label("Category").select_option("tea")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#results")).to_contain_text("found tea-")
    expect(page.locator("#results")).to_contain_text("for A1")


def test_a_question_is_asked_before_the_form_goes(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/asks")
    small_pages.done.clear()
    page.get_by_role("button", name="Hide").click()
    dialog = page.get_by_role("dialog", name="Hide it?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert small_pages.done == []
    page.get_by_role("button", name="Hide").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert small_pages.done == []
    page.get_by_role("button", name="Hide").click()
    with page.expect_navigation():
        dialog.get_by_role("button", name="Hide").click()
    assert small_pages.done == ["hidden"]


@pytest.mark.parametrize("scripts", [True, False])
def test_what_cannot_be_undone_asks_with_and_without_scripts(
    small_pages: SmallPages, browser_page: BrowserPage, scripts: bool
) -> None:
    page = browser_page(scripts=scripts)
    page.goto(f"{small_pages.url}/asks")
    small_pages.done.clear()
    sure = page.get_by_role("button", name="Yes, forget")
    expect(sure).not_to_be_visible()
    page.locator("summary", has_text="Forget").click()
    expect(page.get_by_text("Forget A1?")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(visible=scripts)
    if scripts:
        page.get_by_role("button", name="Cancel").click()
        expect(sure).not_to_be_visible()
        expect(page.locator("summary", has_text="Forget")).to_be_focused()
        page.keyboard.press("Enter")
    with page.expect_navigation():
        sure.click()
    assert small_pages.done == ["forgotten"]


def test_a_second_click_posts_nothing(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/asks")
    small_pages.done.clear()
    twice = "for (const wait of [0, 150]) setTimeout(() => document.querySelector('form[action=\"/slow\"] button').click(), wait)"
    with page.expect_navigation():
        page.evaluate(twice)
    page.wait_for_timeout(400)
    assert small_pages.done == ["slow"]
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_fifth_box_cannot_be_checked(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/boxes")
    boxes = page.get_by_role("checkbox")
    for i in range(4):
        boxes.nth(i).check()
    expect(boxes.nth(4)).to_be_disabled()
    boxes.nth(0).uncheck()
    expect(boxes.nth(4)).to_be_enabled()
    expect(boxes.nth(6)).to_be_disabled()


def test_a_box_that_stands_outside_its_form_is_counted_with_it(
    small_pages: SmallPages, browser_page: BrowserPage
) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/boxes")
    boxes = page.get_by_label("far")
    for i in range(4):
        boxes.nth(i).check()
    expect(boxes.nth(4)).to_be_disabled()
    expect(page.locator('input[name="sku"]').first).to_be_enabled()
    boxes.nth(0).uncheck()
    expect(boxes.nth(4)).to_be_enabled()


def test_a_key_can_be_copied(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/boxes")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "fx_secret"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("options", ["", "zh=1", "role=operator"])
def test_the_parts_fit_their_window_and_everybody(
    small_pages: SmallPages, browser_page: BrowserPage, width: int, dark: bool, options: str
) -> None:
    page = browser_page(width=width, dark=dark)
    page.goto(f"{small_pages.url}/parts_of_all_kinds?{options}")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert is_narrow_enough(page)
    found = Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ] == []


def test_a_thumb_meets_what_it_taps(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page(width=390)
    page.goto(f"{small_pages.url}/parts_of_all_kinds")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, nav a, select, summary, .check, input:not([type=hidden], [type=checkbox])")]
        .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 44).map(one => one.outerHTML)"""
    )
    assert small == []


def test_the_first_key_leads_past_the_navigation(small_pages: SmallPages, browser_page: BrowserPage) -> None:
    page = browser_page()
    page.goto(f"{small_pages.url}/asks")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
