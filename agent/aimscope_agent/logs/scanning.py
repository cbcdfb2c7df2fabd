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
_MANY, _SOME, _FEW = 400, 64, 4
"""Lines of a block that are read whatever they say: of the first one, and of the second; of later ones less and less,
but of what follows on one with torn lines.
"""
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
    """Lines that were read whatever they say: all of them, or what tells of the rest how well it could be read."""
    torn: int = 0
    """Unreadable lines: as many as were met, or more, where the sample says that there are."""
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
        search: bool = True,
    ) -> None:
        """``state`` and ``held`` are what lines before these left: ``Part.after`` and ``Part.held``.

        ``search``: leave lines unread, as the workshop says.
        """
        self._parser = Parser(form, zone=zone, now=now, state=state)
        self._before = self._parser.state
        self._tally = Tally("")
        self._counting = Counting(workshop.plans(form), workshop.judge, self._tally, held)
        self._workshop = workshop
        self._search = search
        self._form = form
        self._lines = 0
        self._sampled = self._blocks = 0
        self._torn = 0.0
        self._wary = False
        self._timeless = 0

    def block(self, data: bytes) -> None:
        """Read what is of interest in whole lines, count the rest."""
        whole = len(data) <= self._workshop.small and not self._lines
        search = None if whole or not self._search else self._workshop.prefilter(self._form)
        line = _Line(data, self._lines, self._parser, self._timeless)
        share = 0.0
        before = self._parser.counts.unreadable
        if search is None:
            self._every(data, line)
        else:
            share = self._some(data, search.spans(data), line)
        lines = line.total() - self._lines
        torn = self._parser.counts.unreadable - before
        self._torn += torn if search is None else max(torn, lines * share)
        self._sampled += lines if search is None else 0
        self._lines += lines
        self._timeless = line.timeless

    def _every(self, data: bytes, line: _Line) -> None:
        start = 0
        while start < len(data):
            end = data.find(b"\n", start)
            if end < 0:
                end = len(data)
            self._line(data, start, end, line)
            start = end + 1

    def _some(self, data: bytes, spans: Iterable[tuple[int, int]], line: _Line) -> float:
        """Read what is of interest, and a sample; which share of all lines is unreadable by that."""
        usual = max(_FEW, _SOME // self._blocks) if self._blocks else _MANY
        sample = _Sample(data, max(usual, _SOME) if self._wary else usual)
        chosen = set(sample.spans)
        for span in sorted({*spans, *chosen}):
            torn = self._parser.counts.unreadable
            self._line(data, *span, line, timed=span in sample.edges)
            if span in chosen:
                sample.met(span, torn=self._parser.counts.unreadable > torn)
        self._wary = bool(sample.share)
        self._sampled += len(sample.spans)
        self._blocks += 1
        return sample.share

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
            torn=round(self._torn),
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


class _Sample:
    """Lines of a block that are read whatever they say: the last one, and others spread over its bytes."""

    def __init__(self, data: bytes, number: int) -> None:
        stop = len(data) - 1 if data.endswith(b"\n") else len(data)
        self._step = stop / max(1, number - 1)
        places = [round(n * self._step) for n in range(number - 1)]
        starts = dict.fromkeys(data.rfind(b"\n", 0, at) + 1 for at in (*places, stop))
        ends = [data.find(b"\n", start, stop) for start in starts]
        self.spans = [(start, stop if end < 0 else end) for start, end in zip(starts, ends, strict=True)]
        self.edges = {self.spans[0], self.spans[-1]}
        self._all = self._torn = 0.0

    def met(self, span: tuple[int, int], *, torn: bool) -> None:
        """A line of the sample was read. Long lines are met more often than short ones, and count for less."""
        weight = max(1.0, self._step / (span[1] - span[0] + 1))
        self._all += weight
        self._torn += weight * torn

    @property
    def share(self) -> float:
        """How much of all lines is unreadable, between 0 and 1."""
        return self._torn / self._all if self._all else 0.0
