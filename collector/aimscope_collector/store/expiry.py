"""Removes what is older than its table keeps, in steps short enough that nobody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import sqlalchemy as sa

from aimscope_collector.retention import Cutoffs
from aimscope_collector.store import audit, unused
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET_ADDRESS
from aimscope_collector.store.tables.sending import ALERT, OUTBOX
from aimscope_collector.store.tables.sightings import COVERAGE, DETAIL, RUN, SIGHTING, USAGE_DAY

_AGENTS: Final = 200
"""Agents whose rows go in one transaction."""

Remove = Callable[[sa.Connection], int]


def expire(engine: sa.Engine, before: Cutoffs, *, now: int) -> dict[str, int]:
    """Remove what is over. Returns how many rows went from each table; audited where any did.

    Killed half-way, the next call goes on.
    """
    gone: dict[str, int] = {}
    for table, remove in _steps(engine, before):
        with writing(engine) as connection:
            gone[table] = gone.get(table, 0) + remove(connection)
    gone |= unused.remove(engine, now=now)
    gone = {table: rows for table, rows in gone.items() if rows}
    if gone:
        with writing(engine) as connection:
            audit.record(
                connection, at=now, actor="rule:retention", action="retention.expired", about="tables", facts=dict(gone)
            )
    return gone


def _steps(engine: sa.Engine, before: Cutoffs) -> Iterator[tuple[str, Remove]]:
    for first, last in _agents(engine):
        for table, over in (
            (SIGHTING, SIGHTING.c.month < before.month),
            (COVERAGE, COVERAGE.c.day < before.coverage_day),
            (RUN, RUN.c.received_at < before.runs),
        ):
            yield table.name, _removal(table, table.c.agent.between(first, last), over)
        yield "detail", _orphans(first, last)
    yield "usage_day", _removal(USAGE_DAY, USAGE_DAY.c.day < before.usage_day)
    yield "alert", _removal(ALERT, ALERT.c.at < before.alerts)
    yield "outbox", _removal(OUTBOX, OUTBOX.c.delivered_at < before.delivered)
    yield "asset_address", _removal(ASSET_ADDRESS, ASSET_ADDRESS.c.valid_to < before.addresses)


def _agents(engine: sa.Engine) -> list[tuple[int, int]]:
    """Ranges of ids that cover all agents."""
    with engine.connect() as connection:
        last = connection.execute(sa.select(sa.func.max(AGENT.c.id))).scalar_one() or 0
    return [(first, first + _AGENTS - 1) for first in range(1, last + 1, _AGENTS)]


def _removal(table: sa.Table, *where: sa.ColumnElement[bool]) -> Remove:
    return lambda connection: connection.execute(table.delete().where(*where)).rowcount


def _orphans(first: int, last: int) -> Remove:
    """Details of what is no longer seen."""
    seen = sa.select(SIGHTING.c.evidence).where(SIGHTING.c.agent.between(first, last)).distinct()
    return _removal(DETAIL, DETAIL.c.agent.between(first, last), DETAIL.c.evidence.not_in(seen))
