"""A file of a source while it is read: rows of tables, of JSON documents and of JSON lines, or lines of text.

Nothing but a row is held. What cannot be read is counted with its number, and nothing else is lost for it. Cells are
text: a formula is never calculated, markup never understood.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Final, Literal

from aimscope_agent.host.gaps import Gaps
from aimscope_agent.host.tree import clean
from aimscope_agent.sources import _json as js
from aimscope_agent.sources import _table as table
from aimscope_agent.sources._rows import LONGEST, Row, plain
from aimscope_agent.sources._source import Shape, UnusableError
from aimscope_agent.sources._when import Moments
from aimscope_signatures.model import Gap, Observation, Status, Value

HEAD: Final = 262_144
"""Bytes by which a file is recognised."""
_TOP: Final = 30
"""Lines among which a table has its headings."""
_NUMBERS: Final = 8
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FURTHER: Final = frozenset({"odatanextlink", "nextpagetoken", "hasmore"})
"""What an answer of several pages tells of the next one."""
_KEY: Final = re.compile(r'"([^"\\\n]{1,128})"\s*:')


class Heading:
    """The headings of a table: on which line, and how the columns are parted."""

    def __init__(self, line: int, separator: str, columns: list[str]) -> None:
        self.line = line
        self.separator = separator
        self.columns = columns
        self.names = [plain(name) for name in columns]


class Export:
    """One file. ``at`` is its time, for facts that state none; ``shared`` is kept for all files of one source."""

    def __init__(
        self, name: str, pieces: Iterable[bytes], *, at: int, now: int, shared: dict[str, object] | None = None
    ) -> None:
        self.name = clean(name)
        self.at = at
        self.shared = {} if shared is None else shared
        self.counts: Counter[str] = Counter()
        self.gaps = Gaps()
        self.shape: Shape | None = None
        """How the file looks, once its source is known."""
        self.continued = False
        """It is a page of an answer, and says that another one follows."""
        self._moments = Moments(now)
        self._torn: dict[str, tuple[int, list[int]]] = {}
        found = iter(pieces)
        first: list[bytes] = []
        while sum(map(len, first)) < HEAD and (piece := next(found, b"")):
            first.append(piece)
        start = b"".join(first)
        self._pieces = chain((start,), found)
        self._encoding = _encoding(start)
        self.head = self._decoder().decode(start[:HEAD])

    # what it looks like

    @cached_property
    def form(self) -> Literal["json", "lines of JSON", "text"]:
        """By the first characters."""
        lines = [line for line in self.head.split("\n")[:_TOP] if line.strip()]
        if not lines or lines[0].lstrip()[0] not in "{[":
            return "text"
        fitting = tuple(map(_is_object, lines))
        return "lines of JSON" if fitting[0] or sum(fitting) * 2 >= len(lines) else "json"

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of JSON, in plain form, as far as the beginning shows."""
        return frozenset(map(plain, _KEY.findall(self.head))) if self.form != "text" else frozenset()

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """Lines at the top that may be the headings of a table."""
        found: list[Heading] = []
        for number, line in enumerate(self.head.split("\n")[:_TOP] if self.form == "text" else (), 1):
            for separator in table.SEPARATORS:
                cells = table.cells_of(line.rstrip("\r"), separator)
                if cells and 1 < len(cells) <= table.MOST_COLUMNS:
                    found.append(Heading(number, separator, [cell.strip() for cell in cells]))
        return tuple(found)

    def fit(self, shape: Shape) -> int:
        """How well the file is of this shape: 0 for not at all, else how much it fits by."""
        if shape.pattern and not re.search(shape.pattern, self.head, re.MULTILINE):
            return 0
        if shape.form == "table":
            return len(shape.needs) if self.heading(shape) else 0
        if (shape.form == "json") != (self.form != "text"):
            return 0
        if not all(not self.keys.isdisjoint(need.split("|")) for need in shape.needs):
            return 0
        return len(shape.needs) + (4 if shape.pattern else 0)

    def heading(self, shape: Shape) -> Heading | None:
        """The headings of a table of this shape."""
        wanted = [set(need.split("|")) for need in shape.needs]
        return next((each for each in self.headings if all(not one.isdisjoint(each.names) for one in wanted)), None)

    # reading

    def rows(self, *keys: str, only: tuple[str, ...] = ()) -> Iterator[Row]:
        """Rows of the table, or objects of the JSON document.

        ``keys`` are the lists (in plain form) in which a document has its objects; one that is itself a list needs
        none. Of a table, ``only`` these columns are kept: the others are forgotten unread.
        """
        if self.shape is None:
            raise UnusableError("nobody knows yet what it is")
        if self.shape.form == "table":
            yield from self._table(self.shape, only)
        elif self.form == "json":
            yield from self._document(frozenset(keys))
        else:
            yield from self._json_lines(frozenset(keys))

    def lines(self) -> Iterator[tuple[int, str]]:
        """Lines of text by number, without spaces around them. A last line without an end may be cut: it is torn."""
        for line in table.lines_of(self._text()):
            self.counts["rows"] += 1
            if line.long or not line.whole:
                self.unreadable(line.number, "the line is too long" if line.long else "the last line has no end")
            elif line.text.strip():
                yield line.number, line.text

    def _table(self, shape: Shape, only: tuple[str, ...]) -> Iterator[Row]:
        heading = self.heading(shape)
        if heading is None:
            raise UnusableError("it has no headings")
        kept = [(number, name) for number, name in enumerate(heading.names) if name and (not only or name in only)]
        lines = (line for line in table.lines_of(self._text()) if line.number > heading.line)
        for number, cells in table.rows(lines, heading.separator, heading.columns):
            self.counts["rows"] += 1
            if cells is None:
                self.unreadable(number, "torn rows")
            else:
                yield Row(number, {name: cells[column] for column, name in kept})

    def _document(self, keys: frozenset[str]) -> Iterator[Row]:
        number = 0
        try:
            for key, value in js.members(self._text()):
                name = plain(key[:256])
                self._page(name, value)
                if name and name not in keys:
                    continue
                if isinstance(value, dict):
                    for row in _unfolded(value, keys, name, number + 1):
                        number += 1
                        row.number = number
                        self.counts["rows"] += 1
                        yield row
                elif value:
                    number += 1
                    self.counts["rows"] += 1
                    self.unreadable(number, "rows that are no objects")
        except js.TornError as error:
            self.counts["rows"] += 1
            self.unreadable(number + 1, f"the document cannot be read from here on: {error}")

    def _json_lines(self, keys: frozenset[str]) -> Iterator[Row]:
        for line in table.lines_of(self._text()):
            if not line.text.strip() and not line.long:
                continue
            try:
                value = None if line.long else js.decode(line.text)
            except js.TornError:
                value = None
            for key, each in value.items() if isinstance(value, dict) else ():
                self._page(plain(key[:256]), each)
            found = value if isinstance(value, list) else [value]
            for each in found:
                if not isinstance(each, dict):
                    self.counts["rows"] += 1
                    self.unreadable(line.number, "torn lines")
                    continue
                for row in _unfolded(each, keys, "", line.number):
                    self.counts["rows"] += 1
                    yield row

    def _page(self, name: str, value: object) -> None:
        if name in _FURTHER:
            self.continued = bool(value)

    def _text(self) -> Iterator[str]:
        decoder = self._decoder()
        for piece in self._pieces:
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)

    def _decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self._encoding)(errors="replace")

    # results

    def unreadable(self, number: int, reason: str) -> None:
        """A row that says nothing that could be used, and should."""
        self.counts["unreadable"] += 1
        count, numbers = self._torn.setdefault(reason, (0, []))
        if len(numbers) < _NUMBERS:
            numbers.append(number)
        self._torn[reason] = (count + 1, numbers)

    def gap(self, status: Status, reason: str, count: int = 1, remedy: str = "") -> None:
        """Something that the file does not tell."""
        self.gaps.note(Gap(self.name, status, reason, count, remedy))

    def told(self) -> tuple[Gap, ...]:
        """Every gap, with the numbers of the first rows that could not be read."""
        for reason, (count, numbers) in self._torn.items():
            listed = ",".join(map(str, numbers)) + (",…" if count > len(numbers) else "")
            self.gaps.note(Gap(f"{self.name}:{listed}", Status.PARTIAL, reason, count))
        self._torn.clear()
        return self.gaps.told()

    def see(
        self,
        kind: str,
        number: int,
        /,
        *,
        subject: str = "",
        asset: str = "",
        at: str = "",
        **fields: Value | None,
    ) -> Observation:
        """An observation of a row; ``None`` and empty fields are left out, and so is what is too long for a name."""
        self.counts["observed"] += 1
        kept = {
            name: value
            for name, value in fields.items()
            if value is not None and value not in {"", ()} and not (isinstance(value, str) and len(value) > LONGEST)
        }
        moment = (self._moments.read(at) if at else 0) or self.at
        return Observation(kind, kept, source=f"{self.name}:{number}", subject=subject, asset=asset, at=moment)


def _encoding(start: bytes) -> str:
    """As a byte order mark says, else UTF-8; what is not that is taken as Windows wrote it."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start[:HEAD])
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _is_object(line: str) -> bool:
    try:
        return isinstance(js.decode(line), dict)
    except js.TornError:
        return False


def _unfolded(value: dict[str, object], keys: frozenset[str], key: str, number: int) -> Iterator[Row]:
    """A row; or, where it is but an envelope of rows (one page of an answer), those."""
    inside = [(name, each) for full, each in value.items() if not key and (name := plain(full[:256])) in keys]
    if not any(isinstance(each, (list, dict)) for _, each in inside):
        yield Row(number, value, key)
        return
    for name, members in inside:
        for member in members if isinstance(members, list) else (members,):
            if isinstance(member, dict):
                yield Row(number, member, name)
