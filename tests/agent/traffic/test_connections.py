from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.traffic.watching import Watcher
from tests.agent.traffic.wire import ACK, CLIENT, RESOLVER, SERVER, Tcp, dns, hello, query, request, tcp

TLS = [("tls_sni", "api.openai.com")]


def test_a_hello_in_one_segment() -> None:
    connection = Tcp()
    watcher = Watcher().feed(connection.open(), connection.send(hello()), connection.close())
    assert watcher.names == TLS
    seen = watcher.seen[0]
    assert (seen.client, seen.server) == (CLIENT, SERVER)
    assert seen.ja4.startswith("t13d")


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("sizes", [(5,), (1,), (100, 1, 1), (1460,), (3, 2, 60)])
@pytest.mark.parametrize("order", ["forward", "backward"])
def test_a_hello_in_several_segments(opened: bool, sizes: tuple[int, ...], order: str) -> None:
    connection = Tcp(isn=2**32 - 100)
    watcher = Watcher()
    if opened:
        watcher.feed(connection.open())
    frames = connection.split(hello(pad=1200), *sizes)
    if order == "backward":
        if not opened and len(frames) > 2:
            pytest.skip("without its opening, only one segment of a connection is remembered")
        frames.reverse()
    assert watcher.feed(frames).names == TLS
    assert watcher.feed(frames).names == TLS, "repetitions say nothing new"


@given(st.integers(0, 2**32), st.lists(st.integers(1, 400), max_size=12), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_order_any_overlap(seed: int, sizes: list[int], records: bool) -> None:
    chance = random.Random(seed)
    connection = Tcp(isn=chance.randrange(2**32))
    watcher = Watcher().feed(connection.open())
    text = hello(pad=900, records=200 if records else 0)
    base = connection.out
    pieces = []
    at = 0
    for size in (*sizes, len(text)):
        pieces.append((max(0, at - chance.randrange(20)), text[max(0, at - 20) : 0]))
        start = max(0, at - chance.randrange(20))
        pieces[-1] = (start, text[start : at + size])
        at += size
    pieces = [piece for piece in pieces if piece[1]]
    chance.shuffle(pieces)
    frames = [
        tcp(CLIENT, SERVER, connection.ports, base + start, connection.into, ACK, piece) for start, piece in pieces
    ]
    assert watcher.feed(frames).finish().names == TLS


@given(st.integers(0, 600))
@settings(deadline=None)
def test_a_hello_that_never_ends_names_nobody(length: int) -> None:
    text = hello(pad=400)
    connection = Tcp()
    watcher = Watcher().feed(connection.open(), connection.send(text[: min(length, len(text) - 1)] or b"\x16"))
    assert watcher.finish().names == []


def test_a_cut_capture_says_so() -> None:
    connection = Tcp()
    watcher = Watcher().feed(connection.open()).cut(connection.send(hello(pad=500)), 300).finish()
    assert watcher.names == []
    assert next(gap.reason for gap in watcher.dissector.names.blind.gaps()).startswith("packets cut")


def test_what_a_server_says_is_no_name() -> None:
    connection = Tcp(client=SERVER, server=CLIENT, port=40_000, client_port=443)
    watcher = Watcher().feed(connection.send(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"))
    watcher.feed(Tcp(client_port=80).send(b"HTTP/1.1 200 OK\r\nHost: x.example\r\n\r\n")).finish()
    assert watcher.names == []


def test_every_request_of_a_kept_connection() -> None:
    connection = Tcp(port=3128)
    watcher = Watcher().feed(
        connection.open(),
        connection.send(request("a.example", "GET http://a.example/ HTTP/1.1")),
        connection.send(
            request("b.example", "POST http://b.example/ HTTP/1.1", b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
        ),
        connection.send(request("c.example", "GET http://c.example/ HTTP/1.1")),
    )
    assert [seen.name for seen in watcher.seen] == ["a.example", "b.example", "c.example"]


def test_a_body_is_not_read() -> None:
    inside = request("evil.example")
    connection = Tcp(port=80)
    head = b"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: %d\r\n\r\n" % (1000 + len(inside))
    watcher = Watcher().feed(connection.open(), connection.send(head), connection.send(bytes(1000)))
    watcher.feed(connection.send(inside), connection.send(request("next.example")))
    assert [seen.name for seen in watcher.seen] == ["good.example", "next.example"]


def test_a_body_whose_packets_were_dropped() -> None:
    connection = Tcp(port=80)
    watcher = Watcher().feed(
        connection.open(), connection.send(b"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 5000\r\n\r\n")
    )
    connection.unseen(sent=5000)
    watcher.feed(connection.send(request("next.example")))
    assert [seen.name for seen in watcher.seen] == ["good.example", "next.example"]


@pytest.mark.parametrize("sizes", [(), (1,), (60, 5), (7,) * 20])
def test_a_body_in_chunks(sizes: tuple[int, ...]) -> None:
    evil = request("evil.example")
    chunk = b"%x\r\n%s\r\n" % (len(evil), evil)
    text = request("good.example", "POST / HTTP/1.1", extra="Transfer-Encoding: chunked\r\n")
    text += chunk + b"5;x=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n" + request("next.example")
    connection = Tcp(port=8080)
    watcher = Watcher().feed(connection.open(), connection.split(text, *sizes))
    assert [seen.name for seen in watcher.seen] == ["good.example", "next.example"]


def test_a_tunnel_and_what_is_inside() -> None:
    connection = Tcp(port=3128)
    watcher = Watcher().feed(
        connection.open(),
        connection.send(request("api.openai.com:443", "CONNECT api.openai.com:443 HTTP/1.1")),
        connection.split(hello("api.openai.com"), 50),
    )
    assert watcher.names == [("http_connect", "api.openai.com"), ("tls_sni", "api.openai.com")]


def test_socks_and_what_is_inside() -> None:
    connection = Tcp(port=1080)
    watcher = Watcher().feed(
        connection.open(),
        connection.send(b"\x05\x01\x00"),
        connection.send(b"\x05\x01\x00\x03\x0eapi.openai.com\x01\xbb"),
        connection.send(hello("inner.example")),
    )
    assert watcher.names == [("socks_host", "api.openai.com"), ("tls_sni", "inner.example")]
    by_address = Tcp(port=9050)
    watcher = Watcher().feed(by_address.open(), by_address.send(b"\x05\x01\x00"))
    watcher.feed(by_address.send(b"\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb"), by_address.send(request("in.example")))
    assert watcher.names == [("http_host", "in.example")]


def test_the_client_behind_a_balancer() -> None:
    connection = Tcp(port=8443)
    header = b"PROXY TCP4 198.51.100.7 203.0.113.9 5555 443\r\n"
    watcher = Watcher().feed(connection.open(), connection.send(header), connection.send(hello()))
    assert watcher.names == TLS
    assert watcher.seen[0].client == "198.51.100.7"


def test_starttls() -> None:
    connection = Tcp(port=587)
    watcher = Watcher().feed(
        connection.open(),
        connection.send(b"EHLO laptop\r\n"),
        connection.send(b"STARTTLS\r\n"),
        connection.split(hello("mail.example", pad=700), 100),
    )
    assert watcher.names == [("tls_sni", "mail.example")]


def test_dns_over_tcp_and_its_answer() -> None:
    from tests.agent.traffic.wire import answer, query

    asked, told = query("api.openai.com"), answer("api.openai.com", ("api.openai.com", 1, SERVER))
    connection = Tcp(port=53)
    watcher = Watcher().feed(connection.open(), connection.split(len(asked).to_bytes(2) + asked, 1, 5))
    back = Tcp(client=SERVER, server=CLIENT, port=connection.ports[0], client_port=53, isn=9_001, server_isn=1)
    watcher.feed(back.split(len(told).to_bytes(2) + told, 2, 30))
    assert watcher.names == [("dns_qname", "api.openai.com")]
    later = Tcp()
    watcher.feed(later.open(), later.close()).finish()
    assert watcher.fields("connection")[0]["host"] == "api.openai.com"


def test_a_connection_that_reuses_ports() -> None:
    first, second = Tcp(client_port=50_000), Tcp(client_port=50_000, isn=777_000)
    watcher = Watcher().feed(first.open(), first.send(hello("one.example")), first.close())
    watcher.feed(second.open(), second.send(hello("two.example")))
    assert [seen.name for seen in watcher.seen] == ["one.example", "two.example"]


def test_packets_that_were_lost_within_a_connection() -> None:
    connection = Tcp(port=3128)
    watcher = Watcher().feed(connection.open(), connection.send(request("a.example")))
    connection.unseen(sent=700)
    watcher.feed(connection.send(request("b.example")), connection.send(request("c.example"))).finish()
    assert [seen.name for seen in watcher.seen] == ["a.example", "b.example", "c.example"]


# -- volumes


def test_volume_of_a_connection_whose_packets_were_dropped() -> None:
    connection = Tcp(isn=2**32 - 300, server_isn=2**32 - 300)
    watcher = Watcher().feed(connection.open(), connection.send(hello()))
    connection.unseen(sent=5_000_000, received=70_000)
    fields = watcher.feed(connection.close()).fields("tls.client_hello")
    assert (fields[0]["bytes_out"], fields[0]["bytes_in"]) == (5_000_000 + len(hello()), 70_000)
    assert len(fields) == 1


def test_volume_is_unknown_without_an_end() -> None:
    connection = Tcp()
    fields = Watcher().feed(connection.open(), connection.send(hello())).finish().fields("tls.client_hello")
    assert "bytes_out" not in fields[0]
    assert "bytes_in" not in fields[0]


def test_a_large_upload_is_told_even_without_an_end() -> None:
    connection = Tcp()
    watcher = Watcher().feed(connection.open(), connection.send(hello()))
    connection.unseen(sent=2_000_000)
    fields = watcher.feed(connection.send(b"\x17\x03\x03")).finish().fields("tls.client_hello")
    assert fields[0]["bytes_out"] == 2_000_003 + len(hello())
    assert "bytes_in" not in fields[0]


@pytest.mark.parametrize("by_server", [True, False])
def test_a_reset_is_an_end(by_server: bool) -> None:
    connection = Tcp()
    watcher = Watcher().feed(connection.open(), connection.send(hello()))
    connection.unseen(sent=10, received=400)
    fields = watcher.feed(connection.reset(by_server=by_server)).fields("tls.client_hello")
    assert (fields[0]["bytes_out"], fields[0]["bytes_in"]) == (10 + len(hello()), 400)


def test_more_than_four_gigabytes() -> None:
    connection = Tcp()
    watcher = Watcher().feed(connection.open(), connection.send(hello()))
    for _ in range(6):
        connection.unseen(sent=1, received=2_000_000_000)
        watcher.feed(connection.send(b"\x17"))
    fields = watcher.feed(connection.close()).fields("tls.client_hello")
    assert fields[0]["bytes_in"] == 12_000_000_000


def test_each_request_has_its_own_volume() -> None:
    connection = Tcp(port=80)
    first, second = request("a.example"), request("b.example", "PUT /x HTTP/1.1", bytes(3_000))
    watcher = Watcher().feed(connection.open(), connection.send(first))
    connection.unseen(received=1_234)
    watcher.feed(connection.send(second))
    connection.unseen(received=99)
    fields = watcher.feed(connection.close()).fields("http.request")
    assert [(one["host"], one["bytes_out"], one["bytes_in"]) for one in fields] == [
        ("a.example", len(first), 1_234),
        ("b.example", len(second), 99),
    ]


# -- attribution


def test_a_connection_without_a_name_is_told_by_the_clients_own_answer() -> None:
    found = dns("api.openai.com", ("api.openai.com", 1, SERVER))
    connection = Tcp(port=8443)
    watcher = Watcher().feed(found, connection.open())
    connection.unseen(sent=100, received=200)
    watcher.feed(connection.close())
    assert watcher.fields("connection") == [
        {"host": "api.openai.com", "ip": SERVER, "port": 8443, "client": CLIENT, "bytes_out": 100, "bytes_in": 200}
    ]


@pytest.mark.parametrize("case", ["other client", "expired", "refused", "named", "other address"])
def test_no_other_connection_is(case: str) -> None:
    found = dns(
        "api.openai.com", ("api.openai.com", 1, SERVER), client="10.0.0.66" if case == "other client" else CLIENT
    )
    connection = Tcp(server="203.0.113.10" if case == "other address" else SERVER)
    watcher = Watcher().feed(found)
    watcher.at += 100 if case == "expired" else 0
    if case == "refused":
        watcher.feed(connection.syn(), connection.reset(by_server=True))
    else:
        watcher.feed(connection.open(), [connection.send(hello())] if case == "named" else [], connection.close())
    assert watcher.finish().fields("connection") == []


@pytest.mark.parametrize("opened", [True, False])
def test_a_hidden_name_is_told_by_the_answer(opened: bool) -> None:
    found = dns("api.openai.com", ("api.openai.com", 1, SERVER))
    connection = Tcp()
    watcher = Watcher().feed(found, connection.open() if opened else [])
    watcher.feed(connection.send(hello("cloudflare-ech.com", ech=True)), connection.close())
    assert watcher.fields("connection")[0]["host"] == "api.openai.com"
    assert watcher.fields("tls.client_hello") == []
    gaps = list(watcher.dissector.names.blind.gaps())
    assert (gaps[0].source, gaps[0].count) == (CLIENT, 1)
    assert "ECH" in gaps[0].reason


# -- bounds


def test_half_open_hellos_are_bounded() -> None:
    from aimscope_agent.traffic import connections

    watcher = Watcher()
    table = watcher.dissector.connections
    part = hello(pad=1_000)[:900]
    for number in range(60_000):
        frame = tcp(f"10.1.{number >> 8 & 255}.{number & 255}", SERVER, (1_024 + number % 60_000, 443), 1, 1, ACK, part)
        watcher.dissector.packet(1_700_000_000.0 + number / 1e4, 1, frame, len(frame))
    assert table._held <= connections.MOST_BYTES
    assert len(table._flows) <= connections.MOST_FLOWS
    assert watcher.dissector.evicted >= 60_000 - connections.MOST_FLOWS
    assert watcher.finish().names == []
    assert (len(table._flows), len(table._pending), table._held) == (0, 0, 0)


def test_bytes_one_by_one_cost_no_more_than_others() -> None:
    connection = Tcp()
    text = hello(pad=6_000, records=1)
    watcher = Watcher().feed(connection.open(), (connection.send(text[at : at + 1]) for at in range(len(text))))
    assert watcher.finish().names == TLS


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3_000), st.integers(0, 63), st.binary(max_size=80)), max_size=60
    )
)
@settings(deadline=None, max_examples=200)
def test_nothing_raises_and_nothing_is_left(packets: list[tuple[int, int, int, bytes]]) -> None:
    watcher = Watcher()
    beginnings = (b"", hello()[:60], b"POST / HTTP/1.1\r\nHost: a.example\r\n", b"\x05\x01\x00")
    for who, sequence, flags, payload in packets:
        ends = ((CLIENT, SERVER), (SERVER, CLIENT))[who & 1]
        ports = ((5_000, 443), (443, 5_000))[who & 1]
        watcher.feed(tcp(*ends, ports, sequence, sequence // 2, flags, beginnings[who] + payload))
    watcher.finish()
    table = watcher.dissector.connections
    assert (len(table._flows), len(table._pending), table._held) == (0, 0, 0)
    assert {name for _, name in watcher.names} <= {"a.example"}


def test_a_resolver_whose_address_an_ai_service_has_too_is_asked_and_no_service_used() -> None:
    connection = Tcp(server=RESOLVER, port=53)
    questions = [query(f"name{number}.example", ident=number) for number in range(3)]
    asked = b"".join(len(question).to_bytes(2, "big") + question for question in questions)
    watcher = Watcher().feed(dns("api.openai.com", ("api.openai.com", 1, RESOLVER)))
    watcher.feed(connection.open(), connection.send(asked), connection.close()).finish()
    expected = ["api.openai.com", "name0.example", "name1.example", "name2.example"]
    assert watcher.names == [("dns_qname", name) for name in expected]
    assert watcher.fields("connection") == []
