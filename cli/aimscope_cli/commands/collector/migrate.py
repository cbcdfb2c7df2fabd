"""Bring a collector's database to this version's schema."""

from __future__ import annotations

import os

import typer

from aimscope_cli.collecting import Database, Folder, Json, actor, folder_of, now, opened, told
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def migrate(folder: Folder = None, database: Database = None, as_json: Json = False) -> None:
    """Bring the database to this version's schema, each step whole or not at all: where it stopped, run it again."""
    with opened(folder, database, current=False) as engine:
        from aimscope_collector import founding
        from aimscope_collector.store import migrate as migrations

        with told():
            before, after = migrations.upgrade(engine)
            made = founding.complete(engine, folder_of(folder), randomness=os.urandom, actor=actor(), now=now())
    if as_json:
        emit_json({"before": before, "after": after, "keys": made})
        return
    say(f"schema {after}" if before == after else f"schema {before or 'none'} became {after}")
    for name in made:
        hint(f"The {name} key, which this folder did not have, was made: keep a copy of keys/ and signing/.")
