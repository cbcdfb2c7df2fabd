"""A map made ready: fields of a line → observations."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Final

import msgspec

from aimscope_agent.formats._expressions import (
    NOTHING,
    Constant,
    Expression,
    Field,
    Fields,
    address,
    alternatives,
    expression,
    look_up,
    number,
    value_of,
)
from aimscope_agent.formats._map import Globs, Map, MapError, Record
from aimscope_agent.formats._time import SECONDS, TIME_FORMATS, Clock, zone_of
from aimscope_agent.formats._together import Condition
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.normalise import process_name

Test = Callable[[Fields], bool]
LONGEST_NAME: Final = 256
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\Z")
NAMING: Final[dict[str, tuple[str, ...]]] = {
    "dns.query": ("name",),
    "tls.client_hello": ("server_name", "ja4"),
    "http.request": ("host",),
    "connection": ("host", "ip", "app"),
    "cloud.call": ("host", "model", "operation"),
}
"""Without one of these a line of the kind says nothing."""
_SERVER: Final = {"tls.client_hello": "server", "http.request": "server", "connection": "ip"}
_VOLUMES: Final = frozenset({"bytes_out", "bytes_in"})
Convert = Callable[[str], Value | None]


def host_of(text: str) -> str:
    """A host name as it goes over the wire: ASCII, lower case, no outer dots; empty if it is none.

    A name in another script becomes its ASCII form, label by label; look-alikes of ASCII letters are no names.
    """
    name = text.strip("\"' ").strip(".").lower()
    if not name.isascii():
        name = ".".join(map(_label, name.split(".")))
    if len(name) <= 253 and _HOST.match(name):
        return name
    return address(name)


def _label(label: str) -> str:
    if label.isascii():
        return label
    try:
        form = label.encode("idna").decode("ascii")
    except (UnicodeError, ValueError):
        return "?"
    return form if form.startswith("xn--") else "?"


def _converted(kind: str, field: str) -> Convert:
    """Validates and converts the text of a field of a kind."""
    match KINDS[kind].fields[field].type:
        case "hostname":
            return lambda text: host_of(text) or None
        case "ip":
            return lambda text: address(text) or None
        case "process_name":
            return lambda text: process_name(text) or None
        case "integer":
            return lambda text: int(found) if (found := number(text)) and len(found) <= 18 else None
        case _:
            return lambda text: text


def holding(globs: Globs, *, every: bool = True, nothing: frozenset[str] = NOTHING) -> Test:
    """Whether fields hold one of their values (globs in any case; ``!x`` forbids). ``every``: all the fields."""
    tests = tuple(_one(name, patterns, nothing) for name, patterns in globs.items())
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2 and every:
        one, other = tests
        return lambda fields: one(fields) and other(fields)
    if every:
        return lambda fields: all(test(fields) for test in tests)
    return lambda fields: any(test(fields) for test in tests)


def _one(name: str, patterns: Sequence[str], nothing: frozenset[str]) -> Test:
    if tuple(patterns) == ("?*",) and _PLAIN_NAME.match(name):
        return _present(name, nothing)
    return _condition(name, patterns, nothing)


def _condition(name: str, patterns: Sequence[str], nothing: frozenset[str]) -> Condition:
    wanted = [_glob(pattern.lower()) for pattern in patterns if pattern[:1] != "!"]
    forbidden = [_glob(pattern[1:].lower()) for pattern in patterns if pattern[:1] == "!"]

    def judge(stated: Sequence[str]) -> bool:
        values = [value.lower() for value in stated] or _EMPTY
        for value in values:
            for unfit in forbidden:
                if unfit(value):
                    return False
        return not wanted or any(fit(value) for value in values for fit in wanted)

    return Condition(expression(name, nothing), judge)


def _glob(pattern: str) -> Callable[[str], object]:
    """Whether text fits a glob."""
    if not _WILD.search(pattern):
        return pattern.__eq__
    start = pattern.removesuffix("*")
    if not _WILD.search(start):
        return lambda text: text.startswith(start)
    return re.compile(fnmatch.translate(pattern)).match


def _conditions(globs: Globs, nothing: frozenset[str]) -> tuple[Field, ...] | None:
    found = [_condition(name, patterns, nothing).field for name, patterns in globs.items()]
    return tuple(each for each in found if each is not None) if None not in found else None


_EMPTY: Final = [""]
_EPOCH: Final = (1e9, 1e10)
"""Seconds since 1970 that are written with ten digits."""
_WILD: Final = re.compile(r"[*?\[]")
_PLAIN_NAME: Final = re.compile(r"[^|+=\[\]]+\Z")


def _present(name: str, nothing: frozenset[str]) -> Test:
    """Whether a field says something: asked of every line, so without detours."""
    nested = "." in name

    def holds(fields: Fields) -> bool:
        found = fields.get(name)
        if found is None and nested:
            return any(value_of(each, nothing) for each in look_up(fields, name))
        return found is not None and value_of(found, nothing) != ""

    return holds


class Reading(msgspec.Struct, frozen=True):
    """A record of a map, compiled: which lines give it, and where each field of its kind comes from.

    ``columns`` are the fields in an order of their own: first the ``named`` ones, on which it depends what the line is
    about, then who, then volumes.
    """

    kind: str
    when: Test
    blocked: Test | None
    columns: tuple[tuple[str, Expression, Convert], ...]
    reads: tuple[Expression, ...]
    named: int
    people: tuple[Expression, Expression]
    """Who: the user, and the device as the log names it."""
    record: Record
    conditions: tuple[Field, ...] | None
    """``when`` as expressions, all of which must say something; ``None`` where fields do not decide one by one."""
    refusal: Field | None
    """``blocked`` as an expression, where one field decides."""

    def row(self, fields: Fields, start: int, end: int) -> list[tuple[str, ...]]:
        """Texts of the columns from ``start`` to ``end``: one row, or one for each element of an array."""
        columns = []
        row = []
        most = 1
        for read in self.reads[start:end]:
            values = read(fields)
            columns.append(values)
            if values:
                row.append(values[0])
                most = max(most, len(values))
            else:
                row.append("")
        if most == 1:
            return [tuple(row)]
        return [tuple([_at(values, index) for values in columns]) for index in range(most)]

    def who(self, fields: Fields) -> tuple[str, str, bool]:
        """User, device, and whether a filter refused it."""
        user, device = (values[0] if (values := read(fields)) else "" for read in self.people)
        blocked = self.blocked is not None and self.blocked(fields)
        return user[:LONGEST_NAME], device[:LONGEST_NAME], blocked

    def observation(self, row: Sequence[str], who: tuple[str, str, bool], at: int, source: str) -> Observation | None:
        """What a row says; ``None`` where it names nothing."""
        found: dict[str, Value] = {}
        for (name, _, convert), text in zip(self.columns, row, strict=True):
            value = convert(text) if text else None
            if value is not None:
                found[name] = value
        naming = NAMING[self.kind]
        if not any(name in found for name in naming):
            return None
        _settle(self.kind, found)
        user, device, blocked = who
        if device and "device" in KINDS[self.kind].fields:
            found["device"] = device
        if blocked:
            found["blocked"] = True
        client = found.get("client")
        asset = device or (client if isinstance(client, str) else "")
        return Observation(self.kind, found, source, user, at, asset)


def _at(values: Sequence[str], index: int) -> str:
    """An element of an array, or the one value that holds for all of them."""
    return values[0] if len(values) == 1 else values[index] if index < len(values) else ""


class Format:
    """A format ready for reading. Raises ``MapError`` where the map's expressions or zone are malformed."""

    def __init__(self, form: Map, *, proven: bool = False) -> None:
        """``proven``: the map is known to be well-formed, and each part is compiled when it is first needed."""
        self.map = form
        self.name = form.name
        self.proven = proven
        self._names = frozenset(form.recognise.fields)
        self._contains = tuple(text.encode() for text in form.recognise.contains)
        if proven:
            return
        try:
            _ = (self.readings, self._skip, self._values, self._time, self._zone_field)
        except (MapError, re.error) as error:
            raise MapError(f"{form.name}: {error}") from None
        if form.time_format not in TIME_FORMATS and "%" not in form.time_format:
            raise MapError(f"{form.name}: $.time_format: {form.time_format!r}")

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """The records of the map, in its order."""
        nothing = NOTHING.union(self.map.nothing)
        return tuple(_reading(record, nothing) for record in self.map.records)

    @cached_property
    def _skip(self) -> tuple[Test, ...]:
        return tuple(map(holding, self.map.skip))

    @cached_property
    def _values(self) -> Test | None:
        return holding(self.map.recognise.values) if self.map.recognise.values else None

    @cached_property
    def _time(self) -> tuple[tuple[Expression, bool], ...]:
        return tuple((expression(each), each == "syslog.time") for each in self.map.time)

    @cached_property
    def _seconds(self) -> str:
        """The field that may state seconds since 1970; empty where none does."""
        first = self.map.time[0] if self.map.time else ""
        return first if self.map.time_format in {"auto", "epoch"} and _PLAIN_NAME.match(first) else ""

    @cached_property
    def _zone_field(self) -> str:
        return "" if _is_zone(self.map.zone) else self.map.zone

    @property
    def zone(self) -> str:
        """The zone the map states for all lines; ``local`` where lines state their own or nobody does."""
        return "local" if self._zone_field else self.map.zone

    @property
    def settles(self) -> bool:
        """Whether lines say that others before them were refused: such a log is read in one piece."""
        return any(record.paired and record.blocked for record in self.map.records)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of observation that its lines give."""
        return tuple(sorted({record.kind for record in self.map.records}))

    def fits(self, fields: Fields, line: bytes) -> bool:
        """Whether a line, taken apart, is of this format (or a known line of it that says nothing)."""
        for text in self._contains:
            if text not in line:
                return False
        whole = self._names <= fields.keys() or all(look_up(fields, name) for name in self._names)
        return (whole and (self._values is None or self._values(fields))) or self.skips(fields)

    def fits_columns(self, columns: Sequence[str], path: str) -> bool:
        """Whether a file that has only a header may be of this format."""
        stated = self.map.recognise.values.get("_path", ())
        wanted = [*self.map.recognise.fields, *(name for name in self.map.recognise.values if name != "_path")]
        if not wanted and not stated:
            return False
        right = not stated or any(fnmatch.fnmatchcase(path.lower(), glob.lower()) for glob in stated)
        return right and all(name in columns for name in wanted if not name.startswith("syslog."))

    def skips(self, fields: Fields) -> bool:
        """Whether the line is known to say nothing of names."""
        return any(test(fields) for test in self._skip)

    def at(self, fields: Fields, clock: Clock) -> int:
        """When; 0 where the line does not say."""
        if self._seconds:  # without detours: fractions hardly ever repeat
            stated = fields.get(self._seconds)
            if type(stated) is float and _EPOCH[0] <= stated < _EPOCH[1]:
                return int(stated)
            if type(stated) is str and SECONDS.match(stated):
                return int(stated[:10])
        for each, syslog in self._time:
            values = each(fields)
            if values:
                if syslog:
                    return clock.read_syslog(values[0])
                return clock.read(values[0], self._offset(fields) if self._zone_field else "")
        stamp = fields.get("syslog.time")
        return clock.read_syslog(stamp) if isinstance(stamp, str) else 0

    def _offset(self, fields: Fields) -> str:
        found = look_up(fields, self._zone_field)
        return value_of(found[0]) if found else ""

    def observe(self, fields: Fields, at: int, source: str) -> Iterator[Observation]:
        """What the line says."""
        for reading in self.readings:
            if reading.when(fields):
                who = reading.who(fields)
                for row in reading.row(fields, 0, len(reading.columns)):
                    found = reading.observation(row, who, at, source)
                    if found is not None:
                        yield found


def _is_zone(text: str) -> bool:
    try:
        zone_of(text)
    except ValueError:
        return False
    return True


def _reading(record: Record, nothing: frozenset[str]) -> Reading:
    known = KINDS[record.kind].fields
    order = sorted(record.fields, key=lambda name: 2 if name in _VOLUMES else 1 if known[name].context else 0)
    columns = tuple((name, alternatives(record.fields[name], nothing), _converted(record.kind, name)) for name in order)
    reads = tuple(read for _, read, _ in columns)
    named = sum(1 for name in order if name not in _VOLUMES and not known[name].context)
    people = tuple(alternatives(each, nothing) if each else Constant("") for each in (record.user, record.device))
    refusals = _conditions(record.blocked, nothing)
    return Reading(
        kind=record.kind,
        when=holding(record.when, nothing=nothing),
        blocked=holding(record.blocked, every=False, nothing=nothing) if record.blocked else None,
        columns=columns,
        reads=reads,
        named=named,
        people=(people[0], people[1]),
        record=record,
        conditions=_conditions(record.when, nothing),
        refusal=refusals[0] if refusals and len(refusals) == 1 else None,
    )


def _settle(kind: str, found: dict[str, Value]) -> None:
    """Where a log writes the address of a server in place of its name, it is an address."""
    host = found.get("host")
    server = _SERVER.get(kind)
    if server and isinstance(host, str) and server not in found:
        last = host[-1:]
        if (last.isdigit() or ":" in host) and (ip := address(host)):
            found[server] = ip
            if server == "ip":
                del found["host"]
