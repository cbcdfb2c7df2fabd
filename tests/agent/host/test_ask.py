from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import ask

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(answer: Serve, path: Path | None = None) -> Iterator[tuple[str, int]]:
    """A server that treats its first client as ``answer`` does."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen(1)
    requests: list[bytes] = []

    def run() -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            requests.append(client.recv(65_536))
            with contextlib.suppress(OSError):
                answer(client)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname() if path is None else ("", 0)
    finally:
        listener.close()
        thread.join(5)


def plain(text: str) -> Serve:
    return lambda client: client.sendall(text.encode())


def test_status_headers_and_body() -> None:
    text = (
        "HTTP/1.1 200 OK\r\nServer: ollama\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\nOllama is running"
    )
    with server(plain(text)) as address:
        answer = ask.get(address, "/")
    assert answer is not None
    assert (answer.status, answer.headers["server"], answer.body) == (200, "ollama", "Ollama is running")


def test_chunks_are_joined_and_redirects_are_not_followed() -> None:
    with server(
        plain("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    ) as address:
        answer = ask.get(address, "/")
    assert answer is not None
    assert answer.body == "abcde"
    with server(plain("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as address:
        answer = ask.get(address, "/")
    assert answer is not None
    assert answer.status == 302


def test_what_speaks_no_http_is_nobody() -> None:
    for text in ("SSH-2.0-OpenSSH_9.6\r\n", "", "-ERR unknown command\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"):
        with server(plain(text)) as address:
            assert ask.get(address, "/") is None


def test_a_stream_of_events_ends_at_the_deadline_with_what_came() -> None:
    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\n")
        for _ in range(100):
            time.sleep(0.05)
            client.sendall(b": ping\n")

    with server(drip) as address:
        started = time.monotonic()
        answer = ask.get(address, "/sse", seconds=0.4)
        assert time.monotonic() - started < 3
    assert answer is not None
    assert answer.body.startswith("event: endpoint")


def test_endless_headers_and_endless_bodies_are_cut() -> None:
    def endless(prefix: bytes, piece: bytes) -> Serve:
        def run(client: socket.socket) -> None:
            client.sendall(prefix)
            while True:
                client.sendall(piece * 1_000)

        return run

    with server(endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n")) as address:
        assert ask.get(address, "/") is None
    with server(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"body ")) as address:
        answer = ask.get(address, "/")
    assert answer is not None
    assert len(answer.body) == ask.PROBE_BYTES


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with server(plain("HTTP/1.1 204 No Content\r\n\r\n")) as address:
        answer = ask.get(address, "/")
    assert answer is not None
    assert answer.status == 204


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with pytest.raises(OSError):
        ask.get(address, "/")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no local sockets here")
def test_local_sockets(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with server(plain("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"), path):
        answer = ask.get(str(path), "/images/json")
    assert answer is not None
    assert answer.body == "[]"


@pytest.mark.parametrize("path", ["x", "/a b", "/a\r\nHost: x", "/\x00", "/é"])
def test_a_path_stays_within_its_line(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        ask.get(("127.0.0.1", 1), path)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_an_answer_or_none(data: bytes, http: bool) -> None:
    answer = ask.parse(b"HTTP/1.1 200 OK\r\n" + data if http else data, 100)
    assert answer is None or len(answer.body) <= 100
