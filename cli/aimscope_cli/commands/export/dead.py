"""What a destination refused."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json, moment
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def dead(
    destination: Annotated[str, typer.Argument(help="Name of a destination, as `list` shows it.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Events it refused, or did not take for a week, the latest first. `retry` tries them again."""
    from urllib.parse import quote

    with asked(collector, key_file, ca, folder) as asker:
        found = asker.pages(f"/exports/{quote(destination, safe='')}/dead", limit)
    if as_json:
        emit_json(found)
        return
    for one in found:
        again = "  (is tried again)" if one["again"] else ""
        say(f"{moment(one['at'])}  {one['type']:<16} {one['about']}  {one['why']}{again}")
    hint(f"{len(found)} dead letters")
