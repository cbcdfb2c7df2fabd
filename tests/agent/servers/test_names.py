"""Names: lists, zone files, chains of aliases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.servers.names import (
    MOST_HOPS,
    Chain,
    Zone,
    ZoneError,
    is_zone,
    listed,
    observations,
    sorted_out,
    zone,
)

ZONE = """
$ORIGIN corp.example.
$TTL 1h
@        IN SOA ns1 hostmaster 1 3600 600 86400 300
         IN NS  ns1
ns1      IN A   10.0.0.53
chat     IN CNAME assistant
assistant 300 IN CNAME corp-chat.azurewebsites.net.
llm      CNAME corp-llm.openai.azure.com.
web      HTTPS 0 svc.cdn.example.
api      HTTPS 1 . alpn=h2
loop1    CNAME loop2
loop2    CNAME loop1
notes    TXT "a ; b" ( "over"
         "lines" )
sub.deep CNAME ns1
"""


class TestZone:
    def test_chains_are_followed_within_the_zone(self) -> None:
        read = zone(ZONE)
        assert read.origin == "corp.example"
        assert read.chain("chat.corp.example") == Chain(
            "chat.corp.example", ("assistant.corp.example", "corp-chat.azurewebsites.net"), "elsewhere"
        )
        assert read.chain("llm.corp.example").targets == ("corp-llm.openai.azure.com",)
        assert read.chain("sub.deep.corp.example") == Chain("sub.deep.corp.example", ("ns1.corp.example",), "end")
        assert read.chain("ns1.corp.example") == Chain("ns1.corp.example")

    def test_a_service_binding_that_is_an_alias_counts_and_another_does_not(self) -> None:
        read = zone(ZONE)
        assert read.chain("web.corp.example").targets == ("svc.cdn.example",)
        assert read.chain("api.corp.example").targets == ()

    def test_a_loop_ends(self) -> None:
        assert zone(ZONE).chain("loop1.corp.example").ending == "loop"

    def test_a_long_chain_ends(self) -> None:
        aliases = {f"n{number}.x": f"n{number + 1}.x" for number in range(100)}
        chain = Zone(("n0.x",), aliases, "x").chain("n0.x")
        assert chain.ending == "long"
        assert len(chain.targets) == MOST_HOPS

    def test_an_origin_may_come_from_outside(self) -> None:
        assert zone("chat CNAME x.example.net.\n", "corp.example").names == ("chat.corp.example",)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("$ORIGIN corp.example.\n$INCLUDE /etc/passwd\n", "2: .*INCLUDE.* not allowed"),
            ("$ORIGIN corp.example.\n$GENERATE 1-100000000 h$ A 10.0.0.1\n", "2: .*GENERATE.* not allowed"),
            ("$ORIGIN corp.example.\na A 10.0.0.1\nb A 10.0.0.999\n", "^3: "),
            ("$ORIGIN corp.example.\na CNAME\n", "^2: "),
            ('$ORIGIN corp.example.\na TXT "open\n', "^2: "),
            ("chat CNAME x.example.net.\n", "--origin"),
        ],
    )
    def test_errors_name_the_line(self, text: str, said: str) -> None:
        with pytest.raises(ZoneError, match=said):
            zone(text)

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            read = zone(text, "corp.example")
        except ZoneError:
            return
        for name in read.names:
            assert read.chain(name).name == name

    @given(st.text(max_size=200))
    def test_any_list_is_sorted_out(self, text: str) -> None:
        is_zone(text)
        names, addresses, neither = sorted_out(listed(text))
        assert all(name == name.lower() and " " not in name for name in names)
        assert len(names) + len(addresses) + len(neither) <= len(listed(text))

    @given(st.integers(0, len(ZONE)))
    def test_a_torn_file_gives_no_other_name(self, end: int) -> None:
        try:
            read = zone(ZONE[:end])
        except ZoneError:
            return
        whole = zone(ZONE)
        # the last record may be cut within its own name, all others are as they were
        assert set(read.names[:-1]) <= set(whole.names)


class TestLists:
    def test_zone_files_and_lists_are_told_apart(self) -> None:
        assert is_zone(ZONE)
        assert is_zone("chat.corp.example. 300 IN CNAME x.example.net.\n")
        assert is_zone("chat\tCNAME\tx.example.net.\n")
        assert not is_zone("chat.corp.example\n# in a list\n10.0.0.1\n")
        assert not is_zone("")

    def test_words(self) -> None:
        words = listed("chat.corp.example # ours\n\n10.0.0.1\nchat.corp.example\nfd00::1\nno name\nhttps://a.b/c\n")
        assert sorted_out(words) == (("chat.corp.example",), ("10.0.0.1", "fd00::1"), ("no name", "https://a.b/c"))


def test_a_name_and_all_it_leads_to_are_observed() -> None:
    found = list(observations(Chain("a.corp.example", ("b.example", "c.example")), "list", 7))
    assert [each.fields for each in found] == [
        {"name": "a.corp.example", "target": target} for target in ("a.corp.example", "b.example", "c.example")
    ]
