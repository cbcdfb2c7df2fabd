"""Alerts in the database: told once in the cooldown, whoever of several collectors computes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aimscope_collector import alerts
from aimscope_collector.alerts import Alert, AlertPolicy
from aimscope_collector.audit import Fact
from aimscope_collector.store import audit, outbox, settings
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.sending import ALERT

SETTING: Final = "alerts"
_LOCK: Final = 0x616C657274
_DAY: Final = 86_400
_CHUNK: Final = 500


def policy(connection: sa.Connection) -> AlertPolicy:
    """When to tell somebody, as it is in force."""
    text = settings.read(connection, SETTING)
    return msgspec.json.decode(text, type=AlertPolicy) if text else AlertPolicy()


def set_policy(connection: sa.Connection, new: AlertPolicy, *, by: str, at: int) -> None:
    """Put another policy in force."""
    text = msgspec.json.encode(new, order="sorted").decode()
    settings.write(connection, SETTING, text)
    audit.record(connection, at=at, actor=by, action="alerts.changed", about=SETTING, facts={"policy": text})


def tell(
    connection: sa.Connection, candidates: Sequence[Alert], *, now: int, destinations: Iterable[str]
) -> list[Alert]:
    """Keep those candidates that are to be told, and put each in the outbox for every destination. Returns them."""
    if not candidates:
        return []
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    chosen = alerts.choose(
        candidates,
        told=_told(connection, candidates, now),
        today=_today(connection, now),
        policy=policy(connection),
        now=now,
    )
    wanted = tuple(destinations)
    for alert in chosen:
        row = {name: getattr(alert, name) for name in ("rule", "key", "at", "severity", "text")}
        row["facts"] = msgspec.json.encode(alert.facts, order="sorted").decode()
        connection.execute(ALERT.insert().values(row))
        outbox.put(connection, event=alert.event, payload=alert.payload(), destinations=wanted, now=now)
    return chosen


def told(connection: sa.Connection, *, since: int = 0, before: int = 0, limit: int = 100) -> list[tuple[int, Alert]]:
    """Alerts, the newest first, each with its number; ``before`` is the last number already read."""
    query = sa.select(ALERT).where(ALERT.c.at >= since).order_by(ALERT.c.id.desc()).limit(limit)
    if before:
        query = query.where(ALERT.c.id < before)
    return [(row.id, of_row(row)) for row in connection.execute(query)]


def _told(connection: sa.Connection, candidates: Iterable[Alert], now: int) -> dict[tuple[str, str], int]:
    keys = sorted({alert.key for alert in candidates} | {alerts.capped_key(now)})
    query = sa.select(ALERT.c.rule, ALERT.c.key, sa.func.max(ALERT.c.at)).group_by(ALERT.c.rule, ALERT.c.key)
    return {
        (rule, key): at
        for start in range(0, len(keys), _CHUNK)
        for rule, key, at in connection.execute(query.where(ALERT.c.key.in_(keys[start : start + _CHUNK])))
    }


def _today(connection: sa.Connection, now: int) -> dict[str, int]:
    query = sa.select(ALERT.c.rule, sa.func.count()).where(ALERT.c.at >= now - now % _DAY).group_by(ALERT.c.rule)
    return {row[0]: row[1] for row in connection.execute(query)}


def of_row(row: sa.Row[Any]) -> Alert:
    """An alert as it is kept."""
    return Alert(
        rule=row.rule,
        key=row.key,
        at=row.at,
        severity=row.severity,
        text=row.text,
        facts=msgspec.json.decode(row.facts, type=dict[str, Fact]),
    )
