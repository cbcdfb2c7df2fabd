"""The audit log of a collector."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, moment, opened
from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(
    help="The audit log: a chain in which no entry can be changed unnoticed.",
    no_args_is_help=True,
    add_completion=False,
)
_BROKEN = 1


@app.command()
def verify(
    folder: Folder = None,
    database: Database = None,
    head: Annotated[
        str, typer.Option("--head", help="An end kept elsewhere, SEQUENCE:HASH, which the chain has to reach.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Whether the log is whole; else the first bad entry is named, and the exit status is 1."""
    with opened(folder, database) as engine:
        from aimscope_collector.audit import Head
        from aimscope_collector.store import audit

        kept = None
        if head:
            match = re.fullmatch(r"(\d{1,15}):([0-9a-f]{64})", head)
            if match is None:
                raise Failure("--head is written as `aimscope collector audit head` says it: SEQUENCE:HASH")
            kept = Head(int(match[1]), match[2])
        with engine.connect() as connection, connection.begin():
            bad = audit.verify(connection, head=kept)
            end = audit.head(connection)
    if as_json:
        emit_json({"whole": bad is None, "first_bad": bad, "head": end})
    elif bad is None:
        say(f"whole: {end.sequence} entries, the last {end.hash}")
    if bad is not None:
        raise Failure(f"entry {bad} of the audit log is missing, altered or out of place", status=_BROKEN)


@app.command("head")
def show_head(folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """The end of the chain, SEQUENCE:HASH: keep it elsewhere, and `verify --head` shows that nothing was cut off."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import audit

        with engine.connect() as connection:
            end = audit.head(connection)
    if as_json:
        emit_json(end)
        return
    say(f"{end.sequence}:{end.hash}")


@app.command()
def show(
    folder: Folder = None,
    database: Database = None,
    actor: Annotated[str, typer.Option(help="Only what this account did.")] = "",
    action: Annotated[str, typer.Option(help="Only this action; one that ends in . takes all that begin so.")] = "",
    about: Annotated[str, typer.Option(help="Only what is about this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100,
    as_json: Json = False,
) -> None:
    """The newest entries that fit, oldest of them first."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import audit

        with engine.connect() as connection:
            found = audit.entries(
                connection,
                limit=limit,
                actor=actor,
                actions=(action,) if action else (),
                about=about,
                newest_first=True,
            )
    found.reverse()
    if as_json:
        emit_json(found)
        return
    for one in found:
        facts = " ".join(f"{name}={value}" for name, value in one.facts.items() if value not in (None, ""))
        who = one.actor or "-"
        say(f"{one.sequence:>7}  {moment(one.at)}  {who:<20} {one.action:<22} {one.about}  {facts}".rstrip())
    hint(f"{len(found)} entries")
