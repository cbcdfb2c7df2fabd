"""Lines → totals, fast: names repeat, so a verdict is kept for each, and what repeats only raises a counter.

The answers are those of ``Recogniser``, which judges whatever comes up for the first time.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from aimscope_agent.formats._expressions import Fields
from aimscope_agent.logs.judging import Judge
from aimscope_agent.logs.pairing import Held, Pairs
from aimscope_agent.logs.plans import REMEMBERED, Name, Plan, Row, Use
from aimscope_signatures.fold import MAX_SOURCES, Tally, merge
from aimscope_signatures.matcher import LARGE_UPLOAD
from aimscope_signatures.model import Sighting

_DAY: Final = 86_400


class Line(Protocol):
    """Where a line is in its file and in time: asked only where it matters."""

    def at(self, fields: Fields) -> int:
        """Its time, in seconds since 1970."""

    def place(self) -> str:
        """Its number."""


class _Sum(msgspec.Struct, gc=False):
    """How often somebody used a name on one day."""

    use: Use
    subject: str
    asset: str
    details: tuple[tuple[str, str], ...]
    first: int
    last: int
    sources: list[str]
    count: int = 0
    bytes_out: int | None = None
    bytes_in: int | None = None


class Counting:
    """Takes the lines of one file, or of a part of one. ``settle`` at the end brings everything into ``tally``."""

    def __init__(self, plans: Sequence[Plan], judge: Judge, tally: Tally, held: Iterable[Held] = ()) -> None:
        self.observed = 0
        """Observations that were AI, or look like it."""
        self.tally = tally
        self._judge = judge
        self._plans = plans
        self._sums: dict[tuple[Use, Row, int], _Sum] = {}
        paired = {plan.number for plan in plans if plan.paired}
        self._pairs = Pairs(one for one in held if one.record in paired)

    def take(self, fields: Fields, line: Line) -> None:
        """What a line says."""
        if len(self._sums) >= REMEMBERED:
            self._bring()
        for plan in self._plans:
            if plan.when is not None and not plan.when(fields):
                continue
            row = plan.look(fields)
            if row is None:
                self._slowly(plan, fields, line)
            elif not plan.tests or "" not in row[: plan.tests]:
                about = row[plan.tests : plan.people]
                name = plan.judged(about)
                if name is not None:
                    blocked = row[-1] != "" if plan.blocked is None else plan.blocked(fields)
                    self._used(plan, name, about, 0, fields, line, row[plan.people : -1], blocked=blocked)

    def _slowly(self, plan: Plan, fields: Fields, line: Line) -> None:
        """The same of a line in which columns have several values, or lie deep."""
        reading = plan.reading
        if not reading.when(fields):
            return
        for index, columns in enumerate(reading.row(fields, 0, reading.named)):
            about = plan.essential(columns)
            name = plan.judged(about) if any(columns) else None
            if name is not None:
                client = plan.column(plan.rest(fields, index), "client")
                user, device, blocked = reading.who(fields)
                self._used(plan, name, about, index, fields, line, (client, user, device), blocked=blocked)

    def _used(
        self, plan: Plan, name: Name, about: Row, index: int, fields: Fields, line: Line, whose: Row, *, blocked: bool
    ) -> None:
        """Count the use of a name; ``whose``: client, user and device."""
        at = line.at(fields)
        if plan.paired:
            self._hold(plan, about, plan.rest(fields, index), whose, at, line.place(), blocked=blocked)
            return
        sent, received = plan.volumes(fields, index)
        large = sent is not None and sent >= LARGE_UPLOAD
        context = plan.rest(fields, index) if plan.contextual else plan.method(fields, index) if name.asked else ()
        use = plan.use(name, about, context, blocked=blocked, large=large)
        if not use.sightings:
            return
        self.observed += 1
        key = (use, whose, at // _DAY)
        total = self._sums.get(key)
        if total is None:
            subject, asset = self._kept(plan, whose)
            total = self._sums[key] = _Sum(use, subject, asset, plan.details(fields, index), at, at, [])
        _count(total, at, line)
        if sent is not None:
            total.bytes_out = (total.bytes_out or 0) + sent
        if received is not None:
            total.bytes_in = (total.bytes_in or 0) + received

    def _kept(self, plan: Plan, whose: Row) -> tuple[str, str]:
        """User and device as they may be kept."""
        client, user, device = whose
        return self._judge.kept(user, device or plan.address(client))

    def _hold(self, plan: Plan, about: Row, rest: Row, whose: Row, at: int, place: str, *, blocked: bool) -> None:
        """Wait for what other lines tell of it."""
        subject, asset = self._kept(plan, whose)
        bare = plan.without_client(rest)
        kind = plan.column(rest, "type")
        name = about[plan.name].lower().rstrip(".")
        for one in self._pairs.take(Held(plan.number, name, about, bare, subject, asset, blocked, at, place, kind)):
            self._settled(one)

    def _settled(self, one: Held) -> None:
        """Count a question of which no more is expected."""
        plan = self._plans[one.record]
        name = plan.judged(one.about)
        if name is None:
            return
        context = one.rest if plan.contextual else ()
        use = plan.use(name, one.about, context, blocked=one.blocked, large=False)
        if not use.sightings:
            return
        self.observed += 1
        key = (use, (one.subject, one.asset), one.at // _DAY)
        total = self._sums.get(key)
        if total is None:
            total = _Sum(use, one.subject, one.asset, plan.told(one.rest), one.at, one.at, [])
            self._sums[key] = total
        _count(total, one.at, _Settled(one))

    def held(self) -> tuple[Held, ...]:
        """What waits for lines to come. It is counted by whoever is given it."""
        return self._pairs.rest()

    def settle(self) -> None:
        """Bring everything into the tally; nothing waits any more."""
        for one in self._pairs.rest():
            self._settled(one)
        self._bring()

    def _bring(self) -> None:
        found = [_summed(sighting, total) for total in self._sums.values() for sighting in total.use.sightings]
        found.sort(key=lambda sighting: _line(sighting.sources[0]))
        for sighting in _in_order(found):
            self.tally.merge(sighting)
        self._sums.clear()


class _Settled:
    """A line that was read before."""

    def __init__(self, one: Held) -> None:
        self._one = one

    def at(self, fields: Fields) -> int:
        del fields
        return self._one.at

    def place(self) -> str:
        return self._one.place


def _count(total: _Sum, at: int, line: Line) -> None:
    total.count += 1
    if at > total.last:
        total.last = at
    elif at < total.first:
        total.first = at
    if total.count <= MAX_SOURCES:
        total.sources.append(line.place())


def _line(place: str) -> int:
    """The number of a line; of a place in another file, which was read before, 0."""
    return int(place) if place.isdigit() else 0


def _in_order(found: Iterable[Sighting]) -> Iterable[Sighting]:
    """Sums of one total together, its places in the order of lines."""
    totals: dict[tuple[object, ...], Sighting] = {}
    for one in found:
        key = (one.service, one.kind, one.subject, one.month, one.asset, one.evidence)
        known = totals.get(key)
        if known is None:
            totals[key] = one
        else:
            places = sorted({*known.sources, *one.sources}, key=_line)[:MAX_SOURCES]
            totals[key] = msgspec.structs.replace(merge(known, one), sources=tuple(places))
    return totals.values()


def _summed(sighting: Sighting, total: _Sum) -> Sighting:
    details = total.details
    if sighting.details:
        details = tuple(sorted({**dict(details), **dict(sighting.details)}.items()))
    month, days = _calendar(total.first // _DAY)
    return Sighting(
        month=month,
        asset=total.asset,
        service=sighting.service,
        kind=sighting.kind,
        subject=total.subject,
        evidence=sighting.evidence,
        identity=sighting.identity,
        presence=sighting.presence,
        count=total.count,
        first=total.first,
        last=total.last,
        days=days,
        sources=tuple(total.sources),
        held=sighting.held,
        details=details,
        bytes_out=total.bytes_out,
        bytes_in=total.bytes_in,
    )


@functools.lru_cache(maxsize=1_024)
def _calendar(day: int) -> tuple[str, int]:
    """Month of a day since 1970, and its bit among the days of that month."""
    date = datetime.datetime.fromtimestamp(day * _DAY, datetime.UTC)
    return date.strftime("%Y-%m"), 1 << (date.day - 1)
