"""Put a backup back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.collecting import Database, Folder, Json, database_of, folder_of, needs_collector, now, password, told
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The folder that `backup` made.")],
    folder: Folder = None,
    database: Database = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the backup is as it was written.")] = False,
    as_json: Json = False,
) -> None:
    """Put a backup into a folder (or an empty PostgreSQL database) that holds no collector yet.

    Agents notice that the collector knows less than it acknowledged, and send their whole state again.
    """
    needs_collector()
    from aimscope_collector import backup as backups
    from aimscope_collector import founding
    from aimscope_collector.store.database import connect

    place = folder_of(folder)
    named = database_of(database)
    with told():
        manifest = backups.check(source)
        if not check:
            config = founding.Config(named)
            if named.startswith("postgresql"):
                engine = connect(founding.where(place, config, password()))
                try:
                    manifest = backups.restore_postgresql(source, place, engine, now=now())
                finally:
                    engine.dispose()
            else:
                manifest = backups.restore_sqlite(source, place, now=now())
            if not (place / founding.CONFIG).exists():
                founding.write_config(place, config)
    if as_json:
        emit_json(manifest)
        return
    say(f"{source} is whole" if check else f"{place} holds what {source} held; schema {manifest.schema}")
    if not check and not manifest.keys and not (place / founding.KEYS).is_dir():
        hint(f"The backup has no keys: put keys/ and signing/ back into {place} before it is served.")
