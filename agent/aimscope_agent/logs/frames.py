"""dnstap, which is not made of lines, as lines of JSON: what reads logs then reads it like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from aimscope_agent.formats.dnstap import Dnstap
from aimscope_signatures.model import Observation

TORN = b"unreadable frame\n"


def frame_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What each piece of a file or stream says, a question a line. Raises ``ImportError`` without `dnstap-pb`."""
    tap = Dnstap()
    torn = 0
    for piece in pieces:
        lines = [_line(seen) for seen in tap.feed(piece, "")]
        lines += [TORN] * (tap.counts.unreadable - torn)
        torn = tap.counts.unreadable
        yield b"".join(lines)


def _line(seen: Observation) -> bytes:
    told = "alias" if "asked" in seen.fields else "refusal" if "blocked" in seen.fields else "question"
    return msgspec.json.encode({"dnstap": told, "at": seen.at, **seen.fields}) + b"\n"
