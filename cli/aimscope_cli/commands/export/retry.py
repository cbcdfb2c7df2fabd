"""Trying a destination again."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.digest import number
from aimscope_cli.output import say

app = typer.Typer(add_completion=False)


@app.command()
def retry(
    destination: Annotated[str, typer.Argument(help="Name of a destination, as `list` shows it.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
) -> None:
    """Try it at once, and everything it refused once more."""
    from urllib.parse import quote

    with asked(collector, key_file, ca, folder) as asker:
        done = asker.send("POST", f"/exports/{quote(destination, safe='')}/retry", {})
    say(f"It is tried at once, with {number(done['events'], 'dead letter') or 'no dead letters'}.")
