"""A filter of the user's own, asked of the packets that are in frames, below tags and labels and in tunnels.

libpcap's expressions look at one place only: ``net 10.1.0.0/16`` finds nothing in a tagged frame. So the expression is
compiled for IP without a frame, and asked of the innermost packet and of the outermost one:

- One that picks (``net 10.1.0.0/16``, ``udp port 4789``) holds where it holds for either.
- One that leaves out (``not host 10.1.2.3``) holds where it holds for both. It is told by letting pass a packet of
  nobody to nobody. One that does both (``net 10.1.0.0/16 and not host 10.1.2.3``) picks: on the outside of a tunnel,
  it knows nothing of what is left out inside.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from aimscope_agent.protocols.datagram import Datagram
from aimscope_agent.protocols.ip import Network, outermost

_head_4 = Struct(">BxHxxxxBBxx").pack
_head_6 = Struct(">IHBB").pack
_NOTHING: Final = 255
"""A protocol that does not exist."""


class Choice:
    """The network layer of a capture, of which only what is chosen is told. ``passes`` says it of an IP packet."""

    def __init__(self, network: Network, passes: Callable[[bytes], int]) -> None:
        self._network = network
        self._passes = passes
        nobody = (Datagram(bytes(size), _NOTHING, b"", 0, 0) for size in (8, 32))
        self._leaves_out = all(passes(packet_of(one)) for one in nobody)

    def datagram(self, link: int, data: bytes, at: float, wire_length: int) -> Datagram | None:
        """As ``Network.datagram``; None also for what is not chosen."""
        found = self._network.datagram(link, data, at, wire_length)
        if found is None:
            return None
        passes = bool(self._passes(packet_of(found)))
        if passes is self._leaves_out:  # the outer one has the last word
            start = outermost(link, data)
            passes = bool(self._passes(data[start:])) if start is not None else passes
        return found if passes else None


def packet_of(found: Datagram) -> bytes:
    """The packet by itself, with a header of its own: plain, and put together from its fragments."""
    ends, protocol, data, start, end, _ = found
    payload = data[start:end]
    if len(ends) < 32:
        return _head_4(0x45, min(20 + len(payload), 0xFFFF), 64, protocol) + ends[:8] + payload
    return _head_6(6 << 28, min(len(payload), 0xFFFF), protocol, 64) + ends[:32] + payload
