"""Engine `zeek`: Zeek's tab-separated logs, whose header names columns, separator and kind (`_path`)."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import KNOWN, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import Options

USES = ("columns", "least")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


class Zeek:
    """Reads columns."""

    marks: tuple[bytes, ...] = (b"#",)
    heads = True

    def __init__(self, options: Options) -> None:
        self._least = options.least
        self.state = State(columns=options.columns, separator="\t")

    def parse(self, line: str) -> Fields | None:
        """The columns by name, and `_path`."""
        state = self.state
        if line.startswith("#"):
            self._head(line)
            return KNOWN
        values = line.split(state.separator)
        if not state.columns or len(values) < (self._least or len(state.columns)):
            return None
        fields: dict[str, object] = dict(zip(state.columns, values, strict=False))
        if state.path:
            fields["_path"] = state.path
        return fields

    def _head(self, line: str) -> None:
        state = self.state
        if line.startswith("#separator "):
            text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), line[11:])
            self.state = State(state.columns, text[:4] or "\t", state.path)
        elif line.startswith("#path"):
            self.state = State(state.columns, state.separator, line[5:].strip()[:64])
        elif line.startswith("#fields"):
            names = tuple(line[7:].strip("\r\n").split(state.separator))
            self.state = State(tuple(name for name in names if name), state.separator, state.path)
