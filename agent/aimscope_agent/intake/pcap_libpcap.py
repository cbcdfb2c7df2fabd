"""A recorded capture, read by libpcap: from a file as it lies, or through a pipe from a stream that is unpacked."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from struct import Struct
from types import ModuleType
from typing import IO, Any

from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.intake.packets import Capture, CaptureError, Each, Filter, expression
from aimscope_agent.intake.pcap_own import Own, Stage
from aimscope_agent.intake.pcap_records import NotACaptureError
from aimscope_agent.intake.pcapng import MAGIC, dropped_at_end

with contextlib.suppress(ImportError):  # Windows
    import fcntl

_AT_ONCE = 4096
"""Packets between two looks at whether to stop."""
_BATCH = 64
"""Packets that are handed over together: at libpcap's largest they take 16 MB."""
_ENTRY = Struct("=IIII")
"""Of a packet in a batch: seconds, microseconds, where it begins, its length."""
_entries = _ENTRY.iter_unpack
_WHOLE = 65_535
"""A capture that was made to keep so many bytes of each packet cuts none."""
_LITTLE = 8
"""One part in so many may pass before a filter that is dear to make is worth it."""
_JUDGED_FROM = 4 * 1_048_576
"""Bytes of the file."""
_PIPE = 1_048_576
_PATIENCE = 1.0
"""Seconds to wait for a thread that may itself be waiting."""


class Libpcap(Capture):
    """Read by libpcap."""

    def __init__(self, library: ModuleType, place: str, wanted: Filter) -> None:
        super().__init__()
        self._library = library
        self._reader = self._opened(place)
        self._link: int = self._reader.datalink()
        try:
            self._filter(wanted)
        except CaptureError:
            self._reader.close()
            raise

    def _opened(self, place: str) -> Any:
        try:
            return self._library.open_offline(place)
        except self._library.PcapError as error:
            raise NotACaptureError(str(error)) from None

    def _filter(self, wanted: Filter) -> None:
        try:
            self._reader.setfilter(expression(wanted, self._link))
        except self._library.PcapError as error:
            raise CaptureError(f"the filter does not suit this capture: {error}") from None

    def run(self, each: Each) -> None:
        """Every packet that passes."""
        link = self._link

        def packet(header: Any, data: bytes) -> None:
            seconds, microseconds = header.getts()
            self.passed += 1
            each(seconds + microseconds / 1e6, link, data, header.getlen())

        dispatch, stopped = self._reader.dispatch, self._stopped.is_set
        try:
            while not stopped() and dispatch(_AT_ONCE, packet):
                pass
        except self._library.PcapError as error:
            if "truncated" in str(error):
                self.truncated = True
            else:
                self.damaged(str(error), each)

    def damaged(self, problem: str, each: Each) -> None:  # noqa: ARG002 (another kind reads on)
        """What libpcap cannot go on from."""
        self.problems = (*self.problems, f"damaged after {self.passed:,} packets that passed: {problem}")

    def close(self) -> None:
        """Lets go of the file."""
        self._reader.close()


class File(Libpcap):
    """A file as it lies. What libpcap does not take of a pcapng, this package reads on.

    Packets come in batches, which costs half as much as one by one. The filter that is lighter to make stays for as
    long as little passes it.
    """

    def __init__(
        self, library: ModuleType, path: Path, header: bytes, filters: tuple[Filter, Filter], own: Own
    ) -> None:
        """``filters``: the lighter one, if there is one, and the one to end with."""
        lighter, self._thorough = filters
        self._wanted = lighter or self._thorough
        self._place = str(path.absolute())
        super().__init__(library, self._place, self._wanted)
        self._own = own
        self._sections = header.startswith(MAGIC)
        self._whole = self._sections or _snaplen(header) >= _WHOLE
        self._stages: list[Stage] = []
        self._position = 0
        self._given = 0
        if self._sections:
            self.dropped = dropped_at_end(path)

    def run(self, each: Each) -> None:
        """Every packet that passes."""
        if self._whole:
            try:
                self._batches(each)
            except self._library.PcapError:
                self._return()  # a batch that ends in damage is lost
            else:
                return
        super().run(each)

    def _batches(self, each: Each) -> None:
        link, next_batch, stopped = self._link, self._reader.next_batch, self._stopped.is_set
        while not stopped():
            data, index = next_batch(_BATCH)
            if not index:
                return
            for seconds, microseconds, start, size in _entries(index):
                each(seconds + microseconds / 1e6, link, data[start : start + size], size)
            self.passed += len(index) // _ENTRY.size
            self._given += len(data)
            if self._wanted is not self._thorough and self._given * _LITTLE > max(self.done(), _JUDGED_FROM):
                self._stages.append((self._wanted, self.passed))
                self._wanted = self._thorough
                self._filter(self._wanted)

    def _return(self) -> None:
        """Opens the file again, behind the packets that were given."""
        self._reader.close()
        self._reader = self._opened(self._place)
        for wanted, count in self._known():
            self._filter(wanted)
            left = count
            while left:
                left -= self._reader.dispatch(min(left, _AT_ONCE), _nothing) or left
        self._filter(self._wanted)

    def _known(self) -> list[Stage]:
        """What was given, filter by filter."""
        return [*self._stages, (self._wanted, self.passed - sum(count for _, count in self._stages))]

    def damaged(self, problem: str, each: Each) -> None:
        """Reads the file again, past what is known."""
        own = self._own
        if not self._sections:
            super().damaged(problem, each)
            return
        own.read(each, self._known(), self._stopped)
        self.passed, self.packets, self.dropped = own.passed, own.packets, own.dropped
        self.truncated, self.problems = own.truncated, own.problems

    def done(self) -> int:
        """Bytes of the file read so far."""
        with contextlib.suppress(OSError, ValueError):
            self._position = max(self._position, os.lseek(self._reader.getfd(), 0, os.SEEK_CUR))
        return self._position

    def close(self) -> None:
        """Lets go of the file."""
        super().close()
        self._own.close()


def _nothing(_header: Any, _data: bytes) -> None:
    """Takes a packet that is known."""


def _snaplen(header: bytes) -> int:
    """Bytes that were kept of each packet, at most, as a classic capture says it."""
    snaplen: int = Struct(">16xI4x" if header[0] == 0xA1 else "<16xI4x").unpack(header)[0]
    return snaplen


class Pumped(Libpcap):
    """A stream: a thread decompresses into a pipe, and libpcap reads from there."""

    def __init__(self, library: ModuleType, header: bytes, wanted: Filter, stream: Stream) -> None:
        self._stream = stream
        self._failure = ""
        source, sink = os.pipe()
        with contextlib.suppress(AttributeError, OSError):
            fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE)
        os.write(sink, header)  # libpcap waits for it without letting any other thread run
        self._pump = threading.Thread(target=self._fill, args=(sink,), name="capture", daemon=True)
        self._pump.start()
        try:
            super().__init__(library, f"/dev/fd/{source}", wanted)
        finally:
            os.close(source)

    def _fill(self, sink: int) -> None:
        try:
            with open(sink, "wb", buffering=0) as pipe:
                for piece in self._stream:
                    _write(pipe, piece)
        except BrokenPipeError:
            pass  # nobody reads on
        except (CompressionError, OSError) as error:
            self._failure = str(error)

    def run(self, each: Each) -> None:
        """Every packet that passes."""
        super().run(each)
        if not self._stopped.is_set():
            self._pump.join()
        self.truncated = self.truncated or self._stream.truncated
        if self._failure:
            self.problems = (*self.problems, self._failure)

    def done(self) -> int:
        """Bytes of the file read so far."""
        return self._stream.taken

    def close(self) -> None:
        """Lets go of the file."""
        super().close()
        self._pump.join(_PATIENCE)
        if not self._pump.is_alive():  # else it waits for a standard input that stays silent
            self._stream.close()


def _write(pipe: IO[bytes], data: bytes) -> None:
    """All of it: a pipe may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]
