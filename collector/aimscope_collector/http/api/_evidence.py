"""What is behind a finding: pieces of evidence with the tests that held, and the sightings of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.evidence import describe
from aimscope_collector.http.api._findings import Shown, within
from aimscope_collector.http.paging import cursor_of, read_cursor
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import aggregates
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT
from aimscope_signatures.kinds import IDENTITIES, PRESENCES, Identity, Presence
from aimscope_signatures.model import Held, Sighting

_MOST: Final = 200
_MOST_PIECES: Final = 20_000
_FIRST_DEVICES: Final = 16
_MOST_DEVICES: Final = 4_096
_LARGEST: Final = 1 << 40


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence. ``confirmed`` says that the collector's own catalogue comes to the same result."""

    id: int
    kind: str
    fields: dict[str, str]
    held: tuple[Held, ...]
    confirmed: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence on one device for one account, summed up; moments corrected by the agents' clocks."""

    device: str
    unit: str
    subject: str
    """Pseudonym; empty for the machine itself."""
    evidence: int
    kind: str
    fields: dict[str, str]
    identity: Identity
    presence: Presence
    count: int
    first: int | None
    last: int | None
    bytes_out: int | None
    bytes_in: int | None


def _pieces(connection: sa.Connection, finding: sa.Row[Any]) -> list[sa.Row[Any]]:
    query = (
        sa.select(EVIDENCE)
        .where(EVIDENCE.c.service == finding.service, EVIDENCE.c.withdrawn.is_(sa.false()))
        .order_by(EVIDENCE.c.id)
    )
    rows = list(connection.execute(query))
    if finding.service:
        return rows
    return [row for row in rows if _is_about(row, finding.condition)]


def _is_about(row: sa.Row[Any], condition: str) -> bool:
    """Whether a finding about AI in no catalogue is about this evidence: its condition begins with what it is."""
    sighting = Sighting(
        month="",
        asset="",
        service="",
        kind=row.kind,
        subject="",
        evidence=aggregates.fields_of(row.kind, row.fields),
        identity="low",
        presence="mentioned",
        count=0,
        first=0,
        last=0,
        days=0,
    )
    said = describe(sighting)
    return condition == said or condition.startswith(f"{said}: ")


def evidence_of(connection: sa.Connection, finding: sa.Row[Any]) -> dict[int, sa.Row[Any]]:
    """Evidence of a finding's service, by id."""
    return {row.id: row for row in _pieces(connection, finding)}


def behind(connection: sa.Connection, finding: sa.Row[Any]) -> tuple[Behind, ...]:
    """The first pieces of evidence, with the tests that held."""
    return tuple(
        Behind(
            id=row.id,
            kind=row.kind,
            fields=dict(aggregates.fields_of(row.kind, row.fields)),
            held=msgspec.json.decode(row.held, type=tuple[Held, ...]),
            confirmed=bool(row.confirmed),
        )
        for row in _pieces(connection, finding)[:_MOST]
    )


def sightings(
    connection: sa.Connection,
    finding: sa.Row[Any],
    pieces: dict[int, sa.Row[Any]],
    *,
    since: int | None,
    until: int | None,
    limit: int,
    cursor: str | None,
    view: Shown,
) -> tuple[list[Seen], str | None]:
    """A page of what was seen in the finding's unit, by device, piece of evidence and account.

    Devices are taken a few at a time until the page is full: what a whole fleet saw need not be read for it.
    """
    begin = None if cursor is None else _read(cursor)
    query = _grouped(sorted(pieces)[:_MOST_PIECES], since=since, until=until, begin=begin).limit(limit + 1)
    rows: list[Any] = []
    for assets in _assets(connection, finding.unit, begin=begin[0] if begin else 0):
        rows += connection.execute(query.where(SIGHTING.c.asset.in_(assets))).all()
        if len(rows) > limit:
            break
    more = None
    if len(rows) > limit:
        rows = rows[:limit]
        end = rows[-1]
        more = cursor_of("sightings", end.device_id, f"{end.evidence_id}.{end.subject_id}")
    return [_seen(row, pieces[row.evidence_id], view) for row in rows], more


def _assets(connection: sa.Connection, unit: str, *, begin: int) -> Iterator[list[int]]:
    """What counts as the devices of a unit, in the order of devices: those of some devices, then of twice as many."""
    units = sa.select(UNIT.c.id).where(within(UNIT.c.path, [unit]))
    devices = sa.select(ASSET.c.id).where(ASSET.c.unit.in_(units) if unit else ASSET.c.unit.is_(None))
    size = _FIRST_DEVICES
    while True:
        known = list(connection.execute(devices.where(ASSET.c.id >= begin).order_by(ASSET.c.id).limit(size)).scalars())
        if known:
            own = ASSET.c.id.in_(known) & ASSET.c.merged_into.is_(None)
            several = connection.execute(sa.select(ASSET.c.id).where(own | ASSET.c.merged_into.in_(known)))
            yield sorted(several.scalars())
        if len(known) < size:
            return
        begin, size = known[-1] + 1, min(2 * size, _MOST_DEVICES)


def _grouped(
    pieces: Sequence[int], *, since: int | None, until: int | None, begin: tuple[int, int, int] | None
) -> sa.Select[Any]:
    """Sightings of some evidence summed up, after a row of the page before."""
    device = ASSET.alias("device")
    first = sa.func.min(SIGHTING.c.first - AGENT.c.clock_skew)
    last = sa.func.max(SIGHTING.c.last - AGENT.c.clock_skew)
    keys = (device.c.id, SIGHTING.c.evidence, SIGHTING.c.subject)
    query = (
        sa.select(
            *(key.label(name) for key, name in zip(keys, ("device_id", "evidence_id", "subject_id"), strict=True)),
            sa.func.min(device.c.pseudonym).label("device"),
            sa.func.coalesce(sa.func.min(UNIT.c.path), "").label("unit"),
            sa.func.coalesce(sa.func.min(SUBJECT.c.pseudonym), "").label("subject"),
            sa.func.max(SIGHTING.c.identity).label("identity"),
            sa.func.max(SIGHTING.c.presence).label("presence"),
            _sum(SIGHTING.c["count"]).label("times"),
            first.label("first"),
            last.label("last"),
            _sum(SIGHTING.c.bytes_out).label("bytes_out"),
            _sum(SIGHTING.c.bytes_in).label("bytes_in"),
        )
        .select_from(
            SIGHTING.join(ASSET, ASSET.c.id == SIGHTING.c.asset)
            .join(device, device.c.id == sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id))
            .outerjoin(UNIT, UNIT.c.id == device.c.unit)
            .outerjoin(SUBJECT, (SUBJECT.c.id == SIGHTING.c.subject) & (SIGHTING.c.subject != 0))
            .join(AGENT, AGENT.c.id == SIGHTING.c.agent)
        )
        .where(SIGHTING.c.evidence.in_(pieces))
        .group_by(*keys)
        .order_by(*keys)
    )
    if begin is not None:
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*map(sa.literal, begin)))
    if since is not None:
        query = query.having(last >= since)
    return query if until is None else query.having(first < until)


def _sum(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    bounded = sa.case((column > _LARGEST, _LARGEST), else_=column)
    return sa.cast(sa.func.sum(bounded), sa.BigInteger)


def _read(cursor: str) -> tuple[int, int, int]:
    device, rest = read_cursor(cursor, "sightings")
    evidence, _, subject = str(rest).partition(".")
    if not (isinstance(device, int) and evidence.isdecimal() and subject.isdecimal() and len(str(rest)) < 36):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    return device, int(evidence), int(subject)


def _seen(row: sa.Row[Any], piece: sa.Row[Any], view: Shown) -> Seen:
    return Seen(
        device=row.device,
        unit=row.unit,
        subject=row.subject,
        evidence=row.evidence_id,
        kind=piece.kind,
        fields=dict(aggregates.fields_of(piece.kind, piece.fields)),
        identity=IDENTITIES[min(row.identity, len(IDENTITIES) - 1)],
        presence=PRESENCES[min(row.presence, len(PRESENCES) - 1)],
        count=row.times,
        first=view.moment(row.first),
        last=view.moment(row.last),
        bytes_out=row.bytes_out,
        bytes_in=row.bytes_in,
    )


__all__: Sequence[str] = ("Behind", "Seen", "behind", "evidence_of", "sightings")
