"""The header of RFC 5424 or RFC 3164 before a record, where syslog carries it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event, Severity
from aimscope_collector.formats._options import one_of
from aimscope_collector.formats._writing import iso

HEADERS: Final = ("none", "rfc5424", "rfc3164")
FACILITIES: Final[Mapping[str, int]] = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    "audit": 13,
    "alert": 14,
    **{f"local{number}": 16 + number for number in range(8)},
}
OPTIONS: Final[Mapping[str, str]] = {"header": "none", "facility": "local0"}
"""What formats that syslog may carry declare beside their own."""
APP: Final = "aimscope"
CARRIED: Final = 8_000
"""Receivers of syslog should take 8,192 bytes; more breaks the connection of some."""
_LEVELS: Final[Mapping[Severity, int]] = {"critical": 2, "high": 3, "medium": 4, "low": 5, "informational": 6}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_NOT_PRINTED: Final = re.compile(r"[^\x21-\x7e]")


def largest(options: Mapping[str, str], alone: int) -> int:
    """Bytes of a record: what syslog carries (RFC 5425, 4.3.1), or what it may have by itself."""
    return alone if options["header"] == "none" else min(alone, CARRIED)


def priority(event: Event, options: Mapping[str, str]) -> int:
    """PRI: facility × 8 + severity (RFC 5424, 6.2.1)."""
    return FACILITIES[one_of(options, "facility", FACILITIES)] * 8 + _LEVELS[event.severity]


def word(text: str, longest: int) -> str:
    """A field of a header: printable ASCII without spaces, ``-`` where there is nothing (RFC 5424, 6)."""
    return _NOT_PRINTED.sub("_", text)[:longest] or "-"


def hostname(text: str) -> str:
    """HOSTNAME: an address, or letters, digits and ``._-``: syslog-ng drops a message with a colon in its name."""
    if _ADDRESS.fullmatch(text):
        return text
    return _NOT_IN_NAME.sub("-", text)[:255].strip("-_.") or "-"


def with_header(event: Event, record: bytes, options: Mapping[str, str]) -> bytes:
    """The record behind the header that the options ask for."""
    level = priority(event, options)
    match one_of(options, "header", HEADERS):
        case "rfc5424":
            msgid = word(event.type, 32)
            head = f"<{level}>1 {iso(event.at)} {hostname(event.collector)} {APP} - {msgid} - "
        case "rfc3164":
            at = datetime.datetime.fromtimestamp(min(max(event.at, 0), 253_402_300_799), datetime.UTC)
            when = f"{_MONTHS[at.month - 1]} {at.day:2} {at:%H:%M:%S}"  # in UTC: this header has no zone
            head = f"<{level}>{when} {hostname(event.collector)} {APP}: "
        case _:
            head = ""
    return head.encode() + record
