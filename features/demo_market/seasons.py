"""Which day is it in the trade's year? Big promotions of every platform, and what season and event do to demand."""

import datetime as dt
from typing import NamedTuple

import numpy as np

from features.demo_market.crowd import Floats, Ints
from features.demo_market.goods import Skus
from features.demo_market.goods_kinds import KINDS
from features.demo_market.spec import MarketSpec

HOME = "kuaishou"
EVENT_LIFT = 0.18  # log, for goods in an event's focus; half for the others
EVENT_OFF_PPM = 80_000  # what comes off the list price while a home event runs


class BigEvent(NamedTuple):
    """One event of one year; both days Shanghai midnights, the last one excluded."""

    event_id: str
    platform: str
    kind: str
    name: str
    starts_on: dt.date
    ends_on: dt.date
    counts_as_big_promo: bool
    goods_focus: str | None  # source | brand: what the event pushes


def events_of(years: range) -> tuple[BigEvent, ...]:
    """Three big promotions of the home platform a year, its smaller days, and the rivals' events."""
    return tuple(
        event
        for y in years
        for event in (
            BigEvent(
                f"ks-616-{y}",
                HOME,
                "616",
                f"{y} 616 品质购物节",
                dt.date(y, 6, 1),
                dt.date(y, 6, 19),
                True,
                "brand",
            ),
            BigEvent(
                f"ks-818-{y}",
                HOME,
                "818",
                f"{y} 818 源头好货节",
                dt.date(y, 8, 8),
                dt.date(y, 8, 19),
                True,
                "source",
            ),
            BigEvent(
                f"ks-116-{y}",
                HOME,
                "116",
                f"{y} 116 购物节",
                dt.date(y, 10, 20),
                dt.date(y, 11, 12),
                True,
                "source",
            ),
            BigEvent(
                f"ks-38-{y}", HOME, "38", f"{y} 38 女神节", dt.date(y, 3, 5), dt.date(y, 3, 9), False, "brand"
            ),
            BigEvent(
                f"tm-618-{y}",
                "tmall",
                "618",
                f"{y} 天猫 618",
                dt.date(y, 5, 27),
                dt.date(y, 6, 21),
                True,
                None,
            ),
            BigEvent(
                f"tm-d11-{y}",
                "tmall",
                "double_11",
                f"{y} 天猫双 11",
                dt.date(y, 10, 21),
                dt.date(y, 11, 12),
                True,
                None,
            ),
        )
    )


def home_event(spec: MarketSpec, day: int) -> BigEvent | None:
    """The home platform's event on a day of the history (0 = its first), if one runs."""
    on = spec.start_on + dt.timedelta(days=day)
    years = range(on.year, on.year + 1)
    running = [e for e in events_of(years) if e.platform == HOME and e.starts_on <= on < e.ends_on]
    return running[0] if running else None


def log_lift(spec: MarketSpec, skus: Skus, day: int) -> Floats:
    """(n_skus,) what season and event add to the log of the conversion on that day."""
    on = spec.start_on + dt.timedelta(days=day)
    month = on.month + on.day / 31
    kinds = np.array(
        [k.season_amplitude * np.cos(2 * np.pi * (month - k.season_peak - 0.5) / 12) for k in KINDS]
    )
    lift = kinds[skus.category]
    event = home_event(spec, day)
    if event is not None:
        in_focus = skus.is_source == (event.goods_focus == "source")
        lift = lift + np.where(in_focus, EVENT_LIFT, EVENT_LIFT / 2)
    return np.asarray(lift)


def paid_price_fen(spec: MarketSpec, skus: Skus, day: int) -> Ints:
    """(n_skus,) what a buyer pays for one unit on that day."""
    price = skus.list_price_fen(day)
    if home_event(spec, day) is None:
        return price
    return price - price * EVENT_OFF_PPM // 1_000_000
