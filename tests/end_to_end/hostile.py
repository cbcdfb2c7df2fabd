"""Captures made to hurt: each scene yields frames among which names are planted, and nothing else is a name.

Every scene is framed by a good connection before and after it, whose names must be found in spite of it.
"""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.agent.frames import WRAPPED
from tests.agent.protocols.quic_packets import ORIGIN
from tests.agent.traffic.wire import CLIENT, RESOLVER, SERVER, Tcp, hello, ip, query, request, udp

Frames = Iterable[bytes]
Scene = Callable[[], Iterator[bytes]]
MANY = 1_000_000
START = 1_763_900_000


def write(path: Path, frames: Frames, link: int = 1, step: int = 20) -> Path:
    """A classic capture; ``step`` microseconds from packet to packet."""
    head = struct.Struct("<IIII").pack
    with path.open("wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link))
        for number, frame in enumerate(frames):
            seconds, part = divmod(number * step, 1_000_000)
            file.write(head(START + seconds, part, len(frame), len(frame)) + frame)
    return path


def good(name: str) -> Iterator[bytes]:
    """A hello in two segments, in order."""
    connection = Tcp(client="10.9.9.9")
    yield from (*connection.open(), *connection.split(hello(name, pad=1_200), 900), *connection.close())


def half_open() -> Iterator[bytes]:
    """A million connections that open, say half a hello and stay."""
    half = hello("never.complete.example", pad=300)[:250]
    opening, said = Tcp(), Tcp()
    first, second = bytearray(opening.open()[0]), bytearray([*said.open(), said.send(half)][2])
    for number in range(MANY):
        where = struct.pack(">IIH", 0x0B000000 + number // 50_000, 0xCB007109, 10_000 + number % 50_000)
        for frame in (first, second):
            frame[26:30], frame[34:36] = where[:4], where[8:]
            yield bytes(frame)


def overlapping() -> Iterator[bytes]:
    """Segments that say different things of the same bytes: a reader may believe either, never half of each."""
    chance = random.Random(1)
    for number in range(300):
        one, other = (hello(f"planted-{number:03}-{side}.example", pad=600) for side in "ab")
        where = one.index(b"planted")
        connection = Tcp()
        yield from connection.open()
        cuts = sorted(
            {0, len(one), *(chance.randrange(where) for _ in range(3)), *_after(chance, where + 21, len(one))}
        )
        pieces = [(start, stop, text) for start, stop in itertools.pairwise(cuts) for text in (one, other)]
        chance.shuffle(pieces)
        base = connection.out
        for start, stop, text in pieces:
            connection.out = base + start
            yield connection.send(text[start:stop])


def _after(chance: random.Random, least: int, most: int) -> set[int]:
    return {chance.randrange(least, most) for _ in range(4)}


def fragments() -> Iterator[bytes]:
    """Fragments that overlap, are tiny, are too large together, or never end."""
    chance = random.Random(2)
    whole = udp(CLIENT, RESOLVER, (40_000, 53), query("in-fragments.not.planted.example"))[34:]
    for ident in range(20_000):
        offset, size = chance.choice([0, 1, 2, 3, 8_190, 8_191]), chance.choice([1, 7, 8, 16, len(whole)])
        more = 1 if not offset else chance.choice([0, 1, 1])
        frame = bytearray(ip(f"10.1.{ident % 250}.{ident // 250 % 250}", RESOLVER, 17, whole[:size]))
        frame[18:22] = struct.pack(">HH", ident // 3 & 0xFFFF, more << 13 | offset)
        yield bytes(frame)
        six = struct.pack(">BBHI", 17, 0, offset << 3 | more, ident // 3) + whole[:size]
        yield ip("2001:db8::5", f"2001:db8::{ident % 999:x}", 44, six)


def nested() -> Iterator[bytes]:
    """Tunnels in tunnels, fifty deep, of one kind and of all. What is in there may be found or not."""
    from scapy.layers.inet import IP

    chance = random.Random(3)
    inside = udp(CLIENT, RESOLVER, (40_000, 53), query("planted.deep.example"))[14:]
    in_ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 1, 0, 64, 4, 0, b"\x0a\1\1\1", b"\x0a\1\1\2")
    for depth in (9, 50, 500):
        yield bytes(12) + b"\x08\0" + in_ip * depth + inside
        yield bytes(12) + b"\x81\0\0\1" * depth + b"\x08\0" + inside
        yield bytes(12) + b"\x88\x47" + b"\0\0\0\x40" * depth + b"\0\0\1\x40" + inside
    wraps = [wrap for name, wrap in WRAPPED.items() if name not in {"ethernet", "snap"}]
    for _ in range(40):
        packet = inside
        for _ in range(50):
            try:
                packet = bytes(chance.choice(wraps)(IP(packet)))[14:]
            except (struct.error, ValueError):  # longer than a packet can be
                break
            if packet[:1] not in {b"\x45", b"\x60"}:
                packet = in_ip + inside
        yield bytes(12) + b"\x08\0" + packet


def loops() -> Iterator[bytes]:
    """Questions and answers whose compressed names lead to themselves, to each other, forward, and nowhere.

    The question that such answers belong to is sound.
    """
    asked = b"\7planted\0"
    head = struct.pack(">HHHHHH", 7, 0x8180, 1, 20, 0, 0)
    kind = b"\0\1\0\1"
    tails = (
        b"\xc0\x0c",
        b"\xc0\x0e\xc0\x0c",
        b"\1a\xc0\x0c",
        b"\xc0\xff",
        b"\xff\xff",
        b"\x3f" + b"a" * 62,
        b"\1a" * 200,
    )
    for tail in tails:
        for flags in (0x0100, 0x8180):
            message = struct.pack(">HHHHHH", 7, flags, 1, 0, 0, 0) + tail + kind
            yield udp(CLIENT, RESOLVER, (40_001, 53), message)
            yield udp(
                RESOLVER, CLIENT, (53, 40_001), head + asked + kind + (tail + kind + b"\0\0\0\1\0\2\xc0\x0c") * 20
            )
    pointers = b"".join(struct.pack(">H", 0xC000 | 12 + 2 * max(0, number - 1)) for number in range(8_000))
    yield udp(RESOLVER, CLIENT, (53, 40_002), head + pointers + kind)
    yield udp(
        CLIENT, RESOLVER, (40_003, 53), struct.pack(">HHHHHH", 1, 0x100, 255, 0, 0, 0) + (b"\xc0\x0c" + kind) * 255
    )
    connection = Tcp(port=53)
    yield from (*connection.open(), connection.send(b"\xff\xff" + struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0)))


def initials() -> Iterator[bytes]:
    """QUIC that is none: garbage behind every kind of header, lengths and ids that lie, from one client and many."""
    chance = random.Random(4)
    for number in range(20_000):
        version = chance.choice([1, 0x6B3343CF, 0xFF00001D, 0, 0x51303530, chance.getrandbits(32)])
        first = chance.choice([0xC0, 0xC3, 0xD0, 0xE0, 0xF0, 0x80])
        ident = chance.choice([ORIGIN, b"", chance.randbytes(8), chance.randbytes(20)])
        head = bytes([first]) + struct.pack(">I", version) + bytes([chance.choice([len(ident), 20, 255])]) + ident
        length = chance.choice([b"\x44\x96", b"\0", b"\x7f\xff", b"\xff" * 8, b"\x40\x20"])
        data = head + b"\0\0" + length + chance.randbytes(chance.choice([0, 1, 20, 1_150]))
        yield udp(f"10.2.{number % 200}.{number % 7}", SERVER, (40_000 + number % 9, chance.choice([443, 8443])), data)


def records() -> Iterator[bytes]:
    """Records and hellos of TLS whose bytes lie, lengths above all; hellos cut at every byte.

    Where it is no length that lies, the whole name is said.
    """
    whole = hello("planted.in.full.example")
    for place in (3, 4, 6, 7, 8, 43, 44, 45, 46, 47, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61):
        for change in (-25, -1, 1, 7, 64, 127, 255):
            lying = bytearray(whole)
            lying[place] = (lying[place] + change) % 256
            yield from _said(bytes(lying) if lying != whole else b"")
    for stop in range(1, len(whole)):
        yield from _said(whole[:stop])
    for size in (0, 1, 2):
        yield from _said((b"\x16\x03\x01" + struct.pack(">H", size) + b"\1" * size) * 300)
    yield from _said(b"\x16\x03\x01\x48\0" + b"\1\xff\xff\xff" + bytes(100_000))


def heads() -> Iterator[bytes]:
    """Requests with a megabyte of headers, in one line or many; two hosts; requests and others cut at every byte."""
    for filler in (b"X: " + b"a" * 1_000_000, b"X: b\r\n" * 170_000, b"Host: h.not.planted.example\r\n" * 40_000):
        yield from _said(b"GET / HTTP/1.1\r\n" + filler + b"\r\nHost: too.late.example\r\n\r\n", 1_400)
    yield from _said(request("a.not.planted.example", extra="Host: b.not.planted.example\r\n"))
    greeting = b"\x05\x01\0"
    for whole in (
        request("cut.not.planted.example"),
        request("cut.not.planted.example:443", "CONNECT cut.not.planted.example:443 HTTP/1.1"),
        greeting + b"\x05\x01\0\x03\x17cut.not.planted.example\x01\xbb",
        b"\x04\x01\x01\xbb\0\0\0\1user\0cut.not.planted.example\0",
        b"PROXY TCP4 198.51.100.7 203.0.113.9 5555 443\r\n" + hello("cut.not.planted.example"),
    ):
        for stop in range(1, len(whole)):
            yield from _said(whole[:stop])
    message = query("cut.not.planted.example")
    for stop in range(len(message)):
        yield udp(CLIENT, RESOLVER, (41_000 + stop, 53), message[:stop])


def noise() -> Iterator[bytes]:
    """Random bytes on every port, of both transports, to and fro; random frames; random packets."""
    chance = random.Random(5)
    for port in range(65_536):
        data = chance.randbytes(chance.choice([1, 12, 60, 300]))
        yield udp(CLIENT, SERVER, (chance.randrange(1, 65_536), port), data)
        if port % 2:
            connection = Tcp(port=port)
            yield from (*connection.open(), connection.send(data))
        else:
            yield Tcp(port=port).send(data)
    for _ in range(20_000):
        yield chance.randbytes(chance.randrange(0, 200))
        yield (
            bytes(12)
            + chance.choice([b"\x08\0", b"\x86\xdd", b"\x81\0", b"\x88\x47", b"\x88\x64"])
            + chance.randbytes(80)
        )
        yield ip(CLIENT, SERVER, chance.randrange(256), chance.randbytes(60))


def single_bytes() -> Iterator[bytes]:
    """Many connections that send a long hello byte by byte, backwards: each byte a piece to keep."""
    for _ in range(60):
        connection = Tcp()
        yield from connection.open()
        frames = connection.split(hello("byte.by.byte.example", pad=1_500)[:-1], *([1] * 1_600))
        yield from reversed(frames)


def _said(data: bytes, size: int = 1_460) -> Iterator[bytes]:
    """A client says this and ends the connection."""
    connection = Tcp()
    yield from connection.open()
    yield from connection.split(data, *([size] * (len(data) // size)))
    yield from connection.close()


SCENES: tuple[Scene, ...] = (
    overlapping,
    fragments,
    nested,
    loops,
    initials,
    records,
    heads,
    noise,
    single_bytes,
)


def _type(ip: bytes) -> bytes:
    return b"\x08\0" if ip[0] >> 4 == 4 else b"\x86\xdd"


def _ppp(ip: bytes) -> bytes:
    return (b"\x21" if ip[0] >> 4 == 4 else b"\x57") + ip


def _nflog(ip: bytes) -> bytes:
    family = 2 if ip[0] >> 4 == 4 else 10
    return bytes([family, 0, 0, 0]) + struct.pack("<HH", 8, 1) + bytes(4) + struct.pack("<HH", len(ip) + 4, 9) + ip


MORE_LINKS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "serial line": (50, lambda ip: b"\xff\x03\0" + _ppp(ip)),
    "PPPoE session": (51, lambda ip: b"\x11\0\0\1" + struct.pack(">H", len(ip) + 2) + b"\0" + _ppp(ip)),
    "Cisco HDLC": (104, lambda ip: b"\x0f\0" + _type(ip) + ip),
    "decrypted IPsec": (109, lambda ip: struct.pack("<I", 2 if _type(ip) == b"\x08\0" else 24) + bytes(8) + ip),
    "pppd": (166, lambda ip: b"\0\x03\0" + _ppp(ip)),
    "PPP with direction": (204, lambda ip: b"\1\xff\x03\0" + _ppp(ip)),
    "netfilter log": (239, _nflog),
    "many devices of macOS": (258, lambda ip: struct.pack("<III", 108, 1, 1) + bytes(96 + 12) + _type(ip) + ip),
}
"""Link types that scapy does not write, by their specifications."""
