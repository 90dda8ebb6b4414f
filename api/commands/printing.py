"""What does a list look like? As a table for people, as a document for programs."""

from typing import Any

from rich.console import Console
from rich.table import Table

from features.units import Fen, Ppm, from_microseconds, percent, shanghai_time, yuan
from matcher.candidates.union import Side
from matcher.outcome import ExpectedOne
from matcher.pairing import Pairing, PairingList
from matcher.verdict import Status, Verdict

_TITLE_WIDTH = 36
_CARD = ("title", "brand_id", "category", "list_price_fen", "anchor_name", "tier")


def print_list(answer: PairingList, side: Side, language: str, console: Console) -> None:
    """A list as a table, and the account of what is not on it."""
    kind = "goods for anchor" if side == "goods" else "anchors for SKU"
    if not answer.pairings and not answer.considered and not any(answer.left_out.values()):
        console.print(f"{kind} {answer.owner_id}: no row passes the filters")
        return
    at = shanghai_time(from_microseconds(answer.snapshot_at_us))
    table = Table(title=f"{kind} {answer.owner_id}", caption=f"model {answer.model_version}, as of {at}")
    table.add_column("#", justify="right")
    table.add_column("SKU" if side == "goods" else "anchor", overflow="fold")
    heading = "title; brand, category, list price" if side == "goods" else "name, tier"
    table.add_column(heading, overflow="fold", max_width=_TITLE_WIDTH)
    for heading in ("score", "rate", "units next session", "GMV (80 %)", "commission"):
        table.add_column(heading, justify="right")
    judged = any(pairing.verdicts is not None for pairing in answer.pairings)
    if judged:
        table.add_column("CPS floor; price parity")
    explained = any(pairing.reasons for pairing in answer.pairings)
    if explained:
        table.add_column("why")
    for pairing in answer.pairings:
        reasons = [reason.zh if language == "zh" else reason.en for reason in pairing.reasons]
        more = ([_said(pairing)] if judged else []) + (["\n".join(reasons)] if explained else [])
        table.add_row(*_cells(pairing, side), *more)
    console.print(table)
    left_out = ", ".join(f"{reason} {n}" for reason, n in answer.left_out.items() if n)
    console.print(f"{answer.considered} candidates ranked; left out: {left_out or 'nothing'}")
    if answer.pairings:
        console.print(_how_to_read(answer))


def _how_to_read(answer: PairingList) -> str:
    within = "a score orders within this list only"
    if answer.pairings[0].expected is None:
        return f"{within}, and is the source's; what a pairing would bring needs a model"
    return (
        f"objective {answer.objective}; {within}; units, GMV and commission are what one next session brings "
        "if the SKU is put up, in brackets the 80 % range"
    )


def _cells(pairing: Pairing, side: Side) -> list[str]:
    plain = [
        str(pairing.rank),
        pairing.sku_id if side == "goods" else pairing.anchor_id,
        _card(pairing, side),
        f"{pairing.score:.3f}",
        percent(Ppm(pairing.rate_ppm)) if pairing.rate_ppm is not None else "-",
    ]
    return plain + (["-", "-", "-"] if pairing.expected is None else _promise(pairing.expected))


def _said(pairing: Pairing) -> str:
    """Both verdicts, a line each; of what does not apply only that."""
    return "\n".join(
        "-" if verdict.status is Status.NOT_APPLICABLE else f"{verdict.status} {verdict.reason}"
        for verdict in pairing.verdicts or ()
    )


def _card(pairing: Pairing, side: Side) -> str:
    """What its reader knows the other by."""
    if side == "shortlist":
        return f"{pairing.anchor_name}, {pairing.tier}" if pairing.tier else pairing.anchor_name
    price = yuan(Fen(pairing.list_price_fen))
    return f"{pairing.title}\n{pairing.brand_id}, {pairing.category}, {price}"


def _promise(expected: ExpectedOne) -> list[str]:
    low, high = yuan(Fen(expected.gmv_low_fen)), yuan(Fen(expected.gmv_high_fen))
    return [
        f"{expected.units:.1f} ({expected.units_low:.1f}..{expected.units_high:.1f})",
        f"{yuan(Fen(expected.gmv_fen))} ({low}..{high})",
        yuan(Fen(expected.commission_fen)) if expected.commission_fen >= 0 else "-",
    ]


def list_document(answer: PairingList) -> dict[str, Any]:
    """An answer as JSON: money in fen, rates in ppm."""
    return {
        "owner_id": answer.owner_id,
        "items": [_line(pairing) for pairing in answer.pairings],
        "objective": answer.objective,
        "model_version": answer.model_version,
        "snapshot_at": from_microseconds(answer.snapshot_at_us).isoformat(),
        "policy_version": answer.policy_version,
        "considered": answer.considered,
        "left_out": dict(answer.left_out),
    }


def _line(pairing: Pairing) -> dict[str, Any]:
    line: dict[str, Any] = {
        "rank": pairing.rank,
        "anchor_id": pairing.anchor_id,
        "sku_id": pairing.sku_id,
        **{name: getattr(pairing, name) for name in _CARD},
        "score": pairing.score,
        "rate_ppm": pairing.rate_ppm,
        "expected": None if pairing.expected is None else pairing.expected.line(),
    }
    if pairing.verdicts is not None:
        line["verdicts"] = [verdict_line(verdict) for verdict in pairing.verdicts]
    line["reasons"] = [
        {"group": reason.group, "zh": reason.zh, "en": reason.en} for reason in pairing.reasons
    ]
    return line


def verdict_line(verdict: Verdict) -> dict[str, Any]:
    """What a list tells of a verdict; `matcher check` tells the rest."""
    return {
        "rule": verdict.rule,
        "status": str(verdict.status),
        "reason": str(verdict.reason),
        "margin": verdict.margin,
        "provisional": verdict.provisional,
    }
