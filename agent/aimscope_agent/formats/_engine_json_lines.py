"""Engine `json_lines`: an object a line; what is inside one of its fields, if `unwrap` says so."""

from __future__ import annotations

import msgspec

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields, look_up
from aimscope_agent.formats._map import Options

USES = ("unwrap", "records")
_DECODE = msgspec.json.Decoder(dict[str, object]).decode
_WRONG = (msgspec.MsgspecError, ValueError, RecursionError)


class JsonLines:
    """Reads an object, wherever in the line it begins."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options) -> None:
        self._unwrap = options.unwrap

    def parse_bytes(self, line: bytes) -> Fields | None:
        """A line that is an object and nothing else."""
        try:
            fields = _DECODE(line)
        except _WRONG:
            try:
                fields = _DECODE(line.decode("utf-8", "replace"))
            except _WRONG:
                return None
        return self._unwrapped(fields) if self._unwrap else fields

    def parse(self, line: str) -> Fields | None:
        """The object in a line: after `@cee:`, a program's name or a proxy's own words."""
        start = line.find("{")
        if start < 0:
            return None
        try:
            fields = _DECODE(line[start:].rstrip().rstrip(","))
        except _WRONG:
            return None
        return self._unwrapped(fields) if self._unwrap else fields

    def _unwrapped(self, fields: dict[str, object]) -> Fields | None:
        found = look_up(fields, self._unwrap)
        inner = found[0] if found else None
        if isinstance(inner, str):
            try:
                inner = _DECODE(inner)
            except _WRONG:
                return None
        # what surrounds the record (time of a forwarder, account) stays readable
        return {**fields, **inner} if isinstance(inner, dict) else None
