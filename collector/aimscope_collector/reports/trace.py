"""Item 13, "show me how you know": from a finding down to the cells that agents sent, and the looks they came from.

A cell is what an agent keeps and sends: month, ledger, device, evidence, account. Its key is in the table as it is in
the database, so that any row can be looked up there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.evidence import describe
from aimscope_collector.reports import Refused
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns, moment
from aimscope_collector.reports.view import under
from aimscope_collector.store import aggregates
from aimscope_collector.store.tables.fleet import AGENT, ASSET, EPOCH, UNIT
from aimscope_collector.store.tables.sightings import EVIDENCE, RUN, SIGHTING, SUBJECT
from aimscope_signatures.kinds import IDENTITIES, PRESENCES
from aimscope_signatures.model import Held, Sighting

OPTION: Final = "trace"
_FINDINGS: Final = 10
_MOST_FINDINGS: Final = 200
_CELLS: Final = 5
"""Of each finding."""
_MOST_PIECES: Final = 2_000


def chosen(reading: Reading) -> list[sa.Row[Any]]:
    """The findings that are traced: those asked for, else the ten of the highest risk. Raises ``Refused``."""
    wanted = [word for word in reading.given.asked.options.get(OPTION, "").replace(",", " ").split() if word]
    if len(wanted) > _MOST_FINDINGS:
        raise Refused(f"More than {_MOST_FINDINGS} findings to trace: choose fewer.")
    by_id = {row.id: row for row in reading.findings}
    unknown = [word for word in wanted if word not in by_id]
    if unknown:
        raise Refused(f"There was no finding {unknown[0][:64]} in the period, or it is not within your units.")
    if wanted:
        return [by_id[word] for word in dict.fromkeys(wanted)]
    seen = [row for row in reading.findings if row.verdict != "dormant"]
    return sorted(seen, key=lambda row: (-row.score, row.id))[:_FINDINGS]


def _trace(reading: Reading) -> Iterator[Sequence[Value]]:
    for finding in chosen(reading):
        pieces = _pieces(reading.connection, finding)
        cells = _cells(reading, finding, list(pieces)[:_MOST_PIECES])
        if not cells:
            about = (f"{finding.id}/none", finding.id, finding.name, finding.unit or "(no unit)", finding.verdict)
            yield (*about, *(None,) * (len(_CHAIN) - len(about)))
        for number, cell in enumerate(cells, 1):
            piece = pieces[cell.evidence]
            yield (
                *(f"{finding.id}/{number}", finding.id, finding.name, finding.unit or "(no unit)", finding.verdict),
                *_told(piece),
                *(_key(cell), cell.device, cell.subject or None, cell.month, cell.times),
                *(reading.view.day(cell.first - cell.clock_skew), reading.view.day(cell.last - cell.clock_skew)),
                *(_level(IDENTITIES, cell.identity), _level(PRESENCES, cell.presence), cell.uid),
                *_run(reading.connection, cell),
            )


def _told(piece: sa.Row[Any]) -> tuple[Value, ...]:
    """The evidence: its kind, what was seen, and which test of the catalogue held."""
    fields = aggregates.fields_of(piece.kind, piece.fields)
    held = msgspec.json.decode(piece.held, type=tuple[Held, ...])
    tests = "; ".join(f"{test.field} {test.operator} {test.value}" for test in held)
    return (
        *(piece.id, piece.kind, "; ".join(f"{name}={value}" for name, value in fields)),
        *(tests or None, "yes" if piece.confirmed else "not yet"),
    )


def _pieces(connection: sa.Connection, finding: sa.Row[Any]) -> dict[int, sa.Row[Any]]:
    query = sa.select(EVIDENCE).where(EVIDENCE.c.service == finding.service, EVIDENCE.c.withdrawn.is_(sa.false()))
    rows = connection.execute(query.order_by(EVIDENCE.c.id))
    return {row.id: row for row in rows if finding.service or _is_about(row, finding.condition)}


def _is_about(row: sa.Row[Any], condition: str) -> bool:
    """Whether a finding about AI in no catalogue is about this: its condition begins with what it is."""
    said = describe(
        Sighting(
            month="",
            asset="",
            service="",
            kind=row.kind,
            subject="",
            evidence=aggregates.fields_of(row.kind, row.fields),
            identity="low",
            presence="mentioned",
            count=0,
            first=0,
            last=0,
            days=0,
        )
    )
    return condition == said or condition.startswith(f"{said}: ")


def _cells(reading: Reading, finding: sa.Row[Any], pieces: Sequence[int]) -> list[Any]:
    """The latest cells behind a finding, as agents sent them, up to the end of the period."""
    device, c = ASSET.alias("device"), SIGHTING.c
    query = (
        sa.select(
            *(c.month, c.evidence, c.count.label("times"), c.first, c.last, c.identity, c.presence, c.agent),
            *(AGENT.c.uid, AGENT.c.clock_skew, EPOCH.c.value.label("ledger"), device.c.pseudonym.label("device")),
            sa.func.coalesce(SUBJECT.c.pseudonym, "").label("subject"),
        )
        .select_from(
            SIGHTING.join(AGENT, AGENT.c.id == c.agent)
            .join(ASSET, ASSET.c.id == c.asset)
            .join(device, device.c.id == sa.func.coalesce(ASSET.c.merged_into, ASSET.c.id))
            .outerjoin(EPOCH, EPOCH.c.id == c.epoch)
            .outerjoin(UNIT, UNIT.c.id == device.c.unit)
            .outerjoin(SUBJECT, sa.and_(SUBJECT.c.id == c.subject, c.subject != 0))
        )
        .where(c.evidence.in_(pieces), c.first < reading.until)
        .where(under(UNIT.c.path, [finding.unit]) if finding.unit else device.c.unit.is_(None))
        .order_by(c.last.desc(), c.month, c.agent, c.epoch, c.asset, c.evidence, c.subject)
        .limit(_CELLS)
    )
    return list(reading.connection.execute(query))


def _key(cell: sa.Row[Any]) -> str:
    return f"{cell.month}/{cell.uid}/{cell.ledger or '-'}/{cell.device}/{cell.evidence}/{cell.subject or '-'}"


def _level(names: Sequence[str], position: int) -> str:
    return names[min(position, len(names) - 1)]


def _run(connection: sa.Connection, cell: sa.Row[Any]) -> tuple[Value, ...]:
    """The look a cell's last sighting came from, by the agent's clock: the first that ended later, else the last."""
    c = RUN.c
    query = sa.select(RUN).where(c.agent == cell.agent)
    found = connection.execute(query.where(c.finished >= cell.last).order_by(c.finished, c.uid).limit(1)).first()
    found = found or connection.execute(query.order_by(c.finished.desc(), c.uid).limit(1)).first()
    if found is None:
        return (None,) * 6
    ours = (moment(found.started), moment(found.finished), moment(found.received_at))
    return (found.uid, *ours, found.catalogue, found.digest)


_CHAIN: Final = (
    ("id", "Row"),
    ("finding", "Finding"),
    ("name", "Service"),
    ("unit", "Unit"),
    ("verdict", "Verdict"),
    ("evidence", "Evidence", "nothing is kept any more"),
    ("kind", "Kind", "nothing is kept any more"),
    ("fields", "What was seen", "nothing is kept any more"),
    ("tests", "Test that held", "not matched by the collector's own catalogue yet"),
    ("confirmed", "Confirmed by the collector", "nothing is kept any more"),
    ("cell", "Cell as it was sent", "nothing is kept any more"),
    ("device", "Device (pseudonym)", "nothing is kept any more"),
    ("subject", "Account (pseudonym)", "the machine itself"),
    ("month", "Month", "nothing is kept any more"),
    ("count", "Times", "nothing is kept any more"),
    ("first", "First seen", "not shown"),
    ("last", "Last seen", "not shown"),
    ("identity", "Is it this service", "nothing is kept any more"),
    ("presence", "Is it in use", "nothing is kept any more"),
    ("agent", "Agent", "nothing is kept any more"),
    ("run", "Run", "the agent told of no run"),
    ("run_started", "Run started", "the agent told of no run"),
    ("run_finished", "Run finished", "the agent told of no run"),
    ("run_received", "Received", "the agent told of no run"),
    ("run_catalogue", "By catalogue", "the agent told of no run"),
    ("run_digest", "Digest of the report", "the agent told of no run"),
)

TABLES: Final = (
    Table(
        name="trace",
        title="Show me how you know",
        says=f"From a finding to the evidence, the test that held, the latest {_CELLS} cells as agents sent them, and "
        "the look they came from (the first one that ended after the sighting, by the agent's clock). Ask for a pack "
        "with other findings to trace any row.",
        item=13,
        controls=("42001:9.2", "42001:A.6.2.8", "27001:A.5.28", "nist:MEASURE-2.4"),
        needs=("sightings:read",),
        columns=columns(
            *_CHAIN,
            off_paper="id verdict evidence confirmed cell month first identity run_started run_received run_catalogue "
            "run_digest count",
        ),
        rows=_trace,
        empty="There is no finding to trace.",
    ),
)
