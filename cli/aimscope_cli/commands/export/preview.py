"""What a destination will get."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def preview(
    destination: Annotated[str, typer.Argument(help="Name of a destination, as `list` shows it.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Events.")] = 10,
    as_json: Json = False,
) -> None:
    """The next events in the destination's own format, one a line. Sends nothing."""
    from urllib.parse import quote

    with asked(collector, key_file, ca, folder) as asker:
        found = asker.get(f"/exports/{quote(destination, safe='')}/preview", limit=limit)
    if as_json:
        emit_json(found)
        return
    for one in found["items"]:
        for line in one["record"].splitlines():
            say(line)
    if not found["items"]:
        hint("there is no event yet that it wants")
    elif not found["waiting"]:
        hint("nothing waits: these are the latest")
