"""Can an operator run the house from a browser: with and without scripts, by keyboard, on a phone? In the system's Chromium."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from api.pages.words import WORDS
from browsing import BrowserPage, is_narrow_enough, serious_faults, sign_in
from live import Live
from matcher.registry import read_history
from operating import Desk, served_with_nights, versions
from trained import Trained

_TRIAL: Final = 90_000
"""Milliseconds: another process loads the model first."""
BAD: Final = "brand_id,name\nfine-1,Fine\nbad 2,Bad\nfine-3,\n"


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """This file's own: models change hands in it."""
    with served_with_nights(trained, tmp_path_factory.mktemp("operator")) as site:
        yield site


def say(key: str, locale: str = "en-GB") -> str:
    return WORDS[f"operator.{key}"][0 if locale == "zh-CN" else 1]


@pytest.mark.parametrize(
    ("width", "locale", "scripts"), [(1280, "en-GB", True), (390, "zh-CN", True), (1280, "zh-CN", False)]
)
def test_the_main_path_nights_a_bad_file_a_key_and_a_promotion(
    site: Live, browser_page: BrowserPage, width: int, locale: str, scripts: bool
) -> None:
    page = browser_page(width=width, locale=locale, scripts=scripts)
    sign_in(page, site, "operator")
    expect(page).to_have_url(f"{site.url}/nights")
    expect(page.locator(".plot-frame")).to_have_count(6)
    hand_in_a_bad_file(page, locale)
    make_and_revoke_a_key(page, site, locale)
    promote_and_roll_back(page, site, locale)


def hand_in_a_bad_file(page: Page, locale: str) -> None:
    page.locator("nav a[href='/imports']").click()
    page.locator("input[name=files]").set_input_files(
        {"name": "brands.csv", "mimeType": "text/csv", "buffer": BAD.encode()}
    )
    page.locator("form[action='/imports'] button").click()
    expect(page.locator(".notice.bad")).to_contain_text(say("import.said.refused", locale))
    expect(page.locator("#rejects-brands")).to_contain_text("BAD_ID")
    expect(page.locator("#rejects-brands tbody tr")).to_have_count(2)
    with page.expect_download() as begun:
        page.locator("a[href$='/rejects/brands.csv']").click()
    assert begun.value.suggested_filename == "rejects-brands.csv"
    assert "bad 2" in begun.value.path().read_text("utf-8-sig")


def make_and_revoke_a_key(page: Page, site: Live, locale: str) -> None:
    page.goto(f"{site.url}/keys")
    form = page.locator("form[action='/keys'][method=post]")
    form.locator("select[name=role]").select_option("anchor")
    form.locator("input[name=subject]").fill(site.anchor_id)
    form.locator("input[name=note]").fill("walked")
    form.locator("button").click()
    made = page.locator(".made")
    expect(made).to_contain_text(say("keys.once", locale))
    key = made.locator(".copy code").inner_text()
    assert Desk(site, key=key).get("/picks")
    page.reload()
    expect(page.locator(".made")).to_have_count(0)
    row = page.locator("tr", has_text="walked").filter(has=page.locator("summary")).first
    row.locator("summary").click()
    row.locator("form button").first.click()
    expect(page.locator(".notice.good")).to_contain_text(say("said.revoked", locale))
    assert Desk(site).client.post("/sign-in", data={"key": key, "next": "/"}).status_code == 401


def promote_and_roll_back(page: Page, site: Live, locale: str) -> None:
    _, champion, passed, _ = versions(site)
    page.goto(f"{site.url}/models/{passed}")
    page.locator(".page-actions summary").click()
    page.locator(f"form[action='/models/{passed}/promote'] button").first.click(no_wait_after=True)
    expect(page.locator(".notice.good")).to_contain_text(say("said.promoted", locale), timeout=_TRIAL)
    assert read_history(site.settings.home)[-1].version == passed
    page.goto(f"{site.url}/models")
    rollback = page.locator("details", has=page.locator(f"form[action='/models/{passed}/rollback']"))
    rollback.locator("summary").click()
    rollback.locator("form button").first.click(no_wait_after=True)
    expect(page.locator(".notice.good")).to_contain_text(say("said.rolled_back", locale), timeout=_TRIAL)
    assert read_history(site.settings.home)[-1].version == champion


def test_verdicts_are_narrowed_at_once_and_lead_to_their_account(
    site: Live, browser_page: BrowserPage
) -> None:
    page = browser_page()
    sign_in(page, site, "operator")
    page.goto(f"{site.url}/checks")
    page.locator(".filters > summary").click()
    page.locator("#f-rule").select_option("price_parity")
    page.wait_for_url(lambda address: "rule=price_parity" in address)
    expect(page.locator("#results .finding .verdict-rule", has_text="CPS floor")).to_have_count(0)
    page.locator("#f-rule").select_option("cps_floor")
    page.wait_for_url(lambda address: "rule=cps_floor" in address)
    first = page.locator("#results .finding a").first
    title = first.inner_text()
    first.click()
    expect(page.locator("h1")).to_have_text(title)
    expect(page.locator(".banner.accent")).to_be_visible()


def test_an_anchor_is_forgotten_by_keyboard_alone(site: Live, browser_page: BrowserPage) -> None:
    page = browser_page()
    sign_in(page, site, "operator")
    page.goto(f"{site.url}/privacy?anchor_id={site.other_anchor_id}")
    page.locator("details.confirm > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("request 4711")
    page.keyboard.press("Tab")
    page.keyboard.type(site.other_anchor_id)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "said=forgotten" in address)
    expect(page.locator("#record")).to_contain_text("request 4711")
    expect(page.locator("#held")).to_contain_text(say("privacy.nothing_left"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "locale"), [(390, "zh-CN"), (1280, "en-GB"), (390, "en-GB")])
def test_every_page_fits_its_window_and_axe_finds_nothing_serious(
    site: Live, browser_page: BrowserPage, width: int, locale: str, dark: bool
) -> None:
    desk = Desk(site)
    answer = desk.send("/imports", files=[("files", ("brands.csv", BAD.encode()))])
    desk.settled(answer.headers["location"])
    desk.send("/feeds/limit", table="enrolments", hours="1")
    page = browser_page(width=width, locale=locale, dark=dark)
    sign_in(page, site, "operator")
    damaged, champion, _, refused = versions(site)
    addresses = (
        "/nights",
        "/models",
        *(f"/models/{version}" for version in (damaged, champion, refused)),
        "/feeds",
        "/checks",
        "/checks?brand_id=nobody",
        "/checks/retract?table=offers&key=nothing",
        "/keys",
        "/imports",
        answer.headers["location"],
        f"/privacy?anchor_id={site.anchor_id}",
        "/privacy?anchor_id=nobody",
    )
    for address in addresses:
        page.goto(f"{site.url}{address}")
        for summary in page.locator("main details:not([open]) > summary").all()[:8]:
            if summary.is_visible():
                summary.evaluate("one => { one.parentElement.open = true }")
        assert is_narrow_enough(page), address
        assert serious_faults(page) == [], address
