"""Who uses what, as counts by unit: for training and awareness (ISO/IEC 42001, 7.3; EU AI Act, article 4).

Counts of people only, never names. A unit with fewer people than may be told is put together with others, so that
nobody can be worked out from the totals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.privacy import broken_down
from aimscope_collector.reports import File, Report, ReportInput, papers, words
from aimscope_collector.reports.cells import Value, csv_bytes
from aimscope_collector.reports.charts import clean
from aimscope_collector.reports.findings_list import workbook
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.store import privacy

NAME: Final = "awareness"
COLUMNS: Final = ("service", "name", "stands", "unit", "people", "computers", "last_seen")
OTHERS: Final = "(small units together)"
UNKNOWN: Final = "not known"
"""No account was seen: a name in traffic is a machine's."""
TOLD: Final = (
    "aimscope keeps no record of who was told: it offers texts of notices, and somebody sends them. Keep that record "
    "where training is recorded, and name it in the evidence pack."
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """People of a unit who use a service. ``people`` and ``computers`` say so where they are too few to be told."""

    service: str
    name: str
    stands: str
    unit: str
    people: int | str
    computers: int | str
    last_seen: str


def lines(reading: Reading, least: int) -> list[Line]:
    """A line for each service and unit, services by name; ``least`` holds for everybody who asks."""
    groups: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    for row in reading.findings:
        if row.present and row.verdict != "dormant" and words.status(row.verdict, reading.standings[row.id].state):
            groups[row.service or row.condition].append(row)
    found = [line for rows in groups.values() for line in _of_service(reading, rows, least)]
    return sorted(found, key=lambda line: (line.name.casefold(), line.service, line.unit == OTHERS, line.unit))


def _of_service(reading: Reading, rows: list[sa.Row[Any]], least: int) -> list[Line]:
    people: dict[str, int] = defaultdict(int)
    computers: dict[str, int] = defaultdict(int)
    for row in rows:  # a condition's finding has the same people again: the larger number is of all
        people[row.unit] = max(people[row.unit], row.subjects)
        computers[row.unit] = max(computers[row.unit], row.assets)
    counted = {unit: min(people[unit] or computers[unit], computers[unit] or people[unit]) for unit in people}
    shown = broken_down(counted, least)
    groups: dict[str, tuple[str, ...]] = {unit or "(no unit)": (unit,) for unit in shown.shown}
    hidden = tuple(unit for unit in counted if unit not in shown.shown and counted[unit])
    if hidden:
        groups[OTHERS] = hidden
    return [
        _line(reading, label, [row for row in rows if row.unit in units], people, computers, least)
        for label, units in groups.items()
    ]


def _line(
    reading: Reading,
    label: str,
    rows: list[sa.Row[Any]],
    people: Mapping[str, int],
    computers: Mapping[str, int],
    least: int,
) -> Line:
    units = {row.unit for row in rows}
    several = {status for row in rows if (status := words.status(row.verdict, reading.standings[row.id].state))}
    some, machines = sum(people[unit] for unit in units), sum(computers[unit] for unit in units)
    return Line(
        service=rows[0].service,
        name=rows[0].name,
        stands=words.PLAIN[words.worst(several)],
        unit=label,
        people=_told(some, least) if some or not machines else UNKNOWN,
        computers=_told(machines, least),
        last_seen=reading.view.day(max((row.last for row in rows if row.last is not None), default=None)) or "",
    )


def _told(number: int, least: int) -> int | str:
    return number if number == 0 or number >= least else f"fewer than {least}"


def make(given: ReportInput) -> Sequence[File]:
    """The list in the form asked for."""
    reading = Reading(given)
    least = privacy.policy(given.connection).least_group  # the list goes round: nobody's own rights count here
    found = lines(reading, least)
    if given.asked.form == "html":
        page = papers.html(
            "awareness.html",
            lines=[msgspec.structs.replace(line, name=clean(line.name), unit=clean(line.unit)) for line in found],
            least=least,
            first=day_of(reading.since).isoformat(),
            last=day_of(reading.until - 1).isoformat(),
            units=[clean(unit) for unit in reading.view.units],
            told=TOLD,
        )
        return papers.files(NAME, "html", page)
    table: list[tuple[Value, ...]] = [msgspec.structs.astuple(line) for line in found]
    if given.asked.form == "xlsx":
        return (File(f"{NAME}.xlsx", workbook(COLUMNS, table, title="Awareness")),)
    return (File(f"{NAME}.csv", csv_bytes(COLUMNS, table)),)


REPORT: Final = Report(
    name=NAME,
    title="Awareness list",
    description="How many people of each unit use which AI service: for training. Counts only, no small groups.",
    forms=("csv", "xlsx", "html"),
    takes=frozenset(("period", "unit")),
    make=make,
)
