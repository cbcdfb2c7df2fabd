"""Exactly what left this machine, for whoever wants to see it: ``aimscope agent show-sent``.

A file of its own, since the ledger is open to one process only. Two files of a bounded size: the present one and the
one before. What cannot be written for want of space is held until it can.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

LARGEST: Final = 8 << 20
"""Bytes of one file."""
_MOST_HELD: Final = 64


class Sent(msgspec.Struct, frozen=True):
    """One request: when it was made (seconds since 1970), where it went, and its body as it was sent."""

    at: int
    route: str
    body: msgspec.Raw = msgspec.Raw(b"null")


class SentLog:
    """Takes down each request before it is made."""

    def __init__(self, path: Path, *, largest: int = LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._held: deque[bytes] = deque(maxlen=_MOST_HELD)

    def add(self, at: int, route: str, body: bytes) -> None:
        """Note a body of JSON. Never raises."""
        try:
            line = msgspec.json.encode(Sent(at, route, msgspec.Raw(body))) + b"\n"
        except (msgspec.MsgspecError, ValueError):
            return
        self._held.append(line)
        try:
            self._write()
        except OSError:
            return  # the disk is full: next time

    def entries(self) -> Iterator[Sent]:
        """Oldest first, read line by line. A torn line is left out. Raises ``OSError`` where they cannot be read."""
        for path in (self._before, self._path):
            if path.exists():
                with path.open("rb") as file:
                    for line in file:
                        try:
                            yield msgspec.json.decode(line, type=Sent)
                        except (msgspec.MsgspecError, UnicodeError):
                            continue

    @property
    def _before(self) -> Path:
        return self._path.with_name(f"{self._path.name}.1")

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        if self._path.exists() and self._path.stat().st_size >= self._largest:
            self._path.replace(self._before)
        handle = os.open(self._path, flags, 0o600)
        try:
            end = os.lseek(handle, 0, os.SEEK_END)
            torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n" if hasattr(os, "pread") else False
            while self._held:
                line = (b"\n" if torn else b"") + self._held[0]
                if os.write(handle, line) != len(line):
                    os.ftruncate(handle, end)
                    raise OSError("written in part")
                end, torn = end + len(line), False
                self._held.popleft()
            os.fsync(handle)
        finally:
            os.close(handle)
