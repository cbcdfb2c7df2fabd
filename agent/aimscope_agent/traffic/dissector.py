"""Packets → names, observations and blind spots. Pure: time comes with the packet, memory is bounded."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from aimscope_agent.protocols import dns
from aimscope_agent.protocols.ip import Network
from aimscope_agent.protocols.quic_crypto import V1, client_keys
from aimscope_agent.traffic.choice import Choice
from aimscope_agent.traffic.connections import Connections
from aimscope_agent.traffic.flow import Key, ends
from aimscope_agent.traffic.hellos import Hellos
from aimscope_agent.traffic.names import Names, Wanted
from aimscope_agent.traffic.questions import PORTS, Questions
from aimscope_agent.traffic.seen import Seen
from aimscope_signatures.model import Observation

_TCP: Final = 6
_UDP: Final = 17
_LONG_HEADER: Final = 0x80
BACKWARDS: Final = 60.0
FORWARDS: Final = 3_600.0
"""Seconds that the time of packets may jump within one capture: beyond, it is another one, of other connections."""

_ports = Struct(">HHH").unpack_from


def load() -> None:
    """Loads now what is else loaded where it is first met: for whoever gives up the right to read files."""
    from aimscope_agent.protocols import http2  # noqa: PLC0415 - takes long to load, and is rare

    del http2
    client_keys(V1, bytes(8))


class Dissector:
    """Takes packets in the order of their capture, and tells ``observe`` what is worth it.

    ``sieve`` says which names are worth an observation. An observation of a connection is told when it ends, when it
    is given up, or by ``finish``: only then is its volume known. Names are told at once: to ``seen`` every one, to
    ``found`` those worth an observation. ``passes`` says of which IP packets anything is told at all.
    """

    def __init__(
        self,
        observe: Callable[[Observation], None],
        sieve: Wanted,
        seen: Callable[[Seen], None] | None = None,
        found: Callable[[Seen], None] | None = None,
        passes: Callable[[bytes], int] | None = None,
    ) -> None:
        self.names = Names(observe, sieve, seen, found)
        self.network = Network()
        self.questions = Questions(self.names)
        self.connections = Connections(self.names, self.questions)
        self.hellos = Hellos(self.names)
        self._earliest = 0.0
        self._latest = 0.0
        self._datagram = self.network.datagram if passes is None else Choice(self.network, passes).datagram
        self._segment = self.connections.datagram

    @property
    def flows(self) -> int:
        """Connections seen: TCP by their opening or first name, QUIC by its hello."""
        return self.connections.flows + self.hellos.flows

    @property
    def evicted(self) -> int:
        """Connections given up before their first words were complete, or while their bytes were counted."""
        return self.connections.evicted + self.hellos.evicted

    def packet(self, at: float, link: int, data: bytes, wire_length: int) -> None:
        """One captured frame. ``at`` is seconds since 1970 UTC, ``wire_length`` the bytes it had on the wire."""
        found = self._datagram(link, data, at, wire_length)
        if found is None:
            return
        if not self._earliest <= at <= self._latest:
            self._move(at)
        key, protocol, data, start, end, cut = found
        if protocol == _TCP:
            self._segment(key, data, start, end, cut, at)
        elif protocol == _UDP:
            self._udp(key, data, start, end, cut, at)

    def finish(self) -> None:
        """Nothing more comes."""
        self.network.finish()
        self.connections.finish()
        self.hellos.finish()

    def _udp(self, key: Key, data: bytes, start: int, end: int, cut: bool, at: float) -> None:
        if end - start < 9:
            return
        source_port, target_port, length = _ports(data, start)
        if 8 < length < end - start:
            end = start + length
        start += 8
        if source_port in PORTS or target_port in PORTS:
            message = dns.message(data, start, end)
            if message is not None:
                source, target = ends(key)
                self.questions.message(message, source, target, source_port, target_port, at)
        elif data[start] & _LONG_HEADER:
            self.hellos.datagram(key, data, start, end, cut, at)

    def _move(self, at: float) -> None:
        """Time goes on, or jumps: then what was open belongs to another capture."""
        if self._latest and not self._earliest <= at <= self._latest + FORWARDS:
            self.finish()
            self.names.resolved.clear()
        self._earliest, self._latest = at - BACKWARDS, at + BACKWARDS
