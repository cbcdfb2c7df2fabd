"""What happened: alerts and whether they were delivered, and the audit log with whether it is whole."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from litestar import get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter

from aimscope_collector.alerts import AlertPolicy
from aimscope_collector.audit import Entry, Fact, Head
from aimscope_collector.http.api._limits import names_a_unit, refuse_limited
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.paging import (
    Cursor,
    From,
    Limit,
    Name,
    Period,
    To,
    after,
    cursor_of,
    cut,
    read_cursor,
    span,
)
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import alerts, audit, outbox
from aimscope_collector.store.database import writing
from aimscope_collector.store.outbox import Waiting
from aimscope_collector.store.tables.people import AUDIT
from aimscope_collector.store.tables.sending import ALERT

Destination = Annotated[str, PathParameter(max_length=64, pattern=r"^[a-z0-9_-]+$")]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was raised."""

    id: int
    rule: str
    key: str
    at: int
    severity: str
    text: str
    facts: dict[str, Fact]


class Alerts(msgspec.Struct, frozen=True):
    """A page, the newest first."""

    items: list[Alert]
    next: str | None


class Deliveries(msgspec.Struct, frozen=True):
    """What waits, by destination."""

    items: list[Waiting]


class Retried(msgspec.Struct, frozen=True):
    """How many items are due again."""

    items: int


class Log(msgspec.Struct, frozen=True):
    """A page of the audit log."""

    items: list[Entry]
    next: str | None


class Verified(msgspec.Struct, frozen=True):
    """Whether the chain is whole: the first bad entry, or null, and its end, for keeping elsewhere."""

    first_bad: int | None
    head: Head


@get("/alerts", opt={"needs": "alerts:read"}, sync_to_thread=True, tags=["alerts"])
def list_alerts(
    given: Here,
    who: Who,
    rule: Name = None,
    severity: Name = None,
    days: Period = None,
    first: From = None,
    last: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Alerts:
    """Alerts that were raised."""
    since, until = span(given.now(), days, first, last)
    query = sa.select(ALERT)
    if who.units:
        query = query.where(names_a_unit(ALERT.c.facts, who.units))
    for column, wanted in ((ALERT.c.rule, rule), (ALERT.c.severity, severity)):
        if wanted is not None:
            query = query.where(column == wanted)
    if since is not None:
        query = query.where(ALERT.c.at >= since)
    if until is not None:
        query = query.where(ALERT.c.at < until)
    query = after(query, order="alerts", by=ALERT.c.id, unique=ALERT.c.id, descending=True, cursor=cursor, limit=limit)
    with given.engine.connect() as connection:
        rows, more = cut(connection.execute(query).all(), limit, order="alerts", by="id", unique="id")
    items = [
        Alert(
            id=row.id,
            rule=row.rule,
            key=row.key,
            at=row.at,
            severity=row.severity,
            text=row.text,
            facts=msgspec.json.decode(row.facts),
        )
        for row in rows
    ]
    return Alerts(items, more)


@get("/alerts/policy", opt={"needs": "alerts:read"}, sync_to_thread=True, tags=["alerts"])
def show_alert_policy(given: Here) -> AlertPolicy:
    """When somebody is told, and how often."""
    with given.engine.connect() as connection:
        return alerts.policy(connection)


@put("/alerts/policy", opt={"needs": "alerts:write"}, sync_to_thread=True, tags=["alerts"])
def set_alert_policy(given: Here, who: Who, data: JSONBody[AlertPolicy]) -> AlertPolicy:
    """Change that."""
    refuse_limited(who, "Alerts are")
    with writing(given.engine) as connection:
        alerts.set_policy(connection, data, by=who.name, at=given.now())
    return data


@get("/alerts/deliveries", opt={"needs": "alerts:read"}, sync_to_thread=True, tags=["alerts"])
def list_deliveries(given: Here) -> Deliveries:
    """What waits for each destination, and why."""
    with given.engine.connect() as connection:
        return Deliveries(outbox.status(connection))


@post("/alerts/deliveries/{destination:str}/retry", opt={"needs": "alerts:write"}, sync_to_thread=True, tags=["alerts"])
def retry_deliveries(given: Here, who: Who, destination: Destination) -> Retried:
    """Try everything that waits for a destination again at once, also what was given up."""
    refuse_limited(who, "Deliveries are")
    now = given.now()
    with writing(given.engine) as connection:
        items = outbox.retry(connection, destination=destination, now=now)
        audit.record(
            connection, at=now, actor=who.name, action="delivery.retried", about=destination, facts={"items": items}
        )
    return Retried(items)


@get("/audit", opt={"needs": "audit:read"}, sync_to_thread=True, tags=["audit"])
def list_audit(
    given: Here,
    who: Who,
    actor: Name = None,
    action: Annotated[Name, QueryParameter(description="An action, or what it begins with up to its dot.")] = None,
    about: Name = None,
    days: Period = None,
    first: From = None,
    last: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Log:
    """The audit log, the newest first. An account with limits sees its own acts, and what names one of its units."""
    since, until = span(given.now(), days, first, last)
    before = 0 if cursor is None else read_cursor(cursor, "audit")[0]
    if not isinstance(before, int):
        raise Failed(400, "cursor", "The cursor belongs to another list: begin without one.")
    with given.engine.connect() as connection:
        found = audit.entries(
            connection,
            after=before,
            limit=limit + 1,
            actor=actor or "",
            actions=(action,) if action else (),
            about=about or "",
            since=since,
            until=until,
            newest_first=True,
            where=sa.or_(names_a_unit(AUDIT.c.facts, who.units), AUDIT.c.actor == who.name) if who.units else None,
        )
    more = cursor_of("audit", found[limit - 1].sequence, "") if len(found) > limit else None
    return Log(found[:limit], more)


@get("/audit/verify", opt={"needs": "audit:read"}, sync_to_thread=True, tags=["audit"])
def verify_audit(
    given: Here,
    sequence: Annotated[int | None, QueryParameter(ge=0, le=1 << 53, description="Of an end kept elsewhere.")] = None,
    digest: Annotated[str | None, QueryParameter(name="hash", pattern=r"^[0-9a-f]{64}$")] = None,
) -> Verified:
    """Whether the chain is whole, and agrees with an end that was kept elsewhere."""
    kept = Head(sequence, digest) if sequence is not None and digest is not None else None
    with given.engine.connect() as connection, connection.begin():
        return Verified(audit.verify(connection, head=kept), audit.head(connection))


ROUTES: Final = (
    list_alerts,
    show_alert_policy,
    set_alert_policy,
    list_deliveries,
    retry_deliveries,
    list_audit,
    verify_audit,
)
