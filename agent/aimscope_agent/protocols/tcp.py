"""TCP: the header of a segment, and putting one direction of a connection in order.

Sequence numbers are modulo 2³². Where two segments disagree about the same bytes, those that came first hold: what a
receiver has taken it does not take back.
"""

from __future__ import annotations

from bisect import insort
from struct import Struct
from typing import Final, NamedTuple

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16

MODULUS: Final = 1 << 32
_MASK: Final = MODULUS - 1
_HALF: Final = 1 << 31
_header: Final = Struct(">IIBB").unpack_from
_new: Final = tuple.__new__
"""A named tuple at half the price."""
_SMALLEST: Final = 20
_MOST_PIECES: Final = 256
"""Pieces held out of order by one stream: a peer that sends single bytes gets no list to search."""


class Segment(NamedTuple):
    """One segment. Its payload is ``data[start:end]`` of what it was parsed from."""

    sequence: int
    acknowledged: int
    """Meaningless unless ``flags`` has ``ACK``."""
    flags: int
    start: int
    end: int


def segment(data: bytes, start: int, end: int) -> Segment | None:
    """The segment in ``data[start:end]``; ``None`` where its header is cut off or impossible."""
    if end - start < _SMALLEST:
        return None
    sequence, acknowledged, offset, flags = _header(data, start + 4)
    payload = start + (offset >> 4) * 4
    if payload < start + _SMALLEST or payload > end:
        return None
    if flags & SYN:
        sequence = (sequence + 1) & _MASK  # a SYN takes the place of one byte: this is where its data would start
    return _new(Segment, (sequence, acknowledged, flags, payload, end))


def distance(sequence: int, base: int) -> int:
    """How far ``sequence`` is behind ``base`` in the stream: negative where it comes before."""
    forward = (sequence - base) & _MASK
    return forward - MODULUS if forward >= _HALF else forward


def after(base: int, count: int) -> int:
    """The sequence number ``count`` bytes on."""
    return (base + count) & _MASK


class Stream:
    """Bytes of one direction from ``base`` on, in order; what came too early is held until the gap is filled."""

    __slots__ = ("_early", "_start", "base", "early", "ready")

    def __init__(self, base: int) -> None:
        self.base = base
        """Sequence number of ``ready[0]``."""
        self.ready = bytearray()
        self.early = 0
        """Bytes held behind a gap."""
        self._start = 0
        """``base`` as a count that does not wrap."""
        self._early: list[tuple[int, bytes]] = []
        """Position and bytes, sorted; no two overlap."""

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self.ready) + self.early

    def add(self, sequence: int, data: bytes, room: int) -> bool:
        """Take a segment's payload. ``False`` where it lies beyond ``room`` bytes or needs too many pieces.

        What lies before the base is a retransmission, and is left out.
        """
        position = self._start + distance(sequence, self.base)
        due = self._start + len(self.ready)
        if position < due:
            data = data[due - position :]
            position = due
        if not data:
            return True
        if position + len(data) > self._start + room:
            return False
        if not self._early and position == due:
            self.ready += data
            return True
        fresh = self._unknown(position, data)
        if len(self._early) + len(fresh) > _MOST_PIECES:
            return False
        for piece in fresh:
            insort(self._early, piece)
            self.early += len(piece[1])
        self._join()
        return True

    def consume(self, count: int) -> None:
        """Forget ``count`` bytes that were understood; may be more than are there (a body that nobody reads)."""
        self.base = after(self.base, count)
        self._start += count
        del self.ready[:count]
        while self._early and self._early[0][0] < self._start:
            position, piece = self._early.pop(0)
            self.early -= len(piece)
            rest = piece[self._start - position :]
            if rest:
                self.early += len(rest)
                self._early.insert(0, (self._start, rest))
        self._join()

    def skip_gap(self) -> bool:
        """Give up on what is missing, and on what came before it. ``False`` where nothing is held behind a gap."""
        if not self._early:
            return False
        self.consume(self._early[0][0] - self._start)
        return True

    def _unknown(self, position: int, data: bytes) -> list[tuple[int, bytes]]:
        """The parts of a payload that no early piece holds already."""
        fresh: list[tuple[int, bytes]] = []
        for start, piece in self._early:
            if not data or start >= position + len(data):
                break
            if start + len(piece) <= position:
                continue
            if start > position:
                fresh.append((position, data[: start - position]))
            behind = start + len(piece)
            data = data[behind - position :]
            position = behind
        if data:
            fresh.append((position, data))
        return fresh

    def _join(self) -> None:
        """Move what no gap separates any more to ``ready``."""
        due = self._start + len(self.ready)
        joined = 0
        for position, piece in self._early:
            if position != due:
                break
            self.ready += piece
            due += len(piece)
            self.early -= len(piece)
            joined += 1
        del self._early[:joined]
