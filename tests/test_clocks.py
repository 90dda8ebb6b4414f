"""Does a simulated market have one clock, that opens in the morning after its last day and never goes back behind what was written?"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.clocks import clock_of, now_of, now_utc
from api.stores import mark_simulated
from features.settings import Settings
from features.store.db import open_engine, writing
from features.store.tables import Feedback
from features.units import midnight
from trained import Trained


@pytest.fixture
def simulated(trained: Trained, tmp_path: Path) -> Settings:
    """A store of one's own that is marked as the demo marks it."""
    shutil.copy(trained.url.removeprefix("sqlite:///"), tmp_path / "market.db")
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'market.db'}", home=tmp_path)
    mark_simulated(settings)
    return settings


def write(settings: Settings, event_id: str, at: datetime) -> None:
    store = open_engine(settings.database_url)
    with writing(store) as session:
        session.add(
            Feedback(
                event_id=event_id, at=at, known_at=at, anchor_id="A0001", sku_id="S00001", kind="picked", source="operator"
            )
        )  # fmt: skip
    store.dispose()


def test_it_opens_at_nine_in_the_morning_after_the_last_day(trained: Trained, simulated: Settings) -> None:
    morning = midnight(trained.market.as_of) + timedelta(hours=9)
    assert morning <= now_of(simulated) < morning + timedelta(minutes=5)
    clock = clock_of(simulated)
    assert clock() <= clock()


def test_it_stands_after_what_was_written_that_day_and_heeds_nothing_dated_later(
    trained: Trained, simulated: Settings
) -> None:
    noon = midnight(trained.market.as_of) + timedelta(hours=12)
    write(simulated, "e1", noon)
    write(simulated, "e2", noon + timedelta(days=3))
    assert noon < now_of(simulated) < noon + timedelta(minutes=5)


def test_a_market_of_ones_own_has_the_machines_time(trained: Trained) -> None:
    assert clock_of(Settings(database_url=trained.url, home=trained.home)) is now_utc
    assert abs(now_utc() - datetime.now(UTC)) < timedelta(minutes=1)
