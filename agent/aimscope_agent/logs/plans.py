"""The records of a map with what the catalogue says of names in them: made once, kept for all files of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from aimscope_agent.formats._expressions import Constant, Expression, Field, Fields, IntricateError
from aimscope_agent.formats._format import LONGEST_NAME, NAMING, Reading
from aimscope_agent.formats._together import Together
from aimscope_agent.logs.judging import Judge
from aimscope_signatures.fold import Tally
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import LARGE_UPLOAD, presence_of
from aimscope_signatures.model import Detection, Sighting, Value

REMEMBERED: Final = 50_000
"""Verdicts, and running totals, that are kept at hand."""
Row = tuple[str, ...]
Details = tuple[tuple[str, str], ...]


class Use:
    """What it amounts to that somebody uses a name: sightings of nobody in particular, on no day."""

    __slots__ = ("sightings",)

    def __init__(self, sightings: tuple[Sighting, ...]) -> None:
        self.sightings = sightings


class Name:
    """A name, or names that stand together, with the verdict on them."""

    __slots__ = ("asked", "plain", "uses", "verdict")

    def __init__(self, verdict: tuple[Detection, ...]) -> None:
        self.verdict = verdict
        self.asked = any(held.field == "path" for each in verdict if not each.service for held in each.held)
        """How it was asked decides."""
        self.plain: Use | None = None
        """Nothing else decides."""
        self.uses: dict[tuple[Row, bool, bool], Use] = {}
        """By what else decides: columns after the name, refusal, a large upload."""


class Plan:
    """A record of a map, and where in its columns is what."""

    def __init__(self, number: int, reading: Reading, judge: Judge, *, alone: bool) -> None:
        """``alone``: the map has no other record."""
        self.number = number
        self.reading = reading
        self.contextual = reading.kind in judge.contextual
        self.paired = reading.record.paired
        self._judge = judge
        columns = [name for name, _, _ in reading.columns]
        named, rest = columns[: reading.named], columns[reading.named :]
        self._place = {name: rest.index(name) for name in rest}
        naming = [named.index(each) for each in NAMING[reading.kind] if each in named]
        self.name = naming[0] if naming else 0
        self._reductions = [
            (named.index(name), reduce)
            for name, reduce in (("path", judge.path), ("user_agent", judge.agent))
            if name in named
        ]
        self._ask(dict(zip(columns, reading.reads, strict=True)), named, alone=alone)
        fields = KINDS[reading.kind].fields
        self._details = sorted(name for name in rest if not fields[name].personal and not name.startswith("bytes_"))
        self._telling = Together([reading.reads[columns.index(name)] for name in self._details])
        self._known: dict[Row, Details] = {}
        self._names: dict[Row, Name | None] = {}

    def _ask(self, reads: dict[str, Expression], named: list[str], *, alone: bool) -> None:
        reading = self.reading
        tests = (alone and reading.conditions) or ()
        reductions = dict(self._reductions)
        about = [_then(reads[name], reductions[n]) if n in reductions else reads[name] for n, name in enumerate(named)]
        people = [reads.get("client", Constant("")), *(_then(each, _cut) for each in reading.people)]
        self.when = reading.when if reading.record.when and not tests else None
        """What is to be asked first, where ``look`` does not ask."""
        self.blocked = reading.blocked if reading.refusal is None else None
        """What is to be asked last, where ``look`` does not ask."""
        self.look = Together([*tests, *about, *people, reading.refusal or Constant("")]).texts
        """What a line tells: ``tests``, all of which must say something; from there on the named columns, as far as
        anything depends on them; from ``people`` on client, user and device; last whether a filter refused it.
        """
        self.tests = len(tests)
        self.people = len(tests) + len(named)
        self._rest = Together(reading.reads[reading.named :])
        self._sent, self._received = (_amount(reads.get(each)) for each in ("bytes_out", "bytes_in"))

    def column(self, rest: Row, name: str) -> str:
        """One of the columns after the named ones; empty where there is none."""
        return rest[self._place[name]] if name in self._place else ""

    def value(self, rest: Row, name: str) -> Value | None:
        """The same, converted."""
        return self._converted(name, self.column(rest, name))

    def address(self, client: str) -> str:
        """The address of a client; empty where it is none."""
        found = self._converted("client", client)
        return found if isinstance(found, str) else ""

    def details(self, fields: Fields, index: int) -> Details:
        """What the columns after the named ones tell of nobody in particular."""
        texts = self._telling.texts(fields)
        if texts is None:
            return self.told(self.rest(fields, index))
        return self._told(texts)

    def told(self, rest: Row) -> Details:
        """The same of those columns."""
        return self._told(tuple([rest[self._place[name]] for name in self._details]))

    def _told(self, texts: Row) -> Details:
        found = self._known.get(texts)
        if found is None:
            converted = ((name, self._converted(name, text)) for name, text in zip(self._details, texts, strict=True))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = tuple((name, str(value)) for name, value in converted if value is not None)
            self._known[texts] = found
        return found

    def _converted(self, name: str, text: str) -> Value | None:
        return self.reading.columns[self.reading.named + self._place[name]][2](text) if text else None

    def rest(self, fields: Fields, index: int) -> Row:
        """The columns after the named ones, of the row of that number."""
        found = self._rest.texts(fields)
        if found is None:
            rows = self.reading.row(fields, self.reading.named, len(self.reading.columns))
            found = rows[index] if index < len(rows) else rows[0]
        return found

    def method(self, fields: Fields, index: int) -> Row:
        """The columns after the named ones with nothing but the method; nothing at all where none is stated."""
        method = self.column(self.rest(fields, index), "method")
        if not method.strip():
            return ()
        place = self._place["method"]
        return tuple(method if number == place else "" for number in range(len(self._place)))

    def without_client(self, rest: Row) -> Row:
        """The columns after the named ones as they may be kept."""
        client = self._place.get("client", -1)
        return tuple("" if n == client else text for n, text in enumerate(rest))

    def volumes(self, fields: Fields, index: int) -> tuple[int | None, int | None]:
        """Bytes that the client sent and received."""
        try:
            return self._sent(fields), self._received(fields)
        except (TypeError, IntricateError):
            rest = self.rest(fields, index)
            sent, received = self.value(rest, "bytes_out"), self.value(rest, "bytes_in")
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
        row = list(about)
        for number, reduce in self._reductions:
            row[number] = reduce(row[number])
        return tuple(row)

    def _blank(self) -> Row:
        return ("",) * (len(self.reading.columns) - self.reading.named)

    def use(self, name: Name, about: Row, context: Row, *, blocked: bool, large: bool) -> Use:
        """What a use of a name comes to. ``context``: the columns after the named ones, where they decide."""
        if not (blocked or large or context):
            if name.plain is None:
                tally = Tally("")
                for each in name.verdict:
                    tally.add(each)
                name.plain = Use(tally.sightings())
            return name.plain
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
        rest = self.without_client(context) or self._blank()
        observation = self.reading.observation((*about, *rest), ("", "", blocked), 0, "")
        if observation is None:
            return ()
        if large:
            fields = {**observation.fields, "bytes_out": LARGE_UPLOAD}
            observation = msgspec.structs.replace(observation, fields=fields)
        if self.contextual or any(context):
            verdict = self._judge.detections(observation)
        presence = presence_of(observation)
        tally = Tally("")
        for each in verdict:
            # a candidate says what its kind says, whatever the volume
            stated = presence if each.service else each.presence
            tally.add(msgspec.structs.replace(each, observation=observation, presence=stated))
        return tally.sightings()


def _then(read: Expression, step: Callable[[str], str]) -> Expression:
    return read.then(step) if isinstance(read, Field) else read


def _cut(text: str) -> str:
    return text[:LONGEST_NAME]


def _amount(read: Expression | None) -> Callable[[Fields], int | None]:
    """How a number of bytes is read. It raises as ``Field.amount`` does."""
    if read is None:
        return lambda _fields: None
    return read.amount if isinstance(read, Field) else _intricate


def _intricate(_fields: Fields) -> int | None:
    raise IntricateError
