"""Item 4: what was in use against the inventory as it stood."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.authorisation import Place, Ruling, decide
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading, Table, Use, columns, day, moment
from aimscope_collector.rules import Rules
from aimscope_collector.standing import SETTLED
from aimscope_collector.store.tables.review import INVENTORY

Result = Literal[
    "registered, in use",
    "registered for some machines, in use",
    "registered, not seen",
    "unregistered, in use",
    "prohibited, in use",
    "in use, not judged",
    "in use, no inventory",
]
_ORDER: Final[tuple[Value, ...]] = (
    "prohibited, in use",
    "unregistered, in use",
    "in use, no inventory",
    "registered for some machines, in use",
    "registered, in use",
    "registered, not seen",
    "in use, not judged",
)
_OPEN: Final = ("unreviewed", "under_review", "escalated")
SHADOW: Final[frozenset[Value]] = frozenset(("unregistered, in use", "prohibited, in use"))
"""What the verdicts of ``standing.SHADOW`` come to here: no row of the inventory authorises it there."""
NOT_JUDGED: Final = "in use, not judged"
_NO_ROW: Final = "no row"


class Matched(msgspec.Struct, frozen=True):
    """What an inventory says of a service in a unit: the result for use of it there, the deciding row, and why."""

    result: Result
    row: str
    why: str
    owner: str


def matched(rules: Rules, use: Use, today: datetime.date) -> Matched:
    """How a use stood to an inventory on a day. Rows for some machines only do not speak for a whole unit."""
    if rules.inventory is None:
        return Matched("in use, no inventory", "", "There was no inventory to judge by.", "")
    place = Place(host="", unit=use.unit)
    rulings = [Ruling(row, row.outside(place), (place,), today) for row in rules.about(use.service)]
    first, _ = decide(rulings)
    if first is None or first.standing not in ("authorises", "prohibits"):
        for row in rules.about(use.service):
            if row.tells_apart(use.unit) and Ruling(row, None, (place,), today).standing == "authorises":
                why = "The row is for some machines only: the finding says which are meant."
                return Matched("registered for some machines, in use", row.use.label, why, row.use.owner)
    if first is None:
        why = " ".join(rulings[0].reasons) if rulings else "No row of the inventory names it."
        return Matched("unregistered, in use", _NO_ROW, why, "")
    label, why, owner = first.use.label, " ".join(first.reasons), first.use.owner
    if first.standing == "prohibits":
        return Matched("prohibited, in use", label, why, owner)
    registered = first.standing == "authorises"
    return Matched("registered, in use" if registered else "unregistered, in use", label, why, owner)


def judged(reading: Reading, rules: Rules, use: Use, today: datetime.date) -> Matched:
    """The same, but for what raised no finding and no row names: that is not judged."""
    said = matched(rules, use, today)
    known = rules.inventory is None or (use.service, use.unit) in reading.raised or said.row not in ("", _NO_ROW)
    return said if known else Matched(NOT_JUDGED, said.row, _why_not(reading, use), "")


def of_no_catalogue(reading: Reading, since: int, until: int) -> list[tuple[sa.Row[Any], Result]]:
    """Findings about what looks like AI and is in no catalogue, seen between two moments, and the result for each."""
    return [
        (row, "registered, in use" if row.verdict == "authorised" else "unregistered, in use")
        for row in reading.findings
        if not row.service and row.last is not None and row.last >= since and (row.first or row.last) < until
    ]


def _reconciliation(reading: Reading) -> list[Sequence[Value]]:
    """What needs somebody first; within that by service and unit."""
    return sorted(_rows(reading), key=lambda row: (_ORDER.index(row[1]), str(row[2]).casefold(), str(row[0])))


def shadow(reading: Reading) -> tuple[int, int]:
    """Services used without anybody's decision, and all that were judged: each once, as rows of the table say it."""
    rows = [row for row in _rows(reading) if row[1] not in ("registered, not seen", NOT_JUDGED)]
    without = {row[3] or row[2] for row in rows if row[1] in SHADOW and row[9] not in SETTLED}
    return len(without), len({row[3] or row[2] for row in rows})


def _summary(reading: Reading) -> Iterator[Sequence[Value]]:
    rows = _reconciliation(reading)
    counts = Counter(row[1] for row in rows)
    undecided = Counter(row[1] for row in rows if row[9] in _OPEN)
    for result in _ORDER:
        if counts[result]:
            yield result, result, counts[result], len({row[2] for row in rows if row[1] == result}), undecided[result]


def _rows(reading: Reading) -> Iterator[Sequence[Value]]:
    today = day_of(reading.as_of)
    by_use = _dispositions(reading)
    for use in reading.used:
        if not use.service:
            continue
        found = by_use.get((use.service, use.unit))
        said = judged(reading, reading.rules, use, today)
        yield (
            *(f"{use.service}@{use.unit or '-'}", said.result, reading.name_of(use.service), use.service),
            *(use.unit or "(no unit)", said.row if said.row not in ("", _NO_ROW) else None, said.why),
            *(_standing(reading, found) if found is not None else (None, None, None, None)),
            *(said.owner or None, day(use.first), day(use.last), use.days),
            *(reading.view.count(use.assets), reading.view.count(use.subjects)),
        )
    yield from _unknown(reading)
    yield from _not_seen(reading)


def _why_not(reading: Reading, use: Use) -> str:
    unit = reading.units.get(use.unit)
    if unit is not None and unit.scope != "in":
        return f"The unit is {unit.scope.replace('_', ' ')} in scope: {unit.justification}"
    return (
        "The evidence is weak (it is only named somewhere), or somebody said that it is wrong: no finding was raised."
    )


def _dispositions(reading: Reading) -> dict[tuple[str, str], sa.Row[Any]]:
    """Of each service and unit the finding about the use as a whole, else the most pressing one."""
    found: dict[tuple[str, str], sa.Row[Any]] = {}
    for row in reading.findings:
        known = found.get((row.service, row.unit))
        if known is None or (bool(row.condition), -row.score, row.id) < (bool(known.condition), -known.score, known.id):
            found[row.service, row.unit] = row
    return found


def _standing(reading: Reading, row: sa.Row[Any]) -> tuple[Value, ...]:
    standing = reading.standings[row.id]
    return row.id, row.verdict, standing.state, standing.assignee or None


def _unknown(reading: Reading) -> Iterator[Sequence[Value]]:
    for row, result in of_no_catalogue(reading, reading.since, reading.until):
        yield (
            *(row.id, result, row.name, None, row.unit or "(no unit)", row.row or None),
            *(" ".join(msgspec.json.decode(row.reasons)), *_standing(reading, row)),
            *(None, reading.view.day(row.first), reading.view.day(row.last), None),
            *(reading.view.count(row.assets), reading.view.count(row.subjects)),
        )


def _not_seen(reading: Reading) -> Iterator[Sequence[Value]]:
    """Rows in force of which nothing was seen; only a finding that says dormant shows that it is not there."""
    used = {use.service for use in reading.used}
    dormant = {row.service for row in reading.findings if row.verdict == "dormant" and row.present}
    for use, services in unseen(reading.rules, used, day_of(reading.as_of)):
        proven = services and all(service in dormant for service in services)
        if services and proven:
            why = "Everything that would show it was looked at, on every device it is for: it is dormant."
        elif services:
            why = "Nothing of it was seen. Its absence is not proven: see coverage and blind spots."
        else:
            why = "The row names nothing that the catalogue knows: use of it cannot be recognised by this name."
        units = [unit for unit in use.units if reading.view.reaches(unit)] if use.units else list(use.units)
        if use.units and not units:
            continue
        yield (
            *(f"row:{use.label}", "registered, not seen", use.name, ", ".join(services) or None),
            *(", ".join(units) or "(all)", use.label, why, None, None, None, None, use.owner or None),
            *(None, None, None, None, None),
        )


def unseen(rules: Rules, used: set[str], today: datetime.date) -> Iterator[tuple[AuthorisedUse, list[str]]]:
    """Rows that authorise something on a day, none of whose services was used."""
    systems = rules.inventory.systems if rules.inventory else ()
    for use, rows in zip(systems, rules.systems, strict=True):
        live = use.status in ("approved", "restricted", "tolerated")
        begun = use.start is None or use.start <= today
        over = use.expiry is not None and use.expiry < today
        if live and begun and not over and used.isdisjoint(rows):
            yield use, sorted(rows)


def _note(reading: Reading) -> str:
    version = reading.version
    if version is None:
        return f"On {moment(reading.as_of)} there was no inventory in force: nothing can be called registered."
    return (
        f"The inventory is version {version.number} as it stood on {moment(reading.as_of)}: what was kept later is not "
        f"looked at, even if it says that it counts from an earlier day. Its file is "
        f"inventory/version-{version.number}.json, SHA-256 {version.digest}. Verdict, state and owner of the decision "
        f"are those of {moment(reading.now)}."
    )


def _versions(reading: Reading) -> Iterator[Sequence[Value]]:
    c = INVENTORY.c
    query = sa.select(c.number, c.created_at, c.effective_from, c.author, c.note, c.digest)
    for row in reading.connection.execute(query.where(c.created_at < reading.until).order_by(c.number)):
        current = reading.version is not None and reading.version.number == row.number
        yield (
            *(f"version-{row.number}", row.number, moment(row.created_at), moment(row.effective_from), row.author),
            *(row.note or None, current, row.digest),
        )


def _register(reading: Reading) -> Iterator[Sequence[Value]]:
    for number, use in enumerate(reading.inventory.systems if reading.inventory else (), 1):
        if use.units and not any(map(reading.view.reaches, use.units)):
            continue
        scope = {True: "in", False: "out", None: None}[use.scope.in_aims]
        yield (
            *(f"{number}:{use.label}", use.name, use.status, use.vendor or None, use.purpose or None),
            *(", ".join(use.units) or "(all)", use.owner or None, use.approver or None, use.risk_class or None),
            *(use.impact_assessment_ref or None, _date(use.impact_assessment_date), scope),
            *(use.scope.justification or None, _date(use.start), _date(use.expiry), _date(use.next_review)),
            *("; ".join(use.conditions) or None, "; ".join(use.controls) or None, ", ".join(use.evidence_refs) or None),
        )


def _date(value: datetime.date | None) -> str | None:
    return value.isoformat() if value else None


TABLES: Final = (
    Table(
        name="reconciliation-summary",
        title="In use against registered, counted",
        says="How many services by unit came to each result, and how many of them nobody has decided about.",
        item=4,
        controls=("42001:9.1", "42001:A.4.2", "nist:GOVERN-1.6"),
        columns=columns(
            ("id", "Row"),
            ("result", "Result"),
            ("rows", "Services by unit"),
            ("services", "Different services"),
            ("undecided", "Of them undecided"),
            off_paper="id",
        ),
        rows=_summary,
        empty="Nothing was seen in the period, and nothing is registered.",
    ),
    Table(
        name="reconciliation",
        title="In use against registered",
        says="Each service seen in the period, by unit, against the inventory as it stood; and rows of the inventory "
        "of which nothing was seen. Devices and people are those of the busiest day.",
        item=4,
        controls=("42001:8.1", "42001:A.4.2", "42001:A.9.2", "42001:A.9.4", "27001:A.5.9", "nist:GOVERN-1.6"),
        columns=columns(
            ("id", "Row"),
            ("result", "Result"),
            ("name", "Service"),
            ("service", "Catalogue id", "in no catalogue"),
            ("unit", "Unit"),
            ("row", "Inventory row", "no row"),
            ("why", "Why"),
            ("finding", "Finding", "none was raised"),
            ("verdict", "Verdict now", "none was raised"),
            ("state", "Disposition", "none was raised"),
            ("assignee", "Whose it is to decide", "nobody was named"),
            ("owner", "Owner by the inventory", "not registered, or not named"),
            ("first", "First seen", "not seen, or not shown"),
            ("last", "Last seen", "not seen, or not shown"),
            ("days", "Days seen", "not counted"),
            ("devices", "Devices", "none seen"),
            ("people", "People", "none seen"),
            off_paper="id service why finding verdict days first",
        ),
        rows=_reconciliation,
        note=_note,
        empty="Nothing was seen in the period, and nothing is registered.",
    ),
    Table(
        name="inventory-versions",
        title="Versions of the inventory",
        says="Every version that was kept, and which one the reconciliation is made with. The digest is the SHA-256 of "
        "the version's file in this pack.",
        item=4,
        controls=("42001:7.5", "42001:A.4.2", "27001:A.5.9"),
        needs=("inventory:read",),
        columns=columns(
            ("id", "Row"),
            ("number", "Version"),
            ("kept", "Kept"),
            ("counts_from", "Counts from"),
            ("author", "By"),
            ("note", "Note", "none"),
            ("used", "Used here"),
            ("digest", "SHA-256"),
            off_paper="id digest",
        ),
        rows=_versions,
        empty="No inventory was ever kept.",
    ),
    Table(
        name="register",
        title="The inventory as it stood",
        says="Every row of the version used here.",
        item=4,
        controls=("42001:A.4.2", "42001:A.9.4", "42001:8.4", "42001:A.5.2", "27001:A.5.9", "aiact:26"),
        needs=("inventory:read",),
        columns=columns(
            ("id", "Row"),
            ("name", "System"),
            ("status", "Status"),
            ("vendor", "Vendor"),
            ("purpose", "Purpose"),
            ("units", "For"),
            ("owner", "Owner"),
            ("approver", "Approved by"),
            ("risk_class", "Risk class"),
            ("impact_assessment", "Impact assessment"),
            ("impact_assessment_date", "Made on"),
            ("scope", "Management system", "the register does not say"),
            ("scope_why", "Why"),
            ("start", "From", "no first day"),
            ("expiry", "Until", "no last day"),
            ("next_review", "Next review", "no day is set"),
            ("conditions", "Conditions", "none"),
            ("controls", "Controls", "none"),
            ("evidence", "Evidence", "none"),
            off_paper="id purpose approver impact_assessment_date scope_why start conditions controls evidence",
        ),
        rows=_register,
        empty="No inventory was in force on that day.",
    ),
)
