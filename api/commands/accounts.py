"""How does a verdict look to a person? What was compared, step by step, and when it will change."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from api.commands.checking import Counts
from api.commands.console import answer_console
from api.documents import margin_unit
from features.store.dossier import Dossier
from features.store.records import ShownVerdict
from features.units import Fen, Ppm, percent, shanghai_time, yuan
from matcher.cps import FloorAccount
from matcher.parity import ParityAccount
from matcher.policy import Policy
from matcher.verdict import SENTENCES, Reason, Verdict
from matcher.verdict_book import Both
from matcher.whatif import NearestPrice, nearest_prices, nearest_rate


def print_json(answer: dict[str, Any]) -> None:
    """One document on stdout."""
    typer.echo(json.dumps(answer, ensure_ascii=False))


def print_account(
    both: Both, dossier: Dossier, policy: Policy, language: str, console: Console | None = None
) -> None:
    """Both verdicts for a person, in Shanghai time."""
    console = console or answer_console()
    console.print(
        f"SKU {dossier.sku_id} at {shanghai_time(both.cps_floor.checked_at)}, policy {policy.version}"
    )
    for verdict in both:
        margin = "" if verdict.margin is None else f", margin {_margin(verdict, policy)}"
        provisional = " (provisional)" if verdict.provisional else ""
        console.print(
            f"\n{verdict.rule}: {verdict.status} {verdict.reason}{provisional}{margin}: "
            f"{_sentence(verdict.reason, language)}"
        )
        if isinstance(verdict.account, FloorAccount):
            _print_floor(verdict.account, console)
        elif isinstance(verdict.account, ParityAccount):
            _print_parity(verdict.account, console)
        _print_nearest(verdict, dossier, policy, console)
        for note in verdict.notes:
            console.print(f"  left out or noted: {note.about}: {_sentence(note.reason, language)}")
        for row in verdict.evidence:
            console.print(f"  evidence: {row.id} ({row.table}), seen {shanghai_time(row.observed_at)}")
        if verdict.next_change_at is not None:
            console.print(
                f"  holds until {shanghai_time(verdict.next_change_at)}, unless something new is seen"
            )


def print_takers(takers: dict[str, Any] | None) -> None:
    """Who would take the SKU up, now and as planned."""
    if not takers:
        return
    table = Table("shortlist", box=None, pad_edge=False)
    for heading in ("takers (80 %)", "units of the first 20", "GMV", "commission"):
        table.add_column(heading, justify="right")
    for name, one in takers.items():
        table.add_row(
            name,
            f"{one['takers']:.1f} ({one['takers_low']:.1f}..{one['takers_high']:.1f})",
            f"{one['units']:.0f} ({one['units_low']:.0f}..{one['units_high']:.0f})",
            yuan(Fen(one["gmv_fen"])),
            yuan(Fen(one["commission_fen"])),
        )
    answer_console().print(table)


def _sentence(reason: Reason, language: str) -> str:
    zh, en = SENTENCES[reason]
    return zh if language == "zh" else en


def _margin(verdict: Verdict, policy: Policy) -> str:
    return f"{verdict.margin} {margin_unit(verdict, policy)}"


def _print_floor(account: FloorAccount, console: Any) -> None:
    if account.plan is not None:
        console.print(f"  ours: {percent(account.plan.rate_ppm)} by open plan {account.plan.plan_id}")
    for one in account.theirs:
        age = "" if one.is_fresh else ", too old to count"
        console.print(
            f"  {one.quote.platform}: {percent(Ppm(one.rate_ppm))}, seen {shanghai_time(one.quote.observed_at)}{age}"
        )
    if account.floor_ppm is not None:
        console.print(f"  floor: {percent(Ppm(account.floor_ppm))}")


def _print_parity(account: ParityAccount, console: Any) -> None:
    held = ", ".join(event.event_id for event in account.references) or "no event"
    console.print(f"  event {account.event.event_id} against {held}")
    for one in account.compared:
        table = Table("", "ours", "there", box=None, pad_edge=False)
        prices = [one.ours, *(one.theirs.deciding[:1] if one.theirs else ())]
        for name, cell in _LINES:
            cells = [cell(price) for price in prices]
            if any(cells):
                table.add_row(f"  {name}", *cells)
        console.print(table)


def _steps(layer: str) -> Any:
    return lambda price: "; ".join(
        f"-{yuan(Fen(s.off_fen))} {s.kind} {s.promotion_id}" for s in price.steps if s.layer == layer
    )


_LINES = (
    ("offer", lambda price: f"{price.offer.offer_id} ({price.offer.audience or 'all'})"),
    ("seen", lambda price: shanghai_time(price.offer.observed_at)),
    ("item price x pieces", lambda price: yuan(Fen(price.p0))),
    ("item", _steps("item")),
    ("shop", _steps("shop")),
    ("platform", _steps("platform")),
    ("deposit + balance", lambda p: yuan(Fen(p.p3)) if p.offer.deposit_fen is not None and p.is_whole else ""),
    ("shipping", lambda price: yuan(Fen(price.offer.shipping_fen)) if price.offer.shipping_fen else ""),
    ("paid", lambda price: yuan(Fen(price.paid_fen))),
    ("for", lambda price: f"{price.units} {price.unit}"),
    ("with red packets and payment offers", lambda p: "" if p.conditional_paid_fen is None else yuan(Fen(p.conditional_paid_fen))),
    ("another product as a gift", lambda price: price.offer.gift_other or ""),
)  # fmt: skip


def _print_nearest(verdict: Verdict, dossier: Dossier, policy: Policy, console: Any) -> None:
    if verdict.rule == "cps_floor":
        nearest = nearest_rate(verdict, policy, dossier)
        if nearest is not None and verdict.status == "FAIL":
            console.print(f"  would pass at {percent(Ppm(nearest.rate_ppm))} or more{_paid(nearest)}")
        return
    for one in nearest_prices(verdict, verdict.checked_at, policy, dossier):
        if one.paid_fen > one.most_paid_fen:
            console.print(f"  {_price(one)}")


def _paid(nearest: Any) -> str:
    if nearest.needed_commission_fen is None or nearest.our_commission_fen is None:
        return ""
    now, then = yuan(Fen(nearest.our_commission_fen)), yuan(Fen(nearest.needed_commission_fen))
    return f": {then} commission a piece instead of {now}"


def _price(one: NearestPrice) -> str:
    item = (
        "" if one.most_item_price_fen is None else f", an item price of {yuan(Fen(one.most_item_price_fen))}"
    )
    return f"offer {one.offer_id} would pass at {yuan(Fen(one.most_paid_fen))} paid or less{item}"


def print_counts(
    counts: Counts, out: Path | None, rows: list[dict[str, Any]] | None, *, as_json: bool
) -> None:
    """How many SKUs have each answer, and the file, or in JSON the verdicts, that say which."""
    if as_json:
        document = {
            "file": None if out is None else str(out),
            "rows": sum(counts.values()),
            "answers": answers_of(counts),
        }
        print_json(document | ({} if rows is None else {"verdicts": rows}))
        return
    console = answer_console()
    console.print(counts_table(counts))
    if out is not None:
        console.print(f"{sum(counts.values()):,} rows in {out}")


def answers_of(counts: Counts) -> list[dict[str, Any]]:
    """How many SKUs have each answer, for JSON."""
    return [
        {"rule": rule, "status": status, "reason": reason, "skus": n}
        for (rule, status, reason), n in sorted(counts.items())
    ]


def counts_table(counts: Counts) -> Table:
    """How many SKUs have each answer."""
    table = Table("rule", "status", "reason", box=None, pad_edge=False)
    table.add_column("SKUs", justify="right")
    for (rule, status, reason), n in sorted(counts.items()):
        table.add_row(rule, status, reason, f"{n:,}")
    return table


def print_shown(rows: list[ShownVerdict], *, as_json: bool) -> None:
    """What was shown, oldest first."""
    documents = [
        row.model_dump(exclude={"evidence", "digest"}, mode="json") | {"evidence": json.loads(row.evidence)}
        for row in rows
    ]
    if as_json:
        typer.echo(json.dumps(documents, ensure_ascii=False))
        return
    table = Table("first shown", "rule", "status", "reason", "margin", "policy", "evidence", box=None)
    for row, plain in zip(rows, documents, strict=True):
        evidence = ", ".join(id_ for id_, _, _ in plain["evidence"])
        margin = "" if row.margin is None else str(row.margin)
        table.add_row(
            shanghai_time(row.first_shown_at),
            row.rule,
            row.status,
            row.reason,
            margin,
            row.policy_version,
            evidence,
        )
    answer_console().print(table)
