"""Can anybody learn by inference what a brand keeps to itself? Two sites from one store, in one of which it has acted.

What another sees is compared byte by byte at the same instant, but for the id of the request. The brand's deeds are
seen to have an effect, for itself and for those whom they name.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.security import create_key
from features.store.db import open_engine, read_rows, reading, writing
from features.store.keys import revoke_key
from features.store.records import retract
from features.units import midnight
from live import Live, served_copy
from quiet import quiet
from trained import Trained

NAMING = ("target_item", "target_shop", "leader")
"""Kinds of plan that are nothing to those whom they do not name."""
EXCLUSIVE = ("exclusive", "leader_exclusive")
"""Kinds that shut others out: that is seen, and nothing else of them."""


@dataclass(frozen=True)
class Pair:
    """Where nothing was done, and where the first brand has acted."""

    still: Live
    changed: Live
    named: tuple[str, ...]
    """Anchors whom its plans name; `still.anchor_id` is none of them."""
    skus: dict[str, tuple[str, ...]]
    """By brand."""
    rival: str
    """The brand that sells most in the categories of the first one; `rival` is its key."""
    at: datetime


@pytest.fixture(scope="module")
def pair(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    began = midnight(trained.market.as_of) + timedelta(hours=12)
    with ExitStack() as stack:
        still, changed = (
            stack.enter_context(served_copy(trained, tmp_path_factory.mktemp(name)))
            for name in ("still", "changed")
        )
        stack.enter_context(quiet())
        made = rivals(still, changed, began + timedelta(hours=2))
        stand_at(changed, began + timedelta(hours=1))
        act_as_the_brand(made)
        for site in (still, changed):
            stand_at(site, made.at)
            site.app.state.serving.refresh()
        yield made


def stand_at(site: Live, at: datetime) -> None:
    """From now on it is this instant there."""
    site.app.state.serving.clock = lambda: at


def rivals(still: Live, changed: Live, at: datetime) -> Pair:
    """The same brands and anchors on both sites, and a key for the rival on each."""
    store = open_engine(still.settings.database_url)
    with reading(store) as session:
        anchors = read_rows(session, "SELECT DISTINCT anchor_id FROM anchors ORDER BY 1")
        theirs = "SELECT DISTINCT category FROM skus WHERE brand_id = :b"
        rival = read_rows(
            session,
            f"SELECT brand_id FROM skus WHERE brand_id <> :b AND category IN ({theirs}) GROUP BY brand_id"
            " ORDER BY COUNT(DISTINCT sku_id) DESC, brand_id LIMIT 1",
            {"b": still.brand_id},
        )[0][0]
        rows = {
            brand: read_rows(
                session, "SELECT DISTINCT sku_id FROM skus WHERE brand_id = :b ORDER BY 1", {"b": brand}
            )
            for brand in (still.brand_id, rival)
        }
    store.dispose()
    for site in (still, changed):
        store = open_engine(site.settings.database_url)
        with writing(store) as session:
            now = site.app.state.serving.clock()
            key = create_key(session, role="brand", subject=rival, note=None, expires_at=None, now=now)[1]
        store.dispose()
        site.keys["rival"] = key
    named = [row[0] for row in anchors if row[0] != still.anchor_id]
    skus = {brand: tuple(row[0] for row in found) for brand, found in rows.items()}
    return Pair(still, changed, (*named[:3], still.other_anchor_id), skus, rival, at)


def act_as_the_brand(pair: Pair) -> None:
    """Everything that a brand may write and that is nobody else's business, for each of its SKUs."""
    site = pair.changed
    skus = pair.skus[site.brand_id]
    at = "2026-01-01T00:00:00+08:00"
    with site.client("brand") as client:

        def put_in(table: str, rows: list[dict[str, Any]]) -> None:
            answer = client.post(f"/v1/{table}:batch", json=rows)
            assert answer.status_code == 200, answer.text
            assert answer.json()["new"] == len(rows)

        put_in(
            "plans", [named_plan(sku, kind, pair.named, at) for sku in skus for kind in (*NAMING, *EXCLUSIVE)]
        )
        put_in(
            "cps_quotes",
            [
                {"quote_id": f"TQ-{sku}", "sku_id": sku, "platform": "elsewhere", "rate": "88", "rate_unit": "percent",
                 "observed_at": "2026-10-20T00:00:00+08:00"}
                for sku in skus
            ],
        )  # fmt: skip
        put_in(
            "offers",
            [
                {"offer_id": f"TO-{sku}", "sku_id": sku, "platform": "elsewhere", "item_price_fen": 100, "quantity": 1,
                 "mapping": "code", "observed_at": "2026-10-20T00:00:00+08:00"}
                for sku in skus
            ],
        )  # fmt: skip
        put_in(
            "offer_promotions",
            [
                {
                    "promotion_id": f"TP-{sku}",
                    "offer_id": f"TO-{sku}",
                    "layer": "shop",
                    "kind": "coupon",
                    "off_fen": 50,
                }
                for sku in skus
            ],
        )
        put_in("enrolments", [{"brand_id": site.brand_id, "programme_id": "fair-rate", "valid_from": at}])
        events = [
            {
                "event_id": f"TE-{sku}-{kind}",
                "at": "2026-10-22T00:00:00+08:00",
                "anchor_id": anchor,
                "sku_id": sku,
                "kind": kind,
            }
            for sku, anchor in zip(skus, pair.named * len(skus), strict=False)
            for kind in ("clicked", "saved", "invited", "declined", "sample_sent")
        ]
        told = client.post(
            "/v1/feedback", json={"events": [one for one in events if one["kind"] != "invited"]}
        )
        assert told.status_code == 202, told.text
    site.app.state.serving._move()
    take_back_and_hand_out(site)


def named_plan(sku: str, kind: str, named: tuple[str, ...], at: str) -> dict[str, Any]:
    return {
        "plan_id": f"TN-{sku}-{kind}", "sku_id": sku, "plan_type": kind, "rate": "71", "rate_unit": "percent",
        "anchor_ids": list(named), "status": "on", "valid_from": at,
    }  # fmt: skip


def take_back_and_hand_out(site: Live) -> None:
    """An offer and a quote of the brand are retracted, and it gets another key, which is revoked."""
    store = open_engine(site.settings.database_url)
    now = site.app.state.serving.clock()
    with writing(store) as session:
        for table, key in (("offers", "offer_id"), ("cps_quotes", "quote_id")):
            found = read_rows(
                session,
                f"SELECT MIN({key}) FROM {table} WHERE sku_id IN (SELECT sku_id FROM skus WHERE brand_id = :b)",
                {"b": site.brand_id},
            )
            retract(session, table, found[0][0], reason="it was wrong", source="operator", at=now)
        row, _ = create_key(session, role="brand", subject=site.brand_id, note=None, expires_at=None, now=now)
        revoke_key(session, row.key_id, at=now)
    store.dispose()


def seen_by_the_other_brand(site: Live, pair: Pair) -> Iterator[tuple[str, str]]:
    """All that the other brand can ask."""
    skus = pair.skus[pair.rival]
    anchors = (*pair.named, site.anchor_id)
    with site.client("rival") as client:
        for sku in skus:
            yield ask(client, "GET", f"/v1/skus/{sku}/checks")
            yield ask(client, "GET", f"/v1/skus/{sku}/rate")
            yield ask(client, "GET", f"/v1/skus/{sku}/shortlist?limit=200")
        for sku in skus[:4]:
            for objective in ("fit", "gmv", "commission", "balanced"):
                yield ask(
                    client, "GET", f"/v1/skus/{sku}/shortlist?limit=200&explain=true&objective={objective}"
                )
            yield ask(client, "GET", f"/v1/skus/{sku}/shortlist?limit=200&new_only=true&min_rate=10")
            for anchor in anchors:
                yield ask(client, "GET", f"/v1/pairings/{anchor}/{sku}")
                yield ask(client, "GET", f"/v1/skus/{sku}/rate?anchor_id={anchor}")
            planned = {"sku_id": sku, "plans": [{"plan_type": "open", "rate": "33", "rate_unit": "percent"}]}
            yield ask(client, "POST", "/v1/checks", planned)
        shared = {"sku_ids": list(skus[:8]), "size": 20, "most_skus_an_anchor": 2, "explain": True}
        yield ask(client, "POST", f"/v1/brands/{pair.rival}/shortlists", shared)
        row = {"name": "our own"}
        yield ask(client, "PUT", f"/v1/brands/{pair.rival}", row)
        for path in ("shortlist", "checks", "rate"):
            yield ask(client, "GET", f"/v1/skus/{pair.skus[site.brand_id][0]}/{path}")
        yield ask(
            client,
            "PUT",
            f"/v1/plans/TN-{pair.skus[site.brand_id][0]}-exclusive",
            named_plan(skus[0], "open", (), "2026-01-01T00:00:00+08:00"),
        )


def seen_by_an_anchor(site: Live, pair: Pair, role: str) -> Iterator[tuple[str, str]]:
    """All that an anchor can ask about what the brand sells."""
    anchor = {"anchor": site.anchor_id, "other_anchor": site.other_anchor_id}[role]
    with site.client(role) as client:
        for objective in ("fit", "gmv", "commission", "balanced"):
            yield ask(
                client, "GET", f"/v1/anchors/{anchor}/goods?limit=200&explain=true&objective={objective}"
            )
        yield ask(client, "GET", f"/v1/anchors/{anchor}/goods?limit=200&min_rate=15")
        for sku in pair.skus[site.brand_id]:
            yield ask(client, "GET", f"/v1/pairings/{anchor}/{sku}")
            yield ask(client, "GET", f"/v1/skus/{sku}/rate")


def ask(client: Any, method: str, path: str, body: Any = None) -> tuple[str, str]:
    answer = client.request(method, path, json=body)
    return f"{method} {path} {answer.status_code}", re.sub(r"r_[0-9a-f]{24}", "r_", answer.text)


def differing(view: Callable[..., Iterator[tuple[str, str]]], pair: Pair, *more: Any) -> list[str]:
    """The questions that are answered differently."""
    still, changed = list(view(pair.still, pair, *more)), list(view(pair.changed, pair, *more))
    assert len(still) == len(changed) > 10
    return [
        f"{one[0]}: {first_difference(one[1], other[1])}"
        for one, other in zip(still, changed, strict=True)
        if one != other
    ]


def first_difference(one: str, other: str) -> str:
    place = next(
        (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return f"...{one[max(0, place - 120) : place + 60]} / ...{other[max(0, place - 20) : place + 60]}"


def test_another_brand_sees_no_byte_of_what_a_brand_keeps_to_itself(pair: Pair) -> None:
    found = differing(seen_by_the_other_brand, pair)
    assert not found, "\n".join(found[:10])


def test_the_brand_itself_sees_what_it_has_done(pair: Pair) -> None:
    def seen_by_itself(site: Live, pair: Pair) -> Iterator[tuple[str, str]]:
        with site.client("brand") as client:
            for sku in pair.skus[site.brand_id]:
                yield ask(client, "GET", f"/v1/skus/{sku}/checks")
                yield ask(client, "GET", f"/v1/skus/{sku}/rate?anchor_id={pair.named[0]}")
                yield ask(client, "GET", f"/v1/skus/{sku}/shortlist?limit=200")

    found = differing(seen_by_itself, pair)
    for kind in ("checks", "rate", "shortlist"):
        assert any(line.split()[1].partition("?")[0].endswith(kind) for line in found), kind


@pytest.fixture(scope="module")
def plans_alone(pair: Pair, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """As `pair`, where the brand made plans for the anchors whom they name, and did nothing else."""
    with served_copy(trained, tmp_path_factory.mktemp("plans")) as changed, quiet():
        made = replace(pair, changed=changed)
        stand_at(changed, made.at - timedelta(hours=1))
        soon = (made.at + timedelta(days=1)).astimezone(UTC).isoformat()
        rows = [
            named_plan(sku, kind, made.named, at) | {"plan_id": f"TN-{sku}-{kind}-{at[8:10]}"}
            for sku in made.skus[changed.brand_id]
            for kind in NAMING
            for at in ("2026-01-01T00:00:00+08:00", soon)
        ]
        with changed.client("brand") as client:
            assert client.post("/v1/plans:batch", json=rows).json()["new"] == len(rows)
        stand_at(changed, made.at)
        changed.app.state.serving.refresh()
        yield made


def test_an_anchor_whom_a_plan_does_not_name_sees_no_byte_of_it(plans_alone: Pair) -> None:
    found = differing(seen_by_an_anchor, plans_alone, "anchor")
    assert not found, "\n".join(found[:10])


def test_an_anchor_learns_no_rate_of_an_exclusive_plan_for_others(pair: Pair) -> None:
    def rates(site: Live, pair: Pair) -> Iterator[tuple[str, str]]:
        with site.client("anchor") as client:
            for sku in (*pair.skus[site.brand_id], *pair.skus[pair.rival]):
                yield ask(client, "GET", f"/v1/skus/{sku}/rate")

    found = differing(rates, pair)
    assert not found, "\n".join(found[:10])


def test_an_anchor_whom_a_plan_names_sees_it(plans_alone: Pair) -> None:
    found = differing(seen_by_an_anchor, plans_alone, "other_anchor")
    assert any("/rate" in line for line in found)
    assert any("/goods" in line for line in found)
