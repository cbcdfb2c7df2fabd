"""Whose connection a balancer passes on."""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dns_names import host_name, literal
from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.proxy_protocol import Header, header

MAGIC = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n"


def binary(family: int, body: bytes, command: int = 0x21) -> bytes:
    return MAGIC + bytes([command, family]) + pack(">H", len(body)) + body


def ends(client: str, server: str) -> bytes:
    return ip_address(client).packed + ip_address(server).packed + pack(">HH", 40_000, 443)


def addition(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + pack(">H", len(value)) + value


V4 = ends("192.0.2.7", "198.51.100.1")
V6 = ends("2001:db8::7", "2001:db8::1")
NAMED = binary(0x11, V4 + addition(3, b"\1\2\3\4") + addition(2, b"API.OpenAI.com") + addition(4, b"\0\0"))


def read(data: bytes) -> Header | More | None:
    return header(b"x" + data + b"\x16\3\1", 1, 1 + len(data))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (LINE, ("192.0.2.7", 40_000, "198.51.100.1", 443, "")),
        (b"PROXY TCP6 2001:DB8::7 2001:db8:0::1 1 65535\r\n", ("2001:db8::7", 1, "2001:db8::1", 65_535, "")),
        (b"PROXY UNKNOWN\r\n", ("", 0, "", 0, "")),
        (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", ("", 0, "", 0, "")),
        (binary(0x11, V4), ("192.0.2.7", 40_000, "198.51.100.1", 443, "")),
        (binary(0x12, V4), ("192.0.2.7", 40_000, "198.51.100.1", 443, "")),
        (binary(0x21, V6), ("2001:db8::7", 40_000, "2001:db8::1", 443, "")),
        (NAMED, ("192.0.2.7", 40_000, "198.51.100.1", 443, "api.openai.com")),
        (binary(0x11, V4 + addition(2, b"not a name")), ("192.0.2.7", 40_000, "198.51.100.1", 443, "")),
        (binary(0x00, addition(2, b"api.openai.com")), ("", 0, "", 0, "api.openai.com")),
        (binary(0x31, bytes(216)), ("", 0, "", 0, "")),
        (binary(0x00, b"", 0x20), ("", 0, "", 0, "")),
        (binary(0x11, V4, 0x20), ("", 0, "", 0, "")),
    ],
)
def test_headers(data: bytes, expected: tuple[str, int, str, int, str]) -> None:
    found = read(data)
    assert isinstance(found, Header)
    assert (found.client, found.client_port, found.server, found.server_port, found.authority) == expected
    assert found.end == 1 + len(data)
    assert all(read(data[:cut]) is MORE for cut in range(len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXI",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.300 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 dead.beef 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n\r\n",
        b"PROXY UNKNOWN\x1b[31m\r\n",
        b"PROXY UNKNOWN " + b"a" * 100,
        b"PROXY UNKNOWN " + b"a" * 100 + b"\r\n",
        MAGIC + b"\x11",
        binary(0x11, V4, 0x31),
        binary(0x11, V4, 0x22),
        binary(0x41, V4),
        binary(0x11, V4[:-1]),
        binary(0x21, V4),
        binary(0x11, V4 + b"\2\0"),
        binary(0x11, V4 + b"\2\0\x20api.openai.com"),
        binary(0x11, V4 + bytes(5_000)),
        MAGIC[:-1] + b"\r",
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    assert read(data) is None


@given(st.binary(max_size=300), st.integers(0, 2))
def test_any_bytes(data: bytes, start: int) -> None:
    for whole in (data, b"PROXY " + data + b"\r\n", MAGIC + data, MAGIC + b"\x21\x11\0\x20" + data):
        found = header(whole, start, len(whole))
        if isinstance(found, Header):
            assert start < found.end <= len(whole)
            assert found.authority == host_name(found.authority)
            assert (found.client, found.server) == (literal(found.client.encode()), literal(found.server.encode()))


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 65_535), st.data())
def test_a_part_never_gives_another_address(client: object, server: object, port: int, data: st.DataObject) -> None:
    whole = f"PROXY TCP4 {client} {server} {port} 443\r\n".encode()
    assert read(whole[: data.draw(st.integers(0, len(whole) - 1))]) is MORE
    assert read(whole) == Header(str(client), port, str(server), 443, 1 + len(whole))
