"""Evidence, asked about again: what it counts for is the collector's word, what agents call it stays its key."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from aimscope_collector.store.aggregates import fields_of
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence as it is kept. ``service`` is what it counts for, ``said`` what agents call it."""

    id: int
    service: str
    said: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    text: str
    """The fields as they are kept."""
    confirmed: bool
    withdrawn: bool
    catalogue: str


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What changes."""

    id: int
    service: str
    said: str | None
    confirmed: bool
    withdrawn: bool
    held: str
    catalogue: str


def unasked(connection: sa.Connection, *, version: str, after: int, limit: int) -> list[Stored]:
    """Evidence about which another version of the catalogue was asked, and what this one did not confirm, in order.

    Ingest asks too, but only whether the catalogue confirms the agent's word.
    """
    open_ones = sa.or_(EVIDENCE.c.catalogue != version, EVIDENCE.c.confirmed.is_(sa.false()))
    query = sa.select(EVIDENCE).where(EVIDENCE.c.id > after, open_ones).order_by(EVIDENCE.c.id).limit(limit)
    return [
        Stored(
            id=row.id,
            service=row.service,
            said=row.service if row.said is None else row.said,
            kind=row.kind,
            fields=fields_of(row.kind, row.fields),
            text=row.fields,
            confirmed=row.confirmed,
            withdrawn=row.withdrawn,
            catalogue=row.catalogue,
        )
        for row in connection.execute(query)
    ]


def said_both(connection: sa.Connection, stored: Stored, service: str) -> bool:
    """Whether an agent reported this evidence under another service as well, on the same days of the same device."""
    e = EVIDENCE.c
    same = sa.select(e.id).where(
        e.service == service, e.said.is_(None), e.kind == stored.kind, e.fields == stored.text, e.id != stored.id
    )
    other = connection.execute(same.limit(1)).scalar_one_or_none()
    if other is None:
        return False
    one, two = SIGHTING.alias("one"), SIGHTING.alias("two")
    keys = ("month", "agent", "asset", "subject")
    query = (
        sa.select(sa.literal(1))
        .select_from(one.join(two, sa.and_(*(one.c[key] == two.c[key] for key in keys))))
        .where(one.c.evidence == stored.id, two.c.evidence == other)
        .where(one.c.days.bitwise_and(two.c.days) != 0)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def write(connection: sa.Connection, updates: Iterable[Update]) -> None:
    """Keep what was answered."""
    values = [
        {("it" if name == "id" else f"new_{name}"): value for name, value in msgspec.structs.asdict(each).items()}
        for each in updates
    ]
    if values:
        names = [name for name in Update.__struct_fields__ if name != "id"]
        statement = EVIDENCE.update().where(EVIDENCE.c.id == sa.bindparam("it"))
        connection.execute(statement.values({name: sa.bindparam(f"new_{name}") for name in names}), values)
