"""How is a promise and what it is held against written down by hand? Rows of a dossier, plain unless a test says more.

`NOON` is a noon in Shanghai, in June 2026. `floor_of` and `parity_of` sort the rows by what they are, fill in what
every question needs, and ask the rule.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from features.store.dossier import (
    BigEvent,
    Calendar,
    Dossier,
    Enrolment,
    Equivalent,
    Offer,
    Promotion,
    Quote,
    SkuVersion,
)
from features.store.plans import PlanRow
from features.units import Ppm
from matcher.cps import check_cps
from matcher.parity import check_parity, check_parity_final
from matcher.policy import FloorPolicy, ParityPolicy, Policy
from matcher.verdict import Verdict

NOON = datetime(2026, 6, 5, 4, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
BOTH = frozenset({"cps_floor", "price_parity"})
Row = SkuVersion | Enrolment | PlanRow | Quote | Offer | BigEvent

_NUMBERS = count()


def shanghai(year: int, month: int, day: int) -> datetime:
    """A midnight in Shanghai."""
    return datetime(year, month, day, tzinfo=UTC) - 8 * HOUR


def version(**columns: Any) -> SkuVersion:
    """What is known of the SKU from long ago on."""
    plain: dict[str, Any] = {"known_at": LONG_AGO, "brand_id": "b"}
    return SkuVersion(**plain | columns)


def enrolment(**columns: Any) -> Enrolment:
    """The brand's, from long ago on, in a programme with both rules; committed when it begins."""
    plain: dict[str, Any] = {"brand_id": "b", "programme_id": "c", "rules": BOTH, "valid_to": None}
    since = columns.get("valid_from", LONG_AGO)
    return Enrolment(**plain | {"valid_from": since, "committed_at": since} | columns)


def plan(percent: float = 20, kind: str = "open", **columns: Any) -> PlanRow:
    """A plan, known and in force for long; open to all if nothing else is said."""
    plain: dict[str, Any] = {"plan_id": f"p{next(_NUMBERS)}", "sku_id": "s", "plan_type": kind}
    plain |= {"known_at": LONG_AGO, "valid_from": LONG_AGO, "rate_ppm": Ppm(round(percent * 10_000))}
    return PlanRow(**plain | columns)


def quote(
    percent: float,
    platform: str = "tmall",
    age: timedelta = HOUR,
    base_fen: int | None = None,
    **columns: Any,
) -> Quote:
    """What a platform paid so long before noon."""
    plain: dict[str, Any] = {"quote_id": f"q{next(_NUMBERS)}", "platform": platform, "plan_scope": "open"}
    plain |= {"rate_ppm": round(percent * 10_000), "observed_at": NOON - age, "base_fen": base_fen}
    return Quote(**plain | columns)


def offer(fen: int = 10_000, **columns: Any) -> Offer:
    """Ours, seen an hour before noon."""
    plain: dict[str, Any] = {
        "offer_id": f"o{next(_NUMBERS)}",
        "platform": "kuaishou",
        "observed_at": NOON - HOUR,
    }
    return Offer(item_price_fen=fen, **plain | columns)


def there(fen: int = 10_000, **columns: Any) -> Offer:
    """Tmall's in its Double 11 of 2025: of the flagship shop, mapped by code, with a screenshot."""
    plain: dict[str, Any] = {"platform": "tmall", "observed_at": shanghai(2025, 11, 1), "mapping": "code"}
    return offer(fen, **plain | {"shop_kind": "flagship", "evidence": "shot"} | columns)


def coupon(off_fen: int, **columns: Any) -> Promotion:
    """A coupon of the shop."""
    plain: dict[str, Any] = {"promotion_id": f"m{next(_NUMBERS)}", "layer": "shop", "kind": "coupon"}
    return Promotion(off_fen=off_fen, **plain | columns)


def event(
    starts_at: datetime, ends_at: datetime, kind: str = "616", platform: str = "kuaishou", *, big: bool = True
) -> BigEvent:
    """A promotion season; a big one of ours if nothing else is said."""
    return BigEvent(f"{platform}-{kind}-{starts_at:%Y%m%d}", platform, kind, starts_at, ends_at, big)


def around(starts: timedelta, ends: timedelta) -> BigEvent:
    """A big event of ours, by its distance from noon."""
    return event(NOON + starts, NOON + ends)


OLD_11 = event(shanghai(2025, 10, 15), shanghai(2025, 11, 15), "double_11", "tmall")
NEW_11 = event(shanghai(2026, 10, 15), shanghai(2026, 11, 15), "double_11", "tmall")
E616 = event(shanghai(2026, 6, 1), shanghai(2026, 6, 19))
E818 = event(shanghai(2026, 8, 10), shanghai(2026, 8, 20), "818")
E116 = event(shanghai(2026, 10, 20), shanghai(2026, 11, 12), "116")
YEAR = (OLD_11, E616, E818, E116, NEW_11)
"""Three big promotions of ours in 2026, the Double 11 of the year before and that of the year."""


def dossier_of(*rows: Row, equivalents: dict[str, Equivalent] | None = None) -> Dossier:
    """A SKU's, from rows in any order; of a brand that is enrolled, with an open plan of 20 %, unless they say."""
    return Dossier(
        "s",
        tuple(row for row in rows if isinstance(row, SkuVersion)) or (version(),),
        enrolments=tuple(row for row in rows if isinstance(row, Enrolment)) or (enrolment(),),
        plans=tuple(row for row in rows if isinstance(row, PlanRow)) or (plan(),),
        quotes=tuple(row for row in rows if isinstance(row, Quote)),
        offers=tuple(row for row in rows if isinstance(row, Offer)),
        equivalents=equivalents,
    )


def calendar_of(*rows: Row) -> Calendar:
    """The events among the rows, in order."""
    events = [row for row in rows if isinstance(row, BigEvent)]
    return Calendar(tuple(sorted(events, key=lambda e: (e.starts_at, e.event_id))))


def floor_of(*rows: Row, at: datetime = NOON, home: str = "kuaishou", **floor: Any) -> Verdict:
    """The verdict on the CPS floor; keywords are the policy's."""
    policy = Policy(home_platform=home, floor=FloorPolicy(**floor))
    return check_cps(dossier_of(*rows), calendar_of(*rows), at, policy)


def parity_of(
    *rows: Row,
    at: datetime = NOON,
    equivalents: dict[str, Equivalent] | None = None,
    final: BigEvent | None = None,
    **parity: Any,
) -> Verdict:
    """The verdict on the price, or the final one on an event; the usual year unless the rows bring events."""
    calendar = calendar_of(*rows)
    calendar = calendar if calendar.events else calendar_of(*YEAR)
    dossier, policy = dossier_of(*rows, equivalents=equivalents), Policy(parity=ParityPolicy(**parity))
    if final is not None:
        return check_parity_final(dossier, calendar, final, at, policy)
    return check_parity(dossier, calendar, at, policy)


def in_words(verdict: Verdict) -> str:
    """Status and reason."""
    return f"{verdict.status} {verdict.reason}"


def notes_of(verdict: Verdict) -> list[tuple[str, str]]:
    """Reason of each note, and what it is about."""
    return [(str(note.reason), note.about) for note in verdict.notes]
