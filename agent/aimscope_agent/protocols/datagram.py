"""An IP packet without its wrapping: what link layers and tunnels are peeled down to."""

from __future__ import annotations

from typing import NamedTuple


class Datagram(NamedTuple):
    """The innermost IP packet of a frame. Its payload is ``data[start:end]``; nothing is copied."""

    source: bytes
    """4 or 16 bytes."""
    target: bytes
    protocol: int
    """6 TCP, 17 UDP, …: after IPv6 extension headers."""
    data: bytes
    start: int
    end: int
    cut: bool = False
    """The capture holds less than the packet had: ``end`` is where the captured bytes end."""
