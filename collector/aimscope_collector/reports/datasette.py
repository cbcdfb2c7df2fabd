"""A database file to ask questions of: SQLite with descriptions for Datasette, under pseudonyms.

``sqlite`` is the database alone; ``zip`` has ``metadata.json`` beside it, to start it with:
``datasette aimscope.sqlite -m metadata.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlite_utils import Database

from aimscope_collector.reports import File, Report, ReportInput
from aimscope_collector.reports.datasette_tables import TABLES, VIEWS, Told, about
from aimscope_collector.reports.tables import Reading

NAME: Final = "aimscope"
DATABASE: Final = f"{NAME}.sqlite"


def make(given: ReportInput) -> Sequence[File]:
    """The database, and with ``zip`` its descriptions."""
    reading = Reading(given)
    told = [table for table in TABLES if reading.view.may(*table.needs)]
    path = given.folder / DATABASE
    database = Database(path)
    database.execute("pragma journal_mode = off")  # a file that is thrown away if anything fails
    database.execute("pragma synchronous = off")
    try:
        for table in told:
            made = database.table(table.name)
            made.create(dict(table.columns), pk=table.key)
            with database.conn:  # half a million rows: as tuples, in one transaction
                marks = ", ".join("?" * len(table.columns))
                database.conn.executemany(f"insert into [{table.name}] values ({marks})", table.rows(reading))  # noqa: S608
            for column in table.indexes:
                made.create_index([column])
        left_out = [table.name for table in TABLES if table not in told]
        said = ({"name": name, "value": value} for name, value in about(reading, left_out))
        database.table("about").insert_all(said, pk="name", columns={"name": str, "value": str})
        for name, (_, query) in VIEWS.items():
            database.create_view(name, query)
    finally:
        database.close()
    files = [File(DATABASE, path)]
    if given.asked.form == "zip":
        files.append(File("metadata.json", msgspec.json.format(msgspec.json.encode(metadata(told)), indent=2) + b"\n"))
    return files


def metadata(told: Sequence[Told]) -> dict[str, object]:
    """What Datasette shows of the database, its tables and columns."""
    tables: dict[str, object] = {table.name: {"description": table.says, "columns": table.described} for table in told}
    tables |= {name: {"description": says} for name, (says, _) in VIEWS.items()}
    return {
        "title": "AI in use",
        "description": "Made by aimscope. People and devices have pseudonyms; days are UTC.",
        "databases": {NAME: {"tables": tables}},
    }


REPORT: Final = Report(
    name="datasette",
    title="Database for Datasette",
    description="Findings, services, use by day and what is behind it as SQLite, under pseudonyms, with descriptions.",
    forms=("sqlite", "zip"),
    takes=frozenset(("period", "as_of", "unit")),
    make=make,
)
