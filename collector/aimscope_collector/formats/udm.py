"""Google Security Operations (Chronicle): events of the Unified Data Model, each ready for the ingestion API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aimscope_collector.events import Event, Severity
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import fitted
from aimscope_collector.formats._facts import FIELDS, facts, is_open, signature, title
from aimscope_collector.formats._keys import text_of
from aimscope_collector.formats._options import settled
from aimscope_collector.formats._writing import compact, inert, iso

_SEVERITIES: Final[Mapping[Severity, str]] = {name: name.upper() for name in ("low", "medium", "high", "critical")} | {
    "informational": "INFORMATIONAL"
}
_PLATFORMS: Final = {"windows": "WINDOWS", "linux": "LINUX", "darwin": "MAC"}


def document(event: Event) -> dict[str, Any]:
    """One UDM event: generic, as no type of the model is for a register of AI."""
    shown = event.finding or event.observation
    device = event.device
    found: dict[str, Any] = compact(
        {
            "metadata": {
                "event_timestamp": iso(event.at),
                "event_type": "GENERIC_EVENT",
                "vendor_name": "aimscope",
                "product_name": "aimscope",
                "product_version": event.product_version,
                "product_event_type": event.type,
                "product_log_id": event.uid,
                "description": event.message,
            },
            "principal": {
                "asset_id": f"aimscope:{device.uid}" if device and device.uid else "",
                "hostname": device.name if device else "",
                "platform": _PLATFORMS.get(device.platform, "") if device else "",
                "user": {"userid": event.observation.subject if event.observation else ""},
            },
            "observer": {"hostname": event.collector, "application": "aimscope"},
            "target": {"application": shown.name or shown.service} if shown else None,
            "security_result": [
                {
                    "summary": title(event),
                    "description": " ".join(event.finding.reasons) if event.finding else event.message,
                    "severity": _SEVERITIES[event.severity],
                    "category": ["POLICY_VIOLATION"] if is_open(event) else [],
                    "rule_id": signature(event),
                    "rule_name": title(event),
                    "rule_version": event.catalogue,
                    "threat_id": event.finding.uid if event.finding else "",
                }
            ],
        }
    )
    # a map of any names, so that everything the model has no field for can be searched by our own
    found["additional"] = {
        name.replace(".", "_"): text_of(name, value, millis=False) for name, value in facts(event).items()
    }
    return found


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One UDM event."""
    settled(given, {})
    return fitted(lambda cut: inert(document(cut)), event)


FORMAT = Format(
    name="udm",
    title="Google Security Operations, Unified Data Model",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "webhook"}),
    tested="contract",
    render=render,
    body=lines,
    reference="https://cloud.google.com/chronicle/docs/reference/udm-field-list",
    notes="One UDM event a line, for a feed that reads files or a forwarder. The ingestion API wants them in a "
    "request of its own with your customer id: see deploy/siem/chronicle.",
    largest_body=1_000_000,
    mapping=(
        ("metadata.event_timestamp", "at"),
        ("metadata.event_type", "GENERIC_EVENT"),
        ("metadata.vendor_name, metadata.product_name", "aimscope"),
        ("metadata.product_version", "product_version"),
        ("metadata.product_event_type", "type"),
        ("metadata.product_log_id", "uid"),
        ("metadata.description", "message"),
        ("principal.asset_id, principal.hostname, principal.platform", "device.uid, device.name, device.platform"),
        ("principal.user.userid", "observation.subject"),
        ("observer.hostname, observer.application", "collector, aimscope"),
        ("target.application", "finding.name, observation.name"),
        ("security_result.summary, security_result.rule_name", "the sort of event"),
        ("security_result.description", "finding.reasons, message"),
        ("security_result.severity", "severity"),
        ("security_result.category", "POLICY_VIOLATION for a finding that is open"),
        ("security_result.rule_id", "type and verdict, or status"),
        ("security_result.rule_version", "catalogue"),
        ("security_result.threat_id", "finding.uid"),
        *((f"additional.{name.replace('.', '_')}", name) for name in FIELDS),
    ),
)
