"""How far each destination has the journal: its place, its lease, its failures, and what it refused.

One collector at a time delivers to a destination, so it gets events in their order. What it does not take for now holds
back everything after it; what it refuses for good is kept aside, a dead letter, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.events import EventType
from aimscope_collector.store import journal
from aimscope_collector.store._insert import insert
from aimscope_collector.store.journal import Entry, Filter
from aimscope_collector.store.tables.exporting import DEAD_LETTER, EXPORT, JOURNAL

LEASE: Final = 120
"""Seconds for which a collector has a destination alone."""
FIRST_WAIT: Final = 10
LONGEST_WAIT: Final = 3_600
GIVEN_UP_AFTER: Final = 7 * 86_400
MOST_DEAD: Final = 10_000
"""Dead letters kept for a destination; beyond, the oldest go and are counted."""
_LONGEST_FAILURE: Final = 300
_DAY: Final = 86_400
Lane = Literal["live", "replay"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a destination, and is the same for all collectors."""

    name: str
    cursor: int
    replay_cursor: int | None
    replay_until: int | None
    next_at: int
    attempts: int
    failure: str
    failing_since: int | None
    refused_in_row: int
    delivered: int
    failed: int
    dropped: int
    held_back: int
    budget_day: int
    budget_used: int
    delivered_at: int | None

    @property
    def lane(self) -> Lane:
        """What is delivered now: a replay comes first."""
        return "live" if self.replay_cursor is None else "replay"

    @property
    def place(self) -> int:
        """The number in the journal up to which that is done."""
        return self.cursor if self.replay_cursor is None else self.replay_cursor


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt: up to ``place`` everything is delivered, dead or not wanted."""

    lane: Lane
    place: int
    delivered: int = 0
    held_back: int = 0
    dead: tuple[tuple[Entry, str], ...] = ()
    refused_in_row: int = 0


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was refused, or waited for too long."""

    id: int
    destination: str
    uid: str
    type: EventType
    about: str
    at: int
    died_at: int
    why: str
    again: bool


_STATE: Final = tuple(EXPORT.c[name] for name in State.__struct_fields__)
_DEAD: Final = tuple(DEAD_LETTER.c[name] for name in DeadLetter.__struct_fields__)


def ensure(connection: sa.Connection, name: str, *, since: int | None, now: int) -> bool:
    """Begin with a destination: ``since`` seconds ago, ``None`` is everything there is. Whether it is a new one."""
    if connection.execute(sa.select(EXPORT.c.name).where(EXPORT.c.name == name)).first():
        return False
    cursor = 0 if since is None else journal.head(connection) if since <= 0 else journal.before(connection, now - since)
    statement = insert(connection, EXPORT).on_conflict_do_nothing()
    return bool(connection.execute(statement.values(name=name, cursor=cursor, created_at=now)).rowcount)


def claim(connection: sa.Connection, name: str, *, holder: str, now: int, waits: bool = True) -> State | None:
    """Have a destination alone for a while; ``None`` where another collector has it, or it is to be left alone.

    Without ``waits`` it is tried although it is to be left alone after a failure.
    """
    free = (EXPORT.c.held_until <= now) | (EXPORT.c.holder == holder)
    due = EXPORT.c.next_at <= now if waits else sa.true()
    taken = EXPORT.update().where(EXPORT.c.name == name, free, due).values(holder=holder, held_until=now + LEASE)
    if not connection.execute(taken).rowcount:
        return None
    return state(connection, name)


def state(connection: sa.Connection, name: str) -> State | None:
    """One destination."""
    row = connection.execute(sa.select(*_STATE).where(EXPORT.c.name == name)).first()
    return State(**row._mapping) if row else None  # noqa: SLF001  # SQLAlchemy's name for it


def states(connection: sa.Connection) -> dict[str, State]:
    """All destinations there ever were."""
    rows = connection.execute(sa.select(*_STATE).order_by(EXPORT.c.name))
    return {row.name: State(**row._mapping) for row in rows}  # noqa: SLF001


def done(connection: sa.Connection, name: str, what: Done, *, holder: str, now: int) -> bool:
    """Keep what came of an attempt. Whether it counts: not where another collector took over meanwhile."""
    row = connection.execute(sa.select(EXPORT).where(EXPORT.c.name == name).with_for_update()).first()
    if row is None or row.holder != holder:
        return False
    values: dict[str, Any] = {"held_until": now + LEASE, "refused_in_row": what.refused_in_row}
    if what.lane == "live":
        values["cursor"] = max(row.cursor, what.place)
    elif row.replay_until is not None and what.place >= row.replay_until:
        values |= {"replay_cursor": None, "replay_until": None}
    elif row.replay_until is not None:
        values["replay_cursor"] = what.place
    if what.delivered or what.dead:
        values |= {"attempts": 0, "next_at": 0, "failure": "", "failing_since": None}
    if what.delivered:
        values |= {"delivered": EXPORT.c.delivered + what.delivered, "delivered_at": now}
    values["held_back"] = EXPORT.c.held_back + what.held_back
    connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(**values))
    bury(connection, name, what.dead, now=now)
    return True


def spent(connection: sa.Connection, name: str, *, counters: int, held_back: int, now: int) -> None:
    """So many events of mere numbers went out today, and so many did not, for there were too many."""
    day = now // _DAY
    used = sa.case((EXPORT.c.budget_day == day, EXPORT.c.budget_used), else_=0) + counters
    more = EXPORT.c.held_back + held_back
    values = {"budget_day": day, "budget_used": used, "held_back": more}
    connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(**values))


def failed(connection: sa.Connection, name: str, *, holder: str, now: int, why: str, retry_after: int = 0) -> None:
    """The receiver takes nothing at present: leave it alone, longer each time. ``why`` holds no secret."""
    row = connection.execute(sa.select(EXPORT).where(EXPORT.c.name == name).with_for_update()).first()
    if row is None or row.holder != holder:
        return
    wait = min(LONGEST_WAIT, max(retry_after, FIRST_WAIT << min(row.attempts, 10)))
    connection.execute(
        EXPORT.update()
        .where(EXPORT.c.name == name)
        .values(
            attempts=row.attempts + 1,
            next_at=now + wait,
            failure=_clean(why),
            failing_since=now if row.failing_since is None else row.failing_since,
            failed=EXPORT.c.failed + 1,
        )
    )


def give_up(connection: sa.Connection, name: str, *, wanted: Filter, why: str, now: int, limit: int = 1_000) -> int:
    """Keep aside what waits for longer than a week for a receiver that has failed for as long. Returns how many."""
    known = state(connection, name)
    if known is None or known.failing_since is None or now - known.failing_since < GIVEN_UP_AFTER:
        return 0
    old = [
        entry
        for entry in journal.read(connection, after=known.cursor, wanted=wanted, limit=limit)
        if now - entry.at >= GIVEN_UP_AFTER
    ]
    if old:
        connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(cursor=old[-1].id))
        bury(connection, name, [(entry, f"not taken for a week: {why}") for entry in old], now=now)
    return len(old)


def release(connection: sa.Connection, *, holder: str) -> None:
    """Leave the destinations of a collector to others: it ends."""
    connection.execute(EXPORT.update().where(EXPORT.c.holder == holder).values(held_until=0))


def bury(connection: sa.Connection, name: str, dead: Iterable[tuple[Entry, str]], *, now: int) -> None:
    """Keep events aside that a destination does not take."""
    rows = [
        {
            "destination": name,
            "uid": entry.uid,
            "type": entry.type,
            "about": entry.about,
            "at": entry.at,
            "died_at": now,
            "why": _clean(why),
            "payload": entry.payload,
        }
        for entry, why in dead
    ]
    if not rows:
        return
    statement = insert(connection, DEAD_LETTER)
    renewed = {one: statement.excluded[one] for one in ("died_at", "why")} | {"again": 0}
    connection.execute(statement.on_conflict_do_update(index_elements=["destination", "uid"], set_=renewed), rows)
    of_it = DEAD_LETTER.c.destination == name
    newest = sa.select(DEAD_LETTER.c.id).where(of_it).order_by(DEAD_LETTER.c.id.desc()).limit(1).offset(MOST_DEAD)
    last = connection.execute(newest).scalar_one_or_none()
    if last is not None:
        gone = connection.execute(DEAD_LETTER.delete().where(of_it, DEAD_LETTER.c.id <= last)).rowcount
        connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(dropped=EXPORT.c.dropped + gone))


def dead_letters(connection: sa.Connection, name: str, *, before: int = 0, limit: int = 100) -> list[DeadLetter]:
    """What a destination lacks, the newest first; ``before`` is the lowest id already read."""
    query = sa.select(*_DEAD).where(DEAD_LETTER.c.destination == name).order_by(DEAD_LETTER.c.id.desc()).limit(limit)
    if before:
        query = query.where(DEAD_LETTER.c.id < before)
    return [_dead(row) for row in connection.execute(query)]


def dead_counts(connection: sa.Connection) -> dict[str, int]:
    """How many dead letters each destination has."""
    query = sa.select(DEAD_LETTER.c.destination, sa.func.count()).group_by(DEAD_LETTER.c.destination)
    return {row[0]: row[1] for row in connection.execute(query)}


def to_try_again(connection: sa.Connection, name: str, *, limit: int = 100) -> list[tuple[DeadLetter, Entry]]:
    """Dead letters that somebody wants to be tried again, the oldest first."""
    query = sa.select(*_DEAD, DEAD_LETTER.c.payload).where(DEAD_LETTER.c.destination == name, DEAD_LETTER.c.again == 1)
    return [
        (_dead(row), Entry(0, row.uid, row.type, row.about, row.at, False, row.payload))
        for row in connection.execute(query.order_by(DEAD_LETTER.c.id).limit(limit))
    ]


def revived(connection: sa.Connection, name: str, *, ids: Sequence[int], now: int) -> None:
    """The receiver has them after all."""
    if ids:
        connection.execute(DEAD_LETTER.delete().where(DEAD_LETTER.c.id.in_(ids)))
        values = {"delivered": EXPORT.c.delivered + len(ids), "delivered_at": now}
        connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(**values))


def retry(connection: sa.Connection, name: str, *, dead: bool = True) -> int:
    """Try a destination at once, and its dead letters again. Returns how many of these."""
    now_due = {"next_at": 0, "refused_in_row": 0}
    connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(**now_due))
    if not dead:
        return 0
    return connection.execute(DEAD_LETTER.update().where(DEAD_LETTER.c.destination == name).values(again=1)).rowcount


def replay(connection: sa.Connection, name: str, *, since: int, until: int, wanted: Filter) -> int:
    """Send what was told from one moment to another once more, before anything else. Returns how many events.

    Only what was delivered before: what still waits comes anyway, afterwards.
    """
    known = state(connection, name)
    if known is None:
        return 0
    first = journal.before(connection, since)
    last = min(known.cursor, journal.before(connection, until))
    if last <= first:
        return 0
    count = sa.select(sa.func.count()).where(JOURNAL.c.id > first, JOURNAL.c.id <= last, wanted.test())
    values = {"replay_cursor": first, "replay_until": last, "next_at": 0}
    connection.execute(EXPORT.update().where(EXPORT.c.name == name).values(**values))
    return int(connection.execute(count).scalar_one())


def _dead(row: Any) -> DeadLetter:
    said = {name: getattr(row, name) for name in DeadLetter.__struct_fields__}
    return DeadLetter(**{**said, "again": bool(row.again)})


def _clean(why: str) -> str:
    return "".join(one if one.isprintable() else " " for one in why[:_LONGEST_FAILURE])
