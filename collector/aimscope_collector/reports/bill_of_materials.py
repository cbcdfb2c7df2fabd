"""AI bills of materials (CycloneDX, ECMA-424), one for each unit: services, local models, programs and packages.

What was seen in the period, with how it stands. No names of people or devices: counts only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa

from aimscope_collector.reports import File, Option, Refused, Report, ReportInput
from aimscope_collector.reports.bill_of_materials_cyclonedx import Piece, Unit, Version, written
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING

NAME: Final = "bill-of-materials"
MOST_UNITS: Final = 200
MOST_PIECES: Final = 20_000
"""Of one bill: what hostile machines make up is bounded."""
MOST_ROWS: Final = 200_000


class Seen(NamedTuple):
    """A piece of evidence in a unit: on how many computers, and first and last when."""

    service: str
    kind: str
    fields: str
    computers: int
    first: int
    last: int


def make(given: ReportInput) -> Sequence[File]:
    """One bill of all that is asked for; with ``zip``, one for each unit with anything in it. Raises ``Refused``."""
    reading = Reading(given)
    seen = _seen(reading)
    wanted = given.asked.unit.strip("/") or ", ".join(reading.view.units)
    each = [path for path in ("", *reading.units) if reading.view.whole or (path and reading.view.reaches(path))]
    bills = [(wanted, frozenset(each), _merged(seen.values()))]
    if given.asked.form == "zip" and seen:
        bills = [(path, frozenset((path,)), pieces) for path, pieces in sorted(seen.items())]
    if len(bills) > MOST_UNITS:
        raise Refused(f"There are {len(bills):,} units, and {MOST_UNITS} are made at once: ask for one of them.")
    version: Version = "1.7" if given.asked.options.get("spec") == "1.7" else "1.6"
    files: list[File] = []
    for path, paths, pieces in bills:
        if len(pieces) > MOST_PIECES:
            raise Refused(f"More than {MOST_PIECES:,} different things were seen: ask for a unit or a shorter period.")
        unit = _unit(reading, path, paths, pieces)
        name = f"{_file_name(path, len(files))}.cdx.json" if given.asked.form == "zip" else f"{NAME}.cdx.json"
        files.append(File(name, written(unit, version, now=given.now, made_by=given.version).encode()))
    return files


def _file_name(path: str, number: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", path.casefold()).strip("-")[:60] or "no-unit"
    return f"{NAME}-{number + 1:03}-{slug}"


def _joined(device: sa.FromClause) -> sa.Join:
    return (
        SIGHTING.join(ASSET, ASSET.c.id == SIGHTING.c.asset)
        .join(device, device.c.id == sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id))
        .outerjoin(UNIT, UNIT.c.id == device.c.unit)
        .join(AGENT, AGENT.c.id == SIGHTING.c.agent)
    )


def _within(reading: Reading) -> tuple[sa.ColumnElement[bool], ...]:
    since, until = day_of(reading.since), day_of(reading.until - 1)
    return (
        SIGHTING.c.month.between(since.year * 100 + since.month, until.year * 100 + until.month),
        SIGHTING.c.last - AGENT.c.clock_skew >= reading.since,
        SIGHTING.c.first - AGENT.c.clock_skew < reading.until,
    )


def _unit(reading: Reading, path: str, paths: frozenset[str], pieces: Sequence[Seen]) -> Unit:
    findings = [row for row in reading.findings if row.unit in paths and row.present]
    return Unit(
        path=path,
        organisation=reading.inventory.organisation.name if reading.inventory else "",
        pieces=tuple(_piece(reading, seen) for seen in pieces),
        services=reading.given.services,
        names={row.service: row.name for row in findings if row.service},
        verdicts={(row.service, row.condition): row.verdict for row in findings},
        states={row.service: reading.standings[row.id].state for row in findings if not row.condition},
        rows={row.service: row.row for row in findings if row.row},
        catalogue=reading.given.catalogue,
    )


def _seen(reading: Reading) -> dict[str, list[Seen]]:
    """What was seen in each unit: read once, however many bills are made of it. Raises ``Refused``."""
    device = ASSET.alias("device")
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(
            *(path, EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields),
            sa.func.count(device.c.id.distinct()),
            sa.func.min(SIGHTING.c.first - AGENT.c.clock_skew),
            sa.func.max(SIGHTING.c.last - AGENT.c.clock_skew),
        )
        .select_from(_joined(device).join(EVIDENCE, EVIDENCE.c.id == SIGHTING.c.evidence))
        .where(*_within(reading), reading.view.within(path), EVIDENCE.c.withdrawn.is_(sa.false()))
        .group_by(path, EVIDENCE.c.id, EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields)
        .order_by(EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields, path)
        .limit(MOST_ROWS + 1)
    )
    rows = reading.connection.execute(query).all()
    if len(rows) > MOST_ROWS:
        raise Refused(f"More than {MOST_ROWS:,} things were seen: ask for a unit, or for a shorter period.")
    found: dict[str, list[Seen]] = defaultdict(list)
    for unit, *rest in rows:
        found[unit].append(Seen(*rest))
    return found


def _merged(several: Iterable[Sequence[Seen]]) -> list[Seen]:
    """The same of all units together: a device is in one of them."""
    found: dict[tuple[str, str, str], Seen] = {}
    for seen in (one for some in several for one in some):
        key = (seen.service, seen.kind, seen.fields)
        known = found.get(key)
        found[key] = (
            seen
            if known is None
            else seen._replace(
                computers=known.computers + seen.computers,
                first=min(known.first, seen.first),
                last=max(known.last, seen.last),
            )
        )
    return [found[key] for key in sorted(found)]


def _piece(reading: Reading, seen: Seen) -> Piece:
    return Piece(
        service=seen.service,
        kind=seen.kind,
        fields=dict(msgspec.json.decode(seen.fields)),
        computers=str(reading.view.count(seen.computers)),
        first=reading.view.day(min(seen.first, reading.now)) or "",
        last=reading.view.day(min(seen.last, reading.now)) or "",
    )


REPORT: Final = Report(
    name=NAME,
    title="AI bill of materials",
    description="CycloneDX, as zip one for each unit: AI services, local models, programs and packages that were seen.",
    forms=("json", "zip"),
    takes=frozenset(("period", "as_of", "unit")),
    options=(Option(name="spec", description="Version of CycloneDX.", choices=("1.6", "1.7"), default="1.6"),),
    needs=("sightings:read",),
    make=make,
)
