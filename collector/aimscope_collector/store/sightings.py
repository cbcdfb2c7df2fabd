"""Totals, coverage and scan runs as agents report them: merged so that order, repetition and loss of an answer change
nothing.

Callers hold an open transaction. Rows name evidence, assets and subjects by ids that ``store/interning.py`` drew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from types import ModuleType
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from aimscope_collector.store import _upsert_postgresql, _upsert_sqlite
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.fleet import EPOCH
from aimscope_collector.store.tables.sightings import COVERAGE, RUN
from aimscope_signatures import wire

Row = tuple[int, int, int, int, int, int, int, int, int, int | None, int | None, int, int, int]
"""A total in the order of the table's columns, its key first."""
_CHUNK: Final = 500
_key: Final = itemgetter(*range(6))
_counts_of = msgspec.json.Decoder(dict[str, int]).decode


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One report, ready to be kept."""

    agent: int
    epoch: int
    """Id of the agent's ledger."""
    sequence: int
    acknowledged: int = 0
    """Sequence that the agent knows to be committed."""
    rows: Sequence[Row] = ()
    details: Sequence[tuple[int, str, int]] = ()
    """Evidence, details as JSON, and when they were seen."""
    looks: Sequence[wire.Look] = ()
    runs: Sequence[wire.Run] = ()
    received_at: int = 0


class Kept(msgspec.Struct, frozen=True):
    """What to answer once the transaction is committed."""

    committed: int
    full_state: bool


class UnknownEpoch(Exception):
    """The ledger's row is gone: the database was replaced under a running collector."""


def keep(connection: sa.Connection, batches: Sequence[Batch]) -> list[Kept]:
    """Merge reports, all of them or none. Raises ``UnknownEpoch``.

    Tables, and rows within a table, are always taken in the same order: two collectors wait for each other, and never
    crosswise.
    """
    answers = _advance(connection, batches)
    rows = [row for batch in batches for row in batch.rows]
    if rows:
        rows.sort(key=_key)
        _hot(connection).upsert(connection, rows)
    _keep_details(connection, batches)
    _keep_looks(connection, batches)
    _keep_runs(connection, batches)
    return answers


def _advance(connection: sa.Connection, batches: Sequence[Batch]) -> list[Kept]:
    """Take each ledger's row, which makes reports of one agent wait for each other, and set its sequence forward.

    A report that shows that earlier ones are not here leaves its number: sent again because the answer was lost, it
    gets the same answer.
    """
    known = _epochs(connection, sorted({batch.epoch for batch in batches}))
    before = dict(known)
    answers: list[Kept] = []
    for batch in batches:
        if batch.epoch not in known:
            raise UnknownEpoch(f"ledger {batch.epoch}")
        sequence, gap = known[batch.epoch]
        if batch.acknowledged > sequence:
            gap = batch.sequence
        sequence = max(sequence, batch.sequence)
        known[batch.epoch] = (sequence, gap)
        answers.append(Kept(sequence, full_state=gap == batch.sequence))
    changed = [
        {"id_": epoch, "sequence_": sequence, "gap_": gap}
        for epoch, (sequence, gap) in known.items()
        if before[epoch] != (sequence, gap)
    ]
    if changed:
        connection.execute(
            EPOCH.update()
            .where(EPOCH.c.id == sa.bindparam("id_"))
            .values(sequence=sa.bindparam("sequence_"), gap=sa.bindparam("gap_")),
            changed,
        )
    return answers


def _epochs(connection: sa.Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for at in range(0, len(ids), _CHUNK):
        wanted = sa.select(EPOCH.c.id, EPOCH.c.sequence, EPOCH.c.gap).where(EPOCH.c.id.in_(ids[at : at + _CHUNK]))
        for row in connection.execute(wanted.order_by(EPOCH.c.id).with_for_update()):
            found[row.id] = (row.sequence, row.gap)
    return found


def insert_into(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that may say what happens on conflict, which both databases spell alike."""
    return sqlite.insert(table) if is_sqlite(connection) else postgresql.insert(table)


def _keep_details(connection: sa.Connection, batches: Iterable[Batch]) -> None:
    latest: dict[tuple[int, int], tuple[int, str]] = {}
    for batch in batches:
        for evidence, details, at in batch.details:
            key = (batch.agent, evidence)
            latest[key] = max(latest.get(key, (at, details)), (at, details))
    if not latest:
        return
    rows = [(agent, evidence, details, at) for (agent, evidence), (at, details) in sorted(latest.items())]
    _hot(connection).details(connection, rows)


def _hot(connection: sa.Connection) -> ModuleType:
    """The statements that are written once for each database."""
    return _upsert_sqlite if is_sqlite(connection) else _upsert_postgresql


_Look = tuple[int, str, str, str, str, str, int]
"""Sequence, status, reason, remedy, emits, counts, at: the first seven decide together which of two is the later."""


def _keep_looks(connection: sa.Connection, batches: Iterable[Batch]) -> None:
    new: dict[tuple[int, int, str, str, int], _Look] = {}
    for batch in batches:
        for look in batch.looks:
            key = (batch.agent, batch.epoch, look.sensor, look.source, look.day)
            said = _said(look)
            new[key] = merged_look(new[key], said) if key in new else said
    if not new:
        return
    for key, known in _known_looks(connection, new).items():
        new[key] = merged_look(known, new[key])
    insert = insert_into(connection, COVERAGE)
    names = ("sequence", "status", "reason", "remedy", "emits", "counts", "at")
    statement = insert.on_conflict_do_update(
        index_elements=list(COVERAGE.primary_key.columns), set_={name: insert.excluded[name] for name in names}
    )
    keys = ("agent", "epoch", "sensor", "source", "day")
    connection.execute(
        statement, [dict(zip((*keys, *names), (*key, *look), strict=True)) for key, look in sorted(new.items())]
    )


def _said(look: wire.Look) -> _Look:
    counts = msgspec.json.encode(dict(look.counts), order="sorted").decode()
    emits = msgspec.json.encode(sorted(set(look.emits))).decode()
    return (look.sequence, look.status.value, look.reason, look.remedy, emits, counts, look.at)


def merged_look(one: _Look, other: _Look) -> _Look:
    """The status of the run with the highest number, and the highest of each counter."""
    counts: dict[str, int] = defaultdict(int)
    for said in (one, other):
        for name, count in _counts_of(said[5]).items():
            counts[name] = max(counts[name], count)
    later = max(one, other, key=lambda look: (*look[:5], look[6]))
    return (*later[:5], msgspec.json.encode(counts, order="sorted").decode(), later[6])


def _known_looks(
    connection: sa.Connection, wanted: Mapping[tuple[int, int, str, str, int], _Look]
) -> dict[tuple[int, int, str, str, int], _Look]:
    """Rows that are there already. The ledger's row is held, so nobody else changes them."""
    sensors: dict[tuple[int, int], set[str]] = defaultdict(set)
    days: dict[tuple[int, int], set[int]] = defaultdict(set)
    for agent, epoch, sensor, _, day in wanted:
        sensors[agent, epoch].add(sensor)
        days[agent, epoch].add(day)
    found: dict[tuple[int, int, str, str, int], _Look] = {}
    c = COVERAGE.c
    for (agent, epoch), names in sensors.items():
        rows = connection.execute(
            sa.select(
                *(c.sensor, c.source, c.day),
                *(c.sequence, c.status, c.reason, c.remedy, c.emits, c.counts, c.at),
            ).where(
                c.agent == agent,
                c.epoch == epoch,
                c.sensor.in_(sorted(names)),
                c.day.between(min(days[agent, epoch]), max(days[agent, epoch])),
            )
        )
        for row in rows:
            key = (agent, epoch, row[0], row[1], row[2])
            if key in wanted:
                found[key] = (row[3], row[4], row[5], row[6], row[7], row[8], row[9])
    return found


def _keep_runs(connection: sa.Connection, batches: Iterable[Batch]) -> None:
    latest: dict[tuple[int, str], dict[str, Any]] = {}
    for batch in batches:
        for run in batch.runs:
            said = {"agent": batch.agent, **msgspec.structs.asdict(run), "received_at": batch.received_at}
            known = latest.get((batch.agent, run.uid))
            if known is None or _rank(said) > _rank(known):
                latest[batch.agent, run.uid] = said
    if not latest:
        return
    insert = insert_into(connection, RUN)
    new = insert.excluded
    fields = ("sequence", "mode", "started", "finished", "catalogue", "policy", "complete", "sightings", "digest")
    statement = insert.on_conflict_do_update(
        index_elements=[RUN.c.agent, RUN.c.uid],
        set_={name: new[name] for name in fields},
        where=sa.or_(
            new.sequence > RUN.c.sequence,
            sa.and_(new.sequence == RUN.c.sequence, new.finished > RUN.c.finished),
            sa.and_(new.sequence == RUN.c.sequence, new.finished == RUN.c.finished, new.digest > RUN.c.digest),
        ),
    )
    connection.execute(statement, [latest[key] for key in sorted(latest)])


def _rank(run: Mapping[str, Any]) -> tuple[int, int, str]:
    return (run["sequence"], run["finished"], run["digest"])
