"""JA4 as its authors publish it, with their example and every edge their description names."""

from __future__ import annotations

import pytest

from aimscope_agent.protocols.ja4 import ja4
from aimscope_agent.protocols.tls_hello import ClientHello

GREASE = (0x0A0A, 0x1A1A, 0xFAFA)


def values(text: str) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in text.split(","))


CHROME = ClientHello(
    server_name="example.com",
    alpn=("h2", "http/1.1"),
    version=0x0304,
    ciphers=values("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"),
    extensions=values("001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"),
    signature_algorithms=values("0403,0804,0401,0503,0805,0501,0806,0601"),
    ech="",
    legacy_version=0x0303,
)
BARE = CHROME._replace(alpn=(), ciphers=(), extensions=(), signature_algorithms=())


def test_the_published_example() -> None:
    assert ja4(CHROME) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_grease_counts_nowhere() -> None:
    greased = CHROME._replace(
        ciphers=(GREASE[0], *CHROME.ciphers),
        extensions=(GREASE[1], *CHROME.extensions, GREASE[2]),
        signature_algorithms=(*GREASE, *CHROME.signature_algorithms),
    )
    assert ja4(greased) == ja4(CHROME)


def test_no_grease_though_it_looks_alike() -> None:
    assert ja4(CHROME._replace(ciphers=(*CHROME.ciphers, 0x0A1A)))[6:8] == "16"


def test_order_matters_only_for_signature_algorithms() -> None:
    turned = CHROME._replace(ciphers=CHROME.ciphers[::-1], extensions=CHROME.extensions[::-1])
    assert ja4(turned) == ja4(CHROME)
    assert ja4(CHROME._replace(signature_algorithms=CHROME.signature_algorithms[::-1])) != ja4(CHROME)


def test_transport() -> None:
    assert ja4(CHROME, quic=True) == "q" + ja4(CHROME)[1:]


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (0x0304, "13"),
        (0x0303, "12"),
        (0x0302, "11"),
        (0x0301, "10"),
        (0x0300, "s3"),
        (0x0002, "s2"),
        (0x7F1C, "00"),
    ],
)
def test_version(version: int, shown: str) -> None:
    assert ja4(CHROME._replace(version=version))[1:3] == shown


def test_without_server_name_extension() -> None:
    addressed = CHROME._replace(server_name="", extensions=tuple(kind for kind in CHROME.extensions if kind))
    assert ja4(addressed) == "t13i1515h2_8daaf6152771_e5627efa2ab1"


def test_a_name_that_is_none_was_still_sent() -> None:
    assert ja4(CHROME._replace(server_name="", name_flaw="invalid")) == ja4(CHROME)


@pytest.mark.parametrize(
    ("protocols", "shown"),
    [
        ((b"h2", b"http/1.1"), "h2"),
        ((b"http/1.1", b"h2"), "h1"),
        ((b"h3",), "h3"),
        ((), "00"),
        ((b"", b"h2"), "00"),
        ((b"x",), "xx"),
        ((b"\xab",), "ab"),
        ((b"\xab\xcd",), "ad"),
        ((b"\x30\xab",), "3b"),
        ((b"\x30\x31\xab\xcd",), "3d"),
        ((b"\x30\xab\xcd\x31",), "01"),
        (("ä".encode("latin-1"),), "e4"),
        ((b"h-",), "6d"),
    ],
)
def test_first_protocol(protocols: tuple[bytes, ...], shown: str) -> None:
    hello = CHROME._replace(alpn=tuple(name.decode("latin-1") for name in protocols))
    assert ja4(hello)[8:10] == shown


def test_counts_end_at_99() -> None:
    many = CHROME._replace(ciphers=tuple(range(150)), extensions=tuple(range(100)))
    assert ja4(many)[4:8] == "9999"
    assert ja4(CHROME._replace(ciphers=tuple(range(1, 7))))[4:6] == "06"


def test_without_signature_algorithms() -> None:
    assert ja4(CHROME._replace(signature_algorithms=())).endswith("_6d807ffa2a79")


def test_nothing_to_hash() -> None:
    assert ja4(BARE) == "t13i000000_000000000000_000000000000"
    named_only = BARE._replace(extensions=(0, 16), signature_algorithms=(0x0403,))
    assert ja4(named_only) == "t13d000200_000000000000_000000000000"
