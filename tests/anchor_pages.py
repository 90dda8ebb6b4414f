"""What do the tests of an anchor's pages share? A site of their own, a browser without scripts, and what they read."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import Any, Final

import httpx
import pytest

from api.serving import Serving
from features.store.db import open_engine, read_rows, reading, writing
from features.units import microseconds
from live import Live, served_copy
from trained import Trained

PART: Final = {"X-Fenxiao-Part": "1"}
"""What our script sends along."""


@pytest.fixture(scope="session")
def anchors_site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site whose anchors hide and pick: other tests, which compare lists, have another."""
    with served_copy(trained, tmp_path_factory.mktemp("anchor")) as own:
        yield own


def left_as_found(site: Live) -> Iterator[Live]:
    """The site, in which afterwards nothing is hidden."""
    yield site
    with writing(serving(site).store) as session:
        session.connection().exec_driver_sql("DELETE FROM hidden_goods")
    serving(site).hidden = {}


@contextmanager
def browse(site: Live, role: str | None, *, accept_language: str = "en") -> Iterator[httpx.Client]:
    """Signed in through the form, as a browser without scripts would be."""
    headers = {"Accept": "text/html", "Accept-Language": accept_language}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60, follow_redirects=True) as client:
        if role is not None:
            answer = client.post("/sign-in", data={"key": site.keys[role]}, follow_redirects=False)
            assert answer.status_code == 303
        yield client


def serving(site: Live) -> Serving:
    found: Serving = site.app.state.serving
    return found


def cards(html: str) -> list[str]:
    return re.findall(r'<article class="card goods-card" id="card-([^"]+)"', html)


def card(html: str, sku_id: str) -> str:
    begin = html.index(f'id="card-{sku_id}"')
    return html[begin : html.index("</article>", begin)]


def form_of(html: str) -> dict[str, str]:
    token = re.search(r'name="csrf" value="([^"]+)"', html)
    assert token is not None
    return {"csrf": token[1]}


def pick_form(html: str, sku_id: str) -> dict[str, str]:
    """The hidden fields of the form under that card, or, where it is picked already, those that it would have."""
    begin = card(html, sku_id).partition('action="/goods/pick"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', begin))
    return {name: unescape(value) for name, value in fields.items()} or {**form_of(html), "sku_id": sku_id}


def next_page(html: str) -> str:
    link = re.search(r'rel="next" href="([^"]+)"', html)
    assert link is not None
    return unescape(link[1])


def invite(
    site: Live, brand: httpx.Client, anchor_id: str, sku_id: str, event_id: str, *, minutes_ahead: int = 0
) -> None:
    at = (serving(site).clock() + timedelta(minutes=minutes_ahead)).isoformat()
    event: Mapping[str, Any] = {
        "event_id": event_id, "at": at, "anchor_id": anchor_id, "sku_id": sku_id, "kind": "invited",
    }  # fmt: skip
    answer = brand.post("/v1/feedback", json={"events": [event]})
    assert answer.status_code == 202, answer.text


def since(site: Live) -> dict[str, int]:
    """From today on: what the pretend market tells of itself lies before."""
    return {"at": microseconds(serving(site).clock() - timedelta(hours=11))}


def drained(site: Live, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """What the store holds once the journal is in it."""
    serving(site).journal.drain(serving(site).store)
    store = open_engine(site.settings.database_url)
    try:
        with reading(store) as session:
            return [tuple(row) for row in read_rows(session, sql, parameters)]
    finally:
        store.dispose()
