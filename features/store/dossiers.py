"""How are dossiers read from the store? One for a SKU, or all of them in order, some thousands at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlmodel import Session

from features.errors import UnknownId
from features.store.db import read_rows, read_rows_of
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
from features.store.plans import PlanRow, ids_of
from features.store.records import enrolment_key
from features.store.types import Instants
from features.units import Ppm

SKUS_A_BATCH: Final = 2_000

_SKU = (
    "sku_id, known_at, brand_id, unit, units_per_pack, channel_exclusive, equivalent_sku_id, equivalent_ratio"
)
_PLAN = "plan_id, known_at, sku_id, plan_type, rate_ppm, valid_from, valid_to, status, anchor_ids, service_fee_rate_ppm"
_QUOTE = (
    "sku_id, quote_id, platform, plan_scope, rate_ppm, observed_at, source, rate_high_ppm, base_fen, valid_from,"
    " valid_to, base"
)
_OFFER = (
    "sku_id, offer_id, platform, item_price_fen, observed_at, source, shop_kind, quantity, shipping_fen,"
    " units_per_pack, unit, gift_same_units, gift_other, audience, deposit_fen, balance_fen, quota, event_units,"
    " welfare, mapping, evidence, currency, valid_from, valid_to"
)
_WELFARE: Final = Offer._fields.index("welfare") - Offer._fields.index("shop_kind")
_PROMOTION = (
    "p.offer_id, p.promotion_id, p.layer, p.kind, p.off_fen, p.off_rate_ppm, p.threshold_fen, p.cap_fen, p.n,"
    " p.exclusive_group, p.valid_from, p.valid_to, p.source"
)


def load_calendar(session: Session) -> Calendar:
    """Every event."""
    at = Instants()
    rows = read_rows(
        session,
        "SELECT event_id, platform, kind, starts_at, ends_at, counts_as_big_promo FROM events",
    )
    retracted = _retracted(session, at)
    events = [
        BigEvent(id_, platform.casefold(), kind, at[a], at[b], bool(big), retracted.get(("events", id_)))
        for id_, platform, kind, a, b, big in rows
    ]
    return Calendar(events)


def load_dossier(session: Session, sku_id: str) -> Dossier:
    """One SKU's; UnknownId where nothing stored has that id."""
    found = list(load_dossiers(session, [sku_id]))
    if not found[0].versions:
        raise UnknownId(f"no SKU {sku_id} is stored; `matcher ingest` brings SKUs in")
    return found[0]


def load_dossiers(session: Session, sku_ids: Iterable[str] | None = None) -> Iterator[Dossier]:
    """Of these SKUs, or of every SKU ever stored, by id; read a batch at a time."""
    if sku_ids is None:
        sku_ids = [row[0] for row in read_rows(session, "SELECT DISTINCT sku_id FROM skus")]
    ids = sorted(sku_ids)
    at = Instants()
    retracted = _retracted(session, at)
    enrolments = _enrolments(session, at, retracted)
    for begin in range(0, len(ids), SKUS_A_BATCH):
        yield from _batch(session, ids[begin : begin + SKUS_A_BATCH], at, enrolments, retracted)


def _batch(
    session: Session,
    ids: Sequence[str],
    at: Instants,
    enrolments: Mapping[str, tuple[Enrolment, ...]],
    retracted: "_Retracted",
) -> Iterator[Dossier]:
    versions = _versions(session, ids, at)
    plans = _plans(session, ids, at)
    quotes: defaultdict[str, list[Quote]] = defaultdict(list)
    for sku_id, *columns in _of(session, "cps_quotes", _QUOTE, ids):
        quotes[sku_id].append(_quote(columns, at, retracted))
    offers = _offers(session, ids, at, retracted)
    wanted = sorted({v.equivalent_sku_id for rows in versions.values() for v in rows if v.equivalent_sku_id})
    equivalents = _equivalents(session, wanted, at, retracted)
    for sku_id in ids:
        known = versions.get(sku_id, ())
        named = {v.equivalent_sku_id: equivalents[v.equivalent_sku_id] for v in known if v.equivalent_sku_id}
        yield Dossier(
            sku_id=sku_id,
            versions=tuple(known),
            enrolments=tuple(
                one for brand in sorted({v.brand_id for v in known}) for one in enrolments.get(brand, ())
            ),
            plans=tuple(plans.get(sku_id, ())),
            quotes=tuple(quotes.get(sku_id, ())),
            offers=tuple(offers.get(sku_id, ())),
            equivalents=named or None,
        )


def _enrolments(session: Session, at: Instants, retracted: "_Retracted") -> dict[str, tuple[Enrolment, ...]]:
    by_brand: defaultdict[str, list[Enrolment]] = defaultdict(list)
    rows = read_rows(
        session,
        "SELECT e.brand_id, e.programme_id, p.rules, e.valid_from, e.valid_to, e.committed_at FROM enrolments e"
        " JOIN programmes p ON p.programme_id = e.programme_id ORDER BY e.brand_id, e.programme_id, e.valid_from",
    )
    for brand, programme, rules, valid_from, valid_to, committed in rows:
        begun = at[valid_from]
        by_brand[brand].append(
            Enrolment(
                brand_id=brand,
                programme_id=programme,
                rules=ids_of(rules),
                valid_from=begun,
                valid_to=at.maybe(valid_to),
                committed_at=begun if committed is None else at[committed],
                retracted_at=retracted.get(("enrolments", enrolment_key(brand, programme, begun))),
            )
        )
    return {brand: tuple(rows) for brand, rows in by_brand.items()}


def _versions(session: Session, ids: Sequence[str], at: Instants) -> dict[str, list[SkuVersion]]:
    found: defaultdict[str, list[SkuVersion]] = defaultdict(list)
    for sku_id, known_at, brand, unit, pack, exclusive, equivalent, ratio in _of(session, "skus", _SKU, ids):
        is_exclusive = None if exclusive is None else bool(exclusive)
        found[sku_id].append(SkuVersion(at[known_at], brand, unit, pack, is_exclusive, equivalent, ratio))
    return found


def _plans(session: Session, ids: Sequence[str], at: Instants) -> dict[str, list[PlanRow]]:
    """By each SKU that a plan ever named: all the plan's versions, for they say until when it was whose."""
    of_plan: defaultdict[str, list[PlanRow]] = defaultdict(list)
    rows = read_rows_of(
        session,
        f"SELECT {_PLAN} FROM plans WHERE plan_id IN (SELECT plan_id FROM plans WHERE sku_id IN (:ids))"  # noqa: S608 - our names
        " ORDER BY plan_id, known_at",
        ids,
    )
    for plan_id, known_at, sku_id, kind, ppm, a, b, status, anchors, fee in rows:
        of_plan[plan_id].append(
            PlanRow(
                plan_id=plan_id,
                known_at=at[known_at],
                sku_id=sku_id,
                plan_type=kind,
                rate_ppm=Ppm(ppm),
                valid_from=at[a],
                valid_to=at.maybe(b),
                status=status,
                anchor_ids=ids_of(anchors),
                service_fee_rate_ppm=None if fee is None else Ppm(fee),
            )
        )
    found: defaultdict[str, list[PlanRow]] = defaultdict(list)
    for of_one in of_plan.values():
        for sku_id in dict.fromkeys(row.sku_id for row in of_one):
            found[sku_id] += of_one
    return found


def _quote(columns: Sequence[Any], at: Instants, retracted: "_Retracted") -> Quote:
    quote_id, platform, scope, ppm, observed, source, high, base_fen, a, b, base = columns
    return Quote(
        quote_id,
        platform.casefold(),
        scope and scope.casefold(),
        ppm,
        at[observed],
        source,
        high,
        base_fen,
        at.maybe(a),
        at.maybe(b),
        retracted.get(("cps_quotes", quote_id)),
        base,
    )


def _offers(
    session: Session, ids: Sequence[str], at: Instants, retracted: "_Retracted"
) -> dict[str, list[Offer]]:
    promotions: defaultdict[str, list[Promotion]] = defaultdict(list)
    rows = read_rows_of(
        session,
        f"SELECT {_PROMOTION} FROM offer_promotions p JOIN offers o ON o.offer_id = p.offer_id"  # noqa: S608 - our names
        f" WHERE o.sku_id IN (:ids) ORDER BY p.offer_id, p.promotion_id",
        ids,
    )
    for offer_id, id_, layer, kind, fen, ppm, least, cap, n, group, a, b, source in rows:
        promotions[offer_id].append(
            Promotion(
                id_,
                layer,
                kind,
                fen,
                ppm,
                least,
                cap,
                n,
                group,
                at.maybe(a),
                at.maybe(b),
                source,
                retracted.get(("offer_promotions", id_)),
            )
        )
    found: defaultdict[str, list[Offer]] = defaultdict(list)
    for sku_id, *columns in _of(session, "offers", _OFFER, ids):
        found[sku_id].append(_offer(columns, at, retracted, promotions))
    return found


def _offer(
    columns: Sequence[Any], at: Instants, retracted: "_Retracted", promotions: Mapping[str, list[Promotion]]
) -> Offer:
    offer_id, platform, price, observed, source, *middle, a, b = columns
    middle[_WELFARE] = None if middle[_WELFARE] is None else bool(middle[_WELFARE])
    ends = at.maybe(a), at.maybe(b), retracted.get(("offers", offer_id)), tuple(promotions.get(offer_id, ()))
    return Offer._make((offer_id, platform.casefold(), price, at[observed], source, *middle, *ends))


def _equivalents(
    session: Session, wanted: Sequence[str], at: Instants, retracted: "_Retracted"
) -> dict[str, Equivalent]:
    if not wanted:
        return {}
    versions, offers = _versions(session, wanted, at), _offers(session, wanted, at, retracted)
    return {id_: Equivalent(tuple(versions.get(id_, ())), tuple(offers.get(id_, ()))) for id_ in wanted}


_Retracted = Mapping[tuple[str, str], Any]


def _retracted(session: Session, at: Instants) -> "_Retracted":
    """The first retraction of each observation."""
    rows = read_rows(session, "SELECT table_name, row_key, MIN(retracted_at) FROM retractions GROUP BY 1, 2")
    return {(table, key): at[instant] for table, key, instant in rows}


def _of(session: Session, table: str, columns: str, ids: Sequence[str]) -> list[Sequence[Any]]:
    """Rows of these SKUs, by the two columns named first: the SKU, and what tells its rows apart."""
    return read_rows_of(
        session,
        f"SELECT {columns} FROM {table} WHERE sku_id IN (:ids) ORDER BY 1, 2",  # noqa: S608 - our names
        ids,
    )
