"""Frames of any link type, one after the other, from peeling to names; every table within its bounds after each.

Run: `python tests/fuzz/fuzz_frames.py -max_total_time=600 [CORPUS]`, needs atheris and cryptography. An input is a list
of frames: what to make of the bytes that follow, three bytes of detail, and how many follow.
"""

from __future__ import annotations

import sys
from struct import pack

import atheris

with atheris.instrument_imports():
    from aimscope_agent.protocols import ip, ip_fragments, ip_usual, link
    from aimscope_agent.protocols.dns_names import host, literal
    from aimscope_agent.traffic import connections, hellos, questions
    from aimscope_agent.traffic.dissector import Dissector
    from aimscope_agent.traffic.seen import NameKind, Seen

# So that small inputs reach the bounds.
vars(connections).update(
    ROOM=600, MOST_BYTES=1_500, MOST_FLOWS=6, MOST_OPENINGS=6, MOST_DONE=6, MOST_STRAYS=3, MOST_HTTP2=2
)
vars(hellos).update(MOST_OPEN=3, MOST_BYTES=3_000, MOST_DONE=4)
vars(questions).update(MOST_OPEN=4)
vars(ip_fragments).update(MOST_WAITING=4, MOST_BYTES=4_000)

LINKS = (*sorted(link._LINKS), 147)
PORTS = (53, 443, 5353, 4789, 2152, 6081, 6635, 37_008)
STEPS = (0.01, 0.01, 0.01, 0.01, 1.0, 40.0, 4_000.0, -100.0)
A, B = bytes([10, 0, 0, 5]), bytes([203, 0, 113, 9])
A6, B6 = bytes([0x20, 1, 0xD, 0xB8]) + bytes(11) + b"\1", bytes([0x20, 1, 0xD, 0xB8]) + bytes(11) + b"\2"
BEGINNINGS = (
    b"",
    bytes.fromhex("16030100f0010000ec0303") + bytes(32) + bytes.fromhex("0000021301010000c1"),
    b"GET / HTTP/1.1\r\nHost: ",
    b"POST /v1 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"\x05\1\0\x05\1\0\3",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    bytes.fromhex("001d 0007 0100 0001 0000 0000 0000".replace(" ", "")),
    bytes.fromhex("0007 8180 0001 0001 0000 0000 01610762 6f6f6b6d6b000001 0001".replace(" ", "")),
    bytes.fromhex("c000000001 08 0001020304050607 00 00 449e".replace(" ", "")),
)
WRAPPINGS = (
    b"\x81\0\0\3\x08\0",
    b"\x88\x64\x11\0\0\1\0\0\0\x21",
    b"\x88\x47\0\1\1\x40",
    b"\x08\0" + bytes.fromhex("4500000000000000402f0000") + A + B + b"\0\0\x08\0",
    b"\x08\0" + bytes.fromhex("450000000000000040040000") + B + A,
    b"\x86\xdd" + bytes.fromhex("60000000ffff2940") + A6 + B6,
)


class Everything:
    """Nothing is left out."""

    fingerprints = True

    def wanted(self, kind: NameKind, name: str, path: str = "", user_agent: str = "", ja4: str = "") -> bool:
        return True


def packet(protocol: int, body: bytes, turn: int, fragment: int = 0, identity: int = 1) -> bytes:
    """An IP packet, there or back, of either version."""
    a, b = (A6, B6) if turn & 2 else (A, B)
    a, b = (b, a) if turn & 1 else (a, b)
    if turn & 2:
        if fragment:
            protocol, body = 44, pack(">BBHI", protocol, 0, (fragment & 0x1FFF) << 3 | fragment >> 13, identity) + body
        return pack(">IHBB", 6 << 28, len(body), protocol, 64) + a + b + body
    return pack(">BBHHHBBH", 0x45, 0, 20 + len(body), identity, fragment, 64, protocol, 0) + a + b + body


def frame(what: int, one: int, two: int, three: int, body: bytes) -> tuple[int, bytes]:
    """Link type and bytes of one frame."""
    turn = one & 3
    version = b"\x86\xdd" if turn & 2 else b"\x08\0"
    body = BEGINNINGS[two % len(BEGINNINGS)] + body if what & 8 else body
    match what & 7:
        case 0:
            return LINKS[one % len(LINKS)], body
        case 1:
            return 1, bytes(12) + version + packet(
                17, pack(">HHHH", 40_000 + three, PORTS[one >> 4 & 7], 0, 0) + body, turn
            )
        case 2:
            return 1, bytes(12) + version + packet(17, pack(">HHHH", 53, 40_000 + three, 0, 0) + body, turn)
        case 3:
            fragment = three & 31 | (three >> 7) << 13
            return 1, bytes(12) + version + packet(6 if one & 16 else 17, body, turn, fragment, one >> 5)
        case 4:
            at = LINKS[one % len(LINKS)]
            return at, body + packet(6, segment(0x18, three, 0, body), turn)
        case 5:
            return 1, bytes(12) + WRAPPINGS[(one >> 2) % len(WRAPPINGS)] + packet(6, segment(0x18, three, 0, body), 0)
    return 1, bytes(12) + version + packet(6, segment(one >> 2, three, turn & 1, body), turn)


def segment(flags: int, place: int, back: int, body: bytes) -> bytes:
    """A TCP segment: ``place`` gives its port and where it stands in the stream."""
    ports = (40_000 + (place & 7), PORTS[place & 1])
    ports = (ports[1], ports[0]) if back else ports
    return pack(">HHIIBBHHH", *ports, 0xFFFFFF00 + 40 * (place >> 3) & 0xFFFFFFFF, 7, 0x50, flags, 0, 0, 0) + body


def told(seen: Seen) -> None:
    """A name is a whole name, between two addresses."""
    assert seen.name
    assert seen.name == host(seen.name.encode())
    assert seen.asked == host(seen.asked.encode())
    assert seen.client == literal(seen.client.encode())
    assert seen.server == literal(seen.server.encode())


def bounded(dissector: Dissector) -> None:
    """What is held is what is counted, and no more than may be."""
    tcp, quic, waiting = dissector.connections, dissector.hellos, dissector.network._fragments
    streams = [flow.stream for flow in tcp._flows.values() if flow.stream is not None]
    assert tcp._held == sum(stream.held for stream in streams) <= 1_500
    assert all(stream.held <= 600 for stream in streams)
    assert len(tcp._pending) == len(streams)
    assert max(len(tcp._flows), len(tcp._openings), len(tcp._done)) <= 6
    assert len(tcp._strays) <= 3
    assert len(tcp._http2) <= 2
    assert quic._held == sum(crypto.held for crypto in quic._open.values()) <= 3_000
    assert len(quic._open) <= 3
    assert len(quic._done) <= 4
    assert len(dissector.questions._asked) <= 4
    assert waiting._bytes == sum(each.held for each in waiting._waiting.values()) <= 4_000
    assert len(waiting._waiting) <= 4


def same(data: bytes) -> None:
    """What is read at a glance is what the long way says."""
    found = ip_usual.usual(data)
    if found is not None:
        whole = ip.Network()._peeled(link.network_layer(1, data), data, 1.0, False)
        assert whole is not None
        assert ip._with_ports(whole)[:5] == found[:5]


def once(data: bytes) -> None:
    dissector = Dissector(lambda _: None, Everything(), told)
    now, at = 1_700_000_000.0, 0
    while at + 5 <= len(data):
        what, one, two, three, size = data[at : at + 5]
        body = data[at + 5 : at + 5 + size]
        at += 5 + size
        number, made = frame(what, one, two, three, body)
        now += STEPS[what >> 4 & 7]
        cut = made[: len(made) - three % 9] if what & 128 else made
        if number == 1:
            same(cut)
        dissector.packet(now, number, cut, len(made))
        bounded(dissector)
    dissector.finish()
    bounded(dissector)
    tcp = dissector.connections
    assert not tcp._held
    assert not any((tcp._flows, tcp._pending, tcp._http2))
    list(dissector.names.blind.gaps())


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
