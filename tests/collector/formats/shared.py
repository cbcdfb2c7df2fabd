"""The shared events, hostile texts, and how many records a receiver would see."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from aimscope_collector.events import Activity, Event, EventType, Severity
from aimscope_collector.findings import VERDICTS, Level
from aimscope_collector.formats import format_named
from aimscope_collector.formats._bounds import visible

EXPORTS = Path(__file__).parents[2] / "_data" / "exports"
SCHEMAS = Path(__file__).parents[2] / "_data" / "schemas"
EVENTS = msgspec.json.decode((EXPORTS / "events.json").read_bytes(), type=list[Event])
KEPT = frozenset({*VERDICTS, *get_args(Level), *get_args(Severity), *get_args(Activity), *get_args(EventType)})

HOSTILE = (
    "two\nlines\r\nand a third\rone",
    "\n",
    " ",
    "pipes | and || and \\| and ending in |",
    "a=b cs1=evil cs1Label=msg",
    "x\t\tcat=evil\tsev=10",
    "back\\slash \\\\ \\n \\= ends with \\",
    'quote " bracket ] [evil@1 a="b"] ',
    "<134>1 2026-01-01T00:00:00Z evil evil - - - CEF:0|a|b|c|d|e|10|msg=x",
    "right to left \u202eevil\u202c \u2066isolate\u2069 \u200f",
    "terminal \x1b[31mred\x1b[0m \x07 \x9b31m \x08",
    "nul \x00 and \x7f and \x85 next line",
    "separators \u2028 line \u2029 paragraph \x0b \x0c \x1c \x1d \x1e",
    "emoji 👩‍💻 𝕏 and é and e\u0301 and \ufeff mark",
    "^caret^ and \x1f unit",
    '{"create":{"_id":"evil"}}\n{"evil":true}',
    "=cmd|'/c calc'!A1",
    "long " * 2_000,
    "💥" * 5_000,
    "\n" * 5_000,
)


def poisoned(event: Event, text: str) -> Event:
    """The event with that text wherever a text of somebody's may stand: also in the names of fields."""
    found: Event = _poisoned(event, text)
    return found


def _poisoned(value: Any, text: str) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(
            value, **{name: _poisoned(getattr(value, name), text) for name in value.__struct_fields__}
        )
    if isinstance(value, str):
        return value if value in KEPT else text
    if isinstance(value, tuple):
        return tuple(_poisoned(one, text) for one in value) + (() if not value else (_poisoned(value[0], text),) * 21)
    if isinstance(value, dict):
        return {**{f"{text[:40]}{number}": text for number in range(25)}, **dict.fromkeys(value, text)}
    return value


def seen_by_a_receiver(name: str, body: bytes) -> int:
    """Records in a body. Lines end wherever any reader of lines may see an end."""
    if name == "sentinel":
        return len(json.loads(body))
    lines = body.decode().splitlines()  # also at U+0085, U+2028, form feeds
    assert lines == body.decode().removesuffix("\n").split("\n")
    for line in lines:
        if line.startswith("{"):
            json.loads(line)
    return len(lines) // (2 if name == "elastic" else 1)


SOME = [EVENTS[number] for number in (2, 3, 7, 9, 11, 13)]
"""One of each type, with a decision and a device."""


def records(name: str, **options: str) -> list[bytes]:
    """The shared events in a format."""
    return [format_named(name).render(event, options) for event in EVENTS]


def message_of(name: str, record: bytes) -> str:
    """The sentence that a reader of the format finds in a record."""
    line = record.decode()
    match name:
        case "cef":
            found = re.search(r"(?<= msg=)(?:[^\\=]|\\.)*(?= dvchost=)", line)
            return re.sub(r"\\(.)", lambda one: {"n": "\n", "r": "\r"}.get(one[1], one[1]), found[0]) if found else ""
        case "leef":
            return line.partition("\tmsg=")[2]
        case "syslog":
            return line.partition('"] ')[2]
    found_in = json.loads(line.splitlines()[-1])
    path = {
        "hec": "event.message",
        "sentinel": "EventMessage",
        "udm": "metadata.description",
        "wazuh": "aimscope.message",
    }
    for part in path.get(name, "message").split("."):
        found_in = found_in[part]
    return str(found_in)


def shown(name: str, text: str) -> str:
    """What the documentation says becomes of a text."""
    match name:
        case "cef":
            return visible(text, keep="\n\r").strip(" ")
        case "leef" | "syslog":
            return visible(text)
    return text
