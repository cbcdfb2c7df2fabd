"""Events of agents, of coverage, and of the audit log: looked for every minute, each told once.

What was told is kept with the events, in one transaction. A state is told as it is found: an agent that was silent for
less than the time between two looks is told of as little as one that never was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from aimscope_collector.alerts import AlertPolicy
from aimscope_collector.events import (
    AgentFacts,
    AuditFacts,
    CoverageFacts,
    DeviceFacts,
    Event,
    Severity,
)
from aimscope_collector.store import alerts, audit, journal, settings, watching
from aimscope_collector.store.journal import Draft, Told
from aimscope_collector.store.tables.exporting import TOLD
from aimscope_collector.store.tables.fleet import AGENT, ASSET, UNIT

MOST_AT_A_LOOK: Final = 1_000
"""Agents told of at one look: a fleet that falls silent at once is told over several minutes."""
_AGENT: Final = "agent:"
_SENSOR: Final = "sensor:"
_AUDITED: Final = "journal.audited"
_DAY: Final = 86_400
_STATES: Final[dict[str, tuple[Severity, str]]] = {
    "enrolled": ("informational", "A new agent reports."),
    "silent": ("medium", "An agent does not report any more."),
    "back": ("informational", "An agent reports again."),
    "revoked": ("low", "An agent was revoked."),
    "cloned": ("high", "Two machines use the identity of one agent."),
}


def tell_agents(connection: sa.Connection, *, now: int) -> list[Event]:
    """Agents that were enrolled, revoked, cloned, fell silent or are back."""
    policy = alerts.policy(connection)
    state = sa.case(
        (AGENT.c.revoked_at.is_not(None), "revoked"),
        (AGENT.c.clone_at > now - _DAY, "cloned"),
        (AGENT.c.last_seen <= now - policy.silent_after, "silent"),
        else_="reports",
    )
    query = (
        sa.select(AGENT, ASSET.c.pseudonym, UNIT.c.path, state.label("state"), TOLD.c.said)
        .join(ASSET, ASSET.c.id == AGENT.c.asset)
        .outerjoin(UNIT, UNIT.c.id == ASSET.c.unit)
        .outerjoin(TOLD, TOLD.c.about == sa.literal(_AGENT) + AGENT.c.uid)
        .where(
            AGENT.c.approved_at.is_not(None) | AGENT.c.revoked_at.is_not(None),
            AGENT.c.replaced_by.is_(None),
            TOLD.c.said.is_(None) | (TOLD.c.said != state),
        )
        .order_by(AGENT.c.id)
        .limit(MOST_AT_A_LOOK)
    )
    if not connection.execute(query.limit(1)).first():
        return []
    journal.hold(connection)
    return journal.append(connection, [_agent(row, now) for row in connection.execute(query)], now=now)


def _agent(row: Any, now: int) -> Draft:
    status = row.state if row.state != "reports" else "enrolled" if row.said is None else "back"
    severity, message = _STATES[status]
    agent = AgentFacts(
        uid=row.uid, status=status, version=row.version, last_seen=row.last_seen, why=row.revoked_why or ""
    )
    return Draft(
        about=_AGENT + row.uid,
        said=row.state,
        unit=row.path or "",
        event=Event(
            uid="",
            type="ai.agent.health",
            activity="create" if row.said is None else "close" if status == "revoked" else "update",
            at=now,
            severity=severity,
            message=message,
            agent=agent,
            device=DeviceFacts(uid=row.pseudonym, platform=row.platform, unit=row.path or ""),
        ),
    )


def tell_coverage(connection: sa.Connection, *, now: int) -> list[Event]:
    """Sensors that look at far fewer machines than the day before, and that look at them again."""
    then, latest = watching.complete(connection, now, 2), watching.complete(connection, now, 1)
    names = {*then, *latest}
    known = journal.told(connection, (_SENSOR + name for name in names))
    drafts = changes_of_coverage(known, then, latest, policy=alerts.policy(connection), now=now)
    if not drafts:
        return []
    journal.hold(connection)
    known = journal.told(connection, (_SENSOR + name for name in names))
    drafts = changes_of_coverage(known, then, latest, policy=alerts.policy(connection), now=now)
    return journal.append(connection, drafts, now=now)


def changes_of_coverage(
    known: Mapping[str, Told], then: Mapping[str, int], latest: Mapping[str, int], *, policy: AlertPolicy, now: int
) -> list[Draft]:
    """What is to be told, by the machines each sensor looked at completely on two days. Pure."""
    found = []
    for sensor in sorted({*then, *latest, *(about.removeprefix(_SENSOR) for about in known)}):
        told = known.get(_SENSOR + sensor)
        before, after = then.get(sensor, 0), latest.get(sensor, 0)
        if told is not None and told.said == "lost":
            before = int(told.counts or 0)
            if before - after < max(1, policy.coverage_share * before):
                text = f"Sensor {sensor} looks at {after:,} machines again; before the loss there were {before:,}."
                found.append(_coverage(sensor, "complete", text, after, before, now))
        elif before - after >= max(policy.coverage_least, policy.coverage_share * before):
            text = f"Sensor {sensor} had a complete look at {after:,} machines, and at {before:,} the day before."
            found.append(_coverage(sensor, "lost", text, after, before, now))
    return found


def _coverage(sensor: str, status: str, text: str, agents: int, before: int, now: int) -> Draft:
    lost = status == "lost"
    event = Event(
        uid="",
        type="ai.coverage",
        activity="create" if lost else "close",
        at=now,
        severity="medium" if lost else "informational",
        message=text,
        coverage=CoverageFacts(sensor=sensor, status=status, why=text if lost else "", agents=agents),
    )
    return Draft(about=_SENSOR + sensor, said=status, counts=str(before), event=event)


def tell_audit(connection: sa.Connection, *, now: int, limit: int = MOST_AT_A_LOOK) -> list[Event]:
    """Entries of the audit log that were not told, in their order; those from before the first look are not.

    The log is written in the transactions of what it records, and read from where it was read last: none is left out.
    """
    text = settings.read(connection, _AUDITED)
    if not text:
        settings.write(connection, _AUDITED, str(audit.head(connection).sequence))
        return []
    if not audit.entries(connection, after=int(text), limit=1):
        return []
    journal.hold(connection)
    entries = audit.entries(connection, after=int(settings.read(connection, _AUDITED, text)), limit=limit)
    if not entries:
        return []
    drafts = [
        Draft(
            about="audit",
            event=Event(
                uid="",
                sequence=entry.sequence,
                type="ai.audit",
                activity="create",
                at=entry.at,
                message=f"{entry.actor}: {entry.action} {entry.about}",
                audit=AuditFacts(
                    sequence=entry.sequence,
                    actor=entry.actor,
                    action=entry.action,
                    about=entry.about,
                    facts=_plain(entry.facts),
                    hash=entry.hash,
                ),
            ),
        )
        for entry in entries
    ]
    settings.write(connection, _AUDITED, str(entries[-1].sequence))
    return journal.append(connection, drafts, now=now)


def _plain(facts: Mapping[str, Any]) -> dict[str, str | int | bool | None]:
    return {
        name: fact if isinstance(fact, (str, int, bool)) or fact is None else str(fact) for name, fact in facts.items()
    }


def look(connection: sa.Connection, *, now: int, types: Iterable[str]) -> list[Event]:
    """Everything of these types that is to be told now."""
    wanted = set(types)
    found: list[Event] = []
    for type_, telling in (("ai.agent.health", tell_agents), ("ai.coverage", tell_coverage), ("ai.audit", tell_audit)):
        if type_ in wanted:
            found += telling(connection, now=now)
    return found
