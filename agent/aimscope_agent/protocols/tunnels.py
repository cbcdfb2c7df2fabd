"""Packets inside packets: what an IP protocol or a UDP port wraps.

Every function answers with the next layer, or None where the payload is not what the protocol or port promises (a
DNS answer may well go to port 4789). They may raise ``IndexError`` or ``struct.error`` on bytes that end early.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from aimscope_agent.protocols.link import ETHERNET, IPV4, IPV6, MPLS, PPP, Layer

_short = Struct(">H").unpack_from

_GRE_CHECKSUM = 0x8000
_GRE_ROUTING = 0x4000
_GRE_KEY = 0x2000
_GRE_SEQUENCE = 0x1000
_GRE_ACKNOWLEDGEMENT = 0x0080
_ERSPAN = 0x88BE
_ERSPAN_3 = 0x22EB
_WCCP = 0x883E
_NEXT = {1: IPV4, 2: IPV6, 3: ETHERNET, 5: MPLS}
"""VXLAN's numbers of next protocols."""
_INNER = frozenset({IPV4, IPV6, ETHERNET, MPLS})


def in_protocol(protocol: int, data: bytes, start: int) -> Layer | None:
    """What an IP packet of this protocol carries, if it is another packet."""
    inside = _PROTOCOLS.get(protocol)
    return None if inside is None else inside(data, start)


def in_datagram(source: int, target: int, data: bytes, start: int, end: int) -> Layer | None:
    """What a UDP payload (``data[start:end]``) between two ports carries, if it is another packet."""
    inside = _PORTS.get(target) or (_PORTS.get(source) if source == _GTP else None)
    return None if inside is None or end - start < 4 else inside(data, start, end)


def _gre(data: bytes, start: int) -> Layer | None:
    """GRE (with checksum, key, sequence), PPTP's version of it, and what switches mirror in it (ERSPAN)."""
    flags, kind = _short(data, start)[0], _short(data, start + 2)[0]
    version = flags & 7
    at = start + 4
    if version == 1:
        if kind != PPP or not flags & _GRE_KEY:
            return None
        at += 4 + 4 * bool(flags & _GRE_SEQUENCE) + 4 * bool(flags & _GRE_ACKNOWLEDGEMENT)
        return PPP, at
    if version or flags & _GRE_ROUTING:
        return None
    at += 4 * bool(flags & _GRE_CHECKSUM) + 4 * bool(flags & _GRE_KEY) + 4 * bool(flags & _GRE_SEQUENCE)
    if kind == _ERSPAN:
        return ETHERNET, at + 8 if flags & _GRE_SEQUENCE else at
    if kind == _ERSPAN_3:
        return ETHERNET, at + 12 + 8 * (data[at + 11] & 1)
    if kind == _WCCP:
        # A redirected packet: the first version has no header of its own, the second four bytes.
        return IPV4, at if data[at] >> 4 == 4 else at + 4
    return kind, at


def _ethernet_in_ip(data: bytes, start: int) -> Layer | None:
    return (ETHERNET, start + 2) if data[start] >> 4 == 3 else None


_PROTOCOLS: Final[dict[int, Callable[[bytes, int], Layer | None]]] = {
    4: lambda _data, start: (IPV4, start),
    41: lambda _data, start: (IPV6, start),
    47: _gre,
    97: _ethernet_in_ip,
    137: lambda _data, start: (MPLS, start),
}


def _vxlan(data: bytes, start: int, end: int) -> Layer | None:
    """VXLAN: one flag says that the network's number is valid, another that the next protocol is named."""
    flags = data[start]
    if end - start < 8 or flags & 0x7B != 0x08 or data[start + 7]:
        return None
    kind = _NEXT.get(data[start + 3]) if flags & 0x04 else ETHERNET
    return None if kind is None else (kind, start + 8)


def _geneve(data: bytes, start: int, end: int) -> Layer | None:
    if end - start < 8 or data[start] >> 6 or data[start + 7]:
        return None
    kind = _short(data, start + 2)[0]
    after = start + 8 + 4 * (data[start] & 0x3F)
    return (kind, after) if kind in _INNER and after < end else None


def _gtp(data: bytes, start: int, end: int) -> Layer | None:
    """A user's packet in a mobile network: GTP-U version 1, message 255, with its optional and extension headers."""
    flags = data[start]
    if flags >> 4 != 3 or data[start + 1] != 0xFF or end - start < 8:
        return None
    at = start + 8
    if flags & 7:
        following = data[at + 3]
        at += 4
        while flags & 4 and following:
            length = 4 * data[at]
            if not length or at + length >= end:
                return None
            at += length
            following = data[at - 1]
    if at >= end:
        return None
    version = data[at] >> 4
    return (IPV4, at) if version == 4 else (IPV6, at) if version == 6 else None


def _tzsp(data: bytes, start: int, end: int) -> Layer | None:
    """What routers' sniffers send: a version, a type, a protocol, tags up to the one that ends them."""
    if data[start] != 1 or data[start + 1] or _short(data, start + 2)[0] != 1:
        return None
    at = start + 4
    while at < end:
        tag = data[at]
        if tag == 1:
            return ETHERNET, at + 1
        at += 1 if tag == 0 else 2 + data[at + 1]
    return None


def _gre_in_udp(data: bytes, start: int, _end: int) -> Layer | None:
    layer = _gre(data, start)
    return layer if layer is not None and layer[0] in _INNER else None


def _labels_in_udp(_data: bytes, start: int, _end: int) -> Layer | None:
    return MPLS, start


_GTP = 2152
_PORTS: Final[dict[int, Callable[[bytes, int, int], Layer | None]]] = {
    4789: _vxlan,
    8472: _vxlan,  # Linux before the port was assigned, and still its default
    4790: _vxlan,
    6081: _geneve,
    _GTP: _gtp,
    4754: _gre_in_udp,
    6635: _labels_in_udp,
    37008: _tzsp,
}
TUNNEL_PORTS: Final = frozenset(_PORTS)
"""UDP ports whose payload may be a packet."""
