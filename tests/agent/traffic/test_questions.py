from __future__ import annotations

import pytest
from tests.agent.traffic.watching import Watcher
from tests.agent.traffic.wire import CLIENT, RESOLVER, SERVER, Tcp, answer, dns, hello, query, udp


def test_a_question_and_its_answer_are_one() -> None:
    watcher = Watcher().feed(dns("api.openai.com", ("api.openai.com", 1, SERVER)))
    assert watcher.names == [("dns_qname", "api.openai.com")]
    assert watcher.fields("dns.query") == [{"name": "api.openai.com", "type": "A", "client": CLIENT}]


def test_a_repeated_question_is_one_and_a_later_one_another() -> None:
    frame = udp(CLIENT, RESOLVER, (33_333, 53), query("x.example"))
    watcher = Watcher().feed(frame, frame)
    watcher.at += 60
    assert watcher.feed(frame).names == [("dns_qname", "x.example")] * 2


def test_an_answer_alone_stands_for_the_question() -> None:
    watcher = Watcher().feed(udp(RESOLVER, CLIENT, (53, 4_000), answer("x.example", ("x.example", 1, SERVER))))
    assert [(seen.name, seen.client, seen.server) for seen in watcher.seen] == [("x.example", CLIENT, RESOLVER)]


def test_where_aliases_lead() -> None:
    chain = (("chat.corp.example", 5, "corp.openai.azure.com"), ("corp.openai.azure.com", 1, SERVER))
    watcher = Watcher().feed(dns("chat.corp.example", *chain))
    assert watcher.names == [("dns_qname", "chat.corp.example"), ("dns_cname", "corp.openai.azure.com")]
    assert watcher.fields("dns.query")[1]["asked"] == "chat.corp.example"


def test_records_of_other_names_are_not_believed() -> None:
    watcher = Watcher().feed(dns("x.example", ("api.openai.com", 1, SERVER), ("x.example", 1, "203.0.113.77")))
    later = Tcp()
    watcher.feed(later.open(), later.close())
    assert watcher.fields("connection") == []


def test_neighbours_are_told_apart_and_not_observed() -> None:
    watcher = Watcher().feed(
        udp(CLIENT, "224.0.0.251", (5353, 5353), query("ollama.local", 0)),
        udp(CLIENT, "224.0.0.252", (50_000, 5355), query("fileserver")),
        udp("10.0.0.9", "224.0.0.251", (5353, 5353), answer("ollama.local", ("ollama.local", 1, "10.0.0.9"))),
    )
    assert watcher.names == [("mdns_qname", "ollama.local"), ("llmnr_qname", "fileserver")]
    assert watcher.observations == []


@pytest.mark.parametrize("port", [5, 1053])
def test_other_ports_are_not_dns(port: int) -> None:
    assert Watcher().feed(udp(CLIENT, RESOLVER, (33_333, port), query("x.example"))).names == []


def test_a_resolver_that_hides_is_noted_once_for_each_hello() -> None:
    watcher = Watcher()
    for host in ("dns.google", "cloudflare-dns.com", "x.dns.nextdns.io", "notdns.google.example"):
        connection = Tcp()
        watcher.feed(connection.open(), connection.send(hello(host)))
    assert [(gap.source, gap.count) for gap in watcher.dissector.names.blind.gaps()] == [(CLIENT, 3)]


def test_blind_spots_name_a_bounded_number_of_clients() -> None:
    from aimscope_agent.traffic.blind import MOST_CLIENTS, BlindSpots

    spots = BlindSpots()
    for number in range(200):
        spots.note("doh", f"10.0.0.{number}")
    gaps = list(spots.gaps())
    assert len(gaps) == MOST_CLIENTS + 1
    assert (gaps[-1].source, gaps[-1].count) == ("other clients", 200 - MOST_CLIENTS)
    assert [gap.count for gap in spots.gaps(lambda _: "")] == [MOST_CLIENTS, 200 - MOST_CLIENTS]
