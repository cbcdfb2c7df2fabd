"""Recorded captures as this package reads them, without libpcap: pcap, pcapng, and what they are compressed with.

Run: `python tests/fuzz/fuzz_capture_files.py -max_total_time=600 [CORPUS]`, needs atheris and zstandard.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import sys
import tempfile
from contextlib import suppress
from itertools import islice
from pathlib import Path
from struct import pack

import atheris
import zstandard

with atheris.instrument_imports():
    from aimscope_agent.intake.decompress import PIECE, CompressionError, Stream
    from aimscope_agent.intake.pcap_records import LARGEST_PACKET, NotACaptureError, Notes, pcap_records
    from aimscope_agent.intake.pcapng import dropped_at_end, pcapng_records

SECTION = pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
BEFORE = (
    b"",
    pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1),
    pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 101),
    pack("<IHHiIII", 0xA1B2CD34, 2, 3, 0, 0, 65_535, 113),
    SECTION,
    SECTION + pack("<IIHHII", 1, 20, 1, 0, 0, 20),
    pack(">IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + pack(">IIHHII", 1, 20, 1, 0, 0, 20),
)
PACKERS = (gzip.compress, bz2.compress, lzma.compress, zstandard.compress)
MOST = 16
"""Pieces of content that are looked at: a few bytes may inflate to gigabytes."""
FILE = Path(tempfile.mkdtemp()) / "capture"


def once(data: bytes) -> None:
    if len(data) < 3:
        return
    pick, place, data = data[0], data[1], data[2:]
    made = BEFORE[pick % len(BEFORE)] + data
    records(made)
    FILE.write_bytes(made)
    assert dropped_at_end(FILE) >= 0
    packed = PACKERS[pick // 8 % 4](made)
    stream = Stream(io.BytesIO(packed))
    assert b"".join(stream) == made
    assert not stream.truncated
    for damaged in (packed[: place * len(packed) // 256], packed[:place] + data + packed[place + len(data) :], data):
        inflate(damaged, place)


def records(made: bytes) -> None:
    """Packets, whichever reader takes them."""
    for reader in (pcap_records, pcapng_records):
        notes = Notes()
        try:
            for at, link, packet, length in reader(Stream(io.BytesIO(made)), notes):
                assert math.isfinite(at)
                assert 0 <= link < 1 << 32
                assert len(packet) <= max(LARGEST_PACKET, len(made))
                assert length >= 0
        except NotACaptureError:
            continue
        assert len(notes.problems) <= 4


def inflate(packed: bytes, size: int) -> None:
    """Content in pieces of bounded size, or a reason."""
    with suppress(CompressionError):
        stream = Stream(io.BytesIO(packed))
        start = stream.peek(size)
        assert stream.read(size) == start
        assert all(0 < len(piece) <= PIECE for piece in islice(stream, MOST))


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
