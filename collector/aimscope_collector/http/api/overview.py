"""Where we stand, in one answer: what the first page shows, and what a dashboard elsewhere may ask for."""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import QueryParameter

from aimscope_collector.findings import Verdict
from aimscope_collector.http.api._findings import Shown, limited, shown, within
from aimscope_collector.http.given import Here, Who
from aimscope_collector.standing import Row, Standing, by_day, gravest, standing
from aimscope_collector.store import coverage
from aimscope_collector.store.coverage import Blind
from aimscope_collector.store.tables.fleet import UNIT
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sightings import USAGE_DAY

_DAY: Final = 86_400
_WEEKLY_FROM: Final = 90
_GAPS: Final = 8


class Bar(msgspec.Struct, frozen=True):
    """Services in use within a day or a week that begins on ``day`` (year × 10,000 + month × 100 + day), by verdict."""

    day: int
    verdicts: dict[Verdict, int]


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """A service or unit. ``assets`` is null where the group is smaller than may be shown."""

    id: str
    name: str
    assets: int | None
    findings: int
    shadow: int
    verdict: Verdict


class Fleet(msgspec.Struct, frozen=True):
    """Devices there should be, those with an agent, and those that reported within the period.

    Without a list of devices (``list_imported_at`` is null), those that have no agent are not counted at all.
    """

    known: int
    enrolled: int
    reported: int
    list_imported_at: int | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """``verdicts`` counts services, each under its gravest verdict, and ``history`` does by day or week: with the
    verdict of today. ``shadow`` of ``in_use`` services are used without anybody's decision. ``gaps`` is what could not
    be looked at, the most frequent first.
    """

    days: int
    verdicts: dict[Verdict, int]
    in_use: int
    shadow: int
    findings: int
    new: int
    to_review: int
    overdue: int
    escalated: int
    history: list[Bar]
    services: list[Ranking]
    units: list[Ranking]
    fewer_than: int
    fleet: Fleet
    gaps: list[Blind] | None


@get("/overview", opt={"needs": "findings:read"}, sync_to_thread=True, tags=["findings"])
def show_overview(
    given: Here,
    who: Who,
    days: Annotated[Literal[7, 30, 90], QueryParameter(description="The last so many days.")] = 30,
) -> Overview:
    """Where we stand."""
    now = given.now()
    since = now - days * _DAY
    with given.engine.connect() as connection:
        rows = _rows(connection, limited(_query(), who))
        told = standing(rows, now=now, since=since)
        view = shown(connection, who)
        used = _used(connection, who.units, since=since, now=now)
        parts = [part for part in coverage.fleet(connection, now=now, within=days * _DAY) if who.reaches(part.unit)]
        listed_at = coverage.list_imported_at(connection)
        sees = who.may("coverage:read") and not who.units
        gaps = coverage.gaps(connection, since=since, limit=_GAPS) if sees else None
    worst = gravest(rows)
    return Overview(
        days=days,
        **{
            name: getattr(told, name)
            for name in Standing.__struct_fields__
            if name not in ("services", "units", "history")
        },
        history=_history(by_day(_spread(used, days), worst), since=since, now=now, days=days),
        services=[_ranking(one, view) for one in told.services],
        units=[_ranking(one, view) for one in told.units],
        fewer_than=view.least,
        fleet=Fleet(
            known=sum(part.known for part in parts),
            enrolled=sum(part.enrolled for part in parts),
            reported=sum(part.reported for part in parts),
            list_imported_at=listed_at,
        ),
        gaps=gaps,
    )


def _query() -> sa.Select[tuple[object, ...]]:
    return sa.select(*(FINDING.c[name] for name in Row.__struct_fields__)).where(FINDING.c.present == 1)


def _rows(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[Row]:
    return [Row(**row) for row in connection.execute(query).mappings()]


def _ranking(one: object, view: Shown) -> Ranking:
    values = {name: getattr(one, name) for name in Ranking.__struct_fields__}
    return Ranking(**{**values, "assets": view.count(values["assets"])})


def _used(connection: sa.Connection, units: tuple[str, ...], *, since: int, now: int) -> list[tuple[int, str]]:
    """Days and the services that were used on them."""
    c = USAGE_DAY.c
    query = sa.select(c.day, c.service).distinct().where(c.day.between(_number(since + _DAY), _number(now)))
    if units:
        query = query.join(UNIT, UNIT.c.id == c.unit).where(within(UNIT.c.path, units))
    return [(day, service) for day, service in connection.execute(query)]


def _spread(used: list[tuple[int, str]], days: int) -> list[tuple[int, str]]:
    """By week where there are many days: a service counts once in each."""
    if days < _WEEKLY_FROM:
        return used
    return sorted({(_monday(day), service) for day, service in used})


def _history(found: dict[int, dict[Verdict, int]], *, since: int, now: int, days: int) -> list[Bar]:
    """A bar for every day or week of the period, also where nothing was seen."""
    step = 7 if days >= _WEEKLY_FROM else 1
    first = _date(since + _DAY)
    if step == 7:
        first -= datetime.timedelta(days=first.weekday())
    bars = []
    while first <= _date(now):
        day = first.year * 10_000 + first.month * 100 + first.day
        bars.append(Bar(day, found.get(day, {})))
        first += datetime.timedelta(days=step)
    return bars


def _monday(day: int) -> int:
    date = datetime.date(day // 10_000, day // 100 % 100, day % 100)
    date -= datetime.timedelta(days=date.weekday())
    return date.year * 10_000 + date.month * 100 + date.day


def _date(moment: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date()


def _number(moment: int) -> int:
    date = _date(moment)
    return date.year * 10_000 + date.month * 100 + date.day


ROUTES: Final = (show_overview,)
