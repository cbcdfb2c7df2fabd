"""Hellos over datagrams: whole ones only."""

from __future__ import annotations

from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dtls_hello import in_datagram
from aimscope_agent.protocols.ja4 import ja4

NAME = b"\0\x0e\0\0\x0bexample.com"
FIELDS = pack(">HH", 0, len(NAME)) + NAME + b"\0\x2b\0\x05\x04\xfe\xfc\xfe\xfd"
BODY = b"\xfe\xfd" + bytes(32) + b"\0" + b"\x14" + bytes(20) + b"\0\2\x13\x01\1\0" + pack(">H", len(FIELDS)) + FIELDS


def datagram(
    body: bytes = BODY, *, offset: int = 0, fragment: int | None = None, version: bytes = b"\xfe\xff"
) -> bytes:
    length = len(body).to_bytes(3, "big")
    size = len(body) if fragment is None else fragment
    message = b"\1" + length + b"\0\0" + offset.to_bytes(3, "big") + size.to_bytes(3, "big") + body[offset:][:size]
    return b"\x16" + version + bytes(8) + pack(">H", len(message)) + message


def test_a_hello() -> None:
    sent = datagram()
    hello = in_datagram(b"x" + sent + b"y", 1, 1 + len(sent))
    assert hello is not None
    assert (hello.server_name, hello.version, hello.legacy_version) == ("example.com", 0xFEFC, 0xFEFD)
    assert ja4(hello, dtls=True).startswith("dd3d010200_")


def test_a_cut_or_fragmented_hello_is_none() -> None:
    sent = datagram()
    assert {in_datagram(sent, 0, end) for end in range(len(sent))} == {None}
    for part in (datagram(fragment=80), datagram(offset=80, fragment=10), datagram(version=b"\x03\x03")):
        assert in_datagram(part, 0, len(part)) is None


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(data: bytes, headed: bool) -> None:
    data = datagram(data) if headed else data
    in_datagram(data, 0, len(data))
