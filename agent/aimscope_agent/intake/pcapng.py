"""pcapng, read without libpcap: several interfaces, link types, byte orders and units of time in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from aimscope_agent.intake.decompress import Stream
from aimscope_agent.intake.pcap_records import LARGEST_PACKET, NotACaptureError, Notes, Record

MAGIC: Final = b"\x0a\x0d\x0d\x0a"
"""The type of a section's header: the same in either byte order."""
LARGEST_BLOCK: Final = 16 * 1_048_576
_MOST_INTERFACES = 10_000
_MOST_TAIL = 64
"""Blocks of statistics looked for at the end of a file."""

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_STATISTICS = 5
_PACKET = 6
_PACKETS = frozenset({_OLD_PACKET, _SIMPLE_PACKET, _PACKET})
_RAW_IP = {101: 12}

_RESOLUTION = 9
_OFFSET = 14
_DROPPED_BY_DEVICE = 5
_DROPPED_BY_SYSTEM = 7


class _Interface(NamedTuple):
    link: int
    snap: int
    units: int
    """Of time, in a second."""
    offset: int
    """Seconds added to every time."""


class _Order:
    """The structures of a section, in its byte order."""

    def __init__(self, order: str) -> None:
        self.sign = order
        self.block = Struct(f"{order}II")
        self.long = Struct(f"{order}I")
        self.interface = Struct(f"{order}HHI")
        self.packet = Struct(f"{order}IIIII")
        self.old_packet = Struct(f"{order}HHIIII")
        self.option = Struct(f"{order}HH")
        self.count = Struct(f"{order}Q")
        self.signed = Struct(f"{order}q")


_ORDERS = {b"\x4d\x3c\x2b\x1a": _Order("<"), b"\x1a\x2b\x3c\x4d": _Order(">")}


class _TornError(Exception):
    """A block is not what it says; the text says how."""


def pcapng_records(stream: Stream, notes: Notes) -> Iterator[Record]:
    """The packets of a file. Raises ``NotACaptureError`` at once; damage further on is noted."""
    head = stream.peek(12)
    if not head.startswith(MAGIC) or head[8:12] not in _ORDERS:
        raise NotACaptureError("pcapng without a sound header of its section")
    return _packets(stream, notes)


def _packets(stream: Stream, notes: Notes) -> Iterator[Record]:
    order = _ORDERS[b"\x4d\x3c\x2b\x1a"]
    interfaces: list[_Interface] = []
    dropped: dict[int, int] = {}
    count = 0
    try:
        while head := stream.read(8):
            if head[:4] == MAGIC:
                order = _section(stream, head)
                interfaces = []
                _note_drops(notes, dropped)
            kind, length = order.block.unpack(head) if len(head) == 8 else (0, 12)
            body = _body(stream, order, kind, length, notes)
            if body is None:
                break
            if kind in _PACKETS:
                record = _packet(order, kind, body, interfaces)
                if record is not None:
                    count += 1
                    yield record
                elif len(notes.problems) < 3:
                    notes.problems.append(f"after {count:,} packets: one of an interface that is not described")
            elif kind == _INTERFACE:
                interfaces.append(_interface(order, body, len(interfaces)))
            elif kind == _STATISTICS and len(body) >= 12 and len(dropped) < _MOST_INTERFACES:
                # A later block of the same interface counts from the beginning again.
                dropped[order.long.unpack_from(body)[0]] = _lost(order, body)
    except _TornError as error:
        notes.problems.append(f"damaged after {count:,} packets: {error}")
    _note_drops(notes, dropped)


def _note_drops(notes: Notes, dropped: dict[int, int]) -> None:
    notes.dropped += sum(dropped.values())
    dropped.clear()


def _section(stream: Stream, head: bytes) -> _Order:
    order = _ORDERS.get(stream.peek(4)) if len(head) == 8 else None
    if order is None:
        raise _TornError("a section of unknown byte order")
    return order


def _body(stream: Stream, order: _Order, kind: int, length: int, notes: Notes) -> bytes | None:
    """What is between a block's two lengths. None if the file ends there."""
    if length < 12 or length % 4 or length > LARGEST_BLOCK:
        raise _TornError(f"a block of {length:,} bytes (type {kind:#x})")
    rest = stream.read(length - 8)
    if len(rest) < length - 8:
        notes.truncated = True
        return None
    if order.long.unpack_from(rest, length - 12)[0] != length:
        raise _TornError(f"a block whose two lengths differ (type {kind:#x})")
    return rest[:-4]


def _interface(order: _Order, body: bytes, before: int) -> _Interface:
    if before >= _MOST_INTERFACES:
        raise _TornError(f"more than {_MOST_INTERFACES:,} interfaces")
    if len(body) < 8:
        raise _TornError("a description of an interface that is too short")
    link, _, snap = order.interface.unpack_from(body)
    units, offset = 1_000_000, 0
    for code, start, size in _options(order, body, 8):
        if code == _RESOLUTION and size >= 1:
            exponent = body[start] & 0x7F
            if exponent > 63:
                raise _TornError("an impossible unit of time")
            units = 2**exponent if body[start] & 0x80 else 10**exponent
        elif code == _OFFSET and size >= 8:
            (offset,) = order.signed.unpack_from(body, start)
    return _Interface(_RAW_IP.get(link, link), snap or LARGEST_PACKET, units, offset)


def _options(order: _Order, body: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Code, start and size of each option."""
    while at + 4 <= len(body):
        code, size = order.option.unpack_from(body, at)
        if not code or at + 4 + size > len(body):
            return
        yield code, at + 4, size
        at += 4 + (size + 3 & ~3)


def _lost(order: _Order, body: bytes) -> int:
    """Packets that statistics of an interface call dropped, by device and system."""
    lost = {
        code: order.count.unpack_from(body, start)[0]
        for code, start, size in _options(order, body, 12)
        if size == 8 and code in {_DROPPED_BY_DEVICE, _DROPPED_BY_SYSTEM}
    }
    return sum(lost.values())


def _packet(order: _Order, kind: int, body: bytes, interfaces: list[_Interface]) -> Record | None:
    """A packet of any of the three kinds of block. None if its interface is not described."""
    if kind == _SIMPLE_PACKET:
        if len(body) < 4:
            raise _TornError("a packet without its length")
        if not interfaces:
            return None
        (length,) = order.long.unpack_from(body)
        captured = min(length, interfaces[0].snap, len(body) - 4)
        return 0.0, interfaces[0].link, body[4 : 4 + captured], length
    if len(body) < 20:
        raise _TornError("a packet without its header")
    if kind == _PACKET:
        number, high, low, captured, length = order.packet.unpack_from(body)
    else:
        number, _, high, low, captured, length = order.old_packet.unpack_from(body)
    if captured > len(body) - 20:
        raise _TornError(f"a packet of {captured:,} bytes in a block of {len(body):,}")
    if number >= len(interfaces):
        return None
    link, _, units, offset = interfaces[number]
    whole, part = divmod(high << 32 | low, units)
    return offset + whole + part * 1_000_000 // units / 1e6, link, body[20 : 20 + captured], length


def dropped_at_end(path: Path) -> int:
    """Packets lost by whoever captured, as the statistics at the end of a file say; 0 where there are none."""
    try:
        with path.open("rb") as file:
            order = _ORDERS.get(file.read(12)[8:])
            end = file.seek(0, 2)
            dropped: dict[int, int] = {}
            for _ in range(_MOST_TAIL):
                if order is None or end < 4:
                    break
                file.seek(end - 4)
                (length,) = order.long.unpack(file.read(4))
                if not 24 <= length <= min(end, LARGEST_PACKET):
                    break
                file.seek(end - length)
                block = file.read(length)
                if order.block.unpack_from(block) != (_STATISTICS, length):
                    break
                dropped.setdefault(order.long.unpack_from(block, 8)[0], _lost(order, block[8:-4]))
                end -= length
            return sum(dropped.values())
    except OSError:
        return 0
