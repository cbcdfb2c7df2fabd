"""A file that a log shipper reads: appended to and synced, rotated here by size, or elsewhere by logrotate.

A record is in it whole or not at all: what a full disk or a killed process left of one is cut off before the next.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aimscope_collector.deliver import Failure
from aimscope_collector.deliver.carrying import Batch

_MODE: Final = 0o640
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_BLOCK: Final = 65_536


class File:
    """One file. With ``largest`` 0 it is never rotated here. ``keep`` is how many old ones stay."""

    one_each = False
    settles = 0
    most_records = 1_000
    most_bytes = 1_000_000

    def __init__(self, path: Path, *, largest: int = 100_000_000, keep: int = 5) -> None:
        self._path = path
        self._largest = largest
        self._keep = keep
        self._handle: int | None = None

    def __repr__(self) -> str:
        """Where it is."""
        return f"File({self._path})"

    def send(self, batch: Batch, *, now: int) -> Mapping[int, Failure]:
        """Append the batch; returns once it is on disk."""
        del now
        try:
            handle = self._opened()
            before = os.fstat(handle).st_size
            if self._largest and before and before + len(batch.body) > self._largest:
                self._rotate()
                handle = self._opened()
                before = os.fstat(handle).st_size
            try:
                _write(handle, batch.body)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, before)
                raise
        except OSError as error:
            self.close()
            raise Failure(f"the file cannot be written: {error.strerror or type(error).__name__}") from None
        return {}

    def check(self) -> bool:
        """It is on disk."""
        return True

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)

    def _opened(self) -> int:
        """The file of that name: another one than before where somebody has moved it away."""
        if self._handle is not None and not self._is_still_there(self._handle):
            self.close()
        if self._handle is None:
            self._handle = os.open(self._path, _FLAGS, _MODE)
            _cut_off(self._handle)
        return self._handle

    def _is_still_there(self, handle: int) -> bool:
        try:
            named = self._path.lstat()
        except FileNotFoundError:
            return False
        ours = os.fstat(handle)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _rotate(self) -> None:
        """``x`` becomes ``x.1``, that ``x.2``, and so on."""
        self.close()
        for number in range(self._keep, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        if not self._keep:
            self._path.unlink(missing_ok=True)


def _write(handle: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(handle, view) :]


def _cut_off(handle: int) -> None:
    """What comes after the last line end is the rest of a record that was not finished: it is written again, whole."""
    size = end = os.fstat(handle).st_size
    while end:
        start = max(0, end - _BLOCK)
        os.lseek(handle, start, os.SEEK_SET)
        found = os.read(handle, end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(handle, end)
