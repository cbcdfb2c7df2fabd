"""What all tables share: names of constraints, and the types both databases keep alike."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A key the database draws itself."""
Long = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Json = sa.Text()
"""JSON as msgspec wrote it: a text in both databases, so that equal values are equal bytes."""


def table(
    name: str, *parts: sa.Column[Any] | sa.Constraint | sa.Index, compact: bool = False, rewritten: bool = False
) -> sa.Table:
    """Declare a table. ``compact`` keeps rows in the primary key's own tree (SQLite's ``without rowid``).

    Rows that are ``rewritten`` all the time find room in their own page, so that PostgreSQL leaves the index alone.
    """
    room: dict[str, Any] = {"postgresql_with": {"fillfactor": 60}} if rewritten else {}
    return sa.Table(name, METADATA, *parts, sqlite_with_rowid=not compact, **room)
