"""Compressed inputs as streams: members in a row, early ends, damage, and inputs that inflate without end."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.intake.decompress import PIECE, CompressionError, Stream

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
CONTENT = os.urandom(300_000) + bytes(2_000_000) + b"end"


@pytest.mark.parametrize("kind", PACKERS)
def test_members_in_a_row(kind: str) -> None:
    packed = PACKERS[kind](CONTENT) + PACKERS[kind](b"") + PACKERS[kind](b"more")
    stream = Stream(io.BytesIO(packed))
    assert stream.compression == kind
    assert b"".join(stream) == CONTENT + b"more"
    assert (stream.taken, stream.truncated) == (len(packed), False)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("after", [bytes(4096), b"no member"])
def test_what_follows_the_last_member_is_no_content(kind: str, after: bytes) -> None:
    assert b"".join(Stream(io.BytesIO(PACKERS[kind](CONTENT) + after))) == CONTENT


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("missing", [1, 9, 250_000])
def test_an_early_end_is_told(kind: str, missing: int) -> None:
    stream = Stream(io.BytesIO(PACKERS[kind](b"") + PACKERS[kind](CONTENT)[:-missing]))
    assert CONTENT.startswith(b"".join(stream))
    assert stream.truncated


SHAPES = st.builds(
    zstandard.ZstdCompressor,
    level=st.integers(1, 6),
    write_checksum=st.booleans(),
    write_content_size=st.booleans(),
)
SKIPPED = st.binary(max_size=9).map(lambda data: bytes([0x50, 0x2A, 0x4D, 0x18, len(data), 0, 0, 0]) + data)


@settings(deadline=None)
@given(st.lists(st.tuples(SHAPES, st.binary(max_size=300), st.integers(0, 200_000)), min_size=1, max_size=3), SKIPPED)
def test_every_form_of_zstd_ends_where_it_ends(
    parts: list[tuple[zstandard.ZstdCompressor, bytes, int]], skipped: bytes
) -> None:
    frames = [packer.compress(data + bytes(size)) for packer, data, size in parts]
    stream = Stream(io.BytesIO(skipped.join([*frames, b""])))
    assert b"".join(stream) == b"".join(data + bytes(size) for _, data, size in parts)
    assert not stream.truncated
    cut = Stream(io.BytesIO(b"".join(frames)[:-1]))
    with contextlib.suppress(CompressionError):
        assert sum(map(len, cut)) <= sum(len(data) + size for _, data, size in parts)
        assert cut.truncated


@pytest.mark.parametrize("kind", PACKERS)
def test_an_input_that_inflates_without_end_costs_no_memory(kind: str) -> None:
    bomb = PACKERS[kind](bytes(60_000_000))
    tracemalloc.start()
    try:
        total = 0
        for piece in Stream(io.BytesIO(bomb)):
            assert len(piece) <= PIECE
            total += len(piece)
        assert total == 60_000_000
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["gzip", "bzip2", "xz", "zstd", "plain"]), st.lists(st.integers(1, 400_000), max_size=8))
def test_reading_in_any_sizes(kind: str, sizes: list[int]) -> None:
    stream = Stream(io.BytesIO(PACKERS.get(kind, bytes)(CONTENT[:700_000])))
    assert stream.peek(5) == CONTENT[:5]
    found = [stream.read(size) for size in sizes]
    assert [len(piece) for piece in found[:1]] == sizes[:1]
    assert b"".join(found) + b"".join(stream) == CONTENT[:700_000]
    assert stream.read(5) == b""


@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 100), st.binary(max_size=30))
def test_damage(kind: str, keep: int, noise: bytes) -> None:
    packed = PACKERS[kind](b"content of some kind " * 3)
    with contextlib.suppress(CompressionError):
        b"".join(Stream(io.BytesIO(packed[:keep] + noise)))
