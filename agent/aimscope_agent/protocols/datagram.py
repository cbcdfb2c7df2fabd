"""An IP packet without its wrapping: what link layers and tunnels are peeled down to."""

from __future__ import annotations

from typing import NamedTuple


class Datagram(NamedTuple):
    """The innermost IP packet of a frame. Its payload is ``data[start:end]``; nothing is copied."""

    ends: bytes
    """Who sent it to whom, as it stands in the packet: two addresses of 4 or of 16 bytes, and of TCP and UDP the
    ports. One slice of bytes is the cheapest name of a connection: most packets are looked up, and no more."""
    protocol: int
    """6 TCP, 17 UDP, …: after IPv6 extension headers."""
    data: bytes
    start: int
    end: int
    cut: bool = False
    """The capture holds less than the packet had: ``end`` is where the captured bytes end."""

    @property
    def source(self) -> bytes:
        """The address it comes from: 4 or 16 bytes."""
        return self.ends[: 4 if len(self.ends) < 32 else 16]

    @property
    def target(self) -> bytes:
        """The address it goes to."""
        size = len(self.source)
        return self.ends[size : 2 * size]
