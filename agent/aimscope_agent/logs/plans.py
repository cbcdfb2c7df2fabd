"""The records of a map with what the catalogue says of names in them: made once, kept for all files of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aimscope_agent.formats._expressions import (
    Constant,
    Expression,
    Field,
    Fields,
    IntricateError,
    Together,
    Transform,
)
from aimscope_agent.formats._format import LONGEST_NAME, NAMING, Reading
from aimscope_agent.logs.judging import Judge
from aimscope_signatures.fold import Tally
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import LARGE_UPLOAD, presence_of
from aimscope_signatures.model import Detection, Sighting, Value

REMEMBERED: Final = 50_000
"""Verdicts, and running totals, that are kept at hand."""
Row = tuple[str, ...]
Volume = Callable[[Fields], int | None]


class Use:
    """What it amounts to that somebody uses a name: sightings of nobody in particular, on no day."""

    __slots__ = ("sightings",)

    def __init__(self, sightings: tuple[Sighting, ...]) -> None:
        self.sightings = sightings


class Name:
    """A name, or names that stand together, with the verdict on them."""

    __slots__ = ("uses", "verdict")

    def __init__(self, verdict: tuple[Detection, ...]) -> None:
        self.verdict = verdict
        self.uses: dict[tuple[Row, bool, bool], Use] = {}
        """By what decides besides the name: columns after it, refusal, a large upload."""


class Plan:
    """A record of a map, and where in its columns is what."""

    def __init__(self, number: int, reading: Reading, judge: Judge) -> None:
        self.number = number
        self.reading = reading
        self.contextual = reading.kind in judge.contextual
        self.when = reading.when
        self.blocked = reading.blocked
        self.always = not reading.record.when
        self.paired = reading.record.paired
        self._judge = judge
        columns = [name for name, _, _ in reading.columns]
        named, rest = columns[: reading.named], columns[reading.named :]
        self._path = named.index("path") if "path" in named else -1
        self._agent = named.index("user_agent") if "user_agent" in named else -1
        naming = [named.index(each) for each in NAMING[reading.kind] if each in named]
        self.name = naming[0] if naming else 0
        self.client = rest.index("client") if "client" in rest else -1
        self.type = rest.index("type") if "type" in rest else -1
        self._volumes = [rest.index(each) if each in rest else -1 for each in ("bytes_out", "bytes_in")]
        reads = dict(zip(columns, reading.reads, strict=True))
        self.quick = Together(self._at_once(reads, named))
        """The named columns, as far as anything depends on them; then client, user and device."""
        self._sent, self._received = (_amount(reads.get(each)) for each in ("bytes_out", "bytes_in"))
        fields = KINDS[reading.kind].fields
        self._details = tuple(
            (n, name) for n, name in enumerate(rest) if not fields[name].personal and not name.startswith("bytes_")
        )
        self._names: dict[Row, Name | None] = {}

    def value(self, rest: Row, number: int) -> Value | None:
        """A column after the named ones, converted."""
        text = rest[number]
        return self.reading.columns[self.reading.named + number][2](text) if text else None

    def told(self, rest: Row) -> tuple[tuple[str, str], ...]:
        """What the columns after the named ones tell of nobody in particular."""
        found = ((name, self.value(rest, n)) for n, name in self._details)
        return tuple(sorted((name, str(value)) for name, value in found if value is not None))

    def rest(self, fields: Fields, index: int) -> Row:
        """The columns after the named ones, of the row of that number."""
        reading = self.reading
        found = reading.context.texts(fields)
        if found is None:
            rows = reading.row(fields, reading.named, len(reading.columns))
            found = rows[index] if index < len(rows) else rows[0]
        return found

    def _at_once(self, reads: Mapping[str, Expression], named: Iterable[str]) -> Iterator[Expression]:
        reductions: dict[str, Transform] = {"path": self._judge.path, "user_agent": self._judge.agent}
        for name in named:
            read = reads[name]
            yield read.then(reductions[name]) if name in reductions and isinstance(read, Field) else read
        yield reads.get("client", Constant(""))
        for each in self.reading.people:
            yield each.then(lambda text: text[:LONGEST_NAME]) if isinstance(each, Field) else each

    def volumes(self, fields: Fields, index: int) -> tuple[int | None, int | None]:
        """Bytes that the client sent and received."""
        try:
            return self._sent(fields), self._received(fields)
        except (TypeError, IntricateError):
            rest = self.rest(fields, index)
            sent, received = (self.value(rest, n) if n >= 0 else None for n in self._volumes)
            return sent if type(sent) is int else None, received if type(received) is int else None

    def judged(self, about: Row) -> Name | None:
        """What names come to, ``essential`` ones; nothing where they are of no interest whatever else the line says."""
        try:
            return self._names[about]
        except KeyError:
            pass
        observation = self.reading.observation((*about, *self._blank()), ("", "", False), 0, "")
        verdict = self._judge.detections(observation) if observation is not None else ()
        if len(self._names) >= REMEMBERED:
            self._names.clear()
        found = self._names[about] = Name(verdict) if verdict or (self.contextual and any(about)) else None
        return found

    def essential(self, about: Row) -> Row:
        """The named columns without what nothing depends on."""
        path, agent = self._path, self._agent
        if path >= 0 and about[path]:
            kept = self._judge.path(about[path])
            if kept != about[path]:
                about = (*about[:path], kept, *about[path + 1 :])
        if agent >= 0 and about[agent]:
            kept = self._judge.agent(about[agent])
            if kept != about[agent]:
                about = (*about[:agent], kept, *about[agent + 1 :])
        return about

    def _blank(self) -> Row:
        return ("",) * (len(self.reading.columns) - self.reading.named)

    def use(self, name: Name, about: Row, context: Row, *, blocked: bool, large: bool) -> Use:
        """What a use of a name comes to. ``context``: the columns after the named ones, where they decide."""
        key = (context, blocked, large)
        found = name.uses.get(key)
        if found is None:
            if len(name.uses) >= REMEMBERED:
                name.uses.clear()
            found = name.uses[key] = Use(self._sightings(name.verdict, about, context, blocked=blocked, large=large))
        return found

    def _sightings(
        self, verdict: tuple[Detection, ...], about: Row, context: Row, *, blocked: bool, large: bool
    ) -> tuple[Sighting, ...]:
        tally = Tally("")
        if not (context or blocked or large):
            for each in verdict:
                tally.add(each)
            return tally.sightings()
        rest = tuple("" if n == self.client else text for n, text in enumerate(context)) or self._blank()
        observation = self.reading.observation((*about, *rest), ("", "", blocked), 0, "")
        if observation is None:
            return ()
        if large:
            fields = {**observation.fields, "bytes_out": LARGE_UPLOAD}
            observation = msgspec.structs.replace(observation, fields=fields)
        if self.contextual:
            verdict = self._judge.detections(observation)
        presence = presence_of(observation)
        for each in verdict:
            # a candidate says what its kind says, whatever the volume
            stated = presence if each.service else each.presence
            tally.add(msgspec.structs.replace(each, observation=observation, presence=stated))
        return tally.sightings()


def _amount(read: Expression | None) -> Volume:
    """How a number of bytes is read. It raises as ``Field.amount`` does."""
    if read is None:
        return lambda _fields: None
    return read.amount if isinstance(read, Field) else _intricate


def _intricate(_fields: Fields) -> int | None:
    raise IntricateError
