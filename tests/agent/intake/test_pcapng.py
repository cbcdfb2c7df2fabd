"""pcapng without libpcap: sections, interfaces, units of time, statistics, torn blocks."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.intake.decompress import Stream
from aimscope_agent.intake.pcap import open_capture
from aimscope_agent.intake.pcap_records import NotACaptureError, Notes, Record
from aimscope_agent.intake.pcapng import LARGEST_BLOCK, dropped_at_end, pcapng_records

from .captures import START, block, interface, packet, pcapng, section, statistics

DATA = bytes(range(61))


def read(data: bytes) -> tuple[list[Record], Notes]:
    notes = Notes()
    return list(pcapng_records(Stream(io.BytesIO(data)), notes)), notes


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [
        (None, START * 10**6 + 250_000),
        (0, START),
        (3, START * 10**3 + 250),
        (9, START * 10**9 + 250_000_000),
        (0x80 | 2, START * 4 + 1),
        (0x80 | 30, START * 2**30 + 2**28),
    ],
)
def test_units_of_time(resolution: int | None, ticks: int, order: str) -> None:
    found, notes = read(section(order) + interface(1, order, resolution) + packet(DATA, ticks, order=order))
    assert found == [(START + (0 if resolution == 0 else 0.25), 1, DATA, 61)]
    assert notes.problems == []


def test_a_time_offset_is_added() -> None:
    found, _ = read(section() + interface(1, resolution=6, offset=START) + packet(DATA, 1_500_000))
    assert found[0][0] == START + 1.5


def test_an_impossible_unit_of_time_is_damage() -> None:
    found, notes = read(section() + interface(1, resolution=127) + packet(DATA, 1))
    assert found == []
    assert "unit of time" in notes.problems[0]


def test_sections_of_both_orders_each_with_its_interfaces() -> None:
    data = section() + interface(1) + packet(DATA, 0) + section(">") + interface(113, ">") + packet(DATA, 0, order=">")
    assert [link for _, link, _, _ in read(data)[0]] == [1, 113]


def test_simple_and_old_packets() -> None:
    simple = block(3, struct.pack("<I", 1500) + DATA[:60])
    old = block(2, struct.pack("<HHIIII", 0, 0, 0, 0, 61, 90) + DATA + bytes(3))
    found, _ = read(section() + interface(1) + simple + old)
    assert found == [(0.0, 1, DATA[:60], 1500), (0.0, 1, DATA, 90)]


def test_blocks_of_other_kinds_are_passed_over() -> None:
    data = section() + interface(1) + block(4, b"names") + block(0xBAD, bytes(100)) + packet(DATA, 0)
    assert len(read(data)[0]) == 1


def test_a_packet_of_an_interface_that_is_not_described() -> None:
    found, notes = read(section() + interface(1) + packet(DATA, 0, 7) + packet(DATA, 0))
    assert len(found) == 1
    assert "not described" in notes.problems[0]


def test_packets_lost_by_who_captured_are_counted(tmp_path: Path) -> None:
    data = section() + interface(1) + packet(DATA, 0) + statistics(3) + packet(DATA, 0) + statistics(5)
    found, notes = read(data)
    assert (len(found), notes.dropped) == (2, 6)  # the later block counts from the beginning; one by the system
    path = tmp_path / "capture"
    path.write_bytes(data)
    assert dropped_at_end(path) == 6
    with open_capture(path, filter=None) as capture:
        capture.run(lambda *_: None)
        assert capture.dropped == 6
    path.write_bytes(pcapng([DATA]))
    assert dropped_at_end(path) == 0


@pytest.mark.parametrize(
    "torn",
    [
        struct.pack("<II", 6, 13),
        struct.pack("<II", 6, 8),
        struct.pack("<II", 6, LARGEST_BLOCK + 4),
        struct.pack("<II", 5, 16) + bytes(8),
        block(6, bytes(4)),
        block(6, struct.pack("<IIIII", 0, 0, 0, 1000, 1000) + bytes(8)),
        block(1, b"\1\0\0\0"),
    ],
)
def test_torn_blocks_end_the_reading_with_a_word(torn: bytes) -> None:
    found, notes = read(section() + interface(1) + packet(DATA, 0) + torn + packet(DATA, 0))
    assert len(found) == 1
    assert "damaged after 1 packets" in notes.problems[0]


def test_interfaces_without_end_are_bounded() -> None:
    _, notes = read(section() + interface(1) * 10_001)
    assert "interfaces" in notes.problems[0]


@given(st.integers(0, 400))
def test_a_file_cut_anywhere_gives_whole_packets_only(keep: int) -> None:
    whole = pcapng([DATA] * 3)
    notes = Notes()
    try:
        found = list(pcapng_records(Stream(io.BytesIO(whole[:keep])), notes))
    except NotACaptureError:
        return
    assert all(data == DATA for _, _, data, _ in found)


@given(st.binary(max_size=300), st.integers(0, 300), st.binary(max_size=8))
def test_any_bytes(tail: bytes, at: int, damage: bytes) -> None:
    data = bytearray(pcapng([DATA]) + tail)
    data[at : at + len(damage)] = damage
    with contextlib.suppress(NotACaptureError):
        read(bytes(data))
