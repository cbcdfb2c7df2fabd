"""Records of keys and values: which key takes which of our fields, how long it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aimscope_collector.formats._bounds import cut
from aimscope_collector.formats._facts import FIELDS, Scalar
from aimscope_collector.formats._writing import iso

_LONGEST: Final = 4_000
"""Characters of a list in one text."""
_NOT_IN_HEADER: Final = re.compile(r"[^\w .,:()/+-]")


def heading(text: str, longest: int) -> str:
    """A field of a header that pipes divide: what no reader could take for more than that. Nothing is ``-``."""
    return cut(_NOT_IN_HEADER.sub("_", text), longest) or "-"


class Key(msgspec.Struct, frozen=True):
    """A key of a format. Of ``fields`` the first that the event has gives the value; ``label`` names a custom key."""

    name: str
    fields: tuple[str, ...]
    longest: int = 1_023
    label: str = ""


def valued(keys: Iterable[Key], known: Mapping[str, Scalar], *, millis: bool) -> Iterator[tuple[Key, str]]:
    """Each key that has a value, as text."""
    for key in keys:
        field = next((name for name in key.fields if name in known), "")
        if field:
            yield key, cut(text_of(field, known[field], millis=millis), key.longest)


def text_of(field: str, value: Scalar, *, millis: bool) -> str:
    """A value as text: lists joined and cut, times as milliseconds since 1970 or as RFC 3339."""
    if isinstance(value, tuple):
        return cut("; ".join(value), _LONGEST)
    if isinstance(value, bool):
        return "true" if value else "false"
    if FIELDS[field][0] == "time":
        return str(int(value) * 1000) if millis else iso(int(value))
    return str(value)


def mapping(keys: Iterable[Key]) -> tuple[tuple[str, str], ...]:
    """The declared table, for the documentation."""
    return tuple((f"{key.name} ({key.label})" if key.label else key.name, ", ".join(key.fields)) for key in keys)
