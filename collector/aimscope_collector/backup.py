"""A copy of everything the collector knows, in a folder of its own, and the way back.

SQLite is copied while it is in use (``VACUUM INTO``), PostgreSQL by its own ``pg_dump``. Keys are part of it only when
asked for: a backup with keys opens every name in it. ``BackupError`` says what is wrong and what to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.store import audit, feeds, migrate
from aimscope_collector.store.database import connect, is_sqlite, writing

SQLITE: Final = "collector.db"
POSTGRESQL: Final = "collector.pgdump"
KEY_FOLDERS: Final = ("keys", "signing")
_MANIFEST: Final = "backup.json"
_BLOCK: Final = 1 << 20


class BackupError(Exception):
    """The copy cannot be made or used."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. ``files`` are SHA-256 by path."""

    made_at: int
    schema: str
    database: str
    keys: bool
    files: dict[str, str]


def backup(engine: sa.Engine, folder: Path, target: Path, *, keys: bool, actor: str, now: int) -> Manifest:
    """Copy the database, and with ``keys`` all keys, to a new folder ``target``. Raises ``BackupError``."""
    try:
        target.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise BackupError(f"{target} is there already: name a new folder") from None
    except OSError as error:
        raise BackupError(f"{target} cannot be made: {error.strerror}") from None
    with writing(engine) as connection:  # said before it is made: the copy tells that it was taken
        audit.record(connection, at=now, actor=actor, action="backup.made", about="database", facts={"keys": keys})
    name = SQLITE if is_sqlite(engine) else POSTGRESQL
    try:
        if is_sqlite(engine):
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.connection.driver_connection.execute("vacuum into ?", (str(target / name),))  # type: ignore[union-attr]
        else:
            _run(engine.url, ["pg_dump", "--format=custom", f"--file={target / name}"], engine.url.database or "")
        (target / name).chmod(0o600)
        if keys:
            for each in KEY_FOLDERS:
                if (folder / each).is_dir():
                    shutil.copytree(folder / each, target / each)
        made = Manifest(now, migrate.current(engine), name, keys, _sums(target))
        (target / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2))
        _sync(target)
    except (OSError, sqlite3.Error, shutil.Error) as error:
        raise BackupError(f"the backup failed: {error}") from None
    return made


def check(source: Path) -> Manifest:
    """The manifest of a backup whose files are all as they were written. Raises ``BackupError``."""
    try:
        manifest = msgspec.json.decode((source / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise BackupError(f"{source} is no backup of a collector") from None
    if manifest.schema not in migrate.known():
        raise BackupError(
            f"the backup has schema {manifest.schema}, which this version does not know: upgrade aimscope"
        )
    try:
        found = _sums(source)
    except OSError as error:
        raise BackupError(f"{source}: {error.strerror}") from None
    found.pop(_MANIFEST, None)
    for name in sorted(manifest.files.keys() | found.keys()):
        if manifest.files.get(name) != found.get(name):
            raise BackupError(f"{source / name} is not as it was written: use another backup")
    return manifest


def restore_sqlite(source: Path, folder: Path, *, now: int) -> Manifest:
    """Put a backup into a folder that has no database yet. Raises ``BackupError``."""
    manifest = check(source)
    if manifest.database != SQLITE:
        raise BackupError("this is a backup of PostgreSQL: restore with --database postgresql://…")
    target = folder / SQLITE
    if target.exists():
        raise BackupError(f"{target} is there already: move it away, with the files beside it, then restore")
    draft = folder / f"{SQLITE}.restoring"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source / SQLITE, draft)
        draft.chmod(0o600)
        with sqlite3.connect(draft) as connection:
            found = connection.execute("pragma integrity_check").fetchone()[0]
        connection.close()
        if found != "ok":
            draft.unlink()
            raise BackupError(f"the database in the backup is damaged: {found}")
        _restore_keys(source, folder, manifest)
        _say_restored(connect(str(draft)), now)
        _flush(draft)
        draft.replace(target)
        _sync(folder)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"the backup cannot be restored: {error}") from None
    return manifest


def restore_postgresql(source: Path, folder: Path, engine: sa.Engine, *, now: int) -> Manifest:
    """Put a backup into an empty PostgreSQL database, and its keys into ``folder``. Raises ``BackupError``."""
    manifest = check(source)
    if manifest.database != POSTGRESQL:
        raise BackupError("this is a backup of SQLite: restore it without --database")
    with engine.connect() as connection:
        if sa.inspect(connection).get_table_names():
            raise BackupError("the database is not empty: restore into a new one")
    _run(
        engine.url, ["pg_restore", "--exit-on-error", "--no-owner", str(source / POSTGRESQL)], engine.url.database or ""
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _restore_keys(source, folder, manifest)
    _say_restored(engine, now)
    return manifest


def _say_restored(engine: sa.Engine, now: int) -> None:
    """The database itself has to know: agents have newer versions of what it offers."""
    try:
        with writing(engine) as connection:
            feeds.restored(connection, now=now)
    except sa.exc.SQLAlchemyError as error:
        raise BackupError(f"the backup cannot be restored: {error}") from None
    finally:
        engine.dispose()


def _restore_keys(source: Path, folder: Path, manifest: Manifest) -> None:
    if not manifest.keys:
        return
    for name in KEY_FOLDERS:
        if (source / name).is_dir():
            if (folder / name).exists():
                raise BackupError(f"{folder / name} is there already: keys are never replaced, move them away first")
            shutil.copytree(source / name, folder / name)
            (folder / name).chmod(0o700)


def _run(url: sa.URL, command: list[str], database: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise BackupError(f"{command[0]} is not installed: install PostgreSQL's client programs")
    where = {"PGHOST": url.query.get("host", url.host), "PGPORT": url.port, "PGUSER": url.username}
    environment = os.environ | {name: str(value) for name, value in where.items() if value is not None}
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    done = subprocess.run(
        [program, f"--dbname={database}", *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackupError(f"{command[0]} failed: {said[-1] if said else done.returncode}")


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): _sum(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _flush(path)
