"""Which format a log is in, told from its first lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from aimscope_agent.formats._engines import LineReader, State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._format import Format

ENOUGH: Final = 0.8
"""Share of the lines that must fit."""
_LINES: Final = 200


class Fit(msgspec.Struct, frozen=True):
    """How well a format fits: of ``lines`` that say something, ``fitting`` are of the format."""

    name: str
    fitting: int
    lines: int
    fallback: bool = False

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.fitting / self.lines if self.lines else 0.0


class Recognised(msgspec.Struct, frozen=True):
    """What a log is: the one format that fits, or none, and then how well each fits that fits at all."""

    format: Format | None
    fits: tuple[Fit, ...]
    lines: int
    """Lines that were looked at."""

    def reason(self) -> str:
        """Why there is no format, for people."""
        if not self.lines:
            return "it has no lines"
        if not self.fits:
            return "its lines fit no known format"
        told = ", ".join(f"{fit.name} ({fit.fitting} of {fit.lines} lines)" for fit in self.fits[:8])
        several = [fit for fit in self.fits if fit.share >= ENOUGH]
        return f"several formats fit: {told}" if len(several) > 1 else f"no format fits well enough: {told}"


def recognise(head: bytes, formats: Iterable[Format]) -> Recognised:
    """Tell the format of a log by its beginning: whole lines, decoded as UTF-8."""
    lines = [line for line in head.split(b"\n") if line.strip()][:_LINES]
    every = tuple(formats)
    quickly = _among(every, lines, int((1 - ENOUGH) * len(lines)) + 1)
    return _among(every, lines, len(lines)) if quickly.format is None else quickly


def _among(formats: Iterable[Format], lines: Sequence[bytes], patience: int) -> Recognised:
    """``patience``: lines that an engine cannot take apart, after which its formats fit too badly to be looked at."""
    read: dict[object, _Reading | None] = {}
    found: dict[str, tuple[Format, Fit]] = {}
    for form in formats:
        key = (form.map.engine, form.map.options, form.map.recognise.fields if form.map.engine == "delimited" else ())
        if key not in read:
            read[key] = _read(form, lines, patience)
        reading = read[key]
        fit = None if reading is None else _fit(form, reading, lines)
        if fit is not None and fit.fitting:
            found[form.name] = (form, fit)
    fits = tuple(sorted((fit for _, fit in found.values()), key=lambda fit: (-fit.share, fit.name)))
    good = [fit for fit in fits if fit.share >= ENOUGH]
    if not all(fit.fallback for fit in good):
        good = [fit for fit in good if not fit.fallback]
    return Recognised(found[good[0].name][0] if len(good) == 1 else None, fits, len(lines))


class _Reading(msgspec.Struct, frozen=True):
    """Lines as an engine reads them, and the header it found."""

    fields: Sequence[Fields | None]
    state: State
    stated: bool


def _read(form: Format, lines: Sequence[bytes], patience: int) -> _Reading | None:
    reader = LineReader(form.map, proven=form.proven)
    before = reader.engine.state
    fields: list[Fields | None] = []
    for line in lines:
        found = reader.fields(line)
        fields.append(found)
        if found is None:
            patience -= 1
            if patience < 0:
                return None
    return _Reading(fields, reader.engine.state, reader.engine.state != before)


def _fit(form: Format, reading: _Reading, lines: Sequence[bytes]) -> Fit | None:
    fitting = saying = 0
    for fields, line in zip(reading.fields, lines, strict=True):
        if fields is None:
            saying += 1
        elif fields:
            saying += 1
            fitting += form.fits(fields, line)
    if saying:
        return Fit(form.name, fitting, saying, form.map.fallback)
    if reading.stated and form.fits_columns(reading.state.columns, reading.state.path):
        return Fit(form.name, len(lines), len(lines), form.map.fallback)
    return None
