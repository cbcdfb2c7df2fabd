"""Syslog: the header before a line, and where the messages of a stream end; whole and in pieces the same.

Run: `python tests/fuzz/fuzz_syslog.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.formats._syslog import stripped
    from aimscope_agent.intake import syslog

LONGEST = 24
vars(syslog)["LONGEST"] = LONGEST  # so that small inputs have messages that are too long
SAID = {"syslog.time", "syslog.host", "syslog.app", "syslog.id"}
HEADERS = (
    "",
    "<13>",
    "<13>1 ",
    "<13>1 2026-11-23T10:00:00Z host app 7 ID1 ",
    "<13>Nov 23 10:00:00 ",
    "Nov 23 10:00:00 host ",
    "2026-11-23T10:00:00.5+01:00 host app[1]: ",
    '<13>1 - - - - - [a b="',
)


def framing(data: bytes, step: int) -> tuple[list[bytes], bytes | None, int]:
    """Messages, what is left at the end (``None`` where that is no message), and how many were cut."""
    counts = syslog.Counts()
    frames = syslog._Framing(counts)
    found = []
    for at in range(0, len(data), step):
        found += list(frames.feed(data[at : at + step]))
        assert len(frames._rest) <= LONGEST + 8
    try:
        return found, frames.last(), counts.cut
    except ValueError:
        return found, None, counts.cut


def once(data: bytes) -> None:
    if not data:
        return
    pick, data = data[0], data[1:]
    line = HEADERS[pick % len(HEADERS)] + data.decode("utf-8", "replace")
    rest, said = stripped(line)
    assert rest in line
    assert said.keys() <= SAID
    assert all(value and value in line for value in said.values())
    whole = framing(data, len(data) + 1)
    assert all(len(message) <= LONGEST for message in whole[0])
    assert sum(map(len, whole[0])) <= len(data)
    assert whole == framing(data, pick % 29 + 1) == framing(data, 1)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
