"""Removes evidence, people and devices that no total names any more: marked on one day, gone on a later one.

Collectors remember ids. What is marked they forget, and whoever names it again takes the mark away (``interning``):
what is still marked after hours is remembered by nobody, and can go.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from aimscope_collector.store import interning
from aimscope_collector.store._insert import batches
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, ASSET_ADDRESS
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT

_WAIT: Final = 12 * 3_600
_OTHER: Final = ASSET.alias("other")
_OWNS: Final = sa.exists().where(ASSET.c.owner == SUBJECT.c.pseudonym)
_WHAT: Final[tuple[tuple[sa.Table, sa.Column[Any], tuple[sa.ColumnElement[bool], ...]], ...]] = (
    (EVIDENCE, SIGHTING.c.evidence, ()),
    # who was erased stays as a mark, so that what still comes is counted for the machine
    (SUBJECT, SIGHTING.c.subject, (SUBJECT.c.id != interning.MACHINE, SUBJECT.c.erased_at.is_(None), ~_OWNS)),
    (
        ASSET,
        SIGHTING.c.asset,
        (
            ASSET.c.source.in_(("gateway", "network")),
            ASSET.c.managed.is_(sa.false()),
            ASSET.c.unit_by != "person",
            ~sa.exists().where(AGENT.c.asset == ASSET.c.id),
            ~sa.exists().where(ASSET_ADDRESS.c.asset == ASSET.c.id),
            ~sa.exists().where(_OTHER.c.merged_into == ASSET.c.id),
        ),
    ),
)
"""Tables, what names their rows, and which rows may go."""


def remove(engine: sa.Engine, *, now: int) -> dict[str, int]:
    """Mark what nobody names, and remove what was marked before. Returns how many rows went from each table."""
    return {table.name: _remove(engine, table, names, may_go, now) for table, names, may_go in _WHAT}


def _remove(
    engine: sa.Engine, table: sa.Table, names: sa.Column[Any], may_go: tuple[sa.ColumnElement[bool], ...], now: int
) -> int:
    with engine.connect() as connection:
        unused = set(connection.execute(sa.select(table.c.id).where(*may_go)).scalars())
        unused.difference_update(connection.execute(sa.select(names).distinct()).scalars())
        marked = set(connection.execute(sa.select(table.c.id).where(table.c.idle_since.is_not(None))).scalars())
    for some in batches(sorted(marked - unused)):
        with writing(engine) as connection:
            connection.execute(table.update().where(table.c.id.in_(some)).values(idle_since=None))
    gone = 0
    for some in batches(sorted(unused)):
        these = (table.c.id.in_(some), *may_go)
        with writing(engine) as connection:
            gone += connection.execute(table.delete().where(table.c.idle_since <= now - _WAIT, *these)).rowcount
            mark = table.update().where(table.c.idle_since.is_(None), *these).values(idle_since=now)
            if connection.execute(mark).rowcount:
                interning.forget(connection)
    return gone
