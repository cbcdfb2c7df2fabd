"""Which source a file is of, told by its columns and keys."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aimscope_agent.sources._export import Export
from aimscope_agent.sources._source import Shape, Source


class Fit(msgspec.Struct, frozen=True):
    """How well a file fits a source: the more of its columns are named, the surer."""

    source: Source
    shape: Shape
    score: int


def fit_of(export: Export, source: Source, *, asked: bool = False) -> Fit | None:
    """The shape of a source that fits best. ``asked``: somebody says that the file is of this source."""
    shapes = (shape for shape in source.shapes if asked or not shape.asked)
    fits = [Fit(source, shape, score) for shape in shapes if (score := export.fit(shape))]
    return max(fits, key=lambda fit: fit.score, default=None)


def recognised(export: Export, sources: Iterable[Source]) -> tuple[Fit, ...]:
    """The sources that fit best: one, none, or several that fit equally well."""
    fits = [fit for source in sources if (fit := fit_of(export, source)) is not None]
    best = max((fit.score for fit in fits), default=0)
    return tuple(fit for fit in fits if fit.score == best)


def seen(export: Export) -> str:
    """What a file has, for people who wonder why it is not recognised."""
    if export.form != "text":
        return "keys " + ", ".join(sorted(export.keys)[:12]) if export.keys else "no keys"
    widest = max(export.headings, key=lambda heading: len(heading.columns), default=None)
    return "columns " + ", ".join(widest.columns[:12]) if widest else "lines of text"
