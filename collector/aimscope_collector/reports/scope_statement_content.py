"""What the scope statement says: units and systems in, out or not yet, and what was seen on the other side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.reports import words
from aimscope_collector.reports.tables import Reading
from aimscope_collector.services import same_name
from aimscope_collector.store import scope
from aimscope_collector.store.scope import Placed

Place = Literal["in", "out", "not_yet", "open"]
PLACES: Final[dict[Place, str]] = {"in": "in scope", "out": "out of scope", "not_yet": "not yet", "open": "not said"}
MISSING: Final = "no justification is written down"


class UnitLine(msgspec.Struct, frozen=True, kw_only=True):
    """An organisational unit. ``note`` says where what was declared and what is judged differ."""

    name: str
    place: Place
    why: str
    services: int
    note: str = ""


class SystemLine(msgspec.Struct, frozen=True, kw_only=True):
    """A system of the inventory or the register; ``seen`` says whether it was in the period."""

    name: str
    place: Place
    why: str
    status: str
    owner: str
    seen: bool


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Something seen that the scope does not cover: where, and why it is outside."""

    name: str
    units: tuple[str, ...]
    why: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. ``unknown`` is how many AI systems were seen that no catalogue knows."""

    organisation: str
    units: tuple[UnitLine, ...]
    systems: tuple[SystemLine, ...]
    outside: tuple[Outside, ...]
    unregistered: tuple[Outside, ...]
    unknown: int
    has_inventory: bool


def statement(reading: Reading) -> Statement:
    """What is said, within what who asks may see."""
    entries = scope.register(reading.connection)
    by_unit = {one.name.casefold(): one for one in entries if one.what == "unit"}
    systems = {same_name(one.name): one for one in entries if one.what == "system"}
    lines = _units(reading, by_unit)
    return Statement(
        organisation=reading.inventory.organisation.name if reading.inventory else "",
        units=tuple(lines),
        systems=tuple(_systems(reading, systems)),
        outside=tuple(_outside(reading, {line.name: line.place for line in lines})),
        unregistered=tuple(_unregistered(reading)),
        unknown=len({row.condition for row in reading.findings if not row.service and row.present}),
        has_inventory=reading.inventory is not None,
    )


def _units(reading: Reading, declared: Mapping[str, Placed]) -> list[UnitLine]:
    services: dict[str, set[str]] = defaultdict(set)
    for use in reading.used:
        services[use.unit].add(use.service)
    found = []
    for path, unit in sorted(reading.units.items()):
        if not reading.view.reaches(path):
            continue
        said = declared.get(path.casefold())
        place: Place = said.place if said else unit.scope
        note = ""
        if said and said.place != unit.scope:
            raised = "are" if unit.scope == "in" else "are not"
            note = f"The register says {PLACES[place]}, but findings {raised} raised here: bring both in line."
        why = (said.justification if said else unit.justification) or ("" if place == "in" else MISSING)
        found.append(UnitLine(name=path, place=place, why=why, services=len(services[path]), note=note))
    return found


def _systems(reading: Reading, declared: Mapping[str, Placed]) -> list[SystemLine]:
    seen = {use.service for use in reading.used}
    found: list[SystemLine] = []
    told: set[str] = set()
    systems = reading.inventory.systems if reading.inventory else ()
    for use, rows in zip(systems, reading.rules.systems, strict=True):
        if use.status in ("retired", "prohibited"):
            continue
        keys = {same_name(each) for each in (use.id, use.name, *use.services, *rows) if each}
        said = next((declared[key] for key in sorted(keys) if key in declared), None)
        told |= keys & declared.keys()
        place, why = (said.place, said.justification) if said else _by_row(use)
        is_seen = not seen.isdisjoint(rows)
        line = SystemLine(name=use.label, place=place, why=why, status=use.status, owner=use.owner, seen=is_seen)
        found.append(line)
    for key, one in declared.items():
        if key not in told:
            found.append(
                SystemLine(
                    name=one.name, place=one.place, why=one.justification, status="not registered", owner="", seen=False
                )
            )
    return sorted(found, key=lambda line: (list(PLACES).index(line.place), line.name.casefold()))


def _by_row(use: AuthorisedUse) -> tuple[Place, str]:
    if use.scope.in_aims is None:
        return "open", ""
    if use.scope.in_aims:
        return "in", use.scope.justification
    return "out", use.scope.justification or MISSING


def _outside(reading: Reading, places: Mapping[str, Place]) -> list[Outside]:
    """Services seen in units that are not in scope, and in no unit."""
    units: dict[str, set[str]] = defaultdict(set)
    for use in reading.used:
        if use.service and places.get(use.unit, "in") != "in":
            units[use.service].add(use.unit)
    return [
        Outside(
            name=reading.name_of(service),
            units=tuple(sorted(several)),
            why=", ".join(sorted({PLACES[places[unit]] for unit in several})),
        )
        for service, several in sorted(units.items(), key=lambda item: reading.name_of(item[0]).casefold())
    ]


def _unregistered(reading: Reading) -> list[Outside]:
    """Services in units in scope that nobody registered: the scope does not say what becomes of them."""
    units: dict[str, set[str]] = defaultdict(set)
    stands: dict[str, set[str]] = defaultdict(set)
    names: dict[str, str] = {}
    for row in reading.findings:
        status = words.status(row.verdict, reading.standings[row.id].state)
        if row.service and row.present and status in ("unregistered", "observed", "expired", "out_of_scope"):
            units[row.service].add(row.unit)
            stands[row.service].add(words.PLAIN[status])
            names[row.service] = row.name
    return [
        Outside(name=names[service], units=tuple(sorted(several)), why=", ".join(sorted(stands[service])))
        for service, several in sorted(units.items(), key=lambda item: names[item[0]].casefold())
    ]
