"""Keeps the roll-up of use true: touched services of touched months now, everything where devices moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from aimscope_collector.store import aggregates, usage
from aimscope_collector.store.database import writing

Touched = Mapping[int, Iterable[str]]
"""Month → services of which something was reported, as agents call them."""


def roll_up(engine: sa.Engine, touched: Touched) -> int:
    """Rebuild what was touched. Returns how many days, services and units changed."""
    changed = 0
    for month, services in sorted(touched.items()):
        said = sorted(set(services))
        with engine.connect() as connection:
            counted = aggregates.counted_for(connection, said)
        changed += _one(engine, month, sorted({*said, *counted}))
    return changed


def roll_up_all(engine: sa.Engine) -> int:
    """Rebuild everything: after devices changed their units, or evidence its service."""
    with engine.connect() as connection:
        months = usage.months(connection)
    return sum(_one(engine, month, None) for month in months)


def _one(engine: sa.Engine, month: int, services: Sequence[str] | None) -> int:
    """Read without a lock, write with one: what arrives in between is touched again, and comes the next time."""
    with engine.connect() as connection, connection.begin():
        days = usage.read(connection, month=month, services=services)
    with writing(engine) as connection:
        return usage.write(connection, days, month=month, services=services)
