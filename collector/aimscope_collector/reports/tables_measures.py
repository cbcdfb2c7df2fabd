"""Item 7: what is measured, month by month, and the figures a management review looks at."""

from __future__ import annotations

import calendar
import datetime
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from aimscope_collector import review
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.period import day_of, number_of, seconds_of
from aimscope_collector.reports.tables import Reading, Table, columns, version_at
from aimscope_collector.reports.tables_coverage import NO_LIST, latest_list, looks_by_month, parts
from aimscope_collector.reports.tables_reconciliation import (
    NOT_JUDGED,
    SHADOW,
    judged,
    of_no_catalogue,
    shadow,
    unseen,
)
from aimscope_collector.reports.tables_review import first_decision
from aimscope_collector.rules import Rules
from aimscope_collector.standing import NOTHING_TO_SAY, SETTLED
from aimscope_collector.store import actions, inventories

_HOUR: Final = 3_600
_DAY: Final = 86_400


class Month(msgspec.Struct, frozen=True):
    """A calendar month as far as it lies in the period. ``end`` is a moment that is not in it."""

    number: int
    start: int
    end: int


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number that a management review looks at: how it is made, and the table whose rows it counts."""

    id: str
    title: str
    value: str | int | None
    absent: str = "not recorded"
    how: str
    table: str


class Measures:
    """Everything that is counted for one pack, once."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._rules: dict[int | None, Rules] = {}

    def months(self) -> Iterator[Month]:
        """The months of the period, up to now."""
        at = day_of(self._reading.since)
        last = day_of(self._reading.end - 1)
        while at <= last:
            length = calendar.monthrange(at.year, at.month)[1]
            end = min(at.replace(day=length), last)
            yield Month(at.year * 100 + at.month, seconds_of(at), min(seconds_of(end) + _DAY, self._reading.end))
            at = at.replace(day=length) + datetime.timedelta(days=1)

    def rules_at(self, at: int) -> Rules:
        """The inventory in force at a moment, resolved."""
        version = version_at(self._reading.connection, at)
        number = version.number if version else None
        if number not in self._rules:
            content = inventories.content_of(self._reading.connection, number) if number is not None else None
            self._rules[number] = Rules(content, list(self._reading.given.services.values()))
        return self._rules[number]

    def shadow(self, month: Month) -> tuple[int, int]:
        """Services used without anybody's decision until a month's end, and all that were judged: each once."""
        first, last, end = number_of(day_of(month.start)), number_of(day_of(month.end - 1)), month.end - 1
        rules, today = self.rules_at(end), day_of(end)
        whole: set[tuple[str, str]] = set()
        without: set[tuple[str, str]] = set()
        found = [
            ((use.service, ""), use.unit, judged(self._reading, rules, use, today).result)
            for use in self._reading.used_between(first, last)
            if use.service
        ]
        for row, result in of_no_catalogue(self._reading, month.start, month.end):
            found.append((("", row.condition), row.unit, result))
        for key, unit, result in found:
            if result != NOT_JUDGED:
                whole.add(key)
                if result in SHADOW and not self._settled(key, unit, end):
                    without.add(key)
        return len(without), len(whole)

    def _settled(self, key: tuple[str, str], unit: str, at: int) -> bool:
        past = self._reading.past.get(key)
        taken = [one for one in past.of(unit) if one.at <= at] if past else []
        return review.standing(taken, unit, at).state in SETTLED

    def overdue(self, at: int) -> int:
        """Rows of the inventory, and settled decisions about findings, whose review day had passed at a moment."""
        today = day_of(at)
        systems = self.rules_at(at).inventory
        rows = [
            use
            for use in (systems.systems if systems else ())
            if use.status != "retired" and use.next_review is not None and use.next_review < today
        ]
        due = 0
        for row in self._reading.findings:
            past = [one for one in self._reading.decided(row) if one.at <= at]
            due += review.standing(past, row.unit, at).reopened in ("review_due", "expired")
        return len(rows) + due

    def triage(self, month: Month) -> tuple[list[float], int]:
        """Hours to a person's first decision about findings raised in a month, and how many wait for one."""
        hours, waiting = [], 0
        for row in self._reading.findings:
            if month.start <= row.opened_at < month.end:
                first = first_decision(self._reading, row)
                if first is not None:
                    hours.append((first.at - row.opened_at) / _HOUR)
                elif not self._reading.standings[row.id].settled:
                    waiting += 1
        return hours, waiting

    def registering(self, month: Month) -> list[float]:
        """Days from raising a finding to the decision that registered it, for those of a month."""
        days = []
        for row in self._reading.findings:
            when = [
                one.at for one in self._reading.decided(row) if one.action == "register" and one.at >= row.opened_at
            ]
            if when and month.start <= when[0] < month.end:
                days.append((when[0] - row.opened_at) / _DAY)
        return days


def _share(part: int, whole: int) -> str | None:
    return f"{100 * part / whole:.1f} %" if whole else None


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _measures(reading: Reading) -> Iterator[Sequence[Value]]:
    measures = Measures(reading)
    looked = looks_by_month(reading)
    for month in measures.months():
        without, total = measures.shadow(month)
        inventory = measures.rules_at(month.end - 1).inventory is not None
        hours, waiting = measures.triage(month)
        decided = sum(month.start <= one.at < month.end for one in reading.decisions)
        name = f"{month.number // 100}-{month.number % 100:02}"
        whole = month.start == seconds_of(day_of(month.start).replace(day=1)) and day_of(month.end).day == 1
        yield (
            *(name, name, whole, total, without if inventory else None, _share(without, total) if inventory else None),
            *(sum(month.start <= row.opened_at < month.end for row in reading.findings), decided),
            *(_median(hours), waiting, _median(measures.registering(month)), looked.get(month.number)),
            measures.overdue(month.end - 1),
        )


def figures(reading: Reading) -> list[Figure]:
    """What a management review looks at, over the whole period."""
    measures = Measures(reading)
    end = reading.end - 1
    without, total = shadow(reading)
    fleet = parts(reading)
    known, looked = sum(part[1] for part in fleet), sum(part[3] for part in fleet)
    listed = latest_list(reading) is not None
    open_ = (row for row in reading.findings if row.present and row.verdict not in NOTHING_TO_SAY)
    undecided = [row for row in open_ if not reading.standings[row.id].settled]
    used = {use.service for use in reading.used}
    idle = list(unseen(reading.rules, used, day_of(reading.as_of)))
    whole = Month(0, reading.since, reading.end)
    hours, _ = measures.triage(whole)
    no_inventory = "no inventory was in force"
    judges = reading.inventory is not None
    found = [
        Figure(
            id="F01",
            title="AI services seen",
            value=len(used - {""}),
            how="Different services of the catalogue seen at least once in the period.",
            table="reconciliation",
        ),
        Figure(
            id="F02",
            title="Shadow ratio",
            value=f"{without} of {total} ({_share(without, total)})" if total and judges else None,
            absent=no_inventory if not judges else "nothing was judged",
            how="Different services, each once, of which a row says unregistered or prohibited, in use, and whose "
            "disposition there is not tolerated, registered or dismissed; of all services in use that were judged.",
            table="reconciliation",
        ),
        Figure(
            id="F03",
            title="Registered and not seen",
            value=len(idle) if judges else None,
            absent=no_inventory,
            how="Rows that authorise something of which nothing was seen in the period.",
            table="reconciliation",
        ),
        Figure(
            id="F04",
            title="Devices looked at",
            value=f"{looked} of {known} ({_share(looked, known)})" if listed and known else None,
            absent=f"{looked} devices; {NO_LIST}",
            how="Managed devices at which a look ended within the period, of those there should be.",
            table="coverage",
        ),
        Figure(
            id="F05",
            title="Findings without a decision",
            value=len(undecided),
            how="Findings still there that nobody settled, on the day this pack was made, but for authorised use and "
            "what there is no inventory to judge by.",
            table="findings",
        ),
        Figure(
            id="F06",
            title="Of them high or critical",
            value=sum(row.score >= 10 for row in undecided),
            how="Likelihood × impact of 10 or more, of 25.",
            table="findings",
        ),
        Figure(
            id="F07",
            title="Median hours to a first decision",
            value=None if _median(hours) is None else f"{_median(hours):g}",
            absent="no finding raised in the period was decided by a person",
            how="From raising a finding to the first decision a person took of it.",
            table="findings",
        ),
        Figure(
            id="F08",
            title="Median days to register",
            value=None if not (days := measures.registering(whole)) else f"{_median(days):g}",
            absent="nothing was registered by a decision in the period",
            how="From raising a finding to the decision that registered it.",
            table="findings",
        ),
        Figure(
            id="F09",
            title="Overdue reviews",
            value=measures.overdue(end),
            how="Rows of the inventory, and decisions about findings, whose review day or end has passed.",
            table="measures",
        ),
    ]
    return [*found, *_corrections(reading)]


def _corrections(reading: Reading) -> Iterator[Figure]:
    sees = reading.view.may("decisions:read")
    ours = {row.id for row in reading.findings}
    several = [one for one in actions.actions(reading.connection) if one.finding in ours] if sees else []
    late = sum(one.stage(reading.now) == "overdue" for one in several)
    helped = sum(one.effective is True for one in several)
    yield Figure(
        id="F10",
        title="Corrective actions",
        value=(f"{len(several)}: {late} overdue, {helped} shown to have helped" if several else "none")
        if sees
        else None,
        absent="not shown to this role",
        how="Those opened for findings of the period.",
        table="corrective-actions",
    )


def _figures(reading: Reading) -> Iterator[Sequence[Value]]:
    for one in figures(reading):
        yield one.id, one.title, one.absent if one.value is None else one.value, one.how, one.table


TABLES: Final = (
    Table(
        name="figures",
        title="Extract for the management review",
        says="The state of discovery in a few numbers, each with how it is made and the table that its rows are in.",
        item=7,
        controls=("42001:9.3", "42001:9.1", "42001:10.1"),
        columns=columns(
            ("id", "Figure"), ("title", "What"), ("value", "Value"), ("how", "How it is made"), ("table", "Rows in")
        ),
        rows=_figures,
    ),
    Table(
        name="measures",
        title="Measures by month",
        says="Trends over the period. How uses stood to the inventory is judged by the version in force at the end of "
        "each month, and by decisions taken until then; a service counts once. Devices "
        "there should have been in past months are not recorded, so agents are counted.",
        item=7,
        controls=("42001:9.1", "42001:A.6.2.6", "nist:MEASURE-2.4"),
        columns=columns(
            ("id", "Row"),
            ("month", "Month"),
            ("whole_month", "Whole month"),
            ("uses", "Services in use"),
            ("unregistered", "Used without a decision", "no inventory was in force"),
            ("shadow_ratio", "Shadow ratio", "nothing was judged"),
            ("raised", "Findings raised"),
            ("decisions", "Decisions"),
            ("median_hours_to_decision", "Median hours to first decision", "none was taken"),
            ("waiting", "Raised then, undecided now"),
            ("median_days_to_register", "Median days to register", "nothing was registered"),
            ("agents_that_looked", "Agents that looked", "none, or no longer kept"),
            ("overdue_reviews", "Overdue reviews at its end"),
            off_paper="id whole_month",
        ),
        rows=_measures,
    ),
)
