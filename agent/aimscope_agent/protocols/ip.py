"""From a captured frame to the innermost IP packet: every wrapping peeled, fragments put together.

What most frames look like is read at a glance (``ip_usual``); everything else takes the long way, to the same end.
"""

from __future__ import annotations

from collections import Counter
from struct import Struct, error
from typing import Final

from aimscope_agent.protocols.datagram import Datagram
from aimscope_agent.protocols.ip_fragments import Fragments
from aimscope_agent.protocols.ip_usual import usual
from aimscope_agent.protocols.link import ETHERNET_LINK, IPV4, IPV6, Layer, network_layer, unwrapped
from aimscope_agent.protocols.tunnels import in_datagram, in_protocol

TCP: Final = 6
UDP: Final = 17

_MOST_LAYERS = 24
"""Steps from the frame to the innermost packet."""
_MOST_PACKETS = 8
"""Packets inside packets."""
_MOST_EXTENSIONS = 16
_OTHER_LINKS = 64
"""Different link types of which the number of frames is kept."""

_FRAGMENT = 44
_AUTHENTICATION = 51
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140, _AUTHENTICATION})
"""Headers between IPv6 and its payload: options, routing, destination, mobility, identity, shim, authentication."""
_REASSEMBLED = frozenset({4, TCP, UDP, 41, 47, 97, 137}) | _EXTENSIONS
"""Protocols worth memory: what is read, and what may wrap it."""

_v4 = Struct(">BxHHHxB10x").unpack_from
_v6 = Struct(">4xHB33x").unpack_from
_fragment = Struct(">BxHI").unpack_from
_ports = Struct(">HH").unpack_from


class Network:
    """The network layer of a capture: peels frames, holds fragments until they are whole."""

    def __init__(self) -> None:
        self.unknown_links: Counter[int] = Counter()
        """Frames by link type that is not understood."""
        self.malformed = 0
        """Frames that are not what their headers say."""
        self._fragments = Fragments()

    @property
    def fragments_evicted(self) -> int:
        """Packets whose missing pieces were given up."""
        return self._fragments.evicted

    def finish(self) -> None:
        """Nothing more comes: what waits for its pieces is given up."""
        self._fragments.finish()

    def datagram(self, link: int, data: bytes, at: float, wire_length: int) -> Datagram | None:
        """The innermost packet of a frame, or the one its last fragment completes.

        ``link`` is the link type's number in libpcap, ``at`` seconds since 1970, ``wire_length`` the bytes the frame
        had. None if it holds no IP packet, or only a part of one. Never raises.
        """
        if link == ETHERNET_LINK:
            found = usual(data)
            if found is not None:
                return found
        try:
            layer = network_layer(link, data)
            found = None if layer is None else self._peeled(layer, data, at, len(data) < wire_length)
            return None if found is None else _with_ports(found)
        except KeyError:
            if link in self.unknown_links or len(self.unknown_links) < _OTHER_LINKS:
                self.unknown_links[link] += 1
        except (IndexError, error):
            self.malformed += 1
        return None

    def _peeled(self, layer: Layer | None, data: bytes, at: float, cut: bool) -> Datagram | None:
        """From a network layer inwards. ``cut``: fewer bytes were captured than there were."""
        end = len(data)
        outer: Datagram | None = None
        packets = 0
        for _ in range(_MOST_LAYERS):
            if layer is None:
                return outer
            kind, start = layer
            if kind not in {IPV4, IPV6}:
                layer = unwrapped(layer, data) if start < end else None
                continue
            packets += 1
            malformed = self.malformed
            try:
                packet = self._packet(kind, data, start, end, cut, at)
            except (IndexError, error):
                packet = None
                self.malformed += 1
            if packet is None and outer is not None and self.malformed > malformed:
                self.malformed = malformed  # the port is a tunnel's, the payload is not
                return outer
            if packet is None or packets >= _MOST_PACKETS:
                return packet
            _, protocol, data, start, end, cut = packet
            outer = packet if protocol == UDP else None
            try:
                layer = self._inside(protocol, data, start, end)
            except (IndexError, error):
                layer = None
            if layer is None:
                return packet
            if layer[1] >= end:
                return outer
        return outer

    @staticmethod
    def _inside(protocol: int, data: bytes, start: int, end: int) -> Layer | None:
        if protocol == TCP:
            return None
        if protocol == UDP:
            source, target = _ports(data, start)
            return in_datagram(source, target, data, start + 8, end)
        return in_protocol(protocol, data, start)

    def _packet(self, kind: int, data: bytes, start: int, end: int, cut: bool, at: float) -> Datagram | None:
        """The packet whose IP header is at ``start``. None if it is a fragment, or not what its header says."""
        if kind == IPV4:
            return self._version_4(data, start, end, cut, at)
        length, following = _v6(data, start)
        if data[start] >> 4 != 6:
            self.malformed += 1
            return None
        body = start + 40
        # No length: a jumbogram, or a segment that the network card was to split.
        stop = body + length if length else end
        ends, cut = data[start + 8 : body], stop > end or (not length and cut)
        return self._extended(Datagram(ends, following, data, body, min(stop, end), cut), at)

    def _version_4(self, data: bytes, start: int, end: int, cut: bool, at: float) -> Datagram | None:
        version, length, identity, fragment, protocol = _v4(data, start)
        header = (version & 0x0F) * 4
        if version >> 4 != 4 or header < 20 or (length and length < header):
            self.malformed += 1
            return None
        stop = start + length if length else end
        body = start + header
        if body > min(stop, end):
            self.malformed += 1
            return None
        ends, cut = data[start + 12 : start + 20], stop > end or (not length and cut)
        packet = Datagram(ends, protocol, data, body, min(stop, end), cut)
        if fragment & 0x3FFF:
            whole = self._whole(packet, identity, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), at)
            return None if whole is None else self._extended(whole, at)
        return packet if protocol != _AUTHENTICATION else self._extended(packet, at)

    def _extended(self, packet: Datagram, at: float) -> Datagram | None:
        """The packet past its extension headers. None if it is a fragment of one."""
        ends, protocol, data, start, end, cut = packet
        for _ in range(_MOST_EXTENSIONS):
            if protocol == _FRAGMENT:
                following, place, identity = _fragment(data, start)
                start += 8
                if start > end:
                    break
                packet = Datagram(ends, following, data, start, end, cut)
                if place & 0xFFF9:
                    whole = self._whole(packet, identity, place & 0xFFF8, bool(place & 1), at)
                    if whole is None:
                        return None
                    packet = whole
                _, protocol, data, start, end, cut = packet
            elif protocol in _EXTENSIONS:
                length = (data[start + 1] + 2) * 4 if protocol == _AUTHENTICATION else (data[start + 1] + 1) * 8
                protocol, start = data[start], start + length
                if start > end:
                    break
            else:
                return Datagram(ends, protocol, data, start, end, cut)
        self.malformed += 1
        return None

    def _whole(self, packet: Datagram, identity: int, offset: int, more: bool, at: float) -> Datagram | None:
        """The packet that this piece completes. A piece that was not captured completely completes nothing."""
        ends, protocol, data, start, end, cut = packet
        if cut or protocol not in _REASSEMBLED:
            return None
        refused = self._fragments.refused
        # The pieces of one IPv6 packet may name different next headers: only the first one's counts.
        key = (ends, protocol if len(ends) == 8 else -1, identity)
        whole = self._fragments.whole(key, protocol, offset, more, data[start:end], at)
        if whole is None:
            self.malformed += self._fragments.refused - refused
            return None
        protocol, payload = whole
        return Datagram(ends, protocol, payload, 0, len(payload))


def outermost(link: int, data: bytes) -> int | None:
    """Where the first IP packet of a frame begins, past tags and labels. None if there is none. Never raises."""
    try:
        layer = network_layer(link, data)
        for _ in range(_MOST_LAYERS):
            if layer is None or layer[0] in {IPV4, IPV6}:
                return layer[1] if layer is not None else None
            layer = unwrapped(layer, data)
    except (KeyError, IndexError, error):
        pass
    return None


def _with_ports(packet: Datagram) -> Datagram:
    ends, protocol, data, start, end, cut = packet
    if protocol not in {TCP, UDP}:
        return packet
    return Datagram(ends + data[start : min(start + 4, end)], protocol, data, start, end, cut)
