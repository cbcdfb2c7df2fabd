"""No record grows without end, and none holds what steers a terminal or ends a line: cutting and making visible."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from aimscope_collector.events import Event, Indicator

LARGEST: Final = 60_000
"""Bytes of a record where its format says nothing smaller: what every receiver takes (Wazuh ends at 64 KB)."""
_STEPS: Final = ((1_000, 20), (500, 10), (200, 5), (80, 3), (30, 1), (12, 1))
"""Characters of a text and entries of a list, from generous to what fits anywhere."""
_IDENTITY: Final = 72
"""Characters of an id that are kept in any case: more than a SHA-256 in hexadecimal has."""
_IDENTITIES: Final = frozenset({"uid", "hash", "catalogue"})
_LEFT_OUT: Final = "left_out"

Value = TypeVar("Value")

_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
"""C0 and C1 controls, line and paragraph separators, marks and overrides of direction, what has no width."""


def visible(text: str, keep: str = "") -> str:
    r"""``text`` with every control and invisible character written as ``\uXXXX``, but for those to ``keep``."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def cut(text: str, longest: int) -> str:
    """At most so many characters; the end of a longer text says how many are left out."""
    if len(text) <= longest:
        return text
    mark = f"… (+{len(text) - longest:,})"
    return text[: max(0, longest - len(mark))] + mark


def bounded(event: Event, *, text: int, items: int) -> Event:
    """The event with long texts and long lists cut, each with a mark. Ids stay whole."""
    return _cut(event, text, items)


def fitted(write: Callable[[Event], bytes], event: Event, largest: int = LARGEST) -> bytes:
    """What ``write`` makes of the event, cut until it has at most ``largest`` bytes.

    The last step is taken whatever comes of it: no format has so many fields that it would not fit.
    """
    record = b""
    for text, items in _STEPS:
        record = write(bounded(event, text=text, items=items))
        if len(record) <= largest:
            break
    return record


def _cut(value: Value, text: int, items: int) -> Value:
    found: Any = value
    if isinstance(value, str):
        found = cut(value, text).encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    elif isinstance(value, msgspec.Struct):
        found = msgspec.structs.replace(
            value,
            **{
                name: _cut(getattr(value, name), max(text, _IDENTITY) if name in _IDENTITIES else text, items)
                for name in value.__struct_fields__
            },
        )
    elif isinstance(value, tuple):
        found = tuple(_cut(one, text, items) for one in value[:items])
        more = len(value) - items
        if more > 0:
            told = f"{more:,} more"
            found += (
                (Indicator(kind=_LEFT_OUT, fields={"count": told}),) if isinstance(value[0], Indicator) else (told,)
            )
    elif isinstance(value, dict):
        most = max(4, items)
        found = {cut(str(name), min(64, text)): _cut(one, text, items) for name, one in list(value.items())[:most]}
        if len(value) > most:
            found[_LEFT_OUT] = f"{len(value) - most:,} more"
    return found  # type: ignore[no-any-return]
