"""Splunk HTTP Event Collector: the event with Splunk's own metadata around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aimscope_collector.events import Event
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import fitted
from aimscope_collector.formats._facts import signature
from aimscope_collector.formats._options import settled
from aimscope_collector.formats._writing import compact, inert
from aimscope_collector.formats.jsonl import PATHS, document

OPTIONS: Final[Mapping[str, str]] = {"index": "", "source": "aimscope", "sourcetype": "aimscope:event"}


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One object. ``fields`` are indexed fields, for fast searches: flat, as Splunk demands.

    None is called as a field of the event is: a search would see its value twice.
    """
    options = settled(given, OPTIONS)

    def write(cut: Event) -> bytes:
        found: dict[str, Any] = {
            "time": cut.at,
            "host": cut.collector,
            **options,
            "fields": {
                "event_uid": cut.uid,
                "event_type": cut.type,
                "signature_id": signature(cut),
                "finding_uid": cut.finding.uid if cut.finding else "",
            },
        }
        return inert({**compact(found), "event": document(cut)})

    return fitted(write, event)


FORMAT = Format(
    name="hec",
    title="Splunk HTTP Event Collector",
    content_type="application/json",
    carriers=frozenset({"file", "https"}),
    tested="contract",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector",
    notes="Objects one after the other, as the collector's /services/collector/event takes them. The collector does "
    "not know repetitions: `dedup event_uid` in a search does.",
    largest_body=1_000_000,
    mapping=(
        ("time", "at"),
        ("host", "collector"),
        ("index, source, sourcetype", "the options of that name"),
        ("fields.event_uid", "uid"),
        ("fields.event_type", "type"),
        ("fields.signature_id", "type and verdict, or status"),
        ("fields.finding_uid", "finding.uid"),
        *((f"event.{path}", name) for name, path in PATHS.items()),
    ),
)
