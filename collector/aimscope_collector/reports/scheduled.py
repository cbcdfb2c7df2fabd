"""Scheduled reports: when each is due, of which period, and how it gets into the outbox as an e-mail.

Who gets the mail may not be who asked for it: small groups are told to nobody here, and what is behind findings is not
sent, whatever rights whoever made the schedule has.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import logging
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from aimscope_collector.accounts import Principal, Role, permissions
from aimscope_collector.feeds import FeedsError
from aimscope_collector.reports import Asked, File, Refused, report_named
from aimscope_collector.reports.making import Source, check, folder_of_its_own, make
from aimscope_collector.reports.period import day_of, seconds_of
from aimscope_collector.store import accounts, audit, outbox, schedules
from aimscope_collector.store.database import writing
from aimscope_collector.store.schedules import Every, Schedule

_LOG = logging.getLogger("aimscope.collector")
PERMISSION: Final = "reports:schedule"
SENDS: Final = frozenset(
    ("findings:read", "decisions:read", "services:read", "inventory:read", "coverage:read", "reports:read")
)
"""What goes by mail: counts and decisions, never what is behind them."""
LARGEST: Final = 8_000_000
"""Bytes that are sent as an attachment: what is larger is to be fetched."""
_HOUR: Final = 3_600
_OWNER: Final[tuple[Role, ...]] = ("admin", "security", "reviewer")


def next_due(every: Every, hour: int, *, after: int) -> int:
    """The first moment later than ``after`` at that hour (UTC): each day, Monday, first of a month or of a quarter."""
    day = day_of(after)
    while True:
        at = seconds_of(day) + hour * _HOUR
        if at > after and _begins(every, day):
            return at
        day += datetime.timedelta(days=1)


def _begins(every: Every, day: datetime.date) -> bool:
    """Whether a period begins on that day: the one before it is whole."""
    if every == "day":
        return True
    if every == "week":
        return day.weekday() == 0
    return day.day == 1 and (every == "month" or day.month % 3 == 1)


def period(every: Every, *, due_at: int) -> tuple[int, int]:
    """The last whole period before a moment, in seconds: its beginning, and the end that is no part of it."""
    end = day_of(due_at)
    while not _begins(every, end):
        end -= datetime.timedelta(days=1)
    begin = end - datetime.timedelta(days=1)
    while not _begins(every, begin):
        begin -= datetime.timedelta(days=1)
    return seconds_of(begin), seconds_of(end)


def sender(connection: sa.Connection, schedule: Schedule) -> Principal:
    """As whom a report is made: with the account's units of now, and rights that fit for mail. Raises ``Refused``."""
    if schedule.account is None:
        return Principal(account=0, name=f"schedule {schedule.name}", roles=_OWNER, scopes=SENDS)
    account = accounts.get(connection, schedule.account)
    if account is None or account.disabled_at is not None:
        raise Refused("The account that made this schedule is disabled: make the schedule anew.")
    if PERMISSION not in permissions(account.roles):
        raise Refused("The account that made this schedule may have no reports sent any more: make it anew.")
    return Principal(
        account=account.id, name=f"schedule {schedule.name}", roles=account.roles, units=account.units, scopes=SENDS
    )


def asked(schedule: Schedule, now: int) -> Asked:
    """What the schedule asks for at this time."""
    since, until = period(schedule.every, due_at=schedule.due_at)
    return Asked(
        since=since,
        until=until,
        as_of=min(until - 1, now),
        unit=schedule.unit,
        form=schedule.form,
        options=schedule.options,
    )


def check_schedule(connection: sa.Connection, schedule: Schedule, now: int) -> None:
    """Raises ``Refused`` for what could never be made."""
    check(report_named(schedule.report), asked(schedule, now), sender(connection, schedule))


def send_due(engine: sa.Engine, source: Callable[[], Source], *, most: int = 10) -> int:
    """Make what is due, and put it in the outbox. Returns how many; what fails is noted with its schedule."""
    done = 0
    for _ in range(most):
        given = source()
        with writing(engine) as connection:
            schedule = schedules.claim(connection, now=given.now)
        if schedule is None:
            break
        done += _send(engine, schedule, given)
    return done


def _send(engine: sa.Engine, schedule: Schedule, given: Source) -> bool:
    due_at = next_due(schedule.every, schedule.hour, after=max(given.now, schedule.due_at))
    try:
        with engine.connect() as connection:
            who = sender(connection, schedule)
        report = report_named(schedule.report)
        wanted = asked(schedule, given.now)
        with folder_of_its_own() as folder:
            payload, digest = _payload(
                schedule, wanted, report.title, make(report, wanted, who=who, source=given, folder=folder)
            )
    except (Refused, FeedsError) as error:
        _LOG.warning("report %s could not be made: %s", schedule.name, error)
        with writing(engine) as connection:
            schedules.failed(connection, schedule, why=str(error), at=given.now, due_at=due_at)
        return False
    event = "report-" + hashlib.sha256(f"{schedule.id}\n{schedule.due_at}".encode()).hexdigest()[:32]
    facts = {"report": schedule.report, "to": schedule.destination, "form": schedule.form, "sha256": digest}
    with writing(engine) as connection:
        outbox.put(connection, event=event, payload=payload, destinations=[schedule.destination], now=given.now)
        schedules.sent(connection, schedule, at=given.now, due_at=due_at)
        audit.record(connection, at=given.now, actor="schedule", action="report.sent", about=schedule.name, facts=facts)
    return True


def _payload(schedule: Schedule, wanted: Asked, title: str, file: File) -> tuple[dict[str, Any], str]:
    """What the mail says, and the SHA-256 of what hangs on it."""
    content = _content(file)
    said: dict[str, Any] = {
        "type": "report",
        "severity": "report",
        "text": f"{title}, {day_of(wanted.since)} to {day_of(wanted.until - 1)}",
        "facts": {"schedule": schedule.name, "unit": schedule.unit or "all", "by": schedule.made_by},
    }
    if content is None:
        said["facts"]["attachment"] = f"larger than {LARGEST:,} bytes: aimscope report make {schedule.report}"
        return said, ""
    digest = hashlib.sha256(content).hexdigest()
    said["facts"] |= {"file": file.name, "sha256": digest}
    encoded = base64.b64encode(content).decode("ascii")
    said["attachments"] = [{"name": file.name, "type": file.content_type, "base64": encoded}]
    return said, digest


def _content(file: File) -> bytes | None:
    """The file's bytes; ``None`` where they are too many for a mail."""
    if isinstance(file.content, bytes):
        return file.content if len(file.content) <= LARGEST else None
    return file.content.read_bytes() if file.content.stat().st_size <= LARGEST else None
