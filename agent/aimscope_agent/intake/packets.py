"""What gives packets: what a capture is, whoever reads it, and how packets are filtered."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Self

libpcap: ModuleType | None
try:
    import pcapy  # type: ignore[import-not-found]  # a library in C without stubs

    libpcap = pcapy
except ImportError:  # an agent without the gateway's extra
    libpcap = None

Each = Callable[[float, int, bytes, int], None]
"""Takes a packet: seconds since 1970, link type (libpcap's number), the captured bytes, bytes on the wire.

The last is only known to be larger than what was captured, or not, where libpcap hands over packets in batches.
"""
Filter = str | Callable[[int], str] | None
"""A BPF expression, or one for each link type; None and empty let everything pass."""


class CaptureError(Exception):
    """The capture cannot be read or made; the text says why, and what was expected or what to do."""


class Capture(ABC):
    """Packets from somewhere, once, in order. A context manager."""

    def __init__(self) -> None:
        self.passed = 0
        """Packets given to the reader: those that passed the filter."""
        self.packets: int | None = None
        """Packets before the filter, where that is known."""
        self.dropped = 0
        """Packets that came faster than they were taken, here or by the program that recorded them."""
        self.truncated = False
        """The file ends within a packet."""
        self.problems: tuple[str, ...] = ()
        """What was wrong with the capture, in words."""
        self.size: int | None = None
        """Bytes of the file as it lies; None for a stream."""
        self._stopped = threading.Event()

    @abstractmethod
    def run(self, each: Each) -> None:
        """Calls ``each`` for every packet that passes, until the end or ``stop``. What it raises goes through."""

    @abstractmethod
    def done(self) -> int:
        """Bytes of the file read so far. May be asked from another thread."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of files and devices."""

    def stop(self) -> None:
        """Asks ``run`` to return soon: from another thread, or from within ``each``."""
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def expression(wanted: Filter, link: int) -> str:
    """The filter for a link type."""
    return wanted(link) if callable(wanted) else wanted or ""


def program(library: ModuleType | None, wanted: Filter, link: int) -> Callable[[bytes], int] | None:
    """A function that is true for packets that pass. None if all do. Raises ``CaptureError``."""
    text = expression(wanted, link)
    if library is None or not text:
        return None
    try:
        library.BPFProgram(text, link)  # says no in a sound way; the next, which optimises, does not
    except library.BPFError:
        raise CaptureError(f"the filter does not suit link type {link}: {text[:200]}") from None
    passes: Callable[[bytes], int] = library.compile(link, 65_535, text, 1, 0).filter
    return passes
