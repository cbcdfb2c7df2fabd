"""Peeling frames: every wrapping and link type, fragments, and what an attacker makes of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.frames import (
    LINKS,
    WRAPPED,
    Packet,
    ether,
    over_4,
    over_6,
    tcp,
    udp,
    with_extensions,
    with_options,
)

from aimscope_agent.protocols import ip, ip_fragments
from aimscope_agent.protocols.datagram import Datagram
from aimscope_agent.protocols.ip import Network
from aimscope_agent.protocols.ip_usual import usual

PAYLOAD = b"what the client said"
HEADERS = {
    "IPv4": over_4,
    "IPv6": over_6,
    "IPv4 with options": with_options,
    "IPv6 with extensions": with_extensions,
}


def peeled(frame: Packet | bytes, link: int = 1, network: Network | None = None) -> Datagram | None:
    data = bytes(frame)
    return (network or Network()).datagram(link, data, 1.0, len(data))


def body(found: Datagram | None) -> bytes:
    assert found is not None
    return found.data[found.start : found.end]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("wrapping", WRAPPED)
def test_whatever_wraps_a_packet_is_peeled(wrapping: str, header: str) -> None:
    network = Network()
    found = peeled(WRAPPED[wrapping](HEADERS[header](tcp(40000, 443, PAYLOAD))), network=network)
    assert found is not None
    assert (found.protocol, found.cut) == (6, False)
    assert body(found)[20:] == PAYLOAD
    assert found.source == (b"\xc0\0\2\1" if "4" in header else bytes.fromhex("20010db8" + "0" * 23 + "1"))
    assert network.malformed == 0


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("kind", LINKS)
def test_every_link_type(kind: str, header: str) -> None:
    link, frame = LINKS[kind]
    found = peeled(frame(HEADERS[header](udp(40000, 53, PAYLOAD))), link)
    assert found is not None
    assert found.protocol == 17
    assert body(found)[8:] == PAYLOAD


def test_link_types_that_name_the_version() -> None:
    assert body(peeled(over_4(udp(1, 53, PAYLOAD)), 228))[8:] == PAYLOAD
    assert body(peeled(over_6(udp(1, 53, PAYLOAD)), 229))[8:] == PAYLOAD


def test_capture_devices_of_linux_and_macos() -> None:
    packet = bytes(over_4(udp(1, 53, PAYLOAD)))
    log = b"\2\0\0\0" + struct.pack("<HH", 5, 10) + b"x\0\0\0" + struct.pack("<HH", 4 + len(packet), 9) + packet
    assert body(peeled(log, 239))[8:] == PAYLOAD
    tap = struct.pack("<III", 108, 1, 1).ljust(108, b"\0") + bytes(ether() / over_4(udp(1, 53, PAYLOAD)))
    assert body(peeled(tap, 258))[8:] == PAYLOAD


def test_padding_is_no_payload() -> None:
    frame = bytes(ether() / over_4(tcp(40000, 443, b"hi"))) + bytes(18)
    assert body(peeled(frame))[20:] == b"hi"


def test_a_packet_cut_by_the_capture_says_so() -> None:
    frame = bytes(ether() / over_4(tcp(40000, 443, PAYLOAD)))
    found = Network().datagram(1, frame[:-5], 1.0, len(frame))
    assert found is not None
    assert found.cut
    assert body(found)[20:] == PAYLOAD[:-5]


@pytest.mark.parametrize("over", [over_4, over_6])
def test_a_segment_the_network_card_was_to_split_has_no_length(over: Callable[[Packet], Packet]) -> None:
    frame = bytearray(bytes(ether() / over(tcp(40000, 443, PAYLOAD))))
    place = 16 if over is over_4 else 18
    frame[place : place + 2] = b"\0\0"
    found = peeled(bytes(frame))
    assert found is not None
    assert not found.cut
    assert body(found)[20:] == PAYLOAD


@pytest.mark.parametrize("port", [4789, 8472, 6081, 2152, 4754, 6635, 37008])
def test_an_answer_to_a_port_that_tunnels_use_stays_an_answer(port: int) -> None:
    answer = bytes.fromhex("123481800001000100000000") + b"\7example\3com\0\0\1\0\1" * 2
    network = Network()
    found = peeled(ether() / over_4(udp(53, port, answer)), network=network)
    if port != 6635:  # labels can begin with anything
        assert found is not None
        assert body(found)[8:] == answer
        assert network.malformed == 0


def test_what_is_no_packet_of_ours_is_not_called_malformed() -> None:
    network = Network()
    arp = bytes(ether())[:12] + b"\x08\x06" + bytes(28)
    assert peeled(arp, network=network) is None
    assert peeled(bytes(ether())[:12] + b"\0\x26\x42\x42\3" + bytes(35), network=network) is None
    assert network.malformed == 0


def test_unknown_link_types_are_counted_within_bounds() -> None:
    network = Network()
    for link in range(1000, 2000):
        network.datagram(link, bytes(60), 1.0, 60)
    network.datagram(1000, bytes(60), 1.0, 60)
    assert network.unknown_links[1000] == 2
    assert len(network.unknown_links) == 64


def test_tunnels_without_end_are_not_followed() -> None:
    packet = over_4(udp(1, 53, PAYLOAD))
    for _ in range(200):
        packet = over_4(packet) if len(packet) < 60_000 else packet
    assert peeled(ether() / packet) is not None
    assert peeled(bytes(ether())[:12] + b"\x81\0\0\1" * 10_000) is None


def pieces(size: int = 3000, version: int = 4, identity: int = 7, step: int = 800) -> list[bytes]:
    """A DNS answer in fragments, each in its frame."""
    content = bytes(udp(53, 40000, random.Random(size).randbytes(size)))
    made = []
    for offset in range(0, len(content), step):
        piece, more = content[offset : offset + step], offset + step < len(content)
        if version == 4:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(piece), identity, more << 13 | offset >> 3, 64, 17, 0)
            made.append(bytes(ether())[:12] + b"\x08\0" + head + b"\xc0\0\2\1\xc0\0\2\2" + piece)
        else:
            head = struct.pack(">IHBB", 6 << 28, 8 + len(piece), 44, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
            head += struct.pack(">BBHI", 17, 0, offset | more, identity)
            made.append(bytes(ether())[:12] + b"\x86\xdd" + head + piece)
    return made


def given_to(network: Network, frames: list[bytes], at: float = 1.0) -> list[bytes]:
    found = [network.datagram(1, frame, at, len(frame)) for frame in frames]
    return [body(one)[8:] for one in found if one is not None]


@pytest.mark.parametrize("version", [4, 6])
@given(order=st.randoms(use_true_random=False), twice=st.booleans())
def test_fragments_in_any_order(version: int, order: random.Random, twice: bool) -> None:
    frames = pieces(version=version)
    frames += frames[1:2] * twice
    order.shuffle(frames)
    found = given_to(Network(), frames)
    assert found == [random.Random(3000).randbytes(3000)]


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    assert given_to(Network(), pieces(100, version=6)) == [random.Random(100).randbytes(100)]


@pytest.mark.parametrize("version", [4, 6])
def test_a_missing_piece_gives_nothing(version: int) -> None:
    for missing in range(4):
        frames = pieces(version=version)
        del frames[missing]
        assert given_to(Network(), frames) == []


def test_overlapping_fragments_are_refused_as_a_whole() -> None:
    network = Network()
    frames = pieces()
    forged = bytearray(frames[1])
    forged[40:60] = b"another story, forged"[:20]
    assert given_to(network, [frames[0], frames[1], bytes(forged), *frames[2:]]) == []
    assert network.malformed == 1
    shifted = bytearray(pieces(identity=8)[1])
    shifted[20:22] = struct.pack(">H", 1 << 13 | 96)
    whole = pieces(identity=8)
    assert given_to(network, [whole[0], bytes(shifted), *whole[1:]]) == []


def test_fragments_cut_by_the_capture_complete_nothing() -> None:
    frames = pieces()
    assert given_to(Network(), [frames[0][:-1], *frames[1:]]) == []


def test_a_flood_of_fragments_is_bounded_and_counted() -> None:
    network = Network()
    for identity in range(5_000):
        network.datagram(1, pieces(identity=identity)[0], 1.0, 900)
    assert network.fragments_evicted == 5_000 - ip_fragments.MOST_WAITING
    assert given_to(network, pieces(identity=4_999)[1:]) == [random.Random(3000).randbytes(3000)]


def test_a_flood_of_large_fragments_is_bounded_by_bytes() -> None:
    network = Network()
    for identity in range(600):
        given_to(network, pieces(60_000, identity=identity, step=59_200)[:1])
    assert network.fragments_evicted >= 600 - ip_fragments.MOST_BYTES // 59_200


def test_a_flood_of_fragments_that_contradict_themselves_is_bounded() -> None:
    network = Network()
    for identity in range(2 * ip_fragments.MOST_WAITING):
        given_to(network, pieces(identity=identity, step=804)[:1])
    assert network.malformed == 2 * ip_fragments.MOST_WAITING
    assert len(network._fragments._waiting) <= ip_fragments.MOST_WAITING


def test_what_does_not_come_is_given_up_by_the_time_of_packets() -> None:
    network = Network()
    first, *rest = pieces()
    given_to(network, [first], 100.0)
    assert given_to(network, rest, 100.0 + ip_fragments.PATIENCE + 1) == []
    assert network.fragments_evicted == 1


def test_fragments_in_a_tunnel() -> None:
    network = Network()
    wrap = WRAPPED["vxlan"]
    inner = [bytes(wrap(over_4(b"")))[: -20 - 14] + frame for frame in pieces()]
    fixed = []
    for frame in inner:
        data = bytearray(frame)
        data[16:18] = struct.pack(">H", len(data) - 14)
        data[38:40] = struct.pack(">H", len(data) - 34)
        fixed.append(bytes(data))
    assert given_to(network, fixed) == [random.Random(3000).randbytes(3000)]


LINK_NUMBERS = st.sampled_from([0, 1, 9, 12, 50, 51, 101, 104, 108, 109, 113, 166, 204, 228, 229, 239, 258, 276, 7])


@given(LINK_NUMBERS, st.binary(max_size=200))
def test_any_bytes(link: int, data: bytes) -> None:
    found = peeled(data, link)
    assert found is None or 0 <= found.start <= found.end <= len(found.data)


@given(st.sampled_from(sorted(WRAPPED)), st.integers(0, 120), st.binary(max_size=6), st.integers(0, 200))
def test_damaged_frames(wrapping: str, at: int, damage: bytes, keep: int) -> None:
    data = bytearray(bytes(WRAPPED[wrapping](over_4(tcp(40000, 443, PAYLOAD)))))
    data[at : at + len(damage)] = damage
    network = Network()
    found = network.datagram(1, bytes(data[:keep]), 1.0, len(data))
    assert found is None or 0 <= found.start <= found.end <= len(found.data)


@given(st.sampled_from(sorted(WRAPPED)), st.integers(0, 200))
def test_a_frame_cut_anywhere_is_cut_or_nothing(wrapping: str, keep: int) -> None:
    data = bytes(WRAPPED[wrapping](over_6(tcp(40000, 443, PAYLOAD))))
    if keep < len(data):
        found = Network().datagram(1, data[:keep], 1.0, len(data))
        assert found is None or found.cut or found.protocol != 6


@given(st.sampled_from(sorted(WRAPPED)), st.sampled_from(sorted(HEADERS)), st.data())
def test_a_glance_says_what_the_long_way_says(wrapping: str, header: str, draw: st.DataObject) -> None:
    layer = tcp(40000, 443, PAYLOAD) if draw.draw(st.booleans()) else udp(40000, 443, PAYLOAD)
    data = bytearray(bytes(WRAPPED[wrapping](HEADERS[header](layer))))
    for at, byte in draw.draw(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=3)):
        data[at % len(data)] = byte
    frame = bytes(data[: draw.draw(st.integers(0, len(data))) or len(data)]) + bytes(draw.draw(st.integers(0, 8)))
    seen = usual(frame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ip, "usual", lambda _data: None)
        assert seen in {None, Network().datagram(1, frame, 1.0, len(frame))}
