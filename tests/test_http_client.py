"""Is the API typed well enough that a client is made from its document, and does what the README shows?"""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from live import Live


@pytest.fixture(scope="module")
def client_code(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client makes of the served document; it is not to warn of anything."""
    folder = tmp_path_factory.mktemp("client")
    with live.client(None) as client:
        document = client.get("/openapi.json").json()
    (folder / "openapi.json").write_text(json.dumps(document))
    # no hooks: they would only tidy what nobody reads
    (folder / "config.yaml").write_text("package_name_override: made_client\npost_hooks: []\n")
    made = subprocess.run(
        [
            Path(sys.executable).parent / "openapi-python-client", "generate", "--meta", "none", "--fail-on-warning",
            "--path", folder / "openapi.json", "--config", folder / "config.yaml", "--output-path", folder / "made_client",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    assert "arning" not in made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module("made_client")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_client"]:
        del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(f"made_client.{name}")


def signed_in(code: ModuleType, live: Live, role: str) -> Any:
    return code.AuthenticatedClient(base_url=live.url, token=live.keys[role], timeout=60)


def test_an_anchor_asks_for_goods_and_says_what_became_of_them(client_code: ModuleType, live: Live) -> None:
    models = part("models")
    with signed_in(client_code, live, "anchor") as client:
        page = part("api.lists.get_goods").sync(live.anchor_id, client=client, limit=3, explain=True)
        assert isinstance(page, models.GoodsList)
        assert [line.rank for line in page.items] == [1, 2, 3]
        assert isinstance(page.items[0].expected.gmv_fen, int)
        assert page.snapshot_at.tzinfo is not None
        assert {reason.group for line in page.items for reason in line.reasons} <= set(models.ReasonLineGroup)
        shown = page.items[0]
        event = models.EventAsked(
            event_id=f"client-{shown.sku_id}",
            request_id=page.request_id,
            at=datetime(2026, 10, 1, tzinfo=UTC),
            anchor_id=live.anchor_id,
            sku_id=shown.sku_id,
            kind=models.EventAskedKind.PICKED,
            position=shown.rank,
        )
        told = part("api.feedback.tell_events").sync(client=client, body=models.FeedbackAsked(events=[event]))
        assert isinstance(told, models.Accepted)
        assert (told.accepted, told.repeated) == (1, 0)
        assert {line.rule.value for line in told.commitments[0].verdicts} == {"cps_floor", "price_parity"}
        again = part("api.feedback.tell_events").sync(
            client=client, body=models.FeedbackAsked(events=[event])
        )
        assert (again.accepted, again.repeated) == (0, 1)


def test_a_brand_asks_for_anchors_and_writes_a_row(client_code: ModuleType, live: Live) -> None:
    models = part("models")
    with signed_in(client_code, live, "brand") as client:
        page = part("api.lists.get_shortlist").sync(live.sku_id, client=client, limit=2)
        assert isinstance(page, models.Shortlist)
        assert page.next_cursor
        after = part("api.lists.get_shortlist").sync(
            live.sku_id, client=client, limit=2, cursor=page.next_cursor
        )
        assert [line.rank for line in after.items] == [3, 4]
        row = models.KeyedPlansRow(
            sku_id=live.sku_id,
            plan_type=models.KeyedPlansRowPlanType.OPEN,
            rate="12.5",
            rate_unit=models.KeyedPlansRowRateUnit.PERCENT,
            valid_from=datetime(2026, 12, 1, tzinfo=UTC),
        )
        put = part("api.tables.put_plans").sync
        stored = put("CLIENT-1", client=client, body=row, idempotency_key="client-test-1")
        assert (stored.table, stored.new, stored.unchanged) == ("plans", 1, 0)
        assert put("CLIENT-1", client=client, body=row, idempotency_key="client-test-1") == stored
        planned = models.PlannedAsked(
            sku_id=live.sku_id,
            plans=[
                models.PlannedPlansRow(
                    plan_type=models.PlannedPlansRowPlanType.OPEN,
                    rate="20",
                    rate_unit=models.PlannedPlansRowRateUnit.PERCENT,
                )
            ],
        )
        checked = part("api.checks.check_planned").sync(client=client, body=planned)
        assert isinstance(checked, models.Checks)


def test_a_refusal_is_typed_too(client_code: ModuleType, live: Live) -> None:
    with signed_in(client_code, live, "brand") as client:
        answer = part("api.lists.get_shortlist").sync_detailed(live.other_sku_id, client=client)
    assert answer.status_code == 404
    assert (type(answer.parsed).__name__, answer.parsed.code) == ("ProblemDocument", "not_found")
