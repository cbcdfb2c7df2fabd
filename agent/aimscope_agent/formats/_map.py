"""The map of a product: one YAML file that says what the fields of its lines mean."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from aimscope_agent.host.reading import UnreadableError, read_yaml
from aimscope_signatures.kinds import KINDS

GIVEN_BY_LOGS: Final = ("dns.query", "tls.client_hello", "http.request", "connection", "cloud.call")
"""Kinds that a line of a log may speak of."""
EngineName = Literal["json_lines", "key_value", "delimited", "w3c", "zeek", "cef", "leef", "regex"]
Globs = dict[str, tuple[str, ...]]
Alternatives = str | tuple[str, ...]
LARGEST: Final = 262_144

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class MapError(ValueError):
    """A map that cannot be used; the text names file and field."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the engines; each engine takes its own and refuses the others."""

    unwrap: str = ""
    records: str = ""
    pair: str = "="
    separator: str = ""
    inside: str = ""
    columns: tuple[str, ...] = ()
    least: int = 0
    patterns: tuple[str, ...] = ()


class Recognise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every line of the format has. All must hold."""

    fields: tuple[str, ...] = ()
    values: Globs = {}
    contains: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One observation that a line may give."""

    kind: str
    fields: dict[str, Alternatives]
    when: Globs = {}
    user: Alternatives = ()
    device: Alternatives = ()
    blocked: Globs = {}
    paired: bool = False
    """Other paired records may tell of the same question: it counts once, and as refused if one of them says so."""


class Map(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product's map, as its file states it."""

    name: _Name
    title: str
    vendor: str
    engine: EngineName
    recognise: Recognise
    records: Annotated[tuple[Record, ...], msgspec.Meta(min_length=1)]
    verified: Literal["samples", "documentation", "memory"]
    references: tuple[str, ...] = ()
    options: Options = Options()
    time: tuple[str, ...] = ()
    time_format: str = "auto"
    zone: str = "local"
    skip: tuple[Globs, ...] = ()
    nothing: tuple[str, ...] = ()
    """Words that stand for no value in this product's logs, besides those that do everywhere."""
    fallback: bool = False
    """Only where no other format fits: ``generic-cef``."""
    note: str = ""


def read_map(data: bytes, name: str) -> Map:
    """The map in a file's bytes; ``name`` is the file's, for messages. Raises ``MapError``."""
    if len(data) > LARGEST:
        raise MapError(f"{name} is larger than {LARGEST:,} bytes")
    try:
        found = msgspec.convert(read_yaml(data), Map)
    except UnreadableError as error:
        raise MapError(f"{name}: {error}") from None
    except msgspec.ValidationError as error:
        raise MapError(f"{name}: {error}") from None
    for number, record in enumerate(found.records):
        where = f"{name}: $.records[{number}]"
        if record.kind not in GIVEN_BY_LOGS:
            raise MapError(f"{where}.kind: {record.kind!r} is none of {', '.join(GIVEN_BY_LOGS)}")
        known = KINDS[record.kind].fields
        for field in record.fields:
            if field not in known or field in {"blocked", "device"}:
                raise MapError(f"{where}.fields: {record.kind} takes no {field!r}; it takes {', '.join(known)}")
    recognise = found.recognise
    if not (recognise.fields or recognise.values or recognise.contains or found.engine == "regex"):
        raise MapError(f"{name}: $.recognise: says nothing")
    return found
