"""Files → blocks of whole lines: every line once, whatever the encoding, the compression and where parts are cut."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.logs import reading
from aimscope_agent.logs.parser import LONGEST_LINE
from aimscope_agent.logs.reading import Log, UnusableError, part_blocks

TEXT = "".join(f"line {n} ä\n" for n in range(50_000)).encode()


def opened(data: bytes, *records: str) -> Log:
    return Log(io.BytesIO(data), Stream, records)


def whole(data: bytes, *records: str) -> bytes:
    return b"".join(opened(data, *records).blocks())


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compressed(compress: object) -> None:
    assert callable(compress)
    assert whole(compress(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str) -> None:
    assert whole(TEXT.decode().encode(encoding)) == TEXT


def test_zeros_and_windows_line_breaks() -> None:
    assert whole(b"a\0b\r\n\0\0c\n") == b"ab\r\nc\n"


def test_blocks_are_whole_lines() -> None:
    blocks = list(opened(TEXT * 8).blocks())
    assert len(blocks) > 1
    assert all(block.endswith(b"\n") for block in blocks)
    assert max(map(len, blocks)) <= 3 * reading.BLOCK


def test_a_line_without_end_is_one_line_too_long() -> None:
    data = b"a\n" + b"x" * (5 * LONGEST_LINE) + b"\nb\n"
    lines = whole(data).split(b"\n")
    assert (lines[0], lines[-2], len(lines)) == (b"a", b"b", 4)
    assert len(lines[1]) > LONGEST_LINE


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"Records":[{"a":1},{"a":2}]}', ("Records",)),
        (json.dumps({"Records": [{"a": 1}, {"a": 2}]}, indent=2), ("Records",)),
        ('[{"a":1},{"a":2}]', ()),
        ('{"Records":[{"a":1}]}\n{"Records":[{"a":2}]}\n', ("Records",)),
        (json.dumps([{"a": 1}, {"a": 2}], indent=1), ()),
        ('{\n "a": 1\n}\n{\n "a": 2\n}\n', ()),
    ],
)
def test_documents_of_json(text: str, paths: tuple[str, ...]) -> None:
    assert [json.loads(line) for line in whole(text.encode(), *paths).splitlines()] == [{"a": 1}, {"a": 2}]


def test_lines_of_json_are_no_document() -> None:
    text = b'{"a":{"Records":[]}}\n{"a":2}\n'
    assert whole(text, "Records") == text
    assert opened(text, "Records").seekable
    torn = b'{"a":1,"b\n{"a":2}\n'
    assert opened(torn).seekable


def test_a_document_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_DOCUMENT", 1_000)
    with pytest.raises(UnusableError, match="one JSON document"):
        opened(json.dumps([{"a": n} for n in range(1_000)]).encode())


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\0", b"")), max_size=30), st.integers(1, 200))
def test_parts_have_every_line_once(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int) -> None:
    data = b"\n".join(lines)
    path: Path = tmp_path_factory.getbasetemp() / "parts.log"
    path.write_bytes(data)
    found = []
    for start in range(0, max(len(data), 1), size):
        with io.FileIO(path) as file:
            found += [block for block, _ in part_blocks(file, start, min(start + size, len(data)))]
    assert b"".join(found) == data.removeprefix(b"\xef\xbb\xbf")
    assert all(block.endswith(b"\n") for block in found[:-1])


def test_only_the_first_line_of_a_file_has_a_mark_of_its_encoding(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "log").write_bytes(mark + b"one\n" + mark + b"two\n")
    with io.FileIO(tmp_path / "log") as file:
        assert b"".join(block for block, _ in part_blocks(file, 0, 9)) == b"one\n" + mark + b"two\n"
    assert b"".join(opened(mark + b"one\n" + mark + b"two\n").blocks()) == b"one\n" + mark + b"two\n"


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    for prefix in (b"", b"[", b'{"Records":[', b"\xff\xfe", b"\x1f\x8b\x08"):
        with contextlib.suppress(UnusableError, CompressionError):
            list(opened(prefix + data, "Records").blocks())
