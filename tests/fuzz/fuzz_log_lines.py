"""Lines of logs, in every format: what recognises them and what reads them; a block at once and line by line the same.

Run: `python tests/fuzz/fuzz_log_lines.py -max_total_time=600 [CORPUS]`, needs atheris. The first byte of an input
chooses the format.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.logs.parser import QUARANTINED, Parser
    from aimscope_agent.logs.recognition import recognise
    from aimscope_agent.logs.registry import built_in
    from aimscope_signatures.kinds import KINDS
    from aimscope_signatures.model import Observation

    FORMATS = tuple(built_in().values())

NOW = 1_795_500_000
MOST = 512
"""Observations of one line: some list what they saw."""


def once(data: bytes) -> None:
    if len(data) < 2:
        return
    form = FORMATS[data[0] % len(FORMATS)]
    data = data[1:]
    parser = Parser(form, now=NOW)
    found = list(parser.feed(data, 1, "log"))
    for seen in found:
        assert seen.kind in form.kinds
        assert seen.fields.keys() <= KINDS[seen.kind].fields.keys()
        assert 0 < seen.at < 1 << 40
    counts = parser.counts
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]  # its end may be missing
    lines = lines if lines[-1] else lines[:-1]
    assert counts.lines == len(lines) >= counts.read + counts.unreadable
    assert len(counts.quarantine) <= QUARANTINED
    assert len(found) <= MOST * len(lines)

    one = Parser(form, now=NOW)
    singly: list[Observation] = []
    for number, line in enumerate(lines, 1):
        state, latest = one.state, one.latest
        one = Parser(form, now=NOW, state=state)
        one.latest = latest
        singly += one.feed(line, number, "log")
    assert singly == found

    if len(data) % 16 == 0:  # two hundred times as slow
        told = recognise(data, FORMATS)
        assert told.reason() or told.format
        assert all(fit.fitting <= fit.lines <= told.lines for fit in told.fits)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
