"""Enrolment tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, actor, drawn_token, moment, now, opened, told
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(help="Tokens that agents enrol with.", no_args_is_help=True, add_completion=False)
Number = Annotated[int, typer.Argument(min=1, help="The token's number, as `list` shows it.")]


@app.command()
def create(
    folder: Folder = None,
    database: Database = None,
    uses: Annotated[int, typer.Option(min=1, help="How many agents it enrols.")] = 1,
    hours: Annotated[int, typer.Option(min=1, max=8_760, help="How long it lives.")] = 24,
    unit: Annotated[str, typer.Option(help="Unit its agents belong to.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Tag of its agents. Repeatable.")] = None,
    network: Annotated[list[str] | None, typer.Option(help="Only from these networks. Repeatable.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only these device ids. Repeatable.")] = None,
    approval: Annotated[bool, typer.Option("--approval", help="Each agent waits until somebody lets it in.")] = False,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Make an enrolment token; its text is shown this once."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import agents
        from aimscope_collector.store.database import writing

        with told(), writing(engine) as connection:
            number, text = agents.create_token(
                connection,
                draw=drawn_token,
                by=actor(),
                now=now(),
                uses=uses,
                seconds=hours * 3_600,
                unit=unit,
                tags=tag or (),
                networks=network or (),
                devices=device or (),
                approval=approval,
                note=note,
            )
    if as_json:
        emit_json({"id": number, "token": text})
        return
    say(text)
    hint(f"Token {number}, shown this once: {uses} agent{'s' if uses > 1 else ''}, {hours} hours.")


@app.command("list")
def list_tokens(folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """All tokens, the newest first; never their text."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import agents

        with engine.connect() as connection:
            found = agents.tokens(connection)
    if as_json:
        emit_json([dict(one) for one in found])
        return
    for one in found:
        state = "revoked" if one["revoked_at"] else "ended" if one["expires_at"] <= now() else "open"
        until = moment(one["expires_at"])
        say(f"{one['id']:>5}  {state:<8} {one['used']}/{one['uses']} used  until {until}  {one['note']}")
    hint(f"{len(found)} tokens")


@app.command()
def revoke(
    number: Number,
    folder: Folder = None,
    database: Database = None,
    agents_too: Annotated[
        str, typer.Option("--agents-too", help="Why what it enrolled may report no more, either.")
    ] = "",
    as_json: Json = False,
) -> None:
    """End a token, and with --agents-too all agents it enrolled."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import agents
        from aimscope_collector.store.database import writing

        with told(), writing(engine) as connection:
            ended = agents.revoke_token(connection, number, by=actor(), now=now(), agents_too=agents_too)
    if as_json:
        emit_json({"agents": ended})
        return
    say(f"token {number} is revoked" + (f", and {ended} agents" if agents_too else ""))


@app.command()
def enrolled(number: Number, folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """The agents that a token enrolled."""
    with opened(folder, database) as engine:
        from aimscope_collector.store import agents

        with engine.connect() as connection:
            found = agents.enrolled_by(connection, number)
    if as_json:
        emit_json(found)
        return
    for uid in found:
        say(uid)
