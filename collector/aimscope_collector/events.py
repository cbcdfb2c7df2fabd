"""What goes to a SIEM: one flat event for each thing that happened, in our own words, before any format.

The field contract is versioned: ``CONTRACT`` rises by one when a field changes its meaning or goes away; fields are
added without. Times are seconds since 1970 UTC. Everything in an event may have been said by a hostile machine: formats
escape it. People and devices are pseudonyms here, unless a destination is allowed to have devices by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from aimscope_collector.findings import Level, Verdict

CONTRACT: Final = 1

EventType = Literal["ai.finding", "ai.observation", "ai.inventory", "ai.agent.health", "ai.coverage", "ai.audit"]
Activity = Literal["create", "update", "close"]
Severity = Literal["informational", "low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("informational", "low", "medium", "high", "critical")


class Indicator(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence: the kind of observation, its fields, and how sure and how strong it is."""

    kind: str
    fields: dict[str, str]
    identity: str = ""
    presence: str = ""


class FindingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it stands. ``uid`` is the same from its first event to its last.

    ``assets`` and ``subjects`` are numbers of devices and people, null where a group is too small to be told.
    """

    uid: str
    service: str
    name: str
    vendor: str
    category: str
    unit: str
    condition: str
    verdict: Verdict
    state: str
    reasons: tuple[str, ...]
    risk: Level
    score: int
    """Likelihood × impact, 1 to 25; 0 where unrated."""
    inventory_row: str = ""
    assets: int | None = None
    subjects: int | None = None
    count: int = 0
    first: int | None = None
    last: int | None = None
    bytes_out: int | None = None
    bytes_in: int | None = None
    indicators: tuple[Indicator, ...] = ()
    """A sample, the surest first."""
    first_verdict: Verdict | None = None
    """The verdict with which the finding was first told: formats that sort findings by it keep to that one."""


class DecisionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided about the finding, when that is what happened."""

    uid: str
    action: str
    by: str
    at: int
    reason: str = ""
    until: int | None = None


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The device an event is about. ``name`` only where the destination may have it."""

    uid: str
    name: str = ""
    platform: str = ""
    unit: str = ""
    managed: bool = True


class ObservationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Use of one service on one device in one month: running totals."""

    service: str
    name: str
    vendor: str
    category: str
    indicator: Indicator
    subject: str = ""
    count: int = 0
    first: int | None = None
    last: int | None = None
    bytes_out: int | None = None
    bytes_in: int | None = None
    version: str = ""


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An agent: ``status`` is enrolled, silent, back, revoked, cloned or degraded."""

    uid: str
    status: str
    version: str = ""
    last_seen: int | None = None
    why: str = ""


class CoverageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What can no longer, or again, be looked at."""

    sensor: str
    status: str
    why: str = ""
    agents: int | None = None


class AuditFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the audit log with its place in the chain."""

    sequence: int
    actor: str
    action: str
    about: str
    facts: dict[str, str | int | bool | None] = {}
    hash: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``uid`` is its own and the same at every delivery: receivers know a repetition by it.

    ``sequence`` rises by one with each event about the same subject (a finding, an agent …). ``message`` is one plain
    sentence. Of the facts, those of its type are there, and what else helps to understand it.
    """

    uid: str
    type: EventType
    activity: Activity
    at: int
    sequence: int = 1
    severity: Severity = "informational"
    message: str = ""
    product_version: str = ""
    catalogue: str = ""
    organisation: str = ""
    collector: str = "aimscope"
    """Host name that the events come from, as configured."""
    finding: FindingFacts | None = None
    decision: DecisionFacts | None = None
    device: DeviceFacts | None = None
    observation: ObservationFacts | None = None
    agent: AgentFacts | None = None
    coverage: CoverageFacts | None = None
    audit: AuditFacts | None = None
    contract: int = CONTRACT


def event_uid(*parts: str | int) -> str:
    """The id of the event that these say: deterministic, so that no repetition gets another."""
    return "e-" + hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def most_severe(several: Iterable[Severity]) -> Severity:
    """The gravest of them; informational of none."""
    return max(several, key=SEVERITIES.index, default="informational")
