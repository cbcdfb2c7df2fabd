"""Elastic Common Schema: documents whose fields are ECS's, and our own below ``aimscope``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aimscope_collector.events import Event, Indicator, Severity
from aimscope_collector.formats import Format, lines
from aimscope_collector.formats._bounds import LARGEST, fitted
from aimscope_collector.formats._facts import FIELDS, facts, is_open, signature, title
from aimscope_collector.formats._header import OPTIONS as HEADER
from aimscope_collector.formats._header import largest, with_header
from aimscope_collector.formats._options import one_of, settled
from aimscope_collector.formats._writing import compact, inert, iso

VERSIONS: Final = ("9.0.0", "9.1.0", "9.2.0", "9.3.0", "9.4.0")
OPTIONS: Final[Mapping[str, str]] = {"version": "9.0.0", **HEADER}
_SEVERITIES: Final[Mapping[Severity, int]] = {"informational": 10, "low": 21, "medium": 47, "high": 73, "critical": 99}
"""Elastic Security's own scale: 21, 47, 73 and 99."""
_NETWORK: Final = frozenset({"dns.query", "tls.client_hello", "connection", "listener", "mcp.handshake"})
_WEB: Final = frozenset({"http.request", "http.response", "browser.visit"})
_PROCESS: Final = frozenset({"process", "shell.command", "service", "scheduled_task", "container"})
_PACKAGE: Final = frozenset(
    {"application", "package", "editor_extension", "browser_extension", "model", "code.package"}
)
_KINDS: Final = {"ai.observation": "state", "ai.inventory": "asset"}
_SYSTEMS: Final = {"windows": "windows", "linux": "linux", "darwin": "macos"}

MAPPING: Final = (
    ("@timestamp", "at"),
    ("ecs.version", "the option version"),
    ("message", "message"),
    ("event.id", "uid"),
    ("event.kind", "alert for a finding that is open; state, asset or event, by type"),
    ("event.category, event.type", "by the kind of evidence"),
    ("event.action", "activity; of agents and coverage their status, of the audit log its action"),
    ("event.outcome", "failure of a look, else success"),
    ("event.module, event.provider", "aimscope"),
    ("event.dataset", "aimscope. and the type"),
    ("event.code", "type, and of findings the verdict"),
    ("event.sequence", "sequence"),
    ("event.severity", "severity, as 10, 21, 47, 73 or 99"),
    ("event.risk_score", "finding.score × 4"),
    ("event.reason", "finding.reasons, agent.why, coverage.why"),
    ("event.start, event.end", "first and last seen"),
    ("event.hash", "audit.hash"),
    ("rule.id, rule.name, rule.category, rule.version", "the sort of finding, its verdict, catalogue"),
    ("service.id, service.name", "finding.service, observation.service; finding.name, observation.name"),
    ("host.id, host.name, host.hostname, host.os.platform, host.os.type", "device.uid, device.name, device.platform"),
    ("user.id", "observation.subject"),
    ("user.name", "decision.by, audit.actor"),
    ("organization.name", "organisation"),
    ("observer.vendor, observer.product, observer.version, observer.hostname", "aimscope, product_version, collector"),
    ("agent.id, agent.version, agent.type", "agent.uid, agent.version, aimscope"),
    ("package.name, package.version", "observation.evidence and observation.version of what is installed"),
    ("dns.question.name, url.domain, tls.client.server_name, process.name", "observation.evidence, by its kind"),
    ("source.bytes, destination.bytes", "observation.bytes_out, observation.bytes_in"),
    ("related.hosts, related.user", "host names of evidence, device.name; observation.subject"),
    *((f"aimscope.{name}", name) for name in FIELDS if "." in name),
    ("aimscope.catalogue, aimscope.contract, aimscope.activity", "catalogue, contract, activity"),
)


def document(event: Event, version: str) -> dict[str, Any]:
    """The event as a document of that version of ECS."""
    shown = event.finding or event.observation
    dataset = f"aimscope.{event.type.removeprefix('ai.').replace('.', '_')}"
    found: dict[str, Any] = {
        "@timestamp": iso(event.at),
        "ecs": {"version": version},
        "message": event.message or title(event),
        "event": _event(event) | {"dataset": dataset},
        "rule": {
            "id": signature(event),
            "name": title(event),
            "category": event.finding.verdict,
            "version": event.catalogue,
        }
        if event.finding
        else None,
        "service": {"id": shown.service, "name": shown.name} if shown else None,
        "host": _host(event),
        "user": {
            "id": event.observation.subject if event.observation else "",
            "name": event.audit.actor if event.audit else event.decision.by if event.decision else "",
        },
        "organization": {"name": event.organisation},
        "observer": {
            "vendor": "aimscope",
            "product": "aimscope",
            "version": event.product_version,
            "hostname": event.collector,
        },
        "agent": {"id": event.agent.uid, "version": event.agent.version, "type": "aimscope"} if event.agent else None,
        "related": _related(event),
        "aimscope": _ours(event),
        **_observed(event),
    }
    kept: dict[str, Any] = compact(found)
    return kept


def _event(event: Event) -> dict[str, Any]:
    facts_ = event.finding
    shown = facts_ or event.observation
    status = event.agent.status if event.agent else event.coverage.status if event.coverage else ""
    why = event.agent.why if event.agent else event.coverage.why if event.coverage else ""
    return {
        "id": event.uid,
        "kind": "alert" if is_open(event) else _KINDS.get(event.type, "event"),
        **_sort(event),
        "action": event.audit.action if event.audit else status or event.activity,
        "outcome": "failure" if event.coverage and event.activity != "close" else "success",
        "module": "aimscope",
        "provider": "aimscope",
        "code": signature(event),
        "sequence": event.sequence,
        "severity": _SEVERITIES[event.severity],
        "risk_score": facts_.score * 4.0 if facts_ and facts_.score else None,
        "reason": " ".join(facts_.reasons) if facts_ else why,
        "start": iso(shown.first) if shown and shown.first is not None else None,
        "end": iso(shown.last) if shown and shown.last is not None else None,
        "hash": event.audit.hash if event.audit else "",
    }


def _indicators(event: Event) -> tuple[Indicator, ...]:
    if event.observation:
        return (event.observation.indicator,)
    return event.finding.indicators if event.finding else ()


def _sort(event: Event) -> dict[str, list[str]]:
    """Category and type, both of ECS's lists; ``info`` is a type that every one of these categories expects."""
    kinds = {one.kind for one in _indicators(event)}
    sorts = (("network", _NETWORK), ("web", _WEB), ("process", _PROCESS), ("package", _PACKAGE))
    if event.audit:
        return {"category": ["configuration"], "type": ["change"]}
    found = [name for name, of in sorts if kinds & of] or ["host"]
    return {"category": found, "type": ["info"]}


def _host(event: Event) -> dict[str, Any] | None:
    device = event.device
    if device is None:
        return None
    system = {"platform": device.platform, "type": _SYSTEMS.get(device.platform, "")}
    return {"id": device.uid, "name": device.name, "hostname": device.name, "os": system}


def _observed(event: Event) -> dict[str, Any]:
    """What ECS has fields for, of the one piece of evidence of an observation."""
    seen = event.observation
    if seen is None:
        return {}
    fields, kind = seen.indicator.fields, seen.indicator.kind
    found: dict[str, Any] = {"source": {"bytes": seen.bytes_out}, "destination": {"bytes": seen.bytes_in}}
    match kind:
        case "dns.query":
            found["dns"] = {"question": {"name": fields.get("name", "")}}
        case "tls.client_hello":
            found["tls"] = {"client": {"server_name": fields.get("server_name", "")}}
        case "http.request" | "browser.visit":
            found["url"] = {"domain": fields.get("host", "")}
        case "process":
            found["process"] = {"name": fields.get("name", "")}
        case _ if kind in _PACKAGE:
            name = fields.get("package") or fields.get("id", "")
            found["package"] = {"name": name, "version": seen.version}
    return found


def _related(event: Event) -> dict[str, list[str]]:
    hosts = [event.device.name] if event.device else []
    for one in _indicators(event):
        named = one.fields.get("name", "") if one.kind == "dns.query" else ""
        hosts += [text for text in (one.fields.get("host", ""), one.fields.get("server_name", ""), named) if text]
    users = [event.observation.subject] if event.observation else []
    return {"hosts": list(dict.fromkeys(hosts)), "user": users}


def _ours(event: Event) -> dict[str, Any]:
    """Our own fields, below a name that ECS keeps free; times as dates."""
    found: dict[str, Any] = {"catalogue": event.catalogue, "contract": event.contract, "activity": event.activity}
    for name, value in facts(event).items():
        group, _, field = name.rpartition(".")
        if group:
            said = iso(value) if FIELDS[name][0] == "time" and isinstance(value, int) else value
            found.setdefault(group, {})[field] = list(said) if isinstance(said, tuple) else said
    return found


def render(event: Event, given: Mapping[str, str]) -> bytes:
    """One line of JSON. Raises ``Unknown`` for a version there is not."""
    options = settled(given, OPTIONS)
    version = one_of(options, "version", VERSIONS)
    return fitted(
        lambda cut: with_header(cut, inert(document(cut, version)), options), event, largest(options, LARGEST)
    )


FORMAT = Format(
    name="ecs",
    title="Elastic Common Schema",
    content_type="application/x-ndjson",
    carriers=frozenset({"file", "syslog", "https", "webhook"}),
    tested="contract",
    render=render,
    body=lines,
    options=OPTIONS,
    reference="https://www.elastic.co/docs/reference/ecs",
    notes="Every field is checked against the names, types and allowed values of ECS 9.0 to 9.4.",
    mapping=MAPPING,
)
