"""Which rows of the inventory are missing, and which have outlived their use."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aimscope_collector.drafting_use import draft_use
from aimscope_collector.inventory.model import AuthorisedUse, UseStatus
from aimscope_collector.reports import words
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.review import Standing

_WANTED: Final = frozenset(("unregistered", "unknown_ai", "out_of_scope", "expired", "observed", "registered"))
_DECIDED: Final[dict[str, UseStatus]] = {"prohibited": "prohibited", "tolerated": "tolerated"}
_MOST_NOTES: Final = 3_500


class Change(msgspec.Struct, frozen=True):
    """One row to add, or to retire, and why."""

    kind: Literal["add", "retire"]
    use: AuthorisedUse
    why: str


def changes(reading: Reading) -> list[Change]:
    """What to add, by name; then what to retire, in the inventory's order."""
    groups: dict[tuple[str, UseStatus], list[sa.Row[Any]]] = defaultdict(list)
    for row in reading.findings:
        status = _wanted(row, reading.standings[row.id])
        if status is not None:
            groups[row.service or row.condition, status].append(row)
    added = [_added(reading, rows, status) for (_, status), rows in groups.items()]
    return sorted(added, key=lambda one: (one.use.name.casefold(), one.use.status)) + _retired(reading)


def _wanted(row: sa.Row[Any], standing: Standing) -> UseStatus | None:
    """The status of the row that a finding asks for; ``None`` if it asks for none."""
    if row.service and row.condition and row.condition != row.verdict:
        return None  # a condition that is broken: the row is there
    stands = words.status(row.verdict, standing.state)
    if stands in ("prohibited", "tolerated"):
        is_decided = standing.state == stands and row.verdict != stands
        return _DECIDED[stands] if is_decided else None
    return "proposed" if row.present and stands in _WANTED else None


def _added(reading: Reading, rows: list[sa.Row[Any]], status: UseStatus) -> Change:
    first = min(rows, key=lambda row: row.unit)
    standings = [reading.standings[row.id] for row in rows]
    drafted = draft_use(
        finding=first.id,
        name=first.name,
        unit="",
        service=reading.given.services.get(first.service),
        vendor=first.vendor,
    )
    units = _units(reading, rows, standings, status)
    ends = [one.until for one in standings if one.until is not None]
    why = _why(reading, rows, standings, status)
    deciders = sorted({one.by for one in standings if status != "proposed" or one.state == "registered"})
    use = msgspec.structs.replace(
        drafted,
        status=status,
        units=units,
        approver=", ".join(deciders) if reading.view.may("decisions:read") else "",
        expiry=day_of(min(ends)) if ends and status == "tolerated" else None,
        notes=why[:_MOST_NOTES],
    )
    return Change("add", use, why)


def _units(reading: Reading, rows: list[sa.Row[Any]], standings: list[Standing], status: UseStatus) -> tuple[str, ...]:
    """Units the row is for: none (that is, all) where one decision for the whole organisation is behind it."""
    if status != "proposed" and reading.view.may("decisions:read"):
        whole = {one.uid for one in reading.decisions if one.unit is None and not one.except_units}
        if all(one.decision in whole for one in standings):
            return ()
    return tuple(sorted({row.unit for row in rows if row.unit}))


def _why(reading: Reading, rows: list[sa.Row[Any]], standings: list[Standing], status: UseStatus) -> str:
    machines = reading.view.count(sum(row.assets for row in rows))
    number = machines if isinstance(machines, str) else f"{machines or 0:,}"
    where = f"{number} computer{'' if machines == 1 else 's'} in {len({row.unit for row in rows}):,} unit"
    where += "" if len({row.unit for row in rows}) == 1 else "s"
    seen = f"Seen on {where}"
    first = reading.view.day(min((row.first for row in rows if row.first is not None), default=None))
    last = reading.view.day(max((row.last for row in rows if row.last is not None), default=None))
    if first and last:
        seen += f" from {first} to {last}"
    stands = sorted({words.PLAIN[_stands(row, one)] for row, one in zip(rows, standings, strict=True)})
    said = f"{seen}: {', '.join(stands)}."
    reasons = sorted({one.reason for one in standings if one.reason})
    if status != "proposed" and reasons and reading.view.may("decisions:read"):
        said += f" Decided because: {' '.join(reasons)}"
    return said


def _stands(row: sa.Row[Any], standing: Standing) -> str:
    return words.status(row.verdict, standing.state) or row.verdict


def _retired(reading: Reading) -> list[Change]:
    """Rows that nobody uses although everything that would show it was looked at, and rows that have ended."""
    today = day_of(reading.as_of)
    unused = {row.row for row in reading.findings if row.verdict == "dormant" and row.present}
    used = {row.row for row in reading.findings if row.verdict != "dormant" and row.present and row.row}
    found = []
    for use in reading.inventory.systems if reading.inventory else ():
        if use.status in ("retired", "prohibited", "proposed") or use.label in used:
            continue
        if use.expiry is not None and use.expiry < today:
            why = f"It ended on {use.expiry}, and is not seen in use."
        elif use.label in unused:
            why = "It was not seen although everything that would show it was looked at. Ask its owner first."
        else:
            continue
        notes = f"{use.notes} {why}".strip()[:_MOST_NOTES]
        found.append(Change("retire", msgspec.structs.replace(use, status="retired", notes=notes), why))
    return found
