"""Files of logs as blocks of lines: UTF-8 and UTF-16, JSON documents, compression, dnstap; and parts of a plain file.

Run: `python tests/fuzz/fuzz_log_documents.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys
import tempfile
from contextlib import suppress

import atheris

with atheris.instrument_imports():
    from aimscope_agent.intake.decompress import CompressionError, Stream
    from aimscope_agent.logs import documents, reading

BLOCK = 48
vars(reading).update(BLOCK=BLOCK, LONGEST_LINE=BLOCK, HEAD=BLOCK)  # so that small inputs have several blocks
PATHS = ("Records", "value")
FILE = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - for the whole run
MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
BEFORE = (b"", b"[", b'{"Records":[', b"{\n", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)


def once(data: bytes) -> None:
    if not data:
        return
    pick, data = data[0], BEFORE[data[0] % len(BEFORE)] + data[1:]
    text = reading.utf8(data)
    text.decode("utf-8", "replace")
    lines = documents.document_lines(text, PATHS)
    if lines != text and text.lstrip()[:1] == b"[":
        with suppress(ValueError, RecursionError):  # what is no JSON may be several documents
            assert list(json.loads(text)) == [json.loads(line) for line in lines.split(b"\n") if line]
    reading.lines_of(data, ())

    packed = gzip.compress(data, 1, mtime=0) if pick & 128 else data
    try:
        log = reading.Log(io.BytesIO(packed), Stream, PATHS)
        blocks = [block for block in log.blocks() if block]
    except (reading.UnusableError, CompressionError):
        return
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    if packed is not data or not data.startswith(MAGIC):  # else it is compressed itself, and may hold any length
        assert sum(map(len, blocks)) <= 4 * len(data) + len(blocks)
    if log.seekable:
        parts(data, pick % 200 + 20, blocks)


def parts(data: bytes, size: int, blocks: list[bytes]) -> None:
    """A plain file read in parts has the lines that it has as a whole, but for those that are too long."""
    assert isinstance(FILE, io.FileIO)
    FILE.seek(0)
    FILE.truncate()
    FILE.write(data)
    found = []
    for start in range(0, len(data), size):
        found += [block for block, _ in reading.part_blocks(FILE, start, min(start + size, len(data)))]
    if all(len(line) < BLOCK - 1 for line in data.split(b"\n")):
        assert b"".join(found) == b"".join(blocks)


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
