"""What holds of price parity in every world? More reference prices, and other packs."""

from collections import Counter
from dataclasses import replace

import pytest

from features.store.dossier import Dossier, Equivalent, Offer, Promotion, SkuVersion, version_at
from law_cases import WORLDS, Case, answer, cases
from matcher.parity import check_parity_final
from matcher.price import is_dearer
from promises import offer, parity_of, there


def with_more(case: Case, more: Offer) -> Dossier:
    """One more row where the reference rows are: the SKU's own, or its equivalent's."""
    version = version_at(case.dossier.versions, case.at)
    assert version is not None
    if not (version.channel_exclusive and version.equivalent_sku_id):
        return replace(case.dossier, offers=(*case.dossier.offers, more))
    equivalents = dict(case.dossier.equivalents or {})
    named = equivalents[version.equivalent_sku_id]
    equivalents[version.equivalent_sku_id] = replace(named, offers=(*named.offers, more))
    return replace(case.dossier, equivalents=equivalents)


def test_one_more_reference_price_of_the_deciding_kind_may_turn_pass_into_fail_never_back() -> None:
    """A row of the same unit, kind and event, with evidence or without; a dearer one with evidence does nothing."""
    found: Counter[str] = Counter()
    for case in cases(n_worlds=3 * WORLDS):
        before = case.parity()
        account = before.account
        if account is None or before.status not in {"PASS", "FAIL"} or len(account.compared) != 1:
            continue
        (one,) = account.compared
        assert one.theirs is not None
        deciding = one.theirs.deciding[0]
        fen = max(deciding.p0 // (deciding.offer.quantity or 1) + case.rng.choice((-500, -1, 0, 1, 500)), 1)
        plain = deciding.offer._replace(promotions=(), deposit_fen=None, balance_fen=None, item_price_fen=fen)
        more = plain._replace(offer_id="one more", evidence=case.rng.choice(("shot", None)))
        after = case.parity(with_more(case, more))
        found[f"{before.status} {after.status}"] += 1
        (again,) = after.account.compared
        assert again.theirs is not None
        assert not is_dearer(again.theirs.deciding[0], deciding)
    assert found["PASS PASS"] > 100
    assert found["FAIL FAIL"] > 100
    assert found["PASS FAIL"] > 20
    assert set(found) == {"PASS PASS", "FAIL FAIL", "PASS FAIL"}


def test_one_more_price_of_a_better_kind_may_turn_fail_into_pass() -> None:
    rows = offer(10_000), there(9_000, shop_kind="reseller")
    assert parity_of(*rows).status == "FAIL"
    assert parity_of(*rows, there(11_000, shop_kind="flagship")).status == "PASS"


def scaled(dossier: Dossier, k: int) -> Dossier:
    """Packs and prices of both sides, k times; without shares of a price, whose rounding does not scale."""

    def times(fen: int | None) -> int | None:
        return None if fen is None else fen * k

    def promotion(one: Promotion) -> Promotion:
        return one._replace(
            off_fen=times(one.off_fen), threshold_fen=times(one.threshold_fen), cap_fen=times(one.cap_fen)
        )

    def row(one: Offer) -> Offer:
        promotions = tuple(promotion(p) for p in one.promotions if p.off_rate_ppm is None)
        return one._replace(
            item_price_fen=one.item_price_fen * k, shipping_fen=times(one.shipping_fen),
            deposit_fen=times(one.deposit_fen), balance_fen=times(one.balance_fen),
            units_per_pack=times(one.units_per_pack), gift_same_units=times(one.gift_same_units),
            promotions=promotions,
        )  # fmt: skip

    def versions(rows: tuple[SkuVersion, ...]) -> tuple[SkuVersion, ...]:
        return tuple(one._replace(units_per_pack=(one.units_per_pack or 1) * k) for one in rows)

    equivalents = {
        id_: Equivalent(versions(one.versions), tuple(map(row, one.offers)))
        for id_, one in (dossier.equivalents or {}).items()
    }
    offers = tuple(map(row, dossier.offers))
    return replace(
        dossier, versions=versions(dossier.versions), offers=offers, equivalents=equivalents or None
    )


@pytest.mark.parametrize("k", [2, 7])
def test_packs_and_prices_of_both_sides_times_k_leave_the_verdict_as_it_is(k: int) -> None:
    found: Counter[str] = Counter()
    for case in cases():
        plain, larger = scaled(case.dossier, 1), scaled(case.dossier, k)
        verdict = case.parity(plain)
        assert answer(verdict) == answer(case.parity(larger))
        found[verdict.status] += 1
        for event in case.big_promotions:
            one, other = (
                check_parity_final(d, case.calendar, event, case.at, case.policy) for d in (plain, larger)
            )
            assert answer(one) == answer(other)
    assert min(found[status] for status in ("PASS", "FAIL", "INDETERMINATE")) > 200
