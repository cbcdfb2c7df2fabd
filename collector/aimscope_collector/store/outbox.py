"""What is to be delivered: kept until the receiver took it, so at least once; receivers know an event by its id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store._insert import insert
from aimscope_collector.store.tables.sending import OUTBOX

FIRST_WAIT: Final = 30
LONGEST_WAIT: Final = 3_600
GIVEN_UP_AFTER: Final = 7 * 86_400
NEVER: Final = (1 << 53) - 1
LEASE: Final = 120
"""Seconds for which who claimed an item has it alone."""
_LONGEST_FAILURE: Final = 300


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one destination; ``payload`` is JSON."""

    id: int
    event: str
    destination: str
    payload: str
    created_at: int
    attempts: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How one destination does."""

    destination: str
    waiting: int
    given_up: int
    failure: str


def put(
    connection: sa.Connection, *, event: str, payload: Mapping[str, object], destinations: Iterable[str], now: int
) -> None:
    """Have an event delivered, in the transaction in which it happened; the same event twice is one."""
    text = msgspec.json.encode(payload, order="sorted").decode()
    rows = [
        {"event": event, "destination": destination, "payload": text, "created_at": now, "next_at": now}
        for destination in sorted(set(destinations))
    ]
    if rows:
        connection.execute(insert(connection, OUTBOX).on_conflict_do_nothing(), rows)


def claim(connection: sa.Connection, *, now: int, destinations: Iterable[str], limit: int = 50) -> list[Item]:
    """Items that are due, the oldest first, for this caller alone: other collectors pass them over for a while.

    Commit before delivering; an item whose deliverer died is due again later.
    """
    wanted = (OUTBOX.c.delivered_at.is_(None), OUTBOX.c.next_at <= now, OUTBOX.c.destination.in_(sorted(destinations)))
    query = sa.select(OUTBOX).where(*wanted).order_by(OUTBOX.c.next_at, OUTBOX.c.id).limit(limit)
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    if rows:
        leased = OUTBOX.update().where(OUTBOX.c.id.in_([row.id for row in rows]))
        connection.execute(leased.values(next_at=now + LEASE))
    return [Item(**{name: getattr(row, name) for name in Item.__struct_fields__}) for row in rows]


def delivered(connection: sa.Connection, item: Item, *, now: int) -> None:
    """The receiver has it."""
    done = {"delivered_at": now, "attempts": item.attempts + 1, "failure": ""}
    connection.execute(OUTBOX.update().where(OUTBOX.c.id == item.id).values(done))


def failed(connection: sa.Connection, item: Item, *, now: int, why: str, retry_after: int = 0) -> None:
    """The receiver does not have it: try again later, for a week. ``why`` holds no secret."""
    attempts = item.attempts + 1
    old = now - item.created_at >= GIVEN_UP_AFTER
    wait = min(LONGEST_WAIT, max(retry_after, FIRST_WAIT << min(item.attempts, 10)))
    later = {"attempts": attempts, "next_at": NEVER if old else now + wait, "failure": _clean(why)}
    connection.execute(OUTBOX.update().where(OUTBOX.c.id == item.id).values(later))


def retry(connection: sa.Connection, *, destination: str, now: int) -> int:
    """Make everything due that waits for a destination, also what was given up. Returns how many."""
    waiting = (OUTBOX.c.destination == destination) & OUTBOX.c.delivered_at.is_(None)
    return connection.execute(OUTBOX.update().where(waiting).values(next_at=now)).rowcount


def status(connection: sa.Connection) -> list[Waiting]:
    """What waits, by destination; ``failure`` is the latest."""
    gone = sa.func.sum(sa.case((OUTBOX.c.next_at == NEVER, 1), else_=0))
    latest = sa.func.max(sa.case((OUTBOX.c.failure != "", OUTBOX.c.id), else_=None))
    query = sa.select(OUTBOX.c.destination, sa.func.count(), gone, latest).where(OUTBOX.c.delivered_at.is_(None))
    rows = connection.execute(query.group_by(OUTBOX.c.destination).order_by(OUTBOX.c.destination)).all()
    ids = [number for *_, number in rows if number is not None]
    said = sa.select(OUTBOX.c.id, OUTBOX.c.failure).where(OUTBOX.c.id.in_(ids))
    failures: dict[Any, str] = {row.id: row.failure for row in connection.execute(said)}
    return [
        Waiting(destination=name, waiting=count - given_up, given_up=given_up, failure=failures.get(number, ""))
        for name, count, given_up, number in rows
    ]


def _clean(why: str) -> str:
    return "".join(one if one.isprintable() else " " for one in why[:_LONGEST_FAILURE])
