"""Files as blocks of whole lines in UTF-8: compression, encodings, documents of JSON, bounds."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, Protocol

from aimscope_agent.formats._format import Format
from aimscope_agent.formats.dnstap import is_dnstap
from aimscope_agent.logs.documents import LARGEST_DOCUMENT, document_lines, is_document, record_paths
from aimscope_agent.logs.frames import frame_lines
from aimscope_agent.logs.parser import LONGEST_LINE

BLOCK: Final = 524_288
"""Bytes of a block, about: what fits the processor's cache, and is no burden for its memory."""
HEAD: Final = 65_536
"""Bytes by which a log is recognised."""


class Inflated(Protocol):
    """The content of an input, decompressed where it is compressed."""

    compression: str | None
    truncated: bool
    taken: int

    def peek(self, size: int) -> bytes:
        """The first bytes, left where they are."""

    def __iter__(self) -> Iterator[bytes]:
        """The content in pieces."""


Inflate = Callable[[IO[bytes]], Inflated]


class UnusableError(Exception):
    """The file cannot be read as a log; the text says why."""


def utf8(data: bytes) -> bytes:
    """Text as UTF-8: UTF-16 by its byte order mark (or its zeros), without NULs."""
    encoding = encoding_of(data)
    if encoding:
        return data.decode(encoding, "replace").removeprefix("\ufeff").encode("utf-8", "replace")
    return data.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"")


def encoding_of(head: bytes) -> str:
    """UTF-16, if it is that; else empty."""
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    even, odd = head[0:128:2], head[1:128:2]
    if len(odd) >= 16 and odd.count(0) > len(odd) * 3 // 4 and not even.count(0):
        return "utf-16-le"
    if len(odd) >= 16 and even.count(0) > len(even) * 3 // 4 and not odd.count(0):
        return "utf-16-be"
    return ""


def lines_of(data: bytes, formats: Iterable[Format]) -> bytes:
    """A small file as lines."""
    if is_dnstap(data):
        return b"".join(frame_lines((data,)))
    text, paths = utf8(data), record_paths(formats)
    return document_lines(text, paths) if is_document(text, paths) else text


class Log:
    """An opened log: its ``head`` tells what it is, ``blocks`` are its lines.

    ``seekable``: it may be read in parts, at offsets of the file.
    """

    def __init__(self, file: IO[bytes], inflate: Inflate, records: Iterable[str]) -> None:
        """Raise ``UnusableError`` for a document that is too large, and what ``inflate`` and the file raise."""
        self._file = file
        self._stream = inflate(file)
        start = self._stream.peek(HEAD)
        self._frames = is_dnstap(start)
        if self._frames:
            start = _framed(start)
        self._encoding = encoding_of(start)
        self.document: bytes | None = None
        text = utf8(start[: len(start) // 2 * 2] if self._encoding else start)
        records = tuple(records)
        if is_document(text, records):
            self.document = document_lines(self._whole(), records)
            text = self.document[:HEAD]
        self.seekable = not (self._stream.compression or self._encoding or self._frames or self.document is not None)
        self.seekable = self.seekable and b"\0" not in start and file.seekable()
        whole = len(start) < HEAD if self.document is None else len(self.document) <= HEAD
        self.head = text if whole else text[: text.rfind(b"\n") + 1] or text

    @property
    def truncated(self) -> bool:
        """Whether the compressed input ended before its end; known after the last block."""
        return self._stream.truncated

    @property
    def taken(self) -> int:
        """Bytes of the file read so far."""
        return self._stream.taken

    def _whole(self) -> bytes:
        parts, size = [], 0
        for piece in self._stream:
            size += len(piece)
            if size > LARGEST_DOCUMENT:
                raise UnusableError(f"one JSON document of more than {LARGEST_DOCUMENT:,} bytes")
            parts.append(piece)
        return utf8(b"".join(parts))

    def blocks(self) -> Iterator[bytes]:
        """All lines, in blocks of whole ones."""
        if self.document is not None:
            yield from _cut(iter((self.document,)))
        elif self._frames:
            yield from _cut(frame_lines(self._stream))
        elif self._encoding:
            yield from _cut(_decoded(self._stream, self._encoding))
        else:
            yield from _cut(iter(self._stream), clean=True)


def _framed(head: bytes) -> bytes:
    try:
        return b"".join(frame_lines((head,)))
    except ImportError:
        raise UnusableError("it is dnstap, which needs the package dnstap-pb") from None


def part_blocks(file: io.FileIO, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Blocks of the lines that begin between two offsets of an uncompressed file, and where each ends."""
    at = start
    if start:
        file.seek(start - 1)
        while (piece := file.read(HEAD)) and (cut := piece.find(b"\n")) < 0:
            at += len(piece)
        at += cut if piece else 0
    while at < end:
        file.seek(at)
        data = file.read(min(BLOCK, end - at))
        if not data:
            return
        if at + len(data) >= end and not data.endswith(b"\n"):
            data += _rest_of_line(file)
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) >= BLOCK:  # a line longer than a block
            data += file.read(max(0, LONGEST_LINE - len(data)))
            cut = data.find(b"\n") + 1
            if not cut and len(data) >= LONGEST_LINE:  # its beginning stands for it
                rest = len(data)
                while (piece := file.read(BLOCK)) and (cut := piece.find(b"\n")) < 0:
                    rest += len(piece)
                at += rest + (cut + 1 if piece else 0)
                yield data + b" \n", at
                continue
        if cut and cut < len(data):
            data = data[:cut]
        first = at == 0
        at += len(data)
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        if first:
            data = data.removeprefix(codecs.BOM_UTF8)
        yield data, at


def _rest_of_line(file: io.FileIO) -> bytes:
    parts, size = [], 0
    while piece := file.read(HEAD):
        cut = piece.find(b"\n")
        parts.append(piece if cut < 0 else piece[: cut + 1])
        size += len(parts[-1])
        if cut >= 0 or size > LONGEST_LINE:
            break
    return b"".join(parts)


def _cut(pieces: Iterator[bytes], *, clean: bool = False) -> Iterator[bytes]:
    """Pieces of any size as blocks of whole lines."""
    held: list[bytes] = []
    size = 0
    skipping = False
    first = clean
    for raw in pieces:
        piece = raw
        if first:
            piece, first = raw.removeprefix(codecs.BOM_UTF8), False
        if clean and b"\0" in piece:
            piece = piece.replace(b"\0", b"")
        if skipping:  # the rest of a line that is too long
            cut = piece.find(b"\n")
            if cut < 0:
                continue
            piece, skipping = piece[cut + 1 :], False
        held.append(piece)
        size += len(piece)
        if size < BLOCK:
            continue
        data = b"".join(held)
        cut = data.rfind(b"\n") + 1
        held, size = [], 0
        if cut:
            yield from _pieces(data[:cut])
            held, size = [data[cut:]], len(data) - cut
        elif len(data) > LONGEST_LINE:
            yield data[: LONGEST_LINE + 1] + b"\n"
            skipping = True
        else:
            held, size = [data], len(data)
    if held and (data := b"".join(held)):
        yield from _pieces(data)


def _pieces(data: bytes) -> Iterator[bytes]:
    """A large run of whole lines, in blocks."""
    start = 0
    while len(data) - start > 2 * BLOCK:
        cut = data.rfind(b"\n", start, start + BLOCK) + 1
        if cut <= start:
            cut = data.find(b"\n", start) + 1 or len(data)
        yield data[start:cut]
        start = cut
    yield data[start:] if start else data


def _decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    first = True
    for piece in pieces:
        text = decoder.decode(piece)
        if first:
            text, first = text.removeprefix("\ufeff"), False
        yield text.replace("\0", "").encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
