"""Findings as a table: for spreadsheets (no text in it is ever a formula), and as JSON."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.findings import RiskRating
from aimscope_collector.reports import File, Option, Refused, Report, ReportInput, words
from aimscope_collector.reports.cells import Value, csv_bytes, safe
from aimscope_collector.reports.tables import Reading, moment
from aimscope_collector.reports.view import View
from aimscope_collector.review import Standing

NAME: Final = "findings"
COLUMNS: Final = (
    *("id", "service", "name", "vendor", "category", "unit", "condition", "verdict", "state", "stands", "risk"),
    *("likelihood", "impact", "score", "computers", "people", "count", "first_seen", "last_seen", "bytes_out"),
    *("bytes_in", "inventory_row", "reasons", "decided_by", "decided_at", "decision_reason", "until", "review_on"),
    *("assignee", "due", "opened_at", "still_found"),
)
_WIDTHS: Final = {"name": 28, "vendor": 18, "unit": 22, "reasons": 60, "decision_reason": 40, "service": 18}
MOST_ROWS: Final = 1_048_575
"""What a sheet holds beside its headings."""


def rows(reading: Reading, *, open_only: bool) -> Iterator[tuple[Value, ...]]:
    """A row for each finding of the period, the most pressing first."""
    log = reading.view.may("decisions:read")
    for row in sorted(reading.findings, key=lambda row: (-row.score, row.name, row.unit, row.id)):
        standing = reading.standings[row.id]
        stands = words.status(row.verdict, standing.state)
        if open_only and not (row.present and stands in words.OPEN):
            continue
        yield _row(row, standing, stands, reading.view, log=log)


def _row(row: sa.Row[Any], standing: Standing, stands: str | None, view: View, *, log: bool) -> tuple[Value, ...]:
    rating = msgspec.json.decode(row.risk, type=RiskRating | None)
    computers, people = counts(row, view)
    decided = (standing.by, moment(standing.at), standing.reason) if log and standing.decision else (None, None, None)
    return (
        *(row.id, row.service or None, row.name, row.vendor, row.category, row.unit, row.condition),
        *(row.verdict, standing.state, words.PLAIN[stands] if stands else "dismissed"),
        *((rating.level, rating.likelihood, rating.impact) if rating else (None, None, None)),
        *(row.score or None, computers, people, row._mapping["count"]),  # noqa: SLF001  # a tuple counts, too
        *(view.day(row.first), view.day(row.last), row.bytes_out, row.bytes_in, row.row or None),
        " ".join(msgspec.json.decode(row.reasons, type=tuple[str, ...])),
        *decided,
        *(moment(standing.until), moment(standing.review_on), standing.assignee or None, moment(standing.due)),
        *(moment(row.opened_at), bool(row.present)),
    )


def counts(row: sa.Row[Any], view: View) -> tuple[int | str | None, int | str | None]:
    """Devices and people of a finding: where one of them is too few to be told, neither is."""
    several = (view.count(row.assets), view.count(row.subjects))
    if any(isinstance(one, str) for one in several):
        return f"fewer than {view.least}", f"fewer than {view.least}"
    return several


def workbook(columns: Sequence[str], several: Iterable[Sequence[Value]], *, title: str) -> bytes:
    """A table as a workbook: every text is a text, whatever it begins with. Raises ``Refused`` for too many rows."""
    from openpyxl import Workbook  # noqa: PLC0415 - half a second, and only for this form
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.styles import Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, column in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(column, 14)

    def cell(value: Value, *, bold: bool = False) -> Any:
        kept = safe(value)
        made = WriteOnlyCell(sheet, value=kept)
        if isinstance(kept, str):
            made.data_type = "s"  # also what looks like an error or a date
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(column, bold=True) for column in columns])
    for number, row in enumerate(several, 1):
        if number > MOST_ROWS:
            raise Refused(f"A sheet holds {MOST_ROWS:,} rows, and there are more: ask for csv, or for one unit.")
        sheet.append([cell(value) for value in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def make(given: ReportInput) -> Sequence[File]:
    """The table in the form asked for."""
    several = rows(Reading(given), open_only=given.asked.options.get("which") == "open")
    if given.asked.form == "xlsx":
        return (File(f"{NAME}.xlsx", workbook(COLUMNS, several, title="Findings")),)
    if given.asked.form == "json":
        said = [dict(zip(COLUMNS, row, strict=True)) for row in several]
        return (File(f"{NAME}.json", msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"),)
    return (File(f"{NAME}.csv", csv_bytes(COLUMNS, several)),)


REPORT: Final = Report(
    name=NAME,
    title="Findings",
    description="Every finding of the period with its verdict, risk and decision, for a spreadsheet.",
    forms=("csv", "xlsx", "json"),
    takes=frozenset(("period", "unit")),
    options=(
        Option(
            name="which",
            description="All findings, or those somebody has something to do about.",
            choices=("all", "open"),
            default="all",
        ),
    ),
    make=make,
)
