"""How do the nights of an autumn go on real data? Every second Friday of Online Retail's last months, one registry.

Prints, a line a night and direction, NDCG@10 of ours and of every source on the judge window of that night, over all and
new pairs together, what the gate said and who serves; the last night's card draws them over time. Takes half an hour
on two cores. Run it by `make bench-nights`; it is skipped, visibly, where `../shared/data` is missing. `KEEP=FOLDER`
leaves registry, lists and cards there.
"""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.stores import open_store
from bench_retail import TABLES, THREADS
from features.catalogue import SOURCES
from features.settings import Settings
from features.store.db import writing
from features.store.ingest import ingest
from matcher.policy import Policy
from matcher.registry import champion, load_manifest
from training.gate import DECIDES
from training.recipe import Recipe
from training.replay import CHAMPION, OURS
from training.shift import Shift, work_night

NIGHTS = [date(2011, 9, 2) + timedelta(days=14 * k) for k in range(8)]


@pytest.mark.skipif(not TABLES.is_dir(), reason="the real data set is not beside this checkout")
def test_nights_of_an_autumn(tmp_path: Path) -> None:
    home = Path(os.environ.get("KEEP", tmp_path / "home"))
    store = open_store(Settings(database_url=f"sqlite:///{tmp_path}/retail.db"))
    with writing(store) as session:
        ingest(
            session, [TABLES], now=datetime.now(UTC), source="operator", rejects=tmp_path / "rejects"
        ).require_all()
    for day in NIGHTS:
        _work(Shift(store, home, Policy(), Recipe(), THREADS, lambda: datetime.now(UTC), "bench:1"), day)
    serving = champion(home)
    assert serving is not None
    assert serving.as_of == NIGHTS[-1], "the last night's model serves"


def _work(shift: Shift, day: date) -> None:
    worked = work_night(shift, day)
    judged: Any = load_manifest(shift.home, worked.manifest.version).metrics["judged"]
    for side in ("goods", "shortlist"):
        systems = judged[f"{side}, {DECIDES}"]["systems"]
        told = {name: systems[name]["ndcg10"] for name in (OURS, CHAMPION, *SOURCES) if name in systems}
        best = max(told[name] for name in SOURCES if name in told)
        print(
            f"{day} {side}: ours {told[OURS]:.4f}, {told[OURS] / best:.2f} times the best source; "
            + ", ".join(f"{name} {figure:.4f}" for name, figure in told.items() if name != OURS),
            flush=True,
        )
    reasons = "; ".join(worked.said["reasons"]) or "nothing against it"
    passed = "passed" if worked.said["passed"] else "refused"
    print(f"{day} gate {passed}: {reasons}; serving {worked.serving}", flush=True)
