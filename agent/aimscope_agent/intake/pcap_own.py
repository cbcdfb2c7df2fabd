"""A recorded capture, read by this package: what libpcap refuses, and all of them where there is no libpcap."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.intake.packets import Capture, Each, Filter, program
from aimscope_agent.intake.pcap_records import Notes, Record

_MOST_LINKS = 64
"""Link types with a filter of their own."""

Stage = tuple[Filter, int]
"""A filter, and how many packets have passed it before the next one took its place."""


class Own(Capture):
    """Read by this package."""

    def __init__(
        self, library: ModuleType | None, stream: Stream, records: Iterator[Record], notes: Notes, wanted: Filter
    ) -> None:
        super().__init__()
        self._library = library
        self.packets = 0
        self._stream, self._records, self._notes, self._wanted = stream, records, notes, wanted

    def run(self, each: Each) -> None:
        """Every packet that passes."""
        self.read(each, (), self._stopped)

    def read(self, each: Each, known: Sequence[Stage], stop: threading.Event) -> None:
        """As ``run``, but for the packets that are ``known``, and for what stops it."""
        stages = [*known, (self._wanted, sys.maxsize)]
        wanted, left = stages.pop(0)
        filters: dict[int, Callable[[bytes], int] | None] = {}
        packets, passed, stopped = 0, 0, stop.is_set
        try:
            for at, link, data, length in self._records:
                packets += 1
                while not left:
                    (wanted, left), filters = stages.pop(0), {}
                if link not in filters:
                    filters[link] = program(self._library, wanted, link) if len(filters) < _MOST_LINKS else None
                passes = filters[link]
                if passes is None or passes(data):
                    passed += 1
                    left -= 1
                    self.passed, self.packets = passed, packets
                    if not stages:
                        each(at, link, data, length)
                if stopped():
                    break
        except (CompressionError, OSError) as error:
            self._notes.problems.append(str(error))
        self.passed, self.packets = passed, packets
        self.dropped = self._notes.dropped
        self.truncated = self._notes.truncated or self._stream.truncated
        self.problems = tuple(self._notes.problems)

    def done(self) -> int:
        """Bytes of the file read so far."""
        return self._stream.taken

    def close(self) -> None:
        """Lets go of the file."""
        self._stream.close()
