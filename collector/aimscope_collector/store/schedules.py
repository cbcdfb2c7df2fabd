"""Reports that are sent by e-mail as often as somebody said: kept, claimed by one collector, and noted when sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import audit
from aimscope_collector.store.tables.sending import SCHEDULE

Every = Literal["day", "week", "month", "quarter"]
LEASE: Final = 900
"""Seconds for which whoever makes a report has it alone."""
AGAIN: Final = 3_600
"""Seconds after which one that could not be made is tried again."""
MOST: Final = 200
_LONGEST_FAILURE: Final = 300


class Taken(ValueError):
    """There is a schedule of that name, or there are too many; the text says which."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule. Times are seconds since 1970 UTC; ``hour`` is of the day, UTC.

    ``account`` is whose units and rights it has, none for the owner of the folder. ``due_at`` is the end of the period
    it is next made of, ``next_at`` when that is next tried, ``failure`` why it was not sent the last time.
    """

    id: int = 0
    name: str
    report: str
    form: str
    unit: str = ""
    options: Mapping[str, str] = {}
    every: Every
    hour: int
    destination: str
    account: int | None
    made_by: str
    made_at: int
    due_at: int
    next_at: int
    sent_at: int | None = None
    failure: str = ""


def add(connection: sa.Connection, schedule: Schedule) -> Schedule:
    """Keep a schedule, and return it with its id. Raises ``Taken``."""
    known = list(connection.execute(sa.select(SCHEDULE.c.name)).scalars())
    if schedule.name in known:
        raise Taken(f"There is a schedule {schedule.name} already: choose another name.")
    if len(known) >= MOST:
        raise Taken(f"There are {MOST} schedules already: remove one first.")
    values = msgspec.structs.asdict(schedule) | {
        "options": msgspec.json.encode(schedule.options, order="sorted").decode()
    }
    values.pop("id")
    made = connection.execute(SCHEDULE.insert().values(values).returning(SCHEDULE.c.id)).scalar_one()
    facts = {"report": schedule.report, "every": schedule.every, "unit": schedule.unit, "to": schedule.destination}
    audit.record(
        connection,
        at=schedule.made_at,
        actor=schedule.made_by,
        action="schedule.made",
        about=schedule.name,
        facts=facts,
    )
    return msgspec.structs.replace(schedule, id=made)


def remove(connection: sa.Connection, schedule: Schedule, *, by: str, at: int) -> None:
    """Send it no more."""
    connection.execute(SCHEDULE.delete().where(SCHEDULE.c.id == schedule.id))
    audit.record(connection, at=at, actor=by, action="schedule.removed", about=schedule.name, facts={})


def every_one(connection: sa.Connection) -> list[Schedule]:
    """All schedules, by name."""
    return list(map(_of_row, connection.execute(sa.select(SCHEDULE).order_by(SCHEDULE.c.name))))


def get(connection: sa.Connection, id_: int) -> Schedule | None:
    """The schedule of that id."""
    row = connection.execute(sa.select(SCHEDULE).where(SCHEDULE.c.id == id_)).first()
    return _of_row(row) if row else None


def claim(connection: sa.Connection, *, now: int) -> Schedule | None:
    """The one that has waited longest, for this caller alone; ``None`` if none is due. Commit before making it."""
    query = sa.select(SCHEDULE).where(SCHEDULE.c.next_at <= now).order_by(SCHEDULE.c.next_at, SCHEDULE.c.id).limit(1)
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    connection.execute(SCHEDULE.update().where(SCHEDULE.c.id == row.id).values(next_at=now + LEASE))
    return _of_row(row)


def sent(connection: sa.Connection, schedule: Schedule, *, at: int, due_at: int) -> None:
    """It is on its way; ``due_at`` is the end of the next period."""
    values = {"due_at": due_at, "next_at": due_at, "sent_at": at, "failure": ""}
    connection.execute(SCHEDULE.update().where(SCHEDULE.c.id == schedule.id).values(values))


def failed(connection: sa.Connection, schedule: Schedule, *, why: str, at: int, due_at: int) -> None:
    """It could not be made: tried again in an hour, or for the next period where that has come."""
    said = "".join(one if one.isprintable() else " " for one in why)[:_LONGEST_FAILURE]
    over = at + AGAIN >= due_at
    values = {"failure": said, "next_at": due_at if over else at + AGAIN, "due_at": due_at if over else schedule.due_at}
    connection.execute(SCHEDULE.update().where(SCHEDULE.c.id == schedule.id).values(values))


def now_due(connection: sa.Connection, schedule: Schedule, *, by: str, at: int) -> None:
    """Have it made of the last whole period at once."""
    connection.execute(SCHEDULE.update().where(SCHEDULE.c.id == schedule.id).values(due_at=at, next_at=at))
    audit.record(connection, at=at, actor=by, action="schedule.run", about=schedule.name, facts={})


def _of_row(row: sa.Row[Any]) -> Schedule:
    values = {name: getattr(row, name) for name in Schedule.__struct_fields__}
    return Schedule(**values | {"options": msgspec.json.decode(row.options, type=dict[str, str])})
