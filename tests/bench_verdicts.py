"""What do verdicts add to a list? One goods list over 100 000 SKUs with and without them, in turns, on one thread.

Every SKU has a dossier of a plan, three quotes and two offers. Verdicts are held by the engine: the first time that
a SKU is shown its verdict is made, and that cost is told apart. FENXIAO_BENCH_SKUS names another size.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from time import thread_time

import numpy as np

from bench_list import N_ANCHORS, list_model
from features.snapshot import take_snapshot
from features.store.dossier import BigEvent, Calendar, Dossier, Enrolment, Offer, Quote, SkuVersion
from features.store.plans import PlanRow
from features.units import DAWN, Ppm
from large_market import large_facts
from matcher.engine import build_engine
from matcher.policy import Policy
from matcher.request import ListRequest
from matcher.verdict_book import VerdictBook
from matcher.world import build_world

N_LISTS = 200
MOST_ADDED = 0.10


def test_verdicts_add_little_to_a_list() -> None:
    size = int(os.environ.get("FENXIAO_BENCH_SKUS", "100000").split(",")[0])
    world = build_world(take_snapshot(large_facts(size, n_anchors=N_ANCHORS)), Policy())
    plain = build_engine(world, list_model(world), {"goods": "neighbours", "shortlist": "audience"})
    now = world.snapshot.as_of
    events = [
        BigEvent(name, platform, name, now - timedelta(days=before), now - timedelta(days=before - 20), True)
        for name, platform, before in (
            ("a", "kuaishou", 1), ("b", "kuaishou", 60), ("c", "kuaishou", 90), ("double_11", "tmall", 400),
        )
    ]  # fmt: skip
    judged = replace(plain, verdicts=VerdictBook(_MadeUp(now), Calendar(tuple(events)), Policy()))
    owners = np.random.default_rng(3).integers(0, N_ANCHORS, N_LISTS)
    requests = [ListRequest("goods", int(owner), size=50) for owner in owners]
    spent: dict[str, list[float]] = {"without": [], "first shown": [], "held": []}
    for request in requests:
        for name, engine in (("without", plain), ("first shown", judged), ("held", judged)):
            start = thread_time()
            engine.answer(request)
            spent[name].append(thread_time() - start)
    middle = {name: float(np.median(seconds)) * 1e3 for name, seconds in spent.items()}
    added = middle["held"] / middle["without"] - 1.0
    sys.stdout.write(
        f"\none goods list of 50 over {size:,} SKUs: {middle['without']:.2f} ms without verdicts, "
        f"{middle['held']:.2f} ms with both of each SKU ({added:+.1%}, at most +10 %), "
        f"{middle['first shown']:.2f} ms where they are made for the first time\n"
    )
    assert added <= MOST_ADDED


class _MadeUp(Mapping[str, Dossier]):
    """A dossier for whatever SKU is asked for."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __getitem__(self, sku_id: str) -> Dossier:
        now = self.now
        hour = timedelta(hours=1)
        return Dossier(
            sku_id,
            (SkuVersion(DAWN, "b"),),
            (Enrolment("b", "p", frozenset({"cps_floor", "price_parity"}), DAWN, None, DAWN),),
            (PlanRow("p" + sku_id, DAWN, sku_id, "open", Ppm(100_000), DAWN),),
            tuple(
                Quote(f"{platform}{sku_id}", platform, None, 90_000, now - hour)
                for platform in ("tmall", "jd", "douyin")
            ),
            (
                Offer("o" + sku_id, "kuaishou", 990, now - hour),
                Offer(
                    "r" + sku_id, "tmall", 1000, now - timedelta(days=390), mapping="code", evidence="shot"
                ),
            ),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
