"""The ledger's file: opened, brought up to date, checked, or set aside."""

from __future__ import annotations

import os
import sqlite3
import zlib
from pathlib import Path
from typing import Final

from sqlite_utils import Database

SCHEMA: Final = 2
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_LOG_PAGES: Final = 64
_LOG_BYTES: Final = 1 << 20
_FULL: Final = sqlite3.SQLITE_FULL
_QUEUED: Final = (
    "change integer not null default 0",  # number of the commit that last changed it
    "since integer not null default 0",  # the commit from which on the collector does not know it; 0: it knows all
    "aside integer not null default 0",  # 1: the collector cannot read it
    "crc integer not null default 0",
)
_FIRST: Final = (
    """create table cell (
        key text primary key, month text not null, service text not null, kind text not null, sighting text not null
    ) without rowid""",
    "create table place (source text primary key, place blob not null) without rowid",
)
_SECOND: Final = (
    *(f"alter table cell add column {column}" for column in _QUEUED),
    f"""create table record (
        what text not null, key text not null, body text not null, age integer not null, {", ".join(_QUEUED)},
        primary key (what, key)
    ) without rowid""",
    "create table batch (sequence integer primary key, report text not null, carried text not null)",
    """create table state (
        epoch text not null, tick integer not null, sequence integer not null, acknowledged integer not null,
        scan integer not null
    )""",
    "insert into state values ('', 1, 0, 0, 0)",
    "update cell set change = 1, since = 1, crc = crc(cast(key as blob), cast(sighting as blob))",
    "create index cell_since on cell (since, key) where since > 0",
    "create index record_since on record (since, what, key) where since > 0",
)


class LedgerError(Exception):
    """The ledger cannot be used; the text says why and what to do."""

    def __init__(self, text: str, *, damaged: bool = False) -> None:
        super().__init__(text)
        self.damaged = damaged
        """It is not what was written: opened again, it is set aside and a new one begun."""


def checksum(key: str | bytes, body: str | bytes) -> int:
    """Tells a row from one that is not what was written."""
    key, body = (part.encode() if isinstance(part, str) else part for part in (key, body))
    return zlib.crc32(body, zlib.crc32(key))


def opened(path: Path, patience: float, epoch: str) -> Database:
    """The database at ``path``, readable by this user alone, created or upgraded where necessary.

    Raises ``LedgerError``, ``OSError`` and ``sqlite3.Error``, of which ``is_damage`` tells one kind from others.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    os.close(handle)
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        return _begun(connection, path, epoch)
    except BaseException:
        connection.close()
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not what was written, as against a disk that is full or a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def is_full(error: sqlite3.Error) -> bool:
    """Whether there is no room."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == _FULL


def retire(path: Path, now: int) -> Path:
    """Set a ledger aside that nobody has open, and say where it lies: the next one begins anew. Raises ``OSError``."""
    target = path.with_name(f"{path.name}.damaged-{now}")
    path.replace(target)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return target


def _begun(connection: sqlite3.Connection, path: Path, epoch: str) -> Database:
    run = connection.execute
    run("pragma locking_mode = exclusive")
    run("pragma journal_mode = wal")
    run("pragma synchronous = full")
    run(f"pragma wal_autocheckpoint = {_LOG_PAGES}")  # a long log is what fills a small disk
    run(f"pragma journal_size_limit = {_LOG_BYTES}")
    connection.create_function("crc", 2, checksum, deterministic=True)
    database = Database(connection, execute_plugins=False)
    run("begin immediate")
    version: int = run("pragma user_version").fetchone()[0]
    if version > SCHEMA:
        raise LedgerError(f"{path} was written by a newer version of aimscope")
    if version == 0 and database.table_names():
        raise LedgerError(f"{path} is another program's database")
    if version and run("pragma quick_check(1)").fetchone()[0] != "ok":
        raise _damaged()
    steps = (*(_FIRST if version < 1 else ()), *(_SECOND if version < 2 else ()))
    for statement in (*steps, f"pragma user_version = {SCHEMA}"):
        run(statement)
    _check(connection)
    if epoch:
        run("update state set epoch = ? where epoch = ''", [epoch])
    run("commit")
    return database


def _check(connection: sqlite3.Connection) -> None:
    """SQLite's own check sees torn pages and not a flipped bit of a number. Raises ``sqlite3.DatabaseError``."""
    for table, body in (("cell", "sighting"), ("record", "body")):
        wrong = f"select 1 from {table} where crc <> crc(cast(key as blob), cast({body} as blob)) limit 1"  # noqa: S608
        if connection.execute(wrong).fetchone():
            raise _damaged()
    if connection.execute("select count(*) from state").fetchone()[0] != 1:
        raise _damaged()


def _damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
