"""Hellos put together from frames, packets and datagrams in any order, and what an attacker would send."""

from __future__ import annotations

from itertools import pairwise, permutations
from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.protocols.quic_packets import (
    HELLO,
    LONG,
    SALTS,
    crypto,
    feed,
    message,
    named,
    packet,
)

from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.quic_initial import Crypto, initials, version
from aimscope_agent.protocols.tls_hello import ClientHello


def test_the_next_connection_from_the_same_port() -> None:
    crypt = Crypto()
    assert feed([packet(crypto(0, LONG[:900]))], crypt) is MORE
    following = packet(crypto(0, message("two.example")), dcid=b"another id")
    assert named(feed([following], crypt)) == "two.example"


def test_frames_in_any_order() -> None:
    random = Random(7)
    cuts = [0, *sorted(random.sample(range(1, len(LONG)), 24)), len(LONG)]
    frames = [crypto(low, LONG[low:high]) for low, high in pairwise(cuts)]
    random.shuffle(frames)
    ack = b"\x02\x05\x00\x01\x00\x01\x01"
    ack_ecn = b"\x03\x05\x00\x00\x00\x01\x01\x01"
    close = b"\x1c\x00\x06\x03bye"
    first = packet(b"\x01\0\0" + b"\0\x01".join(frames[:12]) + ack + bytes(30))
    second = packet(ack_ecn + b"\x01".join(frames[12:]) + close)
    for order in permutations([first, second]):
        assert named(feed(order)) == "chat.example.com"
    assert feed([first, first]) is MORE


def test_coalesced_packets() -> None:
    early = packet(bytes(60), kind=1)
    halves = packet(crypto(0, LONG[:900])) + packet(crypto(900, LONG[900:]))
    assert named(feed([halves])) == "chat.example.com"
    assert named(feed([early + halves + bytes(200)])) == "chat.example.com"
    assert feed([early]) is None
    found = initials(early + halves, 0, len(early + halves))
    assert found is not None
    assert [initial.pieces[0][0] for initial in found] == [0, 900]


def test_datagrams_without_initial_packets_are_passed_over() -> None:
    crypt = Crypto()
    first, second = packet(crypto(0, LONG[:900])), packet(crypto(900, LONG[900:]))
    for other in (packet(bytes(60), kind=1), packet(bytes(60), kind=2), b"\x40" + bytes(30), b"", b"\xc0" * 40):
        assert feed([first, other], crypt) is MORE
    assert named(feed([second], crypt)) == "chat.example.com"


def test_what_a_server_sends_does_not_open() -> None:
    answer = packet(crypto(0, HELLO), side="server in")
    assert initials(answer, 0, len(answer)) == ()
    assert feed([packet(crypto(0, LONG[:900])), answer]) is MORE


@pytest.mark.parametrize("other", [0, 2, 0x51303530, 0xFACEB002, 0xFF000016, 0x0A1A2A3A])
def test_versions_nobody_can_open_are_told(other: int) -> None:
    sent = packet(crypto(0, HELLO))
    foreign = sent[:1] + pack(">I", other) + sent[5:]
    assert initials(foreign, 0, len(foreign)) is None
    assert version(foreign, 0, len(foreign)) == other


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\xc0",
        b"\xc0\0\0\0\1\x08",
        b"\x40\0\0\0\1\x08" + bytes(40),
        b"\xc0\0\0\0\1\x15" + bytes(60),
        b"\xc0\0\0\0\1\x08" + bytes(8) + b"\x15" + bytes(60),
        b"\xc0\0\0\0\1\x08" + bytes(9) + b"\xff" * 60,
        b"\xc0\0\0\0\1\x08" + bytes(10) + b"\x7f\xff",
    ],
)
def test_no_initial_packet(other: bytes) -> None:
    assert initials(other, 0, len(other)) is None
    assert feed([other]) is None


@pytest.mark.parametrize(
    "payload",
    [
        crypto(0, HELLO)[:-1],
        crypto(0, HELLO) + b"\x06",
        crypto(0, HELLO) + b"\x06\x40",
        crypto(0, HELLO) + b"\x08\0",  # a stream frame has no place here
        crypto(0, HELLO) + b"\xff" * 8,
        crypto(0, HELLO) + b"\x02\x05\x00\x01\x00",
        crypto(0, HELLO) + b"\x02\x05\x00" + b"\xff" * 8,
        crypto(0, HELLO) + b"\x1c\x00\x06\x09bye",
    ],
)
def test_a_packet_with_a_bad_frame_tells_nothing(payload: bytes) -> None:
    sent = packet(payload)
    assert initials(sent, 0, len(sent)) == ()
    assert feed([sent]) is None


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        ([(0, LONG[:900]), (800, LONG[800:])], "chat.example.com"),
        ([(800, LONG[800:]), (0, LONG[:900])], "chat.example.com"),
        ([(0, LONG[:100]), (50, LONG[50:80]), (0, LONG)], "chat.example.com"),
        ([(100, LONG[100:200]), (300, LONG[300:400]), (0, LONG)], "chat.example.com"),
        ([(0, LONG[:900]), (0, b""), (5000, b""), (900, LONG[900:])], "chat.example.com"),
        ([(0, LONG[:900]), (901, LONG[901:])], MORE),
        ([(1, LONG[1:])], MORE),
        ([(0, LONG[:900]), (899, b"!" + LONG[900:])], None),
        ([(899, b"!" + LONG[900:]), (0, LONG[:900])], None),
        ([(0, LONG[:900]), (10, b"!"), (900, LONG[900:])], None),
        ([(0, b"\x02" + LONG[1:])], None),
        ([(0, b"\x01\xff")], MORE),
        ([(0, LONG[:900]), (65_536, b"x")], None),
        ([(0, LONG[:900]), (2**29, b"x")], None),
        ([(offset, b"x") for offset in range(2, 2 + 2 * 1025, 2)], None),
        ([(offset, b"x") for offset in range(2, 2 + 2 * 1024, 2)], MORE),
    ],
)
def test_pieces(pieces: list[tuple[int, bytes]], answer: More | str | None) -> None:
    given_back = feed([packet(crypto(*piece)) for piece in pieces])
    assert getattr(given_back, "server_name", given_back) == answer


def test_what_is_broken_stays_so_and_keeps_nothing() -> None:
    crypt = Crypto()
    assert feed([packet(crypto(0, b"\x02" * 900))], crypt) is None
    assert crypt.held == 0
    assert feed([packet(crypto(0, HELLO)), packet(crypto(900, LONG[900:]))], crypt) is None
    assert crypt.held == 0
    crypt = Crypto()
    assert feed([packet(crypto(0, LONG[:900])), packet(crypto(0, b"!"))], crypt) is None
    assert crypt.held == 0


def test_a_datagram_is_for_one_connection() -> None:
    other = packet(crypto(0, message("two.example")), dcid=b"another id")
    both = packet(crypto(0, LONG[:900])) + other
    assert feed([both]) is MORE
    assert named(feed([both, packet(crypto(900, LONG[900:]))])) == "chat.example.com"


@given(st.integers(0, 8 * len(packet(crypto(0, HELLO))) - 1))
def test_a_flipped_bit_is_no_name(place: int) -> None:
    sent = bytearray(packet(crypto(0, HELLO)))
    sent[place // 8] ^= 1 << place % 8
    assert feed([bytes(sent)]) is None


def test_a_cut_datagram_is_no_name() -> None:
    sent = packet(crypto(0, HELLO) + bytes(40))
    assert {feed([sent[:end]]) for end in range(len(sent))} == {None}
    assert Crypto().add(b"xx" + sent + b"yy", 2, 2 + len(sent)) == feed([sent])


@given(st.binary(max_size=1300))
def test_any_bytes(data: bytes) -> None:
    assert feed([data, data]) is None
    version(data, 0, len(data))


@given(st.sampled_from(sorted(SALTS)), st.binary(max_size=200))
def test_any_bytes_behind_a_header(quic: int, data: bytes) -> None:
    datagram = b"\xc3" + pack(">I", quic) + data
    assert feed([datagram]) is None


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_payload(payloads: list[bytes]) -> None:
    crypt = Crypto()
    for payload in payloads:
        assert not isinstance(feed([packet(payload)], crypt), ClientHello)
    assert crypt.held <= 80 * 5


@given(st.lists(st.tuples(st.integers(0, 70), st.binary(max_size=40)), max_size=40))
def test_any_pieces_leave_what_was_sent(pieces: list[tuple[int, bytes]]) -> None:
    """Against the plainest possible assembly: one dictionary of bytes."""
    plain: dict[int, int] = {}
    crypt = Crypto()
    for offset, piece in pieces:
        answer = feed([packet(crypto(offset, piece))], crypt)
        if not all(plain.setdefault(offset + at, byte) == byte for at, byte in enumerate(piece)):
            assert answer is None
            return
        if 0 in plain and (plain[0] != 1 or 3 in plain):
            return  # now it is judged as a message
        assert answer is MORE
        assert crypt.held == len(plain)
