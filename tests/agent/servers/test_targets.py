"""Targets: what people write, whose addresses may be asked, bounds."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.servers.targets import (
    MOST_ADDRESSES,
    Span,
    TargetError,
    Targets,
    address_of,
    merged,
    networks,
    permitted,
    read,
    size,
    span_of,
    without,
    words_of,
)


def addresses(*words: str, **options: object) -> list[str]:
    targets = permitted(read(words).spans, **options)  # type: ignore[arg-type]
    return [targets[number] for number in range(len(targets))]


class TestWriting:
    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("10.0.0.7", ["10.0.0.7"]),
            ("10.0.0.1-3", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            ("10.0.0.255-10.0.1.0", ["10.0.0.255", "10.0.1.0"]),
            ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]),
            ("10.0.0.5/30", ["10.0.0.5", "10.0.0.6"]),
            ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]),
            ("10.0.0.9/32", ["10.0.0.9"]),
            ("[fd00::1]", ["fd00::1"]),
            ("fd00::1-fd00::2", ["fd00::1", "fd00::2"]),
            ("fd00::/127", ["fd00::", "fd00::1"]),
            ("::ffff:10.0.0.8", ["10.0.0.8"]),
        ],
    )
    def test_addresses_networks_and_ranges(self, word: str, expected: list[str]) -> None:
        assert addresses(word) == expected

    def test_overlaps_are_asked_once(self) -> None:
        assert addresses("10.0.0.1-3", "10.0.0.2-5", "10.0.0.4") == [f"10.0.0.{n}" for n in range(1, 6)]

    def test_names_are_left_for_the_resolver(self) -> None:
        assert read(["AI.corp.example.", "gpu-01", "10.0.0.1"]).names == ("ai.corp.example", "gpu-01")

    @pytest.mark.parametrize(
        "word",
        [
            *("10.0.0.256", "10.0.0.0/33", "10.0.0.5-2", "10.0.1.0-10.0.0.0", "10.0.0.1-fd00::1", "fe80::1%eth0"),
            *("http://ai.corp.example/", "a b", "ai.corp.example:8000", "*.corp.example", "", "user@host", "1.2.3"),
        ],
    )
    def test_what_is_none_is_refused_by_its_own_words(self, word: str) -> None:
        with pytest.raises(TargetError, match=r"is no address|does not go"):
            read([word])

    @pytest.mark.parametrize("sign", [":", "a", "a.", "1.", "é", "/"])
    def test_a_word_without_end_is_refused_at_once(self, sign: str) -> None:
        with pytest.raises(TargetError, match="is too long"):
            read([sign * 1_000_000])

    def test_a_file_has_one_a_line_with_comments(self) -> None:
        assert words_of("# lab\n10.0.0.1\n\n gpu.corp.example  # the big one\r\n") == ("10.0.0.1", "gpu.corp.example")

    def test_a_configured_range_is_whole_and_no_name(self) -> None:
        assert networks(["192.0.2.0/30"], "network.allow") == (span_of("192.0.2.0-192.0.2.3"),)
        with pytest.raises(TargetError, match=r"network\.allow: 'corp\.example'"):
            networks(["corp.example"], "network.allow")

    @given(st.text(max_size=40))
    def test_anything_is_understood_or_refused(self, word: str) -> None:
        try:
            wanted = read([word])
        except TargetError:
            return
        assert wanted.spans or wanted.names


class TestPermission:
    @pytest.mark.parametrize(
        "word",
        [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "fd12::1",
            "::1",
            "fe80::1",
        ],
    )
    def test_private_ranges_are_asked(self, word: str) -> None:
        assert addresses(word) == [word]

    @pytest.mark.parametrize(
        "word",
        [
            "8.8.8.8",
            "172.32.0.1",
            "11.0.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "64:ff9b::1",
            "::ffff:8.8.8.8",
            "9.255.255.255-10.0.0.1",
        ],
    )
    def test_others_are_refused_with_the_reason(self, word: str) -> None:
        with pytest.raises(TargetError, match=r"public.*--allow-public"):
            addresses(word)

    def test_unless_they_are_allowed(self) -> None:
        assert addresses("198.51.100.4", allow=networks(["198.51.100.0/24"], "x")) == ["198.51.100.4"]
        assert addresses("198.51.100.4", allow_public=True) == ["198.51.100.4"]

    def test_a_range_that_reaches_beyond_what_is_allowed_is_refused(self) -> None:
        with pytest.raises(TargetError, match=r"198\.51\.101\.0 and 1 more are public"):
            addresses("198.51.100.255-198.51.101.1", allow=networks(["198.51.100.0/24"], "x"))

    def test_a_name_counts_by_its_address(self) -> None:
        with pytest.raises(TargetError, match=r"8\.8\.8\.8 \(ai\.corp\.example\) is public"):
            permitted([Span(4, 0x08080808, 0x08080808)], names={"8.8.8.8": "ai.corp.example"})

    @pytest.mark.parametrize("word", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "ff02::1"])
    def test_addresses_of_nobody_are_refused_whatever_is_allowed(self, word: str) -> None:
        with pytest.raises(TargetError, match="no machine"):
            addresses(word, allow_public=True)

    def test_excluded_ones_are_left_out(self) -> None:
        assert addresses("10.0.0.1-5", exclude=read(["10.0.0.2-3"]).spans) == ["10.0.0.1", "10.0.0.4", "10.0.0.5"]

    def test_excluding_the_public_part_makes_a_range_private(self) -> None:
        assert addresses("9.255.255.255-10.0.0.1", exclude=networks(["9.0.0.0/8"], "x")) == ["10.0.0.0", "10.0.0.1"]

    def test_nothing_left_is_an_error(self) -> None:
        with pytest.raises(TargetError, match="no address is left"):
            addresses("10.0.0.1", exclude=read(["10.0.0.1"]).spans)

    def test_as_many_as_are_allowed_and_no_more(self) -> None:
        assert len(permitted(read(["10.0.0.0-10.15.255.255"]).spans)) == MOST_ADDRESSES
        with pytest.raises(TargetError, match="too many"):
            addresses("10.0.0.0-10.16.0.0")
        with pytest.raises(TargetError, match="too many"):
            addresses("fd00::/64")


numbers = st.integers(min_value=0, max_value=300)
spans = st.lists(st.tuples(st.sampled_from([4, 6]), numbers, numbers), max_size=8).map(
    lambda each: [Span(version, min(a, b), max(a, b)) for version, a, b in each]
)


def members(of: list[Span] | tuple[Span, ...]) -> set[tuple[int, int]]:
    return {(span.version, number) for span in of for number in range(span.first, span.last + 1)}


@given(spans, spans)
def test_sets_of_spans_are_sets(one: list[Span], other: list[Span]) -> None:
    assert members(merged(one)) == members(one)
    assert size(merged(one)) == len(members(one))
    assert members(without(one, other)) == members(one) - members(other)


@given(spans)
def test_every_address_has_its_number(of: list[Span]) -> None:
    targets = Targets(merged(of))
    found = [targets[number] for number in range(len(targets))]
    assert set(found) == {address_of(*each) for each in members(of)}
    assert len(found) == len(members(of))
    assert all(ipaddress.ip_address(each) for each in found)
    with pytest.raises(IndexError):
        targets[len(targets)]
