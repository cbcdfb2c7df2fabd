"""The tables of a pack as files: read once, written to CSV and JSON side by side, a few rows kept for the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aimscope_collector.reports.cells import Value, csv_lines
from aimscope_collector.reports.manifest import Pack
from aimscope_collector.reports.tables import Reading, Table

SHOWN: Final = 25
"""Rows of a table on the page; files have all."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it went into the pack: its number of rows, and the first of them. ``left_out`` says why it is not."""

    id: str
    table: Table
    rows: int = 0
    first: tuple[tuple[Value, ...], ...] = ()
    note: str = ""
    left_out: str = ""

    @property
    def csv(self) -> str:
        """Its file."""
        return f"tables/{self.id}-{self.table.name}.csv"

    @property
    def json(self) -> str:
        """Its other file."""
        return f"tables/{self.id}-{self.table.name}.json"


def left_out(reading: Reading, table: Table) -> str:
    """Why whoever asks does not get a table; empty where they do."""
    lacking = [word for word in table.needs if not reading.view.may(word)]
    if lacking:
        return f"Left out: the account that made this pack may not read it (it lacks {', '.join(lacking)})."
    if table.whole and not reading.view.whole:
        return "Left out: it is about the whole organisation, and this pack is about part of it."
    return ""


def written(reading: Reading, id_: str, table: Table, pack: Pack, folder: Path) -> Written:
    """Put a table into the pack, or say why it is not in it."""
    why = left_out(reading, table)
    if why:
        return Written(id=id_, table=table, left_out=why)
    note = table.note(reading) if table.note else ""
    rows = _Rows(reading, table, _head(id_, table, note), folder / "rows.json")
    csv = folder / "rows.csv"
    with csv.open("wb") as file:
        file.writelines(csv_lines([column.title for column in table.columns], rows.read()))
    done = Written(id=id_, table=table, rows=rows.count, first=tuple(rows.first), note=note)
    pack.add(done.csv, csv)
    pack.add(done.json, rows.path)
    for path in (csv, rows.path):
        path.unlink()
    return done


def _head(id_: str, table: Table, note: str) -> bytes:
    said = {
        "table": id_,
        "name": table.name,
        "title": table.title,
        "says": table.says,
        "note": note,
        "item": table.item,
        "controls": table.controls,
        "columns": [{"name": one.name, "title": one.title, "null_means": one.absent} for one in table.columns],
    }
    return msgspec.json.encode(said)[:-1] + b',"rows":['


class _Rows:
    """The rows of a table on their way: what a cell has not is said in CSV, and null in JSON."""

    def __init__(self, reading: Reading, table: Table, head: bytes, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first: list[tuple[Value, ...]] = []
        self._reading, self._table, self._head = reading, table, head

    def read(self) -> Iterator[Sequence[Value]]:
        names = [column.name for column in self._table.columns]
        absent = [column.absent for column in self._table.columns]
        encoder = msgspec.json.Encoder()
        with self.path.open("wb") as file:
            file.write(self._head)
            for row in self._table.rows(self._reading):
                file.write(b",\n" if self.count else b"\n")
                file.write(encoder.encode(dict(zip(names, map(_kept, row), strict=True))))
                said = tuple(word if value is None else value for value, word in zip(row, absent, strict=True))
                if self.count < SHOWN:
                    self.first.append(said)
                self.count += 1
                yield said
            file.write(b'\n],"count":%d}\n' % self.count)


def _kept(value: Value) -> Value:
    """A text that JSON can carry: no half of a character."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
