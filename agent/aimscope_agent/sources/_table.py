"""Tables of text: separated columns, quoted cells that may hold line breaks, torn rows that spoil no other row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

SEPARATORS: Final = ",;\t|"
MOST_COLUMNS: Final = 1_000
LONGEST_LINE: Final = 1 << 20
_MOST_LINES = 64
"""Lines of one row: a quote that is never closed takes no more than these into doubt."""


class Line(NamedTuple):
    """One line. ``whole`` is false for a last line without an end, which may have been cut."""

    number: int
    text: str
    whole: bool = True
    long: bool = False


def lines_of(pieces: Iterator[str]) -> Iterator[Line]:
    """Lines by their number. Of one that is longer than ``LONGEST_LINE`` nothing but the number is kept."""
    number, rest, long = 1, "", False
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for text in whole:
            over = long or len(text) > LONGEST_LINE
            yield Line(number, "" if over else text.removesuffix("\r"), long=over)
            number, long = number + 1, False
        if len(rest) > LONGEST_LINE:
            rest, long = "", True
    if rest or long:
        yield Line(number, "" if long else rest.removesuffix("\r"), whole=False, long=long)


def cells_of(text: str, separator: str) -> list[str] | None:
    """The cells of a row; ``None`` where quotes are not as they should be."""
    if '"' not in text:
        return text.split(separator)
    try:
        rows = list(csv.reader((text,), delimiter=separator, strict=True))
    except (csv.Error, ValueError):
        return None
    return rows[0] if len(rows) == 1 else None


def rows(lines: Iterator[Line], separator: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str] | None]]:
    """Number of its first line and cells of each row, as many as there are columns; ``None`` for a torn row.

    The last cell of a line that has no end is left empty: it may have been cut.
    """
    ahead: deque[Line] = deque()
    while (line := _next(lines, ahead)) is not None:
        if line.long:
            yield line.number, None
        elif line.text.strip():
            taken = _whole_row(line, lines, ahead)
            cells = _fitted("\n".join(each.text for each in taken), separator, len(columns)) if taken else None
            if cells is None:
                ahead.extendleft(reversed(taken[1:]))
                yield line.number, None
            elif cells != list(columns):
                if not taken[-1].whole:
                    cells[-1] = ""
                yield line.number, cells


def _next(lines: Iterator[Line], ahead: deque[Line]) -> Line | None:
    return ahead.popleft() if ahead else next(lines, None)


def _whole_row(line: Line, lines: Iterator[Line], ahead: deque[Line]) -> list[Line]:
    """The line, and those after it until every quote is closed."""
    taken = [line]
    odd = line.text.count('"') % 2
    size = len(line.text)
    while odd and len(taken) < _MOST_LINES and size < LONGEST_LINE:
        further = _next(lines, ahead)
        if further is None:
            break
        taken.append(further)
        if further.long:
            break
        odd ^= further.text.count('"') % 2
        size += len(further.text)
    return taken


def _fitted(text: str, separator: str, width: int) -> list[str] | None:
    cells = cells_of(text, separator)
    if cells is None or len(cells) < width or any(cells[width:]):
        return None
    return cells[:width]
