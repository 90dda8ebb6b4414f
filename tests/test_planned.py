"""Is a planned row read as an import would read it, and refused as an import would refuse it?"""

from datetime import timedelta
from typing import Any

import pytest

from features.errors import WrongInput
from features.store.dossier import Offer, Promotion
from features.store.planned import Planned, read_planned
from features.store.plans import PlanRow
from features.units import Ppm
from matcher.cps import check_cps
from matcher.policy import Policy
from matcher.whatif import with_planned
from promises import DAY, NOON, calendar_of, dossier_of, floor_of, plan, quote

OPEN: dict[str, Any] = {"plan_type": "open", "rate": "20", "rate_unit": "percent"}
COUPON: dict[str, Any] = {"layer": "shop", "kind": "coupon", "off_fen": 500}


def read(document: object) -> Planned:
    """As it would be planned for SKU `s` at noon."""
    return read_planned(document, sku_id="s", at=NOON, home_platform="kuaishou", where="plan.json")


def refused(document: object) -> str:
    """Why it is not taken."""
    with pytest.raises(WrongInput) as raised:
        read(document)
    return str(raised.value)


def test_what_a_plan_leaves_out_is_taken_from_the_question() -> None:
    assert read({"plans": [OPEN]}) == Planned(
        (PlanRow("planned-plan-1", NOON, "s", "open", Ppm(200_000), NOON),), ()
    )


def test_what_an_offer_leaves_out_is_taken_from_the_question() -> None:
    assert read({"offers": [{"item_price_fen": 9_900}]}).offers == (
        Offer("planned-offer-1", "kuaishou", 9_900, NOON),
    )


def test_every_column_of_a_plan_is_read() -> None:
    columns = {"plan_id": "p", "anchor_ids": "c;a", "status": "paused", "plan_type": "exclusive"}
    window = {"valid_from": "2026-06-06T12:00:00+08:00", "valid_to": "2026-06-07T12:00:00+08:00"}
    (row,) = read({"plans": [OPEN | columns | window | {"rate": "123", "rate_unit": "permille"}]}).plans
    assert (row.plan_id, row.plan_type, row.rate_ppm, row.status) == ("p", "exclusive", 123_000, "paused")
    assert (row.anchor_ids, row.valid_from, row.valid_to) == (
        frozenset({"a", "c"}),
        NOON + DAY,
        NOON + 2 * DAY,
    )


def test_every_column_of_an_offer_is_read() -> None:
    words = {
        "offer_id": "o", "platform": "tmall", "shop_kind": "official", "unit": "g", "gift_other": "bag",
        "audience": "old_fan", "mapping": "manual", "evidence": "shot", "currency": "USD",
    }  # fmt: skip
    numbers = {
        "item_price_fen": 1, "quantity": 2, "shipping_fen": 3, "units_per_pack": 4, "gift_same_units": 5,
        "deposit_fen": 6, "balance_fen": 7, "quota": 8, "event_units": 9,
    }  # fmt: skip
    instants = {"observed_at": NOON - DAY, "valid_from": NOON, "valid_to": NOON + DAY}
    told = {name: at.isoformat() for name, at in instants.items()}
    (row,) = read({"offers": [words | numbers | told | {"welfare": True}]}).offers
    assert row == Offer(**words | numbers | instants | {"welfare": True})  # type: ignore[arg-type]


def test_promotions_stand_inside_their_offer_and_get_ids() -> None:
    offers = [
        {"item_price_fen": 1, "promotions": [COUPON, COUPON | {"promotion_id": "mine"}]},
        {"item_price_fen": 2, "promotions": [{"layer": "item", "kind": "nth_item", "n": 2, "off_rate": "50", "off_rate_unit": "percent"}]},
        {"item_price_fen": 3},
    ]  # fmt: skip
    assert [offer.promotions for offer in read({"offers": offers}).offers] == [
        (Promotion("planned-offer-1-1", "shop", "coupon", 500), Promotion("mine", "shop", "coupon", 500)),
        (Promotion("planned-offer-2-1", "item", "nth_item", off_rate_ppm=500_000, n=2),),
        (),
    ]


def test_nothing_planned_is_nothing() -> None:
    assert read({"plans": [], "offers": []}) == Planned((), ())


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "plan.json holds no object"),
        ({}, "names nothing; known are plans and offers"),
        ({"quotes": []}, "names quotes"),
        ({"plans": {}}, "plan.json: plans is no list of objects"),
        ({"offers": [5]}, "plan.json: offers is no list of objects"),
        ({"offers": [{"item_price_fen": 1, "promotions": {}}]}, "promotions of offer 1 is no list"),
        ({"plans": [OPEN | {"sku_id": "t"}]}, "a row is for SKU t, the question for s"),
        ({"offers": [{"item_price_fen": 1, "sku_id": 5}]}, "a row is for SKU 5"),
    ],
)
def test_what_is_no_document_of_planned_rows_is_refused(document: object, words: str) -> None:
    assert words in refused(document)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"rate": "95"}, "plans 2: rate 95"),
        ({"rate": "0.00001"}, "plans 2: rate 0.00001"),
        ({"rate": "-1"}, "plans 2: rate -1"),
        ({"rate_unit": None}, "plans 2: rate_unit"),
        ({"plan_type": "opn"}, "plans 2: plan_type opn: 'opn' is none of open"),
        ({"status": "gone"}, "plans 2: status gone"),
        ({"valid_to": NOON.isoformat()}, "plans 2: valid_to"),
        ({"valid_from": "2026-06-05T12:00"}, "plans 2: valid_from 2026-06-05T12:00"),
        ({"anchor_ids": "a b"}, "plans 2: anchor_ids a b"),
    ],
)
def test_a_wrong_plan_is_named_by_row_and_column(second: dict[str, Any], words: str) -> None:
    assert words in refused({"plans": [OPEN, OPEN | second]})


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"item_price_fen": "99.5"}, "offers 2: item_price_fen 99.5"),
        ({"item_price_fen": -1}, "offers 2: item_price_fen -1"),
        ({"item_price_fen": None}, "offers 2: item_price_fen : item_price_fen is required"),
        ({"quantity": 0}, "offers 2: quantity 0"),
        ({"unit": "kg"}, "offers 2: unit kg"),
        ({"audience": "everybody"}, "offers 2: audience everybody"),
        ({"promotions": [COUPON | {"layer": "till"}]}, "offer_promotions 2: layer till"),
        ({"promotions": [{"layer": "shop", "kind": "coupon"}]}, "offer_promotions 2: off_fen"),
        ({"promotions": [{"layer": "shop", "kind": "nth_item"}]}, "offer_promotions 2: off_rate"),
    ],
)
def test_a_wrong_offer_is_named_by_row_and_column(second: dict[str, Any], words: str) -> None:
    plain = {"item_price_fen": 9_900}
    assert words in refused({"offers": [plain | {"promotions": [COUPON]}, plain | second]})


@pytest.mark.parametrize("column", ["rat", "known_at", "source"])
def test_an_unknown_column_is_named_beside_those_there_are(column: str) -> None:
    words = refused({"plans": [OPEN | {column: "x"}]})
    assert f"unknown columns '{column}'" in words
    assert "plan_type*" in words


# -- in place of what is stored


def test_a_planned_plan_takes_the_place_of_the_plan_of_its_id_and_stands_beside_others() -> None:
    old, other = plan(5, plan_id="p"), plan(6, "leader", plan_id="r")
    planned = read({"plans": [OPEN | {"plan_id": "p"}], "offers": [{"item_price_fen": 1}]})
    changed = with_planned(dossier_of(old, other), planned)
    assert [(row.plan_id, row.rate_ppm) for row in changed.plans] == [("r", 60_000), ("p", 200_000)]
    assert [row.offer_id for row in changed.offers] == ["planned-offer-1"]


def test_a_planned_plan_is_judged_at_the_instant_of_the_question() -> None:
    rows = plan(5), quote(10)
    changed = with_planned(dossier_of(*rows), read({"plans": [OPEN]}))
    verdict = check_cps(changed, calendar_of(), NOON, Policy())
    assert (floor_of(*rows).status, verdict.status, verdict.margin) == ("FAIL", "PASS", 100_000)
    before = check_cps(changed, calendar_of(), NOON - timedelta(microseconds=1), Policy())
    assert before.status == "FAIL"


# -- what goes wrong


def test_a_service_fee_of_a_planned_plan_is_kept() -> None:
    (row,) = read({"plans": [OPEN | {"service_fee_rate": "1", "service_fee_rate_unit": "percent"}]}).plans
    assert row.service_fee_rate_ppm == 10_000


def test_a_promotion_that_names_another_offer_is_refused() -> None:
    assert "offer" in refused(
        {"offers": [{"item_price_fen": 9_900, "promotions": [COUPON | {"offer_id": "x"}]}]}
    )


def test_two_offers_of_one_id_are_refused() -> None:
    one = {"offer_id": "x", "item_price_fen": 9_900}
    assert "x" in refused({"offers": [one | {"promotions": [COUPON]}, one]})
