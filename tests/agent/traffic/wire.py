"""Packets made by hand: frames of Ethernet with IPv4 or IPv6, TCP or UDP, and what clients say in them."""

from __future__ import annotations

import itertools
from ipaddress import ip_address
from struct import pack

from aimscope_agent.protocols.tcp import ACK, FIN, RST, SYN

__all__ = ["ACK", "FIN", "RST", "SYN", "Tcp", "answer", "dns", "hello", "ip", "name", "query", "request", "tcp", "udp"]

CLIENT = "10.0.0.5"
SERVER = "203.0.113.9"
RESOLVER = "10.0.0.1"


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An Ethernet frame (link type 1)."""
    a, b = ip_address(source), ip_address(target)
    if a.version == 4:
        head = pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0, a.packed, b.packed)
        return bytes(12) + b"\x08\x00" + head + payload
    return (
        bytes(12) + b"\x86\xdd" + pack(">IHBB16s16s", 6 << 28, len(payload), protocol, 64, a.packed, b.packed) + payload
    )


def udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    return ip(source, target, 17, pack(">HHHH", *ports, 8 + len(payload), 0) + payload)


def tcp(
    source: str,
    target: str,
    ports: tuple[int, int],
    sequence: int,
    acknowledged: int,
    flags: int,
    payload: bytes = b"",
) -> bytes:
    head = pack(">HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0)
    return ip(source, target, 6, head + payload)


class Tcp:
    """One connection, told packet by packet. Numbers start at ``isn`` and ``server_isn``."""

    _ports = itertools.count(40_000)

    def __init__(
        self,
        client: str = CLIENT,
        server: str = SERVER,
        port: int = 443,
        isn: int = 1_000,
        server_isn: int = 9_000,
        client_port: int = 0,
    ) -> None:
        self.client, self.server = client, server
        self.ports = (client_port or next(self._ports) % 60_000, port)
        self.out = isn
        self.into = server_isn

    def _sent(self, flags: int, payload: bytes = b"") -> bytes:
        return tcp(self.client, self.server, self.ports, self.out, self.into, flags, payload)

    def _received(self, flags: int, payload: bytes = b"") -> bytes:
        return tcp(self.server, self.client, (self.ports[1], self.ports[0]), self.into, self.out, flags, payload)

    def open(self) -> list[bytes]:
        first = tcp(self.client, self.server, self.ports, self.out, 0, SYN)
        self.out += 1
        second = self._received(SYN | ACK)
        self.into += 1
        return [first, second]

    def syn(self) -> bytes:
        frame = tcp(self.client, self.server, self.ports, self.out, 0, SYN)
        self.out += 1
        self.into += 1
        return frame

    def send(self, payload: bytes) -> bytes:
        frame = self._sent(ACK, payload)
        self.out += len(payload)
        return frame

    def split(self, payload: bytes, *sizes: int) -> list[bytes]:
        frames = []
        for size in (*sizes, len(payload)):
            if payload:
                frames.append(self.send(payload[:size]))
                payload = payload[size:]
        return frames

    def reply(self, payload: bytes) -> bytes:
        """What the server says."""
        frame = self._received(ACK, payload)
        self.into += len(payload)
        return frame

    def unseen(self, sent: int = 0, received: int = 0) -> None:
        """Bytes whose packets the filter drops."""
        self.out += sent
        self.into += received

    def close(self) -> list[bytes]:
        first = self._sent(ACK | FIN)
        self.out += 1
        return [first, self._received(ACK | FIN)]

    def reset(self, *, by_server: bool = False) -> bytes:
        return self._received(ACK | RST) if by_server else self._sent(ACK | RST)


def hello(
    server_name: str = "api.openai.com",
    *,
    pad: int = 0,
    ech: bool = False,
    records: int = 0,
    alpn: str = "h2",
) -> bytes:
    """A TLS 1.3 ClientHello in records; ``pad`` bytes of key share, ``records`` the most in one record."""
    extensions = b""
    if server_name:
        raw = server_name.encode()
        extensions += pack(">HHHBH", 0, len(raw) + 5, len(raw) + 3, 0, len(raw)) + raw
    extensions += pack(">HHBHH", 43, 5, 4, 0x0304, 0x0303)
    extensions += pack(">HHHH", 13, 4, 2, 0x0403)
    extensions += pack(">HHHB", 16, len(alpn) + 3, len(alpn) + 1, len(alpn)) + alpn.encode()
    if pad:
        extensions += pack(">HH", 51, pad) + b"k" * pad
    if ech:
        extensions += pack(">HH", 0xFE0D, 10 + 32 + 8) + b"\x00\x00\x01\x00\x01\x07" + pack(">H", 32) + b"e" * 32
        extensions += pack(">H", 8) + b"p" * 8
    body = b"\x03\x03" + b"r" * 32 + b"\x00" + pack(">HHH", 4, 0x1301, 0xC02F) + b"\x01\x00"
    body += pack(">H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    size = records or 16_384
    parts = (message[at : at + size] for at in range(0, len(message), size))
    return b"".join(b"\x16\x03\x01" + pack(">H", len(part)) + part for part in parts)


def request(host: str = "api.openai.com", line: str = "GET / HTTP/1.1", body: bytes = b"", extra: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{line}\r\nHost: {host}\r\n{length}{extra}\r\n".encode() + body


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def query(text: str, ident: int = 7, kind: int = 1) -> bytes:
    return pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + name(text) + pack(">HH", kind, 1)


def answer(text: str, *records: tuple[str, int, str], ident: int = 7, ttl: int = 60, kind: int = 1) -> bytes:
    """Records are (owner, type, value): type 1 and 28 addresses, 5 CNAME."""
    message = pack(">HHHHHH", ident, 0x8180, 1, len(records), 0, 0) + name(text) + pack(">HH", kind, 1)
    for owner, type_, value in records:
        data = name(value) if type_ == 5 else ip_address(value).packed
        message += name(owner) + pack(">HHIH", type_, 1, ttl, len(data)) + data
    return message


def dns(
    text: str, *records: tuple[str, int, str], client: str = CLIENT, ident: int = 7, ttl: int = 60, port: int = 33_333
) -> list[bytes]:
    """A question and its answer."""
    return [
        udp(client, RESOLVER, (port, 53), query(text, ident)),
        udp(RESOLVER, client, (53, port), answer(text, *records, ident=ident, ttl=ttl)),
    ]
