"""Names of hellos that real clients and hostile ones send: whole or not at all."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.more import MORE
from aimscope_agent.protocols.tls_hello import LIMIT, ClientHello, from_body, handshake, in_records

GREASE = 0x2A2A
NAME = re.compile(r"[a-z0-9_.-]{0,253}")


def counted(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data


def numbers(*values: int) -> bytes:
    return pack(f">{len(values)}H", *values)


def name_field(*names: bytes, kind: int = 0) -> bytes:
    return counted(b"".join(bytes([kind]) + counted(name, 2) for name in names), 2)


def message(
    extensions: Sequence[tuple[int, bytes]] | None = ((0, name_field(b"api.example.com")),),
    *,
    ciphers: Sequence[int] = (0x1301, 0x1302),
    version: int = 0x0303,
    session: bytes = bytes(32),
) -> bytes:
    body = pack(">H", version) + bytes(range(32)) + counted(session, 1) + counted(numbers(*ciphers), 2) + b"\x01\x00"
    if extensions is not None:
        body += counted(b"".join(pack(">H", kind) + counted(field, 2) for kind, field in extensions), 2)
    return b"\x01" + counted(body, 3)


def records(data: bytes, *cuts: int, kind: int = 22) -> bytes:
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[low:high] for low, high in pairwise(edges) if low < high]
    return b"".join(bytes([kind, 3, 1]) + counted(part, 2) for part in parts)


def whole(data: bytes) -> ClientHello:
    hello = in_records(data, 0, len(data))
    assert isinstance(hello, ClientHello)
    return hello


def from_openssl(name: str | None, *, protocols: Sequence[str] = (), highest: ssl.TLSVersion | None = None) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if highest is not None:
        context.maximum_version = highest
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def test_openssl() -> None:
    hello = whole(from_openssl("API.OpenAI.com", protocols=["h2", "http/1.1"]))
    assert (hello.server_name, hello.name_flaw) == ("api.openai.com", "")
    assert hello.alpn == ("h2", "http/1.1")
    assert (hello.version, hello.legacy_version, hello.ech) == (0x0304, 0x0303, "")
    assert {0x1301, 0x1302, 0x1303} <= set(hello.ciphers)
    assert {0, 16, 43, 51} <= set(hello.extensions)
    assert 0x0403 in hello.signature_algorithms


def test_openssl_of_yesterday() -> None:
    hello = whole(from_openssl("api.openai.com", highest=ssl.TLSVersion.TLSv1_2))
    assert (hello.version, hello.server_name, hello.alpn) == (0x0303, "api.openai.com", ())


def test_openssl_to_an_address_sends_no_name() -> None:
    hello = whole(from_openssl(None))
    assert (hello.server_name, hello.name_flaw) == ("", "")
    assert 0 not in hello.extensions


@pytest.mark.parametrize("key_share", [0, 1216])
def test_a_hello_over_two_segments_waits_for_the_second(key_share: int) -> None:
    sent = (
        records(message([(51, numbers(0x11EC) + counted(bytes(key_share), 2)), (0, name_field(b"claude.example"))]))
        if key_share
        else from_openssl("claude.example", protocols=[f"protocol-{number}" for number in range(150)])
    )
    assert (len(sent) > 1460) or key_share
    assert {in_records(sent, 0, end) for end in range(len(sent))} == {MORE}
    assert whole(sent).server_name == "claude.example"


def test_what_follows_a_hello_is_not_looked_at() -> None:
    sent = from_openssl("api.example.com")
    assert whole(sent + b"\xff" * 9).server_name == "api.example.com"
    assert whole(records(message() + b"\x04\x00\x00\x00")).server_name == "api.example.com"


def test_the_place_in_a_buffer_is_respected() -> None:
    sent = records(message())
    assert in_records(b"xx" + sent + sent, 2, 2 + len(sent)) == whole(sent)
    assert in_records(b"xx" + sent + sent, 2, 1 + len(sent)) is MORE


@given(st.lists(st.integers(0, 300)), st.sampled_from([b"", records(b"\x01", kind=20), records(b"\x01\x00", kind=21)]))
def test_fragments_and_records_before(cuts: list[int], before: bytes) -> None:
    sent = before + records(message(), *cuts)
    assert whole(sent).server_name == "api.example.com"
    assert {in_records(sent, 0, end) for end in range(len(before) + 1)} == {MORE}
    answers = [in_records(sent, 0, end) for end in range(len(sent))]
    assert {getattr(answer, "server_name", "api.example.com") for answer in answers} == {"api.example.com"}
    assert None not in answers


def test_one_byte_to_a_record() -> None:
    sent = records(message(), *range(300))
    assert whole(sent).server_name == "api.example.com"


@pytest.mark.parametrize(
    "other",
    [
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80",  # SSL 2
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        records(b"\x02" + message()[1:]),  # a server's hello
        records(b"\x00" * 40, kind=23),  # data, from the middle of a connection
        records(message(), 20)[:25] + records(b"\x01\x00", kind=21),  # fragments do not mix with others
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x09\x00\x20",
        b"\x16\x02",
        records(b"\x01\x00\x00\x40\xfe\xfd"),
        records(b"\x01\xff\xff\xff\x03\x03"),
        records(message(session=bytes(33))),
        records(b"\x01" + counted(message()[4:-1], 3)),
        records(b"\x01" + counted(message()[4:] + b"\x00", 3)),
    ],
)
def test_other_things(other: bytes) -> None:
    assert in_records(other, 0, len(other)) is None


def test_waiting_has_an_end() -> None:
    endless = records(b"\x01\x00\xff\xf0\x03\x03" + bytes(70_000), *range(10_000, 70_000, 10_000))
    assert in_records(endless, 0, 60_000) is MORE
    assert in_records(endless, 0, LIMIT) is None
    alerts = records(b"\x01\x00", kind=21) * 10_000
    assert in_records(alerts, 0, len(alerts)) is None


@pytest.mark.parametrize(
    ("sent", "read", "flaw"),
    [
        (b"API.OpenAI.com.", "api.openai.com", ""),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example", ""),
        (b"my_tenant.openai.azure.com", "my_tenant.openai.azure.com", ""),
        (b"localhost", "localhost", ""),
        (b"3.example", "3.example", ""),
        (b"1.2.3.4", "", "address"),
        (b"2001:db8::1", "", "address"),
        (b"[2001:db8::1]", "", "address"),
        (b"1.2.3", "", "invalid"),
        (b"", "", "invalid"),
        (b".", "", "invalid"),
        (b"a..b", "", "invalid"),
        (b".a", "", "invalid"),
        (b"api.openai.com\0.evil.example", "", "invalid"),
        (b"api.openai.com\n", "", "invalid"),
        (b"api.openai.com ", "", "invalid"),
        (b"*.openai.com", "", "invalid"),
        ("bücher.example".encode(), "", "invalid"),
        (b"a" * 63 + b".example", "a" * 63 + ".example", ""),
        (b"a" * 64 + b".example", "", "invalid"),
        (b"a." * 126 + b"a", "a." * 126 + "a", ""),
        (b"a." * 127 + b"a", "", "invalid"),
        (b"host:443", "", "invalid"),
        (b"user@host", "", "invalid"),
    ],
)
def test_names(sent: bytes, read: str, flaw: str) -> None:
    hello = whole(records(message([(0, name_field(sent))])))
    assert (hello.server_name, hello.name_flaw) == (read, flaw)


@pytest.mark.parametrize(
    "fields",
    [
        [name_field(b"a.example", b"b.example")],
        [name_field(b"a.example"), name_field(b"b.example")],
        [name_field(b"a.example", kind=1)],
        [name_field(b"a.example") + b"\0"],
        [name_field(b"a.example")[:-1]],
        [b"\x00\x0c\x00\x00\x0aa.example"],
        [b""],
    ],
)
def test_no_name_is_guessed(fields: list[bytes]) -> None:
    hello = whole(records(message([(0, field) for field in fields])))
    assert (hello.server_name, hello.name_flaw) == ("", "invalid")


def encrypted(kind: int = 0, payload: bytes = bytes(144)) -> bytes:
    return bytes([kind]) + numbers(1, 1) + b"\x07" + counted(bytes(32), 2) + counted(payload, 2)


@pytest.mark.parametrize(
    ("field", "ech"),
    [
        (encrypted(), "outer"),
        (b"\x01", "inner"),
        (encrypted(2), ""),
        (encrypted(payload=b""), ""),
        (encrypted() + b"\0", ""),
        (encrypted()[:20], ""),
        (b"", ""),
    ],
)
def test_encrypted_hello(field: bytes, ech: str) -> None:
    hello = whole(records(message([(0, name_field(b"front.example")), (0xFE0D, field)])))
    assert (hello.ech, hello.server_name) == (ech, "front.example")


@pytest.mark.parametrize(
    ("field", "version"),
    [
        (b"\x06" + numbers(GREASE, 0x0304, 0x0303), 0x0304),
        (b"\x04" + numbers(0x0303, 0x0304), 0x0304),
        (b"\x02" + numbers(GREASE), 0x0301),
        (b"\x03" + numbers(0x0304), 0x0301),
        (b"", 0x0301),
    ],
)
def test_versions(field: bytes, version: int) -> None:
    assert whole(records(message([(43, field)], version=0x0301))).version == version


def test_lists_are_kept_as_sent() -> None:
    sent = message(
        [
            (GREASE, b""),
            (16, counted(b"".join(counted(name, 1) for name in (b"\xabx", b"h2", b"")), 2)),
            (13, counted(numbers(0x0804, 0x0403), 2)),
        ],
        ciphers=[GREASE, 0x1302, 0x1301],
    )
    hello = whole(records(sent))
    assert hello.ciphers == (GREASE, 0x1302, 0x1301)
    assert hello.extensions == (GREASE, 16, 13)
    assert hello.alpn == ("\xabx", "h2", "")
    assert hello.signature_algorithms == (0x0804, 0x0403)


def test_without_extensions() -> None:
    hello = whole(records(message(None)))
    assert (hello.server_name, hello.name_flaw, hello.extensions) == ("", "", ())


def test_bare_message() -> None:
    sent = message()
    assert {handshake(sent, 0, end) for end in range(len(sent))} == {MORE}
    assert handshake(b"x" + sent + b"y", 1, 2 + len(sent)) == handshake(sent, 0, len(sent))
    assert handshake(b"\x02" + sent[1:], 0, len(sent)) is None


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    for hello in (
        in_records(data, 0, len(data)),
        handshake(data, 0, len(data)),
        in_records(b"\x16\x03\x01" + counted(data, 2), 0, 5 + len(data)),
        from_body(data),
    ):
        if isinstance(hello, ClientHello):
            assert NAME.fullmatch(hello.server_name)


@given(st.data())
def test_a_damaged_hello_never_raises(data: st.DataObject) -> None:
    sent = bytearray(
        records(message([(0, name_field(b"api.example.com")), (43, b"\x02\x03\x04"), (0xFE0D, encrypted())]))
    )
    for place in data.draw(st.lists(st.integers(0, len(sent) - 1), min_size=1, max_size=4)):
        sent[place] = data.draw(st.integers(0, 255))
    hello = in_records(sent, 0, len(sent))
    if isinstance(hello, ClientHello):
        assert NAME.fullmatch(hello.server_name)
        assert not (hello.server_name and hello.name_flaw)
