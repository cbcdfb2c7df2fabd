from __future__ import annotations

import random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.protocols.tcp import ACK, SYN, Stream, after, distance, segment

ROOM = 65_536


def header(sequence: int = 7, acknowledged: int = 9, flags: int = ACK, words: int = 5) -> bytes:
    return pack(">HHIIBBHHH", 40_000, 443, sequence, acknowledged, words << 4, flags, 0, 0, 0) + bytes(words * 4 - 20)


def test_a_segment_and_its_payload() -> None:
    found = segment(b"xx" + header(words=8) + b"hello", 2, 2 + 32 + 5)
    assert found is not None
    assert (found.sequence, found.acknowledged) == (7, 9)
    assert (found.start, found.end) == (34, 39)


def test_data_of_a_syn_starts_one_later() -> None:
    found = segment(header(sequence=2**32 - 1, flags=SYN), 0, 20)
    assert found is not None
    assert found.sequence == 0


@pytest.mark.parametrize(
    "bad", [header()[:19], b"", header(words=5)[:12] + b"\x40" + header()[13:], header(words=9)[:24]]
)
def test_a_header_that_is_cut_or_impossible(bad: bytes) -> None:
    assert segment(bad, 0, len(bad)) is None


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_distance_is_what_was_added(base: int, count: int) -> None:
    assert distance(after(base, count), base) == count


@given(
    text=st.binary(min_size=1, max_size=200),
    base=st.sampled_from([0, 5, 2**32 - 50, 2**31 - 50]),
    cuts=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), max_size=30),
    seed=st.integers(0, 2**32),
)
def test_any_order_any_overlap_gives_the_text(text: bytes, base: int, cuts: list[tuple[int, int]], seed: int) -> None:
    pieces = [(start, text[start : start + size]) for start, size in cuts]
    pieces += [(start, text[start : start + 16]) for start in range(0, len(text), 16)]
    random.Random(seed).shuffle(pieces)
    stream = Stream(base)
    for start, piece in pieces:
        assert stream.add(after(base, start), piece, ROOM)
        assert text.startswith(bytes(stream.ready))
        assert stream.held <= len(text)
    assert (bytes(stream.ready), stream.early) == (text, 0)


@given(
    text=st.binary(min_size=64, max_size=64),
    order=st.permutations(range(8)),
    skips=st.lists(st.integers(0, 24), min_size=8, max_size=8),
)
def test_consuming_on_the_way(text: bytes, order: list[int], skips: list[int]) -> None:
    stream = Stream(2**32 - 10)
    position = 0
    for number, skip in zip(order, skips, strict=True):
        stream.add(after(2**32 - 10, number * 8), text[number * 8 : number * 8 + 8], ROOM)
        assert bytes(stream.ready) == text[position : position + len(stream.ready)]
        stream.consume(skip)
        position += skip
        assert bytes(stream.ready) == text[position : position + len(stream.ready)]


def test_what_came_first_holds() -> None:
    stream = Stream(0)
    stream.add(4, b"EVIL", ROOM)
    stream.add(0, b"goodGOODmore", ROOM)
    assert bytes(stream.ready) == b"goodEVILmore"
    stream = Stream(0)
    stream.add(0, b"good", ROOM)
    stream.add(2, b"XXyz", ROOM)
    assert bytes(stream.ready) == b"goodyz"


def test_memory_is_bounded() -> None:
    stream = Stream(0)
    assert not stream.add(0, bytes(101), 100)
    assert not stream.add(99, b"ab", 100)
    taken = sum(stream.add(1 + 2 * number, b"x", 1_000_000) for number in range(10_000))
    assert taken == 256
    assert stream.held <= 256


def test_a_gap_that_is_given_up() -> None:
    stream = Stream(0)
    assert not stream.skip_gap()
    stream.add(0, b"ab", ROOM)
    stream.add(10, b"later", ROOM)
    assert stream.skip_gap()
    assert (bytes(stream.ready), stream.base) == (b"later", 10)
