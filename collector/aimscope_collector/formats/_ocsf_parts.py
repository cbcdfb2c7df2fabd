"""The parts of OCSF events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aimscope_collector.events import DeviceFacts, Event, FindingFacts, Indicator, ObservationFacts, Severity
from aimscope_collector.formats._facts import is_open, signature, title, told

_SEVERITIES: Final[Mapping[Severity, tuple[int, str]]] = {
    "informational": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
_RISKS: Final = {"low": (1, "Low"), "medium": (2, "Medium"), "high": (3, "High"), "critical": (4, "Critical")}
_ACTIVITIES: Final = {"create": (1, "Create"), "update": (2, "Update"), "close": (3, "Close")}
_STATUSES: Final[Mapping[str, tuple[int, str]]] = {
    "unreviewed": (1, "New"),
    "under_review": (2, "In Progress"),
    "registered": (4, "Resolved"),
    "tolerated": (3, "Suppressed"),
    "dismissed": (3, "Suppressed"),
}
_RESOLVED: Final = (4, "Resolved")
_CONFIDENCES: Final = {"low": (1, "Low"), "medium": (2, "Medium"), "high": (3, "High"), "certain": (3, "High")}
_SYSTEMS: Final = {"windows": (100, "Windows"), "linux": (200, "Linux"), "darwin": (300, "macOS")}
_STANDARD: Final = "ISO/IEC 42001:2023"
_CONTROL: Final = "Annex A, A.4.2: resources of AI systems are documented"
_UNKNOWN: Final = "unknown"
"""For what the schema requires and nobody knows."""

MAPPING: Final = (
    ("class_uid, class_name, category_uid, category_name, type_uid", "the class that fits, see above"),
    ("metadata.version", "the option version"),
    ("metadata.uid", "uid"),
    ("metadata.event_code", "type"),
    ("metadata.sequence", "sequence"),
    ("metadata.tenant_uid", "organisation"),
    ("metadata.log_provider", "collector"),
    ("metadata.log_version", "contract"),
    ("metadata.correlation_uid", "finding.uid"),
    ("metadata.product", "aimscope, product_version"),
    ("metadata.profiles", "host, where a class has no device of its own"),
    ("time, timezone_offset", "at, in UTC"),
    ("activity_id, activity_name", "activity; of agents and coverage their status, of the audit log its action"),
    ("severity_id, severity", "severity"),
    ("message", "message"),
    ("status_id, status, status_code", "finding.state, agent.status, coverage.status"),
    ("status_detail", "decision.reason, agent.why, coverage.why"),
    ("comment", "decision.action, decision.by"),
    ("count", "observation.count"),
    ("start_time, end_time", "finding.first and last, observation.first and last"),
    ("finding_info.uid", "finding.uid"),
    ("finding_info.title", "the sort of finding, finding.name"),
    ("finding_info.desc", "finding.reasons"),
    ("finding_info.types", "finding.verdict"),
    ("finding_info.analytic", "type and finding.verdict, catalogue"),
    ("finding_info.first_seen_time, finding_info.last_seen_time", "finding.first, finding.last"),
    ("finding_info.data_sources", "kinds of finding.indicators"),
    ("is_alert", "whether the finding is open: found, judged and not authorised (Detection Finding)"),
    ("risk_level_id, risk_level, risk_score", "finding.risk, finding.score (Detection Finding)"),
    ("compliance.status_id, compliance.status", "3 Fail; 1 Pass for authorised and dormant (Compliance Finding)"),
    ("compliance.status_code, compliance.status_details", "finding.verdict, finding.reasons (Compliance Finding)"),
    ("compliance.standards, compliance.control, compliance.requirements", "ISO/IEC 42001 (Compliance Finding)"),
    ("confidence_id, confidence", "the best identity among finding.indicators"),
    ("resources", "finding.service, name, vendor, category; device.uid and device.name; audit.about"),
    ("evidences", "finding.indicators"),
    ("device", "device.*"),
    ("sbom.package, sbom.software_components", "observation.name, version, vendor, evidence"),
    ("app", "agent.uid, agent.version"),
    ("actor, api, src_endpoint", "audit.actor, audit.action, collector"),
    ("unmapped", "what the schema has no attribute for, under our own names"),
)


def millis(seconds: int | None) -> int | None:
    """Milliseconds since 1970 UTC, as OCSF's ``timestamp_t`` wants."""
    return None if seconds is None else seconds * 1000


def base(event: Event, version: str) -> dict[str, Any]:
    """What every event has, whatever its class."""
    severity_id, severity = _SEVERITIES[event.severity]
    return {
        "time": millis(event.at),
        "timezone_offset": 0,
        "severity_id": severity_id,
        "severity": severity,
        "message": event.message,
        "metadata": {
            "version": version,
            "uid": event.uid,
            "event_code": event.type,
            "sequence": event.sequence,
            "tenant_uid": event.organisation,
            "log_provider": event.collector,
            "log_version": str(event.contract),
            "correlation_uid": event.finding.uid if event.finding else "",
            "product": {"name": "aimscope", "vendor_name": "aimscope", "version": event.product_version},
        },
    }


def _class(uid: int, name: str, category: int, category_name: str) -> dict[str, Any]:
    return {"class_uid": uid, "class_name": name, "category_uid": category, "category_name": category_name}


def finding(event: Event, facts: FindingFacts, *, compliance: bool) -> dict[str, Any]:
    """Detection Finding 2004, or Compliance Finding 2003."""
    activity_id, activity = _ACTIVITIES[event.activity]
    status_id, status = _RESOLVED if event.activity == "close" else _STATUSES.get(facts.state, (99, facts.state))
    sure = max((one.identity for one in facts.indicators if one.identity in _CONFIDENCES), key=_sureness, default="")
    confidence_id, confidence = _CONFIDENCES.get(sure, (0, "Unknown"))
    decision = event.decision
    found: dict[str, Any] = {
        **_class(*((2003, "Compliance Finding") if compliance else (2004, "Detection Finding")), 2, "Findings"),
        "activity_id": activity_id,
        "activity_name": activity,
        "status_id": status_id,
        "status": status or "Unknown",
        "status_code": facts.state,
        "status_detail": decision.reason if decision else "",
        "comment": f"{decision.action}, by {decision.by}" if decision else "",
        "confidence_id": confidence_id,
        "confidence": confidence,
        "start_time": millis(facts.first),
        "end_time": millis(facts.last),
        "finding_info": {
            "uid": facts.uid,
            "title": f"{title(event)}: {facts.name or facts.service or facts.condition or _UNKNOWN}",
            "desc": " ".join(facts.reasons),
            "types": [facts.verdict],
            "first_seen_time": millis(facts.first),
            "last_seen_time": millis(facts.last),
            "data_sources": list(dict.fromkeys(one.kind for one in facts.indicators)),
            "analytic": {
                "type_id": 1,
                "type": "Rule",
                "uid": signature(event),
                "name": title(event),
                "version": event.catalogue,
            },
        },
        "resources": [_service(facts), *([_machine(event.device)] if event.device else [])],
        "evidences": [_evidence(one) for one in facts.indicators],
        "unmapped": _ours(
            facts,
            *("unit", "condition", "verdict", "inventory_row", "assets", "subjects", "count", "bytes_out", "bytes_in"),
        ),
    }
    if compliance:
        found["compliance"] = _compliance(facts)
        found["unmapped"] |= _ours(facts, "risk", "score")
    else:
        risk_id, risk = _RISKS[facts.risk]
        found |= {"is_alert": is_open(event)}
        found |= {"risk_level_id": risk_id, "risk_level": risk, "risk_score": facts.score} if facts.score else {}
    return found


def _sureness(identity: str) -> tuple[int, bool]:
    return _CONFIDENCES[identity][0], identity == "certain"


def _compliance(facts: FindingFacts) -> dict[str, Any]:
    passed = facts.verdict in ("authorised", "dormant")
    return {
        "standards": [_STANDARD],
        "control": _CONTROL,
        "requirements": ["AI in use is registered, and used as registered"],
        "status_id": 1 if passed else 3,
        "status": "Pass" if passed else "Fail",
        "status_code": facts.verdict,
        "status_details": list(facts.reasons),
    }


def _service(facts: FindingFacts) -> dict[str, Any]:
    return {
        "type": "AI service",
        "uid": facts.service,
        "name": facts.name or facts.condition or _UNKNOWN,
        "labels": [f"category: {facts.category}"] if facts.category else [],
        "data": {"vendor": facts.vendor} if facts.vendor else None,
    }


def _machine(device: DeviceFacts) -> dict[str, Any]:
    return {"type": "device", "uid": device.uid or _UNKNOWN, "name": device.name}


def _evidence(indicator: Indicator) -> dict[str, Any]:
    how = {"identity": indicator.identity, "presence": indicator.presence}
    return {"name": indicator.kind, "data": {"kind": indicator.kind, **how, "fields": dict(indicator.fields)}}


def _ours(facts: msgspec.Struct, *names: str) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in names}


def _device(device: DeviceFacts) -> dict[str, Any]:
    type_id, name = _SYSTEMS.get(device.platform, (0, device.platform))
    return {
        "type_id": 0,
        "uid": device.uid or _UNKNOWN,
        "hostname": device.name,
        "is_managed": device.managed,
        "os": {"type_id": type_id, "type": name, "name": name or _UNKNOWN} if device.platform else None,
        "groups": [{"name": device.unit, "type": "organisational unit"}] if device.unit else [],
    }


def software(seen: ObservationFacts, device: DeviceFacts) -> dict[str, Any]:
    """Software Inventory Info 5020: what is installed. ``package`` is deprecated since 1.4.0: it is a bill of one."""
    name = seen.name or seen.service or told(seen.indicator)
    version = seen.version or _UNKNOWN
    uid = next((text for text in seen.indicator.fields.values() if text), "")
    return {
        **_class(5020, "Software Inventory Info", 5, "Discovery"),
        "activity_id": 2,
        "activity_name": "Collect",
        "status_id": 1,
        "status": "Success",
        "device": _device(device),
        "actor": {"user": {"name": seen.subject}} if seen.subject else None,
        "sbom": {
            "package": {"name": name, "version": version, "vendor_name": seen.vendor, "uid": uid},
            "software_components": [{"name": name, "version": version, "author": seen.vendor}],
        },
        "unmapped": _observed(seen),
    }


def usage(event: Event, seen: ObservationFacts) -> dict[str, Any]:
    """Base Event: a month's use of a service is no single connection, query or request, and says it is none."""
    span = seen.first is not None and seen.last is not None
    return {
        **_class(0, "Base Event", 0, "Uncategorized"),
        **_other("observed"),
        **_on(event),
        "count": max(1, seen.count),
        "start_time": millis(seen.first) if span else None,
        "end_time": millis(seen.last) if span else None,
        "unmapped": _observed(seen),
    }


def _observed(seen: ObservationFacts) -> dict[str, Any]:
    names = ("service", "name", "vendor", "category", "subject", "count", "first", "last", "bytes_out", "bytes_in")
    how = seen.indicator
    return _ours(seen, *names) | {
        "kind": how.kind,
        "identity": how.identity,
        "presence": how.presence,
        "evidence": dict(how.fields),
    }


def _other(name: str) -> dict[str, Any]:
    return {"activity_id": 99, "activity_name": name or _UNKNOWN}


def _on(event: Event) -> dict[str, Any]:
    """The device, where the class has none of its own: the profile ``host`` gives it one."""
    return {"device": _device(event.device)} if event.device else {}


def managed(event: Event) -> dict[str, Any]:
    """What is told of aimscope itself: the audit log as API Activity 6003, agents as Application Lifecycle 6002."""
    if event.audit:
        entry = event.audit
        return {
            **_class(6003, "API Activity", 6, "Application Activity"),
            **_other(entry.action),
            "status_id": 1,
            "status": "Success",
            "actor": {"user": {"name": entry.actor or _UNKNOWN}, "app_name": "aimscope"},
            "api": {"operation": entry.action or _UNKNOWN, "service": {"name": "aimscope"}},
            "src_endpoint": {"svc_name": "aimscope", "name": event.collector},
            "resources": [{"name": entry.about, "type": "audit subject"}] if entry.about else [],
            "unmapped": {"sequence": entry.sequence, "hash": entry.hash, "facts": dict(entry.facts)},
        }
    if event.agent:
        agent = event.agent
        activity = {"enrolled": (6, "Enable"), "revoked": (7, "Disable")}.get(agent.status)
        return {
            **_class(6002, "Application Lifecycle", 6, "Application Activity"),
            **({"activity_id": activity[0], "activity_name": activity[1]} if activity else _other(agent.status)),
            **_on(event),
            "app": {"name": "aimscope agent", "vendor_name": "aimscope", "uid": agent.uid, "version": agent.version},
            "status_code": agent.status,
            "status_detail": agent.why,
            "unmapped": {"last_seen": agent.last_seen},
        }
    coverage = event.coverage
    lost = bool(coverage) and event.activity != "close"
    return {
        **_class(0, "Base Event", 0, "Uncategorized"),
        **_other(coverage.status if coverage else event.type),
        **_on(event),
        **({"status_id": 2, "status": "Failure"} if lost else {"status_id": 1, "status": "Success"}),
        "status_code": coverage.status if coverage else "",
        "status_detail": coverage.why if coverage else "",
        "unmapped": {"sensor": coverage.sensor, "agents": coverage.agents} if coverage else {},
    }
