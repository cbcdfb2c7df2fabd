"""Engine `regex`: what one of the patterns (named groups) matches from the beginning."""

from __future__ import annotations

import re

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import MapError, Options

USES = ("patterns",)
_LONGEST = 65_536


class Regex:
    """Tries one pattern after the other; an array's worth of a name has several groups: `name`, `name_2`."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options) -> None:
        if not options.patterns:
            raise MapError("$.options.patterns: a regex needs at least one")
        try:
            self._patterns = tuple(re.compile(pattern) for pattern in options.patterns)
        except re.error as error:
            raise MapError(f"$.options.patterns: {error}") from None

    def parse(self, line: str) -> Fields | None:
        """The groups of the first pattern that matches."""
        if len(line) > _LONGEST:
            return None
        for pattern in self._patterns:
            found = pattern.match(line)
            if found:
                return {name: value for name, value in found.groupdict().items() if value is not None} or {"": line}
        return None
