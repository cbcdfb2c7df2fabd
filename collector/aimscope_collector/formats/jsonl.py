"""Plain JSON lines: the event in our own words, the field contract itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aimscope_collector.events import Event
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import LARGEST, fitted
from aimscope_collector.formats._facts import FIELDS
from aimscope_collector.formats._header import OPTIONS, largest, with_header
from aimscope_collector.formats._options import settled
from aimscope_collector.formats._writing import compact, inert, iso

_TIMES: Final = frozenset(name.rpartition(".")[2] for name, (kind, _) in FIELDS.items() if kind == "time")

PATHS: Final[Mapping[str, str]] = {
    **{name: name for name in FIELDS},
    **{f"observation.{name}": f"observation.indicator.{name}" for name in ("kind", "identity", "presence")},
    "observation.evidence": "observation.indicator.fields",
}
"""Our field → where it stands in the document."""


def document(event: Event) -> dict[str, Any]:
    """The event as it is, without what is empty; times as RFC 3339."""
    found: dict[str, Any] = _timed(compact(msgspec.to_builtins(event)))
    return found


def _timed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        name: iso(one) if name in _TIMES and isinstance(one, int) else one if name == "facts" else _timed(one)
        for name, one in value.items()
    }


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line of JSON."""
    options = settled(given, OPTIONS)
    return fitted(lambda cut: with_header(cut, inert(document(cut)), options), event, largest(options, LARGEST))


FORMAT = Format(
    name="jsonl",
    title="JSON lines",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "syslog", "https", "webhook"}),
    tested="parser",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://jsonlines.org/",
    notes="The field contract itself; read back by a JSON parser and compared with the event.",
    mapping=tuple((path, name) for name, path in PATHS.items()),
)
