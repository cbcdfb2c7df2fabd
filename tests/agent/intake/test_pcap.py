"""Recorded captures: libpcap and this package's own reader give the same, of whole, torn and foreign files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aimscope_agent.intake import pcap, pcap_libpcap
from aimscope_agent.intake.capture_filter import traffic_filter
from aimscope_agent.intake.pcap import Capture, CaptureError, Filter, open_capture

from .captures import START, Taken, interface, packet, pcapng, section
from .captures import pcap as classic

FRAMES = [bytes([number]) * 12 + b"\x08\0" + bytes(46) for number in range(5)]
EXPECTED = [(START + number + 0.123456, 1, frame, 60) for number, frame in enumerate(FRAMES)]


@pytest.fixture
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "own":
        monkeypatch.setattr(pcap, "libpcap", None)
    elif pcap.libpcap is None:
        pytest.skip("needs libpcap")
    return str(request.param)


BOTH = pytest.mark.parametrize("library", ["libpcap", "own"], indirect=True)


def taken(capture: Capture) -> list[Taken]:
    found: list[Taken] = []
    with capture:
        capture.run(lambda at, link, data, length: found.append((round(at, 6), link, data, length)))
    return found


def read(folder: Path, data: bytes, wanted: Filter = None) -> tuple[list[Taken], Capture]:
    path = folder / "capture"
    path.write_bytes(data)
    capture = open_capture(path, filter=wanted)
    return taken(capture), capture


@BOTH
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
def test_classic_captures(tmp_path: Path, library: str, magic: int, order: str) -> None:
    found, capture = read(tmp_path, classic(FRAMES, order, magic))
    assert found == EXPECTED
    assert (capture.passed, capture.truncated, capture.problems, capture.dropped) == (5, False, (), 0)


@BOTH
@pytest.mark.parametrize("order", "<>")
def test_pcapng(tmp_path: Path, library: str, order: str) -> None:
    found, capture = read(tmp_path, pcapng(FRAMES, order))
    assert found == EXPECTED
    assert capture.problems == ()


@BOTH
def test_the_length_on_the_wire_is_told_where_packets_were_cut(tmp_path: Path, library: str) -> None:
    found, _ = read(tmp_path, classic(FRAMES, wire=1500, snaplen=60))
    assert {length for *_, length in found} == {1500}


@BOTH
def test_link_types_are_numbered_as_in_libpcap(tmp_path: Path, library: str) -> None:
    assert {link for _, link, _, _ in read(tmp_path, classic(FRAMES, link=101))[0]} == {12}
    assert {link for _, link, _, _ in read(tmp_path, pcapng(FRAMES, link=113))[0]} == {113}


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@BOTH
@pytest.mark.parametrize("file", [classic(FRAMES), pcapng(FRAMES)], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compressed_captures(tmp_path: Path, library: str, compression: str, file: bytes) -> None:
    packed = COMPRESSIONS[compression](file)
    found, capture = read(tmp_path, packed)
    assert found == EXPECTED
    assert (capture.size, capture.done()) == (len(packed), len(packed))


@BOTH
@pytest.mark.parametrize("file", [classic(FRAMES), pcapng(FRAMES), gzip.compress(classic(FRAMES), mtime=0)])
def test_standard_input(library: str, file: bytes) -> None:
    capture = open_capture("-", filter=None, stdin=io.BytesIO(file))
    assert taken(capture) == EXPECTED
    assert (capture.size, capture.done()) == (None, len(file))


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@BOTH
def test_a_pipe_that_is_written_slowly(library: str) -> None:
    source, sink = os.pipe()

    def write() -> None:
        with os.fdopen(sink, "wb", buffering=0) as file:
            file.writelines(bytes([byte]) for byte in classic(FRAMES))

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(source, "rb") as stdin:
        assert taken(open_capture("-", filter=None, stdin=stdin)) == EXPECTED
    writer.join()


@BOTH
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("make", [classic, pcapng])
@pytest.mark.parametrize("missing", [1, 30, 59, 61, 75])
def test_a_file_that_ends_within_a_packet(
    tmp_path: Path, library: str, make: Callable[..., bytes], missing: int, pack: Callable[[bytes], bytes]
) -> None:
    found, capture = read(tmp_path, pack(make(FRAMES)[:-missing]))
    assert found == EXPECTED[:4]
    assert capture.truncated
    assert capture.problems == ()


@BOTH
def test_a_compressed_file_that_ends_early(tmp_path: Path, library: str) -> None:
    noise = [os.urandom(60) for _ in range(5_000)]
    packed = gzip.compress(classic(noise))
    found, capture = read(tmp_path, packed[: len(packed) // 2])
    assert 1_000 < len(found) < 4_000
    assert [data for _, _, data, _ in found] == noise[: len(found)]
    assert capture.truncated


@BOTH
def test_a_compressed_file_that_is_damaged(tmp_path: Path, library: str) -> None:
    packed = bytearray(gzip.compress(classic([os.urandom(60) for _ in range(5_000)])))
    packed[-6] ^= 0xFF
    _, capture = read(tmp_path, bytes(packed))
    assert any("gzip" in problem for problem in capture.problems)


@BOTH
@pytest.mark.parametrize("make", [classic, pcapng])
def test_damage_further_on_is_a_result(tmp_path: Path, library: str, make: Callable[..., bytes]) -> None:
    data = make(FRAMES)
    found, capture = read(tmp_path, data + b"\xff" * 64)
    assert found == EXPECTED
    assert len(capture.problems) == 1
    assert "damaged after 5 packets" in capture.problems[0]


@BOTH
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"hello, world, this is a text and nothing else\n", "pcap or pcapng was expected"),
        (gzip.compress(b"hello, world, this is a text and nothing else\n", mtime=0), "pcap or pcapng was expected"),
        (b"\xd4\xc3\xb2\xa1\2\0", "ends within its header"),
        (classic([], minor=9), "2.9"),
        (b"snoop\0\0\0\0\0\0\2\0\0\0\4" + bytes(40), "editcap"),
        (b"GMBU\0\2" + bytes(60), "Network Monitor"),
        (b"\x1c\0\1\xac" + bytes(60), "Ixia"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "header of its section"),
        (b"\x1f\x8b\x08\0" + bytes(60), "gzip"),
        (b"\x28\xb5\x2f\xfd\xff\xff" + bytes(60), "zstd"),
        (b"\xfd7zXZ\0" + bytes(60), "xz"),
    ],
)
def test_what_is_no_capture_is_an_error_that_says_so(tmp_path: Path, library: str, data: bytes, said: str) -> None:
    with pytest.raises(CaptureError, match=said) as error:
        read(tmp_path, data)
    assert "capture:" in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        open_capture(tmp_path / "none", filter=None)
    with pytest.raises(CaptureError, match="directory"):
        open_capture(tmp_path, filter=None)


def mixed() -> bytes:
    """Ethernet first and, only after a packet of it, raw IP: libpcap has given one when it refuses."""
    ticks = START * 1_000_000
    return (
        section()
        + interface(1)
        + packet(FRAMES[0], ticks)
        + packet(FRAMES[1], ticks + 1)
        + interface(101, resolution=9)
        + packet(b"\x45" + bytes(59), (START + 1) * 1_000_000_000 + 5_000, 1)
        + packet(FRAMES[2], ticks + 3)
    )


@BOTH
@pytest.mark.parametrize("pack", [bytes, zstandard.compress], ids=["plain", "zstd"])
def test_interfaces_that_differ(tmp_path: Path, library: str, pack: Callable[[bytes], bytes]) -> None:
    found, capture = read(tmp_path, pack(mixed()))
    assert [(link, data[0]) for _, link, data, _ in found] == [(1, 0), (1, 1), (12, 0x45), (1, 2)]
    assert found[2][0] == START + 1.000005
    assert (capture.passed, capture.problems) == (4, ())


def test_interfaces_that_differ_have_a_filter_each(tmp_path: Path) -> None:
    pytest.importorskip("pcapy")
    asked: list[int] = []

    def wanted(link: int) -> str:
        asked.append(link)
        return "link[0] = 1" if link == 1 else "link[0] = 0x45"

    found, capture = read(tmp_path, mixed(), wanted)
    assert [(link, data[0]) for _, link, data, _ in found] == [(1, 1), (12, 0x45)]
    assert (capture.passed, capture.packets) == (2, 4)
    assert set(asked) == {1, 12}


def test_the_filter_is_the_same_whoever_reads(tmp_path: Path) -> None:
    pytest.importorskip("pcapy")
    for data in (classic(FRAMES), pcapng(FRAMES), gzip.compress(classic(FRAMES)), gzip.compress(pcapng(FRAMES))):
        assert read(tmp_path, data, "link[0] >= 3")[0] == EXPECTED[3:]
        assert read(tmp_path, data, "")[0] == EXPECTED
        assert read(tmp_path, data, traffic_filter)[0] == EXPECTED


@pytest.mark.parametrize("damage", [b"", b"\6\0\0", b"\xff" * 64], ids=["whole", "torn", "damaged"])
@pytest.mark.parametrize("make", [classic, pcapng])
def test_a_lighter_filter_for_as_long_as_little_passes(
    tmp_path: Path, make: Callable[..., bytes], damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pcapy")
    monkeypatch.setattr(pcap_libpcap, "_JUDGED_FROM", 10_000)
    path = tmp_path / "capture"
    path.write_bytes(make([bytes([number % 5]) + number.to_bytes(59, "big") for number in range(1_000)]) + damage)
    with open_capture(path, filter="link[0] >= 3", lighter="link[0] >= 1") as capture:
        given: list[int] = []
        capture.run(lambda _at, _link, data, _length: given.append(int.from_bytes(data[1:], "big")))
    light = next(number for number in range(1_000) if number % 5 in {1, 2} and number not in given)
    assert 50 < light < 500
    assert given == [number for number in range(1_000) if number % 5 >= (1 if number < light else 3)]
    assert capture.passed == len(given)
    assert (capture.truncated, len(capture.problems)) == (len(damage) == 3, len(damage) // 64)


def test_a_filter_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pcapy")
    for data in (classic(FRAMES), gzip.compress(classic(FRAMES)), gzip.compress(pcapng(FRAMES))):
        with pytest.raises(CaptureError, match="filter"):
            read(tmp_path, data, "no such expression")


def test_without_libpcap_a_filter_of_the_users_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcap, "libpcap", None)
    with pytest.raises(CaptureError, match="aimscope\\[gateway\\]"):
        read(tmp_path, classic(FRAMES), "tcp")
    assert read(tmp_path, classic(FRAMES), traffic_filter)[0] == EXPECTED


@BOTH
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("make", [classic, pcapng])
def test_stopped_from_within(
    tmp_path: Path, library: str, make: Callable[..., bytes], pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pack(make([os.urandom(600) for _ in range(20_000)])))
    with open_capture(path, filter=None) as capture:
        capture.run(lambda *_: capture.stop())
        assert 1 <= capture.passed <= 4096
        assert capture.problems == ()


@BOTH
def test_what_the_reader_raises_goes_through(tmp_path: Path, library: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(classic(FRAMES))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with open_capture(path, filter=None) as capture, pytest.raises(ZeroDivisionError):
        capture.run(fail)


@BOTH
def test_a_file_named_like_standard_input(tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "-").write_bytes(classic(FRAMES))
    monkeypatch.chdir(tmp_path)
    assert taken(open_capture(Path("-"), filter=None)) == EXPECTED


@BOTH
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120), st.sampled_from([b"", classic(FRAMES[:1]), pcapng(FRAMES[:1]), section()]), st.data())
def test_any_bytes(tmp_path: Path, library: str, noise: bytes, start: bytes, draw: st.DataObject) -> None:
    keep = draw.draw(st.integers(0, len(start)))
    try:
        found, _ = read(tmp_path, start[:keep] + noise)
    except CaptureError:
        return
    assert all(len(data) <= 262_144 for _, _, data, _ in found)
