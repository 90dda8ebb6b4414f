"""Is it told that a session has ended, and does a change of language lead nowhere that is not there?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape

import httpx
import pytest

from anchor_pages import browse, left_as_found, serving
from api.pages.guarding import SESSION_COOKIE
from api.pages.words import WORDS
from api.sessions import SESSION_LIFE
from live import Live

ENDED = WORDS["sign_in.expired"]


@pytest.fixture
def site(anchors_site: Live) -> Iterator[Live]:
    yield from left_as_found(anchors_site)


def later(site: Live, monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    now: datetime = serving(site).clock()
    monkeypatch.setattr(serving(site), "clock", lambda: now + by)


@pytest.mark.parametrize(("language", "place"), [("zh", 0), ("en", 1)])
def test_who_comes_back_after_the_end_of_a_session_is_told_so(
    site: Live, monkeypatch: pytest.MonkeyPatch, language: str, place: int
) -> None:
    with browse(site, "anchor", accept_language=language) as page:
        assert page.get("/goods").url.path == "/goods"
        later(site, monkeypatch, SESSION_LIFE)
        ended = page.get("/picks")
        at_home = page.get("/")
        wrong = page.post("/sign-in", data={"key": "fx_wrong"})
    for answer in (ended, at_home):
        assert answer.url.path == "/sign-in"
        assert ENDED[place] in answer.text
    assert ENDED[place] not in wrong.text


def test_a_browser_keeps_the_cookie_for_longer_than_it_opens_anything(site: Live) -> None:
    with httpx.Client(base_url=site.url) as client:
        answer = client.post("/sign-in", data={"key": site.keys["anchor"]})
    kept = next(part for part in answer.headers["set-cookie"].split("; ") if part.startswith("Max-Age="))
    assert int(kept.partition("=")[2]) > SESSION_LIFE.total_seconds()


def test_who_was_never_signed_in_or_has_signed_out_is_told_nothing_of_a_session(site: Live) -> None:
    with browse(site, None) as page:
        assert ENDED[1] not in page.get("/goods").text
    with browse(site, "anchor") as page:
        html = page.get("/goods").text
        token = html.partition('name="csrf" value="')[2].partition('"')[0]
        page.post("/sign-out", data={"csrf": token})
        assert SESSION_COOKIE not in page.cookies
        assert ENDED[1] not in page.get("/goods").text


def test_who_is_signed_in_is_told_nothing_of_an_end(site: Live) -> None:
    with browse(site, "anchor") as page:
        assert ENDED[1] not in page.get("/sign-in").text


def switched(page: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """What the button for the other language on that page leads to."""
    form = answer.text.partition('action="/language"')[2].partition("</form>")[0]
    address = unescape(form.partition('name="next" value="')[2].partition('"')[0])
    return page.post("/language", data={"language": "zh", "next": address})


@pytest.mark.parametrize("address", ["/goods/pick", "/goods/hide", "/picks/answer", "/sign-out"])
def test_another_language_on_the_page_of_a_form_that_failed_leads_to_a_page(site: Live, address: str) -> None:
    with browse(site, "anchor") as page:
        failed = page.post(address, data={"csrf": "forged"})
        assert failed.status_code == 403
        other = switched(page, failed)
    assert other.status_code == 200
    assert (other.url.path, other.headers["content-language"]) == ("/goods", "zh")


def test_another_language_beside_a_wrong_key_keeps_where_to_go_on_to(site: Live) -> None:
    with browse(site, None) as page:
        failed = page.post("/sign-in", data={"key": "fx_wrong", "next": "/picks?page=2"})
        assert failed.status_code == 401
        other = switched(page, failed)
    assert other.headers["content-language"] == "zh"
    assert 'name="next" value="/picks?page=2"' in other.text


def test_a_page_that_was_asked_for_is_stayed_on(site: Live) -> None:
    with browse(site, "anchor") as page:
        other = switched(page, page.get("/goods?min_price=5"))
        lost = switched(page, page.get("/nothing/here?a=1"))
    assert (other.status_code, str(other.url.path), other.url.query) == (200, "/goods", b"min_price=5")
    assert (lost.status_code, lost.url.path) == (404, "/nothing/here")
