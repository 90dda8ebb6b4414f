"""Which SKUs may not be shown, and under which rule are they counted? Each rule from both sides."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from market import Market, ago, day_ago
from matcher.constraints import SKU_RULES

REASONS = [reason for reason, _ in SKU_RULES]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, None),
        ({"status": "on"}, None),
        ({"status": "paused"}, "OFF_SHELF"),
        ({"status": "off"}, "OFF_SHELF"),
        ({"retired_on": day_ago(-1)}, None),
        ({"retired_on": day_ago(0)}, "RETIRED"),
        ({"retired_on": day_ago(1)}, "RETIRED"),
        ({"launched_on": day_ago(0)}, None),
        ({"launched_on": day_ago(-1)}, "NOT_LAUNCHED"),
        ({"stock": 1}, None),
        ({"stock": 0}, "NO_STOCK"),
        ({"stock": 0, "status": "off"}, "OFF_SHELF"),
        ({"stock": 0, "retired_on": day_ago(5)}, "RETIRED"),
        ({"stock": 0, "launched_on": day_ago(-5)}, "NOT_LAUNCHED"),
    ],
)
def test_a_sku_is_refused_under_the_first_rule_that_it_breaks(
    sqlite_store: Engine, columns: dict[str, Any], reason: str | None
) -> None:
    verdicts = Market().sku("s1", **columns).seen(sqlite_store).world.verdicts
    assert verdicts.allowed.tolist() == [reason is None]
    assert {name: refused.tolist() for name, refused in verdicts.refused.items()} == {
        name: [name == reason] for name in REASONS
    }


def test_every_sku_is_allowed_or_refused_once(sqlite_store: Engine) -> None:
    market = (
        Market()
        .sku("fine")
        .sku("off", status="off")
        .sku("gone", stock=0)
        .sku("both", stock=0, status="paused")
    )
    verdicts = market.seen(sqlite_store).world.verdicts
    counted = verdicts.allowed.astype(int) + sum(refused.astype(int) for refused in verdicts.refused.values())
    assert counted.tolist() == [1, 1, 1, 1]


def test_what_is_refused_is_no_candidate(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").anchor("a2").sku("fine").sku("off", status="off").sku("gone", stock=0)
    for anchor_id in ("a1", "a2"):
        market.live(anchor_id, ago(2), {"fine": 1, "off": 9, "gone": 9})
    seen = market.seen(sqlite_store)
    allowed = seen.world.allowed("goods", 0, new_only=False)
    assert seen.world.candidates("goods", 0, allowed).rows.tolist() == [seen.sku_row("fine")]


def test_the_status_of_the_version_in_force_counts(sqlite_store: Engine) -> None:
    market = Market().sku("s1", status="off").sku("s1", status="on", known_at=ago(1))
    market.sku("s1", status="off", known_at=ago(0))
    assert market.seen(sqlite_store).world.verdicts.allowed.tolist() == [True]


def test_a_shelf_without_skus_is_judged_too(sqlite_store: Engine) -> None:
    verdicts = Market().anchor("a1").seen(sqlite_store).world.verdicts
    assert verdicts.allowed.dtype == np.bool_
    assert len(verdicts.allowed) == 0
