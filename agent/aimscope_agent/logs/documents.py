"""JSON that does not stand on lines of its own: a file that is one array, or objects written over several lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from aimscope_agent.formats._format import Format

LARGEST_DOCUMENT: Final = 67_108_864
"""Bytes of a file that is one JSON document; larger ones are not read."""
_WRONG = (msgspec.MsgspecError, ValueError, RecursionError)


def record_paths(formats: Iterable[Format]) -> tuple[str, ...]:
    """Names under which formats keep an array of records in one document."""
    return tuple(sorted({form.map.options.records for form in formats if form.map.options.records}))


def is_document(head: bytes, paths: Iterable[str]) -> bool:
    """Whether text may be JSON that does not stand on lines of its own, by its beginning."""
    start = head.lstrip()
    if start[:1] == b"[":
        return start[1:].lstrip()[:1] in {b"{", b"]"}
    if start[:1] != b"{":
        return False
    first, line_break, _ = start.partition(b"\n")
    if line_break and first.rstrip()[-1:] in {b"{", b"[", b","}:
        return True
    beginning = b"".join(first[:4_096].split())
    return any(_outermost(beginning, f'"{path}":['.encode()) for path in paths)


def _outermost(text: bytes, wanted: bytes) -> bool:
    """Whether a field is one of the document itself."""
    at = text.find(wanted)
    return at >= 0 and text.count(b"{", 0, at) - text.count(b"}", 0, at) == 1


def document_lines(text: bytes, paths: Iterable[str]) -> bytes:
    """The records of a document, one a line; text that is none, as it is."""
    whole = _array(text)
    if whole is None:
        if (found := _records(text, paths)) is not None:
            whole = found
        elif (first := text.lstrip().partition(b"\n")[0]) and _records(first, paths) is not None:
            whole = [each for line in text.splitlines() if line for each in _records(line, paths) or [line]]
        elif text.lstrip().partition(b"\n")[0].strip() in {b"{", b"["}:
            whole = list(_concatenated(text))
    if whole is None:
        return text
    return b"".join(record.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for record in whole)


def _records(text: bytes, paths: Iterable[str]) -> list[bytes] | None:
    """The records of one object: those in its array, else the object itself."""
    fields = _object(text)
    if fields is None:
        return None
    for path in paths:
        if path in fields and (found := _array(bytes(fields[path]))) is not None:
            return found
    return [text.strip()]


def _array(text: bytes) -> list[bytes] | None:
    if text.lstrip()[:1] != b"[":
        return None
    try:
        return [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
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
