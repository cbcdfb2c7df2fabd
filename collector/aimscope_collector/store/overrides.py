"""Detections that a decision called wrong: left out of findings until a day, or until somebody decides otherwise."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from aimscope_collector.inventory.model import Ignore
from aimscope_collector.review import Decision, Wrong
from aimscope_collector.store.tables.review import DECISION, OVERRIDE

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of a service that is left out in a unit and those below it; ``unit`` is ``None`` for everywhere."""

    service: str
    kind: str
    evidence: dict[str, str]
    unit: str | None
    reason: str
    by: str
    at: int
    until: int
    decision: str

    def ignore(self) -> Ignore:
        """What reconciling understands; the unit is the caller's to look at."""
        return Ignore(
            service=self.service,
            kind=self.kind,
            evidence=self.evidence,
            reason=self.reason,
            by=self.by,
            expiry=(_EPOCH + datetime.timedelta(seconds=self.until - 1)).date(),
        )


def follow(connection: sa.Connection, decisions: Iterable[Decision], *, now: int) -> None:
    """What decisions mean for overrides: new ones, and the end of those whose decision is replaced."""
    standing = [override.decision for override in overrides(connection, now=now)]
    made_by = sa.select(DECISION.c.uid, DECISION.c.service, DECISION.c.condition, DECISION.c.unit)
    made: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
    for row in connection.execute(made_by.where(DECISION.c.uid.in_(standing))):
        made[(row.service, row.condition, row.unit)].append(row.uid)
    for decision in decisions:
        if decision.action == "assign":
            continue
        scope = (decision.service, decision.condition, decision.unit)
        for replaced in made.pop(scope, ()):
            connection.execute(OVERRIDE.update().where(OVERRIDE.c.decision == replaced).values(until=now))
        wrong = decision.facts.wrong
        if wrong is not None and decision.until is not None:
            made[scope].append(decision.uid)
            _add(connection, decision, wrong, decision.until)


def _add(connection: sa.Connection, decision: Decision, wrong: Wrong, until: int) -> None:
    connection.execute(
        OVERRIDE.insert().values(
            service=decision.service,
            kind=wrong.kind,
            evidence=msgspec.json.encode(wrong.evidence, order="sorted").decode(),
            unit=decision.unit,
            reason=decision.reason,
            by=decision.by,
            at=decision.at,
            until=until,
            decision=decision.uid,
        )
    )


def overrides(connection: sa.Connection, *, now: int, ended: bool = False) -> list[Override]:
    """Overrides in force; with ``ended`` those of the past too."""
    query = sa.select(OVERRIDE).order_by(OVERRIDE.c.id)
    if not ended:
        query = query.where(OVERRIDE.c.until > now)
    return [_of_row(row) for row in connection.execute(query)]


def _of_row(row: sa.Row[Any]) -> Override:
    return Override(
        service=row.service,
        kind=row.kind,
        evidence=msgspec.json.decode(row.evidence, type=dict[str, str]),
        unit=row.unit,
        reason=row.reason,
        by=row.by,
        at=row.at,
        until=row.until,
        decision=row.decision,
    )
