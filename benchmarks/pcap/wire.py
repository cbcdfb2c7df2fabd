"""Packets of synthetic traffic, byte by byte: independent of the parsers they measure."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
from dataclasses import dataclass, field

MSS = 1448


@dataclass
class Flow:
    """One TCP connection between two addresses; numbers every segment."""

    client: bytes
    server: bytes
    sport: int
    dport: int
    up: int = 1
    down: int = 1
    packets: list[bytes] = field(default_factory=list)

    def sent(self, payload: bytes = b"", flags: int = 0x18, *, at: int | None = None) -> bytes:
        """A segment of the client; ``at`` overrides its sequence number."""
        segment = _tcp(self.sport, self.dport, self.up if at is None else at, self.down, flags, payload)
        if at is None:
            self.up += len(payload) + bool(flags & 3)
        return ip(self.client, self.server, 6, segment)

    def answered(self, payload: bytes = b"", flags: int = 0x18) -> bytes:
        """A segment of the server."""
        segment = _tcp(self.dport, self.sport, self.down, self.up, flags, payload)
        self.down += len(payload) + bool(flags & 3)
        return ip(self.server, self.client, 6, segment)


def _tcp(sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes) -> bytes:
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x80, flags, 501, 0, 0)
    return head + b"\x01\x01\x08\x0a" + struct.pack("!II", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF) + payload


def udp(source: bytes, target: bytes, sport: int, dport: int, payload: bytes) -> bytes:
    """A datagram in an IP packet."""
    return ip(source, target, 17, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload)


def ip(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    """IPv4 or IPv6 by the length of the addresses."""
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
        return head + source + target + payload
    return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64) + source + target + payload


def ethernet(packet: bytes, tags: bytes = b"") -> bytes:
    """An Ethernet frame; ``tags`` come between the addresses and the packet's own type."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02" + tags + kind + packet


def question(name: str, kind: int, number: int) -> bytes:
    """A DNS query with EDNS."""
    head = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1)
    return head + _labels(name) + struct.pack("!HH", kind, 1) + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def answer(name: str, kind: int, number: int, address: bytes) -> bytes:
    """Its answer: one address."""
    head = struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0)
    asked = _labels(name) + struct.pack("!HH", kind, 1)
    return head + asked + struct.pack("!HHHIH", 0xC00C, kind, 1, 300, len(address)) + address


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def hello(name: str) -> bytes:
    """The ClientHello of this Python's OpenSSL."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def large_hello(name: str, chooser: random.Random) -> bytes:
    """A ClientHello with a post-quantum key share: two segments, the name in the first or the second."""
    server_name = name.encode()
    sni = struct.pack("!HBH", len(server_name) + 3, 0, len(server_name)) + server_name
    share = struct.pack("!HH", 0x11EC, 1216) + chooser.randbytes(1216) + struct.pack("!HH", 29, 32) + bytes(32)
    extensions = [
        (0x002B, b"\x04\x03\x04\x03\x03"),
        (0x000A, b"\x00\x04\x11\xec\x00\x1d"),
        (0x000D, b"\x00\x08\x04\x03\x08\x04\x04\x01\x05\x03"),
        (0x0010, b"\x00\x0c\x02h2\x08http/1.1"),
        (0x0033, struct.pack("!H", len(share)) + share),
        (0x0000, sni),
    ]
    chooser.shuffle(extensions)
    body = b"".join(struct.pack("!HH", kind, len(value)) + value for kind, value in extensions)
    body = b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + b"\0\x06\x13\x01\x13\x02\xc0\x2f\x01\0" + _sized(body)
    shake = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + _sized(shake)


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def initials(name: str, now: float) -> list[bytes]:
    """The first datagrams of a real QUIC client."""
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    connection = QuicConnection(configuration=QuicConfiguration(server_name=name, alpn_protocols=["h3"]))
    connection.connect(("192.0.2.1", 443), now=now)
    return [data for data, _ in connection.datagrams_to_send(now=now)]


def address(text: str) -> bytes:
    """An IPv4 or IPv6 address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
