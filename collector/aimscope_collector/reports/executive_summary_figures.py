"""The figures of the executive summary: read once from the snapshot, within what who asks may see."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.findings import RiskRating
from aimscope_collector.reports import words
from aimscope_collector.reports.period import day_of, number_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.reports.tables_coverage import latest_list, parts
from aimscope_collector.reports.words import Status
from aimscope_collector.review import Decision
from aimscope_collector.store import actions, coverage
from aimscope_collector.store.coverage import Blind
from aimscope_collector.store.tables.sightings import USAGE_DAY

MOST_COLUMNS: Final = 26


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One AI service in use, over all units: ``assets`` is told only where the group is large enough."""

    key: str
    name: str
    vendor: str
    status: Status
    statuses: frozenset[Status]
    units: int
    assets: int
    score: int
    last: int | None


class Spans(msgspec.Struct, frozen=True):
    """The columns of the chart over time: first days as the store has days, and labels."""

    starts: tuple[int, ...]
    labels: tuple[str, ...]


class Looked(msgspec.Struct, frozen=True):
    """Devices that should be there, with an agent, and looked at in the period; ``listed`` when a list was imported."""

    known: int
    enrolled: int
    looked: int
    listed: int | None

    @property
    def share(self) -> int | None:
        """In per cent of the devices there should be; ``None`` where that number is not known."""
        return None if self.listed is None or not self.known else 100 * self.looked // self.known


def spans(since: int, until: int) -> Spans:
    """Weeks (or months, where there are many) of a period."""
    first, last = day_of(since), day_of(until - 1)
    starts: list[datetime.date] = []
    weeks = (last - first).days // 7 + 1
    if weeks <= MOST_COLUMNS:
        start = first - datetime.timedelta(days=first.weekday())
        while start <= last:
            starts.append(start)
            start += datetime.timedelta(weeks=1)
        return Spans(tuple(map(number_of, starts)), tuple(f"{one.day} {one:%b}" for one in starts))
    start = first.replace(day=1)
    while start <= last:
        starts.append(start)
        start = (start + datetime.timedelta(days=32)).replace(day=1)
    starts = starts[-120:]
    return Spans(tuple(map(number_of, starts)), tuple(f"{one:%b %Y}" for one in starts))


class Figures:
    """What the summary tells, each figure worked out once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.connection = reading.connection

    @cached_property
    def rows(self) -> list[tuple[sa.Row[Any], Status]]:
        """Findings that hold now, with how they stand; dismissed ones are left out."""
        found = []
        for row in self.reading.findings:
            stands = words.status(row.verdict, self.reading.standings[row.id].state)
            if row.present and stands is not None:
                found.append((row, stands))
        return found

    @cached_property
    def things(self) -> list[Thing]:
        """Services, the most pressing first. A condition of a service is part of it."""
        groups: dict[str, list[tuple[sa.Row[Any], Status]]] = defaultdict(list)
        for row, stands in self.rows:
            groups[row.service or f"unknown {row.condition}"].append((row, stands))
        return sorted(
            (_thing(key, several) for key, several in groups.items()),
            key=lambda one: (words.STATUSES.index(one.status), -one.score, -one.assets, one.name),
        )

    @cached_property
    def shadow(self) -> int:
        """How many are in use without anybody's consent."""
        return sum(one.status in words.SHADOW for one in self.things)

    @cached_property
    def open(self) -> list[Thing]:
        """Those somebody has something to do about, the widest spread first."""
        found = [one for one in self.things if one.status in words.OPEN]
        return sorted(found, key=lambda one: (-one.assets, -one.score, one.name))

    @cached_property
    def seen(self) -> list[Thing]:
        """Those that are in use or installed: authorised ones that were not seen are left out."""
        return [one for one in self.things if one.status != "dormant"]

    @cached_property
    def by_unit(self) -> list[tuple[str, Counter[Status]]]:
        """Of each unit, how many open services by how they stand; the most first."""
        found: dict[str, dict[str, set[Status]]] = defaultdict(lambda: defaultdict(set))
        for row, stands in self.rows:
            if stands in words.OPEN:
                found[row.unit][row.service or row.condition].add(stands)
        counted = [(unit, Counter(map(words.worst, of.values()))) for unit, of in found.items()]
        return sorted(counted, key=lambda one: (-one[1].total(), one[0]))

    @cached_property
    def risks(self) -> dict[tuple[int, int], int]:
        """Open findings by likelihood and impact."""
        found: Counter[tuple[int, int]] = Counter()
        for row, stands in self.rows:
            rating = msgspec.json.decode(row.risk, type=RiskRating | None)
            if rating is not None and stands in words.OPEN:
                found[rating.likelihood, rating.impact] += 1
        return dict(found)

    @cached_property
    def unrated(self) -> int:
        """Open findings without a rating."""
        return sum(stands in words.OPEN for _, stands in self.rows) - sum(self.risks.values())

    def over_time(self, columns: Spans) -> dict[Status, tuple[int, ...]]:
        """For each column, how many services of the catalogue were seen in it, by how they stand today."""
        now: dict[str, set[Status]] = defaultdict(set)
        for row in self.reading.findings:
            stands = words.status(row.verdict, self.reading.standings[row.id].state)
            if row.service and stands is not None:
                now[row.service].add("authorised" if stands == "dormant" else stands)
        counts: dict[Status, list[int]] = defaultdict(lambda: [0] * len(columns.starts))
        for place, seen in enumerate(self._seen(columns)):
            for service in seen & now.keys():
                counts[words.worst(now[service])][place] += 1
        return {each: tuple(counts[each]) for each in words.STATUSES if each in counts}

    def _seen(self, columns: Spans) -> Iterator[set[str]]:
        first, last = self.reading.days()
        c = USAGE_DAY.c
        ends = (*columns.starts[1:], last + 1)
        inside = [number for number, path in self.reading.paths.items() if path and self.reading.view.reaches(path)]
        for start, end in zip(columns.starts, ends, strict=True):
            query = sa.select(c.service).where(c.day >= max(start, first), c.day < end, c.service != "").distinct()
            if not self.reading.view.whole:
                query = query.where(c.unit.in_(inside))
            yield set(self.connection.execute(query).scalars())

    @cached_property
    def overdue(self) -> list[tuple[sa.Row[Any], str]]:
        """What should have been decided by now, and why."""
        found = []
        for row, _ in self.rows:
            standing = self.reading.standings[row.id]
            if standing.overdue(self.reading.now):
                found.append((row, f"was due on {day_of(standing.due or 0)}"))
            elif standing.reopened in ("expired", "review_due"):
                found.append((row, standing.reason))
        return found

    @cached_property
    def questions(self) -> list[tuple[sa.Row[Any], str]]:
        """What was put to the committee and has no answer."""
        several = [(row, one.question) for row, _ in self.rows if (one := self.reading.standings[row.id]).question]
        return list({(row.service, row.condition, question): (row, question) for row, question in several}.values())

    @cached_property
    def taken(self) -> list[Decision] | None:
        """Decisions of people within the period, the newest first; ``None`` for who does not see the log."""
        if not self.reading.view.may("decisions:read"):
            return None
        several = (one for one in reversed(self.reading.decisions) if one.at >= self.reading.since)
        return [one for one in several if one.action not in ("review", "assign") and not one.by.startswith("rule:")]

    @cached_property
    def late_actions(self) -> int | None:
        """Corrective actions whose day has passed; ``None`` for who does not see them."""
        if not self.reading.view.may("decisions:read"):
            return None
        of = {row.id for row, _ in self.rows}
        every = actions.actions(self.connection)
        return sum(one.finding in of and one.stage(self.reading.now) == "overdue" for one in every)

    @cached_property
    def reviews_due(self) -> list[str]:
        """Rows of the inventory whose review day has passed."""
        today = day_of(self.reading.as_of)
        rows = self.reading.inventory.systems if self.reading.inventory else ()
        live = (use for use in rows if use.status not in ("retired", "prohibited"))
        return sorted(use.label for use in live if use.next_review is not None and use.next_review < today)

    @cached_property
    def units_looked(self) -> list[tuple[str, int, int, int]]:
        """Of each unit: devices there should be, with an agent, looked at in the period."""
        return parts(self.reading)

    @cached_property
    def looked(self) -> Looked:
        """The same of all that is looked at."""
        each = self.units_looked
        return Looked(
            sum(one[1] for one in each),
            sum(one[2] for one in each),
            sum(one[3] for one in each),
            latest_list(self.reading),
        )

    @cached_property
    def gaps(self) -> list[Blind] | None:
        """What agents could not look at in the period, the most frequent first; ``None``: not told for part of it."""
        return coverage.gaps(self.connection, since=self.reading.since, limit=10) if self.reading.view.whole else None

    @cached_property
    def not_covered(self) -> list[tuple[str, str, str]]:
        """Units that the management system does not cover: path, ``out`` or ``not_yet``, and why."""
        return [
            (path, unit.scope, unit.justification)
            for path, unit in self.reading.units.items()
            if unit.scope != "in" and self.reading.view.reaches(path)
        ]


def _thing(key: str, several: list[tuple[sa.Row[Any], Status]]) -> Thing:
    whole = [row for row, _ in several]
    per_unit: dict[str, int] = defaultdict(int)
    for row in whole:
        per_unit[row.unit] = max(per_unit[row.unit], row.assets)
    statuses = frozenset(stands for _, stands in several)
    return Thing(
        key=key,
        name=whole[0].name,
        vendor=whole[0].vendor,
        status=words.worst(set(statuses)),
        statuses=statuses,
        units=len(per_unit),
        assets=sum(per_unit.values()),
        score=max(row.score for row in whole),
        last=max((row.last for row in whole if row.last is not None), default=None),
    )
