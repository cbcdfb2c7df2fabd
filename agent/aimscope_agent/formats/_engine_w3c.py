"""Engine `w3c`: the W3C extended log format, whose `#Fields:` names the columns, anew wherever it stands."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import KNOWN, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ("separator", "columns", "least")
_PARTS = re.compile(r'"((?:[^"]|"")*)"(?= |\t|$)|(\S+)')


class W3c:
    """Reads columns; values with spaces are quoted."""

    marks: tuple[bytes, ...] = (b"#",)
    heads = True

    def __init__(self, options: Options) -> None:
        self._tab = options.separator in {"\t", "tab"}
        self._least = options.least
        self.state = State(columns=options.columns, separator="\t" if self._tab else "")

    def parse(self, line: str) -> Fields | None:
        """The columns by name."""
        if line.startswith("#"):
            if line[:8].lower() == "#fields:":
                names = line[8:]
                tabs = self._tab or "\t" in names.strip()
                self.state = State(columns=tuple(names.split()), separator="\t" if tabs else "")
            return KNOWN
        columns = self.state.columns
        if self.state.separator:
            values = [value.strip().strip('"') for value in line.split("\t")]
        elif '"' in line:
            values = [quoted.replace('""', '"') or plain for quoted, plain in _PARTS.findall(line)]
        else:
            values = line.split()
        if not columns or len(values) < (self._least or len(columns)):
            return None
        return dict(zip(columns, values, strict=False))
