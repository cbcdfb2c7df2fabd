"""Which lines of a block are worth reading: a search for all needles at once over raw bytes.

Without the library (other processors, Windows) every line is read, with the same answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from aimscope_agent.logs.needles import Needle
from aimscope_signatures import bundle

try:
    import hyperscan
except ImportError:  # an agent without the gateway's extra, or a processor it does not know
    hyperscan = None  # type: ignore[assignment]

_TORN: Final = rb"[^}\r]\r?\n"
"""A line of JSON that does not end as an object does."""
_HEADER: Final = rb"\n#"
_IN_NAME: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_ESCAPE: Final = re.compile(rb"(?:\\[a-z]|#0[0-9]{2}|%[0-9a-f]{2}|\\x[0-9a-f]{2}|\\u[0-9a-f]{4})\Z", re.IGNORECASE)
Span = tuple[int, int]


class Prefilter:
    """Finds candidate lines. ``headers``: lines that begin with ``#`` are candidates; ``json``: so are torn ones."""

    def __init__(self, needles: Sequence[Needle], *, headers: bool = False, json: bool = False) -> None:
        if hyperscan is None:
            raise RuntimeError("no multi-pattern library")
        expressions = [needle.pattern.encode() for needle in needles]
        self._lengths = [needle.length for needle in needles]
        self._open = [needle.open for needle in needles]
        for wanted, extra in ((headers, _HEADER), (json, _TORN)):
            if wanted:
                expressions.append(extra)
                self._lengths.append(0)
        self._headers = headers
        self._database = _database(expressions)

    def spans(self, block: bytes) -> list[Span]:
        """Start and end of each candidate line, in order, without line breaks."""
        found: list[Span] = []
        edge = -1  # where the last candidate ends
        lengths, unfinished = self._lengths, self._open
        find, rfind = block.find, block.rfind
        if self._headers and block.startswith(b"#"):
            edge = _end(find(b"\n"), block)
            found.append((0, edge))

        def take(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            nonlocal edge
            last = end - 1  # belongs to the line, or is its line break
            if last <= edge:
                return
            length = lengths[number]
            if length:
                start = end - length
                if start and block[start - 1] in _IN_NAME and not _ESCAPE.search(block, max(0, start - 6), start):
                    return
                if end < len(block) and block[end] in _IN_NAME and not unfinished[number]:
                    return
            begin = rfind(b"\n", 0, last) + 1
            edge = _end(find(b"\n", last), block)
            found.append((begin, edge))

        self._database.scan(block, match_event_handler=take)
        return found


def _database(expressions: list[bytes]) -> Any:
    """The expressions in compiled form, of the user's cache if it is there: compiling takes as long as 1 GB of logs.

    The library itself refuses what is damaged, or was made for another version or processor.
    """
    version = getattr(hyperscan, "__version__", "")
    content = hashlib.sha256(msgspec.msgpack.encode((version, expressions))).hexdigest()
    name = f"search-{content[:32]}.db"
    if found := bundle.kept(name):
        with contextlib.suppress(hyperscan.error, TypeError):
            database = hyperscan.loadb(found, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
            return database
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(
        expressions=expressions,
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[hyperscan.HS_FLAG_CASELESS] * len(expressions),
    )
    bundle.keep(name, hyperscan.dumpb(made))
    return made


def _end(line_break: int, block: bytes) -> int:
    return len(block) if line_break < 0 else line_break


def available() -> bool:
    """Whether this installation can search."""
    return hyperscan is not None
