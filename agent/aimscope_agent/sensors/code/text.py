"""Text and places in it: what every reader of this sensor works with."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

Named = tuple[str, int]
"""Something a file names, and the offset at which it does."""

Reader = Callable[[str], Iterable[Named]]
"""Reads one kind of file. Raises ``UnreadableError`` where the file is not what its name says."""

_LONG_TEXT = 50_000
_LONG_LINE = 1_000
_WORD = re.compile(r"[\w@./~-]+")
_MOST_MISSES = 100


class Lines:
    """Offsets to line numbers, from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] | None = None

    def at(self, offset: int) -> int:
        """The line of an offset."""
        if self._ends is None:
            self._ends = [found.start() for found in re.finditer("\n", self._text)]
        return bisect_right(self._ends, max(offset, 0) - 1) + 1


class Spans:
    """Parts of a text that are not code: comments and strings."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        spans = [found.span() for found in pattern.finditer(text)]
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def hold(self, offset: int) -> bool:
        """Whether an offset lies within one of them, beyond its first character."""
        index = bisect_right(self._starts, offset - 1) - 1
        return index >= 0 and offset < self._ends[index]


def is_generated(text: str) -> bool:
    """Whether nobody writes lines this long: minified or made by a program."""
    return len(text) > _LONG_TEXT and len(text) > _LONG_LINE * (text.count("\n") + 1)


def placed(text: str, names: Iterable[str], ecosystem: str) -> Iterator[Named]:
    """Names of one ecosystem that a parser found, with the first place at which each stands as a word."""
    words: dict[str, int] = {}
    for found in _WORD.finditer(text):
        words.setdefault(found[0], found.start())
    misses = 0
    for name in names:
        offset = words.get(name, -1)
        if offset < 0 and misses < _MOST_MISSES:
            misses += 1
            offset = text.find(name)
        yield f"{ecosystem}:{name}", max(offset, 0)
