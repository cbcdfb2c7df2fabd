"""A log that is open: its content by position, compressed or not."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Protocol

from aimscope_agent.intake.decompress import Stream

_HEAD = 4_096
_STEP = 1_048_576


class Opened(Protocol):
    """The content of a file. Reading raises ``OSError``, and ``CompressionError`` where it is compressed."""

    compressed: bool

    @property
    def whole(self) -> bool:
        """Whether nothing says that somebody is still writing it."""

    def part(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on, fewer only at the end."""

    def close(self) -> None:
        """Let go of the file."""


class Plain:
    """A file as it is; goes on working when the file is renamed or deleted."""

    compressed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    @property
    def whole(self) -> bool:
        """A plain file never says."""
        return True

    def part(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on."""
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Compressed:
    """A compressed file, read forwards: going back further than the last part begins anew."""

    compressed = True

    def __init__(self, path: Path, stream: Stream) -> None:
        self._path = path
        self._stream = stream
        self._head = stream.peek(_HEAD)
        self._at = 0
        self._kept = b""
        self._kept_at = 0

    @property
    def whole(self) -> bool:
        """Whether the compressed data has its end, as far as it was read: else somebody may still be writing it."""
        return not self._stream.truncated

    def part(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes of content from ``offset`` on."""
        if offset + size <= len(self._head):
            return self._head[offset : offset + size]
        if offset < self._kept_at:
            self._stream.close()
            self._stream = Stream(_regular(self._path))
            self._at, self._kept, self._kept_at = 0, b"", 0
        while self._at < offset:
            skipped = len(self._stream.read(min(offset - self._at, _STEP)))
            if not skipped:
                return b""
            self._at, self._kept, self._kept_at = self._at + skipped, b"", self._at + skipped
        data = self._kept[offset - self._kept_at :]
        if len(data) < size:
            more = self._stream.read(size - len(data))
            self._at += len(more)
            data += more
        self._kept, self._kept_at = data, offset
        return data[:size]

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def open_content(path: Path) -> tuple[Opened, os.stat_result]:
    """A regular file's content, and what the system says of it. Raises ``OSError``, ``CompressionError``."""
    file = _regular(path)
    try:
        about = os.fstat(file.fileno())
        stream = Stream(file)
        return (Plain(file) if stream.compression is None else Compressed(path, stream)), about
    except BaseException:
        file.close()
        raise


def _regular(path: Path) -> IO[bytes]:
    """An unbuffered file. ``OSError`` for what is no regular file: a pipe would keep the follower waiting."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(22, "not a regular file")
    return os.fdopen(handle, "rb", buffering=0)
