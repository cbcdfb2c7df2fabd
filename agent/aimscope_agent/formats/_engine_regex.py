"""Engine `regex`: what one of the patterns (named groups) matches from the beginning."""

from __future__ import annotations

import functools
import re
from typing import Final

from aimscope_agent.formats._engine import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._map import MapError, Options

USES = ("patterns",)
_LONGEST = 65_536
_PART: Final = re.compile(
    r"\\[^0-9xuUN]|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|:|<?[=!])|\((?!\?)|\)|(?:[*+?]|\{[0-9,]+\})[?+]?|[^\\(\[]",
    re.DOTALL,
)


class Regex:
    """Tries one pattern after the other; an array's worth of a name has several groups: `name`, `name_2`."""

    state = State()
    marks: tuple[bytes, ...] = ()
    heads = False

    def __init__(self, options: Options, *, proven: bool = False) -> None:
        """``proven``: the patterns are well-formed, and each is compiled when a line may fit it."""
        if not options.patterns:
            raise MapError("$.options.patterns: a regex needs at least one")
        self._patterns = tuple(map(_Pattern, options.patterns))
        try:
            for pattern in () if proven else self._patterns:
                pattern.compile()
        except re.error as error:
            raise MapError(f"$.options.patterns: {error}") from None

    def parse(self, line: str) -> Fields | None:
        """The groups of the first pattern that matches."""
        if len(line) > _LONGEST:
            return None
        for pattern in self._patterns:
            if pattern.literal in line:
                found = (pattern.compiled or pattern.compile()).match(line)
                if found:
                    pairs = (
                        zip(pattern.names, found.groups(), strict=True) if pattern.names else found.groupdict().items()
                    )
                    return {name: value for name, value in pairs if value is not None} or {"": line}
        return None


class _Pattern:
    """A pattern, and text without which nothing matches it. ``names`` are those of all its groups, if all have one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.literal = literal(text)
        self.compiled: re.Pattern[str] | None = None
        self.names: tuple[str, ...] = ()

    def compile(self) -> re.Pattern[str]:
        self.compiled = found = re.compile(self.text)
        if found.groups == len(found.groupindex):
            self.names = tuple(found.groupindex)
        return found


@functools.cache
def literal(pattern: str) -> str:
    """The longest text that is in whatever a pattern matches; empty where that is not plain to see."""
    verbose = pattern.startswith("(?x)")
    text = pattern.removeprefix("(?x)")
    parts: list[str] = _PART.findall(text)
    if "".join(parts) != text or (verbose and "#" in parts):
        return ""
    if verbose:
        parts = [part for part in parts if not part.isspace()]
    found: list[list[str]] = [[""]]  # of each open group, texts that follow one another
    certain = [True]
    for part, after in zip(parts, [*parts, "."][1:], strict=True):
        optional = after[0] in "*?{"
        if part[0] == "(":
            found.append([""])
            certain.append(part[-1] in "(:>")
        elif part == ")":
            if len(found) == 1:
                return ""
            inner, sure = found.pop(), certain.pop()
            found[-1] += [*(inner if sure and not optional else ()), ""]
        elif part == "|":
            certain[-1] = False
        elif sign := _sign(part):
            if not optional:
                found[-1][-1] += sign
            if optional or after[0] == "+":
                found[-1].append("")
        else:
            found[-1].append("")
    return max(found[0], key=len) if certain == [True] else ""


def _sign(part: str) -> str:
    """The one character that a part stands for; else nothing."""
    if len(part) == 1:
        return "" if part in ".^$*+?" else part
    if part[0] == "[" and len(part) == 3:
        return part[1]
    return part[1] if part[0] == "\\" and not part[1].isalnum() else ""
