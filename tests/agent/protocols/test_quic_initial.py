"""QUIC's first packets: published vectors, a real client and server, and what an attacker would send."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from random import Random
from struct import pack
from typing import Final

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import encode_quic_retry
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.ja4 import ja4
from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.quic_initial import AVAILABLE, Crypto, initials, version
from aimscope_agent.protocols.tls_hello import ClientHello

V1, V2, DRAFT_28, DRAFT_29, DRAFT_34 = 1, 0x6B3343CF, 0xFF00001C, 0xFF00001D, 0xFF000022
ORIGIN = bytes.fromhex("8394c8f03e515708")
SERVER = bytes.fromhex("f067a5502a4262b5")
SALTS: Final = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    DRAFT_28: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    DRAFT_29: "afbfec289993d24c9e9786f19c6111e04390a899",
    DRAFT_34: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
}


def protect(header: bytes, number_at: int, payload: bytes, key: bytes, iv: bytes, mask_key: bytes) -> bytes:
    """A packet as RFC 9001 describes it, built with another library than the one that opens it."""
    number = header[number_at:]
    nonce = (int.from_bytes(iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, payload, header)
    sample = sealed[4 - len(number) :][:16]
    mask = Cipher(AES(mask_key), ECB()).encryptor().update(sample)
    hidden = bytes(byte ^ bit for byte, bit in zip(number, mask[1:], strict=False))
    return bytes([header[0] ^ mask[0] & 15]) + header[1:number_at] + hidden + sealed


def client_keys(quic: int, origin: bytes, side: str = "client in") -> tuple[bytes, bytes, bytes]:
    def label(secret: bytes, text: str, size: int) -> bytes:
        full = b"tls13 " + text.encode()
        info = pack(">HB", size, len(full)) + full + b"\0"
        return HKDFExpand(SHA256(), size, info).derive(secret)

    secret = label(HKDF.extract(SHA256(), bytes.fromhex(SALTS[quic]), origin), side, 32)
    word = "quicv2" if quic == V2 else "quic"
    return label(secret, f"{word} key", 16), label(secret, f"{word} iv", 12), label(secret, f"{word} hp", 16)


def varint(value: int) -> bytes:
    return value.to_bytes(1, "big") if value < 64 else (value | 0x8000_0000).to_bytes(4, "big")


def packet(
    payload: bytes,
    *,
    quic: int = V1,
    dcid: bytes = ORIGIN,
    origin: bytes = b"",
    number: bytes = b"\0\2",
    token: bytes = b"",
    kind: int = 0,
    side: str = "client in",
) -> bytes:
    payload = payload.ljust(4, b"\0")
    form = (kind + 1) & 3 if quic == V2 else kind
    header = bytes([0xC0 | form << 4 | len(number) - 1]) + pack(">I", quic) + bytes([len(dcid)]) + dcid + b"\0"
    header += (b"" if kind else varint(len(token)) + token) + varint(len(number) + len(payload) + 16)
    keys = client_keys(quic, origin or dcid, side)
    return protect(header + number, len(header), payload, *keys)


def crypto(offset: int, piece: bytes) -> bytes:
    return b"\x06" + varint(offset) + varint(len(piece)) + piece


def message(name: str = "chat.example.com", filling: int = 0) -> bytes:
    entry = b"\0" + pack(">H", len(name)) + name.encode()
    fields = pack(">HHH", 0, len(entry) + 2, len(entry)) + entry + pack(">HH", 51, filling) + bytes(filling)
    body = b"\x03\x03" + bytes(33) + b"\0\2\x13\x01\x01\0" + pack(">H", len(fields)) + fields
    return b"\x01" + len(body).to_bytes(3, "big") + body


HELLO = message()
LONG = message(filling=1800)


def feed(datagrams: Iterable[bytes], into: Crypto | None = None) -> ClientHello | More | None:
    """The last answer."""
    into = into or Crypto()
    answer: ClientHello | More | None = None
    for datagram in datagrams:
        answer = into.add(datagram, 0, len(datagram))
    return answer


def named(answer: ClientHello | More | None) -> str:
    assert isinstance(answer, ClientHello)
    return answer.server_name


RFC_PAYLOAD = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000"
    "10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033"
    "00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff"
).ljust(1162, b"\0")
DRAFT_PAYLOAD = bytes.fromhex(
    "060040c4010000c003036660261ff947cea49cce6cfad687f457cf1b14531ba14131a0e8f309a1d0b9c40000061301130313020100009100"
    "00000b0009000006736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d00"
    "204cfdfcd178b784bf328cae793b136f2aedce005ff183d7bb1495207236647037002b0003020304000d0020001e04030503060302030804"
    "0805080604010501060102010402050206020202002d00020101001c00024001"
).ljust(1162, b"\0")


@pytest.mark.parametrize(
    ("plain", "shown", "end", "keys", "payload", "name"),
    [
        (  # RFC 9001, appendix A.2
            "c300000001088394c8f03e5157080000449e00000002",
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
            "e221af44860018ab0856972e194cd934",
            ("1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"),
            RFC_PAYLOAD,
            "example.com",
        ),
        (  # RFC 9369, appendix A.2
            "d36b3343cf088394c8f03e5157080000449e00000002",
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
            "a18b2faa745b6fe189cf772a9f84cbfc",
            ("8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"),
            RFC_PAYLOAD,
            "example.com",
        ),
        (  # draft-ietf-quic-tls-29, appendix A.2
            "c3ff00001d088394c8f03e5157080000449e00000002",
            "c5ff00001d088394c8f03e5157080000449e4a95245bfb66bc5f93032b7ddd89fe0ff15d9c4f",
            "43b1ca70a2d8d3f725ead1391377dcc0",
            ("175257a31eb09dea9366d8bb79ad80ba", "6b26114b9cba2b63a9e8dd4f", "9ddd12c994c0698b89374a9c077a3077"),
            DRAFT_PAYLOAD,
            "server",
        ),
    ],
)
def test_published_packets(
    plain: str, shown: str, end: str, keys: tuple[str, str, str], payload: bytes, name: str
) -> None:
    sent = protect(bytes.fromhex(plain), 18, payload, *(bytes.fromhex(key) for key in keys))
    assert sent.startswith(bytes.fromhex(shown))
    assert sent.endswith(bytes.fromhex(end))  # the seal over all of it
    assert len(sent) == 1200
    found = initials(sent, 0, len(sent))
    assert found is not None
    (initial,) = found
    assert (initial.version, initial.dcid, initial.scid) == (version(sent, 0, len(sent)), ORIGIN, b"")
    assert (initial.token_length, initial.origin) == (0, ORIGIN)
    assert [offset for offset, _ in initial.pieces] == [0]
    assert named(feed([sent])) == name


@pytest.mark.parametrize("quic", SALTS)
@pytest.mark.parametrize("number", [b"\0", b"\0\1", b"\x01\x02\x03", b"\x7f\xff\xff\xff"])
def test_every_version(quic: int, number: bytes) -> None:
    assert named(feed([packet(crypto(0, HELLO), quic=quic, number=number)])) == "chat.example.com"


def client(*, quic: int = V1, name: str = "chat.openai.com", protocols: Sequence[str] = ("h3",)) -> QuicConnection:
    configuration = QuicConfiguration(
        is_client=True,
        server_name=name,
        alpn_protocols=list(protocols),
        original_version=quic,
        supported_versions=[quic],
        verify_mode=0,
    )
    connection = QuicConnection(configuration=configuration)
    connection.connect(("192.0.2.1", 443), now=0.0)
    return connection


def sent_by(connection: QuicConnection, now: float = 0.0) -> list[bytes]:
    return [datagram for datagram, _ in connection.datagrams_to_send(now=now)]


@pytest.mark.parametrize("quic", [V1, V2])
def test_a_real_client(quic: int) -> None:
    hello = feed(sent_by(client(quic=quic)))
    assert isinstance(hello, ClientHello)
    assert (hello.server_name, hello.alpn, hello.version) == ("chat.openai.com", ("h3",), 0x0304)
    assert ja4(hello, quic=True).startswith("q13d03")


@pytest.mark.parametrize("quic", [V1, V2])
def test_a_real_hello_over_several_datagrams_in_any_order(quic: int) -> None:
    datagrams = sent_by(client(quic=quic, protocols=[f"a-long-protocol-{number}" for number in range(120)]))
    assert len(datagrams) in {2, 3}
    for order in permutations(datagrams):
        crypt = Crypto()
        answers = [crypt.add(datagram, 0, len(datagram)) for datagram in order]
        assert answers[:-1] == [MORE] * (len(order) - 1)
        assert named(answers[-1]) == "chat.openai.com"


def server(origin: bytes) -> QuicConnection:
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chat.openai.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=9)).sign(
        key, SHA256()
    )
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["h3"], certificate=certificate, private_key=key, supported_versions=[V1, V2]
    )
    return QuicConnection(configuration=configuration, original_destination_connection_id=origin)


def test_both_directions_of_a_real_connection() -> None:
    one = client()
    first = sent_by(one)
    other = server(one.original_destination_connection_id)
    for datagram in first:
        other.receive_datagram(datagram, ("192.0.2.9", 9), now=0.0)
    answers = sent_by(other)
    assert initials(answers[0], 0, len(answers[0])) == ()
    assert feed(answers) is None
    for datagram in answers:
        one.receive_datagram(datagram, ("192.0.2.1", 443), now=0.1)
    later = sent_by(one, now=0.1)
    assert initials(later[0], 0, len(later[0])) == ()
    opened = initials(later[0], 0, len(later[0]), one.original_destination_connection_id)
    assert opened is not None
    assert [initial.pieces for initial in opened] == [()]
    assert feed(later) is None
    assert named(feed([*first, *answers, *later])) == "chat.openai.com"


def test_a_real_retry() -> None:
    one = client()
    crypt = Crypto()
    assert named(feed(sent_by(one), crypt)) == "chat.openai.com"
    retry = encode_quic_retry(
        version=V1,
        source_cid=SERVER,
        destination_cid=one.host_cid,
        original_destination_cid=one.original_destination_connection_id,
        retry_token=b"a token",
    )
    assert initials(retry, 0, len(retry)) is None
    one.receive_datagram(retry, ("192.0.2.1", 443), now=0.1)
    again = sent_by(one, now=0.1)
    found = initials(again[0], 0, len(again[0]))
    assert found is not None
    assert [(initial.token_length, initial.origin) for initial in found] == [(7, SERVER)]
    assert named(feed(again, crypt)) == "chat.openai.com"
    assert crypt.origin == SERVER


def test_after_a_retry_to_an_empty_id() -> None:
    whole = packet(crypto(0, HELLO), dcid=b"", token=b"token")
    assert named(feed([whole])) == "chat.example.com"


def test_a_client_that_uses_the_id_the_server_chose() -> None:
    first = packet(crypto(0, LONG[:900]))
    second = packet(crypto(900, LONG[900:]), dcid=SERVER, origin=ORIGIN)
    assert named(feed([first, second])) == "chat.example.com"
    assert initials(second, 0, len(second)) == ()
    assert feed([second]) is None  # picked up in the middle: nobody knows the keys
    assert feed([second], Crypto(ORIGIN)) is MORE
    assert named(feed([second, first], Crypto(ORIGIN))) == "chat.example.com"


def test_a_client_that_goes_on_in_another_version() -> None:
    first = packet(crypto(0, LONG[:900]))
    second = packet(crypto(900, LONG[900:]), quic=V2, dcid=SERVER, origin=ORIGIN)
    assert named(feed([first, second])) == "chat.example.com"


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
        ([(offset, b"x") for offset in range(2, 2 + 2 * 257, 2)], None),
        ([(offset, b"x") for offset in range(2, 2 + 2 * 256, 2)], MORE),
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
    agreed = True
    crypt = Crypto()
    answer: ClientHello | More | None = None
    for offset, piece in pieces:
        answer = feed([packet(crypto(offset, piece))], crypt)
        agreed = agreed and all(plain.setdefault(offset + at, byte) == byte for at, byte in enumerate(piece))
        agreed = agreed and plain.get(0, 1) == 1 and plain.get(0, 3) in {1, 3}
        if not agreed or (0 in plain and 4 in plain):
            return
        assert answer is MORE
        assert crypt.held == len(plain)


LOADED = "import sys; from aimscope_agent.protocols import quic_initial; print('cryptography' in sys.modules)"
MISSING = """
import sys
sys.modules["cryptography"] = None
from aimscope_agent.protocols.quic_initial import AVAILABLE, Crypto, initials
data = bytes.fromhex(sys.argv[1])
print(AVAILABLE, initials(data, 0, len(data)), Crypto().add(data, 0, len(data)))
"""


@pytest.mark.parametrize(("program", "told"), [(LOADED, "False"), (MISSING, "False () None")])
def test_the_library_is_loaded_late_and_may_be_missing(program: str, told: str) -> None:
    arguments = [sys.executable, "-c", program, packet(crypto(0, HELLO)).hex()]
    ended = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert ended.stdout.strip() == told
    assert AVAILABLE
