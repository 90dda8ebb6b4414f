"""Is a dossier what was stored, column by column, on both databases alike? One SKU's, or all of them in order."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel

from features.errors import UnknownId
from features.store import dossiers
from features.store.db import reading, writing
from features.store.dossier import (
    BigEvent,
    Dossier,
    Equivalent,
    Offer,
    Promotion,
    Quote,
    SkuVersion,
    version_at,
)
from features.store.dossier import Enrolment as Enrolled
from features.store.dossiers import load_calendar, load_dossier, load_dossiers
from features.store.plans import PlanRow
from features.store.records import Retraction, retract
from features.store.tables import CpsQuote, Enrolment, Event, OfferPromotion, Plan, Programme, Sku
from features.store.tables import Offer as OfferRow
from features.units import DAWN, Ppm
from promises import DAY, HOUR, NOON, TICK

ODD = NOON + timedelta(microseconds=123_457)
"""An instant that only whole microseconds carry."""


def sku(sku_id: str = "s", **columns: Any) -> Sku:
    plain: dict[str, Any] = {"brand_id": "b", "title": "soap", "category": "home", "list_price_fen": 1_000}
    return Sku(sku_id=sku_id, source="operator", **{"known_at": DAWN} | plain | columns)


def plan(plan_id: str = "p", sku_id: str = "s", **columns: Any) -> Plan:
    plain: dict[str, Any] = {"plan_type": "open", "rate_ppm": 100_000, "valid_from": NOON, "known_at": DAWN}
    return Plan(plan_id=plan_id, sku_id=sku_id, source="operator", **plain | columns)


def quote(quote_id: str = "q", sku_id: str = "s", **columns: Any) -> CpsQuote:
    plain: dict[str, Any] = {"platform": "tmall", "rate_ppm": 100_000, "observed_at": NOON, "source": "job"}
    return CpsQuote(quote_id=quote_id, sku_id=sku_id, known_at=NOON, **plain | columns)


def offer(offer_id: str = "o", sku_id: str = "s", **columns: Any) -> OfferRow:
    plain: dict[str, Any] = {"platform": "tmall", "item_price_fen": 900, "observed_at": NOON, "source": "job"}
    return OfferRow(offer_id=offer_id, sku_id=sku_id, known_at=NOON, **plain | columns)


def promotion(promotion_id: str, offer_id: str = "o", **columns: Any) -> OfferPromotion:
    plain: dict[str, Any] = {"layer": "shop", "kind": "coupon", "known_at": NOON, "source": "job"}
    return OfferPromotion(promotion_id=promotion_id, offer_id=offer_id, **plain | columns)


def programme(programme_id: str = "c", rules: str = "cps_floor;price_parity") -> Programme:
    return Programme(programme_id=programme_id, name="C", rules=rules, known_at=DAWN, source="operator")


def enrolment(brand_id: str = "b", programme_id: str = "c", **columns: Any) -> Enrolment:
    plain: dict[str, Any] = {"valid_from": NOON, "known_at": DAWN, "source": "operator"}
    return Enrolment(brand_id=brand_id, programme_id=programme_id, **plain | columns)


def keep(store: Engine, *rows: SQLModel) -> None:
    with writing(store) as session:
        for row in rows:
            session.add(row)
            session.flush()  # in this order: some point at others


def dossier(store: Engine, sku_id: str = "s") -> Dossier:
    with reading(store) as session:
        return load_dossier(session, sku_id)


# -- the columns

VERSION: dict[str, Any] = {
    "known_at": ODD, "brand_id": "b", "unit": "ml", "units_per_pack": 50, "channel_exclusive": True,
    "equivalent_sku_id": "t", "equivalent_ratio": 3,
}  # fmt: skip
QUOTE: dict[str, Any] = {
    "quote_id": "q", "platform": "jd", "plan_scope": "open", "rate_ppm": 123_456, "observed_at": ODD, "source": "brand:b",
    "rate_high_ppm": 234_567, "base_fen": 999, "valid_from": ODD - DAY, "valid_to": ODD + DAY, "base": "after_coupon",
}  # fmt: skip
PROMOTION: dict[str, Any] = {
    "promotion_id": "m", "layer": "platform", "kind": "nth_item", "off_fen": 1, "off_rate_ppm": 2, "threshold_fen": 3,
    "cap_fen": 4, "n": 5, "exclusive_group": "x", "valid_from": ODD, "valid_to": ODD + TICK, "source": "brand:b",
}  # fmt: skip
OFFER: dict[str, Any] = {
    "offer_id": "o", "platform": "tmall", "item_price_fen": 2**40, "observed_at": ODD, "source": "brand:b",
    "shop_kind": "official", "quantity": 2, "shipping_fen": 3, "units_per_pack": 4, "unit": "g", "gift_same_units": 5,
    "gift_other": "旅行装", "audience": "old_fan", "deposit_fen": 6, "balance_fen": 7, "quota": 8, "event_units": 9,
    "welfare": True, "mapping": "manual", "evidence": "shot.png", "currency": "USD", "valid_from": ODD - DAY,
    "valid_to": ODD + DAY,
}  # fmt: skip
PLAN: dict[str, Any] = {
    "plan_id": "p", "known_at": ODD, "sku_id": "s", "plan_type": "leader_exclusive", "rate_ppm": 345_678,
    "valid_from": ODD - DAY, "valid_to": ODD + DAY, "status": "paused", "service_fee_rate_ppm": 12_345,
}  # fmt: skip


def test_every_column_of_a_sku_comes_back(store: Engine) -> None:
    keep(store, sku(**VERSION), sku("t"))
    assert dossier(store).versions == (SkuVersion(**VERSION),)


def test_every_column_of_a_plan_comes_back(store: Engine) -> None:
    keep(store, sku(), plan(**PLAN, anchor_ids="a;c"))
    assert dossier(store).plans == (PlanRow(**PLAN, anchor_ids=frozenset({"a", "c"})),)


def test_every_column_of_a_quote_comes_back(store: Engine) -> None:
    keep(store, sku(), quote(**QUOTE))
    assert dossier(store).quotes == (Quote(**QUOTE),)


def test_every_column_of_an_offer_comes_back_with_its_promotions(store: Engine) -> None:
    keep(store, sku(), offer(**OFFER), promotion(**PROMOTION))
    assert dossier(store).offers == (Offer(**OFFER, promotions=(Promotion(**PROMOTION),)),)


def test_the_values_tried_name_every_field_and_no_default() -> None:
    later = {"retracted_at", "promotions"}
    for made, values in ((SkuVersion, VERSION), (Quote, QUOTE), (Promotion, PROMOTION), (Offer, OFFER)):
        assert set(values) == set(made._fields) - later
        assert None not in values.values()
        assert len(set(map(repr, values.values()))) == len(values)


def test_what_is_empty_comes_back_empty(store: Engine) -> None:
    keep(store, sku(), plan(), quote(), offer(), promotion("m"))
    found = dossier(store)
    assert found.versions == (SkuVersion(DAWN, "b"),)
    assert found.plans == (PlanRow("p", DAWN, "s", "open", Ppm(100_000), NOON),)
    assert found.quotes == (Quote("q", "tmall", None, 100_000, NOON, "job"),)
    assert found.offers == (
        Offer("o", "tmall", 900, NOON, "job", promotions=(Promotion("m", "shop", "coupon", source="job"),)),
    )
    assert (found.enrolments, found.equivalents) == ((), None)


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_flag_is_true_false_or_unknown(store: Engine, flag: bool | None) -> None:
    keep(store, sku(channel_exclusive=flag), offer(welfare=flag))
    found = dossier(store)
    assert found.versions[0].channel_exclusive is flag
    assert found.offers[0].welfare is flag


# -- what belongs to whom


def test_promotions_come_with_their_own_offer_by_id(store: Engine) -> None:
    keep(store, sku(), offer("o1"), offer("o2"), offer("o3", "t"), sku("t"))
    keep(store, *(promotion(*ids) for ids in (("m3", "o1"), ("m1", "o1"), ("m2", "o2"), ("m4", "o3"))))
    found = {one.offer_id: [m.promotion_id for m in one.promotions] for one in dossier(store).offers}
    assert found == {"o1": ["m1", "m3"], "o2": ["m2"]}


def test_versions_come_oldest_first_and_hold_from_their_instant(store: Engine) -> None:
    keep(store, sku(known_at=NOON, unit="g"), sku(unit="ml"), sku(known_at=NOON + DAY, unit="piece"))
    versions = dossier(store).versions
    assert [one.unit for one in versions] == ["ml", "g", "piece"]
    at = {moment: version_at(versions, moment) for moment in (NOON - TICK, NOON, DAWN - TICK)}
    assert [one and one.unit for one in at.values()] == ["ml", "g", None]


def test_a_plan_that_moved_comes_whole_with_both_skus(store: Engine) -> None:
    keep(store, sku(), sku("t"), sku("u"), plan(), plan(sku_id="t", known_at=NOON), plan("other", "u"))
    for sku_id in ("s", "t"):
        found = dossier(store, sku_id).plans
        assert [(row.sku_id, row.known_at) for row in found] == [("s", DAWN), ("t", NOON)]
    assert [row.plan_id for row in dossier(store, "u").plans] == ["other"]


def test_enrolments_are_those_of_every_brand_the_sku_ever_had(store: Engine) -> None:
    keep(store, programme(), programme("d", "cps_floor"), sku(), sku(brand_id="b2", known_at=NOON))
    committed = NOON - DAY
    keep(
        store,
        enrolment(valid_to=NOON + DAY, committed_at=committed),
        enrolment("b2", "d"),
        enrolment("another"),
    )
    both, floor = frozenset({"cps_floor", "price_parity"}), frozenset({"cps_floor"})
    assert dossier(store).enrolments == (
        Enrolled("b", "c", both, NOON, NOON + DAY, committed),
        Enrolled("b2", "d", floor, NOON, None, NOON),
    )


def test_an_empty_commitment_means_the_start(store: Engine) -> None:
    keep(store, programme(), sku(), enrolment(valid_from=ODD))
    assert dossier(store).enrolments[0].committed_at == ODD


# -- retractions


def test_a_retraction_is_on_the_row_that_it_names_and_on_no_namesake(store: Engine) -> None:
    keep(store, sku(), quote("x"), quote("y"), offer("x"), offer("y"))
    with writing(store) as session:
        retract(session, "cps_quotes", "x", reason="misread", source="operator", at=ODD)
        retract(session, "offers", "y", reason="misread", source="operator", at=ODD + DAY)
    found = dossier(store)
    assert [one.retracted_at for one in found.quotes] == [ODD, None]
    assert [one.retracted_at for one in found.offers] == [None, ODD + DAY]


def test_of_several_retractions_the_first_counts(store: Engine) -> None:
    rows = [
        Retraction(table_name="offers", row_key="o", retracted_at=at, reason="r", source="operator")
        for at in (NOON + DAY, NOON, NOON + HOUR)
    ]
    keep(store, sku(), offer(), *rows)
    assert dossier(store).offers[0].retracted_at == NOON


# -- equivalents


def test_an_equivalent_brings_its_versions_and_offers(store: Engine) -> None:
    keep(
        store, sku(channel_exclusive=True, equivalent_sku_id="t"), sku("t"), sku("t", known_at=NOON, unit="g")
    )
    keep(store, offer("o", "t"), promotion("m"), Retraction(
        table_name="offers", row_key="o", retracted_at=ODD, reason="r", source="operator"
    ))  # fmt: skip
    found = dossier(store)
    seen = Offer(
        "o",
        "tmall",
        900,
        NOON,
        "job",
        retracted_at=ODD,
        promotions=(Promotion("m", "shop", "coupon", source="job"),),
    )
    versions = SkuVersion(DAWN, "b"), SkuVersion(NOON, "b", "g")
    assert (found.equivalents, found.offers) == ({"t": Equivalent(versions, (seen,))}, ())


def test_each_version_may_name_its_own_equivalent_and_an_unknown_one_is_empty(store: Engine) -> None:
    keep(store, sku(equivalent_sku_id="t"), sku(equivalent_sku_id="gone", known_at=NOON), sku("t"))
    assert dossier(store).equivalents == {
        "t": Equivalent((SkuVersion(DAWN, "b"),), ()),
        "gone": Equivalent((), ()),
    }


# -- all of them


def test_all_dossiers_are_those_read_one_by_one_in_whatever_batches(
    store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"s{k}" for k in range(7)]
    keep(
        store,
        programme(),
        enrolment(),
        *(sku(id_, equivalent_sku_id="s3" if id_ == "s1" else None) for id_ in ids),
    )
    keep(store, *(offer(f"o{k}", id_) for k, id_ in enumerate(ids)), promotion("m", "o3"))
    keep(
        store, *(quote(f"q{k}", id_) for k, id_ in enumerate(reversed(ids))), plan("p", "s2"), plan("r", "s6")
    )
    keep(store, plan("p", "s5", known_at=NOON))
    singly = [dossier(store, id_) for id_ in ids]
    for batch in (1, 2, 7, 100):
        monkeypatch.setattr(dossiers, "SKUS_A_BATCH", batch)
        with reading(store) as session:
            assert list(load_dossiers(session)) == singly
            assert list(load_dossiers(session, reversed(ids))) == singly


def test_a_sku_that_was_never_stored_is_an_unknown_id(store: Engine) -> None:
    with pytest.raises(UnknownId, match="no SKU s is stored"):
        dossier(store)


def test_the_calendar_is_every_event_by_start_and_id(store: Engine) -> None:
    def event(event_id: str, starts: timedelta, big: bool | None) -> Event:
        plain: dict[str, Any] = {"platform": "tmall", "kind": "616", "name": "616", "known_at": DAWN}
        span: dict[str, Any] = {"starts_at": ODD + starts, "ends_at": ODD + DAY, "counts_as_big_promo": big}
        return Event(event_id=event_id, source="operator", **plain | span)

    keep(
        store,
        event("z", HOUR, None),
        event("y", HOUR, False),
        event("x", 2 * HOUR, True),
        event("w", HOUR, True),
    )
    with reading(store) as session:
        found = load_calendar(session)
    assert [one.event_id for one in found.events] == ["w", "y", "z", "x"]
    assert found.events[0] == BigEvent("w", "tmall", "616", ODD + HOUR, ODD + DAY, counts_as_big_promo=True)
    assert [one.counts_as_big_promo for one in found.events] == [True, False, False, True]
