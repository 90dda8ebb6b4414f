"""Are planned rows judged of the instant that is asked about, as at the command line?"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from features.store.db import open_engine, read_rows, reading
from features.units import from_microseconds, microseconds
from live import Live

OFFER = {"item_price_fen": 1, "evidence": "planned", "mapping": "code"}
PLAN = {"plan_type": "open", "rate": "33", "rate_unit": "percent"}


@pytest.fixture
def promotion(live: Live) -> str:
    """The first instant of a big promotion of the home platform."""
    [[starts_us], *_] = rows_of(
        live,
        "SELECT starts_at FROM events WHERE platform = 'kuaishou' AND counts_as_big_promo ORDER BY starts_at DESC",
    )
    return from_microseconds(starts_us).isoformat()


@pytest.fixture
def promised(live: Live, promotion: str) -> str:
    """A SKU whose brand has promised price parity by then."""
    [[sku_id], *_] = rows_of(
        live,
        "SELECT sku_id FROM skus JOIN enrolments ON enrolments.brand_id = skus.brand_id "
        "JOIN programmes ON programmes.programme_id = enrolments.programme_id "
        "WHERE rules LIKE '%price_parity%' AND valid_from <= :at AND valid_to IS NULL ORDER BY sku_id",
        at=microseconds(datetime.fromisoformat(promotion)),
    )
    return str(sku_id)


def rows_of(live: Live, sql: str, **parameters: Any) -> Any:
    store = open_engine(live.settings.database_url)
    with reading(store) as session:
        found = read_rows(session, sql, parameters)
    store.dispose()
    return found


def asked(live: Live, sku_id: str, rows: dict[str, Any], **query: str) -> Any:
    with live.client("operator") as client:
        answer = client.post("/v1/checks", params=query, json={"sku_id": sku_id, **rows})
    assert answer.status_code == 200, answer.text
    return answer.json()


def parity(found: Any) -> str:
    [reason] = [line["reason"] for line in found["verdicts"] if line["rule"] == "price_parity"]
    return str(reason)


def test_a_planned_price_is_judged_of_the_instant_asked_about(
    live: Live, promised: str, promotion: str
) -> None:
    before = (datetime.fromisoformat(promotion) - timedelta(days=1)).isoformat()
    said = {at: parity(asked(live, promised, {"offers": [OFFER]}, at=at)) for at in (before, promotion)}
    assert said == {before: "NO_EVENT", promotion: "OK"}


def test_who_would_take_it_up_is_told_of_now_alone(live: Live, promised: str, promotion: str) -> None:
    assert asked(live, promised, {"plans": [PLAN]})["takers"] is not None
    assert asked(live, promised, {"plans": [PLAN]}, at=promotion)["takers"] is None


@pytest.mark.parametrize("at", ["2026-06-10", "2026-06-10T12:00:00", "soon"])
def test_an_instant_without_its_offset_is_refused(live: Live, at: str) -> None:
    with live.client("brand") as client:
        answer = client.post("/v1/checks", params={"at": at}, json={"sku_id": live.sku_id, "offers": [OFFER]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
