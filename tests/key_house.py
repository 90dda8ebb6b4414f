"""Where do the tests of keys get a house with a door? A store, a ring of keys on it, a clock to be turned."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

from api.security import KeyRing, create_key
from features.store.access import ApiKey
from features.store.db import reading, writing
from features.store.keys import key_of_id, revoke_key
from features.store.tables import Anchor, Brand
from features.units import DAWN
from market import NOW

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class House:
    """A store with a brand B1 and an anchor A1, a ring of keys on it, a clock to be turned, and what it was asked."""

    def __init__(self, store: Engine) -> None:
        self.store = store
        self.at = NOW
        self.ring = KeyRing(store, lambda: self.at)
        self.queries = 0
        with writing(store) as session:
            session.add(Brand(brand_id="B1", name="Brand", known_at=DAWN, source="operator"))
            session.add(Anchor(anchor_id="A1", name="Anchor", known_at=DAWN, source="operator"))

        @event.listens_for(store, "before_cursor_execute")
        def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self.queries += "FROM api_keys" in statement

    def make(self, role: str = "operator", subject: str | None = None, **columns: Any) -> tuple[str, str]:
        """The id and the key."""
        plain: dict[str, Any] = {"note": None, "expires_at": None, "now": NOW}
        with writing(self.store) as session:
            row, key = create_key(session, role=role, subject=subject, **plain | columns)
        return row.key_id, key

    def row(self, key_id: str) -> ApiKey:
        with reading(self.store) as session:
            row = key_of_id(session, key_id)
        assert row is not None
        return row

    def revoke(self, key_id: str, at: datetime) -> datetime:
        with writing(self.store) as session:
            return revoke_key(session, key_id, at=at)

    def opens(self, key: str, after: timedelta = timedelta(0)) -> bool:
        self.at = NOW + after
        return self.ring.identify(key) is not None
