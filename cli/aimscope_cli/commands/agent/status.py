"""`aimscope agent status`: how the agent is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aimscope_cli.agents import Json

if TYPE_CHECKING:
    from aimscope_agent.service.status import Status

app = typer.Typer(add_completion=False)
_RUNS = {True: "yes", False: "no", None: "cannot be seen: ask as the agent's account"}


@app.command()
def status(as_json: Json = False) -> None:
    """Whether the agent has enrolled and runs, when it last reached its collector, what waits, and what is wrong.

    It says what the service last wrote down; moments are UTC. With --json, moments are seconds since 1970.
    """
    from aimscope_agent.service import status as kept
    from aimscope_agent.service.presence import is_held
    from aimscope_cli.agents import folder
    from aimscope_cli.enrolling import known
    from aimscope_cli.output import Failure, emit_json, say

    where = folder()
    try:
        found = kept.read(where)
    except OSError as error:
        raise Failure(f"{where.status}: {error.strerror}") from None
    identity = known(where)
    runs = is_held(where.lock)
    if as_json:
        emit_json(
            {
                "enrolled": bool(identity and identity.enrolled_at),
                "approved": bool(identity and identity.approved),
                "running": runs,
                "status": found,
            },
            pretty=True,
        )
        return
    if identity is None or not identity.enrolled_at:
        say("Enrolled:      no")
    else:
        waits = "" if identity.approved else ", not approved yet"
        say(f"Enrolled:      at {identity.collector} as {identity.uid}{waits}")
    say(f"Running:       {_RUNS[runs]}")
    if found is not None:
        _show(found)


def _show(found: Status) -> None:
    from aimscope_cli.agents import moment
    from aimscope_cli.output import say

    say(f"As of:         {moment(found.at)}, version {found.version}")
    say(f"Collector:     {found.collector or 'none'}{', which has revoked this agent' if found.revoked else ''}")
    say(f"Last contact:  {moment(found.last_contact)}{f' ({found.trouble})' if found.trouble else ''}")
    say(f"Waiting:       {found.pending:,} rows the collector does not know")
    say(f"Ledger:        {found.epoch}")
    feeds = ", ".join(f"{role} {version}" for role, version in found.feeds.items())
    say(f"Signed feeds:  {feeds or 'none'}{f'; expired: {chr(44).join(found.stale)}' if found.stale else ''}")
    say(f"Catalogue:     {found.catalogue[:12] or 'not used yet'}")
    for duty, at in found.last.items():
        next_time = f", next {moment(found.next[duty])}" if found.next.get(duty) else ""
        say(f"Last {duty + ':':<9} {moment(at)}{next_time}")
    if found.running:
        say(f"Doing:         {', '.join(found.running)}")
    for notice in found.notices:
        say(f"Notice:        {notice}", "yellow")
