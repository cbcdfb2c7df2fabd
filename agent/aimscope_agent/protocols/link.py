"""From a captured frame to its network layer: link types of captures, and what Ethernet carries before IP.

Every layer is named by the Ethernet type of what comes next, whatever wrote it: PPP, MPLS and raw captures too.
Functions here may raise ``IndexError`` or ``struct.error`` on frames that end early; ``ip`` answers for it.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

Layer = tuple[int, int]
"""Ethernet type of the next layer, and where in the bytes it starts."""

ETHERNET_LINK: Final = 1
"""Link type of libpcap."""
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
ETHERNET: Final = 0x6558
"""A whole Ethernet frame inside something (transparent Ethernet bridging)."""
MPLS: Final = 0x8847
PPP: Final = 0x880B

_MPLS_UPSTREAM = 0x8848
_PPPOE = 0x8864
_PBB = 0x88E7
_SECURITY_GROUP = 0x8909
_SMALLEST_TYPE = 0x0600
"""Below it, the field is a length (IEEE 802.3) and a logical link header follows."""
_SNAP = b"\xaa\xaa\x03"

_TAGS = {0x8100: 4, 0x88A8: 4, 0x9100: 4, 0x9200: 4, 0x9300: 4, 0x8926: 6, _SECURITY_GROUP: 8}
"""Tags between addresses and network layer, with the bytes from one type to the next (VLAN, QinQ, VN-Tag, Cisco)."""

_PPP_TYPES = {0x0021: IPV4, 0x0057: IPV6, 0x0281: MPLS, 0x0283: _MPLS_UPSTREAM}
_MOST_LABELS = 16

_short = Struct(">H").unpack_from
_long = Struct(">I").unpack_from
_little_long = Struct("<I").unpack_from
_little_two_shorts = Struct("<HH").unpack_from
_native_orders = (Struct("<I").unpack_from, Struct(">I").unpack_from)

_FAMILIES = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}
"""Address families: of Linux and Windows, NetBSD and OpenBSD, FreeBSD, macOS."""


def network_layer(link: int, data: bytes) -> Layer | None:
    """The layer after the header of a link type (numbers of libpcap). None if it carries no packet of a network.

    Raises ``KeyError`` for a link type that is not known.
    """
    return _LINKS[link](data)


def unwrapped(layer: Layer, data: bytes) -> Layer | None:
    """What is in a tag, label stack, PPP or Ethernet frame: one step. None if that is not for us."""
    kind, start = layer
    if kind == ETHERNET:
        return _ethernet(data, start)
    if kind in {MPLS, _MPLS_UPSTREAM}:
        return _labels(data, start)
    if kind == _PPPOE:
        return _ppp(data, start + 6) if data[start] == 0x11 and data[start + 1] == 0 else None
    if kind == PPP:
        return _ppp(data, start)
    if kind == _PBB:
        return ETHERNET, start + 4
    return None


def _typed(data: bytes, at: int) -> Layer | None:
    """The Ethernet type at an offset, after the tags that may precede it."""
    (kind,) = _short(data, at)
    while kind in _TAGS:
        at += _TAGS[kind]
        (kind,) = _short(data, at)
    if kind >= _SMALLEST_TYPE:
        return kind, at + 2
    if data[at + 2 : at + 5] == _SNAP:
        return _short(data, at + 8)[0], at + 10
    return None


def _ethernet(data: bytes, start: int = 0) -> Layer | None:
    return _typed(data, start + 12)


def _raw(data: bytes, start: int = 0) -> Layer | None:
    """IP without a header before it, told by its version."""
    version = data[start] >> 4
    return (IPV4, start) if version == 4 else (IPV6, start) if version == 6 else None


def _family(data: bytes) -> Layer | None:
    """Loopback of BSD and macOS: an address family in the order of the machine that captured, whichever that was."""
    for order in _native_orders:
        kind = _FAMILIES.get(order(data)[0])
        if kind is not None:
            return kind, 4
    return None


def _labels(data: bytes, start: int) -> Layer | None:
    """Past the stack of labels. What follows is not named: it is told by its look, as routers do."""
    for _ in range(_MOST_LABELS):
        bottom = data[start + 2] & 1
        start += 4
        if bottom:
            break
    else:
        return None
    version = data[start] >> 4
    if (version == 4 and data[start] & 0x0F >= 5) or version == 6:
        # An Ethernet address may begin with the same digit: then a type stands where the frame says so.
        if len(data) >= start + 14 and _short(data, start + 12)[0] in {IPV4, IPV6} and not _sound(data, start):
            return ETHERNET, start
        return _raw(data, start)
    if version == 0:
        # A control word of four bytes precedes frames of a pseudowire, unless the frame's address begins with zero.
        plain = _short(data, start + 12)[0]
        return ETHERNET, start if plain in {IPV4, IPV6} or plain in _TAGS else start + 4
    return ETHERNET, start


def _sound(data: bytes, start: int) -> bool:
    """The length in an IP header is possible here."""
    there = len(data) - start
    length: int
    if data[start] >> 4 == 4:
        (length,) = _short(data, start + 2)
        return 20 <= length <= max(there, 20)
    (length,) = _short(data, start + 4)
    return length + 40 <= max(there, 40)


def _ppp(data: bytes, start: int = 0) -> Layer | None:
    """PPP, with or without address and control, and with its protocol in two bytes or one."""
    if data[start] == 0xFF and data[start + 1] == 0x03:
        start += 2
    if data[start] & 1:
        protocol, start = data[start], start + 1
    else:
        protocol, start = _short(data, start)[0], start + 2
    kind = _PPP_TYPES.get(protocol)
    return None if kind is None else (kind, start)


def _ppp_after(skipped: int) -> Callable[[bytes], Layer | None]:
    return lambda data: _ppp(data, skipped)


def _cooked(data: bytes) -> Layer | None:
    """Linux "any" device, first version: the type is at the end of a header of 16 bytes."""
    return _typed(data, 14)


def _cooked_2(data: bytes) -> Layer | None:
    """Second version: the type comes first, the tags after the header of 20 bytes."""
    (kind,) = _short(data, 0)
    if kind in _TAGS:
        return _typed(data, 18 + _TAGS[kind])
    return kind, 20


def _cisco_hdlc(data: bytes) -> Layer | None:
    return _short(data, 2)[0], 4


def _nflog(data: bytes) -> Layer | None:
    """Linux NFLOG: attributes of a length and a type each; the one of type 9 is the packet."""
    at = 4
    while at + 4 <= len(data):
        length, kind = _little_two_shorts(data, at)
        if kind == 9:
            return _raw(data, at + 4)
        if length < 4:
            return None
        at += (length + 3) & ~3
    return None


def _pktap(data: bytes) -> Layer | None:
    """The device of many interfaces on macOS: its header names the link type of what follows."""
    length = _little_long(data, 0)[0]
    link = _little_long(data, 8)[0]
    if not 12 <= length <= len(data):
        return None
    if link == 1:
        return ETHERNET, length
    if link in {12, 14, 101}:
        return _raw(data, length)
    if link in {0, 108}:
        kind = _FAMILIES.get(_little_long(data, length)[0] if link == 0 else _long(data, length)[0])
        return None if kind is None else (kind, length + 4)
    return None


def _fixed(kind: int) -> Callable[[bytes], Layer | None]:
    return lambda _data: (kind, 0)


_LINKS: Final[dict[int, Callable[[bytes], Layer | None]]] = {
    0: _family,  # BSD loopback, order of the machine
    ETHERNET_LINK: _ethernet,
    9: _ppp,
    12: _raw,  # the number depends on the system; 101 is what files hold
    14: _raw,
    50: _ppp,  # serial line
    51: _ppp_after(6),  # PPPoE session
    101: _raw,
    104: _cisco_hdlc,
    108: _family,  # OpenBSD loopback, network order
    109: lambda data: _raw(data, 12),  # OpenBSD's device of decrypted IPsec
    113: _cooked,
    166: _ppp_after(2),  # pppd: one byte of direction, and control
    204: _ppp_after(1),  # one byte of direction
    228: _fixed(IPV4),
    229: _fixed(IPV6),
    239: _nflog,
    258: _pktap,
    276: _cooked_2,
}
