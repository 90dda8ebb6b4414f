"""`matcher keys`: whom do we let in? Keys for a brand, an anchor, an operator or a job: create, list, revoke."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from api.commands.console import answer_console
from api.commands.options import Database, Home, Json, Policy
from api.stores import open_known_store, open_store
from features.errors import WrongInput
from features.settings import read_settings
from features.units import midnight, parse_day, parse_instant, shanghai_time

if TYPE_CHECKING:
    from features.store.access import ApiKey

app = typer.Typer(
    no_args_is_help=True,
    help="API keys, with which programs call and people sign in: create, list, revoke.",
)

DEFAULT_DAYS: Final = 365


@app.command("create")
def create(
    role: Annotated[
        str, typer.Option(metavar="R", help="brand, anchor, operator or job.", show_default=False)
    ],
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The brand's or anchor's id; none for an operator or a job.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option(metavar="T", help="A line to know it by: who has it, what for.", show_default=False),
    ] = None,
    expires_in_days: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=3650,
            help=f"Days until it opens nothing any more. \\[default: {DEFAULT_DAYS}]",
            show_default=False,
        ),
    ] = None,
    expires_at: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="Until when instead: an instant with its offset, or a day: its beginning in Shanghai.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Make a key and print it, once: what is stored cannot be turned back into it.

    A brand's key sees that brand's SKUs and their shortlists, an anchor's its own goods. An operator's sees
    everything and runs the house; a job's writes import tables.
    """
    from api.security import create_key
    from features.store.db import writing

    now = datetime.now(UTC)
    until = _expiry(expires_in_days, expires_at, now)
    store = open_store(read_settings(database_url=database, home=home, policy=policy))
    try:
        with writing(store) as session:
            row, key = create_key(session, role=role, subject=subject, note=note, expires_at=until, now=now)
    finally:
        store.dispose()
    if as_json:
        made = {
            "id": row.key_id,
            "key": key,
            "role": role,
            "subject": subject,
            "expires_at": until.isoformat(),
        }
        typer.echo(json.dumps(made))
        return
    typer.echo(key)
    typer.echo(f"key {row.key_id} for {_holder(row)}, until {shanghai_time(until)}; it is not shown again")


@app.command("list")
def list_keys(
    as_json: Json = False, database: Database = None, home: Home = None, policy: Policy = None
) -> None:
    """List every key that was made, oldest first: whose it is and until when, never the key itself."""
    from features.store.db import reading
    from features.store.keys import all_keys

    store = open_known_store(read_settings(database_url=database, home=home, policy=policy))
    try:
        with reading(store) as session:
            rows = all_keys(session)
    finally:
        store.dispose()
    if as_json:
        typer.echo(json.dumps({"keys": [_document(row) for row in rows]}, ensure_ascii=False))
        return
    out = answer_console()
    if not rows:
        out.print("no key was made yet; `matcher keys create --role operator` makes one")
        return
    table = Table(
        "id",
        "role",
        "subject",
        "created",
        "expires",
        "revoked",
        "last used",
        "note",
        box=None,
        pad_edge=False,
    )
    for row in rows:
        instants = (row.created_at, row.expires_at, row.revoked_at, row.last_used_at)
        table.add_row(row.key_id, row.role, row.subject or "", *map(_shown, instants), row.note or "")
    out.print(table)


@app.command("revoke")
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `keys list` names it: k_...", show_default=False)
    ],
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Let a key open nothing any more; a running server follows within a second, pages signed in with it too."""
    from features.store.db import writing
    from features.store.keys import revoke_key

    store = open_known_store(read_settings(database_url=database, home=home, policy=policy))
    try:
        with writing(store) as session:
            since = revoke_key(session, key_id, at=datetime.now(UTC))
    finally:
        store.dispose()
    if as_json:
        typer.echo(json.dumps({"id": key_id, "revoked_at": since.isoformat()}))
    else:
        typer.echo(f"key {key_id} opens nothing since {shanghai_time(since)}")


def _expiry(days: int | None, until: str | None, now: datetime) -> datetime:
    if until is None:
        return now + timedelta(days=days if days is not None else DEFAULT_DAYS)
    if days is not None:
        raise WrongInput("--expires-in-days and --expires-at both say until when; name one of them")
    try:
        return midnight(parse_day(until))
    except WrongInput:
        try:
            return parse_instant(until)
        except WrongInput as error:
            raise WrongInput(f"--expires-at: {error}, or a day like 2027-01-01") from error


def _document(row: "ApiKey") -> dict[str, str | None]:
    instants = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "id": row.key_id,
        "role": row.role,
        "subject": row.subject,
        "note": row.note,
        **{name: _iso(getattr(row, name)) for name in instants},
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _shown(at: datetime | None) -> str:
    return "" if at is None else shanghai_time(at)


def _holder(row: "ApiKey") -> str:
    return row.role if row.subject is None else f"{row.role} {row.subject}"
