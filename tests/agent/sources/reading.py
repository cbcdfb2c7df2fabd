"""Reads samples of exports as `aimscope import` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._recognition import fit_of, recognised
from aimscope_agent.sources._registry import sources
from aimscope_signatures.model import Observation

SAMPLES = Path(__file__).parents[2] / "_data" / "sources"
NOW = 1_795_500_000
"""24 November 2026."""
AT = 1_795_420_800
"""23 November 2026, 08:00 UTC: the time of every sample file."""


def opened(data: bytes, name: str = "file", step: int = 0, shared: dict[str, object] | None = None) -> Export:
    """An export; with ``step`` it comes in pieces of so many bytes."""
    pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    return Export(name, iter(pieces), at=AT, now=NOW, shared=shared)


def read(data: bytes, source: str = "", *, step: int = 0, shared: dict[str, object] | None = None) -> Read:
    """What a source sees in a file; without a name, the one source that the file looks like."""
    export = opened(data, step=step, shared=shared)
    if source:
        fit = fit_of(export, sources()[source], asked=True)
    else:
        found = recognised(export, sources().values())
        fit = found[0] if len(found) == 1 else None
    if fit is None:
        return Read(export, "", [])
    export.shape = fit.shape
    return Read(export, fit.source.name, list(fit.source.read(export)))


class Read:
    """What came of it."""

    def __init__(self, export: Export, source: str, seen: list[Observation]) -> None:
        self.export = export
        self.source = source
        self.seen = seen

    @property
    def names(self) -> set[str]:
        """Everything that a signature could know it by."""
        return {text for one in self.seen for value in one.fields.values() for text in _texts(value)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, tuple):
        yield from map(str, value)
    elif not isinstance(value, bool):
        yield str(value)


def samples() -> list[Path]:
    """Every sample file, apart from those that say what is to be seen in the others."""
    return sorted(path for path in SAMPLES.glob("*/*") if path.name != "expected.json")
