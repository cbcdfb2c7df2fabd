"""What the filter lets pass: every packet that a name may be in, under every wrapping; not the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.frames import LINKS, PLAIN, WRAPPED, Packet, ether, over_4, over_6, tcp, udp, with_extensions

from aimscope_agent.intake.capture_filter import _SERVERS, light_filter, narrowed, traffic_filter
from aimscope_agent.intake.pcap import program

pcapy = pytest.importorskip("pcapy")

KERNEL = 4096
"""Instructions it accepts."""
BULK = b"\x8a\x17\x52\x00\x91" * 280
HELLO = b"\x16\x03\x01\x06\xf0\x01\x00\x06\xec\x03\x03" + bytes(range(256)) * 5

KEPT: dict[str, Packet] = {
    "SYN": tcp(40000, 443, flags="S"),
    "SYN of the answer": tcp(443, 40000, flags="SA"),
    "FIN of the server": tcp(443, 40000, flags="FA"),
    "reset": tcp(443, 40000, flags="R"),
    "hello": tcp(40000, 443, HELLO),
    "second segment of a hello": tcp(40000, 443, BULK),
    "second segment, with timestamps": tcp(40000, 443, BULK, options=True),
    "second segment to a high port": tcp(40000, 8443, BULK),
    "second segment to a higher port": tcp(35000, 50051, BULK),
    "second segment from a low port": tcp(5000, 44443, BULK),
    "hello from a port of servers": tcp(443, 40000, HELLO),
    "hello from a port of servers, with timestamps": tcp(8443, 40000, HELLO, options=True),
    "between ports of servers": tcp(443, 8443, BULK),
    "between low ports": tcp(443, 80, BULK),
    "request": tcp(40000, 80, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    "request from a port of servers": tcp(8080, 40000, b"CONNECT a.example:443 HTTP/1.1\r\n\r\n"),
    "HTTP/2 from a port of servers": tcp(8080, 40000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "PROXY from a port of servers": tcp(8080, 40000, b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 443\r\n"),
    "binary PROXY from a port of servers": tcp(8080, 40000, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)),
    "SOCKS": tcp(40000, 1080, b"\5\1\0"),
    "SOCKS from a port of servers": tcp(1080, 40000, b"\5\1\0"),
    "one byte": tcp(40000, 443, b"\x16"),
    "DNS over TCP": tcp(40000, 53, b"\0\x1c"),
    "answer of DNS over TCP": tcp(53, 40000, BULK),
    "DNS": udp(40000, 53, b"question"),
    "answer of DNS": udp(53, 40000, b"answer"),
    "mDNS": udp(5353, 5353, b"question"),
    "LLMNR": udp(40000, 5355, b"question"),
    "QUIC 1": udp(40000, 443, b"\xc3\0\0\0\1" + BULK),
    "QUIC 2": udp(40000, 443, b"\xd3\x6b\x33\x43\xcf" + BULK),
    "QUIC, draft 29, odd port": udp(40000, 4444, b"\xc3\xff\0\0\x1d" + BULK),
    "QUIC of Google": udp(40000, 443, b"\xc3Q050" + BULK),
    "QUIC, reserved version": udp(40000, 443, b"\xc3\x1a\x2a\x3a\x4a" + BULK),
    "DTLS": udp(40000, 4433, b"\x16\xfe\xff" + bytes(20)),
    "VXLAN": udp(40000, 4789, BULK),
    "GTP, other way": udp(2152, 40000, BULK),
}
DROPPED: dict[str, Packet] = {
    "server's bytes": tcp(443, 40000, BULK),
    "server's bytes, with timestamps": tcp(443, 40000, BULK, options=True),
    "server's records": tcp(443, 40000, b"\x17\x03\x03\x40\x11" + BULK),
    "server's hello": tcp(443, 40000, b"\x16\x03\x03\0\x7a\2" + BULK),
    "server's answer": tcp(80, 50000, b"HTTP/1.1 200 OK\r\n"),
    "server's bytes from a high port": tcp(8443, 40000, BULK),
    "server's bytes behind translation": tcp(443, 2000, BULK),
    "acknowledgement": tcp(40000, 443),
    "acknowledgement, with timestamps": tcp(40000, 443, options=True),
    "acknowledgement between high ports": tcp(40000, 50051),
    "QUIC, short header": udp(443, 40000, b"\x5a" + BULK),
    "RTP": udp(16384, 16386, b"\x80\x60\0\1" + BULK),
    "empty datagram": udp(40000, 443, b""),
    "other datagram": udp(40000, 3478, b"\0\1\0\0" + bytes(16)),
}
TUNNELS = ["gre", "vxlan", "vxlan, old port", "gtp", "in IPv4"]
"""Tunnels that the filter looks into, if coarsely."""
COARSELY = set(DROPPED) - {"server's bytes from a high port", "server's bytes behind translation"}
OVER: dict[str, Callable[[Packet], Packet]] = {"IPv4": over_4, "IPv6": over_6}
FILTERED_LINKS = sorted(set(LINKS) - {"ppp"})


@lru_cache(maxsize=32)
def passes(link: int, of: Callable[[int], str] = traffic_filter) -> Callable[[bytes], int]:
    found = program(pcapy, of, link)
    return found or (lambda _data: 1)


@pytest.mark.parametrize("of", [traffic_filter, light_filter])
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("wrapping", WRAPPED)
def test_kept_under_every_wrapping(wrapping: str, over: str, of: Callable[[int], str]) -> None:
    kept = passes(1, of)
    assert [what for what, packet in KEPT.items() if not kept(bytes(WRAPPED[wrapping](OVER[over](packet))))] == []


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("wrapping", PLAIN)
def test_dropped_where_the_filter_can_see(wrapping: str, over: str) -> None:
    assert [what for what, packet in DROPPED.items() if passes(1)(bytes(PLAIN[wrapping](OVER[over](packet))))] == []


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("wrapping", TUNNELS)
def test_dropped_within_usual_tunnels(wrapping: str, over: str) -> None:
    frames = {what: bytes(WRAPPED[wrapping](OVER[over](DROPPED[what]))) for what in COARSELY}
    assert [what for what, frame in frames.items() if passes(1)(frame)] == []


@pytest.mark.parametrize("over", OVER)
def test_dropped_by_the_light_filter(over: str) -> None:
    kept = passes(1, light_filter)
    assert [what for what, packet in DROPPED.items() if kept(bytes(ether() / OVER[over](packet)))] == []


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("kind", LINKS)
def test_kept_on_every_link_type(kind: str, over: str) -> None:
    link, frame = LINKS[kind]
    link = {101: 12}.get(link, link)
    assert [what for what, packet in KEPT.items() if not passes(link)(bytes(frame(OVER[over](packet))))] == []


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("kind", FILTERED_LINKS)
def test_dropped_on_every_common_link_type(kind: str, over: str) -> None:
    link, frame = LINKS[kind]
    link = {101: 12}.get(link, link)
    assert [what for what, packet in DROPPED.items() if passes(link)(bytes(frame(OVER[over](packet))))] == []


def test_what_is_not_plain_is_kept() -> None:
    assert passes(1)(bytes(ether() / with_extensions(tcp(443, 40000, BULK))))
    later = bytearray(bytes(ether() / over_4(udp(443, 40000, BULK))))
    later[20:22] = b"\0\x10"  # a later fragment
    assert passes(1)(bytes(later))
    first = bytearray(later)
    first[20:22] = b"\x20\0"
    assert passes(1)(bytes(first))


@pytest.mark.parametrize("over", OVER)
def test_padding_is_not_taken_for_payload(over: str) -> None:
    assert not passes(1)(bytes(ether() / OVER[over](tcp(40000, 443))) + bytes(12))


@pytest.mark.parametrize("over", OVER)
def test_segments_the_network_card_was_to_split_are_kept(over: str) -> None:
    frame = bytearray(bytes(ether() / OVER[over](tcp(40000, 443, BULK))))
    place = 16 if over == "IPv4" else 18
    frame[place : place + 2] = b"\0\0"
    assert passes(1)(bytes(frame))


@pytest.mark.parametrize("noise", ["0806", "08004500001c000000004001", "08004500001c000000004032"])
def test_noise_is_dropped(noise: str) -> None:
    assert not passes(1)((bytes(ether())[:12] + bytes.fromhex(noise)).ljust(60, b"\0"))


@pytest.mark.parametrize("link", [1, 12, 0, 113, 276])
def test_the_kernel_accepts_the_length(link: int) -> None:
    assert len(pcapy.compile(link, 65_535, traffic_filter(link), 1, 0).get_bpf()) <= KERNEL


def test_a_link_type_that_is_not_common_is_not_filtered() -> None:
    assert traffic_filter(9) == ""


def test_narrowed_by_an_expression_that_shifts_offsets() -> None:
    only = program(pcapy, narrowed("vlan 3"), 1)
    assert only is not None
    assert only(bytes(PLAIN["vlan"](over_4(KEPT["hello"]))))
    assert not only(bytes(PLAIN["vlan"](over_4(DROPPED["server's bytes"]))))
    assert not only(bytes(PLAIN["ethernet"](over_4(KEPT["hello"]))))
    assert narrowed("host 192.0.2.1")(9) == "host 192.0.2.1"


@given(st.integers(1024, 65535), st.integers(1, 65535), st.binary(min_size=1, max_size=40), st.booleans())
def test_no_clients_bytes_are_lost_on_any_port(client: int, server: int, payload: bytes, six: bool) -> None:
    """But for clients on well-known ports of servers, which systems do not choose."""
    if client not in _SERVERS:
        frame = ether() / (over_6 if six else over_4)(tcp(client, server, payload))
        assert passes(1)(bytes(frame))


@given(st.sampled_from([1, 12, 0, 113, 276]), st.binary(max_size=120))
def test_any_bytes_and_the_light_filter_drops_nothing_else(link: int, data: bytes) -> None:
    assert passes(link, light_filter)(data) or not passes(link)(data)
