"""Cells of tables that spreadsheets open: no text in them is ever taken for a formula.

A text that begins with what makes a formula (``= + - @``, a tab or a line end) gets an apostrophe before it: the rule
of OWASP's CSV injection page. JSON beside a table says the text as it is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Value = str | int | float | bool | None
"""What a cell may hold; ``None`` is an empty cell."""
BEGIN_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms of the first four, which spreadsheets of East Asia take for the same."""
LONGEST: Final = 32_767
"""Characters of a cell, as the workbooks of Office Open XML have it."""
_BEGIN: Final = frozenset(BEGIN_FORMULAS)
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def safe(value: Value) -> Value:
    """The value as a cell may hold it. Numbers stay numbers; truth is said as yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return value
    text = value if value.isprintable() else _UNPRINTABLE.sub("\ufffd", value)
    if text[:1] in _BEGIN:
        text = f"'{text}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "\u2026"


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """A table as RFC 4180 has it, in pieces, UTF-8 with the mark that spreadsheets need to see that it is."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([safe(column) for column in columns])
    yield b"\xef\xbb\xbf"
    for row in rows:
        writer.writerow([safe(value) for value in row])
        if buffer.tell() > 1 << 16:
            yield _taken(buffer)
    yield _taken(buffer)


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """A table as RFC 4180 has it, at once."""
    return b"".join(csv_lines(columns, rows))


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
