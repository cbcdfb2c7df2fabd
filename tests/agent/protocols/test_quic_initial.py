"""QUIC's first packets: published vectors, a real client and server, and the library missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import encode_quic_retry
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from tests.agent.protocols.quic_packets import (
    HELLO,
    LONG,
    ORIGIN,
    SALTS,
    SERVER,
    V1,
    V2,
    crypto,
    feed,
    named,
    packet,
    protect,
)

from aimscope_agent.protocols.ja4 import ja4
from aimscope_agent.protocols.more import MORE
from aimscope_agent.protocols.quic_initial import AVAILABLE, Crypto, initials, version
from aimscope_agent.protocols.tls_hello import ClientHello

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
