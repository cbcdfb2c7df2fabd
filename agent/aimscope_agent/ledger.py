"""What was seen and how far was read, durable together: survives kill -9 at any point.

Running totals and the places of files that are followed are committed in one transaction. Whoever is killed reads the
lines since the last commit again, and their totals were not kept either: no line is lost, none counted twice.
A ledger that is damaged is set aside and a new one begun: what is followed then goes on at the end, and says so.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from sqlite_utils import Database

from aimscope_signatures.fold import key_of, merge
from aimscope_signatures.model import Sighting

SCHEMA: Final = 1
_PATIENCE: Final = 5.0
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_CELL: Final = """
    create table cell (
        key text primary key, month text not null, service text not null, kind text not null, sighting text not null
    ) without rowid"""
_PLACE: Final = "create table place (source text primary key, place blob not null) without rowid"


class LedgerError(Exception):
    """The ledger cannot be used; the text says why and what to do."""


class Ledger:
    """An open ledger. One process at a time uses it; others are told."""

    def __init__(self, path: Path, *, now: int) -> None:
        """Open or begin a ledger, readable by this user alone. ``now`` names a damaged one that is set aside.

        Raises ``LedgerError``.
        """
        self.path = path
        self.set_aside: Path | None = None
        """Where a damaged predecessor now lies."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = _opened(path)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                    raise
                self.set_aside = _aside(path, now)
                self._database = _opened(path)
        except sqlite3.Error as error:
            told = "another aimscope uses it" if "locked" in str(error) else str(error)
            raise LedgerError(f"{path}: {told}") from None
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}") from None

    def commit(self, sightings: Iterable[Sighting], places: Mapping[str, bytes | None]) -> None:
        """Add totals to those that are kept, and move places (``None`` forgets one): all of it or nothing.

        Raises ``LedgerError``, for instance on a full disk: then nothing has changed and the same may be tried again.
        """
        run = self._database.execute
        try:
            run("begin immediate")
            for sighting in sightings:
                key = msgspec.json.encode(key_of(sighting)).decode()
                row = run("select sighting from cell where key = ?", [key]).fetchone()
                total = merge(msgspec.json.decode(row[0], type=Sighting), sighting) if row else sighting
                run(
                    "insert or replace into cell values (?, ?, ?, ?, ?)",
                    [key, total.month, total.service, total.kind, msgspec.json.encode(total).decode()],
                )
            for source, place in places.items():
                if place is None:
                    run("delete from place where source = ?", [source])
                else:
                    run("insert or replace into place values (?, ?)", [source, place])
            run("commit")
        except sqlite3.Error as error:
            if self._database.conn.in_transaction:
                run("rollback")
            raise LedgerError(f"{self.path}: {error}; nothing was committed") from None

    def sightings(self) -> tuple[Sighting, ...]:
        """Every total, sorted."""
        rows = self._database.execute("select sighting from cell order by key").fetchall()
        return tuple(msgspec.json.decode(row[0], type=Sighting) for row in rows)

    def places(self) -> dict[str, bytes]:
        """The place of each source."""
        return dict(self._database.execute("select source, place from place order by source").fetchall())

    def close(self) -> None:
        """Let go of the file."""
        self._database.conn.close()


def _opened(path: Path) -> Database:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    os.close(handle)
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        return _begun(connection, path)
    except BaseException:
        connection.close()
        raise


def _begun(connection: sqlite3.Connection, path: Path) -> Database:
    run = connection.execute
    run("pragma locking_mode = exclusive")
    run("pragma journal_mode = wal")
    run("pragma synchronous = full")
    database = Database(connection, execute_plugins=False)
    run("begin immediate")
    version: int = run("pragma user_version").fetchone()[0]
    if version > SCHEMA:
        raise LedgerError(f"{path} was written by a newer version of aimscope")
    if version == 0:
        if database.table_names():
            raise LedgerError(f"{path} is another program's database")
        for statement in (_CELL, _PLACE, f"pragma user_version = {SCHEMA}"):
            run(statement)
    elif run("pragma quick_check(1)").fetchone()[0] != "ok":
        raise _damaged()
    run("commit")
    return database


def _damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _aside(path: Path, now: int) -> Path:
    target = path.with_name(f"{path.name}.damaged-{now}")
    path.replace(target)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return target
