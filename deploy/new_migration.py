"""Drafts a step of the database's schema from what the declared tables have and the steps so far do not.

    python deploy/new_migration.py 0002 "Findings carry a colour"

Read what it wrote before you commit it: renamed columns look like one dropped and one added.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from alembic import command

from aimscope_collector.store import migrate
from aimscope_collector.store.database import connect

LONG = "sa.BigInteger().with_variant(sa.Integer(), 'sqlite')"


def main(number: str, message: str) -> None:
    """Write the step's file and say where it is."""
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(f"{folder}/draft.db")
        if migrate.known():
            migrate.upgrade(engine)
        config = migrate._config()  # noqa: SLF001 - the one developer's tool beside it
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            script = command.revision(config, message=message, autogenerate=True, rev_id=number)
        engine.dispose()
    path = Path(script.path)  # type: ignore[union-attr]
    text = path.read_text("utf-8")
    text = re.sub(r"\n    # ###.*", "", text).replace("server_default=sa.text('0')", "server_default=sa.false()")
    if LONG in text:
        text = text.replace(LONG, "LONG").replace("\ndef upgrade", f"\nLONG = {LONG}\n\n\ndef upgrade", 1)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
