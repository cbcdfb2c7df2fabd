"""Merges totals into SQLite: many rows in one statement, for which the interpreter's lock is let go only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa

COLUMNS: Final = 14
_ROW: Final = "(" + ",".join("?" * COLUMNS) + ")"
_MERGE: Final = """
on conflict do update set
  count = max(count, excluded.count), first = min(first, excluded.first), last = max(last, excluded.last),
  bytes_out = max(ifnull(bytes_out, excluded.bytes_out), ifnull(excluded.bytes_out, bytes_out)),
  bytes_in = max(ifnull(bytes_in, excluded.bytes_in), ifnull(excluded.bytes_in, bytes_in)),
  days = days | excluded.days, identity = max(identity, excluded.identity), presence = max(presence, excluded.presence)
where excluded.count > count or excluded.first < first or excluded.last > last or (days | excluded.days) <> days
  or excluded.identity > identity or excluded.presence > presence
  or ifnull(excluded.bytes_out, -1) > ifnull(bytes_out, -1) or ifnull(excluded.bytes_in, -1) > ifnull(bytes_in, -1)
"""
_INSERT: Final = (
    "insert into sighting (month, agent, epoch, asset, evidence, subject, count, first, last, bytes_out, bytes_in,"
    " days, identity, presence) values "
)
_SIZES: Final = (2048, 256, 32, 4, 1)
_STATEMENTS: Final = {size: _INSERT + ",".join([_ROW] * size) + _MERGE for size in _SIZES}
_KEEP: Final = "insert into detail (agent, evidence, details, at) values "
_LATER: Final = """
on conflict do update set details = excluded.details, at = excluded.at
where excluded.at > at or (excluded.at = at and excluded.details > details)
"""
_DETAILS: Final = {size: _KEEP + ",".join(["(?,?,?,?)"] * size) + _LATER for size in _SIZES}


def upsert(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Merge rows in the order of the table's columns; sorted by key they touch each page once."""
    _run(connection, _STATEMENTS, rows)


def details(connection: sa.Connection, rows: Sequence[tuple[int, int, str, int]]) -> None:
    """Keep the latest details of agent and evidence."""
    _run(connection, _DETAILS, rows)


def _run(connection: sa.Connection, statements: Mapping[int, str], rows: Sequence[tuple[Any, ...]]) -> None:
    at = 0
    for size, statement in statements.items():
        while len(rows) - at >= size:
            connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows[at : at + size])))
            at += size
