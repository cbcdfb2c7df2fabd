"""The last scans, in a SQLite database that only its owner can read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from aimscope_collector.store.compare import Comparison, Scan, compare
from aimscope_signatures.model import Coverage, Sighting

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA: Final = 1
KEPT: Final = 50
PATIENCE: Final = 5.0
"""Seconds to wait for another scan that is writing."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR})
"""Result codes that mean that the file is not what was written; others, such as a full disk, may pass."""


class Remembered(msgspec.Struct, frozen=True):
    """What changed since the last scan of the same scope, if there was one; and what the reader should know."""

    comparison: Comparison | None
    notes: tuple[str, ...] = ()


class StoreError(Exception):
    """The database cannot be used; the message says why, in a sentence. It is left as it is."""


class _DamagedError(Exception):
    """The file is not what was written."""


def remember(path: Path, scan: Scan, *, patience: float = PATIENCE) -> Remembered:
    """Compare a scan with the last one of its scope, and keep it. Never raises: a scan does not fail for its history.

    A damaged database is set aside under another name and a new one begun.
    """
    notes: list[str] = []
    for _ in range(2):
        try:
            return Remembered(_keep(path, scan, patience), tuple(notes))
        except StoreError as error:
            notes.append(f"This scan is not kept: {error}")
            break
        except _DamagedError:
            try:
                aside = _set_aside(path, scan.at)
            except OSError as error:
                notes.append(f"The store of past scans is damaged and cannot be set aside: {error.strerror}.")
                break
            notes.append(f"The store of past scans was damaged. It is set aside as {aside}, and a new one begun.")
    return Remembered(None, tuple(notes))


def history(path: Path) -> tuple[Scan, ...]:
    """The scans kept, the newest first. Raises ``StoreError`` if the database cannot be read."""
    if not os.path.lexists(path):
        return ()
    try:
        with _opened(path) as database:
            return tuple(_scan(database, row) for row in database["scans"].rows_where(order_by="id desc"))
    except _DamagedError:
        raise StoreError(f"{path} is damaged.") from None


def _keep(path: Path, scan: Scan, patience: float) -> Comparison | None:
    with _opened(path, patience) as database:
        row = next(iter(database["scans"].rows_where("scope = ?", [scan.scope], order_by="id desc", limit=1)), None)
        comparison = compare(_scan(database, row), scan) if row else None
        _insert(database, scan, comparison.unsure if comparison else ())
        database.conn.execute(
            "delete from scans where id not in (select id from scans order by id desc limit ?)", [KEPT]
        )
        return comparison


@contextlib.contextmanager
def _opened(path: Path, patience: float = PATIENCE) -> Iterator[Database]:
    """The database in one transaction, which is given up if the caller fails."""
    connection: sqlite3.Connection | None = None
    try:
        _create_private(path)
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
        yield _begun(connection, path)
        connection.execute("commit")
    except sqlite3.Error as error:
        # The lowest byte is the primary code: SQLITE_CORRUPT_INDEX is a SQLITE_CORRUPT.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
            raise _DamagedError from error
        raise StoreError(f"{path}: {error}.") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}.") from error
    finally:
        if connection is not None:
            connection.close()


def _create_private(path: Path) -> None:
    """Make sure that there is a file nobody else can read, not even for a moment. SQLite's journal takes its mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _begun(connection: sqlite3.Connection, path: Path) -> Database:
    from sqlite_utils import Database  # noqa: PLC0415  # takes long to import, and many commands do without

    connection.execute("pragma foreign_keys = on")
    connection.text_factory = lambda data: data.decode("utf-8", "replace")  # damaged text is for msgspec to refuse
    database = Database(connection, execute_plugins=False)
    connection.execute("begin immediate")
    version: int = connection.execute("pragma user_version").fetchone()[0]
    if version > SCHEMA:
        raise StoreError(f"{path} was written by a newer version of aimscope.")
    if version == 0:
        if database.table_names():
            raise StoreError(f"{path} is another program's database.")
        _create(database)
    elif connection.execute("pragma quick_check(1)").fetchone()[0] != "ok":
        raise _DamagedError
    return database


def _create(database: Database) -> None:
    """Tables a person can open in Datasette; the whole structs are in the columns of JSON."""
    for statement in (
        """create table scans (id integer primary key, at integer not null, host text not null, scope text not null,
        catalogue text not null, emits text not null)""",
        """create table sightings (scan integer not null references scans(id) on delete cascade, service text not null,
        kind text not null, evidence text not null, identity text not null, presence text not null,
        carried integer not null, sighting text not null)""",
        """create table coverage (scan integer not null references scans(id) on delete cascade, sensor text not null,
        status text not null, coverage text not null)""",
        "create index sightings_of_scan on sightings(scan)",
        "create index coverage_of_scan on coverage(scan)",
        f"pragma user_version = {SCHEMA}",
    ):
        database.conn.execute(statement)


def _insert(database: Database, scan: Scan, carried: tuple[Sighting, ...]) -> None:
    connection = database.conn
    number = connection.execute(
        "insert into scans (at, host, scope, catalogue, emits) values (?, ?, ?, ?, ?)",
        [scan.at, scan.host, scan.scope, scan.catalogue, _text(scan.emits)],
    ).lastrowid
    connection.executemany(
        "insert into sightings values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (number, one.service, one.kind, _text(dict(one.evidence)), one.identity, one.presence, past, _text(one))
            for past, several in ((0, scan.sightings), (1, carried))
            for one in several
        ),
    )
    connection.executemany(
        "insert into coverage values (?, ?, ?, ?)",
        ((number, look.sensor, look.status.value, _text(look)) for look in scan.coverage),
    )


def _scan(database: Database, row: dict[str, Any]) -> Scan:
    """A row with everything that hangs on it. Raises ``_DamagedError`` if SQLite is content with it, and we are not."""

    def sightings(carried: int) -> tuple[Sighting, ...]:
        found = database["sightings"].rows_where("scan = ? and carried = ?", [row["id"], carried], order_by="rowid")
        return tuple(msgspec.json.decode(one["sighting"], type=Sighting) for one in found)

    looks = database["coverage"].rows_where("scan = ?", [row["id"]], order_by="rowid")
    try:
        return Scan(
            at=int(row["at"]),
            host=str(row["host"]),
            scope=str(row["scope"]),
            catalogue=str(row["catalogue"]),
            emits=msgspec.json.decode(row["emits"], type=dict[str, tuple[str, ...]]),
            sightings=sightings(0),
            carried=sightings(1),
            coverage=tuple(msgspec.json.decode(one["coverage"], type=Coverage) for one in looks),
        )
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise _DamagedError from error


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _set_aside(path: Path, at: int) -> Path:
    """Rename the database and what SQLite keeps beside it: a stale journal would damage the next one."""
    number = 0
    while (aside := path.with_name(f"{path.name}.damaged-{at}{f'-{number}' if number else ''}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
