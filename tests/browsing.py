"""How does a person look at the site in a test? A page of the system's Chromium, its width, language and light chosen.

`browser_page` is a fixture that gives a factory:

    page = browser_page(width=390, locale="zh-CN")    # a phone; 1280 is a desk
    sign_in(page, live, "anchor")                     # through the form, to that role's first page
    page.goto(f"{live.url}/goods")

Each page is a browser of its own, without cookies. A script error, or a file that the content security policy keeps
out, fails the test at its end. Nothing beyond this machine can be reached. Where there is no browser the tests are
skipped, and say so; with FENXIAO_REQUIRE_BROWSER=1 they fail instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from live import Live

BrowserPage = Callable[..., Page]

_HEIGHT: Final = 900
_LONGEST_MILLISECONDS: Final = 20_000
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_EXPECTED: Final = "Failed to load resource"
"""What the browser says itself of every answer that is no 200: the tests look at those on purpose."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, started once a file: its event loop would be in the way of other tests."""
    program = chromium()
    if program is None and os.environ.get("FENXIAO_REQUIRE_BROWSER") == "1":
        pytest.fail("FENXIAO_REQUIRE_BROWSER=1, and no Chromium: apt-get install chromium")
    if program is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[*_FLAGS])
        yield started
        started.close()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[BrowserPage]:
    """Opens pages: `browser_page(width=1280, locale="en-GB", dark=False, scripts=True)`."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and _EXPECTED not in message.text:
            complaints.append(message.text)

    def open_page(
        *,
        width: int = 1280,
        height: int = _HEIGHT,
        locale: str = "en-GB",
        dark: bool = False,
        scripts: bool = True,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if dark else "light",
            has_touch=width < 600,
            java_script_enabled=scripts,
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_default_timeout(_LONGEST_MILLISECONDS)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def chromium() -> str | None:
    """Where the browser's program lies, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(shutil.which, names) if found), None)


def sign_in(page: Page, live: Live, role: str) -> None:
    """Through the form, with the key of that role in `live.keys`; ends on the role's first page."""
    page.goto(f"{live.url}/sign-in")
    page.locator("input[name=key]").fill(live.keys[role])
    page.locator("input[name=key]").press("Enter")
    page.wait_for_url(lambda address: "/sign-in" not in address)


def is_narrow_enough(page: Page) -> bool:
    """Does the page fit its window, so that nobody has to push it sideways?"""
    viewport = page.viewport_size
    assert viewport is not None
    return int(page.evaluate("document.documentElement.scrollWidth")) <= viewport["width"]


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds wrong, serious or critical: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
