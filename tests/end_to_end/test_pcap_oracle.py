"""Names of captures made with scapy, against tshark: the same sets, nothing lost, nothing invented."""

from __future__ import annotations

import json
import random
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.traffic.wire import CLIENT, RESOLVER, SERVER, Tcp, answer, hello, ip, query, request, udp

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.filterwarnings("ignore"),  # scapy's
]
scapy = pytest.importorskip("scapy")

Names = set[tuple[str, str]]
Frames = list[bytes]
_FIELDS = {
    "dns.qry.name": "question",
    "dns.cname": "alias",
    "tls.handshake.extensions_server_name": "hello",
    "http.host": "host",
    "http2.headers.authority": "authority",
    "socks.remote_name": "socks",
}
_OURS = {
    "dns_qname": "question",
    "dns_cname": "alias",
    "mdns_qname": "mdns",
    "llmnr_qname": "llmnr",
    "tls_sni": "hello",
    "quic_sni": "hello",
    "http_host": "host",
    "http_connect": "host",
    "http2_authority": "authority",
    "socks_host": "socks",
}


def ours(path: Path) -> Names:
    line = [sys.executable, "-m", "aimscope_cli", "scan", "pcap", "--names", "--quiet", str(path)]
    done = subprocess.run(line, capture_output=True, check=True, timeout=120)
    said = map(json.loads, done.stdout.splitlines())
    return {(_OURS[one["kind"]], one["name"]) for one in said}


def theirs(path: Path) -> Names:
    fields = [word for field in ("frame.protocols", *_FIELDS) for word in ("-e", field)]
    options = ["-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.desegment_tcp_streams:TRUE"]
    line = ["tshark", "-n", "-2", "-r", str(path), *options, "-T", "fields", *fields, "-E", "aggregator=|"]
    done = subprocess.run(line, capture_output=True, check=True, timeout=120, text=True)
    names: Names = set()
    for row in done.stdout.splitlines():
        protocols, *values = (row + "\t" * len(_FIELDS)).split("\t")[: len(_FIELDS) + 1]
        for what, value in zip(_FIELDS.values(), values, strict=True):
            what = next((one for one in ("mdns", "llmnr") if one in protocols.split(":")), what)  # noqa: PLW2901
            for name in filter(None, value.split("|")):
                names.add((what, name.rsplit(":", 1)[0].lower().rstrip(".")))
    return names


def plain() -> Iterator[Frames]:
    """Names of every kind, well formed."""
    for number in range(6):
        connection = Tcp(port=(443, 8443, 993, 4433, 5061, 10_443)[number])
        yield [*connection.open(), *connection.split(hello(f"h{number}.example.com", pad=number * 400), 1_400)]
    web = Tcp(port=8080)
    posted = request("posted.example", "POST /x HTTP/1.1", request("not.example"))
    kept = [request("first.example"), posted, request("third.example:8080")]
    yield [*web.open(), *map(web.send, kept), *web.close()]
    for ident, (name, kind) in enumerate((("a.example", 1), ("b.example", 28), ("c.example", 65))):
        yield [udp(CLIENT, RESOLVER, (40_000 + ident, 53), query(name, ident, kind))]
    led = answer("www.d.example", ("www.d.example", 5, "edge.cdn.example"), ("edge.cdn.example", 1, SERVER))
    yield [udp(CLIENT, RESOLVER, (41_000, 53), query("www.d.example")), udp(RESOLVER, CLIENT, (53, 41_000), led)]
    yield [udp(CLIENT, "224.0.0.251", (5353, 5353), query("printer.local", 0))]
    yield [udp(CLIENT, "224.0.0.252", (50_001, 5355), query("fileserver", 9))]
    over = Tcp(port=53)
    message = query("over-tcp.example")
    yield [*over.open(), *over.split(len(message).to_bytes(2) + message, 2)]
    six = Tcp(client="2001:db8::5", server="2001:db8::9")
    yield [*six.open(), six.send(hello("six.example"))]


def proxies() -> Iterator[Frames]:
    """What stands between a client and a server."""
    tunnel = Tcp(port=3128)
    connect = request("inside.example:443", "CONNECT inside.example:443 HTTP/1.1")
    accepted = b"HTTP/1.1 200 Connection established\r\n\r\n"
    yield [*tunnel.open(), tunnel.send(connect), tunnel.reply(accepted), tunnel.send(hello("inside.example"))]
    socks = Tcp(port=1080)
    asked = b"\x05\x01\x00\x03\x0dsocks.example\x01\xbb"
    told = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    yield [*socks.open(), socks.send(b"\x05\x01\x00"), socks.reply(b"\x05\x00"), socks.send(asked), socks.reply(told)]
    balanced = Tcp(port=443)
    header = b"PROXY TCP4 198.51.100.7 203.0.113.9 5555 443\r\n"
    yield [*balanced.open(), balanced.send(header + hello("behind.example"))]
    mail = Tcp(port=587)
    yield [
        *mail.open(),
        *(
            mail.reply(b"220 mail.example ESMTP\r\n"),
            mail.send(b"EHLO laptop\r\n"),
            mail.reply(b"250-STARTTLS\r\n250 OK\r\n"),
        ),
        *(mail.send(b"STARTTLS\r\n"), mail.reply(b"220 go\r\n"), mail.send(hello("mail.example"))),
    ]


def disorder() -> Iterator[Frames]:
    """Segments in any order, repeated, overlapping, in many records."""
    chance = random.Random(7)
    for number in range(20):
        connection = Tcp(isn=chance.randrange(2**32))
        opened = connection.open()
        text = hello(f"d{number}.example.com", pad=900 + 60 * number, records=300 if number % 3 == 0 else 0)
        sizes = [chance.randrange(60, 500) for _ in range(3)]
        frames = connection.split(text, *sizes)
        if number % 2:
            chance.shuffle(frames)
        yield [*opened, *frames, frames[0]]


def quic() -> Iterator[Frames]:
    """Real clients of QUIC, hellos of one datagram and of two."""
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    for number in range(4):
        many = ["h3"] if number % 2 else ["h3", *(f"protocol-{one}" * 8 for one in range(12))]
        settings = QuicConfiguration(
            is_client=True, server_name=f"q{number}.example.com", alpn_protocols=many, verify_mode=ssl.CERT_NONE
        )
        connection = QuicConnection(configuration=settings)
        connection.connect((SERVER, 443), now=0.0)
        ends = (42_000 + number, (443, 8443, 50_443, 4433)[number])
        yield [udp(CLIENT, SERVER, ends, data) for data, _ in connection.datagrams_to_send(now=0.0)]


def wrapped() -> Iterator[Frames]:
    """Every wrapping, built by scapy."""
    from scapy.contrib.gtp import GTP_U_Header
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import GRE, Dot1Q, Ether
    from scapy.layers.ppp import PPP, PPPoE
    from scapy.layers.vxlan import VXLAN

    outside: dict[str, Any] = {"src": "192.0.2.1", "dst": "192.0.2.2"}
    wraps: list[Callable[[Any], Any]] = [
        lambda inner: Ether() / Dot1Q(vlan=7) / inner,
        lambda inner: Ether(type=0x88A8) / Dot1Q(vlan=7, type=0x8100) / Dot1Q(vlan=8) / inner,
        lambda inner: Ether() / MPLS(label=16, s=0) / MPLS(label=17, s=1) / inner,
        lambda inner: Ether() / PPPoE(sessionid=1) / PPP() / inner,
        lambda inner: Ether() / IP(**outside) / GRE() / inner,
        lambda inner: Ether() / IP(**outside) / UDP(sport=50_000, dport=4789) / VXLAN(vni=5) / Ether() / inner,
        lambda inner: Ether() / IP(**outside) / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1) / inner,
        lambda inner: Ether() / IP(**outside) / inner,
        lambda inner: Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / inner,
    ]
    for number, wrap in enumerate(wraps):
        connection = Tcp(client_port=43_000 + number)
        bare = [*connection.open(), *connection.split(hello(f"w{number}.example.com", pad=700), 500)]
        yield [bytes(wrap(IP(frame[14:]))) for frame in bare]


def fragments() -> Iterator[Frames]:
    """Questions in fragments, in disorder."""
    from scapy.layers import inet, inet6
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
    from scapy.layers.l2 import Ether

    whole = udp(CLIENT, RESOLVER, (44_000, 53), query("a-rather-long-name.in-fragments.example.com"))[14:]
    fragment: Callable[..., Any] = inet.fragment
    fragment6: Callable[..., Any] = inet6.fragment6
    packet = IP(whole)
    packet.flags = 0
    yield [bytes(Ether() / piece) for piece in reversed(fragment(packet, fragsize=24))]
    six = IPv6(ip("2001:db8::5", "2001:db8::1", 17, whole[20:])[14:])
    six = IPv6(src=six.src, dst=six.dst) / IPv6ExtHdrFragment(id=5) / six.payload
    yield [bytes(Ether() / piece) for piece in fragment6(six, 64)]


SCENES = {
    "plain": plain,
    "proxies": proxies,
    "disorder": disorder,
    "quic": quic,
    "wrapped": wrapped,
    "fragments": fragments,
}


@pytest.mark.parametrize(("scene", "form"), [*((scene, "pcap") for scene in SCENES), ("plain", "pcapng")])
def test_the_same_names(scene: str, form: str, tmp_path: Path) -> None:
    from scapy.utils import PcapNgWriter, PcapWriter

    path = tmp_path / f"capture.{form}"
    writer = PcapWriter(str(path), linktype=1) if form == "pcap" else PcapNgWriter(str(path))
    from scapy.layers.l2 import Ether

    with writer:
        for number, frame in enumerate(one for frames in SCENES[scene]() for one in frames):
            packet = Ether(frame)
            packet.time = 1_763_900_000 + number / 1_000
            writer.write(packet)
    expected = theirs(path)
    assert expected, "the oracle sees something"
    assert ours(path) == expected
