"""Opens the collector's database: SQLite or PostgreSQL, durable before anything is acknowledged.

``DatabaseError`` says in its text what is wrong and what to do.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from aimscope_collector.store.turns import Turns

_PATIENCE: Final = 15.0
"""Seconds to wait for another writer of the same SQLite file."""
_TURNS: Final[weakref.WeakKeyDictionary[sa.Engine, Turns]] = weakref.WeakKeyDictionary()
"""Who writes next in each SQLite file that this process has open."""


class DatabaseError(Exception):
    """The database cannot be used."""


def url_of(where: str) -> sa.URL:
    """``postgresql://…`` or ``sqlite:///…`` or a path, as a URL with the drivers that are installed.

    Raises ``DatabaseError``; a password in the text is not repeated.
    """
    if "://" not in where:
        return sa.URL.create("sqlite", database=str(Path(where)))
    try:
        url = make_url(where)
    except sa.exc.ArgumentError:
        raise DatabaseError("the database is named as a path, sqlite:///PATH or postgresql://HOST/NAME") from None
    match url.get_backend_name():
        case "sqlite":
            return url
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
    raise DatabaseError(f"{url.get_backend_name()} is not supported: SQLite and PostgreSQL are")


def connect(where: str, *, pool: int = 8) -> sa.Engine:
    """An engine of which each commit is on disk when it returns. Raises ``DatabaseError``."""
    url = url_of(where)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE}, pool_size=pool)
        sa.event.listen(engine, "connect", _settle_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        _TURNS[engine] = Turns()
    else:
        engine = sa.create_engine(url, pool_size=pool, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _settle_postgresql)
    try:
        with engine.connect() as connection:
            _assert_durable(connection)
    except DatabaseError:
        engine.dispose()
        raise
    except sa.exc.DBAPIError as error:
        engine.dispose()
        raise DatabaseError(f"{url.render_as_string()}: {error.orig}") from None
    return engine


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that will write: it waits for other writers at its beginning, where waiting loses nothing."""
    with (
        turn(engine),
        engine.connect().execution_options(aimscope_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextlib.contextmanager
def turn(engine: sa.Engine) -> Iterator[None]:
    """Be the one of this process who writes, after those who asked before: for whoever begins transactions itself.

    PostgreSQL takes many writers at once. Raises ``OperationalError``, as SQLite does, after waiting for too long.
    """
    turns = _TURNS.get(engine)
    if turns is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(turns.turn(_PATIENCE))
        except TimeoutError:
            busy = TimeoutError("the database is busy with another writer")
            raise sa.exc.OperationalError("begin immediate", None, busy) from None
        yield


def is_sqlite(engine: sa.Engine | sa.Connection) -> bool:
    """Whether statements are to be in SQLite's dialect."""
    return engine.dialect.name == "sqlite"


def _settle_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin when we say so, see _begin_sqlite
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("aimscope_writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _settle_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set synchronous_commit = on")
        cursor.execute("set lock_timeout = '15s'")
    connection.commit()


def _assert_durable(connection: sa.Connection) -> None:
    """What was committed survives a loss of power, as far as the database can promise it."""
    if is_sqlite(connection):
        synchronous = connection.exec_driver_sql("pragma synchronous").scalar_one()
        if synchronous < 2:
            raise DatabaseError(f"synchronous is {synchronous}, not FULL: what was acknowledged could be lost")
        return
    for name in ("fsync", "synchronous_commit"):
        if connection.exec_driver_sql(f"show {name}").scalar_one() == "off":
            raise DatabaseError(f"{name} is off: what was acknowledged could be lost")
