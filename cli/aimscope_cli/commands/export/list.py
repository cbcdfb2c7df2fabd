"""Destinations of events, and how they do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json, moment
from aimscope_cli.digest import number
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)
_FAILING = 3


@app.command("list")
def list_destinations(
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    formats: Annotated[bool, typer.Option("--formats", help="Instead: which format goes by which carrier.")] = False,
    as_json: Json = False,
) -> None:
    """Where events go, what waits, what was refused and why.

    Exit status 3 where a destination fails, has dead letters, or events were removed before it had them.
    """
    with asked(collector, key_file, ca, folder) as asker:
        found = asker.get("/exports/formats" if formats else "/exports")
    if as_json:
        emit_json(found["items"])
    elif formats:
        for one in found["items"]:
            say(f"{one['format']:<10} {', '.join(one['carriers']):<30} tested: {one['tested']:<9} {one['title']}")
    else:
        for one in found["items"]:
            _text(one)
        if not found["items"]:
            hint("no destination of events: name one in destinations.yaml in the collector's folder")
        hint(f"{found['journal']:,} of at most {found['most']:,} events are kept")
    if not formats and any(one["failure"] or one["dead"] or one["dropped"] for one in found["items"]):
        raise typer.Exit(_FAILING)


def _text(one: dict[str, Any]) -> None:
    say(f"{one['name']}: {one['format']} by {one['carrier']} to {one['where']}", "bold")
    say(f"  {one['delivered']:,} delivered, last {moment(one['delivered_at'])} UTC; {one['waiting']:,} wait")
    if one["replaying"]:
        say("  A replay is under way.")
    if one["failure"]:
        say(f"  Fails since {moment(one['failing_since'])} UTC: {one['failure']}", "yellow")
        say(f"  It is tried again at {moment(one['next_at'])} UTC.")
    if one["dead"]:
        say(f"  {number(one['dead'], 'event')} refused, or not taken for a week: see `aimscope export dead`.", "yellow")
    if one["dropped"]:
        say(f"  {number(one['dropped'], 'event')} removed before it had them.", "yellow")
    if one["held_back"]:
        say(f"  {number(one['held_back'], 'event')} of mere numbers held back, beyond the day's budget.")
