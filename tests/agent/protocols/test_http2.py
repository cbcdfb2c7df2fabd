"""Requests of HTTP/2 without encryption, as the library h2 and our own hand write them."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Sequence
from functools import cache

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols import http2
from aimscope_agent.protocols.dns_names import host
from aimscope_agent.protocols.http2 import LARGEST_BLOCK, PREFACE, Request, Stream, authority
from aimscope_agent.protocols.more import MORE

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
Headers = Sequence[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(headers: Headers) -> bytes:
    return bytes(Encoder().encode(list(headers)))


def asked(
    name: str = "api.openai.com", path: str = "/v1/models", method: str = "GET", *more: tuple[str, str]
) -> Headers:
    return [(":method", method), (":scheme", "http"), (":authority", name), (":path", path), *more]


@cache
def connection() -> bytes:
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    secret = ("authorization", "Bearer sk-secret")
    client.send_headers(
        1, asked("API.OpenAI.com:8080", "/v1/chat?x=1", "POST", ("user-agent", "OpenAI/Python 1"), secret)
    )
    client.send_data(1, b"a" * 3_000)
    client.send_headers(1, [("x-trailer", "1")], end_stream=True)
    client.send_headers(3, asked("b.example", "/b"), end_stream=True, priority_weight=5)
    client.ping(b"12345678")
    client.send_headers(5, asked("c.example", "/c", "GET", ("x", "y" * 20_000)), end_stream=True)
    return client.data_to_send()


FOUND = [
    Request("POST", "api.openai.com", 8080, "/v1/chat", "OpenAI/Python 1", False, 1),
    Request("GET", "b.example", 0, "/b", "", False, 3),
    Request("GET", "c.example", 0, "/c", "", False, 5),
]


def feed(data: bytes, step: int = 100_000) -> list[Request]:
    stream = Stream()
    return [request for at in range(0, len(data), step) for request in stream.feed(data[at : at + step])]


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 23, 1_000, 100_000])
def test_a_client_in_pieces_of_any_size(step: int) -> None:
    assert feed(connection(), step) == FOUND


def test_the_first_request() -> None:
    data = connection()
    assert authority(b"x" + data, 1, 1 + len(data)) == FOUND[0]
    end = next(cut for cut in range(len(data)) if authority(data, 0, cut) is not MORE)
    assert authority(data, 0, end) == FOUND[0]
    assert end < 300


@pytest.mark.parametrize("flags", [0x04, 0x0C, 0x24, 0x2C])
def test_padding_and_priority(flags: int) -> None:
    payload = (b"\0\0\0\0\7" if flags & 0x20 else b"") + block(asked())
    payload = b"\3" + payload + b"\0\0\0" if flags & 8 else payload
    assert [found.host for found in feed(PREFACE + SETTINGS + frame(1, flags, 1, payload))] == ["api.openai.com"]


def test_continued_headers() -> None:
    whole = block(asked())
    parts = frame(1, 0, 1, whole[:3]) + frame(9, 0, 1, whole[3:9]) + frame(9, 4, 1, whole[9:])
    assert [found.host for found in feed(PREFACE + SETTINGS + parts, 7)] == ["api.openai.com"]
    between = frame(1, 0, 1, whole[:3]) + frame(6, 0, 0, bytes(8)) + frame(9, 4, 1, whole[3:])
    other = frame(1, 0, 1, whole[:3]) + frame(9, 4, 3, whole[3:])
    for wrong in (between, other, frame(9, 4, 1, whole)):
        assert authority(PREFACE + SETTINGS + wrong, 0, len(PREFACE + SETTINGS + wrong)) is None


@pytest.mark.parametrize(
    "rest",
    [
        frame(1, 4, 1, block(asked())),  # headers before the settings
        frame(4, 1, 0, b""),
        frame(4, 0, 1, b""),
        frame(4, 0, 0, b"abc"),
        SETTINGS + frame(1, 4, 0, block(asked())),
        SETTINGS + frame(1, 4, 2, block(asked())),
        SETTINGS + frame(5, 4, 1, block(asked())),
        SETTINGS + frame(1, 0x0C, 1, b"\xff" + block(asked())),
        SETTINGS + frame(1, 0x0C, 1, b""),
        SETTINGS + frame(1, 0x24, 1, b"\0\0"),
        SETTINGS + frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        SETTINGS + frame(1, 4, 1, block(asked())[:-3]),
        SETTINGS + frame(1, 4, 1, b"\x3f\xe1\xff\xff\x03" + block(asked())),  # a table of 128 MiB
        SETTINGS + frame(1, 0, 1, bytes(LARGEST_BLOCK)) + frame(9, 4, 1, b"a"),
        SETTINGS + frame(1, 4, 1, bytes(LARGEST_BLOCK + 1)),
    ],
)
def test_what_is_no_http2(rest: bytes) -> None:
    stream = Stream()
    assert stream.feed(PREFACE + rest) == []
    assert stream.broken
    assert stream.feed(frame(1, 4, 3, block(asked()))) == []
    assert authority(PREFACE + rest, 0, len(PREFACE + rest)) is None


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSN", b"PRI / HTTP/1.1\r\n", b"\x16\3\1"]
)
def test_other_beginnings(data: bytes) -> None:
    assert authority(data, 0, len(data)) is None
    assert authority(data[:0], 0, 0) is MORE


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([(":method", "GET"), (":path", "/"), ("host", "a.example:80")], "a.example"),
        ([*asked("a.example"), ("host", "A.example")], "a.example"),
        ([*asked("a.example"), ("host", "b.example")], ""),
        ([*asked("a.example"), (":authority", "b.example")], ""),
        (asked("ann@a.example"), ""),
        (asked("a b.example"), ""),
        ([(":method", "GET"), (":path", "/")], ""),
        ([(":method", "CONNECT"), (":authority", "chat.openai.com:443")], "chat.openai.com"),
    ],
)
def test_hosts(headers: Headers, name: str) -> None:
    (found,) = feed(PREFACE + SETTINGS + frame(1, 4, 1, block(headers)))
    assert found.host == name
    assert found.is_connect == (headers[0][1] == "CONNECT")


@pytest.mark.parametrize("method", ["", "get", "G T", "GET\r\nHost: b.example"])
def test_without_a_method_it_is_no_request(method: str) -> None:
    assert feed(PREFACE + SETTINGS + frame(1, 4, 1, block(asked(method=method)))) == []


def test_a_bomb_of_headers_is_no_request() -> None:
    """One long header, then many references to it."""
    bomb = block([("x", "y" * 4_000)]) + b"\xbe" * 20_000
    stream = Stream()
    assert stream.feed(PREFACE + SETTINGS + frame(1, 4, 1, bomb)) == []
    assert stream.broken


def test_bodies_are_not_kept() -> None:
    stream = Stream()
    stream.feed(PREFACE + SETTINGS + (2**24 - 1).to_bytes(3, "big") + b"\0\0\0\0\0\1")
    assert stream.feed(bytes(2**24 - 2)) == []
    assert stream.feed(b"\0" + frame(1, 4, 1, block(asked())))[0].host == "api.openai.com"


def test_without_the_library_nothing_is_taken_for_http2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hpack", None)
    spec = importlib.util.spec_from_file_location("without_hpack", http2.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.AVAILABLE, http2.AVAILABLE) == (False, True)
    assert module.authority(connection(), 0, 300) is None
    assert module.Stream().feed(connection()) == []


def test_headers_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        feed(connection())
    assert "sk-secret" not in caplog.text
    assert not caplog.records


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes(data: bytes, step: int) -> None:
    assert authority(data, 0, len(data)) in {None, MORE}
    for whole in (PREFACE + data, PREFACE + SETTINGS + data, PREFACE + SETTINGS + frame(1, 4, 1, data)):
        found = feed(whole)
        assert found == feed(whole, step)
        assert all(request.host == host(request.host.encode()) for request in found)


@given(st.floats(0, 1))
def test_a_part_never_gives_another_name(part: float) -> None:
    found = feed(connection()[: int(part * len(connection()))])
    assert found == FOUND[: len(found)]
