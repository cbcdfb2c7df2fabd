"""The draft of a scope statement (ISO/IEC 42001, 4.3): a document that people finish, as HTML, PDF or Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from aimscope_collector.reports import File, Report, ReportInput, papers
from aimscope_collector.reports.charts import clean
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.scope_statement_content import PLACES, Outside, Statement, statement
from aimscope_collector.reports.tables import Reading

NAME: Final = "scope-statement"
_SHOWN: Final = 8
TO_WRITE: Final = (
    ("Context", "What the organisation does with AI, and which internal and external matters count (clause 4.1)."),
    ("Interested parties", "Who has requirements about it, and which of these are met here (clause 4.2)."),
    ("Roles", "Whether the organisation provides, makes, or uses AI systems, and for which of them."),
    ("Interfaces", "What is done by others, and what of it the management system relies on."),
)
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&])")


def make(given: ReportInput) -> Sequence[File]:
    """The draft in the form asked for."""
    reading = Reading(given)
    said = statement(reading)
    first, last = day_of(reading.since).isoformat(), day_of(reading.until - 1).isoformat()
    limits = ", ".join(reading.view.units)
    if given.asked.form == "md":
        return (File(f"{NAME}.md", markdown(said, first=first, last=last, limits=limits).encode()),)
    page = papers.html(
        "scope_statement.html",
        said=said,
        first=first,
        last=last,
        limits=limits,
        places=PLACES,
        to_write=TO_WRITE,
        some=some,
        clean=clean,
        version=given.version,
    )
    return papers.files(NAME, given.asked.form, page)


def some(units: Sequence[str]) -> str:
    """The first few units, and how many more."""
    named = ", ".join(clean(unit) or "no unit" for unit in units[:_SHOWN])
    return named if len(units) <= _SHOWN else f"{named} and {len(units) - _SHOWN:,} more"


def plain(text: str) -> str:
    """A text that Markdown takes for nothing else, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join("".join(one if one.isprintable() else " " for one in text).split()))


def markdown(said: Statement, *, first: str, last: str, limits: str) -> str:
    """The draft as Markdown."""
    at = f" of {plain(said.organisation)}" if said.organisation else ""
    lines = [
        f"# Scope of the AI management system{at} (draft)",
        "",
        f"ISO/IEC 42001, clause 4.3. Drafted from what is registered, and from what was seen from {first} to {last}"
        + (f", for {plain(limits)} only." if limits else "."),
        "A person has to finish and approve it.",
    ]
    for title, what in TO_WRITE:
        lines += ["", f"## {title}", "", f"*To be written:* {what}"]
    lines += ["", "## Organisational units", ""]
    lines += _table(
        ("Unit", "Scope", "Why", "Services seen"),
        (
            (one.name, PLACES[one.place], f"{one.why} {one.note}".strip() or "–", f"{one.services:,}")
            for one in said.units
        ),
        "There are no units: the whole organisation is in scope.",
    )
    lines += ["", "## AI systems", ""]
    lines += _table(
        ("System", "Scope", "Why", "Status", "Owner", "Seen"),
        (
            (
                one.name,
                PLACES[one.place],
                one.why or "–",
                one.status,
                one.owner or "nobody named",
                "yes" if one.seen else "no",
            )
            for one in said.systems
        ),
        "The inventory names no system." if said.has_inventory else "There is no inventory yet.",
    )
    lines += ["", "## Seen outside the scope", ""]
    lines += _seen(said.outside, "Nothing was seen in units that are out of scope.")
    lines += ["", "## Seen in scope, and not registered", ""]
    lines += _seen(said.unregistered, "Everything that was seen in scope is registered.")
    if said.unknown:
        lines += ["", f"AI that no catalogue knows was seen as well: {said.unknown:,} in all."]
    lines += ["", "What could not be looked at may hold more: see the coverage statement of the evidence pack."]
    return "\n".join(lines) + "\n"


def _seen(several: Iterable[Outside], nothing: str) -> list[str]:
    return _table(("Service", "Units", "Why"), ((one.name, some(one.units), one.why) for one in several), nothing)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> list[str]:
    body = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *body] if body else [nothing]


REPORT: Final = Report(
    name=NAME,
    title="Scope statement (draft)",
    description="Clause 4.3: units and systems in scope and out of it, why, what was seen outside. People finish it.",
    forms=("html", "pdf", "md"),
    takes=frozenset(("period", "as_of", "unit")),
    needs=("inventory:read",),
    make=make,
)
