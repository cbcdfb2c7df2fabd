"""Tables of evidence: what each is, where its rows come from, and what an empty cell of it means.

A table is read once, row by row: a big one never lies in memory. Every row begins with an id of its own, so that
``T09/f-…`` names one row of one pack.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.reports import ReportInput
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.period import day_of, number_of
from aimscope_collector.reports.view import View, view_of
from aimscope_collector.review import Decision, Past, Standing
from aimscope_collector.rules import Rules
from aimscope_collector.store import decisions, inventories, units
from aimscope_collector.store.inventories import Version
from aimscope_collector.store.tables.review import FINDING, INVENTORY
from aimscope_collector.store.tables.sightings import USAGE_DAY
from aimscope_collector.store.units import Unit

NOT_RECORDED: Final = "not recorded"
_ALL: Final = 1 << 40
_FIRST: Final = datetime.date(1970, 1, 1)


class Column(msgspec.Struct, frozen=True):
    """One column. ``absent`` is what an empty cell means; only some columns are on ``paper``, files have all."""

    name: str
    title: str
    absent: str = NOT_RECORDED
    paper: bool = True


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table. ``item`` is the one of the thirteen that it is evidence of, ``controls`` what it is mapped to.

    ``needs`` are permissions, ``whole`` says that it is about the whole organisation: without them, or for part of the
    organisation, it is left out, and the pack says so. ``note`` says of these very rows what a reader has to know.
    """

    name: str
    title: str
    says: str
    item: int
    columns: tuple[Column, ...]
    rows: Callable[[Reading], Iterable[Sequence[Value]]]
    controls: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    whole: bool = False
    empty: str = "Nothing is recorded for this period."
    note: Callable[[Reading], str] | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """A service in a unit within the period. Days are year × 10,000 + month × 100 + day; counts are of the busiest."""

    service: str
    unit: str
    first: int
    last: int
    days: int
    assets: int
    subjects: int


class Reading:
    """The snapshot that tables read, with what several of them look at."""

    def __init__(self, given: ReportInput) -> None:
        self.given = given
        self.connection: sa.Connection = given.connection
        self.now = given.now
        self.since, self.until, self.as_of = given.asked.since, given.asked.until, given.asked.as_of
        self.view: View = view_of(given.connection, given.who, given.asked.unit)

    @property
    def end(self) -> int:
        """The last moment that is told of: the end of the period, or now."""
        return min(self.until, self.now + 1)

    def days(self) -> tuple[int, int]:
        """First and last day of the period, as the store has days."""
        return number_of(day_of(self.since)), number_of(day_of(self.until - 1))

    @cached_property
    def units(self) -> dict[str, Unit]:
        """Every unit by path, whoever asks."""
        return units.units(self.connection)

    @cached_property
    def paths(self) -> dict[int, str]:
        """Paths of units by number; 0 is no unit."""
        return {0: "", **{unit.id: path for path, unit in self.units.items()}}

    @cached_property
    def version(self) -> Version | None:
        """The inventory's version that was in force at the day asked for."""
        return version_at(self.connection, self.as_of)

    @cached_property
    def inventory(self) -> Inventory | None:
        """What it said."""
        return inventories.content_of(self.connection, self.version.number) if self.version else None

    @cached_property
    def rules(self) -> Rules:
        """That inventory, resolved against the catalogue of now."""
        return Rules(self.inventory, list(self.given.services.values()))

    @cached_property
    def rows_by_label(self) -> dict[str, AuthorisedUse]:
        """Rows of that inventory by the name findings call them."""
        return {use.label: use for use in (self.inventory.systems if self.inventory else ())}

    @cached_property
    def used(self) -> list[Use]:
        """What was seen within the period, by service and unit."""
        return self.used_between(*self.days())

    def used_between(self, first: int, last: int) -> list[Use]:
        """The same for other days, both included."""
        c = USAGE_DAY.c
        query = (
            sa.select(
                *(c.service, c.unit, sa.func.min(c.day), sa.func.max(c.day), sa.func.count()),
                *(sa.func.max(c.assets), sa.func.max(c.subjects)),
            )
            .where(c.day.between(first, last))
            .group_by(c.service, c.unit)
        )
        found = [
            Use(
                service=service,
                unit=self.paths.get(unit, ""),
                first=begin,
                last=end,
                days=days,
                assets=assets,
                subjects=subjects,
            )
            for service, unit, begin, end, days, assets, subjects in self.connection.execute(query)
        ]
        return sorted(filter(self._shown, found), key=lambda use: (use.service, use.unit))

    def _shown(self, use: Use) -> bool:
        return self.view.whole or (bool(use.unit) and self.view.reaches(use.unit))

    @cached_property
    def findings(self) -> list[sa.Row[Any]]:
        """Findings there were in the period, those of the highest risk first."""
        c = FINDING.c
        query = sa.select(FINDING).where(
            c.opened_at < self.until,
            sa.or_(c.present == 1, c.changed_at >= self.since, c.last >= self.since),
            self.view.within(c.unit),
        )
        return list(self.connection.execute(query.order_by(c.score.desc(), c.id)))

    @cached_property
    def raised(self) -> set[tuple[str, str]]:
        """Services and units of which there is a finding: evidence was strong enough, and nobody ignores it there."""
        return {(row.service, row.unit) for row in self.findings}

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """Where those findings stand now."""
        return decisions.standings(self.connection, [row.id for row in self.findings], now=self.now)

    @cached_property
    def decisions(self) -> list[Decision]:
        """Every decision there is until the end of the period, in the order taken, that reaches what is looked at."""
        every = decisions.recent(self.connection, limit=_ALL)
        return [one for _, one in reversed(every) if one.at < self.until and self.view.reaches(one.unit)]

    @cached_property
    def past(self) -> dict[tuple[str, str], Past]:
        """Those decisions by service and condition."""
        several: dict[tuple[str, str], list[Decision]] = {}
        for one in self.decisions:
            several.setdefault((one.service, one.condition), []).append(one)
        return {key: Past(some) for key, some in several.items()}

    def decided(self, row: sa.Row[Any]) -> list[Decision]:
        """The decisions that concerned a finding, in the order taken."""
        past = self.past.get((row.service, row.condition))
        return past.of(row.unit) if past else []

    def name_of(self, service: str) -> str:
        """What people call a service."""
        known = self.given.services.get(service)
        return known.name if known else service or "in no catalogue"


def version_at(connection: sa.Connection, at: int) -> Version | None:
    """The version of the inventory that was in force at a moment, as it stood then.

    One that was kept later counts for no earlier day, whatever day it says: else the past could be written anew.
    """
    c = INVENTORY.c
    query = sa.select(c.number).where(c.effective_from <= at, c.created_at <= at).order_by(c.number.desc()).limit(1)
    number = connection.execute(query).scalar_one_or_none()
    return None if number is None else inventories.version(connection, number=number)


def moment(at: int | None) -> str | None:
    """A moment as ISO 8601 has it, UTC."""
    if at is None:
        return None
    days, seconds = divmod(at, 86_400)
    date = _date(days)
    return date and f"{date}T{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


@lru_cache(maxsize=4_096)
def _date(days: int) -> str | None:
    try:
        return (_FIRST + datetime.timedelta(days=days)).isoformat()
    except OverflowError:
        return None


def day(number: int) -> str:
    """A day of the store as ISO 8601 has it."""
    return f"{number // 10_000:04}-{number // 100 % 100:02}-{number % 100:02}"


def columns(*several: tuple[str, str] | tuple[str, str, str], off_paper: str = "") -> tuple[Column, ...]:
    """Columns from name, title and what absence means; ``off_paper`` names those that only files have."""
    hidden = off_paper.split()
    return tuple(Column(one[0], one[1], (*one, NOT_RECORDED)[2], one[0] not in hidden) for one in several)
