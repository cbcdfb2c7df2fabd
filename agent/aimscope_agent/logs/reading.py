"""Files as blocks of whole lines in UTF-8: encodings, documents of JSON, bounds."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from aimscope_agent.formats._format import Format

LARGEST_DOCUMENT: Final = 67_108_864
"""Bytes of a file that is one JSON document; larger ones are not read."""
_WRONG = (msgspec.MsgspecError, ValueError, RecursionError)


def utf8(data: bytes) -> bytes:
    """Text as UTF-8: UTF-16 by its byte order mark (or its zeros), without NULs."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode()
    if data[1:64:2].count(0) > 24 and not data[0:64:2].count(0):
        return data.decode("utf-16-le", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    return data.replace(b"\0", b"") if b"\0" in data else data


def is_document(head: bytes) -> bool:
    """Whether text is JSON that does not stand on lines of its own: an array, or objects over several lines."""
    start = head.lstrip()
    if start[:1] == b"[":
        return True
    if start[:1] != b"{":
        return False
    first = start.partition(b"\n")[0].strip()
    if first == b"{":
        return True
    return not first.endswith(b"}")


def lines_of(data: bytes, formats: Iterable[Format]) -> bytes:
    """A small file as lines."""
    text = utf8(data)
    records = document_lines(text, record_paths(formats)) if text.lstrip()[:1] in {b"{", b"["} else None
    return records if records is not None else text


def record_paths(formats: Iterable[Format]) -> tuple[str, ...]:
    """Names under which formats keep an array of records in one document."""
    return tuple(sorted({form.map.options.records for form in formats if form.map.options.records}))


def document_lines(text: bytes, paths: Iterable[str]) -> bytes | None:
    """The records of a document, one a line; ``None`` where it is none (lines of JSON among them)."""
    whole = _array(text)
    if whole is None:
        fields = _object(text)
        if fields is not None:
            whole = next((found for path in paths if path in fields if (found := _array(bytes(fields[path])))), None)
            if whole is None and text.strip().count(b"\n"):
                whole = [msgspec.Raw(text.strip())]
        elif is_document(text[:65_536]):
            whole = [msgspec.Raw(part) for part in _concatenated(text)]
    if whole is None:
        return None
    return b"".join(bytes(record).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for record in whole)


def _array(text: bytes) -> list[msgspec.Raw] | None:
    if text.lstrip()[:1] != b"[":
        return None
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except _WRONG:
        return None


def _object(text: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except _WRONG:
        return None


def _concatenated(text: bytes) -> Iterator[bytes]:
    """Objects written over several lines, one after the other: each ends with a brace at the beginning of a line."""
    held: list[bytes] = []
    for line in text.split(b"\n"):
        held.append(line)
        if line.startswith(b"}"):
            yield b"\n".join(held)
            held = []
    if any(line.strip() for line in held):
        yield b"\n".join(held)
