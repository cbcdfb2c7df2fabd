"""Services: what the catalogue knows, what of it is in use, and use by day."""

from __future__ import annotations

import datetime
from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import PathParameter, QueryParameter

from aimscope_collector.http.api._findings import limited, shown, within
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import Cursor, From, Limit, Name, Period, To, cursor_of, read_cursor, span
from aimscope_collector.http.problems import not_found
from aimscope_collector.store import usage
from aimscope_collector.store.tables.fleet import UNIT
from aimscope_collector.store.tables.review import FINDING

_DAY: Final = 86_400
_USUAL: Final = 90
ServiceId = Annotated[str, PathParameter(max_length=128)]


class InUse(msgspec.Struct, frozen=True):
    """A service of the catalogue, and the findings there are of it."""

    id: str
    name: str
    vendor: str
    category: str
    findings: int
    units: int
    verdicts: tuple[str, ...]
    last: int | None


class Services(msgspec.Struct, frozen=True):
    """A page, by id. ``catalogue`` is its version."""

    items: list[InUse]
    next: str | None
    catalogue: str


class Day(msgspec.Struct, frozen=True):
    """How many devices and people used it on a day (year × 10,000 + month × 100 + day); null where too few to show."""

    day: int
    unit: str
    assets: int | None
    subjects: int | None


class Usage(msgspec.Struct, frozen=True):
    """Use by day and unit."""

    service: str
    days: list[Day]


@get("/services", opt={"needs": "services:read"}, sync_to_thread=True, tags=["services"])
def list_services(
    given: Here,
    who: Who,
    category: Name = None,
    text: Annotated[Name, QueryParameter(description="Part of the name or vendor.")] = None,
    in_use: Annotated[bool, QueryParameter(description="Only those that were found.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Services:
    """The services of the catalogue in force."""
    of = limited(sa.select(FINDING.c.service).where(FINDING.c.present == 1), who)
    units = sa.func.count(sa.distinct(FINDING.c.unit))
    counts = of.add_columns(sa.func.count(), units, sa.func.max(FINDING.c.last)).group_by(FINDING.c.service)
    judged = of.add_columns(FINDING.c.verdict).distinct()
    verdicts: dict[str, list[str]] = {}
    with given.engine.connect() as connection:
        view = shown(connection, who)
        found = {service: several for service, *several in connection.execute(counts)}
        for service, verdict in connection.execute(judged):
            verdicts.setdefault(service, []).append(verdict)
    after = "" if cursor is None else str(read_cursor(cursor, "services")[0])
    wanted = (text or "").casefold()
    items: list[InUse] = []
    for id_ in sorted(given.services):
        one = given.services[id_]
        if (
            id_ <= after
            or (in_use and id_ not in found)
            or (category is not None and one.category != category)
            or wanted not in f"{one.name}\n{one.vendor}".casefold()
        ):
            continue
        number, places, last = found.get(id_, (0, 0, None))
        said = tuple(sorted(verdicts.get(id_, ())))
        items.append(InUse(id_, one.name, one.vendor, one.category, number, places, said, view.moment(last)))
        if len(items) > limit:
            break
    more = cursor_of("services", items[limit - 1].id, "") if len(items) > limit else None
    return Services(items[:limit], more, given.catalogue)


@get("/services/{service:str}/usage", opt={"needs": "services:read"}, sync_to_thread=True, tags=["services"])
def show_usage(
    given: Here,
    who: Who,
    service: ServiceId,
    unit: Name = None,
    days: Period = None,
    first: From = None,
    last: To = None,
) -> Usage:
    """Devices and people by day; the last 90 days where no period is given."""
    now = given.now()
    since, until = span(now, days, first, last)
    begin, end = since if since is not None else now - _USUAL * _DAY, until if until is not None else now + _DAY
    with given.engine.connect() as connection:
        query = sa.select(UNIT.c.id, UNIT.c.path)
        for limits in (who.units, (unit,) if unit else ()):
            if limits:
                query = query.where(within(UNIT.c.path, limits))
        paths: dict[int, str] = {row.id: row.path for row in connection.execute(query)}
        if not who.units and not unit:
            paths[0] = ""
        view = shown(connection, who)
        rows = usage.usage(
            connection, since=_number(begin), until=_number(end - 1), services=[service], units=sorted(paths)
        )
    if service not in given.services and not rows:
        raise not_found("service")
    return Usage(
        service,
        [Day(row.day, paths[row.unit], view.count(row.assets), view.count(row.subjects)) for row in rows],
    )


def _number(moment: int) -> int:
    most = 253_402_300_799
    day = datetime.datetime.fromtimestamp(max(0, min(moment, most)), datetime.UTC).date()
    return day.year * 10_000 + day.month * 100 + day.day


ROUTES: Final = (list_services, show_usage)
