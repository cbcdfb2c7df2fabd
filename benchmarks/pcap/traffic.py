"""Two synthetic captures, from a seed: an office's traffic, and a hostile mix of every protocol and wrapping.

Beside each capture lies the list of the names in it: ``[[kind, name], …]``, one for each time it was said.
"""

from __future__ import annotations

import json
import random
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import wire

Frame = tuple[bytes, bool]
Names = list[tuple[str, str]]
RESOLVER = wire.address("10.0.0.53")


class Office:
    """People at work: pages and downloads over TLS and QUIC, names asked for first. One name in about 80 kB."""

    def __init__(self, chooser: random.Random) -> None:
        self.chooser = chooser
        self.names: Names = []
        vocabulary = [f"{label}.{domain}" for domain in _domains(chooser, 1_500) for label in ("www", "api", "cdn")]
        self.small = [(name, wire.hello(name)) for name in vocabulary[:400]]
        self.large = [(name, wire.large_hello(name, chooser)) for name in vocabulary[400:800]]
        self.quic = [(name, wire.initials(name, 0.0)) for name in vocabulary[800:1_000]]
        self.data = chooser.randbytes(1 << 20)
        self.number = 0

    def flow(self) -> Iterator[bytes]:
        """The frames of one visit: about 160 kB, two names."""
        chooser = self.chooser
        self.number += 1
        client = bytes([10, 0, chooser.randrange(1, 20), chooser.randrange(1, 250)])
        server = bytes([198, 51, 100, chooser.randrange(1, 250)])
        style = chooser.choices(("small", "large", "quic"), (40, 35, 25))[0]
        name, first = chooser.choice(getattr(self, style))
        port = chooser.randrange(32_768, 61_000)
        self.names += [("dns_qname", name), ("quic_sni" if style == "quic" else "tls_sni", name)]
        number = self.number & 0xFFFF
        yield wire.udp(client, RESOLVER, port, 53, wire.question(name, 1, number))
        yield wire.udp(RESOLVER, client, 53, port, wire.answer(name, 1, number, server))
        size = int(chooser.lognormvariate(11.6, 0.7))
        if style == "quic":
            yield from self._quic(client, server, port, first, size)
            return
        flow = wire.Flow(client, server, port, 443, chooser.randrange(1 << 31), chooser.randrange(1 << 31))
        yield flow.sent(flags=0x02)
        yield flow.answered(flags=0x12)
        yield flow.sent(flags=0x10)
        for start in range(0, len(first), wire.MSS):
            yield flow.sent(first[start : start + wire.MSS])
        yield from self._download(flow, size)
        yield flow.sent(flags=0x11)
        yield flow.answered(flags=0x11)

    def _download(self, flow: wire.Flow, size: int) -> Iterator[bytes]:
        at = self.chooser.randrange(len(self.data) // 2)
        for number, start in enumerate(range(0, size, wire.MSS)):
            payload = b"\x17\x03\x03\x05\xa3" + self.data[at : at + min(wire.MSS, size - start)][5:]
            yield flow.answered(payload, 0x10)
            if number % 2:
                yield flow.sent(flags=0x10)
            if number % 40 == 39:  # a further request on the same connection
                yield flow.sent(b"\x17\x03\x03\x01\x2c" + self.data[at : at + 300])

    def _quic(self, client: bytes, server: bytes, port: int, first: list[bytes], size: int) -> Iterator[bytes]:
        for datagram in first:
            yield wire.udp(client, server, port, 443, datagram)
        at = self.chooser.randrange(len(self.data) // 2)
        for number, start in enumerate(range(0, size, 1_200)):
            yield wire.udp(server, client, 443, port, b"\x5c" + self.data[at : at + min(1_200, size - start)])
            if number % 2:
                yield wire.udp(client, server, port, 443, b"\x4f" + self.data[at : at + 40])


class Hostile(Office):
    """Every protocol in every wrapping, shuffled and split, among floods and garbage."""

    def flow(self) -> Iterator[bytes]:
        """The frames of one conversation, without their wrapping."""
        styles: dict[str, Callable[[wire.Flow, str], Iterator[bytes]]] = {
            "shuffled": self._shuffled,
            "crumbs": self._crumbs,
            "http": self._http,
            "connect": self._connect,
            "socks": self._socks,
            "proxied": self._proxied,
            "dns_tcp": self._dns_tcp,
            "upload": self._upload,
            "half_open": self._half_open,
            "garbage": self._garbage,
        }
        chooser = self.chooser
        style = chooser.choices((*styles, "office"), (8, 4, 8, 4, 4, 4, 6, 6, 20, 10, 40))[0]
        if style == "office":
            yield from super().flow()
            return
        self.number += 1
        six = chooser.random() < 0.3
        client = (
            wire.address(f"2001:db8::{chooser.randrange(1, 9999):x}") if six else bytes([10, 1, *chooser.randbytes(2)])
        )
        server = wire.address("2001:db8:1::1") if six else bytes([203, 0, 113, chooser.randrange(1, 250)])
        port = chooser.choice((443, 8443, 8080, 3128, 1080, 25_565))
        flow = wire.Flow(client, server, chooser.randrange(1_024, 65_000), port, chooser.randrange(1 << 32), 7)
        name = chooser.choice(self.large)[0]
        yield flow.sent(flags=0x02)
        yield flow.answered(flags=0x12)
        yield from styles[style](flow, name)

    def _shuffled(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        data = wire.large_hello(name, self.chooser)
        self.names.append(("tls_sni", name))
        parts = [(start, data[start : start + 700]) for start in range(0, len(data), 700)]
        base = flow.up
        flow.up += len(data)
        self.chooser.shuffle(parts)
        for start, part in [*parts, parts[0]]:  # and one of them twice
            yield flow.sent(part, at=base + start)
        yield from self._download(flow, 20_000)

    def _crumbs(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        data = wire.large_hello(name, self.chooser)
        self.names.append(("tls_sni", name))
        for start in range(0, len(data), 40):
            yield flow.sent(data[start : start + 40])
        yield from self._download(flow, 20_000)

    def _http(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        self.names.append(("http_host", name))
        yield flow.sent(f"GET /a/b?c=d HTTP/1.1\r\nUser-Agent: x/1\r\nHost: {name}\r\nAccept: */*\r\n\r\n".encode())
        yield flow.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
        yield from self._download(flow, 20_000)
        yield flow.sent(flags=0x11)

    def _connect(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        self.names += [("http_connect", name), ("tls_sni", name)]
        yield flow.sent(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n".encode())
        yield flow.answered(b"HTTP/1.1 200 Connection established\r\n\r\n")
        yield flow.sent(wire.hello(name))
        yield from self._download(flow, 20_000)

    def _socks(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        self.names += [("socks_host", name), ("tls_sni", name)]
        yield flow.sent(b"\x05\x01\x00")
        yield flow.answered(b"\x05\x00")
        yield flow.sent(b"\x05\x01\x00\x03" + bytes([len(name)]) + name.encode() + b"\x01\xbb")
        yield flow.answered(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        yield flow.sent(wire.hello(name))
        yield from self._download(flow, 20_000)

    def _proxied(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        self.names.append(("tls_sni", name))
        yield flow.sent(b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\r\n" + wire.hello(name))
        yield from self._download(flow, 20_000)

    def _dns_tcp(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        flow.dport = 53
        self.names.append(("dns_qname", name))
        message = wire.question(name, 28, 77)
        yield flow.sent(struct.pack("!H", len(message)) + message)

    def _upload(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        self.names.append(("tls_sni", name))
        yield flow.sent(wire.hello(name))
        for start in range(0, 60_000, wire.MSS):
            yield flow.sent(b"\x17\x03\x03\x05\xa3" + self.data[start : start + wire.MSS - 5], 0x10)
        yield flow.sent(flags=0x11)

    def _half_open(self, flow: wire.Flow, name: str) -> Iterator[bytes]:
        yield flow.sent(wire.large_hello(name, self.chooser)[:600])

    def _garbage(self, flow: wire.Flow, _name: str) -> Iterator[bytes]:
        for _ in range(20):
            size = self.chooser.randrange(1, 900)
            yield flow.sent(self.chooser.choice((b"\x16\x03\x01", b"GET ", b"\x05", b"")) + self.data[:size])
            port = self.chooser.choice((53, 443, 5_353))
            yield wire.udp(flow.client, flow.server, flow.sport, port, self.chooser.randbytes(size))


def _domains(chooser: random.Random, number: int) -> list[str]:
    known = ["chatgpt.com", "api.openai.com", "claude.ai", "api.anthropic.com", "huggingface.co", "perplexity.ai"]
    others = [f"site{n}.{chooser.choice(['com', 'net', 'example', 'org', 'io'])}" for n in range(number - len(known))]
    chooser.shuffle(mixed := known * 3 + others)
    return mixed[:number]


def _wrapped(packet: bytes, chooser: random.Random) -> bytes:
    """The packet in one of the wrappings of a provider's or a data centre's network."""
    vlan, mpls = b"\x81\x00\x00\x2a", b"\x88\x47"
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    outer = (wire.address("192.0.2.250"), wire.address("192.0.2.251"))
    addresses = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
    match chooser.randrange(8):
        case 0:
            return wire.ethernet(packet, vlan)
        case 1:
            return wire.ethernet(packet, b"\x88\xa8\x00\x64" + vlan)
        case 2:
            return addresses + mpls + b"\x00\x01\x00\x40\x00\x01\x11\x40" + packet
        case 3:
            point = b"\x00\x21" if packet[0] >> 4 == 4 else b"\x00\x57"
            return addresses + b"\x88\x64\x11\x00\x00\x07" + struct.pack("!H", len(packet) + 2) + point + packet
        case 4:
            return wire.ethernet(wire.ip(*outer, 47, b"\0\0" + kind + packet))
        case 5:
            inner = b"\x08\0\0\0\0\0\x2a\0" + wire.ethernet(packet)
            return wire.ethernet(wire.udp(*outer, 50_000, 4_789, inner))
        case 6:
            inner = b"\x30\xff" + struct.pack("!HI", len(packet), 99) + packet
            return wire.ethernet(wire.udp(*outer, 2_152, 2_152, inner))
        case _:
            return wire.ethernet(wire.ip(*outer, 4 if packet[0] >> 4 == 4 else 41, packet))


def build(path: Path, size: int, seed: int, *, hostile: bool) -> dict[str, int]:
    """Write a capture of about ``size`` bytes and ``<path>.names.json``; says how many packets, bytes and names."""
    chooser = random.Random(seed)
    source = Hostile(chooser) if hostile else Office(chooser)
    written = packets = 0
    at = 1_700_000_000.0
    with path.open("wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        live: list[Iterator[bytes]] = []
        wraps: dict[int, bool] = {}
        while written < size or live:
            while len(live) < 32 and written < size:
                live.append(flow := source.flow())
                wraps[id(flow)] = hostile and chooser.random() < 0.6
            flow = chooser.choice(live)
            for _ in range(chooser.randrange(1, 24)):
                packet = next(flow, None)
                if packet is None:
                    live.remove(flow)
                    del wraps[id(flow)]
                    break
                frame = _wrapped(packet, chooser) if wraps[id(flow)] else wire.ethernet(packet)
                at += 0.0001
                whole = int(at)
                file.write(struct.pack("<IIII", whole, int((at - whole) * 1e6), len(frame), len(frame)) + frame)
                written += len(frame) + 16
                packets += 1
    path.with_suffix(".names.json").write_text(json.dumps(source.names))
    return {"packets": packets, "bytes": written, "names": len(source.names)}


if __name__ == "__main__":
    kind, target, megabytes = sys.argv[1:4]
    print(build(Path(target), int(float(megabytes) * 1e6), 2042, hostile=kind == "hostile"))
