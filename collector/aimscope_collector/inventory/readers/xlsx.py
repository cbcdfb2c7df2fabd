"""Excel workbooks: the sheet whose headings are understood best."""

from __future__ import annotations

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.reader import Reader
from aimscope_collector.inventory.table import MAX_COLUMNS, MAX_ROWS, Row, find_headings, inventory_of_rows

if TYPE_CHECKING:
    from openpyxl import Workbook

_MAX_UNPACKED: Final = 100_000_000
_MAX_SHEETS: Final = 50
_HEADING_ROWS: Final = 25
_MAX_EMPTY_ROWS: Final = 1_000


def read(data: bytes, file: str) -> Loaded[Inventory]:
    """The inventory in a workbook's bytes."""
    problems = Problems(file)
    try:
        import openpyxl  # noqa: PLC0415  # an extra: an agent-only install does without
    except ImportError:
        advice = "Install it with: pip install 'aimscope[xlsx]' (or save the sheet as CSV)."
        problems.error(0, "", "Reading Excel files needs an extra that is not installed.", advice)
        return Loaded(content=None, problems=problems.sorted())
    try:
        _refuse_bombs(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl's remarks on styles and validations do not concern a reader
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
            rows, formulas = _best_sheet(book)
    except Exception as error:  # noqa: BLE001  # a broken workbook surfaces as any exception of openpyxl, zip or XML
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        problems.error(0, "", f"This is not an Excel workbook that can be read: {reason}", "Save it anew as .xlsx.")
        return Loaded(content=None, problems=problems.sorted())
    for line in formulas[:20]:
        message = "A cell holds a formula; formulas are kept as text, not calculated."
        problems.note(line, "", message, "Paste the values if the result is meant.")
    return inventory_of_rows(rows, problems)


def _refuse_bombs(data: bytes) -> None:
    """Bounds on what the archive unpacks to, and no document type in its XML: entities could grow without end."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > _MAX_UNPACKED:
            raise ValueError(f"it unpacks to more than {_MAX_UNPACKED // 1_000_000} MB")
        for part in archive.infolist():
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as content:
                    if b"<!DOCTYPE" in content.read(4_096).replace(b"\0", b"").upper():
                        raise ValueError("its XML declares a document type")


def _best_sheet(book: Workbook) -> tuple[list[Row], list[int]]:
    """The rows of the sheet with the most known headings, and the lines on which formulas stand."""
    best = max(
        (sheet for sheet in book.worksheets[:_MAX_SHEETS]),
        key=lambda sheet: len(find_headings(list(islice(_rows(sheet, []), _HEADING_ROWS)))[1]),
        default=None,
    )
    formulas: list[int] = []
    return ([] if best is None else list(_rows(best, formulas))), formulas


def _rows(sheet: Any, formulas: list[int]) -> Iterator[Row]:
    """The rows of a sheet. It ends where nothing follows for long: a sheet may claim a row with an enormous number."""
    filled = 0
    for line, cells in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 100, max_col=MAX_COLUMNS), start=1):
        if any(cell.value is not None for cell in cells):
            filled = line
        elif line - filled > _MAX_EMPTY_ROWS:
            return
        if any(cell.data_type == "f" for cell in cells):
            formulas.append(line)
        yield Row(line=line, cells=tuple(_text(cell.value) for cell in cells))


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case datetime.datetime():
            return value.date().isoformat()
        case datetime.date():
            return value.isoformat()
    return str(value)


READER: Final = Reader(suffixes=(".xlsx", ".xlsm"), doc="Excel", read=read)
