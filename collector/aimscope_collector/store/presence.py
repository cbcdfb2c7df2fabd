"""Signs of life, kept in memory and written in bulk once a second.

What is lost with the process is a second of them: an agent that lives shows it again. Nothing that was promised to an
agent is kept here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import placing
from aimscope_collector.store.database import is_sqlite
from aimscope_collector.store.placing import Asked
from aimscope_collector.store.sightings import insert_into
from aimscope_collector.store.tables.fleet import AGENT, ASSET, ASSET_ADDRESS

_MOST: Final = 200_000
_CHUNK: Final = 5_000


class Sign(msgspec.Struct, frozen=True, gc=False):
    """The latest of one agent. ``epoch`` empty: nothing new is known of its ledger."""

    last_seen: int
    skew: int = 0
    """Seconds its clock is ahead."""
    pending: int = 0
    epoch: str = ""
    sequence: int = 0


class Said(msgspec.Struct, frozen=True):
    """What an agent says of itself; written when it has changed."""

    platform: str
    version: str
    versions: str
    notices: str
    policy_acknowledged: int
    at: int
    asset: int
    addresses: Sequence[str] = ()
    """Pseudonyms of the addresses and the name it has."""
    place: Asked | None = None
    """Where its device belongs."""


class News(msgspec.Struct, frozen=True):
    """What there is to write, by the agent's number."""

    signs: dict[int, Sign]
    said: dict[int, Said]
    clones: dict[int, int]
    """When another machine was last seen to use the identity."""


class Presence:
    """Collects from any thread. What was taken and could not be written is put back."""

    def __init__(self, most: int = _MOST) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._signs: dict[int, Sign] = {}
        self._said: dict[int, Said] = {}
        self._clones: dict[int, int] = {}

    def __len__(self) -> int:
        """Agents with something to write."""
        return len(self._signs) + len(self._said) + len(self._clones)

    def seen(self, agent: int, sign: Sign) -> None:
        """A sign of life."""
        with self._lock:
            if len(self._signs) < self._most or agent in self._signs:
                self._signs[agent] = sign

    def says(self, agent: int, said: Said) -> None:
        """Something about itself that has changed."""
        with self._lock:
            if len(self._said) < self._most or agent in self._said:
                self._said[agent] = said

    def cloned(self, agent: int, at: int) -> None:
        """A second machine, or a second ledger, uses this identity."""
        with self._lock:
            if len(self._clones) < self._most:
                self._clones[agent] = at

    def take(self) -> News:
        """What there is to write, which is then no longer here."""
        with self._lock:
            news = News(self._signs, self._said, self._clones)
            self._signs, self._said, self._clones = {}, {}, {}
        return news

    def put_back(self, news: News) -> None:
        """What could not be written, unless there is something newer."""
        with self._lock:
            self._signs = {**news.signs, **self._signs}
            self._said = {**news.said, **self._said}
            self._clones = {**news.clones, **self._clones}


def write(connection: sa.Connection, news: News) -> frozenset[int]:
    """Write signs of life and what agents say of themselves, in the order of their numbers.

    Returns the agents whose devices are in another unit now.
    """
    signs, said = news.signs, news.said
    rows = [(*msgspec.structs.astuple(signs[agent]), agent) for agent in sorted(signs)]
    for at in range(0, len(rows), _CHUNK):
        _write_signs(connection, rows[at : at + _CHUNK])
    agents = sorted(said)
    moved = _write_said(connection, [(agent, said[agent]) for agent in agents]) if agents else frozenset()
    if news.clones:
        mark = AGENT.update().where(AGENT.c.id == sa.bindparam("id_")).values(clone_at=sa.bindparam("at_"))
        connection.execute(mark, [{"id_": agent, "at_": at} for agent, at in sorted(news.clones.items())])
    return moved


_SIGNS_SQLITE: Final = """
update agent set last_seen = max(last_seen, ?), clock_skew = ?, pending = ?,
  epoch = coalesce(nullif(?, ''), epoch), sequence = case when ? > 0 then ? else sequence end where id = ?
"""
_SIGNS_POSTGRESQL: Final = """
update agent as a set last_seen = greatest(a.last_seen, s.last_seen), clock_skew = s.skew, pending = s.pending,
  epoch = coalesce(nullif(s.epoch, ''), a.epoch),
  sequence = case when s.sequence > 0 then s.sequence else a.sequence end
from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
  as s (last_seen, skew, pending, epoch, sequence, id)
where a.id = s.id
"""


def _write_signs(connection: sa.Connection, rows: Sequence[tuple[int, int, int, str, int, int]]) -> None:
    if is_sqlite(connection):
        connection.exec_driver_sql(_SIGNS_SQLITE, [(*row[:5], row[4], row[5]) for row in rows])
        return
    ids = [row[5] for row in rows]  # held in the order of their numbers: two collectors never wait crosswise
    connection.execute(sa.select(AGENT.c.id).where(AGENT.c.id.in_(ids)).order_by(AGENT.c.id).with_for_update())
    connection.exec_driver_sql(_SIGNS_POSTGRESQL, tuple(list(column) for column in zip(*rows, strict=True)))


def _write_said(connection: sa.Connection, said: Sequence[tuple[int, Said]]) -> frozenset[int]:
    fields = ("platform", "version", "versions", "notices", "policy_acknowledged")
    connection.execute(
        AGENT.update()
        .where(AGENT.c.id == sa.bindparam("id_"))
        .values({name: sa.bindparam(f"{name}_") for name in fields}),
        [{"id_": agent, **{f"{name}_": getattr(each, name) for name in fields}} for agent, each in said],
    )
    seen = [{"id_": each.asset, "at_": each.at} for _, each in said]
    connection.execute(
        ASSET.update().where(ASSET.c.id == sa.bindparam("id_")).values(last_seen=sa.bindparam("at_")),
        sorted(seen, key=lambda row: row["id_"]),
    )
    moved = placing.settle(connection, {agent: each.place for agent, each in said if each.place is not None})
    times = {(pseudonym, each.asset): each.at for _, each in said for pseudonym in each.addresses}
    if times:
        insert = insert_into(connection, ASSET_ADDRESS)
        statement = insert.on_conflict_do_update(
            index_elements=[ASSET_ADDRESS.c.pseudonym, ASSET_ADDRESS.c.asset, ASSET_ADDRESS.c.source],
            set_={"valid_to": insert.excluded.valid_to},
            where=insert.excluded.valid_to > ASSET_ADDRESS.c.valid_to,
        )
        rows = [
            {"pseudonym": pseudonym, "asset": asset, "source": "agent", "valid_from": at, "valid_to": at}
            for (pseudonym, asset), at in sorted(times.items())
        ]
        connection.execute(statement, rows)
    return moved
