"""Does a row of feedback that is put meet what was told of it a moment before?"""

from typing import Any

from live import Live


def told(live: Live, role: str, event_id: str, kind: str) -> dict[str, Any]:
    row = {
        "at": "2026-10-01T12:00:00+08:00",
        "anchor_id": live.anchor_id,
        "sku_id": live.sku_id,
        "kind": kind,
    }
    return row if role == "job" else {"event_id": event_id, **row}


def test_what_was_told_and_not_moved_yet_is_not_overwritten(live: Live) -> None:
    with live.client("anchor") as anchor, live.client("job") as job:
        event = told(live, "anchor", "put-after-told", "clicked")
        accepted = anchor.post("/v1/feedback", json={"events": [event]})
        assert accepted.status_code == 202, accepted.text
        other = job.put("/v1/feedback/put-after-told", json=told(live, "job", "", "saved"))
        same = job.put("/v1/feedback/put-after-told", json=told(live, "job", "", "clicked"))
    assert other.status_code in (409, 422), other.text
    assert other.json()["code"] in ("conflict", "rejected_rows")
    assert same.status_code == 200
    assert (same.json()["new"], same.json()["unchanged"]) == (0, 1)


def test_a_job_puts_a_row_that_nobody_told(live: Live) -> None:
    with live.client("job") as job, live.client("brand") as brand:
        row = told(live, "job", "", "clicked")
        first, again = (job.put("/v1/feedback/put-by-a-job", json=row) for _ in range(2))
        assert brand.put("/v1/feedback/put-by-a-brand", json=row).status_code == 403
    assert [answer.json()["new"] for answer in (first, again)] == [1, 0]
