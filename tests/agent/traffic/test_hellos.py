from __future__ import annotations

import random
import ssl

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.traffic.watching import Watcher
from tests.agent.traffic.wire import CLIENT, SERVER, dns, udp

from aimscope_agent.protocols import quic_initial
from aimscope_agent.traffic import hellos


def client(name: str = "api.openai.com", protocols: int = 1) -> list[bytes]:
    """What a real client sends first; more protocols make a hello of several datagrams."""
    configuration = QuicConfiguration(
        is_client=True,
        server_name=name,
        alpn_protocols=[f"h3-{number:060}" for number in range(protocols)],
        verify_mode=ssl.CERT_NONE,
    )
    connection = QuicConnection(configuration=configuration)
    connection.connect((SERVER, 443), now=0.0)
    return [data for data, _ in connection.datagrams_to_send(now=0.0)]


def frames(datagrams: list[bytes], port: int = 443, client_port: int = 50_000) -> list[bytes]:
    return [udp(CLIENT, SERVER, (client_port, port), data) for data in datagrams]


@pytest.mark.parametrize("port", [443, 853, 4433, 5])
@pytest.mark.parametrize("protocols", [1, 40])
@pytest.mark.parametrize("order", [1, -1])
def test_a_hello_on_any_port_in_any_order(port: int, protocols: int, order: int) -> None:
    datagrams = client(protocols=protocols)
    assert (len(datagrams) > 1) == (protocols > 1)
    watcher = Watcher().feed(frames(datagrams, port)[::order])
    assert watcher.names == [("quic_sni", "api.openai.com")]
    assert watcher.seen[0].ja4.startswith("q13d")
    assert watcher.feed(frames(datagrams, port)).names == [("quic_sni", "api.openai.com")]


def test_volumes_are_unknown() -> None:
    (fields,) = Watcher().feed(frames(client())).finish().fields("tls.client_hello")
    assert fields["transport"] == "quic"
    assert "bytes_out" not in fields
    assert "bytes_in" not in fields


@pytest.mark.parametrize("lost", [0, 1])
def test_half_a_hello_names_nobody_and_is_said(lost: int) -> None:
    datagrams = client(protocols=20)
    assert len(datagrams) == 2
    del datagrams[lost]
    watcher = Watcher().feed(frames(datagrams), frames(datagrams)).finish()
    assert watcher.names == []
    assert watcher.blind == [(CLIENT, "connections whose first words", 1)]


@pytest.mark.parametrize("size", [60, 100, 250])
def test_a_hello_that_the_capture_cut_is_said(size: int) -> None:
    watcher = Watcher()
    for frame in frames(client()) * 2:
        watcher.cut(frame, size)
    answer = udp(SERVER, CLIENT, (443, 50_000), client()[0])
    assert watcher.cut(answer, size).finish().names == []
    assert watcher.blind == [(CLIENT, "packets cut by the capture before the name was complete", 1)]


def test_later_packets_without_the_first_are_said() -> None:
    """They go to an id that the server chose, and are sealed with keys of another."""
    first = client()
    later = bytearray(first[0])
    later[6] ^= 0xFF
    watcher = Watcher().feed(frames([bytes(later)] * 3)).finish()
    assert (watcher.names, len(watcher.blind)) == ([], 1)
    assert watcher.blind[0][1].startswith("QUIC connections of which the first packet was not captured")
    assert Watcher().feed(frames([bytes(later), *first])).finish().blind == [], "it had only been overtaken"
    answer = udp(SERVER, CLIENT, (443, 50_000), bytes(later))
    assert Watcher().feed(answer).finish().blind == [], "what a server sends hides nobody"


def test_quic_that_cannot_be_opened_is_said_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    old = b"\xc3Q050\x08" + bytes(1_300)
    watcher = Watcher().feed(frames([old, old])).finish()
    assert watcher.blind == [(CLIENT, "QUIC connections of a version that cannot be opened", 1)]
    assert Watcher().feed(frames([b"\xc3Zzzz\x08" + bytes(1_300)])).finish().blind == [], "anything may begin like that"
    monkeypatch.setattr(quic_initial, "AVAILABLE", False)
    watcher = Watcher().feed(frames(client())).finish()
    assert (watcher.names, watcher.blind) == ([], [(CLIENT, "QUIC connections that could not be opened", 1)])
    assert next(watcher.dissector.names.blind.gaps()).remedy == "pip install 'aimscope[gateway]'"


def test_questions_over_quic_are_a_blind_spot() -> None:
    watcher = Watcher().feed(frames(client("dns.quad9.net"), port=853))
    assert [gap.reason for gap in watcher.dissector.names.blind.gaps()] == ["DNS over QUIC: questions cannot be read"]


def test_a_hidden_name_is_told_by_the_answer() -> None:
    watcher = Watcher().feed(dns("api.openai.com", ("api.openai.com", 1, SERVER)), frames(client("")))
    assert [one["host"] for one in watcher.fields("connection")] == ["api.openai.com"]


def test_incomplete_hellos_are_bounded() -> None:
    part = client(protocols=40)[0]
    watcher = Watcher()
    for number in range(hellos.MOST_OPEN + 50):
        watcher.feed(frames([part], client_port=1_024 + number))
    table = watcher.dissector.hellos
    assert len(table._open) == hellos.MOST_OPEN
    assert table._held <= hellos.MOST_BYTES
    assert watcher.dissector.evicted == 50


@given(st.binary(max_size=1_500), st.integers(0, 255))
@settings(deadline=None)
def test_any_bytes(data: bytes, first: int) -> None:
    watcher = Watcher().feed(frames([bytes([first | 0x80]) + data]), frames([b"\xc0\0\0\0\1" + data]))
    assert watcher.finish().names == []


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_torn_datagram_gives_no_other_name(seed: int) -> None:
    chance = random.Random(seed)
    data = client()[0]
    torn = bytearray(data[: chance.randrange(1, len(data) + 1)])
    if len(torn) == len(data):
        torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
    assert {name for _, name in Watcher().feed(frames([bytes(torn)])).names} <= {"api.openai.com"}
