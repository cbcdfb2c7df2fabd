"""Elasticsearch ``_bulk``: ECS documents, each created in a data stream under the event's own id.

A record is two lines: the action and the document. A repetition is answered 409, which counts as taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aimscope_collector.events import Event
from aimscope_collector.formats import Format, Unknown, lines
from aimscope_collector.formats._bounds import fitted
from aimscope_collector.formats._options import one_of, settled
from aimscope_collector.formats._writing import inert
from aimscope_collector.formats.ecs import MAPPING, VERSIONS, document

OPTIONS: Final[Mapping[str, str]] = {"version": "9.0.0", "dataset": "aimscope", "namespace": "default"}
_NAME: Final = re.compile(r"[a-z0-9_.]{1,100}")
"""Of what a data stream's dataset and namespace may hold, the part that never needs a second look."""


def _stream(options: Mapping[str, str]) -> dict[str, str]:
    for name in ("dataset", "namespace"):
        if not _NAME.fullmatch(options[name]):
            raise Unknown(f"{name} {options[name]!r}: small letters, digits, _ and . only, at most 100")
    return {"type": "logs", "dataset": options["dataset"], "namespace": options["namespace"]}


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """Action and document, a line each. Raises ``Unknown`` for a value that an option cannot have."""
    options = settled(given, OPTIONS)
    version, stream = one_of(options, "version", VERSIONS), _stream(options)

    def write(cut: Event) -> bytes:
        action = {"create": {"_index": "-".join(stream.values()), "_id": cut.uid}}
        found = document(cut, version)
        found["event"]["dataset"] = stream["dataset"]
        return inert(action) + b"\n" + inert({**found, "data_stream": stream})

    return fitted(write, event)


FORMAT = Format(
    name="elastic",
    title="Elasticsearch _bulk",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "https"}),
    tested="contract",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk",
    notes="ECS documents with data_stream.*; event.dataset is the data stream's. A record is two lines. The id is "
    "the event's within one backing index: after a rollover a repetition is a second document with the same event.id.",
    mapping=(
        ("create._index", "logs, the options dataset and namespace"),
        ("create._id", "uid"),
        ("data_stream.*", "the options dataset and namespace"),
        *MAPPING,
    ),
)
