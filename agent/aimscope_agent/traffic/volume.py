"""How many bytes each side of a TCP connection sent, told by the few sequence numbers that are seen.

A filter drops most packets, so bytes cannot be counted. What the numbers prove:

- From the first byte of a name (a hello, a request) to the next name on the connection, or to its end (FIN or RST of
  either side), both volumes are known. An acknowledgement proves the other side's bytes.
- A connection whose end was not seen has unknown volumes; only what already proves a large upload is told.
- Numbers wrap at 4 GiB: as long as one is seen every 3 GiB, nothing is lost. Where none is, the volume is too small by
  a multiple of 4 GiB, never too large. A reset may not advance by more than 2 GiB: a forged one cannot claim more.
"""

from __future__ import annotations

from typing import Final

from aimscope_agent.protocols.tcp import MODULUS, distance

_MASK: Final = MODULUS - 1
FARTHEST: Final = 3 << 30
"""A number that is further ahead than this is an old one."""
FARTHEST_RESET: Final = 1 << 31


class Count:
    """A sequence number that does not wrap: ``total`` bytes since the first one."""

    __slots__ = ("closed", "raw", "total")

    def __init__(self, raw: int) -> None:
        self.raw = raw
        self.total = 0
        self.closed = False
        """The side has said that nothing more comes; an acknowledgement of that counts one too many."""

    def advance(self, raw: int, farthest: int = FARTHEST) -> None:
        """A number was seen; ``farthest`` is how far ahead it may be."""
        forward = (raw - self.raw) & _MASK
        if not self.closed and 0 < forward < farthest:
            self.raw = raw
            self.total += forward

    def end(self, raw: int, *, reset: bool) -> None:
        """The side's last byte is before ``raw``: it has finished, or it was reset."""
        self.advance(raw, FARTHEST_RESET if reset else FARTHEST)
        self.closed = not reset

    def at(self, raw: int) -> int:
        """The total when the stream was at ``raw``, which was lately."""
        return self.total + distance(raw, self.raw)
