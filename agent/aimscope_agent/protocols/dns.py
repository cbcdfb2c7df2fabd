"""DNS messages (also mDNS and LLMNR, which differ by port): who asked for which name, and where the answer led."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

import msgspec

from aimscope_agent.protocols.dns_names import address, host_name
from aimscope_agent.protocols.more import MORE, More

TYPES: Final = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    13: "HINFO",
    15: "MX",
    16: "TXT",
    24: "SIG",
    25: "KEY",
    28: "AAAA",
    29: "LOC",
    33: "SRV",
    35: "NAPTR",
    39: "DNAME",
    41: "OPT",
    43: "DS",
    44: "SSHFP",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    50: "NSEC3",
    51: "NSEC3PARAM",
    52: "TLSA",
    59: "CDS",
    60: "CDNSKEY",
    61: "OPENPGPKEY",
    64: "SVCB",
    65: "HTTPS",
    99: "SPF",
    249: "TKEY",
    250: "TSIG",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    256: "URI",
    257: "CAA",
}
"""Text of a record's type; any other number ``n`` is ``TYPEn``."""

_A, _CNAME, _AAAA, _DNAME, _OPT, _SVCB, _HTTPS = 1, 5, 28, 39, 41, 64, 65
_LED: Final = frozenset({_A, _CNAME, _AAAA, _DNAME, _SVCB, _HTTPS})
"""Types whose records are kept: those that say where a name leads."""
_IN: Final = 1
_CLASSES: Final = frozenset({1, 3, 4, 254, 255})
_OPCODES: Final = frozenset({0, 2, 4, 5, 6})
_TOP: Final = 0x8000
"""mDNS: a question that wants a unicast answer, an answer that flushes caches."""
_MOST_QUESTIONS: Final = 255
_MOST_ANSWERS: Final = 256
_MOST_NAMES: Final = 128
"""Answers repeat their names; a message made to cost time does not."""
_MOST_HOPS: Final = 127
"""A name has no more labels, and a compressor puts one at least before each pointer."""
_LONGEST: Final = 255
_header = Struct("!HHHHHH").unpack_from
_kind = Struct("!HH").unpack_from
_record = Struct("!HHIH").unpack_from


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is asked. ``name`` is empty for the root and for names that are no host names; ``type`` is text."""

    name: str
    type: str
    klass: int
    unicast: bool = False
    """mDNS: an answer to the one who asks is enough (QU)."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A record that says where a name leads. ``ttl`` in seconds.

    ``value`` is an address (A, AAAA) or a name (CNAME, DNAME, and the target of HTTPS and SVCB, where ``.`` stands for
    the owner itself); empty where that is no host name.
    """

    name: str
    type: str
    ttl: int
    value: str


class Message(msgspec.Struct, frozen=True):
    """A message, as far as it is whole: questions always, answers up to where it is torn or malformed."""

    id: int
    response: bool
    opcode: int
    """0 for a query; 4 NOTIFY and 5 UPDATE name zones in their questions, which nobody asked for."""
    rcode: int
    truncated: bool
    """The sender cut it (TC), or not all of its records could be read."""
    questions: tuple[Question, ...]
    answers: tuple[Answer, ...] = ()
    edns: bool = False


class _Torn(Exception):
    """The rest of the message is missing or malformed."""


def message(data: bytes, start: int, end: int) -> Message | None:
    """The message in ``data[start:end]``; none if these bytes are no DNS."""
    if end - start < 12 or end > len(data):
        return None
    ident, flags, asked, answered, others, extra = _header(data, start)
    opcode = flags >> 11 & 15
    if opcode not in _OPCODES or asked > _MOST_QUESTIONS or not (flags & _TOP or flags & 15 == 0):
        return None
    at = start + 12
    if asked == 1:  # nearly always
        stop = data.find(0, at, end)
        name = _plain(data[at:stop]) if 0 <= stop - at < _LONGEST else None
        if name is None:
            read = _name(data, at, start, end)
            if read is None:
                return None
            name, stop = read[0], read[1] - 1
        if stop + 5 > end:
            return None
        kind, klass = _kind(data, stop + 1)
        at = stop + 5
        if kind == 0 or klass & 0x7FFF not in _CLASSES:
            return None
        questions: tuple[Question, ...] = (
            Question(name, TYPES.get(kind) or f"TYPE{kind}", klass & 0x7FFF, klass >= _TOP),
        )
    else:
        several = _questions(data, at, start, end, asked)
        if several is None:
            return None
        questions, at = several
    response, rcode, cut = flags & _TOP != 0, flags & 15, flags & 0x0200 != 0
    if not answered + others + extra:
        bare = response and end == at  # a refusal may repeat nothing
        return Message(ident, response, opcode, rcode, cut, questions) if asked or bare else None
    rest = _Rest(data, start, end, questions[0].name if asked else "")
    try:
        rest.read(at, answered, others + extra)
    except _Torn:
        if not asked:
            return None
        cut = True
    return Message(ident, response, opcode, rcode | rest.rcode, cut, questions, tuple(rest.answers), rest.edns)


def over_tcp(data: bytes, start: int, end: int) -> tuple[Message, int] | More | None:
    """The message at ``start`` of a stream, and where the next one begins."""
    if end - start < 2:
        return MORE
    size = data[start] << 8 | data[start + 1]
    if size < 12:
        return None
    stop = start + 2 + size
    if stop > end:
        return MORE if _may_begin(data, start + 2, end, size) else None
    found = message(data, start + 2, stop)
    return None if found is None else (found, stop)


def alias_chain(message: Message) -> tuple[str, ...]:
    """The names that the first question's name leads to by CNAME and DNAME, nearest first, whatever their order."""
    if not message.answers or not message.questions:
        return ()
    name = message.questions[0].name
    aliases = {answer.name: answer.value for answer in reversed(message.answers) if answer.type == "CNAME"}
    zones = [answer for answer in message.answers if answer.type == "DNAME" and answer.name]
    if not name or not (aliases or zones):
        return ()
    chain: dict[str, None] = {name: None}
    while True:
        name = aliases.get(name) or _moved(name, zones)
        if not name or name in chain or len(chain) > _MOST_HOPS:
            return tuple(chain)[1:]
        chain[name] = None


def _moved(name: str, zones: list[Answer]) -> str:
    """What a name below a moved zone is called there."""
    for zone in zones:
        if zone.value and name.endswith(f".{zone.name}"):
            return host_name(name.removesuffix(zone.name) + zone.value)
    return ""


def _may_begin(data: bytes, start: int, end: int, size: int) -> bool:
    """Whether a header that has arrived can be one of a message of this size."""
    if end - start < 12:
        return True
    _, flags, asked, answered, others, extra = _header(data, start)
    least = 12 + 5 * asked + 11 * (answered + others + extra)
    bare = least == 12
    return flags >> 11 & 15 in _OPCODES and asked <= _MOST_QUESTIONS and least <= size and (size == 12 or not bare)


def _questions(data: bytes, at: int, start: int, end: int, count: int) -> tuple[tuple[Question, ...], int] | None:
    found: list[Question] = []
    for _ in range(count):
        read = _name(data, at, start, end)
        if read is None or read[1] + 4 > end:
            return None
        name, at = read
        kind, klass = _kind(data, at)
        if kind == 0 or klass & 0x7FFF not in _CLASSES:
            return None
        found.append(Question(name, TYPES.get(kind) or f"TYPE{kind}", klass & 0x7FFF, klass >= _TOP))
        at += 4
    return tuple(found), at


class _Rest:
    """What follows the questions. Names are read once: most point to the first question's, the ``asked`` one."""

    __slots__ = ("_data", "_end", "_names", "_start", "answers", "edns", "rcode")

    def __init__(self, data: bytes, start: int, end: int, asked: str) -> None:
        self._data, self._start, self._end = data, start, end
        self._names = {start + 12: asked} if asked else {}
        self.answers: list[Answer] = []
        self.edns = False
        self.rcode = 0

    def read(self, at: int, answered: int, others: int) -> None:
        """Raises ``_Torn`` at the first record that is not whole."""
        data, end = self._data, self._end
        for index in range(answered + others):
            owner = at
            if at < end:
                at = at + 2 if data[at] >= 0xC0 else at + 1 if not data[at] else _after_name(data, at, end)
            body = at + 10
            if at == owner or not at or body > end or len(self.answers) == _MOST_ANSWERS:
                raise _Torn
            kind, klass, ttl, size = _record(data, at)
            at = body + size
            if at > end:
                raise _Torn
            if index < answered:
                if kind in _LED and klass & 0x7FFF == _IN and size:
                    self._keep(owner, kind, 0 if ttl >> 31 else ttl, body, at)
            elif kind == _OPT and not data[owner]:
                self.edns = True
                self.rcode = ttl >> 24 << 4

    def _keep(self, owner: int, kind: int, ttl: int, body: int, stop: int) -> None:
        name = self._named(owner, self._end)
        if kind in {_A, _AAAA}:
            if stop - body != (4 if kind == _A else 16):
                raise _Torn
            value = address(self._data[body:stop])
        elif kind in {_CNAME, _DNAME}:
            if _after_name(self._data, body, stop) != stop:
                raise _Torn
            value = self._named(body, stop)
        else:
            value = self._service(name, body, stop)
        self.answers.append(Answer(name, TYPES[kind], ttl, value))

    def _named(self, at: int, end: int) -> str:
        data = self._data
        if data[at] >= 0xC0 and at + 1 < end:
            place = self._start + ((data[at] & 0x3F) << 8 | data[at + 1])
            known = self._names.get(place)
            if known is not None:
                return known
        else:
            place = at
        read = _name(data, at, self._start, end)
        if read is None or len(self._names) == _MOST_NAMES:
            raise _Torn
        self._names[place] = read[0]
        return read[0]

    def _service(self, owner: str, at: int, stop: int) -> str:
        """Target of an HTTPS or SVCB record: priority, name, then (key, length, value)…"""
        data = self._data
        read = _name(data, at + 2, self._start, stop) if at + 3 <= stop else None
        if read is None:
            raise _Torn
        itself = data[at + 2] == 0
        alias = not (data[at] or data[at + 1])
        place = read[1]
        while place < stop:
            if place + 4 > stop:
                raise _Torn
            place += 4 + _kind(data, place)[1]
        if place != stop:
            raise _Torn
        return read[0] if not itself else "" if alias else owner


@lru_cache(maxsize=8_192)
def _plain(raw: bytes) -> str | None:
    """An uncompressed name without its final zero; none if its labels do not end where it ends. Names repeat."""
    labels = []
    at, end = 0, len(raw)
    while at < end:
        stop = at + 1 + raw[at]
        if raw[at] > 63:
            return None
        labels.append(raw[at + 1 : stop])
        at = stop
    return _joined(labels) if at == end else None


def _joined(labels: list[bytes]) -> str:
    name = b".".join(labels)
    return host_name(name) if name.count(b".") == len(labels) - 1 else ""


def _name(data: bytes, at: int, start: int, end: int) -> tuple[str, int] | None:
    """The name at ``at`` and where its own bytes end; none if malformed. Pointers lead backwards only."""
    labels: list[bytes] = []
    size, after, earliest, hops = 1, 0, at, 0
    while at < end:
        length = data[at]
        if length == 0:
            return _joined(labels) if labels else "", after or at + 1
        if length < 64:
            size += length + 1
            if size > _LONGEST:
                return None
            labels.append(data[at + 1 : at + 1 + length])
            at += 1 + length
        elif length >= 0xC0 and at + 1 < end:
            after = after or at + 2
            at = start + ((length & 0x3F) << 8 | data[at + 1])
            hops += 1
            if not start + 12 <= at < earliest or hops > _MOST_HOPS:
                return None
            earliest = at
        else:
            return None
    return None


def _after_name(data: bytes, at: int, end: int) -> int:
    """Where a name's own bytes end; 0 if they do not."""
    while at < end:
        length = data[at]
        if length >= 0xC0:
            return at + 2
        if length == 0:
            return at + 1
        if length > 63:
            return 0
        at += 1 + length
    return 0
