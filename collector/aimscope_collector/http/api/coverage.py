"""How well could be looked: devices with and without agents, who fell silent, what nobody could see; scan runs."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import QueryParameter

from aimscope_collector.http.api._findings import limited
from aimscope_collector.http.api._limits import agents_of
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, From, Limit, Name, Period, To, after, cut, span
from aimscope_collector.store import coverage, feeds
from aimscope_collector.store.coverage import Blind, Part, Silent
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import RUN

_DAY: Final = 86_400
_SILENT: Final = 3


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Of the devices there should be: how many have an agent, and reported within the period.

    ``stale`` are agents with an older catalogue than the one offered. ``silent`` is null for whoever sees no agents.
    Without a list of devices (``list_imported_at`` is null), those that have no agent are not counted at all.
    """

    units: list[Part]
    gaps: list[Blind]
    silent: list[Silent] | None
    stale: int
    list_imported_at: int | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One scan, as an auditor asks for it."""

    agent: str
    uid: str
    sequence: int
    mode: str
    started: int
    finished: int
    catalogue: str
    policy: str
    complete: bool
    sightings: int
    digest: str
    received_at: int


class Runs(msgspec.Struct, frozen=True):
    """A page, the latest first."""

    items: list[Run]
    next: str | None


@get("/coverage", opt={"needs": "coverage:read"}, sync_to_thread=True, tags=["coverage"])
def show_coverage(
    given: Here,
    who: Who,
    days: Annotated[int, QueryParameter(ge=1, le=90, description="Reported within so many days.")] = 7,
) -> Coverage:
    """The fleet's coverage by unit, gaps by sensor and reason, agents that fell silent."""
    now = given.now()
    with given.engine.connect() as connection:
        parts = [each for each in coverage.fleet(connection, now=now, within=days * _DAY) if who.reaches(each.unit)]
        sees = who.may("agents:read") and not who.units
        mine = agents_of(who)
        offered = feeds.current(connection).get("catalogue")
        return Coverage(
            units=parts,
            gaps=coverage.gaps(connection, since=now - days * _DAY, limit=200, of=mine),
            silent=coverage.silent(connection, now=now, after=_SILENT * _DAY) if sees else None,
            stale=coverage.stale(connection, feed="catalogue", version=offered.version, of=mine) if offered else 0,
            list_imported_at=coverage.list_imported_at(connection),
        )


@get("/runs", opt={"needs": "coverage:read"}, sync_to_thread=True, tags=["coverage"])
def list_runs(
    given: Here,
    who: Who,
    agent: Name = None,
    days: Period = None,
    first: From = None,
    last: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Runs:
    """Scan runs: who, when, with what, and what came out."""
    since, until = span(given.now(), days, first, last)
    query = sa.select(RUN, AGENT.c.uid.label("agent_uid")).select_from(
        RUN.join(AGENT, AGENT.c.id == RUN.c.agent)
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
    )
    query = limited(query, who, UNIT.c.path)
    if agent:
        query = query.where(AGENT.c.uid == agent)
    if since is not None:
        query = query.where(RUN.c.finished >= since)
    if until is not None:
        query = query.where(RUN.c.started < until)
    query = after(
        query, order="runs", by=RUN.c.received_at, unique=RUN.c.uid, descending=True, cursor=cursor, limit=limit
    )
    with given.engine.connect() as connection:
        rows, more = cut(connection.execute(query).all(), limit, order="runs", by="received_at", unique="uid")
    return Runs(
        [
            Run(
                agent=row.agent_uid,
                uid=row.uid,
                sequence=row.sequence,
                mode=row.mode,
                started=row.started,
                finished=row.finished,
                catalogue=row.catalogue,
                policy=row.policy,
                complete=bool(row.complete),
                sightings=row.sightings,
                digest=row.digest,
                received_at=row.received_at,
            )
            for row in rows
        ],
        more,
    )


ROUTES: Final = (show_coverage, list_runs)
