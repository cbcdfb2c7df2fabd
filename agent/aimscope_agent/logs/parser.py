"""Lines → observations, incrementally: what `scan logs`, `watch --log` and the syslog listener read with.

``Parser(format, zone=…, now=…)`` takes blocks of whole lines in the order of the file::

    parser = Parser(formats()["squid-native"], zone="local", now=mtime)
    for observation in parser.feed(block, first_line=1, source="/var/log/squid/access.log"):
        ...
    checkpoint = parser.state          # frozen, msgpack-able: columns a header has named
    later = Parser(form, zone=…, now=…, state=checkpoint)

``now`` (seconds since 1970) decides on years that lines do not write: the file's time of change, or the clock of
whoever follows. Counters only rise; ``parser.counts`` says how lines went, ``parser.first`` and ``parser.last`` the
earliest and latest time of a line that was read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from aimscope_agent.formats._engines import LineReader, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._format import Format
from aimscope_agent.formats._time import Clock, zone_of
from aimscope_signatures.model import Observation

LONGEST_LINE = 1_048_576
"""Bytes; what is longer is no line."""
QUARANTINED = 8
"""Line numbers of unreadable lines that are kept."""


_NAMES = frozenset({"name", "asked", "server_name", "host", "ip"})


class Counts(msgspec.Struct):
    """How lines went."""

    lines: int = 0
    read: int = 0
    """Taken apart."""
    unreadable: int = 0
    """Torn, foreign, or too long."""
    untimed: int = 0
    """Read, and without a time that could be understood."""
    quarantine: list[int] = []
    """Numbers of the first unreadable lines."""


class Parser:
    """Reads one file, or one stream of lines, of one format."""

    def __init__(self, form: Format, *, zone: str = "", now: int, state: State | None = None) -> None:
        """Raise ``ValueError`` for a zone that is none."""
        self.format = form
        self.now = now
        self.clock = Clock(form.map.time_format, zone_of(zone or form.zone), now)
        self.counts = Counts()
        self.first = 0
        self.last = 0
        self.latest = 0
        """Time of the nearest line that stated one."""
        self._reader = LineReader(form.map, proven=form.proven)
        if state is not None:
            self._reader.engine.state = state

    @property
    def heads(self) -> bool:
        """Whether lines of the file name the columns of others."""
        return self._reader.engine.heads

    @property
    def state(self) -> State:
        """What headers so far say of the lines that follow."""
        return self._reader.engine.state

    def feed(self, block: bytes, first_line: int, source: str) -> Iterator[Observation]:
        """What whole lines say; ``first_line`` is the number of the first of them."""
        lines = block.split(b"\n")
        unfinished = len(lines) if lines[-1] else 0
        if not unfinished:
            lines.pop()
        for number, line in enumerate(lines, first_line):
            yield from self.line(line, number, source, whole=number - first_line + 1 != unfinished)

    def line(self, line: bytes, number: int, source: str, *, whole: bool = True) -> Iterator[Observation]:
        """What one line says; ``whole``: its line break was there."""
        self.counts.lines += 1
        fields = self.fields(line, number, whole=whole)
        if fields:
            yield from self.format.observe(fields, self.at(fields), f"{source}:{number}")

    def fields(self, line: bytes, number: int, *, whole: bool = True) -> Fields | None:
        """A line taken apart, and counted; nothing where it says nothing, or is no line of the format.

        Of a line that is not ``whole`` a name at its very end may be torn: then it is no line of the format.
        """
        fields = self._reader.fields(line) if len(line) <= LONGEST_LINE else None
        if fields is None:
            if line.strip():
                self.unreadable(number)
            return None
        if not fields:
            return None
        if not self.format.fits(fields, line) or not (whole or self._ends(fields, line)):
            self.unreadable(number)
            return None
        self.counts.read += 1
        return fields

    def _ends(self, fields: Fields, line: bytes) -> bool:
        """Whether something follows every name in a line, so that the name is whole."""
        text = line.rstrip().lower()
        names = {
            str(seen.fields[name])
            for seen in self.format.observe(fields, 0, "")
            for name in _NAMES & seen.fields.keys()
        }
        return not any(text.endswith((name.encode(), name.encode() + b".")) for name in names)

    def at(self, fields: Fields) -> int:
        """When; where the line does not say, the time of the nearest line before it that does, else ``now``."""
        at = self.format.at(fields, self.clock)
        if not at:
            self.counts.untimed += 1
            return self.latest or self.now
        self.latest = at
        self.last = max(self.last, at)
        if at < self.first or not self.first:
            self.first = at
        return at

    def time_of(self, line: bytes) -> int:
        """When a line was, which is not counted; 0 where it does not say."""
        fields = self._reader.fields(line) if len(line) <= LONGEST_LINE else None
        at = self.format.at(fields, self.clock) if fields and self.format.fits(fields, line) else 0
        self.latest = at or self.latest
        return at

    def unreadable(self, number: int) -> None:
        """Count a line that is none of the format."""
        self.counts.unreadable += 1
        if len(self.counts.quarantine) < QUARANTINED:
            self.counts.quarantine.append(number)
