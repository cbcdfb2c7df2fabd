"""Capture files, written byte by byte: what programs write, and what they should not."""

from __future__ import annotations

import struct
from collections.abc import Iterable

Taken = tuple[float, int, bytes, int]
"""Time, link type, captured bytes, bytes on the wire."""
START = 1_700_000_000


def pcap(
    packets: Iterable[bytes],
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link: int = 1,
    minor: int = 4,
    wire: int = 0,
    snaplen: int = 65_535,
) -> bytes:
    """A classic capture: a packet each second, at 123,456 microseconds and, if it is told, 789 nanoseconds."""
    data = bytearray(struct.pack(f"{order}IHHiIII", magic, 2, minor, 0, 0, snaplen, link))
    for number, packet in enumerate(packets):
        part = 123_456_789 if magic == 0xA1B23C4D else 123_456
        data += struct.pack(f"{order}IIII", START + number, part, len(packet), wire or len(packet))
        data += bytes(8) * (magic == 0xA1B2CD34) + packet
    return bytes(data)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, order: str = "<", resolution: int | None = None, offset: int | None = None) -> bytes:
    options = b""
    if resolution is not None:
        options += option(9, bytes([resolution]), order)
    if offset is not None:
        options += option(14, struct.pack(f"{order}q", offset), order)
    return block(1, struct.pack(f"{order}HHI", link, 0, 65_535) + options + bytes(4) * bool(options), order)


def packet(data: bytes, ticks: int, number: int = 0, order: str = "<", wire: int = 0) -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(data), wire or len(data))
    return block(6, head + data + bytes(-len(data) % 4), order)


def statistics(dropped: int, number: int = 0, order: str = "<") -> bytes:
    options = option(5, struct.pack(f"{order}Q", dropped), order) + option(7, struct.pack(f"{order}Q", 1), order)
    return block(5, struct.pack(f"{order}III", number, 0, 0) + options + bytes(4), order)


def pcapng(packets: Iterable[bytes], order: str = "<", link: int = 1) -> bytes:
    data = bytearray(section(order) + interface(link, order))
    for number, one in enumerate(packets):
        data += packet(one, (START + number) * 1_000_000 + 123_456, order=order)
    return bytes(data)
