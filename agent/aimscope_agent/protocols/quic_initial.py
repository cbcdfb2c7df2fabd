"""The hello a QUIC client sends first, opened and put together: versions 1 and 2 and drafts 23 to 34.

The usual way is one ``Crypto`` for each connection, which takes the client's datagrams in any order::

    crypto = Crypto()
    hello = crypto.add(data, start, end)    # ClientHello | MORE (keep ``crypto`` for the next datagram) | None

Initial packets are sealed with keys made of the connection id that the client's *first* packet was sent to. After the
server has answered, the client sends to an id the server chose, and its packets still need the first id, the
``origin``. ``Crypto`` remembers it; for a single datagram whose origin is known otherwise, ``initials`` takes it.
After a Retry the origin is a new one, and the client starts over; ``Crypto`` notices.

A server's Initial packets are sealed with other keys: they do not open, so both directions may be given.
Without ``cryptography`` nothing opens: see ``AVAILABLE``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.quic_crypto import AVAILABLE, SALTS, V2, client_keys, opened
from aimscope_agent.protocols.tls_hello import LIMIT, ClientHello, handshake

__all__ = ["AVAILABLE", "Crypto", "Initial", "begins_initial", "initials", "version"]

_ID_LIMIT: Final = 20
_ORIGIN_AT_LEAST: Final = 8
"""Bytes of the connection id of a client's first packet."""
_FRAMES_LIMIT: Final = 1024
"""Pieces of one hello, however small: browsers send some dozens, and each is work."""

_ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0x02, 0x03, 0x06, 0x1C
_FRAME: Final = re.compile(rb"[^\0\1]")
"""Anything but padding and pings, which are single bytes."""


class Initial(NamedTuple):
    """A client's Initial packet, opened."""

    version: int
    dcid: bytes
    scid: bytes
    token_length: int
    """In bytes; more than 0 after a Retry, or when the server is known from an earlier connection."""
    pieces: tuple[tuple[int, bytes], ...]
    """Of the handshake, each with its offset, in the order sent."""
    origin: bytes
    """The connection id whose keys opened it."""


class _Sealed(NamedTuple):
    version: int
    dcid: bytes
    scid: bytes
    token_length: int
    start: int
    number_at: int
    end: int


def version(data: bytes, start: int, end: int) -> int | None:
    """The version of a datagram that begins like QUIC's long header; any number, known or not.

    For the count of what cannot be read: compare with ``quic_crypto.SALTS``. 0 is a server's version negotiation.
    """
    if end - start < 7 or not data[start] & 0x80:
        return None
    dcid_length = data[start + 5]
    if dcid_length > _ID_LIMIT or start + 6 + dcid_length >= end or data[start + 6 + dcid_length] > _ID_LIMIT:
        return None
    return int.from_bytes(data[start + 1 : start + 5], "big")


def begins_initial(data: bytes, start: int, end: int) -> bool:
    """Whether a datagram begins with an Initial packet of a version that can be opened; of either side."""
    number = version(data, start, end)
    return number in SALTS and _form(data[start], number) == 0


def initials(data: bytes, start: int, end: int, origin: bytes | None = None) -> tuple[Initial, ...] | None:
    """Every client's Initial packet in a datagram; ``None`` if it holds no Initial packet of a known version.

    Empty if it holds some and none opens: a server's, or a client's later ones without their ``origin``.
    """
    sealed = _sealed(data, start, end)
    if not sealed:
        return None
    found = (_initial(data, packet, origin) for packet in sealed)
    return tuple(initial for initial in found if initial is not None)


class Crypto:
    """The beginning of one client's handshake, put together from pieces. Holds at most 64 KiB."""

    __slots__ = ("_broken", "_frames", "_pieces", "origin")

    def __init__(self, origin: bytes | None = None) -> None:
        self.origin = origin
        """The connection id of the client's first packet, once one has opened."""
        self._pieces: list[tuple[int, bytes]] = []
        self._frames = 0
        self._broken = False

    def add(self, data: bytes, start: int, end: int) -> ClientHello | More | None:
        """Take one more datagram of either direction: the hello once it is complete.

        ``None`` if there is nothing to wait for: no packet of the client has ever opened, or its pieces contradict
        each other or are no hello. Datagrams without Initial packets are passed over.
        """
        for initial in initials(data, start, end, self.origin) or ():
            if initial.origin != self.origin:
                self.origin, self._pieces, self._frames, self._broken = initial.origin, [], 0, False
            for offset, piece in initial.pieces:
                self._broken = self._broken or not self._put(offset, piece)
        hello = self._hello() if not self._broken else None
        if hello is None:
            self._broken, self._pieces = self.origin is not None, []
        return hello

    @property
    def held(self) -> int:
        """Bytes kept."""
        return sum(len(piece) for _, piece in self._pieces)

    def _hello(self) -> ClientHello | More | None:
        if self.origin is None:
            return None
        if not self._pieces or self._pieces[0][0]:
            return MORE
        first = self._pieces[0][1]
        return handshake(first, 0, len(first))

    def _put(self, offset: int, piece: bytes) -> bool:
        """Keep ``piece``, joined with those it touches; false if it contradicts one or is beyond the bounds."""
        end = offset + len(piece)
        self._frames += 1
        if end > LIMIT or self._frames > _FRAMES_LIMIT:
            return False
        low = bisect_left(self._pieces, offset, key=_end)
        high = bisect_right(self._pieces, end, key=_start)
        touched = self._pieces[low:high]
        if touched:
            first = min(offset, touched[0][0])
            joined = bytearray(max(end, _end(touched[-1])) - first)
            for at, kept in touched:
                joined[at - first : at - first + len(kept)] = kept
                here, there = max(at, offset), min(at + len(kept), end)
                if here < there and kept[here - at : there - at] != piece[here - offset : there - offset]:
                    return False
            joined[offset - first : end - first] = piece
            offset, piece = first, bytes(joined)
        self._pieces[low:high] = [(offset, piece)]
        return True


def _start(piece: tuple[int, bytes]) -> int:
    return piece[0]


def _end(piece: tuple[int, bytes]) -> int:
    return piece[0] + len(piece[1])


def _form(first: int, number: int) -> int:
    """Of a packet with a long header: 0 for Initial, 3 for Retry, in every version."""
    return (first >> 4) - (number == V2) & 3


def _sealed(data: bytes, start: int, end: int) -> list[_Sealed]:
    """The Initial packets of a datagram, all to one connection; packets of other types are passed over."""
    found: list[_Sealed] = []
    while (number := version(data, start, end)) is not None and number in SALTS:
        form = _form(data[start], number)
        if form == 3:  # Retry, which has no length
            break
        pos = start + 6 + data[start + 5]
        dcid = data[start + 6 : pos]
        if found and dcid != found[0].dcid:
            break
        scid = data[pos + 1 : pos + 1 + data[pos]]
        pos += 1 + data[pos]
        token_length = 0
        if form == 0:
            token_length, pos = _varint(data, pos, end)
            pos += token_length
        size, pos = _varint(data, pos, end)
        if pos + size > end:
            break
        if form == 0:
            found.append(_Sealed(number, dcid, scid, token_length, start, pos, pos + size))
        start = pos + size
    return found


def _initial(data: bytes, packet: _Sealed, origin: bytes | None) -> Initial | None:
    """The packet opened with the keys of ``origin``, or else of the id it is sent to."""
    origins = [] if origin is None else [origin]
    if packet.dcid != origin and (len(packet.dcid) >= _ORIGIN_AT_LEAST or packet.token_length):
        origins.append(packet.dcid)
    for candidate in origins:
        keys = client_keys(packet.version, candidate)
        payload = opened(keys, data, packet.start, packet.number_at, packet.end) if keys else None
        if payload is not None:
            pieces = _pieces(payload)
            return None if pieces is None else Initial(*packet[:4], pieces, candidate)
    return None


def _pieces(payload: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """What the CRYPTO frames of a packet hold; ``None`` if a frame is malformed or not allowed in an Initial packet."""
    pieces: list[tuple[int, bytes]] = []
    pos, end = 0, len(payload)
    while (frame := _FRAME.search(payload, pos)) is not None:
        kind = payload[frame.start()]
        pos = frame.end()
        if kind == _CRYPTO:
            offset, pos = _varint(payload, pos, end)
            size, pos = _varint(payload, pos, end)
            if pos + size > end:
                return None
            if size:
                pieces.append((offset, payload[pos : pos + size]))
            pos += size
        elif kind in {_ACK, _ACK_ECN}:
            pos = _after_ack(payload, pos, end, counts=3 if kind == _ACK_ECN else 0)
        elif kind == _CLOSE:
            _, pos = _varint(payload, pos, end)
            _, pos = _varint(payload, pos, end)
            size, pos = _varint(payload, pos, end)
            pos += size
        else:
            return None
        if pos > end:
            return None
    return tuple(pieces)


def _after_ack(payload: bytes, pos: int, end: int, counts: int) -> int:
    """Where the frame ends whose fields begin at ``pos``; beyond ``end`` if it is cut."""
    _, pos = _varint(payload, pos, end)
    _, pos = _varint(payload, pos, end)
    ranges, pos = _varint(payload, pos, end)
    numbers = 1 + 2 * ranges + counts
    while numbers > 0 and pos <= end:
        _, pos = _varint(payload, pos, end)
        numbers -= 1
    return pos


def _varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """A number and where it ends: 0 and a place beyond ``end`` if it is cut, and so for every number after it."""
    if pos >= end:
        return 0, end + 1
    first = data[pos]
    if first < 0x40:
        return first, pos + 1
    stop = pos + (1 << (first >> 6))
    if stop > end:
        return 0, end + 1
    return int.from_bytes(data[pos:stop], "big") & (1 << 8 * (stop - pos) - 2) - 1, stop
