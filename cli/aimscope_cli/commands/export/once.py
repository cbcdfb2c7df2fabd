"""Delivering now."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.digest import number
from aimscope_cli.output import say

app = typer.Typer(add_completion=False)
_FAILED = 3


@app.command()
def once(
    destination: Annotated[list[str] | None, typer.Argument(help="Names of destinations; else all.")] = None,
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
) -> None:
    """Deliver what waits now, also where it failed a moment ago.

    Syslog confirms nothing: it is waited for that the connection lives on. Exit status 3 where a destination
    fails.
    """
    from urllib.parse import quote

    failed = False
    with asked(collector, key_file, ca, folder) as asker:
        for name in destination or [one["name"] for one in asker.get("/exports")["items"]]:
            done = asker.send("POST", f"/exports/{quote(name, safe='')}/deliver", {})
            if done["elsewhere"]:
                say(f"{name}: a collector delivers to it at this moment.")
                continue
            refused = f", {number(done['dead'], 'event')} refused" if done["dead"] else ""
            say(f"{name}: {number(done['sent'], 'event') or 'nothing'} sent{refused}.")
            if done["failure"]:
                failed = True
                say(f"  {done['failure']}", "yellow")
    if failed:
        raise typer.Exit(_FAILED)
