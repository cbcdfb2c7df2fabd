"""Decisions in the database, and the standing of findings that follows from them, for many findings at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import reopening, review
from aimscope_collector.events import DecisionFacts
from aimscope_collector.reopening import Noted, Triggers
from aimscope_collector.review import Decision, Facts, Past, Refused, Standing
from aimscope_collector.store import actions, audit, events_of_findings, overrides
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.review import DECISION, FINDING
from aimscope_signatures.kinds import PRESENCES

MOST_AT_ONCE: Final = 10_000
_CHUNK: Final = 5_000
_LOCK: Final = 0x64656369_64
_ACTIVE: Final = PRESENCES.index("attempted")


class Conflict(Exception):
    """Somebody decided in between: ``finding`` no longer stands as the reviewer saw it, but as ``standing`` says."""

    def __init__(self, finding: str, standing: Standing) -> None:
        who = f" by {standing.by}" if standing.by else ""
        super().__init__(
            f"The finding changed meanwhile: it is {standing.state.replace('_', ' ')}{who}. Look at it again."
        )
        self.finding = finding
        self.standing = standing


def decide(
    connection: sa.Connection,
    decisions: Sequence[Decision],
    *,
    now: int,
    expected: Mapping[str, str] | None = None,
) -> dict[str, Standing]:
    """Take decisions, all or none; what each finding they concern looks like now is kept with them.

    ``expected`` is, by finding, the ``Standing.version`` the reviewer saw: where it changed, ``Conflict`` is raised.
    Decisions that are there already (same uid, same content) are left alone, so that asking twice does no harm.
    Raises ``Refused``. Returns the new standings of the findings concerned, by id.
    """
    if len(decisions) > MOST_AT_ONCE:
        raise Refused(f"More than {MOST_AT_ONCE:,} decisions at once: take them in parts.")
    for decision in decisions:
        review.check(decision)
    hold(connection)
    fresh = _not_yet_there(connection, decisions)
    if fresh and expected:
        for finding, standing in standings(connection, expected, now=now).items():
            if standing.version != expected[finding]:
                raise Conflict(finding, standing)
    concerned = _concerned(connection, decisions)
    _insert(connection, [reopening.with_seen(one, concerned[_scope(one)]) for one in fresh], now)
    found, changed = _settle(connection, {one.id for decision in decisions for one in concerned[_scope(decision)]}, now)
    taken = {
        one.id: events_of_findings.decided(decision)
        for decision in fresh
        for one in concerned[_scope(decision)]
        if review.concerns(decision, one.unit)
    }
    events_of_findings.tell(connection, {*changed, *taken}, now=now, decisions=taken)
    audit.record_all(connection, [_act(decision, now) for decision in fresh])
    return found


def reconsider(
    connection: sa.Connection,
    *,
    now: int,
    findings: Iterable[str] | None = None,
    triggers: Triggers | None = None,
) -> list[Decision]:
    """Reopen what changed since it was decided, and bring the state kept with each finding up to date.

    To be called after findings changed (with their ids), and for all of them every few minutes: time reopens too.
    Returns the decisions the rules took; taking them twice changes nothing.
    """
    hold(connection)
    wanted = None if findings is None else list(dict.fromkeys(findings))
    known = noted(connection, findings=wanted)
    history = _history(connection, known)
    corrected = actions.corrected(connection, [one.id for one in known])
    taken: list[Decision] = []
    for one in known:
        past = history[(one.service, one.condition)].of(one.unit)
        standing = review.standing(past, one.unit, now)
        if standing.settled:
            counts = next(each for each in reversed(past) if each.uid == standing.decision)
            why = reopening.reopening(counts, one, corrected_at=corrected.get(one.id), triggers=triggers)
            if why is not None:
                taken.append(reopening.reopen(counts, one, why, now))
    taken = _not_yet_there(connection, taken)
    _insert(connection, taken, now)
    _, changed = _settle(connection, wanted, now)
    reopened = _taken(known, taken)
    events_of_findings.tell(connection, {*changed, *reopened}, now=now, decisions=reopened)
    audit.record_all(connection, [_act(decision, now) for decision in taken])
    return taken


def standings(connection: sa.Connection, findings: Iterable[str] | None = None, *, now: int) -> dict[str, Standing]:
    """Where findings stand, by id; all of them without ``findings``. Unknown ids are left out."""
    return _standings(connection, _finding_rows(connection, findings), now)


def history(connection: sa.Connection, *, service: str, condition: str, unit: str) -> list[Decision]:
    """Every decision that ever concerned or left out a unit's finding, in the order taken."""
    query = sa.select(DECISION).where(DECISION.c.service == service, DECISION.c.condition == condition)
    return review.Past(_of_row(row) for row in connection.execute(query.order_by(DECISION.c.id))).of(unit)


def decision(connection: sa.Connection, uid: str) -> Decision | None:
    """One decision."""
    row = connection.execute(sa.select(DECISION).where(DECISION.c.uid == uid)).first()
    return _of_row(row) if row else None


def recent(
    connection: sa.Connection, *, before: int = 0, limit: int = 100, since: int | None = None
) -> list[tuple[int, Decision]]:
    """The decision log, newest first, each with its number; ``before`` is the last number already read."""
    query = sa.select(DECISION).order_by(DECISION.c.id.desc()).limit(limit)
    if before:
        query = query.where(DECISION.c.id < before)
    if since is not None:
        query = query.where(DECISION.c.at >= since)
    return [(row.id, _of_row(row)) for row in connection.execute(query)]


def noted(connection: sa.Connection, *, findings: Iterable[str] | None = None) -> list[Noted]:
    """Findings as review sees them."""
    rows = _finding_rows(connection, findings)
    broken: dict[tuple[str, str], list[str]] = defaultdict(list)
    query = sa.select(FINDING.c.service, FINDING.c.unit, FINDING.c.condition).where(
        FINDING.c.condition != "", FINDING.c.present == 1, FINDING.c.service != ""
    )
    for row in connection.execute(query):
        broken[(row.service, row.unit)].append(row.condition)
    return [
        Noted(
            id=row.id,
            service=row.service,
            unit=row.unit,
            condition=row.condition,
            verdict=row.verdict,
            conditions=tuple(sorted(broken[(row.service, row.unit)])) if row.service and not row.condition else (),
            assets=row.assets,
            bytes_out=row.bytes_out,
            active=row.presence is not None and row.presence >= _ACTIVE,
            last=row.last,
            present=bool(row.present),
        )
        for row in rows
    ]


def hold(connection: sa.Connection) -> None:
    """Wait for others who decide, to the end of the transaction.

    Who writes findings and then calls ``reconsider`` in one transaction calls this first: else the two could wait for
    each other crosswise, one for the findings, the other for the decisions.
    """
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _not_yet_there(connection: sa.Connection, decisions: Sequence[Decision]) -> list[Decision]:
    there = {
        row.uid: _of_row(row)
        for uids in _chunks([decision.uid for decision in decisions])
        for row in connection.execute(sa.select(DECISION).where(DECISION.c.uid.in_(uids)))
    }
    fresh: dict[str, Decision] = {}
    for decision in decisions:
        known = fresh.get(decision.uid) or there.get(decision.uid)
        if known is None:
            fresh[decision.uid] = decision
        elif _said(known) != _said(decision):
            raise Refused("Another decision has this id already: draw a new one.")
    return list(fresh.values())


def _said(decision: Decision) -> Decision:
    """What its author said: without the moment, and without what was kept with it."""
    return msgspec.structs.replace(decision, at=0, facts=msgspec.structs.replace(decision.facts, seen={}))


def _insert(connection: sa.Connection, decisions: Sequence[Decision], now: int) -> None:
    if not decisions:
        return
    connection.execute(DECISION.insert(), [_row(decision) for decision in decisions])
    overrides.follow(connection, decisions, now=now)


def _row(decision: Decision) -> dict[str, object]:
    row = {name: getattr(decision, name) for name in decision.__struct_fields__}
    row["except_units"] = msgspec.json.encode(decision.except_units).decode()
    row["facts"] = msgspec.json.encode(decision.facts, order="sorted").decode()
    return row


def _act(decision: Decision, now: int) -> audit.Act:
    facts = {
        "service": decision.service,
        "condition": decision.condition,
        "unit": decision.unit,
        "except_units": ", ".join(decision.except_units),
        "reason": decision.reason,
        "until": decision.until,
        "review_on": decision.review_on,
        "assignee": decision.facts.assignee,
        "approver": decision.facts.approver,
    }
    return audit.Act(now, decision.by, f"decision.{decision.action}", decision.uid, facts)


def _taken(known: Iterable[Noted], decisions: Iterable[Decision]) -> dict[str, DecisionFacts]:
    """What rules decided, by the finding it is about: each of them reopens one."""
    by_key = {(one.service, one.condition, one.unit): one.id for one in known}
    found = {}
    for decision in decisions:
        finding = by_key.get((decision.service, decision.condition, decision.unit or ""))
        if finding is not None:
            found[finding] = events_of_findings.decided(decision)
    return found


def _settle(
    connection: sa.Connection, findings: Iterable[str] | None, now: int
) -> tuple[dict[str, Standing], list[str]]:
    """Keep state, assignee and due day with the findings, for queries. Their standings, and those that changed."""
    rows = _finding_rows(connection, findings)
    found = _standings(connection, rows, now)
    changed = [
        {"which": row.id, "new_state": one.state, "new_assignee": one.assignee, "new_due": one.due}
        for row in rows
        if (row.state, row.assignee, row.due) != ((one := found[row.id]).state, one.assignee, one.due)
    ]
    if changed:
        statement = FINDING.update().where(FINDING.c.id == sa.bindparam("which"))
        bound: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("state", "assignee", "due")}
        connection.execute(statement.values(bound), changed)
    return found, [str(row["which"]) for row in changed]


def _finding_rows(connection: sa.Connection, findings: Iterable[str] | None) -> list[sa.Row[Any]]:
    query = sa.select(
        *(FINDING.c[name] for name in ("id", "service", "unit", "condition", "verdict", "assets", "bytes_out")),
        *(FINDING.c[name] for name in ("presence", "last", "present", "state", "assignee", "due")),
    ).order_by(FINDING.c.id)
    if findings is None:
        return list(connection.execute(query))
    chunks = _chunks(sorted(set(findings)))
    return [row for ids in chunks for row in connection.execute(query.where(FINDING.c.id.in_(ids)))]


def _scope(decision: Decision) -> tuple[str, str, str | None]:
    unit = None if decision.unit is None else decision.unit.casefold().strip("/")
    return (decision.service, decision.condition, unit)


def _concerned(
    connection: sa.Connection, decisions: Iterable[Decision]
) -> dict[tuple[str, str, str | None], list[Noted]]:
    """The findings that decisions may concern, by what the decisions are about."""
    services = {decision.service for decision in decisions}
    wanted = {(decision.service, decision.condition) for decision in decisions}
    query = sa.select(FINDING.c.id, FINDING.c.service, FINDING.c.condition)
    ids = [
        row.id
        for chunk in _chunks(sorted(services))
        for row in connection.execute(query.where(FINDING.c.service.in_(chunk)))
        if (row.service, row.condition) in wanted
    ]
    found: dict[tuple[str, str, str | None], list[Noted]] = defaultdict(list)
    for one in noted(connection, findings=ids):
        for unit in (None, *review.above(one.unit)):
            found[(one.service, one.condition, unit)].append(one)
    return found


def _standings(connection: sa.Connection, rows: Sequence[sa.Row[Any]], now: int) -> dict[str, Standing]:
    past = _history(connection, rows)
    return {row.id: review.standing(past[(row.service, row.condition)].of(row.unit), row.unit, now) for row in rows}


def _history(connection: sa.Connection, rows: Iterable[Any]) -> dict[tuple[str, str], Past]:
    """Decisions about the services of findings, by service and condition."""
    found: dict[tuple[str, str], list[Decision]] = {(row.service, row.condition): [] for row in rows}
    query = sa.select(DECISION).order_by(DECISION.c.id)
    for chunk in _chunks(sorted({service for service, _ in found})):
        for row in connection.execute(query.where(DECISION.c.service.in_(chunk))):
            if (row.service, row.condition) in found:
                found[(row.service, row.condition)].append(_of_row(row))
    return {key: Past(decisions) for key, decisions in found.items()}


def _of_row(row: sa.Row[Any]) -> Decision:
    return Decision(
        uid=row.uid,
        service=row.service,
        condition=row.condition,
        unit=row.unit,
        except_units=msgspec.json.decode(row.except_units, type=tuple[str, ...]),
        action=row.action,
        reason=row.reason,
        by=row.by,
        at=row.at,
        until=row.until,
        review_on=row.review_on,
        facts=msgspec.json.decode(row.facts, type=Facts),
    )


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as a statement may name."""
    for start in range(0, len(names), _CHUNK):
        yield names[start : start + _CHUNK]
