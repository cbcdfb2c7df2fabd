"""What a host name is, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dns_names import address, authority, host, host_name, literal

LONG = ".".join(["a" * 63, "b" * 63, "c" * 63])


def test_host_names() -> None:
    assert host_name("API.OpenAI.com.") == "api.openai.com"
    assert host_name(b"_x.example") == "_x.example"
    for wrong in (
        "",
        ".",
        "a..b",
        "a.example..",
        "a b",
        "a/b",
        "a*b",
        "bücher.example",
        "a" * 64,
        "a\n",
        "a.\n",
        f"{LONG}.{'d' * 62}",
    ):
        assert host_name(wrong) == ""


def test_addresses() -> None:
    assert address(b"\xc0\0\2\1") == "192.0.2.1"
    assert address(bytes.fromhex("20010db8000000000000000000000001")) == "2001:db8::1"
    assert address(bytes(10) + b"\xff\xff\xc0\0\2\1") == "192.0.2.1"
    assert address(b"\1\2\3") == ""
    assert literal(b"192.0.2.1") == literal(b"::ffff:192.0.2.1") == "192.0.2.1"
    assert literal(b"dead.beef") == literal(b"1.2.3") == literal(b"::g") == literal(b"fe80::1]") == ""
    assert host(b"2001:DB8::1") == "2001:db8::1"
    assert host(b"a.example") == "a.example"
    assert host(b"a:b") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Example.com", ("example.com", 0)),
        (b"example.com.:443", ("example.com", 443)),
        (b"[2001:DB8::1]:8080", ("2001:db8::1", 8080)),
        (b"[::1]", ("::1", 0)),
        (b"10.0.0.5:11434", ("10.0.0.5", 11434)),
        (b"example.com:", ("example.com", 0)),
        (b"example.com:65536", ("", 0)),
        (b"example.com:a", ("", 0)),
        (b"user@example.com", ("", 0)),
        (b"a.example, b.example", ("", 0)),
        (b"2001:db8::1", ("", 0)),
        (b"[a.example]", ("", 0)),
        (b"", ("", 0)),
    ],
)
def test_authorities(text: bytes, expected: tuple[str, int]) -> None:
    assert authority(text) == expected


@given(st.binary(max_size=80))
def test_any_bytes_as_a_name(data: bytes) -> None:
    for found in (host_name(data), host(data), literal(data), authority(data)[0]):
        assert not found or found.encode() in data.lower() or ":" in found or literal(found.encode()) == found
    assert len(host_name(data)) <= 253
