"""Totals as rows of the ledger, and as rows of a report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from aimscope_signatures import wire
from aimscope_signatures.fold import key_of
from aimscope_signatures.model import Sighting

_TOLD: Final = 24
"""Characters of the digest that stands for the end of a text too long to be sent."""


def text_of(value: object) -> str:
    """JSON; what cannot be written as UTF-8 (a file's name may be any bytes) becomes ``?``."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean(msgspec.to_builtins(value))).decode()


def key_text(sighting: Sighting) -> str:
    """What tells one total from another, as text."""
    return text_of(key_of(sighting))


def sighting_of(text: str) -> Sighting:
    """The total a row holds. Raises ``msgspec.MsgspecError``."""
    return msgspec.json.decode(text, type=Sighting)


def slim(text: str) -> str:
    """A total without what only describes it. Raises ``msgspec.MsgspecError``."""
    return text_of(msgspec.structs.replace(sighting_of(text), sources=(), details=()))


def look_key(look: wire.Look) -> str:
    """What tells one look from another."""
    return text_of((look.sensor, look.source, look.day))


def merged(one: wire.Look, other: wire.Look) -> wire.Look:
    """Two looks of one sensor, source and day: the later run decides, counters take the larger."""
    last = other if other.sequence >= one.sequence else one
    counts = dict(one.counts)
    for name, count in other.counts:
        counts[name] = max(count, counts.get(name, 0))
    return msgspec.structs.replace(last, counts=tuple(sorted(counts.items()))[:32], at=max(one.at, other.at))


def fitting(look: wire.Look) -> wire.Look:
    """The look as a report can carry it."""
    return msgspec.structs.replace(
        look,
        sensor=clipped(look.sensor, 128),
        source=clipped(look.source),
        reason=clipped(look.reason),
        remedy=clipped(look.remedy),
        counts=tuple((clipped(name, wire.LONGEST_NAME), _count(count)) for name, count in look.counts[:32]),
        emits=look.emits[:64],
    )


def fact_of(total: Sighting) -> wire.Fact:
    """The evidence of a total."""
    return wire.Fact(
        clipped(total.service, 128),
        clipped(total.kind, 64),
        _pairs(total.evidence),
        tuple(
            (clipped(held.field, wire.LONGEST_NAME), clipped(held.operator, wire.LONGEST_NAME), clipped(held.value))
            for held in total.held[:16]
        ),
    )


def cell_of(total: Sighting, fact: int) -> wire.Cell:
    """The total itself; ``fact`` is the place of its evidence in the report."""
    year, _, month = total.month.partition("-")
    return wire.Cell(
        fact,
        int(year) * 100 + int(month),
        clipped(total.asset, wire.LONGEST_NAME),
        clipped(total.subject, wire.LONGEST_NAME),
        _count(total.count),
        total.first,
        total.last,
        total.days,
        total.identity,
        total.presence,
        None if total.bytes_out is None else _count(total.bytes_out),
        None if total.bytes_in is None else _count(total.bytes_in),
        _pairs(total.details),
    )


def clipped(text: str, longest: int = wire.LONGEST_TEXT) -> str:
    """The text, as far as it may be sent: two long ones that differ still differ."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - _TOLD - 1]}…{hashlib.sha256(text.encode()).hexdigest()[:_TOLD]}"


def _pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((clipped(name, wire.LONGEST_NAME), clipped(value)) for name, value in tuple(pairs)[:32])


def _count(number: int) -> int:
    return min(max(number, 0), wire.LARGEST)


def _clean(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_clean(name): _clean(item) for name, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
    return value
