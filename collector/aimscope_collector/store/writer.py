"""The one thread that writes what agents send: many reports in one synced transaction.

A report is acknowledged after the commit that holds it has returned, and never before. When nothing else waits, it is
written at once; under load, transactions grow by what came while the last one was written.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import sqlalchemy as sa

from aimscope_collector.store import sightings
from aimscope_collector.store.database import is_sqlite, turn
from aimscope_collector.store.sightings import Batch, Kept

T = TypeVar("T")
_MOST_ROWS: Final = 20_000
"""Rows of one transaction: what a check-in's neighbour waits for at most."""
_MOST_WAITING: Final = 200_000
"""Rows that may wait. More are refused with a time to come back: memory stays flat."""
_PRAGMAS: Final = ("wal_autocheckpoint = 8000", "cache_size = -32000")
"""Of SQLite: pages that may gather before they are copied to their places, and memory for pages (KiB, negative)."""
_JOB_ROWS: Final = 20
"""What something that is no report counts for."""
_CONTENT: Final = (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError, OverflowError, UnicodeError)
"""Failures that what was to be written is to blame for; all others are the database's: full, locked, gone."""
_CROSSWISE: Final = frozenset({"40P01", "40001"})


class Unavailable(Exception):
    """Nothing of it was kept; it can be sent again later."""


class Busy(Unavailable):
    """Too much waits already."""


class Unacceptable(Exception):
    """The database refuses this very content: sending it again is of no use."""


class _Item(Generic[T]):
    __slots__ = ("future", "loop", "rows", "work")

    def __init__(self, work: Batch | Callable[[sa.Connection], T], rows: int) -> None:
        self.work = work
        self.rows = rows
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()


class Writer:
    """Owns one connection at a time. ``keep`` and ``run`` are called in an event loop, any event loop."""

    def __init__(self, engine: sa.Engine, *, most_rows: int = _MOST_ROWS, most_waiting: int = _MOST_WAITING) -> None:
        self._engine = engine
        self._most_rows = most_rows
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[_Item[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._connection: sa.Connection | None = None

    @property
    def waiting(self) -> int:
        """Rows that were taken and are not committed."""
        return self._waiting

    def start(self) -> None:
        """Begin to write."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    async def keep(self, batch: Batch) -> Kept:
        """Merge a report; returns when it is on disk. Raises ``Unavailable`` or ``Unacceptable``."""
        return cast("Kept", await self._put(_Item(batch, len(batch.rows) + len(batch.looks) + _JOB_ROWS)))

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do other work in the writer's transaction; returns when it is on disk.

        ``work`` may be called twice, where a neighbour in the transaction fails: it changes nothing but the database.
        Its own exceptions are raised here. Raises ``Unavailable`` or ``Unacceptable`` as well.
        """
        return await self._put(_Item(work, _JOB_ROWS))

    async def _put(self, item: _Item[T]) -> T:
        with self._lock:
            if self._thread is None:
                raise Unavailable("the collector is stopping")
            if self._waiting + item.rows > self._most_waiting:
                raise Busy("too many reports are waiting to be written")
            self._waiting += item.rows
        self._queue.put(item)
        return await item.future

    def _work(self) -> None:
        ended = False
        while not ended:
            item = self._queue.get()
            group: list[_Item[Any]] = []
            rows = 0
            while item is not None:
                group.append(item)
                rows += item.rows
                if rows >= self._most_rows:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            ended = item is None
            if group:
                self._write(group)
                with self._lock:
                    self._waiting -= rows
        self._disconnect()

    def _write(self, group: Sequence[_Item[Any]]) -> None:
        try:
            results = self._commit(group)
        except BaseException as error:  # noqa: BLE001  # whatever it is, somebody waits for an answer
            if len(group) > 1 and not _is_ours(error):
                for item in group:
                    self._write([item])
                return
            _answer(group, error=_meaning(error))
        else:
            _answer(group, results)

    def _commit(self, group: Sequence[_Item[Any]]) -> list[Any]:
        try:
            connection = self._connected()
            with turn(self._engine), connection.begin():
                return _results(connection, group)
        except BaseException:
            self._disconnect()
            raise

    def _connected(self) -> sa.Connection:
        """One connection for all: SQLite keeps its pages in memory as long as no other connection has written."""
        if self._connection is None:
            connection = self._engine.connect().execution_options(aimscope_writes=True)
            self._connection = connection
            if is_sqlite(connection):
                cursor = connection.connection.cursor()
                for pragma in _PRAGMAS:
                    cursor.execute(f"pragma {pragma}")
                cursor.close()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.close()


def _results(connection: sa.Connection, group: Sequence[_Item[Any]]) -> list[Any]:
    """Reports first, all of them together; then other work in the order in which it came."""
    reports = [item.work for item in group if isinstance(item.work, Batch)]
    kept = iter(sightings.keep(connection, reports) if reports else ())
    return [next(kept) if isinstance(item.work, Batch) else item.work(connection) for item in group]


def _is_ours(error: BaseException) -> bool:
    """Whether trying each of a group alone would fail as well."""
    crosswise = getattr(getattr(error, "orig", None), "sqlstate", None) in _CROSSWISE
    return isinstance(error, (sa.exc.SQLAlchemyError, OSError)) and not isinstance(error, _CONTENT) and not crosswise


def _meaning(error: BaseException) -> BaseException:
    if isinstance(error, _CONTENT):
        return Unacceptable("the database refuses the content")
    if isinstance(error, (sa.exc.SQLAlchemyError, OSError, sightings.UnknownEpoch)):
        return Unavailable("the database cannot be written at present")
    return error


def _answer(group: Sequence[_Item[Any]], results: Sequence[Any] = (), error: BaseException | None = None) -> None:
    """Wake those who wait: one call into each loop, not one for each report."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for at, item in enumerate(group):
        loops.setdefault(item.loop, []).append((item.future, results[at] if error is None else None))
    for loop, answers in loops.items():
        with contextlib.suppress(RuntimeError):  # a loop that has ended: nobody waits
            loop.call_soon_threadsafe(_settle, answers, error)


def _settle(answers: Sequence[tuple[asyncio.Future[Any], Any]], error: BaseException | None) -> None:
    for future, result in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
