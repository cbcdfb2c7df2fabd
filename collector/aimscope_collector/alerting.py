"""Looks at findings, agents and coverage every few minutes, and has told what somebody should know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import sqlalchemy as sa

from aimscope_collector import alerts
from aimscope_collector.alerts import Alert, Reporter, Use
from aimscope_collector.store import alerts as stored
from aimscope_collector.store.coverage import day_of
from aimscope_collector.store.database import writing
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sightings import COVERAGE
from aimscope_signatures.kinds import PRESENCES

_DAY: Final = 86_400
_ACTIVE: Final = PRESENCES.index("attempted")


class Alerting:
    """Remembers the last look. The first one is silent about what is merely new."""

    def __init__(self, engine: sa.Engine, *, destinations: Iterable[str], now: Callable[[], int]) -> None:
        self._engine = engine
        self._destinations = tuple(destinations)
        self._now = now
        self._before: dict[str, Use] | None = None

    def look(self) -> list[Alert]:
        """Tell what changed since the last look; returns what was told."""
        now = self._now()
        with self._engine.connect() as connection, connection.begin():
            policy = stored.policy(connection)
            uses = {use.id: use for use in _uses(connection)}
            found = [
                *alerts.about_uses(self._before, uses.values(), now=now, policy=policy),
                *alerts.silent_agents(_reporters(connection), now=now, policy=policy),
                *alerts.coverage_loss(
                    _complete(connection, now - 2 * _DAY), _complete(connection, now - _DAY), now=now, policy=policy
                ),
                *(alerts.clone(uid, now=now) for uid in _clones(connection, now - policy.cooldown)),
            ]
        with writing(self._engine) as connection:
            told = stored.tell(connection, found, now=now, destinations=self._destinations)
        self._before = uses
        return told


def _uses(connection: sa.Connection) -> list[Use]:
    query = sa.select(FINDING).where(FINDING.c.present == 1)
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


def _reporters(connection: sa.Connection) -> list[Reporter]:
    query = (
        sa.select(AGENT.c.uid, sa.func.coalesce(UNIT.c.path, ""), AGENT.c.last_seen)
        .select_from(AGENT.join(ASSET, ASSET.c.id == AGENT.c.asset).outerjoin(UNIT, UNIT.c.id == ASSET.c.unit))
        .where(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None), AGENT.c.approved_at.is_not(None))
        .order_by(AGENT.c.id)
    )
    return [Reporter(*row) for row in connection.execute(query)]


def _complete(connection: sa.Connection, moment: int) -> dict[str, int]:
    """Agents with a complete look of each sensor on the day of a moment."""
    query = (
        sa.select(COVERAGE.c.sensor, sa.func.count(COVERAGE.c.agent.distinct()))
        .where(COVERAGE.c.day == day_of(moment), COVERAGE.c.source == "", COVERAGE.c.status == "complete")
        .group_by(COVERAGE.c.sensor)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _clones(connection: sa.Connection, since: int) -> list[str]:
    query = sa.select(AGENT.c.uid).where(AGENT.c.clone_at > since, AGENT.c.revoked_at.is_(None)).order_by(AGENT.c.id)
    return list(connection.execute(query).scalars())
