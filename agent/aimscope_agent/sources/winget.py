"""winget: `winget export -o FILE` (JSON) and the table that `winget list` prints.

Names of fields: the schema of winget's export file. The headings of the table are translated, so columns are told by
their order and place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources import _names as names
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_RULE: Final = re.compile(r"-{20,}\Z")
_WIDEST: Final = 8


def read(export: Export) -> Iterator[Observation]:
    """Each package once."""
    if export.shape is not None and export.shape.form == "text":
        yield from _table(export)
        return
    for source in export.rows("sources"):
        for package in source.rows("packages"):
            identifier = package.text("packageidentifier")
            if not identifier:
                export.unreadable(source.number, "packages without an identifier")
                continue
            store = source.row("sourcedetails").text("name") == "msstore"
            yield export.see(
                "application",
                source.number,
                id="" if store else f"winget:{identifier}",
                name=identifier if store else "",
                version=package.text("version"),
            )


def _table(export: Export) -> Iterator[Observation]:
    heading, starts = "", []
    for number, line in export.lines():
        text = line.rpartition("\r")[2].rstrip()  # what winget drew while it waited stands before
        if _RULE.match(text.strip()):
            starts = [_cells(heading[: found.start()]) for found in re.finditer(r"\S+", heading)][:_WIDEST]
            continue
        heading = text
        if len(starts) < 3:
            continue
        name, identifier, version, *rest = _sliced(text, starts)
        application = _identifier(name, identifier, rest[-1] if rest else "") if name else ""
        if not application:
            export.unreadable(number, "rows that winget has shortened, or that are none")
            continue
        yield export.see("application", number, id=application, name=name, version=version.lstrip("<> "))


def _identifier(name: str, identifier: str, source: str) -> names.Ids:
    """What winget did not install it knows by the uninstall keys (`ARP`) or the package's family (`MSIX`)."""
    known, _, _ = identifier.upper().partition("\\")
    if known == "MSIX":
        package, whole, _ = identifier[5:].partition("_")
        return f"msix:{package}" if whole else ""
    if known == "ARP" or source == "msstore":
        return "" if name.endswith("…") else names.named(name)
    shortened = not identifier or identifier.endswith("…") or " " in identifier
    return "" if shortened else f"winget:{identifier}"


def _cells(text: str) -> int:
    """How wide a text is on a terminal."""
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _sliced(text: str, starts: list[int]) -> list[str]:
    if text.isascii():
        ends = [*starts[1:], len(text)]
        return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    columns: list[list[str]] = [[] for _ in starts]
    at = column = 0
    for letter in text:
        while column + 1 < len(starts) and at >= starts[column + 1]:
            column += 1
        columns[column].append(letter)
        at += _cells(letter)
    return ["".join(letters).strip() for letters in columns]


SOURCE = Source(
    name="winget",
    title="winget",
    doc="`winget export -o FILE` or `winget list > FILE` on a Windows machine.",
    emits=("application",),
    proves="installed on the machine where it was run",
    cannot="use of what is installed; other machines; `winget export` leaves out what winget cannot install",
    shapes=(
        Shape("json", ("sources", "packages", "packageidentifier")),
        Shape("text", pattern=r"\S[ \t]*\r?\n-{20,}[ \t\r]*$"),
    ),
    read=read,
    verified="source",
)
