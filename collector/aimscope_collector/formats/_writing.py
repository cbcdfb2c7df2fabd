"""JSON and times as receivers take them."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

import msgspec

_INERT: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
"""What JSON allows as it is, and a terminal or a reader of lines may stumble over."""


def inert(value: Any) -> bytes:
    r"""JSON in one line. Invisible characters are written as ``\uXXXX``: a reader of JSON gets the same text back."""
    text = msgspec.json.encode(value).decode()
    return _INERT.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def iso(seconds: int) -> str:
    """RFC 3339 in UTC, with milliseconds, as every receiver reads it. What no calendar has is its nearest end."""
    at = datetime.datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def compact(value: Any) -> Any:
    """Without what is empty: nulls, empty texts, lists and objects, at every depth."""
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if not _is_empty(kept := compact(one))}
    if isinstance(value, (list, tuple)):
        return [kept for one in value if not _is_empty(kept := compact(one))]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)
