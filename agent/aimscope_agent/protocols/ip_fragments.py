"""Fragments of IP packets, put together again within bounds.

An attacker chooses the fragments: what overlaps is refused as a whole (no two receivers agree on what it means), what
waits is bounded in number, bytes and time of the packets, and what had to go is counted.
"""

from __future__ import annotations

from typing import Final

MOST_WAITING: Final = 1024
"""Packets of which something is missing."""
MOST_BYTES: Final = 16 * 1_048_576
PATIENCE: Final = 30.0
"""Seconds, by the time of the packets, until what has not arrived is no longer expected."""

_LARGEST = 65_535
_MOST_PIECES = 512

Key = tuple[bytes, int, int]
"""Source and target, protocol, identification."""


class _Waiting:
    """The pieces of one packet so far."""

    __slots__ = ("first", "held", "pieces", "protocol", "refused", "size")

    def __init__(self, at: float) -> None:
        self.first = at
        self.pieces: dict[int, bytes] = {}
        self.held = 0
        self.size = -1
        """Of the whole, once the last piece has said it."""
        self.protocol = -1
        self.refused = False


class Fragments:
    """What waits for its other pieces."""

    def __init__(self) -> None:
        self.evicted = 0
        """Packets given up: too old, or the oldest where there were too many."""
        self.refused = 0
        """Packets whose pieces contradict each other."""
        self._waiting: dict[Key, _Waiting] = {}
        self._bytes = 0

    def whole(
        self, key: Key, protocol: int, offset: int, more: bool, piece: bytes, at: float
    ) -> tuple[int, bytes] | None:
        """The protocol (as the first piece says) and payload of a packet that this piece completes.

        ``offset`` is in bytes; ``at`` is the packet's time in seconds.
        """
        self._expire(at)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(at)
            self._bound()
        if waiting.refused:
            return None
        if not self._fits(waiting, offset, more, piece):
            self._bytes -= waiting.held
            waiting.pieces.clear()
            waiting.held = 0
            waiting.refused = True
            self.refused += 1
            return None
        if offset not in waiting.pieces:
            waiting.pieces[offset] = piece
            waiting.held += len(piece)
            self._bytes += len(piece)
        if offset == 0:
            waiting.protocol = protocol
        if waiting.held == waiting.size:
            del self._waiting[key]
            self._bytes -= waiting.held
            return waiting.protocol, b"".join(waiting.pieces[start] for start in sorted(waiting.pieces))
        self._bound()
        return None

    def finish(self) -> None:
        """No other pieces come."""
        for key in tuple(self._waiting):
            self._drop(key)

    def _fits(self, waiting: _Waiting, offset: int, more: bool, piece: bytes) -> bool:
        """Whether the piece agrees with those before. The same one again does: mirrored ports show packets twice."""
        end = offset + len(piece)
        if not piece or end > _LARGEST or (more and len(piece) % 8):
            return False
        if not more:
            if waiting.size not in {-1, end}:
                return False
            waiting.size = end
        if waiting.size >= 0 and (end > waiting.size or (more and end == waiting.size)):
            return False
        held = waiting.pieces.get(offset)
        if held is not None:
            return held == piece
        if len(waiting.pieces) >= _MOST_PIECES:
            return False
        return all(end <= start or start + len(other) <= offset for start, other in waiting.pieces.items()) and (
            waiting.size < 0 or all(start + len(other) <= waiting.size for start, other in waiting.pieces.items())
        )

    def _expire(self, at: float) -> None:
        """Lets go of what is too old. Packets may be out of order: times before the oldest expire nothing."""
        while self._waiting:
            key = next(iter(self._waiting))
            if at - self._waiting[key].first <= PATIENCE:
                return
            self._drop(key)

    def _bound(self) -> None:
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._waiting)))

    def _drop(self, key: Key) -> None:
        waiting = self._waiting.pop(key)
        self._bytes -= waiting.held
        if not waiting.refused:
            self.evicted += 1
