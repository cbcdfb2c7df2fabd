"""Engine `delimited`: columns, quoted as in CSV, named by the map or by the file's own header line."""

from __future__ import annotations

import csv

from aimscope_agent.formats._engine import KNOWN, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ("separator", "columns", "least")
_MOST = 1_000


class Delimited:
    """Reads columns. ``needed`` are the names a header line has."""

    marks: tuple[bytes, ...] = ()
    heads = True

    def __init__(self, options: Options, needed: tuple[str, ...]) -> None:
        words = {"tab": "\t", "space": " ", "comma": ",", "pipe": "|", "semicolon": ";"}
        self._separator = words.get(options.separator, options.separator) or ","
        self._columns = options.columns
        self._needed = frozenset(name.casefold() for name in needed if not name.startswith("syslog."))
        self._known = self._needed | {name.casefold() for name in options.columns}
        self._least = options.least
        self.state = State(columns=options.columns)

    def parse(self, line: str) -> Fields | None:
        """The columns; too few are no line of the format."""
        values = self._split(line)
        if not values or len(values) > _MOST:
            return None
        if self._is_header(values):
            self.state = State(columns=tuple(values))
            return KNOWN
        columns = self.state.columns
        if len(values) < (self._least or len(columns)) or len(values) < 2 or not columns:
            return None
        return dict(zip(columns, values, strict=False))

    def _is_header(self, values: list[str]) -> bool:
        """Whether a line names the columns. Where they have names, it must begin with one that is known."""
        if not self._needed:
            return False
        columns = self.state.columns
        if columns and values[0].casefold() not in self._known and values[0].casefold() != columns[0].casefold():
            return False
        return self._needed <= {value.casefold() for value in values}

    def _split(self, line: str) -> list[str] | None:
        if self._separator == "whitespace":
            return line.split()
        if '"' not in line or len(self._separator) > 1:
            return [value.strip() for value in line.split(self._separator)]
        try:
            (values,) = csv.reader((line,), delimiter=self._separator, skipinitialspace=True)
        except (csv.Error, ValueError):
            return None
        return [value.strip() for value in values]
