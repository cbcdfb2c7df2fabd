"""The first message of a TLS client: which name it asks for, what it offers, and whether a name may be hidden.

``in_records`` reads a TCP stream from its first byte, ``handshake`` the bytes of the handshake message itself, as
QUIC carries them. A name is only ever given from a message that has arrived completely.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from aimscope_agent.protocols.more import MORE, More
from aimscope_signatures.normalise import ip

LIMIT: Final = 65_536
"""A hello that is not complete within so many bytes is none."""

SERVER_NAME: Final = 0
_SIGNATURE_ALGORITHMS: Final = 13
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_ECH: Final = 0xFE0D
_READ: Final = frozenset({SERVER_NAME, _SIGNATURE_ALGORITHMS, _ALPN, _SUPPORTED_VERSIONS, _ECH})

_CLIENT_HELLO: Final = 1
_CHANGE_CIPHER_SPEC: Final = 20
_ALERT: Final = 21
_HANDSHAKE: Final = 22
_RECORD_LIMIT: Final = 16_384 + 2_048
_SESSION_LIMIT: Final = 32
_RECORD: Final = struct.Struct(">BBBH")
_record: Final = _RECORD.unpack_from
_u16: Final = struct.Struct(">H").unpack_from
_pair: Final = struct.Struct(">HH").unpack_from
_new: Final = tuple.__new__
"""A named tuple at half the price."""
_NAME: Final = re.compile(
    rb"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*"
    rb"(?!\d+\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z"
)

Flaw = Literal["", "address", "invalid"]
Ech = Literal["", "outer", "inner"]


class ClientHello(NamedTuple):
    """What a client offers. Numbers are kept as sent, in their order, GREASE included."""

    server_name: str
    """Lower case, no trailing dot. Empty if there is none, or if it is no host name: ``name_flaw`` tells."""
    alpn: tuple[str, ...]
    """Protocols, each byte a character (Latin-1): they need not be text."""
    version: int
    """The highest of the supported versions without GREASE; without that extension, ``legacy_version``."""
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    ech: Ech
    """``outer``: the client sent an encrypted hello, or pretends to (GREASE, as most browsers do on most connections).
    Nobody on the way can tell which, so ``server_name`` is either the true name or the public one in front of it.
    ``inner``: the decrypted one, between a front and the server behind it; its name is true."""
    legacy_version: int
    name_flaw: Flaw = ""
    """Why a name was sent and is not given: an IP address, or no host name at all (two names, control bytes, …)."""


def grease(value: int) -> bool:
    """One of the sixteen values that mean nothing and keep servers tolerant (RFC 8701)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def in_records(data: bytes | bytearray, start: int, end: int) -> ClientHello | More | None:
    """The hello at the beginning of a client's stream of TLS records, over as many records as it takes.

    Alerts and changes of cipher before it are passed over. SSL 2 hellos are ``None``. ``MORE`` is never the answer
    to 64 KiB or more.
    """
    patience: More | None = MORE if end - start < LIMIT else None
    joined = bytearray()
    pos = start
    while end - pos >= _RECORD.size:
        kind, major, minor, size = _record(data, pos)
        if major != 3 or minor > 4 or not 0 < size <= _RECORD_LIMIT:
            return None
        pos += _RECORD.size
        if kind == _HANDSHAKE:
            stop = min(pos + size, end)
            if joined or stop < pos + size or _announced(data, pos, stop) > stop - pos:
                joined += data[pos:stop]
                answer = handshake(joined, 0, len(joined))
            else:
                answer = handshake(data, pos, stop)
            if answer is not MORE:
                return answer
        elif joined or kind not in {_CHANGE_CIPHER_SPEC, _ALERT}:
            return None
        pos += size
    if pos >= end:
        return patience
    begins_record = data[pos] == _HANDSHAKE or (not joined and data[pos] in {_CHANGE_CIPHER_SPEC, _ALERT})
    return patience if begins_record and (end - pos < 2 or data[pos + 1] == 3) else None


def handshake(data: bytes | bytearray, start: int, end: int) -> ClientHello | More | None:
    """The hello as a bare handshake message: type, length and body. What follows it is not looked at."""
    here = end - start
    if here < 1:
        return MORE
    if data[start] != _CLIENT_HELLO:
        return None
    if here >= 5 and data[start + 4] != 3:
        return None
    if here < 4:
        return MORE
    size = _announced(data, start, end)
    if size > LIMIT:
        return None
    if here < size:
        return MORE
    return from_body(bytes(data[start + 4 : start + size]))


def _announced(data: bytes | bytearray, start: int, end: int) -> int:
    """Length of the handshake message at ``start`` with its header; more than there is, where that is unknown."""
    if end - start < 4:
        return LIMIT
    return 4 + (data[start + 1] << 16 | data[start + 2] << 8 | data[start + 3])


def from_body(body: bytes) -> ClientHello | None:
    """The hello from the whole body of its message."""
    try:
        return _parsed(body)
    except (IndexError, struct.error):
        return None


def _parsed(body: bytes) -> ClientHello | None:
    """Raises ``IndexError`` or ``struct.error`` where the body ends early. Fields that most hellos share are cached."""
    session = body[34]
    if session > _SESSION_LIMIT:
        return None
    pos = 35 + session
    (size,) = _u16(body, pos)
    ciphers = _words(body[pos + 2 : pos + 2 + size])
    if ciphers is None or 2 * len(ciphers) != size:
        return None
    pos += 2 + size
    compressions = body[pos]
    pos += 1 + compressions
    end = len(body)
    if not compressions or pos > end:
        return None
    kinds: list[int] = []
    fields: dict[int, bytes] = {}
    if pos < end:
        if pos + 2 + _u16(body, pos)[0] != end:
            return None
        pos += 2
        while pos < end:
            kind, size = _pair(body, pos)
            kinds.append(kind)
            pos += 4
            if kind in _READ and kind not in fields:
                fields[kind] = body[pos : pos + size]
            pos += size
        if pos > end:
            return None
    field = fields.get
    named = field(SERVER_NAME)
    name, flaw = ("", "") if named is None else _server_name(named, kinds.count(SERVER_NAME))
    legacy_version = body[0] << 8 | body[1]
    hello: ClientHello = _new(
        ClientHello,
        (
            name,
            _protocols(field(_ALPN, b"")),
            _version(field(_SUPPORTED_VERSIONS, b"")) or legacy_version,
            ciphers,
            tuple(kinds),
            _listed(field(_SIGNATURE_ALGORITHMS, b""), 2),
            _ech(field(_ECH, b"")),
            legacy_version,
            flaw,
        ),
    )
    return hello


@lru_cache(maxsize=1_024)
def _words(data: bytes) -> tuple[int, ...] | None:
    """16-bit numbers; ``None`` if there is half a one."""
    return None if len(data) % 2 else struct.unpack(f">{len(data) // 2}H", data)


@lru_cache(maxsize=1_024)
def _listed(field: bytes, width: int) -> tuple[int, ...]:
    """A field that is one list of 16-bit numbers behind its length of ``width`` bytes; nothing if it is malformed."""
    if width + int.from_bytes(field[:width], "big") != len(field):
        return ()
    return _words(field[width:]) or ()


@lru_cache(maxsize=1_024)
def _version(field: bytes) -> int:
    """The highest version of a list, GREASE left out; 0 if there is none."""
    return max((value for value in _listed(field, 1) if not grease(value)), default=0)


@lru_cache(maxsize=8_192)
def _server_name(field: bytes, times: int) -> tuple[str, Flaw]:
    """The name in the extension, which was sent so often."""
    names = _host_names(field)
    if len(names) != 1 or times != 1:
        return "", "invalid"  # which of two a server would take is a guess
    raw = names[0].lower()
    name = raw[:-1] if raw.endswith(b".") else raw
    if _NAME.match(name):
        return name.decode("ascii"), ""
    return "", "address" if ip(raw.decode("latin-1")) else "invalid"


def _host_names(field: bytes) -> list[bytes]:
    """Names in the extension's list; none if any length in it is wrong."""
    if len(field) < 2 or int.from_bytes(field[:2], "big") != len(field) - 2:
        return []
    names = []
    pos = 2
    while pos < len(field):
        size = int.from_bytes(field[pos + 1 : pos + 3], "big")
        if pos + 3 + size > len(field):
            return []
        if field[pos] == 0:
            names.append(field[pos + 3 : pos + 3 + size])
        pos += 3 + size
    return names


@lru_cache(maxsize=1_024)
def _protocols(field: bytes) -> tuple[str, ...]:
    if len(field) < 2 or int.from_bytes(field[:2], "big") != len(field) - 2:
        return ()
    protocols = []
    pos = 2
    while pos < len(field):
        size = field[pos]
        pos += 1
        if pos + size > len(field):
            return ()
        protocols.append(field[pos : pos + size].decode("latin-1"))
        pos += size
    return tuple(protocols)


def _ech(field: bytes) -> Ech:
    """The form of an encrypted hello; empty for what no client would send and no server take."""
    if not field:
        return ""
    if field == b"\x01":
        return "inner"
    if len(field) < 10 or field[0] != 0:
        return ""
    key_end = 8 + int.from_bytes(field[6:8], "big")
    size = int.from_bytes(field[key_end : key_end + 2], "big")
    return "outer" if size and key_end + 2 + size == len(field) else ""
