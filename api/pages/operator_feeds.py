"""How old is what we know, and how old may it get? The feeds with their limits of age."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.deps import Calling, InTurn, Now, ServingNow
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_desk import DeskNow
from api.pages.operator_said import notice_of, said
from api.pages.rendering import render
from api.serving import Serving
from features.errors import UnknownId, WrongInput
from features.store.db import reading, writing
from features.store.feeds import MOST_HOURS, Feed, read_feeds, read_limits, set_limit
from features.store.intake.files import ENDINGS

router = APIRouter()

_GOOD_FOR: Final = timedelta(seconds=30)
"""Counting rows takes a while where there are millions; limits are read anew each time."""


@router.get("/feeds", **page("operator"))
def show_feeds(
    request: Request, serving: ServingNow, desk: DeskNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """Every import table: rows, the newest, its age, and the limit."""
    feeds, read_at = desk.lately("feeds", lambda: _read(serving, now), now=now, within=_GOOD_FOR)
    with reading(serving.store) as session:
        limits = read_limits(session)
    feeds = [replace(feed, max_age_hours=limits.get(feed.table)) for feed in feeds]
    return render(
        request,
        "operator_feeds.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language, most=MOST_HOURS),
        feeds=[_line(feed) for feed in feeds],
        n_stale=sum(feed.is_stale for feed in feeds),
        n_limits=len(limits),
        n_rows=sum(feed.n_rows for feed in feeds),
        most_hours=MOST_HOURS,
        endings=ENDINGS,
        read_at=read_at,
    )


@router.post("/feeds/limit", **page("operator"))
def limit_age(form: SentForm, serving: ServingNow, now: Now, _turn: InTurn) -> Response:
    """Set how old the newest row of a table may be, or take the limit away; the banner follows at once."""
    table, text = field_of(form, "table", most=64), field_of(form, "hours", most=16)
    if text and not (text.isascii() and text.isdecimal()):
        return said("/feeds", "bad_limit")
    try:
        with writing(serving.store) as session:
            set_limit(session, table, int(text) if text else None, at=now)
    except (WrongInput, UnknownId):
        return said("/feeds", "bad_limit")
    serving.look_at_feeds()
    return said("/feeds", "limit_set" if text else "limit_gone")


def _read(serving: Serving, now: datetime) -> list[Feed]:
    with reading(serving.store) as session:
        return read_feeds(session, at=now)


def _line(feed: Feed) -> dict[str, Any]:
    return {
        "table": feed.table,
        "n_rows": feed.n_rows,
        "newest_at": feed.newest_at,
        "age_hours": None if feed.age is None else feed.age.total_seconds() / 3_600,
        "max_age_hours": feed.max_age_hours,
        "is_dated": feed.is_dated,
        "is_stale": feed.is_stale,
    }
