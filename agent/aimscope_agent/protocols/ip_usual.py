"""The usual frame at a glance: Ethernet, perhaps in one of the common wrappings, around IP with TCP or UDP.

A packet of which the first look says everything costs a fraction of the way through every layer. So this knows only
headers without anything optional, and lengths that fit. It says None to all else, and what it says is what the long way
(``ip``) would say: only that defines what a frame means.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Final

from aimscope_agent.protocols.datagram import Datagram
from aimscope_agent.protocols.link import IPV4, IPV6
from aimscope_agent.protocols.tunnels import TUNNEL_PORTS

_TCP = 6
_UDP = 17
_IN_PACKETS = {4: IPV4, 41: IPV6}
_GRE = 47
_VXLAN = frozenset({4789, 8472})
_GTP = 2152
_MOST_PACKETS = 3
"""Packets inside packets."""

_new: Final = tuple.__new__
"""A named tuple at half the price."""
_frame = Struct(">12xHBxH2xHxB14x").unpack_from
_type = Struct(">H").unpack_from
_v4 = Struct(">BxH2xHxB").unpack_from
_v6 = Struct(">BxxxHB").unpack_from
_ports = Struct(">HH").unpack_from


def usual(data: bytes) -> Datagram | None:
    """The innermost packet of an Ethernet frame, where that is plain. None where the long way must tell."""
    try:
        kind, version, length, fragment, protocol = _frame(data)
        if kind == IPV4 and version == 0x45 and protocol == _TCP and not fragment & 0x3FFF and length >= 40:
            end, captured = length + 14, len(data)
            if end <= captured:
                return _new(Datagram, (data[26:38], _TCP, data, 34, end, False))
            return _new(Datagram, (data[26:38], _TCP, data, 34, captured, True))
        at = 14
        if kind not in {IPV4, IPV6}:
            kind, at = _unwrapped(kind, data)
        return _packet(kind, data, at) if kind else None
    except (error, IndexError):
        return None


def _unwrapped(kind: int, data: bytes) -> tuple[int, int]:
    """Past VLAN tags, a header of PPPoE, labels of MPLS: the type of what is there, 0 if that is not plain."""
    at = 14
    if kind in {0x8100, 0x88A8}:
        (kind,) = _type(data, 16)
        at = 18
        if kind == 0x8100:
            (kind,) = _type(data, 20)
            at = 22
        return kind, at
    if kind == 0x8864:
        point = data[14:16] == b"\x11\0" and _type(data, 20)[0]
        return IPV4 if point == 0x21 else IPV6 if point == 0x57 else 0, 22
    if kind == 0x8847:
        while not data[at + 2] & 1:
            at += 4
        return _by_version(data, at + 4), at + 4
    return 0, 0


def _by_version(data: bytes, at: int) -> int:
    digit = data[at] >> 4
    return IPV4 if digit == 4 else IPV6 if digit == 6 else 0


def _packet(kind: int, data: bytes, at: int) -> Datagram | None:
    """The packet at ``at``, or what is in it."""
    limit = len(data)
    for _ in range(_MOST_PACKETS):
        if kind == IPV4:
            version, length, fragment, protocol = _v4(data, at)
            if version != 0x45 or fragment & 0x3FFF:
                return None
            ends, body, end = at + 12, at + 20, at + length
        elif kind == IPV6:
            version, length, protocol = _v6(data, at)
            if version >> 4 != 6 or not length:
                return None
            ends, body = at + 8, at + 40
            end = body + length
        else:
            return None
        if end > limit or end - body < 8:
            return None
        if protocol == _TCP:
            return _new(Datagram, (data[ends : body + 4], _TCP, data, body, end, False))
        limit = end
        if protocol == _UDP:
            source, target = _ports(data, body)
            if target in _VXLAN and data[body + 8] == 0x08 and not data[body + 15]:
                at = body + 30
                (kind,) = _type(data, at - 2)
            elif target == _GTP and data[body + 8] == 0x30 and data[body + 9] == 0xFF:
                at = body + 16
                kind = _by_version(data, at)
            elif target in TUNNEL_PORTS or source == _GTP:
                return None
            else:
                return _new(Datagram, (data[ends : body + 4], _UDP, data, body, end, False))
        elif protocol == _GRE:
            if data[body] or data[body + 1]:
                return None
            (kind,) = _type(data, body + 2)
            at = body + 4
        else:
            kind, at = _IN_PACKETS.get(protocol, 0), body
    return None
