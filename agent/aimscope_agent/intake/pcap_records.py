"""The classic capture format, read without libpcap: of either byte order, micro- or nanoseconds, and its variants."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from aimscope_agent.intake.decompress import Stream

Record = tuple[float, int, bytes, int]
"""Seconds since 1970, link type (libpcap's number), captured bytes, bytes on the wire."""

LARGEST_PACKET: Final = 262_144
"""As in libpcap: what claims to be larger is damage."""
EXPECTED: Final = "no capture: pcap or pcapng was expected, as it is or compressed with gzip, zstd, bzip2 or xz"

_RAW_IP = {101: 12}
"""Where files and libpcap number a link type differently."""
_HEADER = 24
_MAGICS = {
    0xA1B2C3D4: (1_000_000, 16),
    0xA1B23C4D: (1_000_000_000, 16),
    0xA1B2CD34: (1_000_000, 24),  # a patched Linux's: interface, protocol and kind of packet in each header
}
"""Parts of a second, and bytes of a packet's header."""
_FOREIGN = (
    (b"snoop\0\0\0", "a capture of Solaris' snoop"),
    (b"GMBU", "a capture of Microsoft's Network Monitor"),
    (b"RTSS", "a capture of Microsoft's Network Monitor"),
    (b"XCP\0", "a capture of NetXRay"),
    (b"TRSNIFF data", "a capture of Network General's Sniffer"),
    (b"\x1c\0\x01\xac", "a capture of Ixia"),
    (b"\x1c\0\x01\xab", "a capture of Ixia"),
    (b"\xac\x01\0\x1c", "a capture of Ixia"),
    (b"\xab\x01\0\x1c", "a capture of Ixia"),
)


class NotACaptureError(Exception):
    """The content is not what it should be; the text says what was expected."""


class Notes:
    """What was noticed while reading."""

    def __init__(self) -> None:
        self.truncated = False
        """The content ends within a packet."""
        self.dropped = 0
        """Packets that the program which captured says it has lost."""
        self.problems: list[str] = []


def pcap_records(stream: Stream, notes: Notes) -> Iterator[Record]:
    """The packets of a classic capture. Raises ``NotACaptureError`` at once; damage further on is noted."""
    header = stream.read(_HEADER)
    for magic, name in _FOREIGN:
        if header.startswith(magic):
            raise NotACaptureError(f"{name}: convert it with editcap -F pcapng")
    for order in "<>":
        parts, length = _MAGICS.get(Struct(f"{order}I").unpack_from(header.ljust(4, b"\0"))[0], (0, 0))
        if parts:
            break
    else:
        raise NotACaptureError("empty: " + EXPECTED if not header else EXPECTED)
    if len(header) < _HEADER:
        raise NotACaptureError("a capture that ends within its header")
    major, minor, _snap, network = Struct(f"{order}4xHH8xII").unpack(header)
    if (major, minor) > (2, 4) and major != 543:
        raise NotACaptureError(f"a capture of version {major}.{minor}: 2.4 was expected")
    link = network & 0x03FF_FFFF
    return _packets(stream, notes, Struct(f"{order}IIII{length - 16}x"), parts, _RAW_IP.get(link, link), minor)


def _packets(stream: Stream, notes: Notes, header: Struct, parts: int, link: int, minor: int) -> Iterator[Record]:
    read, unpack, size, to_microseconds = stream.read, header.unpack, header.size, parts // 1_000_000
    count = 0
    while data := read(size):
        if len(data) < size:
            notes.truncated = True
            return
        seconds, part, captured, length = unpack(data)
        if captured > length and minor <= 3:
            captured, length = length, captured  # versions before 2.4 did not agree on the order
        if captured > LARGEST_PACKET:
            notes.problems.append(f"damaged after {count:,} packets: a packet of {captured:,} bytes")
            return
        packet = read(captured)
        if len(packet) < captured:
            notes.truncated = True
            return
        count += 1
        yield seconds + part // to_microseconds / 1e6, link, packet, length
