"""Microsoft Sentinel through the Logs Ingestion API: a JSON array of rows of the table in ``deploy/siem/sentinel``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aimscope_collector.events import Event
from aimscope_collector.formats import Format
from aimscope_collector.formats._bounds import fitted
from aimscope_collector.formats._facts import FIELDS, facts
from aimscope_collector.formats._options import settled
from aimscope_collector.formats._writing import inert, iso

_TYPES: Final = {"text": "string", "number": "long", "yes": "boolean", "time": "datetime", "list": "dynamic"}


def _column(name: str) -> str:
    if name == "at":
        return "TimeGenerated"
    words = (name if "." in name else f"event_{name}").replace(".", "_").split("_")
    return "".join(word.capitalize() for word in words)


COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    name: (_column(name), _TYPES[kind]) for name, (kind, _) in FIELDS.items()
}
"""Our field → column and its type."""


def row(event: Event) -> dict[str, Any]:
    """The columns that the event has values for."""
    return {
        COLUMNS[name][0]: iso(value) if FIELDS[name][0] == "time" and isinstance(value, int) else value
        for name, value in facts(event).items()
    }


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One row."""
    settled(given, {})
    return fitted(lambda cut: inert(row(cut)), event)


def _body(records: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(records) + b"]"


FORMAT = Format(
    name="sentinel",
    title="Microsoft Sentinel, Logs Ingestion API",
    content_type="application/json",
    carriers=frozenset({"file", "https"}),
    tested="contract",
    render=render,
    body=_body,
    reference="https://learn.microsoft.com/en-us/azure/azure-monitor/logs/logs-ingestion-api-overview",
    notes="Rows are checked against the table and the data collection rule in deploy/siem/sentinel. A call has at "
    "most 1 MB. Azure does not know repetitions: `summarize arg_max(TimeGenerated, *) by EventUid` does.",
    largest_body=1_000_000,
    mapping=tuple((column, name) for name, (column, _) in COLUMNS.items()),
)
