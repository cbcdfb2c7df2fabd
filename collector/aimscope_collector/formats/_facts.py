"""What an event carries, as flat fields with the meaning of each: what every format maps from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from aimscope_collector.events import Event, Indicator

Kind = Literal["text", "number", "yes", "time", "list"]
Scalar = str | int | bool | tuple[str, ...]
"""A time is seconds since 1970 UTC."""

FIELDS: Final[Mapping[str, tuple[Kind, str]]] = {
    "uid": ("text", "Id of this event: the same at every delivery."),
    "type": (
        "text",
        "What happened: ai.finding, ai.observation, ai.inventory, ai.agent.health, ai.coverage, ai.audit.",
    ),
    "activity": ("text", "create, update or close."),
    "at": ("time", "When it happened."),
    "sequence": ("number", "Rises with each event about the same subject."),
    "severity": ("text", "informational, low, medium, high or critical."),
    "message": ("text", "One plain sentence."),
    "product_version": ("text", "Version of aimscope."),
    "catalogue": ("text", "Version of the catalogue of AI services: the hash of its content."),
    "organisation": ("text", "The organisation, as configured."),
    "collector": ("text", "Host name that the events come from, as configured."),
    "contract": ("number", "Version of this field contract."),
    "finding.uid": ("text", "Id of the finding: the same from its first event to its last."),
    "finding.service": ("text", "Id of the service in the catalogue; absent for AI in no catalogue."),
    "finding.name": ("text", "What people call the service."),
    "finding.vendor": ("text", "Who offers it."),
    "finding.category": ("text", "What sort of service it is."),
    "finding.unit": ("text", "Organisational unit the verdict is for."),
    "finding.condition": ("text", "What tells this finding from others about the same service and unit."),
    "finding.verdict": ("text", "unregistered, prohibited, unknown_ai, out_of_scope, expired, condition_unmet …"),
    "finding.first_verdict": ("text", "The verdict with which the finding was first told, where that is known."),
    "finding.state": ("text", "Where the review stands."),
    "finding.reasons": ("list", "Why this verdict: whole sentences."),
    "finding.risk": ("text", "low, medium, high or critical."),
    "finding.score": ("number", "Likelihood × impact, 1 to 25; absent where unrated."),
    "finding.inventory_row": ("text", "The row of the inventory that decided."),
    "finding.assets": ("number", "Devices; absent where the group is too small to be told."),
    "finding.subjects": ("number", "People; absent where the group is too small to be told."),
    "finding.count": ("number", "How often it was seen."),
    "finding.first": ("time", "First seen."),
    "finding.last": ("time", "Last seen."),
    "finding.bytes_out": ("number", "Bytes sent to the service, as far as they are known."),
    "finding.bytes_in": ("number", "Bytes received from it, as far as they are known."),
    "finding.indicators": ("list", "Evidence, the surest first: kind and fields."),
    "decision.uid": ("text", "Id of what somebody decided."),
    "decision.action": ("text", "What was decided."),
    "decision.by": ("text", "Who decided."),
    "decision.at": ("time", "When."),
    "decision.reason": ("text", "Why."),
    "decision.until": ("time", "Until when it holds."),
    "device.uid": ("text", "The device, as a pseudonym."),
    "device.name": ("text", "Its name, where the destination may have it."),
    "device.platform": ("text", "Its operating system."),
    "device.unit": ("text", "Its organisational unit."),
    "device.managed": ("yes", "Whether the organisation manages it."),
    "observation.service": ("text", "Id of the service in the catalogue."),
    "observation.name": ("text", "What people call the service."),
    "observation.vendor": ("text", "Who offers it."),
    "observation.category": ("text", "What sort of service it is."),
    "observation.kind": ("text", "Kind of evidence, see docs/reference/kinds.md."),
    "observation.identity": ("text", "How sure it is that it is this service."),
    "observation.presence": ("text", "mentioned, configured, installed, attempted, used or uploaded."),
    "observation.evidence": ("text", "The fields of the evidence."),
    "observation.subject": ("text", "Whose use it is, as a pseudonym."),
    "observation.count": ("number", "How often in the month."),
    "observation.first": ("time", "First seen."),
    "observation.last": ("time", "Last seen."),
    "observation.bytes_out": ("number", "Bytes sent to the service, as far as they are known."),
    "observation.bytes_in": ("number", "Bytes received from it, as far as they are known."),
    "observation.version": ("text", "Version of what is installed."),
    "agent.uid": ("text", "The agent."),
    "agent.status": ("text", "enrolled, silent, back, revoked, cloned or degraded."),
    "agent.version": ("text", "Version of the agent."),
    "agent.last_seen": ("time", "When it last reported."),
    "agent.why": ("text", "Why it has this status."),
    "coverage.sensor": ("text", "What can no longer, or again, look."),
    "coverage.status": ("text", "How well it can look."),
    "coverage.why": ("text", "Why."),
    "coverage.agents": ("number", "How many agents it is about."),
    "audit.sequence": ("number", "Place in the chain of the audit log."),
    "audit.actor": ("text", "Who."),
    "audit.action": ("text", "What they did."),
    "audit.about": ("text", "To what."),
    "audit.facts": ("text", "The details, as JSON."),
    "audit.hash": ("text", "Hash of the entry, which chains it to the one before."),
}

_TITLES: Final[Mapping[str, str]] = {
    "prohibited": "Prohibited AI service in use",
    "unregistered": "AI service in use that is not registered",
    "unknown_ai": "Unknown AI in use",
    "out_of_scope": "AI service used outside of its registration",
    "expired": "AI service whose registration has expired",
    "condition_unmet": "AI service used against a condition",
    "observed": "AI service found, no inventory to judge by",
    "authorised": "AI service is authorised",
    "dormant": "Registered AI service is not used",
    "ai.finding": "Finding",
    "ai.observation": "Use of an AI service",
    "ai.inventory": "AI software present",
    "ai.agent.health": "Agent changed its status",
    "ai.coverage": "Coverage changed",
    "ai.audit": "Entry of the audit log",
}


def facts(event: Event) -> dict[str, Scalar]:
    """Every field of ``FIELDS`` that the event has, in their order; what is empty or not known is left out."""
    found: dict[str, Scalar] = {}
    for name in FIELDS:
        group, _, field = name.rpartition(".")
        part = getattr(event, group) if group else event
        value = None if part is None else _value(name, part, field)
        if value is not None and value not in ("", ()) and not (name == "finding.score" and value == 0):
            found[name] = value
    return found


def _value(name: str, part: msgspec.Struct, field: str) -> Scalar | None:
    match name:
        case "finding.indicators":
            return tuple(map(told, getattr(part, field)))
        case "observation.kind" | "observation.identity" | "observation.presence":
            return getattr(part.indicator, field)  # type: ignore[attr-defined, no-any-return]
        case "observation.evidence":
            return ", ".join(pairs(part.indicator.fields))  # type: ignore[attr-defined]
        case "audit.facts":
            return msgspec.json.encode(part.facts).decode() if part.facts else ""  # type: ignore[attr-defined]
    value: Scalar | None = getattr(part, field)
    return value


def pairs(fields: Mapping[str, str]) -> Iterable[str]:
    """``name=value`` of each field that has one."""
    return (f"{name}={value}" for name, value in fields.items() if value)


def told(indicator: Indicator) -> str:
    """An indicator in one line: ``dns.query: name=chat.example (certain, used)``."""
    how = ", ".join(word for word in (indicator.identity, indicator.presence) if word)
    said = ", ".join(pairs(indicator.fields))
    return f"{indicator.kind}: {said}" + (f" ({how})" if how else "")


def signature(event: Event) -> str:
    """What sort of event it is, for receivers that keep a list: the type and, where it tells more, the verdict."""
    if event.finding:
        return f"{event.type}.{event.finding.verdict}"
    status = event.agent.status if event.agent else event.coverage.status if event.coverage else ""
    return f"{event.type}.{status}" if status else event.type


def is_open(event: Event) -> bool:
    """Whether it is a finding that somebody may have to act on: found, and neither authorised nor unjudged."""
    quiet = ("authorised", "dormant", "observed")
    return event.finding is not None and event.activity != "close" and event.finding.verdict not in quiet


def title(event: Event) -> str:
    """The same few words for every event of one sort."""
    return _TITLES[event.finding.verdict if event.finding else event.type]
