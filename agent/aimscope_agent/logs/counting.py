"""Lines → totals, fast: names repeat, so a verdict is kept for each, and what repeats only raises a counter.

The answers are those of ``Recogniser``, which judges whatever comes up for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from aimscope_agent.formats._expressions import Fields
from aimscope_agent.formats._format import NAMING, Format, Reading
from aimscope_agent.logs.judging import Judge
from aimscope_agent.logs.pairing import Held, Pairs
from aimscope_signatures.fold import MAX_SOURCES, Tally, merge
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import LARGE_UPLOAD, presence_of
from aimscope_signatures.model import Detection, Sighting, Value

_REMEMBERED: Final = 50_000
"""Verdicts, and running totals, that are kept at hand."""
_DAY: Final = 86_400
_Row = tuple[str, ...]


class _Plan:
    """A reading, and where in its columns is what."""

    def __init__(self, number: int, reading: Reading, *, contextual: bool) -> None:
        self.number = number
        self.reading = reading
        names = [name for name, _, _ in reading.columns]
        fields = KINDS[reading.kind].fields
        self.always = not reading.record.when
        self.path = names.index("path") if "path" in names[: reading.named] else -1
        rest = names[reading.named :]
        self.client = rest.index("client") if "client" in rest else -1
        self.sent = rest.index("bytes_out") if "bytes_out" in rest else -1
        self.received = rest.index("bytes_in") if "bytes_in" in rest else -1
        self.details = tuple(
            (n, name) for n, name in enumerate(rest) if not fields[name].personal and not name.startswith("bytes_")
        )
        self.contextual = contextual
        self.paired = reading.record.paired
        named = [names.index(each) for each in NAMING[reading.kind] if each in names[: reading.named]]
        self.name = named[0] if named else 0
        self.type = rest.index("type") if "type" in rest else -1

    def value(self, rest: _Row, number: int) -> Value | None:
        """A column after the named ones, converted."""
        text = rest[number]
        return self.reading.columns[self.reading.named + number][2](text) if text else None

    def told(self, rest: _Row) -> tuple[tuple[str, str], ...]:
        """What the columns after the named ones tell of nobody in particular."""
        found = ((name, self.value(rest, n)) for n, name in self.details)
        return tuple(sorted((name, str(value)) for name, value in found if value is not None))

    def volume(self, rest: _Row, number: int) -> int | None:
        """Bytes, where the line says so."""
        value = self.value(rest, number) if number >= 0 else None
        return value if type(value) is int else None


class _Sum(msgspec.Struct):
    """What one person on one device did on one day."""

    subject: str
    asset: str
    details: tuple[tuple[str, str], ...]
    first: int
    last: int
    sources: list[str]
    count: int = 0
    bytes_out: int | None = None
    bytes_in: int | None = None


class _Template(msgspec.Struct):
    """Sightings of a name on one day, and the sums of those who did it."""

    sightings: tuple[Sighting, ...]
    sums: dict[tuple[str, str, str], _Sum]


class Counting:
    """Takes the lines of one file, or of a part of one. ``settle`` at the end brings everything into ``tally``."""

    def __init__(self, form: Format, judge: Judge, tally: Tally, held: Iterable[Held] = ()) -> None:
        self.observed = 0
        """Observations that were AI, or look like it."""
        self.tally = tally
        self._judge = judge
        self._verdicts: dict[tuple[int, _Row], tuple[Detection, ...]] = {}
        self._templates: dict[tuple[object, ...], _Template] = {}
        self._sums = 0
        self._plans = tuple(
            _Plan(number, reading, contextual=reading.kind in judge.contextual)
            for number, reading in enumerate(form.readings)
        )
        paired = {plan.number for plan in self._plans if plan.paired}
        self._pairs = Pairs(one for one in held if one.record in paired)

    def take(self, fields: Fields, when: Callable[[Fields], int], place: Callable[[], str]) -> None:
        """What a line says. ``when`` tells its time, ``place`` its number: asked only where it matters."""
        if self._sums >= _REMEMBERED or len(self._templates) >= _REMEMBERED:
            self._bring()
        for plan in self._plans:
            reading = plan.reading
            if plan.always or reading.when(fields):
                for index, named in enumerate(reading.row(fields, 0, reading.named)):
                    if any(named):
                        self._named(plan, named, index, fields, when, place)

    def _named(
        self,
        plan: _Plan,
        about: _Row,
        index: int,
        fields: Fields,
        when: Callable[[Fields], int],
        place: Callable[[], str],
    ) -> None:
        if plan.path >= 0 and (path := about[plan.path]):
            kept = self._judge.path(path)
            if kept is not path:
                about = (*about[: plan.path], kept, *about[plan.path + 1 :])
        verdict = self._verdicts.get((plan.number, about))
        if verdict is None:
            verdict = self._verdict(plan, about)
        if not verdict and not plan.contextual:
            return
        reading = plan.reading
        rows = reading.row(fields, reading.named, len(reading.columns))
        rest = rows[index] if index < len(rows) else rows[0]
        user, device, blocked = reading.who(fields)
        at = when(fields)
        if plan.paired:
            self._hold(plan, about, rest, user, device, at, place(), blocked=blocked)
            return
        sent = plan.volume(rest, plan.sent)
        large = sent is not None and sent >= LARGE_UPLOAD
        context = rest if plan.contextual else ()
        key = (plan.number, about, context, blocked, large, at // _DAY)
        template = self._templates.get(key)
        if template is None:
            template = self._template(plan, about, rest, verdict, blocked=blocked, large=large, at=at)
            self._templates[key] = template
        if not template.sightings:
            return
        self.observed += 1
        client = rest[plan.client] if plan.client >= 0 else ""
        total = template.sums.get((client, user, device))
        if total is None:
            total = self._sum(plan, template, rest, client, user, device, at)
        _count(total, at, place)
        if sent is not None:
            total.bytes_out = (total.bytes_out or 0) + sent
        if plan.received >= 0 and (received := plan.volume(rest, plan.received)) is not None:
            total.bytes_in = (total.bytes_in or 0) + received

    def _hold(
        self, plan: _Plan, about: _Row, rest: _Row, user: str, device: str, at: int, place: str, *, blocked: bool
    ) -> None:
        """Wait for what other lines tell of it."""
        address = plan.value(rest, plan.client) if plan.client >= 0 else None
        subject, asset = self._judge.kept(user, device or (address if isinstance(address, str) else ""))
        bare = tuple("" if n == plan.client else text for n, text in enumerate(rest))
        kind = rest[plan.type] if plan.type >= 0 else ""
        name = about[plan.name].lower().rstrip(".")
        for one in self._pairs.take(Held(plan.number, name, about, bare, subject, asset, blocked, at, place, kind)):
            self._settled(one)

    def _settled(self, one: Held) -> None:
        """Count a question of which no more is expected."""
        plan = self._plans[one.record]
        context = one.rest if plan.contextual else ()
        key = (plan.number, one.about, context, one.blocked, False, one.at // _DAY)
        template = self._templates.get(key)
        if template is None:
            verdict = self._verdict(plan, one.about)
            template = self._template(plan, one.about, one.rest, verdict, blocked=one.blocked, large=False, at=one.at)
            self._templates[key] = template
        if not template.sightings:
            return
        self.observed += 1
        who = ("", one.subject, one.asset)
        total = template.sums.get(who)
        if total is None:
            self._sums += 1
            template.sums[who] = total = _Sum(one.subject, one.asset, plan.told(one.rest), one.at, one.at, [])
        _count(total, one.at, lambda: one.place)

    def _verdict(self, plan: _Plan, about: _Row) -> tuple[Detection, ...]:
        """What the catalogue says of names alone."""
        blank = ("",) * (len(plan.reading.columns) - plan.reading.named)
        observation = plan.reading.observation((*about, *blank), ("", "", False), 0, "")
        verdict = self._judge.detections(observation) if observation is not None else ()
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
        self._verdicts[plan.number, about] = verdict
        return verdict

    def _template(
        self,
        plan: _Plan,
        about: _Row,
        rest: _Row,
        verdict: tuple[Detection, ...],
        *,
        blocked: bool,
        large: bool,
        at: int,
    ) -> _Template:
        """Sightings of the name on that day; whose they are comes later."""
        kept = tuple("" if n == plan.client or not plan.contextual else text for n, text in enumerate(rest))
        observation = plan.reading.observation((*about, *kept), ("", "", blocked), at, "")
        if observation is None:
            return _Template((), {})
        if large:
            fields = {**observation.fields, "bytes_out": LARGE_UPLOAD}
            observation = msgspec.structs.replace(observation, fields=fields)
        if plan.contextual:
            verdict = self._judge.detections(observation)
        presence = presence_of(observation)
        tally = Tally("")
        for each in verdict:
            # a candidate says what its kind says, whatever the volume
            stated = presence if each.service else each.presence
            tally.add(msgspec.structs.replace(each, observation=observation, presence=stated))
        return _Template(tally.sightings(), {})

    def _sum(self, plan: _Plan, template: _Template, rest: _Row, client: str, user: str, device: str, at: int) -> _Sum:
        self._sums += 1
        address = plan.value(rest, plan.client) if client else None
        subject, asset = self._judge.kept(user, device or (address if isinstance(address, str) else ""))
        template.sums[client, user, device] = total = _Sum(subject, asset, plan.told(rest), at, at, [])
        return total

    def held(self) -> tuple[Held, ...]:
        """What waits for lines to come. It is counted by whoever is given it."""
        return self._pairs.rest()

    def settle(self) -> None:
        """Bring everything into the tally; nothing waits any more."""
        for one in self._pairs.rest():
            self._settled(one)
        self._bring()

    def _bring(self) -> None:
        found = [
            _summed(sighting, total)
            for template in self._templates.values()
            for total in template.sums.values()
            for sighting in template.sightings
        ]
        found.sort(key=lambda sighting: _line(sighting.sources[0]))
        for sighting in _in_order(found):
            self.tally.merge(sighting)
        self._templates.clear()
        self._sums = 0


def _count(total: _Sum, at: int, place: Callable[[], str]) -> None:
    total.count += 1
    total.first = min(total.first, at)
    total.last = max(total.last, at)
    if total.count <= MAX_SOURCES:
        total.sources.append(place())


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
    return Sighting(
        month=sighting.month,
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
        days=sighting.days,
        sources=tuple(total.sources),
        held=sighting.held,
        details=details,
        bytes_out=total.bytes_out,
        bytes_in=total.bytes_in,
    )
