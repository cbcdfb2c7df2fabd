"""The page of a pack: for a reader with a browser, a printer or a screen reader, and for nobody's script."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from aimscope_collector.reports import controls
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.evidence_pack_files import Written
from aimscope_collector.reports.papers import environment
from aimscope_collector.reports.tables import Column, Reading, moment
from aimscope_collector.reports.tables_coverage import latest_list
from aimscope_collector.reports.tables_measures import Figure
from aimscope_collector.reports.tables_people import ACKNOWLEDGEMENTS

_ON_PAPER: Final = 12
"""Rows of a table in the PDF."""
_LONGEST: Final = 240
"""Characters of a cell on the page; files have all."""
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):\d{2}Z")


class Item(msgspec.Struct, frozen=True):
    """One of the thirteen things an auditor asks for."""

    number: int
    title: str
    asks: str


ITEMS: Final = (
    Item(1, "How AI is looked for", "By what procedure, with which catalogue, and how did that change?"),
    Item(2, "Coverage and blind spots", "Of what fleet, how much could be looked at, and what not?"),
    Item(3, "Schedule and run records", "When was looked, by whom, with what result?"),
    Item(4, "In use against registered", "What is in use, what is registered, and where do they differ?"),
    Item(5, "Findings from detection to closure", "What happened to each finding, who decided, and was it corrected?"),
    Item(6, "Exceptions", "What is tolerated or left out, why, and until when?"),
    Item(7, "Measures and management review", "How does it develop, and what should management know?"),
    Item(8, "Suppliers", "Whose AI is it, and under what contract?"),
    Item(9, "Scope", "Does the declared scope fit what is in use?"),
    Item(10, "Access and audit log", "Who can see and do what, who did, and is the record whole?"),
    Item(11, "Retention and privacy", "How long is what kept, and what is shown of people?"),
    Item(12, "Awareness", "Who uses what, so that training reaches them?"),
    Item(13, "Trace", "Show me how you know."),
)
PROCEDURE: Final = (
    "Agents on machines and gateways compare what they see (installed programs, processes, configurations, names of "
    "hosts in traffic and logs) with a signed catalogue of AI services. They never read prompts or content. They send "
    "totals for each service, device and account to the collector, which replaces names of people and devices by "
    "pseudonyms before anything is stored, compares what is in use with the inventory of authorised AI, and raises a "
    "finding for each difference. People decide about findings, with reasons; decisions are only ever added."
)


def html(reading: Reading, several: Sequence[Written], figures: Sequence[Figure], *, paper: bool) -> str:
    """The page. For ``paper`` with fewer rows, and without what only a screen can do."""
    template = environment().overlay(finalize=_readable).get_template("evidence_pack.html")
    by_item = {item.number: [one for one in several if one.table.item == item.number] for item in ITEMS}
    asked = reading.given.asked
    return template.render(
        paper=paper,
        organisation=reading.inventory.organisation.name if reading.inventory else "",
        first=_day(asked.since),
        last=_day(asked.until - 1),
        made=_said(reading.now),
        as_of=_said(asked.as_of),
        who=reading.given.who,
        units=reading.view.units,
        least=reading.view.least,
        version=reading.given.version,
        catalogue=reading.given.catalogue,
        inventory=reading.version,
        figures=figures,
        ids={one.table.name: one.id for one in several},
        items=[(item, by_item[item.number]) for item in ITEMS],
        mappings=[one for one in several if one.table.item == 0],
        procedure=PROCEDURE,
        cannot=_cannot(reading, several),
        columns=_columns,
        rows=lambda one: _rows(one, _ON_PAPER if paper else len(one.first)),
        label=controls.label,
        title_of=lambda control: controls.by_id()[control].title,
    )


def _said(at: int) -> str:
    """A moment for people."""
    return f"{_cell(moment(at) or 'an unknown moment')} UTC"


def _day(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%-d %B %Y")


def _cannot(reading: Reading, several: Sequence[Written]) -> list[str]:
    """What this pack cannot show, said before anything that it can."""
    found = [f"{one.id} {one.table.title}. {one.left_out}" for one in several if one.left_out]
    if latest_list(reading) is None:
        found.append("How many devices have no agent: no list of the devices there should be was imported.")
    if reading.version is None:
        found.append("What was registered: no inventory was in force on the day asked for.")
    if reading.view.least:
        found.append(f"Groups of fewer than {reading.view.least} people or devices: they are not told apart.")
    if not reading.view.whole:
        found.append(f"Anything outside of {', '.join(reading.view.units)}.")
    if reading.view.time != "day":
        found.append(f"When exactly something was used: by policy, time is shown as: {reading.view.time}.")
    if reading.until > reading.now:
        found.append(f"What happens after {_said(reading.now)}: the period had not ended when this pack was made.")
    return [
        *found,
        ACKNOWLEDGEMENTS,
        "How many devices there should have been in past months: only the present list is kept.",
        "Whether a control applies: that is the organisation's Statement of Applicability to say.",
        "Standing, owners and corrections of findings are those of the day the pack was made.",
    ]


def _columns(one: Written) -> list[Column]:
    return [column for column in one.table.columns if column.paper]


def _rows(one: Written, most: int) -> list[list[str]]:
    shown = [number for number, column in enumerate(one.table.columns) if column.paper]
    return [[_cell(row[number]) for number in shown] for row in one.first[:most]]


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    text = _MOMENT.sub(r"\1 \2", str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _readable(value: object) -> object:
    """Text without characters that are only there to deceive the reader."""
    return _UNSAFE.sub(_spelt, value) if type(value) is str else value


def _spelt(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
