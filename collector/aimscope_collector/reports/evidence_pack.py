"""The AIMS evidence pack: what an auditor of ISO/IEC 42001 asks of AI discovery, in one zip that proves itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.reports import (
    File,
    Option,
    Refused,
    Report,
    ReportInput,
    controls,
    evidence_pack_page,
    tables_catalogue,
    tables_coverage,
    tables_measures,
    tables_people,
    tables_reconciliation,
    tables_record,
    tables_review,
    tables_scope,
    trace,
)
from aimscope_collector.reports.evidence_pack_files import Written, written
from aimscope_collector.reports.manifest import Pack
from aimscope_collector.reports.papers import pdf
from aimscope_collector.reports.tables import Reading, Table, columns, moment, version_at
from aimscope_collector.reports.tables_measures import figures
from aimscope_collector.store import feeds, privacy
from aimscope_collector.store.tables.review import INVENTORY

NAME: Final = "evidence-pack"
FORMAT: Final = 1
_PDF: Final = "pdf"
_MOST_VERSIONS: Final = 200
_EVIDENCE: Final[tuple[Table, ...]] = (
    *tables_catalogue.TABLES,
    *tables_coverage.TABLES,
    *tables_reconciliation.TABLES,
    *tables_scope.TABLES,
    *tables_review.TABLES,
    *tables_measures.TABLES,
    *tables_people.TABLES,
    *tables_record.TABLES,
    *trace.TABLES,
)
_MAPPINGS: Final = (
    Table(
        name="controls",
        title="Requirements that this evidence belongs to",
        says=controls.AUTHORS,
        item=0,
        columns=columns(
            ("id", "Row"),
            ("standard", "Standard"),
            ("number", "Number"),
            ("title", "Short title"),
            ("how", "What the evidence can show", "see the tables"),
            ("also", "See also", "nothing"),
            ("tables", "Tables", controls.NOTHING),
            off_paper="id",
        ),
        rows=lambda _: controls.control_rows(TABLES),
    ),
    Table(
        name="soa",
        title="For the Statement of Applicability",
        says="ISO/IEC 42001, 6.1.3: every control of Annex A with what of this pack supports a statement about it. "
        "Whether a control applies is the organisation's to say, and not recorded here. " + controls.AUTHORS,
        item=0,
        controls=("42001:6.1.3",),
        columns=columns(
            ("id", "Row"),
            ("control", "Control"),
            ("title", "Short title"),
            ("applies", "Applies", "for your Statement of Applicability to say"),
            ("justification", "Justification", "for your Statement of Applicability to say"),
            ("tables", "Supported by", controls.NOTHING),
            ("how", "What the evidence can show", "nothing"),
            ("also", "27001 cross-reference", "none"),
            off_paper="id justification",
        ),
        rows=lambda _: controls.soa_rows(TABLES),
    ),
)
TABLES: Final[tuple[tuple[str, Table], ...]] = tuple(
    (f"T{number:02}", table) for number, table in enumerate((*_EVIDENCE, *_MAPPINGS), 1)
)


def make(given: ReportInput) -> Sequence[File]:
    """The pack. Raises ``Refused``."""
    reading = Reading(given)
    path = given.folder / f"{NAME}.zip"
    with Pack(path, now=given.now) as pack:
        several = [written(reading, id_, table, pack, given.folder) for id_, table in TABLES]
        _inventories(reading, pack)
        _policies(reading, pack)
        measured = figures(reading)
        pack.add("index.html", evidence_pack_page.html(reading, several, measured, paper=False).encode())
        if given.asked.options.get(_PDF) != "no":
            pack.add("evidence.pdf", _drawn(evidence_pack_page.html(reading, several, measured, paper=True)))
        pack.add("pack.json", _about(reading, several))
        pack.seal(given.sign)
    return (File(path.name, path),)


def _drawn(page: str) -> bytes:
    try:
        return pdf(page)
    except Refused as error:
        raise Refused(f"{error} Or leave the PDF out: option {_PDF}=no.") from None


def _inventories(reading: Reading, pack: Pack) -> None:
    """The versions that counted within the period, as they were kept: their SHA-256 is the digest in the table."""
    if not reading.view.may("inventory:read"):
        return
    c = INVENTORY.c
    used = [one.number for at in (reading.since, reading.as_of) if (one := version_at(reading.connection, at))]
    counted = sa.or_(c.effective_from >= reading.since, c.created_at >= reading.since, c.number.in_(used))
    query = sa.select(c.number).where(counted, c.created_at < reading.until).order_by(c.number.desc())
    for number in reading.connection.execute(query.limit(_MOST_VERSIONS)).scalars().all():
        content = reading.connection.execute(sa.select(c.content).where(c.number == number)).scalar_one()
        pack.add(f"inventory/version-{number}.json", content.encode())


def _policies(reading: Reading, pack: Pack) -> None:
    if not reading.view.may("policy:read"):
        return
    pack.add("policy/privacy.json", _json(privacy.policy(reading.connection)))
    feed = feeds.current(reading.connection).get("policy")
    body = feeds.body(reading.connection, name="policy", sha256=feed.sha256) if feed else None
    if body is not None:
        pack.add("policy/agents.json", bytes(body))


def _about(reading: Reading, several: Sequence[Written]) -> bytes:
    """What the pack is, for a program."""
    asked = reading.given.asked
    return _json(
        {
            "format": FORMAT,
            "made": moment(reading.now),
            "made_by": reading.given.who.name,
            "roles": list(reading.given.who.roles),
            "period": {"from": moment(asked.since), "until": moment(asked.until)},
            "inventory_as_of": moment(asked.as_of),
            "inventory_version": reading.version.number if reading.version else None,
            "units": list(reading.view.units) or None,
            "smallest_group_shown": reading.view.least,
            "aimscope": reading.given.version,
            "catalogue": reading.given.catalogue,
            "tables": [
                {
                    "id": one.id,
                    "name": one.table.name,
                    "title": one.table.title,
                    "rows": one.rows if not one.left_out else None,
                    "left_out": one.left_out or None,
                    "files": [one.csv, one.json] if not one.left_out else [],
                }
                for one in several
            ],
        }
    )


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


REPORT: Final = Report(
    name=NAME,
    title="AIMS evidence pack",
    description="For auditors of ISO/IEC 42001: coverage, reconciliation with the inventory as it stood, findings with "
    "their decisions, measures, suppliers, scope, audit log and a trace down to what agents sent; as pages, PDF, CSV "
    "and JSON in one zip, listed and signed.",
    forms=("zip",),
    takes=frozenset({"period", "as_of", "unit"}),
    options=(
        Option(name=trace.OPTION, description="Ids of findings to trace, with commas; else the ten of highest risk."),
        Option(name=_PDF, description="Whether a PDF is drawn, too.", choices=("yes", "no"), default="yes"),
    ),
    make=make,
)
