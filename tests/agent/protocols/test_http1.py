"""Whom a request is for; requests as real clients write them."""

from __future__ import annotations

import http.client
import io
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.dns_names import host
from aimscope_agent.protocols.http1 import LONGEST_AGENT, LONGEST_HEAD, LONGEST_PATH, Request, request
from aimscope_agent.protocols.more import MORE, More

CURL = (
    b"POST /v1/chat/completions?user=ann HTTP/1.1\r\nHost: API.OpenAI.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    b"Authorization: Bearer sk-secret\r\nContent-Length: 5\r\n\r\n"
)


class Sent(io.BytesIO):
    """As much of a socket as http.client writes to."""

    def sendall(self, data: bytes) -> None:
        self.write(data)


def by_http_client(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    connection = http.client.HTTPConnection("api.anthropic.com", 8080)
    connection.sock = Sent()
    connection.request(method, url, body, dict(headers or {}))
    return bytes(connection.sock.getvalue())


def read(data: bytes) -> Request | More | None:
    found = request(b"xx" + data + b"yy", 2, 2 + len(data))
    if isinstance(found, Request):
        assert found.end <= 2 + len(data)
    return found


def got(data: bytes) -> Request:
    found = read(data)
    assert isinstance(found, Request)
    return found


def lines(*head: str) -> bytes:
    return "\r\n".join([*head, "", ""]).encode("latin-1")


def test_curl() -> None:
    assert request(CURL + b"hello", 0, len(CURL) + 5) == Request(
        "POST", "api.openai.com", 0, "/v1/chat/completions", "curl/8.5.0", False, "", len(CURL), 5, False
    )


def test_http_client() -> None:
    found = got(by_http_client("POST", "/v1/messages?beta=true", b"{}", {"User-Agent": "Anthropic/Python 0.40"}))
    assert (found.host, found.port, found.path) == ("api.anthropic.com", 8080, "/v1/messages")
    assert (found.user_agent, found.content_length) == ("Anthropic/Python 0.40", 2)


def test_what_a_proxy_is_asked() -> None:
    found = got(lines("GET http://User:pa%40ss@Ollama.Example:11434/api/tags?x#y HTTP/1.1", "Host: other.example"))
    assert (found.host, found.port, found.path) == ("ollama.example", 11434, "/api/tags")
    assert "ss" not in repr(found)
    assert got(lines("GET http://a.example HTTP/1.1")).path == "/"
    assert got(lines("GET http://[2001:db8::1]:80/x HTTP/1.1")).host == "2001:db8::1"


def test_connect() -> None:
    found = got(lines("CONNECT chat.openai.com:443 HTTP/1.1", "Host: chat.openai.com:443", "User-Agent: Mozilla/5.0"))
    assert (found.method, found.host, found.port, found.is_connect) == ("CONNECT", "chat.openai.com", 443, True)
    assert (found.path, found.user_agent) == ("", "Mozilla/5.0")
    assert got(lines("CONNECT [::1]:443 HTTP/1.1")).host == "::1"
    assert read(lines("CONNECT / HTTP/1.1", "Host: a.example")) is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (("GET / HTTP/1.1", "Host: a.example", "host: A.example"), "a.example"),
        (("GET / HTTP/1.1", "Host: a.example", "Host: b.example"), ""),
        (("GET http://c.example/ HTTP/1.1", "Host: a.example", "Host: b.example"), ""),
        (("CONNECT c.example:1 HTTP/1.1", "Host: a.example", "Host: b.example"), ""),
        (("GET / HTTP/1.0",), ""),
        (("GET / HTTP/1.1", "Host:"), ""),
        (("GET / HTTP/1.1", "Host: a.example, b.example"), ""),
        (("GET / HTTP/1.1", "Host: ann@a.example"), ""),
        (("GET / HTTP/1.1", "Host: a.example/x"), ""),
        (("GET / HTTP/1.1", "Host: bücher.example"), ""),
        (("GET / HTTP/1.1", "X-Forwarded-Host: b.example"), ""),
        (("GET / HTTP/1.1", "X: Host: b.example"), ""),
        (("GET http://a@b.example@c.example/ HTTP/1.1",), ""),
        (("GET http://a.example\\@b.example/ HTTP/1.1",), ""),
        (("GET / HTTP/1.1", "Host: \t a.example:80 \t"), "a.example"),
        (("GET / HTTP/1.1", "Host: 10.0.0.5:11434"), "10.0.0.5"),
        (("GET / HTTP/1.1", "Host: [2001:DB8::5]"), "2001:db8::5"),
    ],
)
def test_hosts(head: tuple[str, ...], expected: str) -> None:
    assert got(lines(*head)).host == expected


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n b.example\r\n\r\n",  # a folded line
        b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.11\r\n\r\n",
        b"GET / RTSP/1.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET key\r\n",
        b"GET a.example HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GETX / HTTP/1.1\r\n\r\n",
        b"OPTIONS rtsp://a.example RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b"INVITE sip:a@b.example SIP/2.0\r\n\r\n",
        b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nHost: a.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"EHLO a.example\r\n",
        b"USER ann\r\n",
        b"NICK ann\r\nUSER ann 0 * :Ann\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * LONGEST_HEAD + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * LONGEST_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * LONGEST_HEAD,
    ],
)
def test_what_is_no_request(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("data", [CURL, b"\r\n" + CURL, CURL.replace(b"\r\n", b"\n"), lines("OPTIONS * HTTP/1.1")])
def test_more_until_the_head_is_whole(data: bytes) -> None:
    assert all(read(data[:cut]) is MORE for cut in range(len(data)))
    assert got(data).end == 2 + len(data)


def test_one_request_after_another() -> None:
    data = CURL + b"hello" + lines("GET /b HTTP/1.1", "Host: b.example")
    first = request(data, 0, len(data))
    assert isinstance(first, Request)
    assert first.content_length is not None
    second = request(data, first.end + first.content_length, len(data))
    assert isinstance(second, Request)
    assert (second.host, second.end) == ("b.example", len(data))


@pytest.mark.parametrize(
    ("head", "length", "chunked"),
    [
        ((), 0, False),
        (("Content-Length: 12",), 12, False),
        (("Content-Length: 12", "Content-Length: 12"), 12, False),
        (("Content-Length: 12", "Content-Length: 13"), None, False),
        (("Content-Length: 12, 12",), None, False),
        (("Content-Length: -1",), None, False),
        (("Content-Length: 0x10",), None, False),
        (("Content-Length: " + "9" * 30,), None, False),
        (("Transfer-Encoding: chunked",), None, True),
        (("Transfer-Encoding: gzip, Chunked",), None, True),
        (("Transfer-Encoding: gzip",), None, False),
        (("Content-Length: 12", "Transfer-Encoding: chunked"), None, True),
    ],
)
def test_where_the_next_request_is(head: tuple[str, ...], length: int | None, chunked: bool) -> None:
    found = got(lines("POST / HTTP/1.1", "Host: a.example", *head))
    assert (found.content_length, found.chunked) == (length, chunked)


@pytest.mark.parametrize(
    ("value", "upgrade"),
    [("h2c", "h2c"), ("WebSocket", "websocket"), ("foo, h2c", "h2c"), ("TLS/1.0", ""), ("xh2c", "")],
)
def test_upgrades(value: str, upgrade: str) -> None:
    assert got(lines("GET / HTTP/1.1", "Host: a.example", f"Upgrade: {value}")).upgrade == upgrade


def test_only_so_much_is_kept() -> None:
    found = got(lines(f"GET /{'a' * 5_000}?secret HTTP/1.1", "Host: a.example", f"User-Agent: {'b' * 900}"))
    assert len(found.path) == LONGEST_PATH
    assert len(found.user_agent) == LONGEST_AGENT
    assert got(lines("GET / HTTP/1.1", "User-Agent: \x1b[31mred")).user_agent == ""


@pytest.mark.parametrize("method", ["GET", "PROPFIND", "VERSION-CONTROL", "QUERY", "PATCH", "DELETE"])
def test_methods(method: str) -> None:
    assert got(lines(f"{method} /x HTTP/1.1", "Host: a.example")).method == method


@given(st.binary(max_size=400), st.integers(0, 2))
def test_any_bytes(data: bytes, start: int) -> None:
    for whole in (data, b"GET " + data, b"POST / HTTP/1.1\r\n" + data + b"\r\n\r\n", b"CONNECT " + data + CURL[41:]):
        found = request(whole, start, len(whole))
        if isinstance(found, Request):
            assert found.host == host(found.host.encode())
            assert start < found.end <= len(whole)
            assert "?" not in found.path


@given(st.sampled_from([CURL, lines("GET http://api.openai.com/v1 HTTP/1.1")]), st.data())
def test_a_part_never_gives_another_name(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(whole)))
    found = request(whole[:cut], 0, cut)
    assert found is MORE or (isinstance(found, Request) and found.host == "api.openai.com")
