"""Rows of a SQLite file, from a private copy: the original is neither locked nor written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import IO

from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.host.tree import TooLargeError, Tree

MOST_BYTES = 64 * 1_048_576
MOST_ROWS = 100_000
MOST_RESULT = 16 * 1_048_576
SECONDS = 2.0

Row = tuple[object, ...]

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "zeroblob", "randomblob"}


def rows(tree: Tree, host_path: str, query: str) -> tuple[tuple[Row, ...], str]:
    """The answer to ``query`` and, if it is not all of it, why.

    ``OSError`` and ``TooLargeError`` as for any file, ``UnreadableError`` if it is no database or has no such table.
    """
    with tempfile.TemporaryDirectory(prefix="aimscope-") as folder:
        copy = f"{folder}/copy.sqlite"
        _copy(tree, host_path, copy)
        with contextlib.suppress(OSError, TooLargeError):
            # Recent writes may still lie in the log beside it.
            _copy(tree, host_path + "-wal", copy + "-wal")
        try:
            return _ask(copy, query)
        except sqlite3.Error as error:
            raise UnreadableError(_reason(error)) from None
        except (OverflowError, UnicodeError, MemoryError):
            raise UnreadableError("not a sound SQLite database") from None


def _copy(tree: Tree, host_path: str, target: str) -> None:
    left = MOST_BYTES
    with tree.open(host_path) as source, Path(target).open("xb") as copy:
        if os.fstat(source.fileno()).st_size > MOST_BYTES:
            raise TooLargeError(MOST_BYTES)
        while piece := _piece(source):
            left -= len(piece)
            if left < 0:
                raise TooLargeError(MOST_BYTES)
            copy.write(piece)


def _piece(source: IO[bytes]) -> bytes:
    return source.read(1 << 20)


def _ask(path: str, query: str) -> tuple[tuple[Row, ...], str]:
    connection = sqlite3.connect(path, timeout=0.1)
    try:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_048_576)
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        connection.set_authorizer(_authorise)
        deadline = time.monotonic() + SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        result: list[Row] = []
        size = 0
        for row in connection.execute(query):
            size += sum(len(value) for value in row if isinstance(value, (str, bytes)))
            if len(result) >= MOST_ROWS:
                return tuple(result), f"more than {MOST_ROWS:,} rows"
            if size > MOST_RESULT:
                return tuple(result), "rows larger than 16 MiB"
            result.append(tuple(row))
        return tuple(result), ""
    finally:
        connection.close()


def _authorise(action: int, _first: str | None, second: str | None, *_: object) -> int:
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _reason(error: sqlite3.Error) -> str:
    message = str(error)
    if message == "interrupted":
        return f"took longer than {SECONDS:g} s"
    if message.startswith("no such"):
        return "a database of another layout"
    return "not a sound SQLite database"
