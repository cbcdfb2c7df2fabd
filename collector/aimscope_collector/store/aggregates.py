"""Sightings summed up for judging: by piece of evidence and place, never one by one.

A *place* is a number for devices that no row of the inventory tells apart. Which device has which place is handed in.
Moments are corrected here by what each agent's clock is ahead; none lies in the future, or before 1970.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import msgspec
import sqlalchemy as sa

from aimscope_collector.store._insert import batches
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.tables.fleet import AGENT
from aimscope_collector.store.tables.sightings import DETAIL, EVIDENCE, SIGHTING
from aimscope_signatures.kinds import KINDS

MOST: Final = 1 << 40
"""The most one row adds to a sum: no agent can make a sum overflow."""
_FETCH: Final = 10_000

_TEMPORARY: Final = sa.MetaData()
_WHERE: Final = sa.Table(
    "judged_where",
    _TEMPORARY,
    sa.Column("asset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    prefixes=["temporary"],
)
_WHAT: Final = sa.Table(
    "judged_what",
    _TEMPORARY,
    sa.Column("evidence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Integer, nullable=False),
    prefixes=["temporary"],
)
_WHO: Final = sa.Table(
    "judged_who",
    _TEMPORARY,
    sa.Column("agent", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("asset", sa.BigInteger, nullable=False),
    sa.Column("ahead", sa.BigInteger, nullable=False),
    prefixes=["temporary"],
)
_GONE: Final = sa.Table(
    "judged_gone",
    _TEMPORARY,
    sa.Column("agent", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("before", sa.BigInteger, nullable=False),
    prefixes=["temporary"],
)
KIND_NUMBERS: Final = {name: number for number, name in enumerate(sorted(KINDS), 1)}


class Evidence(msgspec.Struct, frozen=True):
    """One piece of evidence, as the collector keeps it."""

    id: int
    service: str
    kind: str
    fields: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...] = ()


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one piece of evidence at one place. ``identity`` and ``presence`` are positions."""

    evidence: int
    place: int
    identity: int
    presence: int
    count: int
    first: int
    last: int
    bytes_out: int | None
    bytes_in: int | None


Row = tuple[int, int, int, int, int, int]
"""Evidence, asset, subject, agent, month, days."""


class Whole(NamedTuple):
    """A sighting whose device depends on when it was."""

    evidence: int
    asset: int
    subject: int
    agent: int
    month: int
    days: int
    identity: int
    presence: int
    times: int
    first: int
    last: int
    bytes_out: int | None
    bytes_in: int | None


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """Which sightings count: those last seen at or after ``since``; ``now`` bounds what clocks may say."""

    since: int
    since_month: int
    now: int


class Aggregates:
    """Sums over the sightings of some evidence at known places. Lives within one transaction: use it in ``with``."""

    def __init__(
        self,
        connection: sa.Connection,
        *,
        extent: Extent,
        evidence: Mapping[int, str],
        places: Mapping[int, int],
        gone: Mapping[tuple[int, str], int],
    ) -> None:
        self._connection = connection
        self._extent = extent
        self._kinds = evidence
        self._places = places
        self._gone = gone

    def __enter__(self) -> Self:
        _TEMPORARY.drop_all(self._connection, checkfirst=True)
        _TEMPORARY.create_all(self._connection, checkfirst=False)
        self._fill(_WHERE, ({"asset": asset, "place": place} for asset, place in self._places.items()))
        self._fill(_WHAT, ({"evidence": each, "kind": KIND_NUMBERS.get(kind, 0)} for each, kind in self._kinds.items()))
        agents = self._connection.execute(sa.select(AGENT.c.id, AGENT.c.asset, AGENT.c.clock_skew)).all()
        self._fill(_WHO, ({"agent": row.id, "asset": row.asset, "ahead": row.clock_skew} for row in agents))
        self._fill(
            _GONE,
            (
                {"agent": agent, "kind": KIND_NUMBERS[kind], "before": before}
                for (agent, kind), before in self._gone.items()
                if kind in KIND_NUMBERS
            ),
        )
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:  # else the transaction ends, and they with it
            _TEMPORARY.drop_all(self._connection, checkfirst=True)

    def _fill(self, table: sa.Table, rows: Iterable[dict[str, int]]) -> None:
        found = list(rows)
        if found:
            self._connection.execute(table.insert(), found)
            if not is_sqlite(self._connection):
                self._connection.exec_driver_sql(f"analyze {table.name}")

    def _present(self, *columns: Any) -> sa.Select[Any]:
        """Sightings that still hold: recent, and not missed by a later complete look at the agent's own device."""
        seen = (
            SIGHTING.join(_WHAT, _WHAT.c.evidence == SIGHTING.c.evidence)
            .join(_WHERE, _WHERE.c.asset == SIGHTING.c.asset)
            .join(_WHO, _WHO.c.agent == SIGHTING.c.agent)
            .outerjoin(
                _GONE,
                sa.and_(
                    _GONE.c.agent == SIGHTING.c.agent,
                    _GONE.c.kind == _WHAT.c.kind,
                    SIGHTING.c.asset == _WHO.c.asset,
                ),
            )
        )
        return (
            sa.select(*columns)
            .select_from(seen)
            .where(SIGHTING.c.month >= self._extent.since_month)
            .where(SIGHTING.c.last - _WHO.c.ahead >= self._extent.since)
            .where(sa.or_(_GONE.c.before.is_(None), SIGHTING.c.last >= _GONE.c.before))
        )

    def _moment(self, column: sa.Column[Any]) -> sa.ColumnElement[int]:
        corrected = column - _WHO.c.ahead
        return sa.case((corrected > self._extent.now, self._extent.now), (corrected < 0, 0), else_=corrected)

    def sums(self) -> Iterator[Sum]:
        """By evidence and place. ``first`` goes back as far as anything is kept."""
        older = self._older()
        query = self._present(
            *(SIGHTING.c.evidence, _WHERE.c.place),
            *(sa.func.max(SIGHTING.c.identity), sa.func.max(SIGHTING.c.presence)),
            _total(SIGHTING.c.count),
            *(sa.func.min(self._moment(SIGHTING.c.first)), sa.func.max(self._moment(SIGHTING.c.last))),
            *(_total(SIGHTING.c.bytes_out), _total(SIGHTING.c.bytes_in)),
        ).group_by(SIGHTING.c.evidence, _WHERE.c.place)
        for evidence, place, identity, presence, count, first, last, out, into in self._fetch(query):
            first = min(first, older.get((evidence, place), first))  # noqa: PLW2901
            yield Sum(evidence, place, identity, presence, count, first, last, out, into)

    def _older(self) -> dict[tuple[int, int], int]:
        seen = (
            SIGHTING.join(_WHAT, _WHAT.c.evidence == SIGHTING.c.evidence)
            .join(_WHERE, _WHERE.c.asset == SIGHTING.c.asset)
            .join(_WHO, _WHO.c.agent == SIGHTING.c.agent)
        )
        query = (
            sa.select(SIGHTING.c.evidence, _WHERE.c.place, sa.func.min(self._moment(SIGHTING.c.first)))
            .select_from(seen)
            .where(SIGHTING.c.month < self._extent.since_month)
            .group_by(SIGHTING.c.evidence, _WHERE.c.place)
        )
        return {(evidence, place): first for evidence, place, first in self._fetch(query)}

    def rows(self) -> Iterator[Row]:
        """Who is behind the sums: as few numbers for each sighting as telling devices and people apart takes."""
        query = self._present(
            *(SIGHTING.c.evidence, SIGHTING.c.asset, SIGHTING.c.subject, SIGHTING.c.agent),
            *(SIGHTING.c.month, SIGHTING.c.days),
        )
        return self._fetch(query)

    def whole(self, assets: Sequence[int]) -> Iterator[Whole]:
        """Sightings of a few assets, one by one. They must be among ``places``, at a place of their own."""
        columns = (
            *(SIGHTING.c.evidence, SIGHTING.c.asset, SIGHTING.c.subject, SIGHTING.c.agent),
            *(SIGHTING.c.month, SIGHTING.c.days, SIGHTING.c.identity, SIGHTING.c.presence, SIGHTING.c.count),
            *(self._moment(SIGHTING.c.first), self._moment(SIGHTING.c.last)),
            *(SIGHTING.c.bytes_out, SIGHTING.c.bytes_in),
        )
        for some in batches(assets):
            yield from map(Whole._make, self._fetch(self._present(*columns).where(SIGHTING.c.asset.in_(some))))

    def _fetch(self, query: sa.Select[Any]) -> Iterator[Any]:
        """Plain tuples from the driver, a few at a time: a million rows are no place for anything more comfortable."""
        dialect = self._connection.dialect
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        names = compiled.positiontup
        given: Any = compiled.params if names is None else [compiled.params[name] for name in names]
        driver: Any = self._connection.connection.driver_connection
        cursor = driver.cursor() if is_sqlite(self._connection) else driver.cursor("aimscope", binary=True)
        with contextlib.closing(cursor):
            cursor.execute(str(compiled), given)
            while some := cursor.fetchmany(_FETCH):
                yield from some


def _total(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    bounded = sa.case((column > MOST, MOST), else_=column)
    return sa.cast(sa.func.sum(bounded), sa.BigInteger)


def evidence(connection: sa.Connection, services: Sequence[str] | None = None) -> dict[int, Evidence]:
    """Pieces of evidence, of all services or some (the empty one: what no catalogue knows)."""
    query = sa.select(EVIDENCE.c.id, EVIDENCE.c.service, EVIDENCE.c.kind, EVIDENCE.c.fields)
    query = query.where(EVIDENCE.c.withdrawn.is_(sa.false()))
    if services is not None:
        query = query.where(EVIDENCE.c.service.in_(sorted(services)))
    found = connection.execute(query).all()
    telling = _details(connection, services)
    return {
        row.id: Evidence(row.id, row.service, row.kind, fields_of(row.kind, row.fields), telling.get(row.id, ()))
        for row in found
    }


def counted_for(connection: sa.Connection, services: Sequence[str]) -> set[str]:
    """The services that evidence counts for which agents still call by these names."""
    query = sa.select(EVIDENCE.c.service).where(EVIDENCE.c.said.in_(services)).distinct()
    return set(connection.execute(query).scalars())


def fields_of(kind: str, text: str) -> tuple[tuple[str, str], ...]:
    """Evidence fields as they are kept, in the order of their kind."""
    fields: dict[str, str] = dict(msgspec.json.decode(text))
    known = KINDS[kind].evidence if kind in KINDS else ()
    return tuple((name, str(fields[name])) for name in (*known, *sorted(fields.keys() - set(known))) if name in fields)


_TELLING: Final = {"account": ("organisational", min), "mcp_server": ("remote", max)}
"""Details that decide whether a condition holds. Agents that differ: the word that breaks it counts."""


def _details(connection: sa.Connection, services: Sequence[str] | None) -> dict[int, tuple[tuple[str, str], ...]]:
    query = (
        sa.select(EVIDENCE.c.id, EVIDENCE.c.kind, DETAIL.c.details)
        .select_from(DETAIL.join(EVIDENCE, DETAIL.c.evidence == EVIDENCE.c.id))
        .where(EVIDENCE.c.kind.in_(sorted(_TELLING)))
        .distinct()
    )
    if services is not None:
        query = query.where(EVIDENCE.c.service.in_(sorted(services)))
    found: dict[int, str] = {}
    names: dict[int, str] = {}
    for row in connection.execute(query):
        name, choose = _TELLING[row.kind]
        said = str(dict(msgspec.json.decode(row.details)).get(name, "")).casefold()
        if said:
            found[row.id] = choose(found[row.id], said) if row.id in found else said
            names[row.id] = name
    return {each: ((names[each], said),) for each, said in found.items()}
