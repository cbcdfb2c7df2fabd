"""What a collector knows of itself and its fleet, in a few numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector.review import SETTLES
from aimscope_collector.store import audit, coverage, feeds, inventories, migrate
from aimscope_collector.store.coverage import Silent
from aimscope_collector.store.tables.fleet import AGENT, ASSET
from aimscope_collector.store.tables.review import FINDING


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``stale`` counts agents with an older catalogue than the one offered; ``inventory`` is the version in force."""

    schema: str
    agents: int
    waiting: int
    revoked: int
    devices: int
    unmanaged: int
    findings: int
    undecided: int
    inventory: int | None
    audit: int
    feeds: dict[str, int]
    stale: int
    silent: list[Silent]


def status(engine: sa.Engine, *, now: int, silent_after: int) -> Status:
    """The numbers, at one moment."""
    schema = migrate.current(engine)
    in_force = (AGENT.c.revoked_at.is_(None), AGENT.c.replaced_by.is_(None))
    known = ASSET.c.merged_into.is_(None)
    with engine.connect() as connection, connection.begin():

        def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
            query: sa.Select[Any] = sa.select(sa.func.count()).select_from(table).where(*where)
            return int(connection.execute(query).scalar_one())

        offered = feeds.current(connection)
        catalogue = offered.get("catalogue")
        version = inventories.current(connection, at=now)
        return Status(
            schema=schema,
            agents=count(AGENT, *in_force, AGENT.c.approved_at.is_not(None)),
            waiting=count(AGENT, *in_force, AGENT.c.approved_at.is_(None)),
            revoked=count(AGENT, AGENT.c.revoked_at.is_not(None)),
            devices=count(ASSET, known),
            unmanaged=count(ASSET, known, ASSET.c.managed.is_(sa.false())),
            findings=count(FINDING, FINDING.c.present == 1),
            undecided=count(FINDING, FINDING.c.present == 1, FINDING.c.state.not_in(sorted(SETTLES.values()))),
            inventory=version.number if version else None,
            audit=audit.head(connection).sequence,
            feeds={name: feed.version for name, feed in sorted(offered.items())},
            stale=coverage.stale(connection, feed="catalogue", version=catalogue.version) if catalogue else 0,
            silent=coverage.silent(connection, now=now, after=silent_after),
        )
