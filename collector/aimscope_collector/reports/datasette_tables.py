"""The tables of the database for Datasette: what each holds, and what a column means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.privacy import coarse
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.findings_list import COLUMNS, rows
from aimscope_collector.reports.period import day_of
from aimscope_collector.reports.tables import Reading, day, moment
from aimscope_collector.reports.tables_coverage import latest_list, parts
from aimscope_collector.store import coverage
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, SIGHTING, SUBJECT, USAGE_DAY
from aimscope_signatures.kinds import IDENTITIES, PRESENCES

_NUMBERS: Final = frozenset(("likelihood", "impact", "score", "count", "bytes_out", "bytes_in"))
_SMALL: Final = "Empty where the group is too small to be told."


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One table. ``described`` is by column; ``needs`` are permissions without which it is left out."""

    name: str
    says: str
    columns: Mapping[str, type]
    rows: Callable[[Reading], Iterable[Sequence[Value]]]
    key: str | tuple[str, ...]
    described: Mapping[str, str] = {}
    indexes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def about(reading: Reading, left_out: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What has to be known of the whole: its period, its limits, and what is not in it."""
    yield "made at", moment(reading.now) or ""
    yield "period", f"{day_of(reading.since)} to {day_of(reading.until - 1)}"
    yield "units", ", ".join(reading.view.units) or "all"
    yield "smallest group told", str(reading.view.least or 1)
    yield "catalogue", reading.given.catalogue
    yield "inventory version", str(reading.version.number) if reading.version else "none"
    yield "tables left out for want of a permission", ", ".join(left_out) or "none"
    listed = latest_list(reading)
    yield "list of devices there should be", moment(listed) or "never imported: coverage has no denominator"


def _findings(reading: Reading) -> Iterator[Sequence[Value]]:
    for row in rows(reading, open_only=False):
        yield tuple(int(value) if isinstance(value, bool) else value for value in row)


def _services(reading: Reading) -> Iterator[Sequence[Value]]:
    used = {row.service for row in reading.findings} | {use.service for use in reading.used}
    for id_ in sorted(used - {""}):
        known = reading.given.services.get(id_)
        if known is None:
            yield id_, id_, None, None, None, None, None, None
            continue
        surface, domains = ", ".join(known.surface), ", ".join(known.domains)
        yield (
            *(id_, known.name, known.vendor or None, known.category or None, surface or None, domains or None),
            *(known.trains_on_input or None, known.homepage or None),
        )


def _units(reading: Reading) -> Iterator[Sequence[Value]]:
    for path, unit in reading.units.items():
        if reading.view.reaches(path):
            yield path, unit.scope, unit.justification or None


def _usage(reading: Reading) -> Iterator[Sequence[Value]]:
    c = USAGE_DAY.c
    first, last = reading.days()
    query = sa.select(USAGE_DAY).where(c.day.between(first, last)).order_by(c.day, c.service, c.unit)
    for row in reading.connection.execution_options(stream_results=True).execute(query):
        path = reading.paths.get(row.unit, "")
        if reading.view.whole or (path and reading.view.reaches(path)):
            counts = (reading.view.count(row.assets), reading.view.count(row.subjects))
            small = any(isinstance(each, str) for each in counts)
            yield day(row.day), row.service, path, *((None, None) if small else counts)


def _decisions(reading: Reading) -> Iterator[Sequence[Value]]:
    for one in reading.decisions:
        yield (
            *(one.uid, one.service or None, one.condition or None, one.unit, ", ".join(one.except_units) or None),
            *(one.action, one.reason, one.by, moment(one.at), moment(one.until), moment(one.review_on)),
        )


def _inventory(reading: Reading) -> Iterator[Sequence[Value]]:
    uses = reading.inventory.systems if reading.inventory else ()
    for number, (use, about_) in enumerate(zip(uses, reading.rules.systems, strict=True), 1):
        yield (
            *(
                number,
                use.id or None,
                use.name,
                use.status,
                ", ".join(sorted(about_)) or None,
                ", ".join(use.units) or None,
            ),
            *(use.owner or None, use.purpose or None, _iso(use.start), _iso(use.expiry), _iso(use.next_review)),
        )


def _iso(value: object) -> str | None:
    return str(value) if value is not None else None


def _coverage(reading: Reading) -> Iterator[Sequence[Value]]:
    listed = latest_list(reading) is not None
    for unit, known, enrolled, looked in parts(reading):
        yield unit, known if listed else None, enrolled, looked


def _gaps(reading: Reading) -> Iterator[Sequence[Value]]:
    if reading.view.whole:
        for number, gap in enumerate(coverage.gaps(reading.connection, since=reading.since), 1):
            yield number, gap.sensor, gap.status, gap.reason or None, gap.remedy or None, gap.agents


def _sightings(reading: Reading) -> Iterator[Sequence[Value]]:
    device = ASSET.alias("device")
    since, until = day_of(reading.since), day_of(reading.until - 1)
    path = sa.func.coalesce(UNIT.c.path, "")
    first, last = SIGHTING.c.first - AGENT.c.clock_skew, SIGHTING.c.last - AGENT.c.clock_skew
    query = (
        sa.select(
            *(SIGHTING.c.month, AGENT.c.uid, device.c.pseudonym, path, SUBJECT.c.pseudonym, EVIDENCE.c.service),
            *(EVIDENCE.c.kind, EVIDENCE.c.fields, SIGHTING.c["count"], first, last, SIGHTING.c.bytes_out),
            *(SIGHTING.c.bytes_in, SIGHTING.c.identity, SIGHTING.c.presence),
        )
        .select_from(
            SIGHTING.join(EVIDENCE, EVIDENCE.c.id == SIGHTING.c.evidence)
            .join(ASSET, ASSET.c.id == SIGHTING.c.asset)
            .join(device, device.c.id == sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id))
            .outerjoin(UNIT, UNIT.c.id == device.c.unit)
            .outerjoin(SUBJECT, (SUBJECT.c.id == SIGHTING.c.subject) & (SIGHTING.c.subject != 0))
            .join(AGENT, AGENT.c.id == SIGHTING.c.agent)
        )
        .where(
            SIGHTING.c.month.between(since.year * 100 + since.month, until.year * 100 + until.month),
            last >= reading.since,
            first < reading.until,
            EVIDENCE.c.withdrawn.is_(sa.false()),
            reading.view.within(path),
        )
        .order_by(SIGHTING.c.month, SIGHTING.c.agent, SIGHTING.c.epoch, SIGHTING.c.asset, SIGHTING.c.evidence)
    )
    result: Iterable[Any] = reading.connection.execution_options(stream_results=True).execute(query)
    grain = reading.view.time
    for number, (month, agent, machine, unit, who, service, kind, fields, *rest) in enumerate(result, 1):
        count, began, ended, out, into, identity, presence = rest
        yield (
            *(number, month, agent, machine, unit, who, service or None, kind, fields, count),
            *(coarse(began, grain) or None, coarse(min(ended, reading.now), grain) or None, out, into),
            *(IDENTITIES[min(identity, len(IDENTITIES) - 1)], PRESENCES[min(presence, len(PRESENCES) - 1)]),
        )


TABLES: Final = (
    Told(
        name="findings",
        says="What was found in the period: a service in a unit, under a condition, with its verdict and decision.",
        columns={name: int if name in _NUMBERS or name == "still_found" else str for name in COLUMNS},
        rows=_findings,
        key="id",
        described={
            "stands": "How it stands, by inventory and decisions together.",
            "computers": f"Devices; {_SMALL.lower()}",
            "people": "Accounts; says so where there are too few to be told.",
            "score": "Likelihood times impact, 1 to 25.",
            "still_found": "0: it is found no more.",
        },
        indexes=("service", "unit", "verdict"),
    ),
    Told(
        name="services",
        says="Services of the catalogue that were seen.",
        columns=dict.fromkeys(
            ("id", "name", "vendor", "category", "surface", "domains", "trains_on_input", "homepage"), str
        ),
        rows=_services,
        key="id",
    ),
    Told(
        name="units",
        says="Organisational units, and whether the management system covers them.",
        columns=dict.fromkeys(("path", "scope", "justification"), str),
        rows=_units,
        key="path",
    ),
    Told(
        name="usage_by_day",
        says="Devices and people that used a service on a day, by unit.",
        columns={"day": str, "service": str, "unit": str, "computers": int, "people": int},
        rows=_usage,
        key=("day", "service", "unit"),
        described={"computers": f"Devices. {_SMALL}", "people": f"Accounts. {_SMALL}"},
        indexes=("service",),
    ),
    Told(
        name="decisions",
        says="Decisions of people and rules, in the order taken.",
        columns=dict.fromkeys(
            (
                "uid",
                "service",
                "condition",
                "unit",
                "except_units",
                "action",
                "reason",
                "by",
                "at",
                "until",
                "review_on",
            ),
            str,
        ),
        rows=_decisions,
        key="uid",
        described={"unit": "Empty: the whole organisation."},
        needs=("decisions:read",),
    ),
    Told(
        name="inventory",
        says="Rows of the inventory in force.",
        columns={"number": int}
        | dict.fromkeys(
            ("id", "name", "status", "services", "units", "owner", "purpose", "start", "expiry", "next_review"), str
        ),
        rows=_inventory,
        key="number",
        needs=("inventory:read",),
    ),
    Told(
        name="coverage",
        says="Devices there should be, with an agent, and looked at in the period, by unit.",
        columns={"unit": str, "known": int, "with_agent": int, "looked_at": int},
        rows=_coverage,
        key="unit",
        described={"known": "Empty: no list of devices was imported, so nobody knows."},
    ),
    Told(
        name="gaps",
        says="What agents could not look at in the period. Told for the whole organisation only.",
        columns={"number": int, "sensor": str, "status": str, "reason": str, "remedy": str, "agents": int},
        rows=_gaps,
        key="number",
    ),
    Told(
        name="sightings",
        says="What is behind findings: totals by month, device, account and piece of evidence, under pseudonyms.",
        columns={"number": int, "month": int}
        | dict.fromkeys(("agent", "device", "unit", "account", "service", "kind", "evidence"), str)
        | {"count": int, "first_seen": str, "last_seen": str, "bytes_out": int, "bytes_in": int}
        | {"identity": str, "presence": str},
        rows=_sightings,
        key="number",
        described={"account": "Pseudonym; empty for the machine itself.", "evidence": "Fields of the evidence, JSON."},
        indexes=("service", "device"),
        needs=("sightings:read",),
    ),
)
VIEWS: Final[Mapping[str, tuple[str, str]]] = {
    "open_findings": (
        "Findings that are still there and that nobody authorised or decided to let be.",
        (
            "select * from findings where still_found = 1 and state not in ('registered', 'tolerated', 'dismissed')"
            " and verdict not in ('authorised', 'dormant') order by score desc"
        ),
    ),
    "services_by_verdict": (
        "How many services stand how.",
        (
            "select stands, count(distinct coalesce(service, condition)) as services, count(*) as findings"
            " from findings where still_found = 1 group by stands order by services desc"
        ),
    ),
}
