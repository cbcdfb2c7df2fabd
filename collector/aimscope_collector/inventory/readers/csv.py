"""CSV, in any encoding, with comma, semicolon, tab or bar between the cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from aimscope_collector.inventory.model import Inventory
from aimscope_collector.inventory.problems import Loaded, Problems
from aimscope_collector.inventory.reader import Reader
from aimscope_collector.inventory.table import Row, find_headings, inventory_of_rows
from aimscope_collector.inventory.text import decode

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 25


def read(data: bytes, file: str) -> Loaded[Inventory]:
    """The inventory in CSV bytes."""
    problems = Problems(file)
    text = decode(data)
    told = re.match(r"sep=(.)\r?\n", text)  # how Excel tells itself the delimiter
    start = told.end() if told else 0
    delimiter = told[1] if told and told[1] in _DELIMITERS else _delimiter(text[start:])
    try:
        rows = list(_rows(text, start, delimiter))
    except csv.Error as error:
        problems.error(0, "", f"This is not CSV: {error}.", "Check for a quote that is never closed.")
        return Loaded(content=None, problems=problems.sorted())
    return inventory_of_rows(rows, problems)


def _rows(text: str, start: int, delimiter: str) -> Iterator[Row]:
    """Rows with the line on which each starts: a quoted cell may hold line breaks."""
    above = text.count("\n", 0, start)
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter)
    line = above + 1
    for cells in reader:
        yield Row(line=line, cells=tuple(cells))
        line = above + reader.line_num + 1


def _delimiter(text: str) -> str:
    """The delimiter under which the most headings are understood."""

    def understood(delimiter: str) -> int:
        try:
            return len(find_headings(list(islice(_rows(text, 0, delimiter), _SAMPLE_ROWS)))[1])
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=understood)


READER: Final = Reader(suffixes=(".csv", ".tsv", ".txt"), doc="CSV", read=read)
