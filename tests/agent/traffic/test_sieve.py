from __future__ import annotations

from functools import cache

import pytest

from aimscope_agent.traffic.observations import connection, observation
from aimscope_agent.traffic.seen import Asked, NameKind, Request, Seen, printable
from aimscope_agent.traffic.sieve import Sieve
from aimscope_signatures import bundle
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import Matcher

KINDS_OF_NAMES: tuple[NameKind, ...] = (
    *("dns_qname", "dns_cname", "tls_sni", "quic_sni", "http_host", "http2_authority", "http_connect", "socks_host"),
    "proxy_authority",
)


@cache
def matcher() -> Matcher:
    return Matcher(bundle.shipped())


@pytest.mark.parametrize("kind", KINDS_OF_NAMES)
@pytest.mark.parametrize(
    "name", ["api.openai.com", "chatgpt.com", "www.example.org", "notopenai.com", "openai.com.example.net", "localhost"]
)
def test_the_sieve_answers_as_the_matcher(kind: NameKind, name: str) -> None:
    seen = Seen(kind, name, "10.0.0.5", "203.0.113.9", 1.0)
    made = observation(seen)
    assert made is not None
    sieve = Sieve(matcher())
    for _ in range(2):
        assert sieve.wanted(kind, name) == bool(matcher().match(made))


def test_paths_and_software_count_for_requests() -> None:
    sieve = Sieve(matcher())
    assert sieve.wanted("http_host", "openai.github.io", "/openai-agents-python/quickstart/")
    assert not sieve.wanted("http_host", "openai.github.io", "/something-else/")


def test_names_of_neighbours_are_not_worth_it() -> None:
    sieve = Sieve(matcher())
    assert not sieve.wanted("mdns_qname", "api.openai.com")
    assert observation(Seen("llmnr_qname", "api.openai.com", "", "", 0.0)) is None


@pytest.mark.parametrize("kind", KINDS_OF_NAMES)
def test_observations_have_the_fields_of_their_kind(kind: NameKind) -> None:
    for seen in (
        Seen(kind, "a.example", "10.0.0.5", "203.0.113.9", 1.5, "t13", "b.example", "A", "GET"),
        Request(kind, "a.example", "10.0.0.5", "203.0.113.9", 1.5, path="/x", user_agent="y"),
        Asked(kind, "a.example", "10.0.0.5", "203.0.113.9", 1.5, port=443),
    ):
        made = observation(seen, "a.pcap", 5, 6)
        assert made is not None
        assert set(made.fields) - set(KINDS[made.kind].fields) <= {"bytes_out", "bytes_in"}
        assert (made.asset, made.at, made.source) == ("10.0.0.5", 1, "a.pcap")
    made = connection("a.example", "10.0.0.5", "203.0.113.9", 443, 1.0, "x", 1, None)
    assert set(made.fields) <= set(KINDS["connection"].fields)


def test_paths_and_software_are_not_shown() -> None:
    request = Request("http_host", "a.example", "c", "s", 1.0, method="GET", path="/secret", user_agent="secret")
    assert printable(request) == Seen("http_host", "a.example", "c", "s", 1.0, method="GET")
