"""OCSF: findings as Detection or Compliance Finding, installed software as inventory, the rest in fitting classes.

The classes, attributes and requirements are those of the schema's releases 1.5.0 to 1.8.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aimscope_collector.events import Event, FindingFacts
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import LARGEST, fitted
from aimscope_collector.formats._header import OPTIONS as HEADER
from aimscope_collector.formats._header import largest, with_header
from aimscope_collector.formats._ocsf_parts import MAPPING, base, finding, managed, software, usage
from aimscope_collector.formats._options import one_of, settled
from aimscope_collector.formats._writing import compact, inert

VERSIONS: Final = ("1.5.0", "1.6.0", "1.7.0", "1.8.0")
CLASSES: Final = ("auto", "detection", "compliance")
OPTIONS: Final[Mapping[str, str]] = {"version": "1.5.0", "class": "auto", **HEADER}
_INVENTORY: Final = 5020
"""The one class here that has a device of its own."""
_RULED: Final = frozenset({"out_of_scope", "expired", "condition_unmet", "dormant"})
"""Verdicts that measure what is registered against its row: results of an evaluation, not detections.

``authorised`` is none of them: most findings that come to it began as unregistered, and keep their class.
"""


def is_compliance(facts: FindingFacts, wanted: str) -> bool:
    """Whether the finding goes out as a Compliance Finding.

    It depends on the verdict with which the finding began, where that is told: receivers follow a finding by its class
    and uid, so a finding that is later authorised stays in its class.
    """
    return wanted == "compliance" or (wanted == "auto" and (facts.first_verdict or facts.verdict) in _RULED)


def record(event: Event, *, version: str, wanted: str) -> dict[str, Any]:
    """The event as an OCSF event of that version of the schema."""
    if event.finding:
        body = finding(event, event.finding, compliance=is_compliance(event.finding, wanted))
    elif event.observation and event.device and event.observation.indicator.presence == "installed":
        body = software(event.observation, event.device)
    elif event.observation:
        body = usage(event, event.observation)
    else:
        body = managed(event)
    found: dict[str, Any] = compact({**base(event, version), **body})
    if "device" in found and found["class_uid"] != _INVENTORY:
        found["metadata"]["profiles"] = ["host"]
    found["type_uid"] = found["class_uid"] * 100 + found["activity_id"]
    return found


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line of JSON. Raises ``Unknown`` for a version or class there is not."""
    options = settled(given, OPTIONS)
    version, wanted = one_of(options, "version", VERSIONS), one_of(options, "class", CLASSES)
    return fitted(
        lambda cut: with_header(cut, inert(record(cut, version=version, wanted=wanted)), options),
        event,
        largest(options, LARGEST),
    )


FORMAT = Format(
    name="ocsf",
    title="Open Cybersecurity Schema Framework",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "syslog", "https", "webhook"}),
    tested="parser",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://schema.ocsf.io/",
    notes="Findings are read by py-ocsf-models; every class is checked against the attributes, requirements, "
    "constraints and enumerations of the schema's releases 1.5.0 to 1.8.0.",
    mapping=MAPPING,
)
