"""Where a client asks a SOCKS proxy to connect; users and passwords are skipped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dns_names import host
from aimscope_agent.protocols.more import MORE, More
from aimscope_agent.protocols.socks import Greeting, Request, greeting, opening, request

NAME = b"API.OpenAI.com"
HELLO = b"\5\1\0"
HELLO_CURL = b"\5\3\0\1\2"
LOGIN = b"\1\3ann\6secret"
TO_NAME = b"\5\1\0\3" + bytes([len(NAME)]) + NAME + b"\1\xbb"
TO_V4 = b"\5\1\0\1\xc0\0\2\7\0\x50"
TO_V6 = b"\5\1\0\4" + bytes.fromhex("20010db8000000000000000000000001") + b"\1\xbb"
OLD = b"\4\1\1\xbb\xc0\0\2\7ann\0"
OLD_NAME = b"\4\1\1\xbb\0\0\0\1ann\0" + NAME + b"\0"
WHOLE = [HELLO + TO_NAME, HELLO_CURL + TO_NAME, HELLO_CURL + LOGIN + TO_NAME, OLD_NAME]


def read(data: bytes) -> Request | More | None:
    found = opening(b"x" + data + b"\x16\3\1", 1, 1 + len(data))
    if isinstance(found, Request):
        assert found.end <= 1 + len(data)
    return found


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (HELLO + TO_NAME, (5, "connect", "api.openai.com", 443)),
        (HELLO + TO_V4, (5, "connect", "192.0.2.7", 80)),
        (HELLO + TO_V6, (5, "connect", "2001:db8::1", 443)),
        (HELLO_CURL + LOGIN + TO_NAME, (5, "connect", "api.openai.com", 443)),
        (HELLO_CURL + b"\1\1a\0" + TO_V4, (5, "connect", "192.0.2.7", 80)),
        (HELLO_CURL + TO_NAME, (5, "connect", "api.openai.com", 443)),
        (HELLO + b"\5\3\0\1\0\0\0\0\0\0", (5, "udp", "0.0.0.0", 0)),
        (HELLO + b"\5\1\0\3\x0a2001:db8::\1\xbb", (5, "connect", "2001:db8::", 443)),
        (HELLO + b"\5\1\0\3\4a b.\1\xbb", (5, "connect", "", 443)),
        (OLD, (4, "connect", "192.0.2.7", 443)),
        (OLD_NAME, (4, "connect", "api.openai.com", 443)),
        (b"\4\2\0\0\xc0\0\2\7\0", (4, "bind", "192.0.2.7", 0)),
    ],
)
def test_where_to(data: bytes, where: tuple[int, str, str, int]) -> None:
    found = read(data)
    assert isinstance(found, Request)
    assert (found.version, found.command, found.host, found.port) == where
    assert found.end == 1 + len(data)
    assert all(read(data[:cut]) is MORE for cut in range(len(data)))


def test_the_parts_one_by_one() -> None:
    data = HELLO_CURL + LOGIN + TO_NAME
    hello = greeting(data, 0, len(HELLO_CURL))
    assert hello == Greeting(frozenset({0, 1, 2}), len(HELLO_CURL))
    for at in (len(HELLO_CURL), len(HELLO_CURL + LOGIN)):
        found = request(data, at, len(data))
        assert isinstance(found, Request)
        assert (found.host, found.end) == ("api.openai.com", len(data))


def test_nothing_of_user_and_password_is_kept() -> None:
    for data in (HELLO_CURL + LOGIN + TO_NAME, OLD_NAME):
        assert "ann" not in repr(read(data))
        assert "secret" not in repr(read(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\5\0",
        b"\5\2\0\0",
        b"\5\1\xff",
        b"\6\1\0",
        HELLO + b"\5\4\0\3",
        HELLO + b"\5\1\1\3",
        HELLO + b"\5\1\0\2",
        HELLO + b"\5\1\0\3\0\1\xbb",
        HELLO + b"\4" + TO_NAME[1:],
        HELLO + LOGIN + TO_NAME,  # nobody offered to log in
        HELLO_CURL + b"\1\0\6secret" + TO_NAME,
        HELLO_CURL + LOGIN + b"\6",
        HELLO + b"\x16\3\1\2\0\1\0",
        b"\4\3\1\xbb\xc0\0\2\7\0",
        b"\4\1\0\0\xc0\0\2\7\0",
        b"\4\1\1\xbb\0\0\0\0\0",
        b"\4\1\1\xbb\0\1\2\3\0",
        b"\4\1\1\xbb\xff\0\2\7\0",
        b"\4\1\1\xbb\xc0\0\2\7a\1b\0",
        b"\4\1\1\xbb\xc0\0\2\7" + b"a" * 256,
        b"\4\1\1\xbb\0\0\0\1\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\3\1\2\0",
    ],
)
def test_what_is_no_socks(data: bytes) -> None:
    assert read(data) is None


@given(st.binary(max_size=300), st.integers(0, 2))
def test_any_bytes(data: bytes, start: int) -> None:
    for whole in (data, HELLO + data, HELLO_CURL + data, b"\4\1\1\xbb\0\0\0\1" + data, TO_NAME[:4] + data):
        for found in (opening(whole, start, len(whole)), request(whole, start, len(whole))):
            if isinstance(found, Request):
                assert found.end <= len(whole)
                assert found.host == host(found.host.encode())
        greeting(whole, start, len(whole))


@given(st.sampled_from(WHOLE), st.data())
def test_a_part_never_gives_another_name(whole: bytes, data: st.DataObject) -> None:
    found = read(whole[: data.draw(st.integers(0, len(whole)))])
    assert found is MORE or (isinstance(found, Request) and found.host == "api.openai.com")
