"""CSV and Excel with the headings, encodings and habits people have."""

from __future__ import annotations

import builtins
import datetime
import io
import sys
import zipfile
from typing import Any

import openpyxl
import pytest

from aimscope_collector.inventory import table
from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.problems import Loaded


def csv(text: str, encoding: str = "utf-8") -> Loaded[Any]:
    return parse(text.encode(encoding), "tools.csv")


def xlsx(
    *rows: tuple[Any, ...], title: str = "Sheet", more: dict[str, list[tuple[Any, ...]]] | None = None
) -> Loaded[Any]:
    return parse(workbook(*rows, title=title, more=more), "tools.xlsx")


def workbook(
    *rows: tuple[Any, ...], title: str = "Sheet", more: dict[str, list[tuple[Any, ...]]] | None = None
) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name, others in (more or {}).items():
        other = book.create_sheet(name)
        for row in others:
            other.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def systems(loaded: Loaded[Any]) -> tuple[AuthorisedUse, ...]:
    assert loaded.content is not None, [str(problem) for problem in loaded.problems]
    found: tuple[AuthorisedUse, ...] = loaded.content.systems
    return found


HEADINGS = [
    ("Tool", "name"), ("AI system", "name"), ("AI_System *", "name"), ("Product Name", "name"), ("Vendor", "vendor"),
    ("Supplier", "vendor"), ("System owner", "owner"), ("Approved by", "approver"), ("Risk level", "risk_class"),
    ("Intended use", "purpose"), ("DPA", "dpa_ref"), ("Data location", "data_residency"), ("risk_class", "risk_class"),
    ("Impact Assessment Ref", "impact_assessment_ref"), ("Comments", "notes"), ("Version", "version"),
]  # fmt: skip


@pytest.mark.parametrize(("heading", "field"), HEADINGS)
def test_heading(heading: str, field: str) -> None:
    other = "Name" if field != "name" else "Owner"
    (system,) = systems(csv(f"{heading},{other}\nthis,that\n"))
    assert getattr(system, field) == "this"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    rows = [["Tool", "Vendor", "Status", "Purpose"], ["Übersetzer", "Société, Ltd", "approved", "one"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    (system,) = systems(csv(text, encoding))
    assert (system.name, system.vendor, system.status) == ("Übersetzer", "Société, Ltd", "approved")


def test_what_excel_and_people_put_above_the_headings() -> None:
    assert systems(csv("sep=;\r\nAI register of Corp;;\r\n;;\r\nName;Vendor;Status\r\nCursor;Anysphere;approved\r\n"))


STATUSES = [
    ("Approved", "approved"), ("yes", "approved"), ("Sanctioned", "approved"), ("BLOCKED", "prohibited"),
    ("not allowed", "prohibited"), ("In review", "proposed"), ("Pending", "proposed"), ("Conditional", "restricted"),
    ("Monitored", "tolerated"), ("Decommissioned", "retired"), ("", "proposed"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "status"), STATUSES)
def test_status(cell: str, status: str) -> None:
    loaded = csv(f"Name,Vendor,Status\nCursor,Anysphere,{cell}\n")
    assert systems(loaded)[0].status == status
    exact = cell.casefold() == status
    assert [note.line for note in loaded.notes if note.field == "Status"] == (
        [] if exact and status != "tolerated" else [2]
    )


@pytest.mark.parametrize("cell", ["no", "N", "maybe", "approved?no"])
def test_a_status_that_is_not_clear_is_an_error(cell: str) -> None:
    loaded = csv(f"Name,Approved\nCursor,{cell}\n")
    assert loaded.content is None
    assert [(error.line, error.field) for error in loaded.errors] == [(2, "Approved")]


def test_without_a_status_nothing_is_approved() -> None:
    loaded = csv("Tool,Owner\nCursor,ann\n")
    assert systems(loaded)[0].status == "proposed"
    assert [note.field for note in loaded.notes] == ["status"]


def test_lists_dates_scope_and_left_out_columns() -> None:
    loaded = csv(
        "Name,Status,Units,Expiry,Start date,Scope,Type,Budget,Next revew\n"
        'Cursor,approved,"a; b|c",31.12.2027,2026/01/02,Out of scope,SaaS,7,x\n'
    )
    (system,) = systems(loaded)
    assert system.units == ("a", "b", "c")
    assert (system.expiry, system.start) == (datetime.date(2027, 12, 31), datetime.date(2026, 1, 2))
    assert system.scope.in_aims is False
    assert system.kind is None
    notes = {note.field: note for note in loaded.notes}
    assert set(notes) == {"Budget", "Type", "Next revew"}
    assert 'Did you mean "next review"?' in notes["Next revew"].advice


@pytest.mark.parametrize(
    ("cell", "day"), [("13/02/2027", 13), ("02/13/2027", 13), ("02/02/2027", 2), ("03/04/2027", None)]
)
def test_a_date_that_can_be_read_two_ways_is_an_error(cell: str, day: int | None) -> None:
    loaded = csv(f"Name,Expiry\nCursor,{cell}\n")
    if day is None:
        assert [(error.line, error.field) for error in loaded.errors] == [(2, "Expiry")]
    else:
        assert systems(loaded)[0].expiry == datetime.date(2027, 2, day)


def test_lines_count_line_breaks_within_cells() -> None:
    loaded = csv('Name,Status,Notes\nA,approved,"one\ntwo\nthree"\nB,wrong,\n\n,approved,\n')
    assert [(error.line, error.field) for error in loaded.errors] == [(5, "Status"), (7, "Name")]


def test_an_informative_column_limits_nothing() -> None:
    (system,) = systems(csv("Name,Status,Website,Business unit\nCursor,approved,https://www.cursor.com/x,IT\n"))
    assert system.domains == ("www.cursor.com",)
    assert system.departments == ("IT",)
    assert (system.allowed_domains, system.units, system.hosts) == ((), (), ())


def test_two_columns_for_one_field() -> None:
    loaded = csv("Name,Tool,Status\nfirst,second,approved\n")
    assert systems(loaded)[0].name == "first"
    assert [note.field for note in loaded.notes] == ["Tool"]


@pytest.mark.parametrize("text", ["", "\n\n", "a,b,c\n1,2,3\n", "Owner,Status\nann,approved\n"])
def test_no_names(text: str) -> None:
    loaded = csv(text)
    assert loaded.content is None
    assert loaded.errors[0].message == "No column holds the name of a system."


@pytest.mark.parametrize("cell", ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_cells_like_formulas_stay_text(cell: str) -> None:
    assert systems(csv(f'Name,Status\n"{cell}",approved\n'))[0].name == cell.strip()


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    assert len(systems(csv("Name,Status\n" + "x,approved\n" * 3))) == 3
    loaded = csv("Name,Status\n" + "x,approved\n" * 5)
    assert [(error.line, error.message) for error in loaded.errors] == [(5, "More than 3 systems.")]


# Excel

NOON = datetime.datetime(2027, 1, 31, 12)  # noqa: DTZ001  # Excel knows no time zones


def test_workbook() -> None:
    loaded = xlsx(
        ("AI tools",),
        ("Tool", "Vendor", "Approved?", "Expiry", "Version", "In scope"),
        ("Cursor", "Anysphere", "Approved", NOON, 4.0, True),
        ("Otter", None, "Blocked", datetime.date(2027, 1, 31), 1.5, None),
    )
    first, second = systems(loaded)
    assert (first.name, first.expiry, first.version, first.scope.in_aims) == (
        "Cursor",
        datetime.date(2027, 1, 31),
        "4",
        True,
    )
    assert (second.status, second.version) == ("prohibited", "1.5")


def test_the_sheet_that_holds_the_systems_is_found() -> None:
    rows: list[tuple[Any, ...]] = [("Name", "Vendor", "Status"), ("Cursor", "Anysphere", "approved")]
    loaded = xlsx(("Read me first",), ("Name",), title="Cover", more={"AI": rows})
    assert [system.name for system in systems(loaded)] == ["Cursor"]


def test_formulas_are_kept_as_text_and_noted() -> None:
    loaded = xlsx(("Tool", "Status", "Owner"), ('=HYPERLINK("http://x","y")', "approved", "=A1"))
    (system,) = systems(loaded)
    assert system.name == '=HYPERLINK("http://x","y")'
    assert system.owner == "=A1"
    assert [note.line for note in loaded.notes] == [2]


def test_a_problem_names_row_and_column() -> None:
    loaded = xlsx(("Tool", "Status"), ("Cursor", "approved"), ("Otter", "perhaps"))
    assert [(error.line, error.field) for error in loaded.errors] == [(3, "Status")]


def _with_part(name: str, content: bytes) -> bytes:
    source, target = io.BytesIO(workbook(("Tool", "Status"), ("Cursor", "approved"))), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, content if part.filename == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, content)
    return target.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
XMLNS = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


ENTITIES = (
    b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "Tool">]><worksheet %s>
<sheetData><row r="1"><c r="A1" t="str"><v>&a;</v></c></row></sheetData></worksheet>"""
    % XMLNS
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"not a workbook",
        _with_part("xl/media/zeros.bin", bytes(150_000_000)),
        _with_part(SHEET, ENTITIES),
        _with_part(SHEET, b"<worksheet"),
        _with_part("xl/workbook.xml", b"<x/>"),
    ],
    ids=["empty", "torn", "text", "bomb", "entities", "torn sheet", "no sheets"],
)
def test_broken_and_hostile_workbooks(data: bytes) -> None:
    loaded = parse(data, "a.xlsx")
    assert loaded.content is None
    assert loaded.errors


def test_a_row_far_away_does_not_fill_the_memory() -> None:
    rows = b'<row r="1"><c r="A1" t="str"><v>Tool</v></c></row><row r="999999999"><c r="A999999999"/></row>'
    sheet = b"<worksheet " + XMLNS + b"><sheetData>" + rows + b"</sheetData></worksheet>"
    assert parse(_with_part(SHEET, sheet), "a.xlsx").content is not None


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *rest)

    data = workbook(("Tool",))
    monkeypatch.delitem(sys.modules, "openpyxl")
    monkeypatch.setattr(builtins, "__import__", without)
    (error,) = parse(data, "a.xlsx").errors
    assert "aimscope[xlsx]" in error.advice
