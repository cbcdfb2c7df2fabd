"""Reports that are sent by e-mail: which there are, one more, one less, and one sent now."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import JSONBody, PathParameter

from aimscope_collector.deliver.configured import DestinationsError
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.reports import Refused, scheduled
from aimscope_collector.store import schedules
from aimscope_collector.store.database import writing
from aimscope_collector.store.schedules import Every, Schedule, Taken

ScheduleId = Annotated[int, PathParameter(ge=1, le=1 << 53)]
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Word = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z0-9_-]+$")]


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which report is sent, how often, and to which mail destination. ``hour`` is UTC, on the period's first day."""

    name: _Line
    report: _Word
    form: Annotated[str, msgspec.Meta(max_length=16)]
    every: Every
    destination: _Word
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 6
    unit: Annotated[str, msgspec.Meta(max_length=256)] = ""
    options: Annotated[dict[_Word, Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=10)] = {}


class Schedules(msgspec.Struct, frozen=True):
    """Every schedule within the asker's units, and the destinations that there are for them."""

    items: list[Schedule]
    destinations: list[str]


@get("/schedules", opt={"needs": "reports:schedule"}, sync_to_thread=True, tags=["reports"])
def list_schedules(given: Here, who: Who) -> Schedules:
    """Reports that are sent by e-mail, and why one was not sent the last time."""
    with given.engine.connect() as connection:
        found = [one for one in schedules.every_one(connection) if who.reaches(one.unit or None)]
    return Schedules(found, _destinations(given))


@post("/schedules", opt={"needs": "reports:schedule"}, sync_to_thread=True, tags=["reports"])
def add_schedule(given: Here, who: Who, data: JSONBody[NewSchedule]) -> Schedule:
    """Have a report sent: of each whole day, week, month or quarter, when that is over."""
    now = given.now()
    unit = data.unit.strip("/")
    if who.units and not unit:
        raise Failed(422, "refused", f"Your account has limits: name a unit, such as {who.units[0]}.")
    if not who.reaches(unit or None):
        raise Failed(422, "refused", f"Your account does not reach the unit {unit}.")
    known = _destinations(given)
    if data.destination not in known:
        have = f"choose from {', '.join(known)}" if known else "there is none: the file of destinations names them"
        raise Failed(422, "refused", f"{data.destination} is no destination for e-mail: {have}.")
    due_at = scheduled.next_due(data.every, data.hour, after=now)
    schedule = Schedule(
        **msgspec.structs.asdict(msgspec.structs.replace(data, unit=unit)),
        account=who.account or None,
        made_by=who.name,
        made_at=now,
        due_at=due_at,
        next_at=due_at,
    )
    try:
        with writing(given.engine) as connection:
            scheduled.check_schedule(connection, schedule, now)
            return schedules.add(connection, schedule)
    except (Refused, Taken) as error:
        raise Failed(422, "refused", str(error)) from None


@delete(
    "/schedules/{schedule:int}",
    opt={"needs": "reports:schedule"},
    sync_to_thread=True,
    tags=["reports"],
    status_code=204,
)
def remove_schedule(given: Here, who: Who, schedule: ScheduleId) -> None:
    """Send it no more."""
    with writing(given.engine) as connection:
        known = schedules.get(connection, schedule)
        if known is None or not who.reaches(known.unit or None):
            raise not_found("schedule")
        schedules.remove(connection, known, by=who.name, at=given.now())


@post(
    "/schedules/{schedule:int}/run",
    opt={"needs": "reports:schedule"},
    sync_to_thread=True,
    tags=["reports"],
    status_code=202,
)
def run_schedule(given: Here, who: Who, schedule: ScheduleId) -> Schedule:
    """Send it once more, of the last whole period, within the next minute."""
    with writing(given.engine) as connection:
        known = schedules.get(connection, schedule)
        if known is None or not who.reaches(known.unit or None):
            raise not_found("schedule")
        schedules.now_due(connection, known, by=who.name, at=given.now())
        return schedules.get(connection, schedule) or known


def _destinations(given: Here) -> list[str]:
    try:
        return sorted(given.mail())
    except DestinationsError as error:
        raise Failed(409, "no-destinations", f"The destinations cannot be read: {error}.") from None


ROUTES: Final = (list_schedules, add_schedule, remove_schedule, run_schedule)
