"""A reserve of disk space: what is given up first when there is none left."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BLOCK = 65_536


class Reserve:
    """A file that holds ``size`` bytes, for the moment when the disk is full."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def keep(self) -> None:
        """Hold the space, if it can be had."""
        with contextlib.suppress(OSError):
            if self._size <= 0 or (self._path.exists() and self._path.stat().st_size >= self._size):
                return
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                for _ in range(0, self._size, _BLOCK):
                    os.write(handle, b"\xff" * _BLOCK)  # not zeros: a file system may not store those
            except OSError:
                os.ftruncate(handle, 0)
            finally:
                os.close(handle)

    def give_up(self) -> bool:
        """Free the space; false where none was held."""
        try:
            held = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return held
