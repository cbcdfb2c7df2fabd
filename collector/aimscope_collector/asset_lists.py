"""Lists of the devices there should be, as device management exports them: the fleet that coverage is measured by."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from aimscope_collector.assets import parsed_address
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.text import decode

MAX_BYTES: Final = 50_000_000
MAX_ROWS: Final = 500_000
_LONGEST: Final = 1_024
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "names": ("name", "names", "host", "hostname", "host name", "device", "device name", "computer", "computer name"),
    "addresses": ("address", "addresses", "ip", "ips", "ip address", "ip addresses", "ipv4", "ipv6"),
    "unit": ("unit", "ou", "department", "business unit", "organisational unit", "organizational unit"),
    "groups": ("group", "groups", "device group", "device groups"),
    "environment": ("environment", "env", "stage"),
    "owner": ("owner", "user", "primary user", "assigned user", "assigned to", "assignee", "device owner"),
}


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a list. The first name is the one it is known by; the others, and addresses, lead to it."""

    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    unit: str = ""
    groups: tuple[str, ...] = ()
    environment: str = ""
    owner: str = ""
    """Who it belongs to, as the list has it: clear here, and a pseudonym from the door on."""


def read(data: bytes, file: str) -> Loaded[tuple[Listed, ...]]:
    """The devices of a CSV file with a line of headings. Columns that are not understood are noted, and left out.

    Who owns a device is a person's name: it is kept as the pseudonym that the same account has elsewhere.
    """
    problems = Problems(file)
    if len(data) > MAX_BYTES:
        problems.error(0, "", f"The file is larger than {MAX_BYTES // 1_000_000} MB.", "Split the list.")
        return Loaded(content=None, problems=problems.sorted())
    text = decode(data)
    first = text[: text.find("\n")] if "\n" in text else text
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    found: list[Listed] = []
    try:
        columns = _columns(next(rows, []), problems)
        for row in rows:
            if len(found) >= MAX_ROWS:
                problems.error(rows.line_num, "", f"There are more than {MAX_ROWS:,} devices.", "Split the list.")
                break
            if columns and any(cell.strip() for cell in row):
                _take(row, rows.line_num, columns, found, problems)
    except csv.Error as error:
        problems.error(rows.line_num, "", f"This is not CSV: {error}.", "Save the list as CSV (UTF-8).")
    return Loaded(content=None if problems.errors else tuple(found), problems=problems.sorted())


def _columns(headings: Sequence[str], problems: Problems) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, heading in enumerate(headings):
        said = heading.strip().casefold().replace("_", " ").replace("-", " ")
        field = next((field for field, known in _COLUMNS.items() if said in known), "")
        if field:
            found.setdefault(field, []).append(number)
        elif said:
            problems.note(1, heading.strip()[:100], "This column is not read.", "")
    if "names" not in found:
        problems.error(1, "", "No column holds the devices' names.", "Call it 'name' or 'hostname'.")
        return {}
    return found


def _take(
    row: Sequence[str], line: int, columns: Mapping[str, Sequence[int]], found: list[Listed], problems: Problems
) -> None:
    cells = {
        field: tuple(dict.fromkeys(part for number in numbers if number < len(row) for part in _parts(row[number])))
        for field, numbers in columns.items()
    }
    if any(len(part) > _LONGEST for parts in cells.values() for part in parts):
        problems.error(line, "", "A value is too long.", "Check quotes and separators.")
        return
    names = cells["names"]
    if not names:
        problems.error(line, "name", "The device has no name.", "Name it, or remove the line.")
        return
    addresses = []
    for text in cells.get("addresses", ()):
        address = parsed_address(text)
        if address is None:
            problems.note(line, "address", f"{text[:50]!r} is no address, and is left out.", "")
        else:
            addresses.append(address)
    unit = cells.get("unit", ())
    found.append(
        Listed(
            names=names,
            addresses=tuple(dict.fromkeys(addresses)),
            unit=unit[0] if unit else "",
            groups=cells.get("groups", ()),
            environment=(cells.get("environment", ()) or ("",))[0],
            owner=next((row[n].strip() for n in columns.get("owner", ()) if n < len(row) and row[n].strip()), ""),
        )
    )


def _parts(cell: str) -> list[str]:
    """Several values of one cell: separated by semicolons, bars or line breaks, or by commas within quotes."""
    for mark in ";|\n":
        cell = cell.replace(mark, ",")
    return [part.strip() for part in cell.split(",") if part.strip()]
