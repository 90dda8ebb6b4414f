"""What does an anchor not want to see? Single goods, and categories of which it has seen enough: kept, and counted at once."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final, Literal

from sqlmodel import Session, col, select

from api.problems import Problem
from api.serving import Serving
from features.store.access import HiddenGoods
from features.store.db import writing
from matcher.request import Hidden

Kind = Literal["sku", "category"]
MOST: Final = 2_000
"""So much one anchor may hide; who has seen enough of more than that has seen enough of a category."""


def hide(serving: Serving, anchor_id: str, kind: Kind, value: str, *, now: datetime) -> None:
    """Hide a SKU (by its id) or a category (by its path) from an anchor's lists; again, it changes nothing."""

    def add(session: Session) -> None:
        if session.get(HiddenGoods, (anchor_id, kind, value)) is not None:
            return
        if len(hidden_rows(session, anchor_id)) >= MOST:
            raise Problem(
                "refused",
                zh=f"最多可隐藏 {MOST:,} 项，请先恢复一些",
                en=f"{MOST:,} things are hidden already; show some of them again first",
            )
        session.add(HiddenGoods(anchor_id=anchor_id, kind=kind, value=value, hidden_at=now))
        session.flush()

    _change(serving, anchor_id, add)


def show_again(serving: Serving, anchor_id: str, kind: Kind, value: str) -> None:
    """Hide it no longer; what is not hidden stays as it is."""

    def remove(session: Session) -> None:
        row = session.get(HiddenGoods, (anchor_id, kind, value))
        if row is not None:
            session.delete(row)
            session.flush()

    _change(serving, anchor_id, remove)


def hidden_rows(session: Session, anchor_id: str) -> Sequence[HiddenGoods]:
    """All that an anchor has hidden, the latest first."""
    return session.exec(
        select(HiddenGoods)
        .where(HiddenGoods.anchor_id == anchor_id)
        .order_by(col(HiddenGoods.hidden_at).desc(), col(HiddenGoods.kind), col(HiddenGoods.value))
    ).all()


def hidden_of(rows: Sequence[HiddenGoods], *, until: datetime | None = None) -> Hidden:
    """As a list is asked for; of what was hidden by `until` alone, where a page follows one that was dealt then."""
    counted = [row for row in rows if until is None or row.hidden_at <= until]
    return Hidden(
        sku_ids=frozenset(row.value for row in counted if row.kind == "sku"),
        categories=frozenset(row.value for row in counted if row.kind == "category"),
    )


def is_hidden(hidden: Hidden, sku_id: str, category: str) -> bool:
    """Is this SKU among what is hidden, by itself or with its category?

    >>> is_hidden(Hidden(categories=frozenset({"food"})), "S1", "food/tea"), is_hidden(Hidden(), "S1", "food/tea")
    (True, False)
    """
    return sku_id in hidden.sku_ids or any(
        category == path or category.startswith(f"{path}/") for path in hidden.categories
    )


def _change(serving: Serving, anchor_id: str, change: Callable[[Session], None]) -> None:
    """In the store and in memory, as one: nobody reads the one between the two.

    The lock is taken under the pen, and let go of after the commit: nobody who holds it waits for a writer.
    """
    with ExitStack() as held:
        with writing(serving.store) as session:
            change(session)
            hidden = hidden_of(hidden_rows(session, anchor_id))
            held.enter_context(serving.hiding)
        serving.hide(anchor_id, hidden)
