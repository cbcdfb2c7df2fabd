"""One log, or a part of one, from blocks to totals: which lines are read, and how the others are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from aimscope_agent.formats._engines import State
from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._format import Format
from aimscope_agent.logs import prefilter
from aimscope_agent.logs.counting import Counting
from aimscope_agent.logs.judging import Judge
from aimscope_agent.logs.needles import Needle, needles
from aimscope_agent.logs.pairing import Held
from aimscope_agent.logs.parser import Parser
from aimscope_agent.logs.plans import Plan
from aimscope_agent.logs.prefilter import Prefilter
from aimscope_agent.privacy import Curtain
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.fold import Tally
from aimscope_signatures.model import Sighting

SMALL = 262_144
"""Bytes of a log that is read line by line."""
_TIMELESS = 10_000
"""Lines without a time, one after the other, after which none is expected any more."""


class Part(msgspec.Struct, frozen=True):
    """What came of a part of a log. ``sources`` of sightings are numbers of lines, counted from its beginning."""

    sightings: tuple[Sighting, ...] = ()
    lines: int = 0
    read: int = 0
    unreadable: int = 0
    quarantine: tuple[int, ...] = ()
    untimed: int = 0
    without_zone: int = 0
    without_year: int = 0
    observed: int = 0
    collapsed: int = 0
    refused: int = 0
    first: int = 0
    last: int = 0
    sampled: int = 0
    sampled_unreadable: int = 0
    before: State = State()
    after: State = State()
    held: tuple[Held, ...] = ()
    """Questions of which lines to come may tell more; they are not among the sightings."""
    stopped: bool = False
    truncated: bool = False


class Workshop:
    """What is made once for all files of a run: the catalogue's verdicts, and a search for each format."""

    def __init__(
        self,
        formats: Mapping[str, Format],
        catalogue: Catalogue,
        curtain: Curtain | None,
        *,
        search: bool = True,
        small: int = SMALL,
    ) -> None:
        """``search``: leave lines unread that cannot be of interest, where there is a library that can tell.

        Of a log of up to ``small`` bytes every line is read: that takes no time, and finds every torn line.
        """
        self.small = small
        self.formats = formats
        self.judge = Judge(catalogue, curtain)
        self._catalogue = catalogue
        self._search = search and prefilter.available()
        self._searches: dict[tuple[tuple[Needle, ...], bool, bool], Prefilter] = {}
        self._prefilters: dict[str, Prefilter | None] = {}
        self._plans: dict[Format, tuple[Plan, ...]] = {}

    def plans(self, form: Format) -> tuple[Plan, ...]:
        """The records of a format, with the verdicts so far."""
        if form not in self._plans:
            alone = len(form.readings) == 1
            self._plans[form] = tuple(
                Plan(number, reading, self.judge, alone=alone) for number, reading in enumerate(form.readings)
            )
        return self._plans[form]

    def prefilter(self, form: Format) -> Prefilter | None:
        """The search for a format; ``None`` where every line must be read."""
        if not self._search:
            return None
        if form.name not in self._prefilters:
            found = needles(form, self._catalogue)
            self._prefilters[form.name] = None if found is None else self._made(form, found)
        return self._prefilters[form.name]

    def _made(self, form: Format, found: tuple[Needle, ...]) -> Prefilter:
        """Formats that give the same fields share a search."""
        headers, json = form.map.engine in {"w3c", "zeek"}, form.map.engine == "json_lines"
        known = self._searches.get((found, headers, json))
        if known is None:
            known = self._searches[found, headers, json] = Prefilter(found, headers=headers, json=json)
        return known


class Scan:
    """Takes the blocks of one part of a log, in order."""

    def __init__(
        self,
        form: Format,
        workshop: Workshop,
        *,
        zone: str,
        now: int,
        state: State | None = None,
        held: Iterable[Held] = (),
    ) -> None:
        """``state`` and ``held`` are what lines before these left: ``Part.after`` and ``Part.held``."""
        self._parser = Parser(form, zone=zone, now=now, state=state)
        self._before = self._parser.state
        self._tally = Tally("")
        self._counting = Counting(workshop.plans(form), workshop.judge, self._tally, held)
        self._workshop = workshop
        self._form = form
        self._lines = 0
        self._sampled = self._sampled_unreadable = 0
        self._timeless = 0

    def block(self, data: bytes) -> None:
        """Read what is of interest in whole lines, count the rest."""
        whole = len(data) <= self._workshop.small and not self._lines
        search = None if whole else self._workshop.prefilter(self._form)
        line = _Line(data, self._lines, self._parser, self._timeless)
        if search is None:
            self._every(data, line)
        else:
            self._some(data, search.spans(data), line)
        self._lines = line.total()
        self._timeless = line.timeless

    def _every(self, data: bytes, line: _Line) -> None:
        start = 0
        before = self._parser.counts.unreadable
        while start < len(data):
            end = data.find(b"\n", start)
            if end < 0:
                end = len(data)
            self._line(data, start, end, line)
            start = end + 1
        self._sampled += line.total() - self._lines
        self._sampled_unreadable += self._parser.counts.unreadable - before

    def _some(self, data: bytes, spans: Iterable[tuple[int, int]], line: _Line) -> None:
        samples = _samples(data, first=not self._lines)
        upcoming = iter(samples)
        sample = next(upcoming, None)
        for start, end in spans:
            while sample is not None and sample[0] < start:
                self._sample(data, sample, line)
                sample = next(upcoming, None)
            if sample is not None and sample[0] == start:
                self._sample(data, sample, line)
                sample = next(upcoming, None)
            else:
                self._line(data, start, end, line)
        while sample is not None:
            self._sample(data, sample, line)
            sample = next(upcoming, None)

    def _sample(self, data: bytes, span: tuple[int, int], line: _Line) -> None:
        before = self._parser.counts.unreadable
        self._line(data, *span, line, timed=True)
        self._sampled += 1
        self._sampled_unreadable += self._parser.counts.unreadable - before

    def _line(self, data: bytes, start: int, end: int, line: _Line, *, timed: bool = False) -> None:
        parser = self._parser
        torn = parser.counts.unreadable
        fields = parser.fields(data[start:end], start)
        line.start = start
        if fields:
            if timed:
                line.at(fields)
            self._counting.take(fields, line)
        elif parser.counts.unreadable > torn and parser.counts.quarantine[-1:] == [start]:
            parser.counts.quarantine[-1] = int(line.place())

    def result(self, *, stopped: bool = False, truncated: bool = False, hold: bool = False) -> Part:
        """What came of it. ``hold``: more lines will come, which may tell more of the last ones."""
        held = self._counting.held() if hold else ()
        self._counting.settle()
        parser, counts = self._parser, self._parser.counts
        return Part(
            sightings=self._tally.sightings(),
            lines=self._lines,
            read=counts.read,
            unreadable=counts.unreadable,
            quarantine=tuple(counts.quarantine),
            untimed=counts.untimed,
            without_zone=parser.clock.without_zone,
            without_year=parser.clock.without_year,
            observed=self._counting.observed,
            collapsed=self._tally.collapsed,
            refused=self._tally.refused,
            first=parser.first,
            last=parser.last,
            sampled=self._sampled,
            sampled_unreadable=self._sampled_unreadable,
            before=self._before,
            after=parser.state,
            held=held,
            stopped=stopped,
            truncated=truncated,
        )


class _Line:
    """The line of a block that is being read; ``start`` must not go back."""

    def __init__(self, data: bytes, before: int, parser: Parser, timeless: int) -> None:
        self.start = 0
        self.timeless = timeless
        """Lines without a time, one after the other, that were looked at in vain."""
        self._data = data
        self._parser = parser
        self._counted = 0
        self._number = before + 1
        self._looked = 0

    def at(self, fields: Fields) -> int:
        """The time of the line; where it states none, that of the nearest line before it, read or not."""
        parser = self._parser
        untimed = parser.counts.untimed
        at = parser.at(fields)
        if parser.counts.untimed == untimed or self.timeless > _TIMELESS:
            return at
        end = self.start - 1
        while end > self._looked:
            before = self._data.rfind(b"\n", 0, end) + 1
            if parser.time_of(self._data[before:end]):
                self.timeless = 0
                break
            self.timeless += 1
            end = before - 1
        self._looked = self.start
        return parser.latest or at

    def place(self) -> str:
        """The number of the line: lines are counted as far as somebody asks."""
        if self.start > self._counted:
            self._number += _breaks(self._data[self._counted : self.start])
            self._counted = self.start
        return str(self._number)

    def total(self) -> int:
        """Lines up to the end of the block, and before it."""
        data = self._data
        return self._number + _breaks(data[self._counted :]) - (1 if data.endswith(b"\n") or not data else 0)


def _breaks(data: bytes) -> int:
    """Line breaks. Taking them out is five times as fast as counting them."""
    return len(data) - len(data.replace(b"\n", b""))


def _samples(data: bytes, *, first: bool) -> list[tuple[int, int]]:
    """Lines that are read whatever they say: the last one of each block, and the ``first`` of all."""
    stop = len(data) - 1 if data.endswith(b"\n") else len(data)
    last = data.rfind(b"\n", 0, stop) + 1
    if not first or not last:
        return [(last, stop)]
    return [(0, data.find(b"\n")), (last, stop)]
