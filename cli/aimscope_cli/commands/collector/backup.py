"""A copy of everything a collector knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, actor, folder_of, now, opened, told
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    folder: Folder = None,
    database: Database = None,
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="The keys, too: whoever has such a backup can open every name in it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the database while it is in use, and check the copy with `restore --check`."""
    with opened(folder, database) as engine:
        from aimscope_collector import backup as backups

        with told():
            made = backups.backup(engine, folder_of(folder), target, keys=with_keys, actor=actor(), now=now())
    if as_json:
        emit_json(made)
        return
    say(f"{target}: schema {made.schema}, {len(made.files)} files")
    if with_keys:
        hint("This backup opens every name in it: keep it where the keys may be.")
    else:
        hint("The keys are no part of it. Keep keys/ and signing/ elsewhere: without them nothing is opened.")
