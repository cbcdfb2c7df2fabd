"""The report as CSV, one line per piece of evidence, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import datetime
import io

from aimscope_cli.report import Evidence, Report, Row, remarks_of

COLUMNS = (
    "verdict",
    "service",
    "name",
    "vendor",
    "category",
    "risk",
    "identity",
    "presence",
    "change",
    "kind",
    "evidence",
    "subject",
    "sources",
    "first_seen",
    "last_seen",
    "reasons",
    "host",
    "remarks",
    "device",
    "bytes_out",
    "bytes_in",
)


_BEGINS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def render(report: Report) -> str:
    """RFC 4180, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in report.findings:
        for evidence in row.evidence or (None,):
            writer.writerow([safe(cell) for cell in _cells(report, row, evidence)])
    return out.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + cell if cell[:1] in _BEGINS_FORMULA else cell


def _cells(report: Report, row: Row, evidence: Evidence | None) -> tuple[str, ...]:
    return (
        row.verdict,
        row.service,
        row.name,
        row.vendor,
        row.category,
        row.risk.level if row.risk else "",
        (evidence.identity if evidence else row.identity) or "",
        (evidence.presence if evidence else row.presence) or "",
        row.change,
        evidence.kind if evidence else "",
        "; ".join(f"{name}={value}" for name, value in evidence.fields.items()) if evidence else "",
        evidence.subject if evidence else "",
        "; ".join(evidence.sources) if evidence else "",
        _time(evidence.first) if evidence else "",
        _time(evidence.last) if evidence else "",
        " ".join(row.reasons),
        report.host,
        "; ".join(remarks_of(evidence)) if evidence else "",
        evidence.asset if evidence else "",
        _number(evidence.bytes_out) if evidence else "",
        _number(evidence.bytes_in) if evidence else "",
    )


def _number(known: int | None) -> str:
    return "" if known is None else str(known)


def _time(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat() if seconds else ""
