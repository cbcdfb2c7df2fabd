"""``INSERT … ON CONFLICT``, which both databases have, and SQLAlchemy once for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from aimscope_collector.store.database import is_sqlite

T = TypeVar("T")


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return sqlite.insert(table) if is_sqlite(connection) else postgresql.insert(table)


def batches(values: Iterable[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Values in lists that fit the parameters of one statement."""
    found = list(values)
    for start in range(0, len(found), size):
        yield found[start : start + size]
