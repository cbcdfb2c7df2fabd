"""Accounts of people, from the machine the collector runs on."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, actor, now, opened, told
from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(help="Accounts of people, and API keys.", no_args_is_help=True, add_completion=False)
Name = Annotated[str, typer.Argument(help="The account's name.")]
_DAY = 86_400


@app.command()
def add(
    name: Name,
    role: Annotated[list[str], typer.Option(help="admin, security, reviewer, auditor, viewer or privacy. Repeatable.")],
    unit: Annotated[list[str] | None, typer.Option(help="Sees and decides for these units only. Repeatable.")] = None,
    folder: Folder = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make an account; its first password is shown this once, and has to be changed."""
    with opened(folder, database) as engine:
        from aimscope_collector import accounts
        from aimscope_collector.store import accounts as known
        from aimscope_collector.store.database import writing

        password = accounts.first_password(os.urandom)
        hashed = accounts.hash_password(password)
        with told(), writing(engine) as connection:
            made = known.create(
                connection, name=name, roles=role, hashed=hashed, by=actor(), at=now(), units=unit or ()
            )
    if as_json:
        emit_json({"name": made.name, "roles": made.roles, "password": password})
        return
    say(password)
    hint(f"First password of {made.name}, shown this once; it has to be changed.")


@app.command("list")
def list_users(folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """Every account."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import accounts as known

        with engine.connect() as connection:
            found = known.all_accounts(connection)
    if as_json:
        emit_json(found)
        return
    for one in found:
        state = "disabled" if one.disabled_at else "first password" if one.must_change else ""
        say(f"{one.name:<32} {','.join(one.roles):<28} {','.join(one.units) or 'all units':<20} {state}".rstrip())


@app.command()
def reset(name: Name, folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """Another password for one use; ends all sessions, and unlocks."""
    with opened(folder, database) as engine:
        from aimscope_collector import accounts
        from aimscope_collector.store import accounts as known
        from aimscope_collector.store.database import writing

        password = accounts.first_password(os.urandom)
        hashed = accounts.hash_password(password)
        with told(), writing(engine) as connection:
            found = known.find(connection, name)
            if found is None:
                raise Failure(f"there is no account {name}: `aimscope collector user list` shows them")
            known.set_password(connection, account=found.id, hashed=hashed, by=actor(), at=now(), first=True)
    if as_json:
        emit_json({"name": found.name, "password": password})
        return
    say(password)
    hint(f"First password of {found.name}, shown this once; it has to be changed.")


@app.command()
def disable(name: Name, folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """Nobody gets in with this account or its keys any more."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import accounts as known
        from aimscope_collector.store.database import writing

        with told(), writing(engine) as connection:
            found = known.find(connection, name)
            if found is None:
                raise Failure(f"there is no account {name}: `aimscope collector user list` shows them")
            known.disable(connection, account=found.id, by=actor(), at=now())
    if as_json:
        emit_json({"name": found.name, "disabled": True})
        return
    say(f"{found.name} is disabled")


@app.command()
def key(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="What the key may, as findings:read. Repeatable.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "made on the collector",
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it lives.")] = 90,
    folder: Folder = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make an API key of an account; it is shown this once."""
    with opened(folder, database) as engine:
        from aimscope_collector import accounts
        from aimscope_collector.store import accounts as known
        from aimscope_collector.store import credentials
        from aimscope_collector.store.database import writing

        secret = accounts.new_key(os.urandom)
        at = now()
        with told(), writing(engine) as connection:
            found = known.find(connection, name)
            if found is None:
                raise Failure(f"there is no account {name}: `aimscope collector user list` shows them")
            made = credentials.create_key(
                connection,
                account=found.id,
                name=label,
                scopes=scope,
                secret=secret,
                at=at,
                expires_at=at + days * _DAY,
                by=actor(),
            )
    if as_json:
        emit_json({"id": made.id, "secret": secret, "scopes": made.scopes, "expires_at": made.expires_at})
        return
    say(secret)
    hint(f"Key {made.id} of {found.name}, shown this once, for {days} days.")
