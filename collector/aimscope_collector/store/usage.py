"""The roll-up that charts are drawn from: rebuilt from sightings for whatever was touched, so it cannot drift."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from aimscope_collector.store._insert import batches
from aimscope_collector.store.tables.fleet import ASSET
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, USAGE_DAY
from aimscope_collector.usage import Seen, UsageDay, days_of

_FETCH = 10_000
_MOST_DAYS = 800


def read(connection: sa.Connection, *, month: int, services: Sequence[str] | None = None) -> list[UsageDay]:
    """What the roll-up of a month must say, of all services or of some: from the sightings themselves."""
    return sorted(days_of(month, _seen(connection, month, services)))


def _seen(connection: sa.Connection, month: int, services: Sequence[str] | None) -> Iterator[Seen]:
    """Sightings of a month; an address that is a known device's counts as that device, in its unit."""
    device = ASSET.alias("device")
    own = sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id)
    query = (
        sa.select(
            EVIDENCE.c.service, sa.func.coalesce(device.c.unit, 0), device.c.id, SIGHTING.c.subject, SIGHTING.c.days
        )
        .select_from(
            SIGHTING.join(EVIDENCE, EVIDENCE.c.id == SIGHTING.c.evidence)
            .join(ASSET, ASSET.c.id == SIGHTING.c.asset)
            .join(device, device.c.id == own)
        )
        .where(SIGHTING.c.month == month, EVIDENCE.c.withdrawn.is_(sa.false()))
    )
    if services is not None:
        query = query.where(EVIDENCE.c.service.in_(sorted(services)))
    result = connection.execution_options(stream_results=True).execute(query)
    for some in result.partitions(_FETCH):
        yield from some
    result.close()


def write(
    connection: sa.Connection, days: Iterable[UsageDay], *, month: int, services: Sequence[str] | None = None
) -> int:
    """Make the roll-up of a month say this and nothing else. Returns how many of its rows changed."""
    c = USAGE_DAY.c
    of = [c.day >= month * 100, c.day < (month + 1) * 100]
    if services is not None:
        of.append(c.service.in_(sorted(services)))
    known = {UsageDay(*row) for row in connection.execute(sa.select(USAGE_DAY).where(*of))}
    wanted = set(days)
    old, new = sorted(known - wanted), sorted(wanted - known)
    if old:
        one = USAGE_DAY.delete().where(
            c.day == sa.bindparam("d"), c.service == sa.bindparam("s"), c.unit == sa.bindparam("u")
        )
        connection.execute(one, [{"d": each.day, "s": each.service, "u": each.unit} for each in old])
    for some in batches(new, 5_000):
        connection.execute(USAGE_DAY.insert(), [msgspec.structs.asdict(each) for each in some])
    return len(old) + len(new)


def usage(
    connection: sa.Connection,
    *,
    since: int,
    until: int,
    services: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
) -> list[UsageDay]:
    """The roll-up of days from ``since`` to ``until``, both included, in order."""
    c = USAGE_DAY.c
    query = sa.select(USAGE_DAY).where(c.day.between(since, until)).order_by(c.day, c.service, c.unit)
    if services is not None:
        query = query.where(c.service.in_(sorted(services)))
        days = _days(since, until)
        if days is not None:  # a step each, by the key: a span of days would read all services of them
            query = query.where(c.day.in_(days))
    if units is not None:
        query = query.where(c.unit.in_(sorted(units)))
    return [UsageDay(*row) for row in connection.execute(query)]


def _days(since: int, until: int) -> list[int] | None:
    """The days of a span, one by one; ``None`` where it is long, or ends at no day of the calendar."""
    try:
        begin, end = (datetime.date(day // 10_000, day // 100 % 100, day % 100) for day in (since, until))
    except ValueError:
        return None
    if (end - begin).days >= _MOST_DAYS:
        return None
    several = (begin + datetime.timedelta(days=number) for number in range((end - begin).days + 1))
    return [day.year * 10_000 + day.month * 100 + day.day for day in several]


def months(connection: sa.Connection) -> list[int]:
    """Months of which there are sightings."""
    found = []
    month = connection.execute(sa.select(sa.func.min(SIGHTING.c.month))).scalar_one()
    while month is not None:  # a step each, by the key: reading all rows for a dozen values would take a while
        found.append(month)
        query = sa.select(sa.func.min(SIGHTING.c.month)).where(SIGHTING.c.month > month)
        month = connection.execute(query).scalar_one()
    return found
