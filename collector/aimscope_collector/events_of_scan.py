"""Events of one scan, without a collector: what it found, what it saw, and what it could not look at.

A scan keeps no history of reviews: every finding is ``unreviewed``. Names of people are left out; how many there are is
told. Ids are derived from what they are about, so that the next scan of the same machine tells the same findings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aimscope_collector.events import (
    Activity,
    CoverageFacts,
    DeviceFacts,
    Event,
    EventType,
    FindingFacts,
    Indicator,
    ObservationFacts,
    Severity,
    event_uid,
)
from aimscope_collector.findings import RiskRating, Verdict
from aimscope_signatures.kinds import IDENTITIES, PRESENCES, Identity, Presence
from aimscope_signatures.model import Coverage, Status

_INDICATORS: Final = 10
_QUIET: Final = ("authorised", "dormant", "observed")
_UNSEEN: Final[Mapping[Status, Severity]] = {
    Status.PARTIAL: "low",
    Status.DENIED: "medium",
    Status.FAILED: "medium",
}
"""Looks that fell short. What a platform cannot tell, or nobody allowed, is no event of every scan."""
_SAYS: Final[Mapping[Verdict, str]] = {
    "prohibited": "is prohibited and was found",
    "unregistered": "was found and is in no inventory",
    "unknown_ai": "looks like AI and is in no catalogue",
    "out_of_scope": "was found beyond what was authorised",
    "expired": "was found although its authorisation is over",
    "condition_unmet": "was found under a condition that does not hold",
    "observed": "was found; there is no inventory to judge by",
    "authorised": "is authorised",
    "dormant": "is in the inventory and was not found",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence of a scan, as in a sighting."""

    kind: str
    identity: Identity
    presence: Presence
    fields: dict[str, str]
    details: dict[str, str]
    subject: str
    asset: str
    count: int
    first: int
    last: int
    bytes_out: int | None
    bytes_in: int | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a scan. ``change`` compares with the scan before: new, unchanged, or empty."""

    service: str
    name: str
    vendor: str
    category: str
    verdict: Verdict
    unit: str
    condition: str
    reasons: tuple[str, ...]
    evidence: tuple[Seen, ...]
    blocked: bool
    risk: RiskRating | None
    inventory_row: str
    change: str


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What events need of a scan's report. ``host`` is the machine looked at; empty where it was a file of many."""

    version: str
    catalogue: str
    target: str
    host: str
    platform: str
    finished: int
    findings: tuple[Found, ...]
    coverage: tuple[Coverage, ...]


def events_of_scan(scan: Scan) -> Iterator[Event]:
    """Findings in the scan's order, then what was seen, then where it could not look. The same scan, the same ids."""
    here = scan.host or scan.target
    for found in scan.findings:
        yield _finding(scan, here, found)
    told: set[str] = set()
    for found in scan.findings:
        for seen in found.evidence:
            event = _observation(scan, here, found, seen)
            if event.uid not in told:  # two findings may rest on one piece of evidence
                told.add(event.uid)
                yield event
    for look in scan.coverage:
        if look.status in _UNSEEN:
            yield _coverage(scan, here, look)


def _id(prefix: str, *parts: str) -> str:
    return prefix + hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _severity(found: Found) -> Severity:
    if found.verdict in _QUIET or found.blocked:
        return "informational"
    level: Severity = found.risk.level if found.risk else "medium"
    return "high" if found.verdict == "prohibited" and level != "critical" else level


def _finding(scan: Scan, here: str, found: Found) -> Event:
    uid = _id("f-", here, found.service, found.unit, found.condition)
    activity: Activity = "update" if found.change == "unchanged" else "create"
    blocked = "; every attempt was blocked" if found.blocked else ""
    seen = found.evidence
    score = found.risk.likelihood * found.risk.impact if found.risk else 0
    facts = FindingFacts(
        uid=uid,
        service=found.service,
        name=found.name,
        vendor=found.vendor,
        category=found.category,
        unit=found.unit,
        condition=found.condition,
        verdict=found.verdict,
        state="unreviewed",
        reasons=found.reasons,
        risk=found.risk.level if found.risk else "low",
        score=score,
        inventory_row=found.inventory_row,
        assets=len({one.asset for one in seen}),
        subjects=len({one.subject for one in seen if one.subject}),
        count=sum(one.count for one in seen),
        first=min((one.first for one in seen), default=None),
        last=max((one.last for one in seen), default=None),
        bytes_out=_sum(one.bytes_out for one in seen),
        bytes_in=_sum(one.bytes_in for one in seen),
        indicators=tuple(map(_indicator, sorted(seen, key=_surest, reverse=True)[:_INDICATORS])),
    )
    message = f"{found.name or found.service or found.condition} {_SAYS[found.verdict]}{blocked}."
    return _event(scan, "ai.finding", uid, activity, _severity(found), message, finding=facts, asset="")


def _observation(scan: Scan, here: str, found: Found, seen: Seen) -> Event:
    about = _id("o-", here, found.service, seen.kind, seen.subject, seen.asset, *_flat(seen.fields))
    facts = ObservationFacts(
        service=found.service,
        name=found.name,
        vendor=found.vendor,
        category=found.category,
        indicator=_indicator(seen),
        count=seen.count,
        first=seen.first,
        last=seen.last,
        bytes_out=seen.bytes_out,
        bytes_in=seen.bytes_in,
        version=seen.details.get("version", ""),
    )
    name = found.name or found.service or found.condition
    if seen.presence == "installed":
        message = f"{name} is installed."
        return _event(scan, "ai.inventory", about, "update", "informational", message, observed=facts, asset=seen.asset)
    message = f"{name}: {seen.kind}, {seen.presence}."
    return _event(scan, "ai.observation", about, "update", "informational", message, observed=facts, asset=seen.asset)


def _coverage(scan: Scan, here: str, look: Coverage) -> Event:
    why = "; ".join(f"{gap.source}: {gap.reason}" for gap in look.gaps)
    facts = CoverageFacts(sensor=look.sensor, status=look.status.value, why=why)
    message = f"{look.sensor} could not look everywhere: {look.status.value}."
    about = _id("c-", here, look.sensor)
    return _event(scan, "ai.coverage", about, "create", _UNSEEN[look.status], message, coverage=facts, asset="")


def _event(
    scan: Scan,
    kind: EventType,
    about: str,
    activity: Activity,
    severity: Severity,
    message: str,
    *,
    asset: str,
    finding: FindingFacts | None = None,
    observed: ObservationFacts | None = None,
    coverage: CoverageFacts | None = None,
) -> Event:
    here = scan.host or scan.target
    name = asset or scan.host
    return Event(
        uid=event_uid(about, scan.finished),
        type=kind,
        activity=activity,
        at=scan.finished,
        sequence=scan.finished,
        severity=severity,
        message=message,
        product_version=scan.version,
        catalogue=scan.catalogue,
        collector=here,
        finding=finding,
        device=DeviceFacts(uid=_id("d-", name), name=name, platform="" if asset else scan.platform) if name else None,
        observation=observed,
        coverage=coverage,
    )


def _surest(seen: Seen) -> tuple[int, int]:
    return IDENTITIES.index(seen.identity), PRESENCES.index(seen.presence)


def _indicator(seen: Seen) -> Indicator:
    return Indicator(kind=seen.kind, fields=dict(seen.fields), identity=seen.identity, presence=seen.presence)


def _flat(fields: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(fields):
        yield name
        yield fields[name]


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
