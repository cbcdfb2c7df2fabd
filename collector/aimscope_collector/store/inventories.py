"""Versions of the inventory of authorised AI: all are kept, and each says from when on it counts."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory_diff import Diff, diff
from aimscope_collector.store import audit
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.review import INVENTORY

_LOCK = 0x696E76
_decode = msgspec.json.Decoder(Inventory).decode


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version, without its content."""

    number: int
    created_at: int
    effective_from: int
    author: str
    note: str
    digest: str


class Kept(msgspec.Struct, frozen=True):
    """What keeping an inventory came to: ``version`` is an older one where nothing changed."""

    version: Version
    diff: Diff
    is_new: bool


def keep(
    connection: sa.Connection, *, inventory: Inventory, author: str, note: str, effective_from: int, now: int
) -> Kept:
    """Add a version. The same inventory from the same day on is the version there is."""
    if not is_sqlite(connection):  # SQLite has one writer anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    content = msgspec.json.encode(inventory)
    digest = hashlib.sha256(content).hexdigest()
    latest = version(connection, number=None)
    before = content_of(connection, latest.number) if latest else None
    changes = diff(before, inventory)
    starts = max(effective_from, now)
    if latest is not None and latest.digest == digest and latest.effective_from <= starts:
        return Kept(latest, changes, is_new=False)
    number = latest.number + 1 if latest else 1
    connection.execute(
        INVENTORY.insert().values(
            number=number,
            created_at=now,
            effective_from=effective_from,
            author=author,
            note=note,
            digest=digest,
            content=content.decode(),
        )
    )
    audit.record(
        connection,
        at=now,
        actor=author,
        action="inventory.kept",
        about=str(number),
        facts={
            "digest": digest,
            "from": effective_from,
            "added": len(changes.added),
            "removed": len(changes.removed),
            "changed": len(changes.changed),
        },
    )
    made = Version(
        number=number, created_at=now, effective_from=effective_from, author=author, note=note, digest=digest
    )
    return Kept(made, changes, is_new=True)


def versions(connection: sa.Connection, *, before: int | None = None, limit: int = 100) -> list[Version]:
    """The newest first; ``before`` is the number of the last one already read."""
    query = _select().order_by(INVENTORY.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(INVENTORY.c.number < before)
    return list(map(_version, connection.execute(query)))


def version(connection: sa.Connection, *, number: int | None) -> Version | None:
    """One version, or the newest for ``None``."""
    query = _select().order_by(INVENTORY.c.number.desc()).limit(1)
    if number is not None:
        query = query.where(INVENTORY.c.number == number)
    row = connection.execute(query).first()
    return _version(row) if row else None


def current(connection: sa.Connection, *, at: int) -> Version | None:
    """The version in force at a moment: of those that count by then, the one made last."""
    query = _select().where(INVENTORY.c.effective_from <= at).order_by(INVENTORY.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return _version(row) if row else None


def content_of(connection: sa.Connection, number: int) -> Inventory | None:
    """What a version says."""
    query = sa.select(INVENTORY.c.content).where(INVENTORY.c.number == number)
    content = connection.execute(query).scalar_one_or_none()
    return None if content is None else _decode(content)


def in_force(connection: sa.Connection, *, at: int) -> Inventory | None:
    """What counts at a moment; ``None`` before there is any inventory."""
    found = current(connection, at=at)
    return content_of(connection, found.number) if found else None


def next_change(connection: sa.Connection, *, after: int) -> int | None:
    """When the next version begins to count."""
    query = sa.select(sa.func.min(INVENTORY.c.effective_from)).where(INVENTORY.c.effective_from > after)
    return connection.execute(query).scalar_one_or_none()


def _select() -> sa.Select[tuple[int, int, int, str, str, str]]:
    return sa.select(
        INVENTORY.c.number,
        INVENTORY.c.created_at,
        INVENTORY.c.effective_from,
        INVENTORY.c.author,
        INVENTORY.c.note,
        INVENTORY.c.digest,
    )


def _version(row: sa.Row[Any]) -> Version:
    return Version(
        number=row.number,
        created_at=row.created_at,
        effective_from=row.effective_from,
        author=row.author,
        note=row.note,
        digest=row.digest,
    )
