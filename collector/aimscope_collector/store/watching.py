"""The look that alerts take at the database every few minutes: what changed since the last one is told."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from aimscope_collector import alerts
from aimscope_collector.alerts import Alert, Reporter, Use
from aimscope_collector.audit import Entry
from aimscope_collector.store import alerts as telling
from aimscope_collector.store import audit, outbox, settings
from aimscope_collector.store._insert import insert
from aimscope_collector.store.accounts import BREAK_GLASS
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sending import ALERT, WATCHED
from aimscope_collector.store.tables.sightings import COVERAGE
from aimscope_signatures.kinds import PRESENCES

_LOOKED: Final = "alerts.looked"
_LOCK: Final = 0x7761746368
_DAY: Final = 86_400
_MOST_LOGINS: Final = 50
_ACTIVE: Final = PRESENCES.index("attempted")
_KEPT: Final = ("service", "unit", "verdict", "active", "last", "bytes_out")


def look(connection: sa.Connection, *, now: int, destinations: Iterable[str]) -> list[Alert]:
    """Tell what changed since the last look. Returns what was told.

    One transaction: what was looked at and what was told of it are kept together, or neither. Several collectors may
    each look: they wait for each other, and the second finds nothing changed.
    """
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    policy = telling.policy(connection)
    first = not settings.read(connection, _LOOKED)
    before = _watched(connection)
    after = _uses(connection)
    candidates = [
        *alerts.about_uses(None if first else before, after, now=now, policy=policy),
        *alerts.silent_agents(_reporters(connection), now=now, policy=policy),
        *alerts.coverage_loss(complete(connection, now, 2), complete(connection, now, 1), now=now, policy=policy),
        *(alerts.clone(uid, now=now) for uid in _clones(connection, now)),
        *(alerts.break_glass(entry.actor, entry.at, now=now) for entry in _emergencies(connection, now)),
    ]
    wanted = tuple(destinations)
    told = telling.tell(connection, candidates, now=now, destinations=wanted)
    _send_explosions(connection, now, wanted)
    _keep(connection, before, after)
    settings.write(connection, _LOOKED, str(now))
    return told


def _emergencies(connection: sa.Connection, now: int) -> list[Entry]:
    """Emergency logins of the last day: what was told of them is not told again."""
    return audit.entries(connection, actions=[BREAK_GLASS], since=now - _DAY, limit=_MOST_LOGINS, newest_first=True)


def _uses(connection: sa.Connection) -> list[Use]:
    names = ("id", "service", "unit", "condition", "name", "verdict", "state", "presence", "last", "bytes_out")
    query = sa.select(*(FINDING.c[name] for name in names)).where(FINDING.c.present == 1)
    return [
        Use(
            id=row.id,
            service=row.service,
            unit=row.unit,
            condition=row.condition,
            name=row.name,
            verdict=row.verdict,
            state=row.state,
            active=row.presence is not None and row.presence >= _ACTIVE,
            last=row.last,
            bytes_out=row.bytes_out,
        )
        for row in connection.execute(query)
    ]


def _watched(connection: sa.Connection) -> dict[str, Use]:
    return {
        row.finding: Use(id=row.finding, name="", **{name: getattr(row, name) for name in _KEPT})
        for row in connection.execute(sa.select(WATCHED))
    }


def _keep(connection: sa.Connection, before: dict[str, Use], after: Sequence[Use]) -> None:
    """What is found no more stays: when it is back it is not new."""
    rows: list[dict[str, Any]] = []
    for use in after:
        row = {name: getattr(use, name) for name in _KEPT}
        known = before.get(use.id)
        if known is None or any(getattr(known, name) != value for name, value in row.items()):
            rows.append({"finding": use.id, **row})
    if rows:
        statement = insert(connection, WATCHED)
        renewed = {name: statement.excluded[name] for name in _KEPT}
        connection.execute(statement.on_conflict_do_update(index_elements=["finding"], set_=renewed), rows)


def _reporters(connection: sa.Connection) -> list[Reporter]:
    """Agents that are expected to report."""
    query = (
        sa.select(AGENT.c.uid, UNIT.c.path, AGENT.c.last_seen)
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
        .where(AGENT.c.approved_at.is_not(None), AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
    )
    return [Reporter(row.uid, row.path or "", row.last_seen) for row in connection.execute(query)]


def complete(connection: sa.Connection, now: int, days_ago: int) -> dict[str, int]:
    """On how many machines each sensor had a complete look on a day that is over."""
    date = (datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(days=days_ago)).date()
    day = date.year * 10_000 + date.month * 100 + date.day
    query = (
        sa.select(COVERAGE.c.sensor, sa.func.count(sa.distinct(COVERAGE.c.agent)))
        .where(COVERAGE.c.day == day, COVERAGE.c.source == "", COVERAGE.c.status == "complete")
        .group_by(COVERAGE.c.sensor)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _clones(connection: sa.Connection, now: int) -> list[str]:
    query = sa.select(AGENT.c.uid).where(AGENT.c.clone_at > now - _DAY, AGENT.c.revoked_at.is_(None))
    return list(connection.execute(query.order_by(AGENT.c.uid)).scalars())


def _send_explosions(connection: sa.Connection, now: int, destinations: Sequence[str]) -> None:
    """Ingest keeps these alerts itself, once a day for an agent: they have still to go out."""
    query = sa.select(ALERT).where(ALERT.c.rule == "evidence_explosion", ALERT.c.at > now - _DAY)
    for row in connection.execute(query.order_by(ALERT.c.id)).all():
        alert = telling.of_row(row)
        outbox.put(connection, event=alert.event, payload=alert.payload(), destinations=destinations, now=now)
