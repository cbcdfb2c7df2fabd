"""Ids for what reports name: evidence fleet-wide, subjects and assets by pseudonym, an agent's ledgers.

Interning the same thing twice gives the same id, so it may be repeated, and what is interned without a report that
follows harms nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from aimscope_collector.door import Veiled
from aimscope_collector.store import settings
from aimscope_collector.store.sightings import insert_into
from aimscope_collector.store.tables.fleet import AGENT, ASSET, EPOCH
from aimscope_collector.store.tables.sending import ALERT
from aimscope_collector.store.tables.sightings import EVIDENCE, SUBJECT

EXPLOSION: Final = "evidence_explosion"
"""The rule of the alert about an agent that names too many different things."""
VERSION: Final = "interned.version"
"""The setting that tells collectors to forget the ids they remember."""
MACHINE: Final = 0
"""The subject of what belongs to no account, or to one that was erased."""
_CHUNK: Final = 500
_DAY: Final = 86_400
K = TypeVar("K")


class Evidence(msgspec.Struct, frozen=True):
    """One piece of evidence in canonical form, as the collector's own catalogue sees it."""

    key: bytes
    """16 bytes of SHA-256 over service, kind and fields."""
    service: str
    kind: str
    fields: str
    held: str = "[]"
    confirmed: bool = False
    catalogue: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What one report names and this collector does not remember."""

    agent: int
    at: int
    epoch: str = ""
    evidence: Mapping[bytes, tuple[Evidence, Evidence]] = {}
    """By key: in full, and what is kept instead where the agent names too many: its service and kind alone."""
    subjects: Mapping[str, Callable[[], Veiled]] = {}
    """By pseudonym, how to seal the name: done only where it is new to the database."""
    assets: Mapping[str, Callable[[], Veiled]] = {}
    most_evidence: int = 1 << 62


class Interned(msgspec.Struct, frozen=True, kw_only=True):
    """The ids, by what was asked for."""

    epoch: int = 0
    evidence: Mapping[bytes, int] = {}
    collapsed: Mapping[bytes, int] = {}
    """Ids of service and kind, for evidence beyond what one agent may introduce: good for this agent only."""
    subjects: Mapping[str, int] = {}
    assets: Mapping[str, int] = {}


def intern(connection: sa.Connection, wanted: Wanted) -> Interned:
    """Ids of everything that is wanted, drawn where it is new."""
    epoch = _epoch(connection, wanted) if wanted.epoch else 0
    evidence, collapsed = _evidence(connection, wanted)
    return Interned(
        epoch=epoch,
        evidence=evidence,
        collapsed=collapsed,
        subjects=_subjects(connection, wanted.subjects),
        assets=_assets(connection, wanted.assets, wanted.at),
    )


def forget(connection: sa.Connection) -> None:
    """Make every collector forget the ids it remembers, within a second: rows of theirs were removed or erased."""
    settings.advance(connection, VERSION)


def _epoch(connection: sa.Connection, wanted: Wanted) -> int:
    row = {"agent": wanted.agent, "value": wanted.epoch, "began_at": wanted.at}
    connection.execute(insert_into(connection, EPOCH).on_conflict_do_nothing(), row)
    found = sa.select(EPOCH.c.id).where(EPOCH.c.agent == wanted.agent, EPOCH.c.value == wanted.epoch)
    return int(connection.execute(found).scalar_one())


def _evidence(connection: sa.Connection, wanted: Wanted) -> tuple[dict[bytes, int], dict[bytes, int]]:
    known = _ids(connection, EVIDENCE.c.key, wanted.evidence)
    new = [key for key in wanted.evidence if key not in known]
    if not new:
        return known, {}
    introduced = AGENT.c.introduced
    already = connection.execute(sa.select(introduced).where(AGENT.c.id == wanted.agent)).scalar_one()
    room = max(0, wanted.most_evidence - already)
    kept, beyond = new[:room], new[room:]
    short = {key: wanted.evidence[key][1] for key in beyond}
    rows = [wanted.evidence[key][0] for key in kept] + list({each.key: each for each in short.values()}.values())
    _insert(connection, EVIDENCE, sorted(map(msgspec.structs.asdict, rows), key=lambda row: row["key"]))
    ids = _ids(connection, EVIDENCE.c.key, [row.key for row in rows])
    if kept:
        connection.execute(AGENT.update().where(AGENT.c.id == wanted.agent).values(introduced=introduced + len(kept)))
    if beyond:
        _alert(connection, wanted, len(beyond))
    return known | {key: ids[key] for key in kept}, {key: ids[each.key] for key, each in short.items()}


def _alert(connection: sa.Connection, wanted: Wanted, count: int) -> None:
    """Once a day for an agent."""
    uid = connection.execute(sa.select(AGENT.c.uid).where(AGENT.c.id == wanted.agent)).scalar_one()
    key = f"{uid}:{wanted.at // _DAY}"
    if connection.execute(sa.select(ALERT.c.id).where(ALERT.c.rule == EXPLOSION, ALERT.c.key == key)).first():
        return
    text = f"Agent {uid} names more different things than one agent may: what is new is kept by service and kind only."
    facts = msgspec.json.encode({"agent": uid, "collapsed": count, "most": wanted.most_evidence}).decode()
    connection.execute(
        ALERT.insert().values(rule=EXPLOSION, key=key, at=wanted.at, severity="warning", text=text, facts=facts)
    )


def _subjects(connection: sa.Connection, wanted: Mapping[str, Callable[[], Veiled]]) -> dict[str, int]:
    known = _known_subjects(connection, wanted)
    new = sorted(pseudonym for pseudonym in wanted if pseudonym not in known)
    if new:
        _insert(connection, SUBJECT, [{"pseudonym": name, "sealed": wanted[name]().sealed} for name in new])
        known |= _known_subjects(connection, new)
    return known


def _known_subjects(connection: sa.Connection, wanted: Iterable[str]) -> dict[str, int]:
    erased = sa.case((SUBJECT.c.erased_at.is_not(None), MACHINE), else_=SUBJECT.c.id)
    return _ids(connection, SUBJECT.c.pseudonym, wanted, erased)


def _assets(connection: sa.Connection, wanted: Mapping[str, Callable[[], Veiled]], at: int) -> dict[str, int]:
    known = _ids(connection, ASSET.c.pseudonym, wanted)
    new = sorted(pseudonym for pseudonym in wanted if pseudonym not in known)
    if new:
        seen = {"source": "gateway", "first_seen": at, "last_seen": at}
        rows = [{"pseudonym": name, "sealed": wanted[name]().sealed, **seen} for name in new]
        _insert(connection, ASSET, rows)
        known |= _ids(connection, ASSET.c.pseudonym, new)
    return known


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(insert_into(connection, table).on_conflict_do_nothing(), list(rows))


def _ids(
    connection: sa.Connection, column: sa.Column[Any], wanted: Iterable[K], number: sa.ColumnElement[Any] | None = None
) -> dict[K, int]:
    """Those that are there. Retention leaves alone what was asked for, or has removed it already: then it is not."""
    keys = list(wanted)
    table = column.table
    what = table.c.id if number is None else number
    found: dict[K, int] = {}
    idle: list[K] = []
    for at in range(0, len(keys), _CHUNK):
        query = sa.select(column, what, table.c.idle_since).where(column.in_(keys[at : at + _CHUNK]))
        for key, id_, idle_since in connection.execute(query):
            found[key] = id_
            if idle_since is not None:
                idle.append(key)
    for at in range(0, len(idle), _CHUNK):
        some = sorted(idle[at : at + _CHUNK])  # type: ignore[type-var]
        wake = sa.update(table).where(column.in_(some)).values(idle_since=None).returning(column)
        for gone in set(some).difference(connection.execute(wake).scalars()):
            del found[gone]
    return found
