"""Events of AI that is new on a device: each device and service once.

``ai.inventory`` where it is installed or set up there, ``ai.observation`` where it was seen in use or tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from aimscope_collector.events import DeviceFacts, Event, Indicator, ObservationFacts
from aimscope_collector.privacy import PrivacyPolicy
from aimscope_collector.services import Service
from aimscope_collector.store import aggregates, journal, privacy, settings
from aimscope_collector.store._insert import insert
from aimscope_collector.store.events_of_findings import moment
from aimscope_collector.store.journal import Draft
from aimscope_collector.store.tables.exporting import DEVICE_TOLD
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING
from aimscope_signatures.kinds import IDENTITIES, KINDS, PRESENCES

MOST_AT_A_LOOK: Final = 1_000
_BEGUN: Final = "journal.devices"
_ROOT: Final = sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id)
_LARGEST: Final = 1 << 40


def unsaid(connection: sa.Connection, *, limit: int = MOST_AT_A_LOOK) -> list[Any]:
    """Devices and services nothing was told of, with what was seen. Reads only: it may take its time."""
    number = sa.case((SIGHTING.c["count"] > _LARGEST, _LARGEST), else_=SIGHTING.c["count"])
    query = (
        _pairs(
            sa.func.min(SIGHTING.c.evidence).label("evidence"),
            sa.cast(sa.func.sum(number), sa.BigInteger).label("times"),
            sa.func.min(SIGHTING.c.first - AGENT.c.clock_skew).label("first"),
            sa.func.max(SIGHTING.c.last - AGENT.c.clock_skew).label("last"),
            sa.func.max(SIGHTING.c.identity).label("identity"),
            sa.func.max(SIGHTING.c.presence).label("presence"),
        )
        .order_by(_ROOT, EVIDENCE.c.service)
        .limit(limit)
    )
    return list(connection.execute(query))


def begin(connection: sa.Connection) -> bool:
    """What is known already is no news: at the first time nothing is told of it. Whether it was the first time."""
    if settings.read(connection, _BEGUN):
        return False
    settings.write(connection, _BEGUN, "1")
    statement = insert(connection, DEVICE_TOLD).from_select(["asset", "service"], _pairs())
    connection.execute(statement.on_conflict_do_nothing())
    return True


def tell(connection: sa.Connection, rows: Iterable[Any], *, services: Mapping[str, Service], now: int) -> list[Event]:
    """Tell of them, unless another collector has meanwhile."""
    rows = list(rows)
    if not rows:
        return []
    journal.hold(connection)
    fresh = []
    for row in rows:
        statement = insert(connection, DEVICE_TOLD).on_conflict_do_nothing()
        if connection.execute(statement.values(asset=row.asset, service=row.service)).rowcount:
            fresh.append(row)
    if not fresh:
        return []
    assets = {row.id: row for row in _assets(connection, {row.asset for row in fresh})}
    pieces = _pieces(connection, {row.evidence for row in fresh})
    policy = privacy.policy(connection)
    drafts = [
        _draft(row, assets[row.asset], pieces[row.evidence], services.get(row.service), policy, now)
        for row in fresh
        if row.asset in assets and row.evidence in pieces
    ]
    return journal.append(connection, drafts, now=now)


def _pairs(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(_ROOT.label("asset"), EVIDENCE.c.service, *columns)
        .select_from(
            SIGHTING.join(EVIDENCE, EVIDENCE.c.id == SIGHTING.c.evidence)
            .join(ASSET, ASSET.c.id == SIGHTING.c.asset)
            .join(AGENT, AGENT.c.id == SIGHTING.c.agent)
            .outerjoin(DEVICE_TOLD, (DEVICE_TOLD.c.asset == _ROOT) & (DEVICE_TOLD.c.service == EVIDENCE.c.service))
        )
        .where(EVIDENCE.c.service != "", EVIDENCE.c.withdrawn.is_(sa.false()), DEVICE_TOLD.c.asset.is_(None))
        .group_by(_ROOT, EVIDENCE.c.service)
    )


def _assets(connection: sa.Connection, ids: set[int]) -> list[Any]:
    query = sa.select(ASSET.c.id, ASSET.c.pseudonym, ASSET.c.managed, UNIT.c.path)
    query = query.select_from(ASSET.outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)).where(ASSET.c.id.in_(sorted(ids)))
    return list(connection.execute(query))


def _pieces(connection: sa.Connection, ids: set[int]) -> dict[int, Any]:
    query = sa.select(EVIDENCE.c.id, EVIDENCE.c.kind, EVIDENCE.c.fields).where(EVIDENCE.c.id.in_(sorted(ids)))
    return {row.id: row for row in connection.execute(query)}


def _draft(row: Any, asset: Any, piece: Any, service: Service | None, policy: PrivacyPolicy, now: int) -> Draft:
    name = service.name if service else row.service
    kind = KINDS.get(piece.kind)
    lasting = kind is not None and kind.presence in ("installed", "configured")
    unit = asset.path or ""
    fields = dict(aggregates.fields_of(piece.kind, piece.fields))
    observation = ObservationFacts(
        service=row.service,
        name=name,
        vendor=service.vendor if service else "",
        category=service.category if service else "",
        indicator=Indicator(
            kind=piece.kind, fields=fields, identity=IDENTITIES[row.identity], presence=PRESENCES[row.presence]
        ),
        count=row.times,
        first=moment(row.first, policy),
        last=moment(row.last, policy),
        version=fields.get("version", ""),
    )
    event = Event(
        uid="",
        type="ai.inventory" if lasting else "ai.observation",
        activity="create",
        at=now,
        message=f"{name} is new on a device" + (f" of {unit}." if unit else "."),
        device=DeviceFacts(uid=asset.pseudonym, unit=unit, managed=bool(asset.managed)),
        observation=observation,
    )
    return Draft(about=f"device:{asset.pseudonym}:{row.service}", event=event, unit=unit)
