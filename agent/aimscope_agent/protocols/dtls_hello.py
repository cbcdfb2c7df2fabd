"""The hello of a DTLS client (WebRTC, VPNs): told and fingerprinted; it hardly ever carries a name."""

from __future__ import annotations

import struct
from typing import Final

from aimscope_agent.protocols.tls_hello import ClientHello, from_body

_HEADERS: Final = struct.Struct(">BBBHHIHBBHHBHBH")
"""Of the record (type, version, epoch, number, length) and of the message (type, length, number, fragment)."""
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_DTLS: Final = 0xFE
_MINORS: Final = frozenset({0xFF, 0xFD})
"""1.0 and 1.2; 1.3 begins like 1.2."""


def in_datagram(data: bytes, start: int, end: int) -> ClientHello | None:
    """The hello that begins a datagram and is complete in it; one in fragments is none."""
    body = start + _HEADERS.size
    if end < body:
        return None
    kind, major, minor, epoch, _, _, size, message, high, low, _, over, offset, fragment_high, fragment_low = (
        _HEADERS.unpack_from(data, start)
    )
    if (kind, major, epoch, message) != (_HANDSHAKE, _DTLS, 0, _CLIENT_HELLO) or minor not in _MINORS:
        return None
    length = high << 16 | low
    if over or offset or fragment_high << 16 | fragment_low != length or length + 12 > size or body + length > end:
        return None
    return from_body(data[body : body + length], dtls=True)
