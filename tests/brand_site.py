"""What do the tests of a brand's pages share? A site of their own, in which promises are broken, and secrets are kept.

The brand of `live` is enrolled in both rules. Its first SKU pays less commission than another platform, and costs more
than it did at the reference event; a second one keeps both promises. The busiest anchors have figures that no brand
may see: where one of them appears on a page, it leaked.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from api.serving import Serving
from features.store.db import open_engine, read_rows, writing
from features.store.tables import CpsQuote, Enrolment, Offer, OfferPromotion, Plan
from features.units import midnight
from live import Live, served_copy
from trained import Trained

PRIVATE: Final = "73317331"
"""Stands in figures of anchors that are nobody's business but theirs."""
TURNED_AWAY: Final = "unwanted/turned-away"
HOSTILE_NAME: Final = '=HYPERLINK("http://evil.example";"<script>alert(1)</script>")'
OURS_PPM: Final = 100_000
FLOOR_PPM: Final = 155_000


@pytest.fixture(scope="session")
def brands_site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site whose brand invites: other tests, which compare lists, have another."""
    with planted_site(trained, tmp_path_factory.mktemp("brand")) as own:
        yield own


@contextmanager
def planted_site(trained: Trained, folder: Path, **settings: Any) -> Iterator[Live]:
    """A site over a copy of the market with what is written above."""
    stored = folder / "planted.db"
    shutil.copy(trained.url.removeprefix("sqlite:///"), stored)
    _plant(f"sqlite:///{stored}", midnight(trained.market.as_of) + timedelta(hours=11))
    with served_copy(replace(trained, url=f"sqlite:///{stored}"), folder, **settings) as own:
        yield own


def skus_of(site: Live) -> list[str]:
    """The brand's SKUs."""
    served = serving(site).current
    assert served is not None
    return [sku_id for sku_id in served.sku_rows if served.brand_of(sku_id) == site.brand_id]


def kept_sku(site: Live) -> str:
    """The brand's other SKU, whose promises are kept."""
    return _skus_of(site.settings.database_url, site.brand_id, site.sku_id)[0]


@contextmanager
def browse(site: Live, role: str | None, *, language: str = "en") -> Iterator[httpx.Client]:
    """Signed in through the form, as a browser without scripts would be."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60) as client:
        if role is not None:
            assert client.post("/sign-in", data={"key": site.keys[role]}).status_code == 303
        yield client


def serving(site: Live) -> Serving:
    found: Serving = site.app.state.serving
    return found


def text_of(html: str) -> str:
    """What a reader sees, on one line."""
    plain = re.sub(r"<(script|style|svg).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(plain))


def csrf_of(html: str) -> str:
    token = re.search(r'name="csrf" value="([^"]+)"', html)
    assert token is not None
    return token[1]


def anchors_on(html: str) -> list[str]:
    """The anchors of a shortlist, in order."""
    return re.findall(r'<li class="card anchor-line" id="a-([^"]+)"', html)


def skus_on(html: str) -> list[str]:
    """The SKUs of a list, in order."""
    return re.findall(r'name="sku" value="([^"]+)"', html)


def address_of(answer: httpx.Response) -> str:
    """Where a form sends its sender, without the place on the page."""
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("#")[0]


def _skus_of(url: str, brand_id: str, but: str) -> list[str]:
    store = open_engine(url)
    with writing(store) as session:
        rows = read_rows(
            session,
            "SELECT sku_id FROM skus WHERE brand_id = :brand AND sku_id <> :but GROUP BY sku_id ORDER BY sku_id",
            {"brand": brand_id, "but": but},
        )
    store.dispose()
    return [str(row[0]) for row in rows]


def _plant(url: str, seen_at: datetime) -> None:
    store = open_engine(url)
    with writing(store) as session:
        # as live.py chooses them
        brand_id, sku_id = read_rows(
            session,
            "SELECT k.brand_id, k.sku_id FROM listings l JOIN skus k ON k.sku_id = l.sku_id"
            " WHERE COALESCE(k.status, 'on') = 'on' GROUP BY k.brand_id, k.sku_id"
            " ORDER BY COUNT(*) DESC, k.sku_id LIMIT 1",
        )[0]
        connection = session.connection()
        for statement in (
            f"UPDATE anchor_stats SET violation_points = {PRIVATE}",
            f"UPDATE anchors SET denied_categories = '{TURNED_AWAY}'",
            f"UPDATE listings SET refund_fen = {PRIVATE}, settled_at = 0 WHERE refund_fen IS NOT NULL",
        ):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "UPDATE anchors SET name = ? WHERE anchor_id = (SELECT anchor_id FROM live_sessions"
            " GROUP BY anchor_id ORDER BY COUNT(*) DESC, anchor_id LIMIT 1)",
            (HOSTILE_NAME,),
        )
    store.dispose()
    other = _skus_of(url, brand_id, sku_id)[0]
    store = open_engine(url)
    with writing(store) as session:
        known = {"known_at": seen_at, "source": "operator"}
        long_ago = datetime(2026, 1, 1, tzinfo=UTC)
        session.add(
            Enrolment(
                brand_id=brand_id,
                programme_id="flagship-c",
                valid_from=long_ago,
                known_at=long_ago,
                source="operator",
            )
        )
        for sku, ours_ppm in ((sku_id, OURS_PPM), (other, 200_000)):
            session.add(
                Plan(
                    plan_id=f"plan-{sku}", sku_id=sku, plan_type="open", rate_ppm=ours_ppm,
                    valid_from=seen_at - timedelta(days=1), known_at=seen_at - timedelta(days=1), source="operator",
                )
            )  # fmt: skip
            session.add(
                CpsQuote(
                    quote_id=f"quote-{sku}", sku_id=sku, platform="douyin", rate_ppm=FLOOR_PPM,
                    observed_at=seen_at, **known,
                )
            )  # fmt: skip
            ours = Offer(
                offer_id=f"ours-{sku}", sku_id=sku, platform="kuaishou", item_price_fen=10_000, shipping_fen=300,
                observed_at=seen_at, valid_from=seen_at - timedelta(days=1), units_per_pack=1, unit="piece", **known,
            )  # fmt: skip
            session.add(ours)
            session.flush()
            session.add(
                OfferPromotion(
                    promotion_id=f"coupon-{sku}",
                    offer_id=ours.offer_id,
                    layer="shop",
                    kind="coupon",
                    off_fen=500,
                    **known,
                )
            )
            price_fen = 9_000 if sku == sku_id else 12_000
            then = datetime(2025, 11, 1, tzinfo=UTC)
            session.add(
                Offer(
                    offer_id=f"theirs-{sku}", sku_id=sku, platform="tmall", shop_kind="flagship", mapping="code",
                    item_price_fen=price_fen, evidence="screenshot-1", observed_at=then, known_at=then, units_per_pack=1,
                    unit="piece", source="operator",
                )
            )  # fmt: skip
    store.dispose()
