"""HTTP/2 without encryption, begun with prior knowledge or after an upgrade: whom the client's requests are for.

Needs the library ``hpack``; without it ``AVAILABLE`` is false and nothing is taken for HTTP/2.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec

from aimscope_agent.protocols.dns_names import authority as _authority
from aimscope_agent.protocols.http1 import path_of, user_agent_of
from aimscope_agent.protocols.more import MORE, More

if TYPE_CHECKING:
    from collections.abc import Iterable

try:
    from hpack import Decoder, HPACKError
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True
    # At its finest level the library logs every header, credentials included: never, whatever others switch on.
    logging.getLogger("hpack").setLevel(logging.WARNING)

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_BLOCK: Final = 32_768
"""Bytes of one request's compressed headers."""
LARGEST_LIST: Final = 65_536
LARGEST_TABLE: Final = 65_536
"""What the server allows is not seen by who reads the client's bytes only."""
_FRAME: Final = 9
_HEADERS, _SETTINGS, _PUSH_PROMISE, _CONTINUATION = 1, 4, 5, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x04, 0x08, 0x20
_METHOD = re.compile(rb"[A-Z][A-Z-]{1,23}")
_WANTED: Final = frozenset({b":method", b":authority", b":path", b"host", b"user-agent"})


class Request(msgspec.Struct, frozen=True):
    """A request's headers, in the same form as of HTTP/1."""

    method: str
    host: str
    port: int
    path: str
    user_agent: str
    is_connect: bool
    stream: int


class _Broken(Exception):
    """Not HTTP/2, not within our bounds, or no longer readable."""


class Stream:
    """The client's bytes of one connection, from its first byte and without holes. Keeps less than half a megabyte."""

    __slots__ = ("_block", "_buffer", "_decoder", "_skip", "_stage", "_stream", "broken")

    def __init__(self) -> None:
        self.broken = not AVAILABLE
        """Nothing more will come of this connection."""
        self._buffer = b""
        self._skip = 0
        self._stage = 0  # 0 before the preface, 1 before the settings, 2 after them
        self._block = bytearray()
        self._stream = 0  # whose headers are going to be continued
        if AVAILABLE:
            self._decoder = Decoder(max_header_list_size=LARGEST_LIST)
            self._decoder.max_allowed_table_size = LARGEST_TABLE

    def feed(self, data: bytes) -> list[Request]:
        """The requests that these bytes complete."""
        found: list[Request] = []
        if not self.broken:
            try:
                self._feed(data, found)
            except _Broken:
                self.broken = True
                self._buffer = b""
                self._block.clear()
        return found

    def _feed(self, data: bytes, found: list[Request]) -> None:
        at = min(self._skip, len(data))
        self._skip -= at
        data, at = (self._buffer + data, at) if self._buffer else (data, at)
        if self._stage == 0:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise _Broken
            if len(data) < len(PREFACE):
                self._buffer = data
                return
            self._stage, at = 1, len(PREFACE)
        while len(data) - at >= _FRAME:
            size = int.from_bytes(data[at : at + 3], "big")
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFF_FFFF
            self._check(kind, flags, size, stream)
            at += _FRAME
            if kind not in {_HEADERS, _CONTINUATION}:
                self._skip = max(0, at + size - len(data))
                at = min(at + size, len(data))
                continue
            if len(data) - at < size:
                at -= _FRAME
                break
            self._block += _fragment(data[at : at + size], flags) if kind == _HEADERS else data[at : at + size]
            at += size
            if len(self._block) > LARGEST_BLOCK:
                raise _Broken
            self._stream = 0 if flags & _END_HEADERS else stream
            if not self._stream:
                request = self._decoded(stream)
                if request is not None:
                    found.append(request)
        self._buffer = data[at:]

    def _check(self, kind: int, flags: int, size: int, stream: int) -> None:
        """Raises ``_Broken`` for a frame that no client sends here."""
        if self._stage == 1:
            if kind != _SETTINGS or flags & 1 or stream or size % 6 or size > LARGEST_BLOCK:
                raise _Broken
            self._stage = 2
        continued = kind == _CONTINUATION
        if continued != bool(self._stream) or (continued and stream != self._stream) or kind == _PUSH_PROMISE:
            raise _Broken
        if kind in {_HEADERS, _CONTINUATION} and (size > LARGEST_BLOCK or not stream & 1):
            raise _Broken

    def _decoded(self, stream: int) -> Request | None:
        block = bytes(self._block)
        self._block.clear()
        try:
            headers: Iterable[tuple[bytes, bytes]] = self._decoder.decode(block, raw=True)
        except HPACKError:
            raise _Broken from None
        return _request(headers, stream)


def authority(data: bytes, start: int, end: int) -> Request | More | None:
    """The first request of a connection that begins at ``start``."""
    stream = Stream()
    found = stream.feed(data[start:end])
    if found:
        return found[0]
    return None if stream.broken else MORE


def _fragment(payload: bytes, flags: int) -> bytes:
    """Headers without padding and priority."""
    at, end = 0, len(payload)
    if flags & _PADDED:
        if not payload:
            raise _Broken
        at, end = 1, end - payload[0]
    if flags & _PRIORITY:
        at += 5
    if at > end:
        raise _Broken
    return payload[at:end]


def _request(headers: Iterable[tuple[bytes, bytes]], stream: int) -> Request | None:
    """None for trailers, and for what has no method."""
    values: dict[bytes, set[bytes]] = {}
    for name, value in headers:
        if name in _WANTED:
            values.setdefault(name, set()).add(value)
    methods = values.get(b":method", set())
    method = methods.pop() if len(methods) == 1 else b""
    if not _METHOD.fullmatch(method):
        return None
    hosts = {_authority(value) for name in (b":authority", b"host") for value in values.get(name, ())}
    host, port = hosts.pop() if len(hosts) == 1 else ("", 0)
    paths = values.get(b":path", set())
    return Request(
        method.decode("ascii"),
        host,
        port,
        path_of(paths.pop()) if len(paths) == 1 else "",
        user_agent_of(min(values.get(b"user-agent", {b""}))),
        method == b"CONNECT",
        stream,
    )
