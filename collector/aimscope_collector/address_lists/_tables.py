"""Tables with a line of headings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence


def heading(text: str) -> list[str]:
    """The names of the columns, in one form; none where the first line is no heading."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    try:
        row = next(csv.reader([first], delimiter=separator(first)), [])
    except csv.Error:
        return []
    return [cell.strip().casefold().replace("_", "").replace(" ", "").replace("-", "") for cell in row]


def separator(line: str) -> str:
    """What parts the columns."""
    return max(",;\t", key=line.count)


def rows(text: str, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of each row by what they mean; ``columns`` are the headings of each meaning."""
    names = heading(text)
    places = {
        meaning: next(names.index(name) for name in known if name in names)
        for meaning, known in columns.items()
        if any(name in names for name in known)
    }
    body = text.lstrip("\r\n")
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator(body.partition("\n")[0]))
    try:
        next(reader, None)
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, {meaning: row[at].strip() for meaning, at in places.items() if at < len(row)}
    except csv.Error as error:
        yield reader.line_num, {"error": str(error)}
