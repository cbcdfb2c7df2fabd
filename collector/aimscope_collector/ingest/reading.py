"""Bytes → a report: at once where all of it is well-formed, else row by row, so that one bad row costs itself only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final, TypeVar

import msgspec

from aimscope_collector.ingest.problems import Refusal
from aimscope_signatures import wire
from aimscope_signatures.kinds import IDENTITIES, PRESENCES

_MOST_COMMAS: Final = 400_000
"""More than any report within its bounds has: millions of tiny values would cost memory before they are counted."""
_Facts = Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=wire.MOST_CELLS)]
T = TypeVar("T")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of itself."""

    schema: int
    epoch: wire.Token
    sequence: Annotated[int, msgspec.Meta(ge=1, le=wire.LARGEST)]
    sent: wire.Moment
    acknowledged: wire.Count = 0


class Read(Head, frozen=True, kw_only=True):
    """A report whose facts are bytes yet: most of them are known by their bytes."""

    facts: _Facts = ()
    cells: Annotated[tuple[wire.Cell, ...], msgspec.Meta(max_length=wire.MOST_CELLS)] = ()
    looks: Annotated[tuple[wire.Look, ...], msgspec.Meta(max_length=wire.MOST_CELLS)] = ()
    runs: Annotated[tuple[wire.Run, ...], msgspec.Meta(max_length=wire.MOST_RUNS)] = ()


class _Loose(Head, frozen=True, kw_only=True):
    facts: _Facts = ()
    cells: msgspec.Raw = msgspec.Raw(b"[]")
    looks: msgspec.Raw = msgspec.Raw(b"[]")
    runs: msgspec.Raw = msgspec.Raw(b"[]")


Bad = Counter[str]
"""Rows that are not kept, by why."""
_read: Final = msgspec.json.Decoder(Read).decode
_loose: Final = msgspec.json.Decoder(_Loose).decode
_element: Final = json.JSONDecoder(strict=True).raw_decode


def report(body: bytes) -> tuple[Read, Bad]:
    """The report, and what of it is not. Raises ``Refusal`` where there is no report in it."""
    if body.count(b",") > _MOST_COMMAS:
        raise Refusal("too-large")
    bad: Bad = Counter()
    try:
        return _read(body), bad
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refusal("malformed", "not the JSON of a report") from None
    try:
        loose = _loose(body)
        read = Read(
            schema=loose.schema,
            epoch=loose.epoch,
            sequence=loose.sequence,
            sent=loose.sent,
            acknowledged=loose.acknowledged,
            facts=loose.facts,
            cells=tuple(_rows(loose.cells, wire.Cell, wire.MOST_CELLS, "cell", bad)),
            looks=tuple(_rows(loose.looks, wire.Look, wire.MOST_CELLS, "look", bad)),
            runs=tuple(_rows(loose.runs, wire.Run, wire.MOST_RUNS, "run", bad)),
        )
    except msgspec.ValidationError as error:
        raise Refusal("malformed", str(error)[:200]) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Refusal("malformed", "not the JSON of a report") from None
    return read, bad


def _rows(raw: msgspec.Raw, kind: type[T], most: int, name: str, bad: Bad) -> Iterator[T]:
    for number, element in enumerate(_elements(bytes(raw).decode())):
        if number >= most:
            raise Refusal("too-large", f"more than {most} rows of one sort")
        try:
            yield msgspec.convert(element, kind)
        except (msgspec.ValidationError, OverflowError):
            bad[_why(element, name)] += 1


def _elements(text: str) -> Iterator[Any]:
    """Elements of a JSON array, one at a time: ``msgspec`` has seen that it is well-formed."""
    at = text.find("[") + 1
    if text.lstrip()[:1] != "[":
        raise ValueError
    while True:
        at = _blank(text, at)
        if text[at] == "]":
            return
        element, at = _element(text, at)
        yield element
        at = _blank(text, at)
        at += text[at] == ","


def _blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _why(element: Any, name: str) -> str:
    if name == "cell" and isinstance(element, list) and len(element) > 9:
        if element[8] not in IDENTITIES:
            return "a cell of unknown identity"
        if element[9] not in PRESENCES:
            return "a cell of unknown presence"
    return f"a {name} out of its bounds"
