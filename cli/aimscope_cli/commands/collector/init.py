"""Make everything a collector needs for its first run."""

from __future__ import annotations

from typing import Annotated

import typer

from aimscope_cli.collecting import (
    Database,
    Folder,
    Json,
    database_of,
    drawn_token,
    folder_of,
    moment,
    needs_collector,
    now,
    password,
    told,
)
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def init(
    folder: Folder = None,
    database: Database = None,
    admin: Annotated[str, typer.Option(help="Name of the first administrator.")] = "admin",
    as_json: Json = False,
) -> None:
    """Make a collector: database, keys, signed catalogue and policy, first administrator, first enrolment token.

    The password and the token are shown this once. Refuses where there is a collector already.
    """
    needs_collector()
    import os

    from aimscope_cli.catalogues import open_catalogue
    from aimscope_collector import founding
    from aimscope_signatures import bundle

    with told():
        made = founding.found(
            folder_of(folder),
            database=database_of(database),
            secret=password(),
            catalogue=bundle.pack(open_catalogue()),
            admin=admin,
            now=now(),
            randomness=os.urandom,
            draw_token=drawn_token,
        )
    if as_json:
        emit_json(made)
        return
    say(f"The collector in {made.folder} is ready.", "bold")
    say(f"  database           {made.database} (schema {made.schema})")
    say(f"  administrator      {made.admin}")
    say(f"  first password     {made.password}   (to be changed at the first login)")
    say(f"  enrolment token    {made.token}   (one agent, until {moment(made.token_expires)} UTC)")
    say(f"  root of trust      {made.root_fingerprint}")
    hint("Password and token are shown this once, and kept nowhere.")
    hint(f"Next: aimscope collector serve --folder {made.folder} --listen 127.0.0.1:8443")
