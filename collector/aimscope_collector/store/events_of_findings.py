"""Events of findings and decisions: written in the transaction that changed them.

One finding keeps its uid from the first event to the last. What it says (verdict, state, reasons, whether it is found)
is told at once; numbers alone are told at most once a day for each finding, and within a budget of the day.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.events import Activity, DecisionFacts, Event, FindingFacts, Indicator, Severity
from aimscope_collector.evidence import describe
from aimscope_collector.findings import Level, Verdict
from aimscope_collector.privacy import PrivacyPolicy, fit_to_show
from aimscope_collector.review import Decision
from aimscope_collector.store import aggregates, journal, privacy
from aimscope_collector.store._insert import batches
from aimscope_collector.store.journal import Draft, Told
from aimscope_collector.store.tables.exporting import TOLD
from aimscope_collector.store.tables.review import FINDING
from aimscope_collector.store.tables.sightings import EVIDENCE
from aimscope_signatures.kinds import IDENTITIES, PRESENCES
from aimscope_signatures.model import Sighting

PREFIX: Final = "finding:"
_DAY: Final = 86_400
_INDICATORS: Final = 5
_UNKNOWN: Final = 500
"""Pieces of evidence in no catalogue that are looked through for a sample."""
_SAYS: Final[dict[Verdict, str]] = {
    "prohibited": "is prohibited and was found",
    "unregistered": "is in use and in no inventory",
    "unknown_ai": "looks like AI and is in no catalogue",
    "out_of_scope": "is used beyond what was authorised",
    "expired": "is used although its authorisation is over",
    "condition_unmet": "is used under a condition that does not hold",
    "observed": "is in use; there is no inventory to judge by",
    "authorised": "is authorised",
    "dormant": "is in the inventory and was not found",
}
_QUIET: Final = ("authorised", "dormant", "observed")
_SETTLED: Final = ("registered", "tolerated", "dismissed")
_SEVERITY: Final[dict[Level, Severity]] = {"low": "low", "medium": "medium", "high": "high", "critical": "critical"}


def tell(
    connection: sa.Connection,
    findings: Iterable[str],
    *,
    now: int,
    decisions: Mapping[str, DecisionFacts] | None = None,
) -> list[Event]:
    """Write an event for each of these findings that says something else than when it was told last.

    ``decisions`` are, by finding, what somebody just decided: told in any case. Calling it twice tells nothing twice.
    """
    wanted = sorted(set(findings))
    if not wanted:
        return []
    taken = decisions or {}
    journal.hold(connection)
    rows = [
        row for some in batches(wanted) for row in connection.execute(sa.select(FINDING).where(FINDING.c.id.in_(some)))
    ]
    known = journal.told(connection, (PREFIX + row.id for row in rows))
    changed = []
    for row in rows:
        before, decision = known.get(PREFIX + row.id), taken.get(row.id)
        if before is None and not row.present and decision is None:
            continue
        if decision is not None or before is None or before.said != said(row):
            changed.append((row, _activity(before, row), decision))
    samples = _indicators(connection, [row for row, _, _ in changed])
    policy = privacy.policy(connection)
    drafts = [
        _draft(row, activity, decision, samples.get(row.id, ()), policy, now) for row, activity, decision in changed
    ]
    return journal.append(connection, drafts, now=now)


def tell_counters(connection: sa.Connection, *, now: int, budget: int) -> list[Event]:
    """Tell new numbers of findings nothing was told of today: those first whose numbers are the oldest.

    At most ``budget`` such events a day, of all findings.
    """
    journal.hold(connection)
    left = budget - journal.counters_today(connection, now=now)
    if left <= 0:
        return []
    today = now - now % _DAY
    about = TOLD.c.about == sa.literal(PREFIX) + FINDING.c.id
    query = (
        sa.select(FINDING, TOLD.c.counts.label("told"))
        .join(TOLD, about)
        .where(FINDING.c.present == 1, TOLD.c.at < today)
        .order_by(TOLD.c.at, FINDING.c.score.desc(), FINDING.c.id)
    )
    rows = []
    for row in connection.execute(query):
        if row.told != counts(row):
            rows.append(row)
            if len(rows) >= left:
                break
    samples = _indicators(connection, rows)
    policy = privacy.policy(connection)
    drafts = [_draft(row, "update", None, samples.get(row.id, ()), policy, now, counters=True) for row in rows]
    return journal.append(connection, drafts, now=now)


def decided(decision: Decision) -> DecisionFacts:
    """A decision as events have it."""
    return DecisionFacts(
        uid=decision.uid,
        action=decision.action,
        by=decision.by,
        at=decision.at,
        reason=decision.reason,
        until=decision.until,
    )


def said(row: Any) -> str:
    """What a finding says: begins with whether it is found."""
    text = msgspec.json.encode((row.verdict, row.row, row.reasons, row.state, row.name, row.score))
    return f"{row.present}:{hashlib.sha256(text).hexdigest()[:32]}"


def counts(row: Any) -> str:
    """The numbers of a finding."""
    numbers = (row.assets, row.subjects, row._mapping["count"], row.first, row.last, row.bytes_out, row.bytes_in)  # noqa: SLF001  # a tuple counts, too
    return ".".join("" if number is None else str(number) for number in numbers)


def severity_of(verdict: str, level: Level, state: str) -> Severity:
    """How grave it is: its risk where it is unsettled use, and at least high where it is prohibited."""
    if "prohibited" in (verdict, state):
        return "critical" if level == "critical" else "high"
    if verdict in _QUIET or state in _SETTLED:
        return "informational"
    return _SEVERITY[level]


def level_of(score: int) -> Level:
    """The level that likelihood × impact gives."""
    return "critical" if score > 15 else "high" if score > 9 else "medium" if score > 4 else "low"


def _activity(before: Told | None, row: Any) -> Activity:
    if before is None:
        return "create"
    return "close" if not row.present and before.said.startswith("1") else "update"


def _draft(
    row: Any,
    activity: Activity,
    decision: DecisionFacts | None,
    indicators: tuple[Indicator, ...],
    policy: PrivacyPolicy,
    now: int,
    *,
    counters: bool = False,
) -> Draft:
    level = level_of(row.score)
    facts = _facts(row, level, indicators, policy)
    event = Event(
        uid="",
        type="ai.finding",
        activity=activity,
        at=now,
        severity="informational" if activity == "close" else severity_of(row.verdict, level, row.state),
        message=_message(row, activity, decision, level),
        finding=facts,
        decision=decision,
    )
    return Draft(
        about=PREFIX + row.id,
        event=event,
        said=said(row),
        counts=counts(row),
        verdict=row.verdict,
        risk=level,
        unit=row.unit,
        counters=counters,
    )


def _facts(row: Any, level: Level, indicators: tuple[Indicator, ...], policy: PrivacyPolicy) -> FindingFacts:
    shown = [fit_to_show(number, policy.least_group) for number in (row.assets, row.subjects)]
    small = None in shown
    return FindingFacts(
        uid=row.id,
        service=row.service,
        name=row.name,
        vendor=row.vendor,
        category=row.category,
        unit=row.unit,
        condition=row.condition,
        verdict=row.verdict,
        state=row.state,
        reasons=msgspec.json.decode(row.reasons, type=tuple[str, ...]),
        risk=level,
        score=row.score,
        inventory_row=row.row,
        assets=None if small else row.assets,
        subjects=None if small else row.subjects,
        count=row._mapping["count"],  # noqa: SLF001  # a tuple counts, too
        first=moment(row.first, policy),
        last=moment(row.last, policy),
        bytes_out=row.bytes_out,
        bytes_in=row.bytes_in,
        indicators=indicators,
    )


def moment(at: int | None, policy: PrivacyPolicy) -> int | None:
    """A moment as fine as policy lets it be told."""
    if at is None or policy.time == "none":
        return None
    day = datetime.datetime.fromtimestamp(at, datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((day.replace(day=1) if policy.time == "month" else day).timestamp())


def _message(row: Any, activity: Activity, decision: DecisionFacts | None, level: Level) -> str:
    name = row.name + (f" ({row.condition})" if row.condition and row.service else "")
    where = f" in {row.unit}" if row.unit else ""
    if decision is not None:
        return f"{name}{where}: {decision.action} decided by {decision.by}; it is {row.state.replace('_', ' ')} now."
    if activity == "close":
        return f"{name} is found no more{where}."
    return f"{name} {_SAYS[row.verdict]}{where}; risk {level}, {row.state.replace('_', ' ')}."


def _indicators(connection: sa.Connection, rows: list[Any]) -> dict[str, tuple[Indicator, ...]]:
    """A sample of the evidence for each finding's service, wherever it was seen, the best confirmed first.

    How sure and how strong the best of a finding's evidence is, is said with the first.
    """
    of_service: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for service, kind, fields in _sample(connection, {row.service for row in rows}):
        of_service[service].append((kind, fields))
    found: dict[str, tuple[Indicator, ...]] = {}
    for row in rows:
        pieces = of_service[row.service]
        if not row.service:
            pieces = [piece for piece in pieces if _is_about(*piece, row.condition)]
        made: list[Indicator] = []
        for kind, fields in pieces[:_INDICATORS]:
            best = not made
            made.append(
                Indicator(
                    kind=kind,
                    fields=dict(aggregates.fields_of(kind, fields)),
                    identity=IDENTITIES[row.identity] if best and row.identity is not None else "",
                    presence=PRESENCES[row.presence] if best and row.presence is not None else "",
                )
            )
        found[row.id] = tuple(made)
    return found


def _sample(connection: sa.Connection, services: set[str]) -> Iterator[tuple[str, str, str]]:
    c = EVIDENCE.c
    place = sa.func.row_number().over(partition_by=c.service, order_by=(c.confirmed.desc(), c.id)).label("place")
    for some in batches(sorted(services - {""})):
        query = sa.select(c.service, c.kind, c.fields, place)
        ranked = query.where(c.service.in_(some), c.withdrawn.is_(sa.false())).subquery()
        first = sa.select(ranked).where(ranked.c.place <= _INDICATORS).order_by(ranked.c.service, ranked.c.place)
        for row in connection.execute(first):
            yield row.service, row.kind, row.fields
    if "" in services:
        unknown = sa.select(c.kind, c.fields).where(c.service == "", c.withdrawn.is_(sa.false())).order_by(c.id.desc())
        for row in connection.execute(unknown.limit(_UNKNOWN)):
            yield "", row.kind, row.fields


def _is_about(kind: str, fields: str, condition: str) -> bool:
    """Whether a finding about AI in no catalogue is about this evidence: its condition begins with what it is."""
    sighting = Sighting(
        month="",
        asset="",
        service="",
        kind=kind,
        subject="",
        evidence=aggregates.fields_of(kind, fields),
        identity="low",
        presence="mentioned",
        count=0,
        first=0,
        last=0,
        days=0,
    )
    about = describe(sighting)
    return condition == about or condition.startswith(f"{about}: ")
