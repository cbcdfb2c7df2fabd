"""What products export: any bytes, read as each source and as whichever they look like.

Run: `python tests/fuzz/fuzz_sources.py -max_total_time=600 [CORPUS]`, needs atheris. The first byte of an input
chooses the source.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.sources._export import Export
    from aimscope_agent.sources._recognition import fit_of, recognised, seen
    from aimscope_agent.sources._registry import sources
    from aimscope_agent.sources._source import UnusableError
    from aimscope_signatures.kinds import KINDS

    SOURCES = tuple(sources().values())

NOW = 1_795_500_000


def once(data: bytes) -> None:
    if len(data) < 2:
        return
    source = SOURCES[data[0] % len(SOURCES)]
    data = data[1:]
    step = len(data) % 61 + 1
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    export = Export("file", pieces if data[0] & 1 else iter((data,)), at=NOW - 1, now=NOW)
    seen(export)
    fits = recognised(export, SOURCES)
    fit = fit_of(export, source, asked=True) or (fits[0] if fits else None)
    if fit is None:
        return
    export.shape = fit.shape
    count = 0
    try:
        for observation in fit.source.read(export):
            count += 1
            assert observation.kind in fit.source.emits
            assert observation.fields.keys() <= KINDS[observation.kind].fields.keys()
            assert all(len(value) <= 4_096 for value in observation.fields.values() if isinstance(value, str))
    except UnusableError:
        pass
    assert count <= 16 * len(data)
    assert len(export.told()) <= 64


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
