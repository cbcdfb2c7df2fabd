"""One member of an archive: sound ones, and those made to fill memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import archive
from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.host.tree import TooLargeError
from aimscope_agent.sensor import MEGABYTE, Look

from .conftest import LookOver, Plant
from .test_look import look_gaps

NAME = "META-INF/plugin.xml"
HOME = "/home/ann/"


def packed(content: bytes = b"<x/>", compression: int = zipfile.ZIP_DEFLATED, name: str = NAME) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as made:
        made.writestr("other.txt", "other")
        made.writestr(name, content)
    return data.getvalue()


def member(data: bytes, name: str = NAME, limit: int = MEGABYTE) -> bytes:
    return archive.member(io.BytesIO(data), name, limit)


@contextmanager
def little_memory(most: int = 4 * MEGABYTE) -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most


def list_of_members(number: int, name: bytes = b"") -> bytes:
    """An archive that is nothing but its list."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    directory = entry * number
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number & 0xFFFF, number & 0xFFFF, len(directory), 0, 0)
    return directory + end


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"", b"<x/>", b"<x/>" * 50_000])
def test_a_member_as_it_was_packed(compression: int, content: bytes) -> None:
    assert member(packed(content, compression)) == content
    assert member(b"#!/bin/sh\n" + packed(content, compression)) == content


def test_no_such_member() -> None:
    with pytest.raises(FileNotFoundError):
        member(packed(), "META-INF/other.xml")


def test_a_bomb_ends_at_the_limit() -> None:
    bomb = packed(bytes(200 * MEGABYTE))
    assert len(bomb) < MEGABYTE
    with little_memory(), pytest.raises(TooLargeError):
        member(bomb)


def test_a_size_that_lies_does_not_lift_the_limit() -> None:
    small = struct.pack("<L", 64)
    bomb = packed(bytes(20 * MEGABYTE)).replace(struct.pack("<L", 20 * MEGABYTE), small)
    with little_memory(), pytest.raises(UnreadableError):
        member(bomb)
    claims = packed(b"<x/>").replace(struct.pack("<LL", 6, 4), struct.pack("<LL", 6, 0xFFFF_FFF0))
    with little_memory():
        assert member(claims) == b"<x/>"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_inflate_at_once_are_refused(compression: int) -> None:
    bomb = packed(bytes(20 * MEGABYTE), compression)
    with little_memory(), pytest.raises(UnreadableError):
        member(bomb)


def test_too_many_members_are_refused_before_they_are_listed() -> None:
    many = list_of_members(100_000)
    with little_memory(2 * len(many)), pytest.raises(TooLargeError, match="more than 50,000 members"):
        member(many)
    with pytest.raises(FileNotFoundError):
        member(list_of_members(1_000))


def test_a_long_list_is_refused_before_it_is_read() -> None:
    long = list_of_members(200, b"a" * 60_000)
    with little_memory(), pytest.raises(TooLargeError, match="larger than 8 MiB"):
        member(long)


def test_an_encrypted_member() -> None:
    data = bytearray(packed())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(mark) + flags] |= 1
    with pytest.raises(UnreadableError, match="encrypted"):
        member(bytes(data))


@given(st.integers(0, len(packed())))
def test_a_torn_archive_is_not_sound(length: int) -> None:
    whole = packed()
    if length == len(whole):
        assert member(whole) == b"<x/>"
    else:
        with pytest.raises(UnreadableError):
            member(whole[:length])


@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    damaged = bytearray(packed(b"<x/>" * 100))
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnreadableError, TooLargeError, FileNotFoundError):
        assert len(member(bytes(damaged), limit=1_000)) <= 1_000


def test_a_look_notes_what_it_could_not_unpack(plant: Plant, look_over: LookOver) -> None:
    root = plant(
        {
            "home/ann/ok.jar": packed(),
            "home/ann/bomb.jar": packed(bytes(20 * MEGABYTE)),
            "home/ann/text.jar": "text",
            "home/ann/many.jar": list_of_members(100_000),
        }
    )
    look: Look = look_over(root)
    assert look.member(HOME + "ok.jar", NAME) == b"<x/>"
    assert look.member(HOME + "ok.jar", "none") is None
    assert look.member(HOME + "none.jar", NAME) is None
    assert look_gaps(look) == set()
    for name in ("bomb", "text", "many"):
        assert look.member(f"{HOME}{name}.jar", NAME) is None
    assert look_gaps(look) == {
        ("~/bomb.jar", "partial", "larger than 1 MiB"),
        ("~/text.jar", "failed", "not a sound archive"),
        ("~/many.jar", "partial", "more than 50,000 members"),
    }


def test_parts_of_a_file(plant: Plant, look_over: LookOver) -> None:
    look: Look = look_over(plant({"home/ann/f": b"0123456789", "home/ann/folder/": ""}))
    assert [look.part(HOME + "f", at, 4) for at in (0, 3, 8)] == [b"0123", b"3456", b"89"]
    assert [look.part(HOME + "f", at, 4) for at in (10, 1 << 70, -1)] == [b"", b"", b""]
    assert look.part(HOME + "f", 0, -1) == b""
    assert look.part(HOME + "none", 0, 4) is None
    assert look_gaps(look) == set()
    assert look.part(HOME + "folder", 0, 4) is None
    assert look_gaps(look) == {("~/folder", "partial", "not a regular file")}
