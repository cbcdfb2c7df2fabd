"""What was seen and how far was read, durable together: survives kill -9 at any point.

Running totals, looks, and the places of files that are followed are committed in one transaction. Whoever is killed
reads the lines since the last commit again, and their totals were not kept either: no line is lost, none counted twice.
A ledger that is damaged is set aside and a new one begun, with an epoch of its own: totals begin again at nothing, what
is followed goes on at the end, and what can be scanned is scanned anew.

The ledger is the queue to the collector, too: what it has not acknowledged is sent, as totals. It grows with what there
is to know, not with how long nobody listens.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from aimscope_agent.ledger import _file, _queue, _rows
from aimscope_agent.ledger._file import LedgerError, retire
from aimscope_agent.ledger._queue import Batch
from aimscope_agent.ledger._room import Reserve
from aimscope_signatures import wire
from aimscope_signatures.fold import MOST_SIGHTINGS, merge
from aimscope_signatures.model import Sighting

__all__ = ["Batch", "Ledger", "LedgerError", "retire"]

MOST_LOOKS: Final = 20_000
MOST_RUNS: Final = 1_000
_PATIENCE = 5.0
"""Seconds to wait for another aimscope."""
_MOST: Final = {"look": MOST_LOOKS, "run": MOST_RUNS}
_PUT_CELL: Final = """insert into cell (key, month, service, kind, sighting, change, since, crc)
    values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (key) do update set sighting = excluded.sighting,
    change = excluded.change, crc = excluded.crc, since = case when since > 0 then since else excluded.since end"""
_PUT_RECORD: Final = """insert into record (what, key, body, age, change, since, crc) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (what, key) do update set body = excluded.body, age = excluded.age, change = excluded.change,
    crc = excluded.crc, since = case when since > 0 then since else excluded.since end"""
_THIN: Final = """delete from record where what = ?1 and key in
    (select key from record where what = ?1 order by since > 0, age, key limit max(0, ?2))"""
_SLIM: Final = """update cell set sighting = slim(sighting), crc = crc(cast(key as blob), cast(slim(sighting) as blob))
    where key in (select key from cell where key > ? order by key limit ?)"""
_SLICE: Final = 200
"""Totals rewritten in one transaction, where there is hardly any room for one."""
Result = TypeVar("Result")


class _Tallied(msgspec.Struct):
    """What a commit does to the numbers kept in memory."""

    cells: int
    collapsed: int = 0
    refused: int = 0


class Ledger:
    """An open ledger. One process at a time uses it; others are told."""

    def __init__(self, path: Path, *, now: int, epoch: str = "", most: int = MOST_SIGHTINGS, reserve: int = 0) -> None:
        """Open or begin a ledger, readable by this user alone.

        ``now`` names a damaged one that is set aside; ``epoch`` is what a new one is called to the collector; ``most``
        totals are kept apart, as ``fold.Tally`` does it; ``reserve`` bytes are held for a full disk.
        Raises ``LedgerError``.
        """
        self.path = path
        self.set_aside: Path | None = None
        """Where a damaged predecessor now lies: everything is to be scanned anew."""
        self.collapsed = 0
        """Totals since the start that were kept without device and user, because there are too many."""
        self.refused = 0
        """Totals since the start that were not kept at all, because there are too many even so."""
        self.slimmed = False
        """The disk was full, and descriptions were given up for the sake of totals."""
        self._most = most
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"), reserve)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = _file.opened(path, _PATIENCE, epoch)
            except sqlite3.DatabaseError as error:
                if not _file.is_damage(error):
                    raise
                self.set_aside = retire(path, now)
                self._database = _file.opened(path, _PATIENCE, epoch)
        except sqlite3.Error as error:
            told = "another aimscope uses it" if "locked" in str(error) else str(error)
            raise LedgerError(f"{path}: {told}") from None
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}") from None
        self._run = self._database.execute
        self._database.conn.create_function("slim", 1, _rows.slim, deterministic=True)
        self._cells: int = self._run("select count(*) from cell").fetchone()[0]
        self._reserve.keep()

    def commit(
        self,
        sightings: Iterable[Sighting],
        places: Mapping[str, bytes | None],
        *,
        looks: Iterable[wire.Look] = (),
        runs: Iterable[wire.Run] = (),
    ) -> None:
        """Add totals to those that are kept, note looks and runs, and move places (``None`` forgets one).

        All of it or nothing. Totals of state kinds count once per day however often they are committed; those of event
        kinds are increments, each to be committed once.
        Raises ``LedgerError``, for instance on a full disk: then nothing has changed and the same may be tried again.
        """
        sightings, looks, runs = tuple(sightings), tuple(looks), tuple(runs)

        def work() -> _Tallied:
            tallied = _Tallied(self._cells)
            tick = self._tick() if sightings or looks or runs else 0
            for sighting in sightings:
                self._add(sighting, tick, tallied)
            for look in looks:
                self._note("look", _rows.look_key(look), _rows.fitting(look), look.day, tick)
            for run in runs:
                self._note("run", run.uid, run, run.finished, tick)
            for source, place in places.items():
                if place is None:
                    self._run("delete from place where source = ?", [source])
                else:
                    self._run("insert or replace into place values (?, ?)", [source, place])
            for what in ("look", "run") if looks or runs else ():
                kept: int = self._run("select count(*) from record where what = ?", [what]).fetchone()[0]
                self._run(_THIN, [what, kept - _MOST[what]])
            return tallied

        tallied = self._written(work)
        self._cells = tallied.cells
        self.collapsed += tallied.collapsed
        self.refused += tallied.refused

    def sightings(self) -> tuple[Sighting, ...]:
        """Every total, sorted. Raises ``LedgerError``."""

        def work() -> tuple[Sighting, ...]:
            rows = self._run("select sighting from cell order by key").fetchall()
            return tuple(_rows.sighting_of(row[0]) for row in rows)

        return self._read(work)

    def places(self) -> dict[str, bytes]:
        """The place of each source."""
        return self._read(lambda: dict(self._run("select source, place from place order by source").fetchall()))

    def begin_scan(self) -> int:
        """The number of the scan that begins now, for its looks and its run: higher than all before."""

        def work() -> int:
            self._run("update state set scan = scan + 1")
            return self._state("scan")

        return self._written(work)

    @property
    def epoch(self) -> str:
        """What this ledger is called to the collector."""
        return self._read(lambda: str(self._run("select epoch from state").fetchone()[0]))

    @property
    def acknowledged(self) -> int:
        """Number of the last report the collector is known to have committed."""
        return self._read(lambda: self._state("acknowledged"))

    def waiting(self) -> int:
        """Rows the collector does not know yet."""
        queued = "since > 0 and aside = 0"
        counts = f"select (select count(*) from cell where {queued}) + (select count(*) from record where {queued})"  # noqa: S608
        return self._read(lambda: int(self._run(counts).fetchone()[0]))

    def pending(self, now: int, *, most: int = wire.MOST_CELLS, catalogue: str = "", policy: str = "") -> Batch | None:
        """The batch that is on its way, also after a restart; or a new one of ``most`` rows; ``None``: all is known.

        Raises ``LedgerError``.
        """

        def work() -> Batch | None:
            try:
                batch = _queue.in_flight(self._run)
            except msgspec.MsgspecError:
                batch = None
                self._run("delete from batch")
            if batch is not None:
                return batch
            head = wire.Report(
                schema=wire.SCHEMA,
                epoch=self.epoch,
                sequence=self._state("sequence") + 1,
                sent=now,
                catalogue=_rows.clipped(catalogue, wire.LONGEST_NAME),
                policy=_rows.clipped(policy, wire.LONGEST_NAME),
                acknowledged=self.acknowledged,
            )
            return _queue.assemble(self._run, min(max(most, 1), wire.MOST_CELLS), head)

        if not self.epoch:
            raise LedgerError(f"{self.path} has no epoch: it was begun for this machine alone")
        return self._written(work)

    def acknowledge(self, sequence: int, *, highest: int = 0) -> bool:
        """The collector has committed this batch: what it carried is known, unless it has changed since.

        ``highest`` is the highest number it has seen of this agent; ours go on above. False where no such batch is on
        its way. Raises ``LedgerError``: then the batch is sent once more.
        """

        def work() -> bool:
            self._run("update state set sequence = max(sequence, ?)", [min(highest, wire.LARGEST - 1_000_000)])
            return _queue.acknowledge(self._run, sequence)

        return self._written(work)

    def withdraw(self) -> None:
        """The batch on its way was refused: its rows are to be sent otherwise. Raises ``LedgerError``."""
        self._written(lambda: self._run("delete from batch"))

    def leave_out(self, sequence: int) -> tuple[str, ...]:
        """Send the rows of this batch no more until everything is sent again; says what they are about."""
        return self._written(lambda: _queue.set_aside(self._run, sequence))

    def everything_again(self) -> None:
        """The collector knows less than it acknowledged: all that is kept is to be sent. Raises ``LedgerError``."""
        self._written(lambda: _queue.everything(self._run, self._tick()))

    def forget(self, before: str) -> int:
        """Drop totals and looks of months before this one (``2026-01``) that the collector knows; says how many.

        What is found of such a month later begins at nothing, and so cannot raise what the collector keeps.
        """
        year, _, month = before.partition("-")

        def work() -> tuple[int, int]:
            gone = self._run("delete from cell where month < ? and (since = 0 or aside = 1)", [before]).rowcount
            first = (int(year) * 100 + int(month)) * 100
            old = "delete from record where what = 'look' and age < ? and (since = 0 or aside = 1)"
            return gone, self._run(old, [first]).rowcount

        cells, looks = self._written(work)
        self._cells -= cells
        self._reserve.keep()
        return cells + looks

    def close(self) -> None:
        """Let go of the file."""
        self._database.conn.close()

    def _add(self, sighting: Sighting, tick: int, tallied: _Tallied) -> None:
        key = _rows.key_text(sighting)
        known = self._cell(key)
        if known is None and tallied.cells >= self._most:
            sighting = msgspec.structs.replace(sighting, asset="", subject="")
            key = _rows.key_text(sighting)
            known = self._cell(key)
            if known is None and tallied.cells >= 2 * self._most:
                tallied.refused += 1
                return
            tallied.collapsed += 1
        total = merge(known, sighting) if known else sighting
        if total == known:
            return
        tallied.cells += known is None
        text = _rows.text_of(total)
        self._run(_PUT_CELL, [key, total.month, total.service, total.kind, text, tick, tick, _file.checksum(key, text)])

    def _cell(self, key: str) -> Sighting | None:
        row = self._run("select sighting from cell where key = ?", [key]).fetchone()
        return _rows.sighting_of(row[0]) if row else None

    def _note(self, what: str, key: str, body: wire.Look | wire.Run, age: int, tick: int) -> None:
        row = self._run("select body from record where what = ? and key = ?", [what, key]).fetchone()
        if row and isinstance(body, wire.Look):
            body = _rows.merged(msgspec.json.decode(row[0], type=wire.Look), body)
        text = _rows.text_of(body)
        if row is None or row[0] != text:
            self._run(_PUT_RECORD, [what, key, text, age, tick, tick, _file.checksum(key, text)])

    def _tick(self) -> int:
        self._run("update state set tick = tick + 1")
        return self._state("tick")

    def _state(self, column: str) -> int:
        return int(self._run(f"select {column} from state").fetchone()[0])  # noqa: S608 - fixed names

    def _read(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}", damaged=_file.is_damage(error)) from None
        except msgspec.MsgspecError:
            raise LedgerError(f"{self.path} holds what cannot be read", damaged=True) from None

    def _written(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, committed. Where the disk is full, room is made: reserve before descriptions."""
        for make_room in (self._checkpoint, self._give_up, self._slim, None):
            try:
                return self._read(lambda: self._transaction(work))
            except _FullError as error:
                if make_room is None:
                    raise LedgerError(f"{self.path}: {error}; nothing was committed") from None
                make_room()
            except LedgerError as error:
                raise LedgerError(f"{error}; nothing was committed", damaged=error.damaged) from None
        raise AssertionError

    def _transaction(self, work: Callable[[], Result]) -> Result:
        try:
            self._run("begin immediate")
            result = work()
            self._run("commit")
        except BaseException as error:
            if self._database.conn.in_transaction:
                self._run("rollback")
            if isinstance(error, sqlite3.Error) and _file.is_full(error):
                raise _FullError(str(error)) from None
            raise
        return result

    def _checkpoint(self) -> None:
        """Move what was committed from the log to the database: the log's room is free again."""
        with contextlib.suppress(sqlite3.Error):
            self._run("pragma wal_checkpoint(truncate)")

    def _give_up(self) -> None:
        if self._reserve.give_up():
            self._checkpoint()

    def _slim(self) -> None:
        """Give up what only describes, slice by slice: there may be room for a small transaction alone."""
        last = ""
        while not self.slimmed:
            keys = self._run("select key from cell where key > ? order by key limit ?", [last, _SLICE]).fetchall()
            start = last
            try:
                self._transaction(lambda start=start: self._run(_SLIM, [start, _SLICE]))  # type: ignore[misc]
            except (_FullError, sqlite3.Error):
                return
            self._checkpoint()
            self.slimmed = len(keys) < _SLICE
            last = keys[-1][0] if keys else ""


class _FullError(Exception):
    """There is no room on the disk."""
