"""Charts as geometry: numbers in, boxes and labels out. Pure; ``templates/charts.html`` draws them as inline SVG.

Nothing depends on colour alone: each kind of box has a pattern of its own, stands in the order of the legend, and the
numbers are in a table beside the drawing. Colours are presentation attributes with a class each, never ``style``, so
that a strict Content-Security-Policy allows them and a style sheet can still choose others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

Hatch = Literal["", "rise", "fall", "level", "upright", "dots", "cross"]

HATCHES: Final[dict[Hatch, str]] = {
    "rise": "M-1 1l2-2M0 6l6-6M5 7l2-2",
    "fall": "M-1 5l2 2M0 0l6 6M5-1l2 2",
    "level": "M0 3h6",
    "upright": "M3 0v6",
    "dots": "M2 3h2",
    "cross": "M0 3h6M3 0v6",
}
"""Paths in a tile of six by six, drawn in white over the colour."""


class Ink(msgspec.Struct, frozen=True):
    """How one kind of box is filled; ``key`` is also the end of its class, ``ink-KEY``."""

    key: str
    colour: str
    hatch: Hatch = ""

    @property
    def path(self) -> str:
        """What is drawn in each tile of its pattern."""
        return HATCHES[self.hatch] if self.hatch else ""


_INKS: Final = {
    ink.key: ink
    for ink in (
        Ink("prohibited", "#9b1c31"),
        Ink("unregistered", "#c2570c", "rise"),
        Ink("unknown_ai", "#6d28d9", "dots"),
        Ink("out_of_scope", "#92600a", "fall"),
        Ink("expired", "#8a5a44", "level"),
        Ink("condition_unmet", "#b0407a", "upright"),
        Ink("observed", "#475569", "cross"),
        Ink("authorised", "#18794e"),
        Ink("dormant", "#64748b", "level"),
        Ink("tolerated", "#0f6f74", "rise"),
        Ink("registered", "#2f6b2f", "upright"),
        Ink("critical", "#9b1c31"),
        Ink("high", "#c2570c", "rise"),
        Ink("medium", "#92600a", "fall"),
        Ink("low", "#18794e"),
    )
}
_PLAIN: Final = Ink("plain", "#1f5fa8")
_MARGIN: Final = (8.0, 10.0, 24.0, 36.0)
"""Above, to the right, below, to the left of the bars."""
_LEGEND_LINE: Final = 20.0
_LETTER: Final = 6.6
"""About the width of a letter of the size the labels have."""
_LONGEST: Final = 60
MOST_BARS: Final = 120


def ink(key: str) -> Ink:
    """How a verdict or a level of risk is filled; anything else in the plain colour."""
    return _INKS.get(key, _PLAIN)


class Series(msgspec.Struct, frozen=True):
    """One kind of thing over time: a number for each label of the chart."""

    key: str
    name: str
    values: tuple[int, ...]


class Box(msgspec.Struct, frozen=True):
    """A part of a bar; ``says`` is what pointing at it shows."""

    ink: Ink
    x: float
    y: float
    width: float
    height: float
    says: str


class Mark(msgspec.Struct, frozen=True):
    """A label and where it stands: on the axis of numbers its height, below the bars its middle."""

    at: float
    label: str


class Entry(msgspec.Struct, frozen=True):
    """One entry of the legend."""

    ink: Ink
    name: str
    x: float
    y: float


class Stacked(msgspec.Struct, frozen=True, kw_only=True):
    """Bars over time, each stacked from its parts. ``id`` is unique on the page; ``summary`` says it in a sentence."""

    id: str
    title: str
    summary: str
    width: float
    height: float
    left: float
    right: float
    base: float
    boxes: tuple[Box, ...]
    ticks: tuple[Mark, ...]
    marks: tuple[Mark, ...]
    legend: tuple[Entry, ...]
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    totals: tuple[int, ...]

    @property
    def inks(self) -> tuple[Ink, ...]:
        """Inks with a pattern, each once: what the drawing has to define."""
        return tuple({entry.ink.key: entry.ink for entry in self.legend if entry.ink.hatch}.values())


def stacked(
    *,
    id: str,  # noqa: A002 - it is the page's word
    title: str,
    labels: Sequence[str],
    series: Iterable[Series],
    width: float = 680.0,
    height: float = 230.0,
) -> Stacked:
    """The chart. Series of nothing but zeros are left out. Raises ``ValueError`` where lengths differ or are too many.

    The drawing grows downwards by as many lines as the legend takes.
    """
    if len(labels) > MOST_BARS:
        raise ValueError(f"{len(labels)} bars are too many for one chart: {MOST_BARS} at most")
    said = tuple(Series(one.key, clean(one.name), tuple(max(0, each) for each in one.values)) for one in series)
    if any(len(one.values) != len(labels) for one in said):
        raise ValueError("each series has one value for each label")
    shown = tuple(one for one in said if any(one.values))
    texts = tuple(map(clean, labels))
    totals = tuple(sum(one.values[at] for one in shown) for at in range(len(labels)))
    above, right, below, left = _MARGIN
    most, step = scale(max(totals, default=0))
    base, room = height - below, height - below - above
    slot = (width - left - right) / max(1, len(labels))
    legend, lines = _legend(shown, left, height, width - right)
    return Stacked(
        id=id,
        title=clean(title),
        summary=_summary(texts, totals, shown),
        width=width,
        height=height + lines * _LEGEND_LINE,
        left=left,
        right=width - right,
        base=base,
        boxes=tuple(_boxes(shown, texts, left=left, slot=slot, base=base, unit=room / most)),
        ticks=tuple(Mark(_round(base - room * value / most), f"{value:,}") for value in range(0, most + 1, step)),
        marks=tuple(_marks(texts, left=left, slot=slot)),
        legend=legend,
        labels=texts,
        series=shown,
        totals=totals,
    )


def scale(most: int) -> tuple[int, int]:
    """The end of an axis that has room for a number, and the step of its ticks: whole, at most five steps."""
    step = 1
    while step * 5 < most:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2  # 1, 2, 5, 10 …
    return max(1, -(-most // step)) * step, step


def _boxes(
    series: Sequence[Series], labels: Sequence[str], *, left: float, slot: float, base: float, unit: float
) -> Iterable[Box]:
    gap = min(8.0, slot * 0.2)
    for at, label in enumerate(labels):
        foot = base
        for one in series:
            tall = one.values[at] * unit
            if tall > 0:
                foot -= tall
                yield Box(
                    ink(one.key),
                    _round(left + at * slot + gap / 2),
                    _round(foot),
                    _round(slot - gap),
                    _round(tall),
                    f"{label}: {one.values[at]:,} {one.name}",
                )


def _marks(labels: Sequence[str], *, left: float, slot: float) -> Iterable[Mark]:
    """As many labels as do not run into each other, the last one always."""
    longest = max((len(label) for label in labels), default=1) * _LETTER + 8
    every = max(1, math.ceil(longest / slot))
    for at, label in enumerate(labels):
        if (len(labels) - 1 - at) % every == 0:
            yield Mark(_round(left + (at + 0.5) * slot), label)


def _legend(series: Sequence[Series], left: float, top: float, end: float) -> tuple[tuple[Entry, ...], int]:
    found: list[Entry] = []
    x, line = left, 0
    for one in series:
        wide = 18 + len(one.name) * _LETTER + 16
        if x > left and x + wide > end:
            x, line = left, line + 1
        found.append(Entry(ink(one.key), one.name, _round(x), _round(top + line * _LEGEND_LINE)))
        x += wide
    return tuple(found), line + 1 if found else 0


def _summary(labels: Sequence[str], totals: Sequence[int], series: Sequence[Series]) -> str:
    if not labels or not any(totals):
        return "There is nothing to show for this time."
    parts = ", ".join(f"{one.values[-1]:,} {one.name}" for one in series if one.values[-1])
    first, last = f"{totals[0]:,} at {labels[0]}", f"{totals[-1]:,} at {labels[-1]}"
    return f"From {first} to {last}{f': {parts}' if parts else ''}."


class Part(msgspec.Struct, frozen=True):
    """A part of a horizontal bar: a key of ink and a number."""

    key: str
    value: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one horizontal bar says. ``shown`` stands for the number where it is not to be told; ``href`` is a link."""

    label: str
    parts: tuple[Part, ...]
    shown: str = ""
    href: str = ""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One drawn line; ``boxes`` are in per cent of the longest bar."""

    label: str
    shown: str
    href: str
    boxes: tuple[Box, ...]


class Horizontal(msgspec.Struct, frozen=True, kw_only=True):
    """Horizontal bars: a table with a drawing in each row, so that nothing has to be said twice."""

    id: str
    title: str
    of: str
    unit: str
    bars: tuple[Bar, ...]

    @property
    def inks(self) -> tuple[Ink, ...]:
        """Inks with a pattern, each once."""
        boxes = (box for bar in self.bars for box in bar.boxes)
        return tuple({box.ink.key: box.ink for box in boxes if box.ink.hatch}.values())


def horizontal(
    *,
    id: str,  # noqa: A002 - it is the page's word
    title: str,
    of: str,
    unit: str,
    lines: Iterable[Line],
) -> Horizontal:
    """The chart: ``of`` and ``unit`` are the headings of its two columns, ``Service`` and ``Computers``."""
    several = tuple(lines)
    most = max((sum(part.value for part in one.parts) for one in several), default=0) or 1
    return Horizontal(
        id=id,
        title=clean(title),
        of=clean(of),
        unit=clean(unit),
        bars=tuple(
            Bar(
                label=clean(one.label),
                shown=clean(one.shown) or f"{sum(part.value for part in one.parts):,}",
                href=one.href,
                boxes=() if one.shown else tuple(_along(one.parts, most)),
            )
            for one in several
        ),
    )


def _along(parts: Iterable[Part], most: int) -> Iterable[Box]:
    x = 0.0
    for part in parts:
        wide = 100 * part.value / most
        if wide > 0:
            yield Box(ink(part.key), _round(x), 0.0, _round(wide), 10.0, f"{part.value:,} {part.key.replace('_', ' ')}")
            x += wide


class Cell(msgspec.Struct, frozen=True):
    """One field of the risk matrix."""

    likelihood: int
    impact: int
    level: str
    count: int


def matrix(counts: Mapping[tuple[int, int], int], level: Callable[[int, int], str]) -> tuple[tuple[Cell, ...], ...]:
    """The risk matrix: a row for each likelihood, the highest first; ``risk.level`` says what a field is."""
    return tuple(
        tuple(
            Cell(likelihood, impact, level(likelihood, impact), counts.get((likelihood, impact), 0))
            for impact in range(1, 6)
        )
        for likelihood in range(5, 0, -1)
    )


def clean(text: str) -> str:
    """A label: what cannot be printed becomes a space, and what is too long ends in dots."""
    said = " ".join("".join(one if one.isprintable() else " " for one in text[: _LONGEST * 4]).split())
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1].rstrip() + "…"


def _round(value: float) -> float:
    return round(value, 1)
