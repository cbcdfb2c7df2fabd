"""The report as CSV, one line per piece of evidence, safe to open in a spreadsheet.

Evidence too weak for a finding has the verdict ``hint``.
"""

from __future__ import annotations

import csv
import datetime
import io

from aimscope_cli.report import Evidence, Hint, Report, Row, remarks_of

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
    "count",
)

_HINT = "Too weak for a finding: to be reviewed."


_BEGINS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def render(report: Report) -> str:
    """RFC 4180, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in report.findings:
        for evidence in row.evidence or (None,):
            writer.writerow([safe(cell) for cell in _cells(report, row, evidence)])
    for hint in report.weak:
        writer.writerow([safe(cell) for cell in _hint(report, hint)])
    return out.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + cell if cell[:1] in _BEGINS_FORMULA else cell


def _cells(report: Report, row: Row, evidence: Evidence | None) -> tuple[str, ...]:
    identity, presence = (evidence.identity, evidence.presence) if evidence else (row.identity, row.presence)
    return (
        *(row.verdict, row.service, row.name, row.vendor, row.category, row.risk.level if row.risk else ""),
        *(identity or "", presence or "", row.change),
        *_seen(evidence, " ".join(row.reasons), report.host),
    )


def _hint(report: Report, hint: Hint) -> tuple[str, ...]:
    return (
        *("hint", hint.service, hint.name, "", "", "", hint.identity, hint.presence, ""),
        *_seen(hint, _HINT, report.host),
    )


def _seen(evidence: Evidence | None, reasons: str, host: str) -> tuple[str, ...]:
    """The columns from ``kind`` on."""
    if evidence is None:
        return ("", "", "", "", "", "", reasons, host, "", "", "", "", "")
    return (
        evidence.kind,
        "; ".join(f"{name}={value}" for name, value in evidence.fields.items()),
        evidence.subject,
        "; ".join(evidence.sources),
        _time(evidence.first),
        _time(evidence.last),
        reasons,
        host,
        "; ".join(remarks_of(evidence)),
        evidence.asset,
        _number(evidence.bytes_out),
        _number(evidence.bytes_in),
        str(evidence.count),
    )


def _number(known: int | None) -> str:
    return "" if known is None else str(known)


def _time(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat() if seconds else ""
