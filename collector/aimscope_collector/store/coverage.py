"""How well the fleet could be looked at: who reports, who is silent, what could not be seen, and why."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.people import AUDIT
from aimscope_collector.store.tables.sightings import COVERAGE, RUN

_DAY: Final = 86_400
_NEAR: Final = 3_600
"""Seconds a clock may be wrong beyond what is known of it."""
_ALWAYS: Final = 1 << 52
_LONGEST_LOOK: Final = _DAY
"""Seconds a look may take where no run record says when it began."""


class Looked(msgspec.Struct, frozen=True):
    """The latest look of one sensor of one agent. ``began`` and ``at`` are by the agent's clock."""

    agent: int
    sensor: str
    status: str
    began: int
    at: int
    emits: frozenset[str]


def day_of(moment: int) -> int:
    """Year × 10,000 + month × 100 + day, UTC."""
    day = datetime.datetime.fromtimestamp(moment, datetime.UTC).date()
    return day.year * 10_000 + day.month * 100 + day.day


def looks(connection: sa.Connection, *, since: int, now: int, only_complete: bool = False) -> list[Looked]:
    """The latest look of each sensor of each agent since then; with ``only_complete``, the latest that was complete.

    A look of the future, from when the agent's clock was wrong, is none: it would outrank all that come after it.
    """
    c = COVERAGE.c
    newest = sa.func.row_number().over(
        partition_by=(c.agent, c.sensor), order_by=(c.day.desc(), c.at.desc(), c.sequence.desc(), c.epoch.desc())
    )
    query = sa.select(c.agent, c.sensor, c.status, c.sequence, c.at, c.emits, newest.label("place"))
    query = query.join(AGENT, AGENT.c.id == c.agent).where(c.source == "", c.day >= day_of(since))
    query = query.where(c.at - AGENT.c.clock_skew <= now + _NEAR)
    if only_complete:
        query = query.where(c.status == "complete")
    latest = query.subquery()
    began = (
        sa.select(sa.func.max(RUN.c.started))
        .where(RUN.c.agent == latest.c.agent, RUN.c.sequence == latest.c.sequence, RUN.c.started <= latest.c.at)
        .correlate(latest)
        .scalar_subquery()
    )
    rows = connection.execute(sa.select(latest, began.label("began")).where(latest.c.place == 1))
    return [
        Looked(row.agent, row.sensor, row.status, _began(row.began, row.at), row.at, _kinds(row.emits)) for row in rows
    ]


def _began(said: int | None, at: int) -> int:
    return at - _LONGEST_LOOK if said is None else said


@lru_cache(maxsize=4_096)
def _kinds(emits: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(emits, type=list[str]))


def missed(connection: sa.Connection, *, since: int, now: int, kinds: frozenset[str]) -> dict[tuple[int, str], int]:
    """For each agent and kind: what it saw last before this moment was gone at its latest complete look.

    Only where every sensor that would show the kind had a complete look since then; the earliest of them counts.
    """
    began: dict[tuple[int, str], list[int]] = defaultdict(list)
    for look in looks(connection, since=since, now=now, only_complete=True):
        for kind in look.emits & kinds:
            began[look.agent, kind].append(look.began)
    sensors: dict[tuple[int, str], int] = defaultdict(int)
    for look in looks(connection, since=since, now=now):
        for kind in look.emits & kinds:
            sensors[look.agent, kind] += 1
    found = {key: min(several) for key, several in began.items() if len(several) == sensors[key]}
    return found | _replaced(connection, found)


def _replaced(connection: sa.Connection, found: Mapping[tuple[int, str], int]) -> dict[tuple[int, str], int]:
    """What agents saw that others have replaced: over as soon as the one that lives had a complete look itself."""
    query = sa.select(AGENT.c.id, AGENT.c.replaced_by).where(AGENT.c.replaced_by.is_not(None))
    heirs: dict[int, int] = {row.id: row.replaced_by for row in connection.execute(query)}
    looked: dict[int, set[str]] = defaultdict(set)
    for agent, kind in found:
        looked[agent].add(kind)
    over: dict[tuple[int, str], int] = {}
    for agent in heirs:
        heir, steps = agent, 0
        while heir in heirs and steps <= len(heirs):
            heir, steps = heirs[heir], steps + 1
        over |= {(agent, kind): _ALWAYS for kind in looked[heir]}
    return over


class Part(msgspec.Struct, frozen=True):
    """How many devices of a unit there should be, have an agent, and reported of late."""

    unit: str
    known: int
    enrolled: int
    reported: int


def fleet(connection: sa.Connection, *, now: int, within: int) -> list[Part]:
    """Coverage by unit (the empty one: devices without unit), of managed devices."""
    working = (
        sa.select(AGENT.c.asset, sa.func.max(AGENT.c.last_seen).label("last"))
        .where(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
        .group_by(AGENT.c.asset)
        .subquery()
    )
    recent = sa.case((working.c.last >= now - within, 1), else_=0)
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(path, sa.func.count(), sa.func.count(working.c.asset), sa.func.sum(recent))
        .select_from(ASSET.outerjoin(UNIT, ASSET.c.unit == UNIT.c.id).outerjoin(working, working.c.asset == ASSET.c.id))
        .where(ASSET.c.managed.is_(sa.true()), ASSET.c.merged_into.is_(None))
        .group_by(path)
        .order_by(path)
    )
    return [Part(unit, known, enrolled, int(reported)) for unit, known, enrolled, reported in connection.execute(query)]


def list_imported_at(connection: sa.Connection) -> int | None:
    """When a list of devices was last imported; without one, devices that have no agent are in no denominator."""
    query = sa.select(sa.func.max(AUDIT.c.at)).where(AUDIT.c.action == "asset.import")
    found: int | None = connection.execute(query).scalar_one()
    return found


class Silent(msgspec.Struct, frozen=True):
    """An agent that should have reported."""

    uid: str
    device: str
    last_seen: int


def silent(connection: sa.Connection, *, now: int, after: int, limit: int = 1_000) -> list[Silent]:
    """Agents in force that said nothing for ``after`` seconds, the longest silent first."""
    query = (
        sa.select(AGENT.c.uid, ASSET.c.pseudonym, AGENT.c.last_seen)
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .where(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None), AGENT.c.last_seen < now - after)
        .order_by(AGENT.c.last_seen, AGENT.c.uid)
        .limit(limit)
    )
    return [Silent(*row) for row in connection.execute(query)]


class Blind(msgspec.Struct, frozen=True):
    """Something that could not be looked at, and on how many agents."""

    sensor: str
    status: str
    reason: str
    remedy: str
    agents: int


def gaps(connection: sa.Connection, *, since: int, limit: int = 1_000, of: sa.Select[Any] | None = None) -> list[Blind]:
    """Gaps by sensor and reason since then, the most frequent first; with ``of``, those of these agents alone."""
    c = COVERAGE.c
    agents = sa.func.count(c.agent.distinct())
    keys = (c.sensor, c.status, c.reason, c.remedy)
    query = (
        sa.select(*keys, agents)
        .where(c.day >= day_of(since), c.status != sa.literal_column("'complete'"))  # as the index of gaps says it
        .group_by(*keys)
        .order_by(agents.desc(), *keys)
        .limit(limit)
    )
    if of is not None:
        query = query.where(c.agent.in_(of))
    return [Blind(*row) for row in connection.execute(query)]


def feeds(connection: sa.Connection, *, feed: str, of: sa.Select[Any] | None = None) -> dict[int, int]:
    """Version of a feed in force → how many agents have it; 0 for those that never said. ``of``: as ``gaps``."""
    query = (
        sa.select(AGENT.c.versions, sa.func.count())
        .where(AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
        .group_by(AGENT.c.versions)
    )
    if of is not None:
        query = query.where(AGENT.c.id.in_(of))
    found: dict[int, int] = defaultdict(int)
    for said, agents in connection.execute(query):
        found[msgspec.json.decode(said, type=dict[str, int]).get(feed, 0)] += agents
    return dict(found)


def stale(connection: sa.Connection, *, feed: str, version: int, of: sa.Select[Any] | None = None) -> int:
    """How many agents have an older version of a feed than this one. ``of``: as ``gaps``."""
    return sum(agents for known, agents in feeds(connection, feed=feed, of=of).items() if known < version)
