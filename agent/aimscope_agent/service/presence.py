"""Whether an agent is at work in a folder: it holds a lock there as long as it lives.

A process number says little: it is used again, and means another process in another container. A lock is gone with
whoever held it, however it ended, and is seen from every container that shares the folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


class Presence:
    """The lock. Without one (a file system that knows none) the agent works all the same."""

    def __init__(self, path: Path) -> None:
        self._handle = -1
        with contextlib.suppress(OSError):
            self._handle = _opened(path, create=True)
            _take(self._handle)

    def end(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def is_held(path: Path) -> bool | None:
    """Whether an agent that lives holds it; ``None`` where that cannot be seen."""
    try:
        handle = _opened(path, create=False)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        _take(handle)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def _opened(path: Path, *, create: bool) -> int:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags | (os.O_CREAT if create else 0), 0o600)


def _take(handle: int) -> None:
    """Raises ``OSError`` where somebody has it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - Windows alone has it

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - Windows has none

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
