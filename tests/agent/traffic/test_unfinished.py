"""First words that were never seen whole are a blind spot of the client; what was never begun in our sight is none."""

from __future__ import annotations

import pytest
from tests.agent.traffic.watching import Watcher
from tests.agent.traffic.wire import ACK, CLIENT, RESOLVER, SERVER, Tcp, dns, hello, query, request, tcp, udp

from aimscope_agent.protocols import http2

UNFINISHED = "connections whose first words"
SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def watched(*frames: bytes | list[bytes]) -> Watcher:
    return Watcher().feed(*frames).finish()


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_a_hello_that_lacks_a_segment(lost: int, opened: bool, closed: bool) -> None:
    connection = Tcp()
    opening = connection.open()
    segments = connection.split(hello(pad=1_500), 500, 500, 300)
    kept = [one for number, one in enumerate(segments) if number != lost]
    seen = watched(opening if opened else [], kept, connection.close() if closed else [])
    assert seen.names == []
    if lost or opened:
        assert seen.blind == [(CLIENT, UNFINISHED, 1)]
    else:
        assert seen.blind == [], "a capture that begins in the middle has missed nothing of what it saw begin"


def test_each_connection_counts_once_and_each_client_by_itself() -> None:
    frames = []
    for client, times in (("10.0.0.5", 3), ("10.0.0.6", 1)):
        for _ in range(times):
            connection = Tcp(client=client)
            frames += [*connection.open(), connection.send(hello(pad=800)[:400]), *connection.close()]
    assert watched(frames).blind == [("10.0.0.5", UNFINISHED, 3), ("10.0.0.6", UNFINISHED, 1)]


@pytest.mark.parametrize("size", [0, 100, 20_000, 32_000])
def test_a_long_head_is_waited_for(size: int) -> None:
    connection = Tcp(port=80)
    text = request(extra=f"Cookie: {'c' * size}\r\n")
    seen = watched(connection.open(), connection.split(text, *[1_400] * 30), connection.close())
    assert (seen.names, seen.blind) == ([("http_host", "api.openai.com")], [])


@pytest.mark.parametrize("size", [33_000, 60_000, 200_000])
@pytest.mark.parametrize("piece", [1_400, 40_000])
def test_a_head_that_is_too_long_is_said(size: int, piece: int) -> None:
    connection = Tcp(port=80)
    text = (
        request(extra=f"Cookie: {'c' * size}\r\n")
        .replace(b"Host:", b"Zzz:")
        .replace(b"\r\n\r\n", b"\r\nHost: a\r\n\r\n")
    )
    seen = watched(connection.open(), connection.split(text, *[piece] * 160), connection.close())
    assert seen.names == []
    assert seen.blind == [(CLIENT, UNFINISHED, 1)]


@pytest.mark.parametrize(("pieces", "found"), [(200, True), (400, False)])
def test_a_hello_in_very_many_pieces_the_last_first(pieces: int, found: bool) -> None:
    connection = Tcp()
    opening = connection.open()
    text = hello(pad=1_500)
    size = -(-len(text) // pieces)
    segments = connection.split(text, *[size] * (len(text) // size))
    seen = watched(opening, segments[::-1])
    assert seen.names == ([("tls_sni", "api.openai.com")] if found else [])
    assert seen.blind == ([] if found else [(CLIENT, UNFINISHED, 1)])


def test_what_is_no_beginning_is_none() -> None:
    """The middle of connections, their ends, protocols that name nobody, and servers' words."""
    texts = [
        hello(pad=900)[500:],
        b"\x15\x03\x03\0\x02\1\0",  # an alert, as TLS 1.2 ends
        b"\x14\x03\x03\0\1\1\x16\x03\x03\0\x28" + bytes(20),
        b"\x17\x03\x03\x10\0" + bytes(900),
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO laptop\r\n",
        b"GET",
        b"POSTGRES",
        b"\x16",
        b"\5\1",
    ]
    for text in texts:
        for opened in (True, False):
            connection = Tcp(port=993)
            opening = connection.open()
            seen = watched(opening if opened else [], connection.send(text), connection.close())
            assert (seen.names, seen.blind) == ([], []), text
    server = Tcp(client=SERVER, server=CLIENT, port=50_000, client_port=20)
    opening = server.open()
    server.unseen(sent=900)  # as the filter leaves it out
    assert watched(opening, server.send(b"\x16" + bytes(900)), server.close()).blind == []


def test_a_name_that_came_after_all_or_by_another_way() -> None:
    late = Tcp(port=25)
    opening = late.open()
    late.unseen(sent=12)
    assert watched(opening, late.send(hello("mail.example"))).blind == []
    led = Tcp()
    frames = [*dns("api.openai.com", ("api.openai.com", 1, SERVER)), *led.open(), led.send(hello(pad=900)[:500])]
    assert watched(frames, led.close()).blind == []


def test_a_capture_that_cuts_packets_is_told_as_that() -> None:
    connection = Tcp()
    seen = Watcher().feed(connection.open()).cut(connection.send(hello(pad=900)), 300).finish()
    assert seen.blind == [(CLIENT, "packets cut by the capture before the name was complete", 1)]


def test_http2_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "AVAILABLE", False)
    connection = Tcp(port=8080)
    seen = watched(connection.open(), connection.split(SETTINGS * 3, 10, 30), connection.send(b"\0\0\1" + SETTINGS))
    assert seen.blind == [(CLIENT, "HTTP/2 connections that could not be read", 1)]
    (gap,) = seen.dissector.names.blind.gaps()
    assert gap.remedy == "pip install 'aimscope[gateway]'"


def test_http2_of_which_the_first_request_was_not_captured_or_is_none() -> None:
    connection = Tcp(port=8080)
    begun = [*connection.open(), connection.send(SETTINGS)]
    connection.unseen(sent=60)
    assert watched(begun, connection.send(b"\0\0\4\3" + bytes(9)), connection.close()).blind == [
        (CLIENT, UNFINISHED, 1)
    ]
    broken = Tcp(port=8080)
    assert watched(broken.open(), broken.send(SETTINGS + b"\0\0\1\1\4\0\0\0\1\xff")).blind == [(CLIENT, UNFINISHED, 1)]


@pytest.mark.parametrize("lost", [None, 0, 1])
def test_a_question_over_tcp_that_lacks_a_part(lost: int | None) -> None:
    connection, text = Tcp(port=53), query("asked.example")
    opening = connection.open()
    parts = connection.split(len(text).to_bytes(2) + text, 2, 10)
    seen = watched(
        opening, [one for number, one in enumerate(parts) if number != lost + 1] if lost is not None else parts
    )
    assert seen.names == ([("dns_qname", "asked.example")] if lost is None else [])
    assert seen.blind == ([] if lost is None else [(CLIENT, UNFINISHED, 1)])


def test_fragments_of_which_a_piece_was_never_captured() -> None:
    whole = udp(CLIENT, RESOLVER, (40_000, 53), query("asked.example"))
    head, body = whole[14:34], whole[34:]
    pieces = []
    for offset, more in ((0, 0x20), (16, 0)):
        piece = body[offset : offset + 16] if more else body[offset:]
        size = (20 + len(piece)).to_bytes(2)
        pieces.append(whole[:14] + head[:2] + size + head[4:6] + bytes([more, offset // 8]) + head[8:] + piece)
    seen = watched(pieces)
    assert (seen.names, seen.dissector.network.fragments_evicted) == ([("dns_qname", "asked.example")], 0)
    seen = watched(pieces[:1])
    assert (seen.names, seen.dissector.network.fragments_evicted) == ([], 1)


def test_http2_with_it() -> None:
    connection = Tcp(port=8080)
    assert watched(connection.open(), connection.send(SETTINGS), connection.close()).blind == []


def test_a_name_that_a_balancer_passes_on() -> None:
    name = b"api.openai.com"
    body = bytes([10, 1, 2, 3, 192, 0, 2, 9]) + b"\xc3\x50\x01\xbb" + b"\2" + len(name).to_bytes(2) + name
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(body).to_bytes(2) + body
    connection = Tcp(port=8080, client="10.0.0.1")
    seen = watched(connection.open(), connection.send(header), connection.send(request("inside.example")))
    assert seen.names == [("proxy_authority", "api.openai.com"), ("http_host", "inside.example")]
    assert {one.client for one in seen.seen} == {"10.1.2.3"}
    assert [(one["host"], one["port"]) for one in seen.fields("connection")] == [("api.openai.com", 443)]


def test_a_segment_of_another_connection_on_the_same_ports() -> None:
    """Numbers far off are of an older connection: nothing is missing of this one."""
    connection = Tcp()
    frames = connection.open()
    old = tcp(CLIENT, SERVER, connection.ports, connection.out - 5_000, connection.into, ACK, b"x" * 100)
    assert watched(frames, old, connection.send(hello()), connection.close()).blind == []
