"""Sending a period once more."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.digest import number
from aimscope_cli.output import say

app = typer.Typer(add_completion=False)
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@app.command()
def replay(
    destination: Annotated[str, typer.Argument(help="Name of a destination, as `list` shows it.")],
    since: Annotated[datetime.datetime, typer.Option("--from", formats=_DAYS, help="First day or moment, UTC.")],
    until: Annotated[
        datetime.datetime | None,
        typer.Option("--to", formats=_DAYS, help="Moment or day, UTC, that is no part of it any more; else now."),
    ] = None,
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
) -> None:
    """Send what was told in a period once more, before anything else. Receivers know repetitions by the event's id."""
    from urllib.parse import quote

    period = {"since": _seconds(since), "until": _seconds(until) if until else None}
    with asked(collector, key_file, ca, folder) as asker:
        done = asker.send("POST", f"/exports/{quote(destination, safe='')}/replay", period)
    say(f"{number(done['events'], 'event') or 'No event'} of that period will be sent again.")


def _seconds(moment: datetime.datetime) -> int:
    return int(moment.replace(tzinfo=datetime.UTC).timestamp())
