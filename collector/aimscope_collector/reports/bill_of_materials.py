"""AI bills of materials (CycloneDX, ECMA-424), one for each unit: services, local models, programs and packages.

What was seen in the period, with how it stands. No names of people or devices: counts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

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


def make(given: ReportInput) -> Sequence[File]:
    """One bill of all that is asked for; with ``zip``, one for each unit with anything in it. Raises ``Refused``."""
    reading = Reading(given)
    wanted = given.asked.unit.strip("/")
    each = [path for path in ("", *reading.units) if reading.view.whole or (path and reading.view.reaches(path))]
    bills = [(wanted or ", ".join(reading.view.units), frozenset(each))]
    if given.asked.form == "zip":
        bills = [(path, frozenset((path,))) for path in _seen_in(reading)] or bills
    if len(bills) > MOST_UNITS:
        raise Refused(f"There are {len(bills):,} units, and {MOST_UNITS} are made at once: ask for one of them.")
    version: Version = "1.7" if given.asked.options.get("spec") == "1.7" else "1.6"
    files: list[File] = []
    for path, several in bills:
        bill = written(_unit(reading, path, several), version, now=given.now, made_by=given.version)
        name = f"{_file_name(path, len(files))}.cdx.json" if given.asked.form == "zip" else f"{NAME}.cdx.json"
        files.append(File(name, bill.encode()))
    return files


def _file_name(path: str, number: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", path.casefold()).strip("-")[:60] or "no-unit"
    return f"{NAME}-{number + 1:03}-{slug}"


def _seen_in(reading: Reading) -> list[str]:
    device = ASSET.alias("device")
    path = sa.func.coalesce(UNIT.c.path, "")
    query = sa.select(path).distinct().select_from(_joined(device)).where(*_within(reading), reading.view.within(path))
    return sorted(reading.connection.execute(query).scalars())


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


def _unit(reading: Reading, path: str, paths: frozenset[str]) -> Unit:
    findings = [row for row in reading.findings if row.unit in paths and row.present]
    names = {row.service: row.name for row in findings if row.service}
    return Unit(
        path=path,
        organisation=reading.inventory.organisation.name if reading.inventory else "",
        pieces=tuple(_pieces(reading, paths)),
        services={id_: service for id_, service in reading.given.services.items() if id_},
        names=names,
        verdicts={(row.service, row.condition): row.verdict for row in findings},
        states={row.service: reading.standings[row.id].state for row in findings if not row.condition},
        rows={row.service: row.row for row in findings if row.row},
        catalogue=reading.given.catalogue,
    )


def _pieces(reading: Reading, paths: Iterable[str]) -> Iterable[Piece]:
    device = ASSET.alias("device")
    path = sa.func.coalesce(UNIT.c.path, "")
    query = (
        sa.select(
            *(EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields),
            sa.func.count(device.c.id.distinct()),
            sa.func.min(SIGHTING.c.first - AGENT.c.clock_skew),
            sa.func.max(SIGHTING.c.last - AGENT.c.clock_skew),
        )
        .select_from(_joined(device).join(EVIDENCE, EVIDENCE.c.id == SIGHTING.c.evidence))
        .where(*_within(reading), path.in_(sorted(paths)), EVIDENCE.c.withdrawn.is_(sa.false()))
        .group_by(EVIDENCE.c.id, EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields)
        .order_by(EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields)
        .limit(MOST_PIECES + 1)
    )
    rows = reading.connection.execute(query).all()
    if len(rows) > MOST_PIECES:
        raise Refused(f"More than {MOST_PIECES:,} different things were seen: ask for one unit, or a shorter period.")
    for service, kind, fields, computers, first, last in rows:
        yield Piece(
            service=service,
            kind=kind,
            fields=dict(msgspec.json.decode(fields)),
            computers=str(reading.view.count(computers)),
            first=reading.view.day(min(first, reading.now)) or "",
            last=reading.view.day(min(last, reading.now)) or "",
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
