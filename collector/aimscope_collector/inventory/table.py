"""A table with headings people chose, such as 'Tool', 'Vendor' and 'Approved?', as an inventory."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, get_args

import msgspec
from msgspec import inspect

from aimscope_collector.inventory.content import check
from aimscope_collector.inventory.model import (
    VERSION,
    AuthorisedUse,
    Inventory,
    UseStatus,
)
from aimscope_collector.inventory.problems import Loaded, Path, Problems, did_you_mean, shown
from aimscope_collector.inventory.shape import shape

MAX_ROWS: Final = 200_000
MAX_COLUMNS: Final = 200
_MAX_NAME: Final = 100
_HEADING_ROWS: Final = 20
"""People put titles and notes above the headings: so many rows are looked at."""

_USUAL: Final[dict[UseStatus, str]] = {
    "approved": "yes; y; true; x; sanctioned; allowed; authorised; authorized; accepted; permitted; production; "
    "in production; live; deployed",
    "restricted": "conditional; conditionally approved; limited; approved with conditions",
    "tolerated": "monitored; temporarily allowed",
    "proposed": "pending; requested; in review; under review; draft; planned; new; in assessment; development; "
    "testing; pilot; open; tbd; unreviewed",
    "prohibited": "blocked; banned; forbidden; denied; rejected; unsanctioned; not allowed; disallowed; not approved; "
    "refused",
    "retired": "decommissioned; end of life; inactive; archived; discontinued",
}
_STATUS: Final = {word: status for status, words in _USUAL.items() for word in words.split("; ")}
"""What spreadsheets say for a status. A bare "no" is not among them: it may mean forbidden or not decided."""


class Row(msgspec.Struct, frozen=True):
    """One row of cells as text, and its line in the file, from 1."""

    line: int
    cells: tuple[str, ...]


def inventory_of_rows(rows: Iterable[Row], problems: Problems) -> Loaded[Inventory]:
    """The inventory in a table: headings first, then one system a row. Consumes at most ``MAX_ROWS`` rows."""
    found = list(islice((row for row in rows if any(map(str.strip, row.cells))), MAX_ROWS + _HEADING_ROWS + 1))
    top, headings = find_headings(found)
    if not headings:
        advice = "Name one column 'Name' (or 'Tool', 'AI system'), and others 'Vendor', 'Status', 'Owner'."
        problems.error(found[0].line if found else 0, "", "No column holds the name of a system.", advice)
        return Loaded(content=None, problems=problems.sorted())
    body = found[top + 1 :]
    if len(body) > MAX_ROWS:
        problems.error(body[MAX_ROWS].line, "", f"More than {MAX_ROWS:,} systems.", "Split the inventory.")
        body = body[:MAX_ROWS]
    reading = _Reading(found[top], headings, problems)
    reading.explain_headings()
    systems = [use for number, row in enumerate(body) if (use := reading.system(row, number)) is not None]

    def place(path: Path) -> tuple[int, str]:
        return body[int(path[0])].line, reading.heading(path[1:])

    check(reading.built, False, place, problems)
    content = None if problems.errors else Inventory(aimscope_inventory=VERSION, systems=tuple(systems))
    return Loaded(content=content, problems=problems.sorted())


def find_headings(rows: list[Row]) -> tuple[int, dict[int, str]]:
    """Which of the first rows holds the headings, and its columns' fields; no fields if there is none."""
    best: tuple[int, dict[int, str]] = (0, {})
    for number, row in enumerate(rows[:_HEADING_ROWS]):
        fields: dict[int, str] = {}
        for place, cell in enumerate(row.cells[:MAX_COLUMNS]):
            field = _by_heading().get(_heading(cell))
            if field is not None and field not in fields.values():
                fields[place] = field
        if "name" not in fields.values():
            fields = {place: "name" if field in ("model", "services") else field for place, field in fields.items()}
        if list(fields.values()).count("name") == 1 and len(fields) > len(best[1]):
            best = (number, fields)
    return best


def _heading(cell: str) -> str:
    """A heading as it is compared: ``AI_System *`` and ``ai system`` are one."""
    return " ".join(re.findall(r"[^\W_]+", cell[:200].casefold()))


class _Column(msgspec.Struct, frozen=True):
    """A field that a column can fill: where its cells go, its type, and headings that mean it."""

    path: tuple[str, ...]
    type: inspect.Type
    headings: tuple[str, ...]


@functools.cache
def _columns() -> Mapping[str, _Column]:
    """Field name → column; fields of a struct within a row are written ``scope.in_aims``."""
    found: dict[str, _Column] = {}
    for column in _columns_of(AuthorisedUse, ()):
        if isinstance(column.type, inspect.StructType):
            found |= {".".join(inner.path): inner for inner in _columns_of(column.type.cls, column.path)}
        else:
            found[".".join(column.path)] = column
    return found


def _columns_of(struct: type[msgspec.Struct], prefix: tuple[str, ...]) -> Iterable[_Column]:
    info = inspect.type_info(struct)
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        kind: inspect.Type = field.type
        headings: tuple[str, ...] = ()
        while isinstance(kind, inspect.Metadata | inspect.UnionType):
            if isinstance(kind, inspect.Metadata):
                headings = headings or tuple((kind.extra or {}).get("headings", ()))
                kind = kind.type
            else:
                kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        yield _Column((*prefix, field.encode_name), kind, headings)


@functools.cache
def _by_heading() -> Mapping[str, str]:
    """Heading → field. Field names count before headings that are merely usual."""
    usual = {heading: name for name, column in _columns().items() for heading in column.headings}
    return {**usual, **{_heading(name): name for name in _columns()}}


class _Reading:
    """Reads the rows of one table."""

    def __init__(self, top: Row, fields: dict[int, str], problems: Problems) -> None:
        self._top = top
        self._fields = fields
        self._problems = problems
        self._noted: set[tuple[str, str]] = set()
        self.built: list[tuple[Path, AuthorisedUse]] = []
        """Every system, under the number of its row."""

    def heading(self, path: Path) -> str:
        """The heading over a field, as it is in the file."""
        for place, field in self._fields.items():
            column = _columns()[field].path
            if column == path[: len(column)]:
                return self._top.cells[place].strip()[:_MAX_NAME]
        return str(path[0]) if path else ""

    def explain_headings(self) -> None:
        """Note which columns are left out, and what is assumed where an important one is absent."""
        for place, cell in enumerate(self._top.cells[:MAX_COLUMNS]):
            if cell.strip() and place not in self._fields:
                hint = did_you_mean(_heading(cell), _by_heading(), 0.8)
                advice = f"{hint}Rename it if it is meant to be read."
                self._problems.note(self._top.line, cell.strip()[:_MAX_NAME], "This column is left out.", advice)
        if "status" not in self._fields.values():
            message = "No column holds the status, so every system counts as proposed."
            self._problems.note(self._top.line, "status", message, "Add a column 'Status'.")

    def system(self, row: Row, number: int) -> AuthorisedUse | None:
        """One row as a system; ``None`` after noting why not."""
        document: dict[str, object] = {}
        for place, name in self._fields.items():
            cell = row.cells[place].strip() if place < len(row.cells) else ""
            if cell:
                column = _columns()[name]
                below = document
                for part in column.path[:-1]:
                    below = below.setdefault(part, {})  # type: ignore[assignment]  # only mappings are put there
                below[column.path[-1]] = self._value(name, column.type, cell, row.line)
        if "status" not in document:
            document["status"] = "proposed"
            if "status" in self._fields.values():
                message = "The status is empty, so the system counts as proposed."
                self._problems.note(row.line, self.heading(("status",)), message, "Fill it in.")

        def complain(path: Path, message: str, advice: str) -> None:
            self._problems.error(row.line, self.heading(path), message, advice)

        def built(path: Path, struct: object) -> None:
            if isinstance(struct, AuthorisedUse):
                self.built.append(((number, *path), struct))

        return shape(AuthorisedUse, document, complain, built)

    def _value(self, name: str, kind: inspect.Type, cell: str, line: int) -> object:
        match kind:
            case inspect.VarTupleType():
                parts = cell.split("\n") if "\n" in cell else re.split(r"[;,|]", cell)
                return [part.strip() for part in parts if part.strip()]
            case inspect.LiteralType() if name == "status":
                return self._status(cell, line)
            case inspect.LiteralType():
                known = {str(value) for value in kind.values}
                given = _heading(cell)
                if given in known:
                    return given
                advice = f"Write one of {', '.join(sorted(known))} if it matters."
                self._note_once(name, cell, line, f"{shown(cell)} is not known here and left out.", advice)
                return None
            case inspect.BoolType():
                word = _heading(cell)
                return {"in": "yes", "in scope": "yes", "out": "no", "out of scope": "no"}.get(word, cell)
            case inspect.DateType():
                return _day(cell)
        return cell

    def _status(self, cell: str, line: int) -> str:
        word = _heading(cell)
        meant = _STATUS.get(word)
        if word in get_args(UseStatus) or meant is None:
            return word if word in get_args(UseStatus) else cell
        message = f"{shown(cell)} is read as {meant}."
        self._note_once("status", cell, line, message, f"Write one of {', '.join(get_args(UseStatus))} to be exact.")
        return meant

    def _note_once(self, name: str, cell: str, line: int, message: str, advice: str) -> None:
        if (name, cell) not in self._noted:
            self._noted.add((name, cell))
            self._problems.note(line, self.heading(_columns()[name].path), message, advice)


def _day(cell: str) -> str:
    """Day.month.year and unambiguous day/month/year as ISO; anything else as it is, to be judged by the schema."""
    parts = re.fullmatch(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", cell, re.ASCII)
    if parts is None:
        return cell.replace("/", "-") if re.fullmatch(r"\d{4}/\d{2}/\d{2}", cell, re.ASCII) else cell
    first, mark, second, year = int(parts[1]), parts[2], int(parts[3]), parts[4]
    if mark == "." or first > 12 or first == second:
        return f"{year}-{second:02}-{first:02}"
    return f"{year}-{first:02}-{second:02}" if second > 12 else cell
