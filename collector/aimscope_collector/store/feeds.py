"""Signed feeds for agents: root, catalogue, overlay, policy. Kept and served as they are; agents check them.

The newest version of a feed is the one in force. Nothing here knows how a signature looks.
"""

from __future__ import annotations

import hashlib

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import settings
from aimscope_collector.store.tables.sending import FEED
from aimscope_signatures import wire

NAMES = ("root", "catalogue", "overlay", "policy")
BASE = "feeds.base"
"""Name of the setting above which versions have to be: see ``restored``."""


class FeedError(Exception):
    """The feed cannot be published; the text says why."""


def publish(
    connection: sa.Connection, *, name: str, version: int, envelope: str, body: bytes, now: int, expires_at: int
) -> wire.Feed:
    """Offer a signed version from now on. Raises ``FeedError`` where it is not newer than what is offered.

    Publishing the same version with the same content again changes nothing.
    """
    if name not in NAMES:
        raise FeedError(f"{name} is no feed: there are {', '.join(NAMES)}")
    sha256 = hashlib.sha256(body).hexdigest()
    newest = connection.execute(
        sa.select(FEED.c.version, FEED.c.sha256).where(FEED.c.name == name).order_by(FEED.c.version.desc()).limit(1)
    ).first()
    offered = wire.Feed(version=version, sha256=sha256, envelope=envelope)
    if newest is not None and newest.version == version and newest.sha256 == sha256:
        return offered
    if newest is not None and newest.version >= version:
        raise FeedError(f"{name} has version {newest.version} already: agents refuse to go back to {version}")
    connection.execute(
        FEED.insert().values(
            name=name,
            version=version,
            sha256=sha256,
            envelope=envelope,
            body=body,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return offered


def restored(connection: sa.Connection, *, now: int) -> None:
    """The database is a backup: versions made since then are with agents already, and not known here.

    The next ones have to be higher than all of those, or agents refuse them as old. There is less than one a minute.
    """
    settings.write(connection, BASE, str(now // 60))


def base(connection: sa.Connection) -> int:
    """What versions have to be above; 0 for a database that was never restored."""
    return settings.number(connection, BASE)


def current(connection: sa.Connection) -> dict[str, wire.Feed]:
    """The newest version of each feed, without its body."""
    newest = sa.select(FEED.c.name, sa.func.max(FEED.c.version).label("version")).group_by(FEED.c.name).subquery()
    rows = connection.execute(
        sa.select(FEED.c.name, FEED.c.version, FEED.c.sha256, FEED.c.envelope).join(
            newest, sa.and_(FEED.c.name == newest.c.name, FEED.c.version == newest.c.version)
        )
    )
    return {row.name: wire.Feed(version=row.version, sha256=row.sha256, envelope=row.envelope) for row in rows}


def body(connection: sa.Connection, *, name: str, sha256: str) -> bytes | None:
    """The content with this hash; ``None`` where there is none."""
    wanted = sa.select(FEED.c.body).where(FEED.c.sha256 == sha256, FEED.c.name == name).limit(1)
    found = connection.execute(wanted).scalar_one_or_none()
    return None if found is None else bytes(found)


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a feed as it was published."""

    version: int
    sha256: str
    body: bytes
    published_at: int
    expires_at: int
    newest: bool


def versions(connection: sa.Connection, *, name: str, limit: int) -> list[Published]:
    """The latest versions of a feed, the newest first."""
    query = sa.select(FEED).where(FEED.c.name == name).order_by(FEED.c.version.desc()).limit(limit)
    return [
        Published(
            version=row.version,
            sha256=row.sha256,
            body=bytes(row.body),
            published_at=row.created_at,
            expires_at=row.expires_at,
            newest=number == 0,
        )
        for number, row in enumerate(connection.execute(query))
    ]
