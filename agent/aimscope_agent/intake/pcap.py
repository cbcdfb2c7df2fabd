"""Recorded captures: pcap and pcapng, compressed or not, from a file or standard input.

libpcap reads where it can: a microsecond for each packet that passes the filter, next to nothing for the others. It
refuses pcapng of interfaces that differ, and it is not everywhere: then this package reads by itself, to the same
result. A file that ends within a packet is read up to there and says so; a file that is no capture is an error.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any, Literal, Self

from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.intake.pcap_records import NotACaptureError, Notes, Record, pcap_records
from aimscope_agent.intake.pcapng import MAGIC, dropped_at_end, pcapng_records

libpcap: ModuleType | None
try:
    import fcntl

    import pcapy  # type: ignore[import-not-found]  # a library in C without stubs

    libpcap = pcapy
except ImportError:  # an agent without the gateway's extra, and Windows
    libpcap = None

Each = Callable[[float, int, bytes, int], None]
"""Takes a packet: seconds since 1970, link type (libpcap's number), the captured bytes, bytes on the wire."""
Filter = str | Callable[[int], str] | None
"""A BPF expression, or one for each link type; None and empty let everything pass."""

_AT_ONCE = 4096
"""Packets between two looks at whether to stop."""
_PIPE = 1_048_576
_PATIENCE = 1.0
"""Seconds to wait for a thread that may itself be waiting."""


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


def open_capture(path: Path | Literal["-"], *, filter: Filter, stdin: IO[bytes] | None = None) -> Capture:  # noqa: A002
    """A recorded capture; ``-`` is standard input. Raises ``CaptureError``."""
    if libpcap is None and isinstance(filter, str) and filter:
        raise CaptureError("a filter needs libpcap: install aimscope[gateway]")
    try:
        source = _source(path, stdin)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror}") from None
    try:
        stream = Stream(source, ours=path != "-")
        return _opened(None if path == "-" else Path(path), stream, filter)
    except (NotACaptureError, CompressionError, CaptureError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if path != "-":
        source.close()
    raise CaptureError(f"{'standard input' if path == '-' else path}: {problem}")


def _source(path: Path | Literal["-"], stdin: IO[bytes] | None) -> IO[bytes]:
    return (stdin or sys.stdin.buffer) if path == "-" else Path(path).open("rb")


def _opened(path: Path | None, stream: Stream, wanted: Filter) -> Capture:
    notes = Notes()
    sections = stream.peek(4) == MAGIC
    header = stream.peek(24)
    records = (pcapng_records if sections else pcap_records)(stream, notes)  # looks at the header, whoever reads on
    size = path.stat().st_size if path else None
    capture: Capture
    own = _Own(stream, records, notes, wanted)
    if libpcap is None or (sections and (stream.compression or not path)):
        capture = own  # what libpcap refuses halfway cannot be read again from a stream
    elif path and not stream.compression:
        capture = _file(libpcap, path, wanted, own, sections)
    else:
        capture = _Pumped(libpcap, header, wanted, stream)
    capture.size = size
    return capture


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


class _Own(Capture):
    """Read by this package."""

    def __init__(self, stream: Stream, records: Iterator[Record], notes: Notes, wanted: Filter) -> None:
        super().__init__()
        self.packets = 0
        self._stream, self._records, self._notes, self._wanted = stream, records, notes, wanted

    def run(self, each: Each) -> None:
        self.read(each, 0, self._stopped)

    def read(self, each: Each, known: int, stop: threading.Event) -> None:
        """As ``run``, but for the first ``known`` packets that pass, and for what stops it."""
        filters: dict[int, Callable[[bytes], int] | None] = {}
        packets, passed, stopped = 0, 0, stop.is_set
        try:
            for at, link, data, length in self._records:
                packets += 1
                if link not in filters:
                    filters[link] = program(libpcap, self._wanted, link) if len(filters) < 64 else None
                passes = filters[link]
                if passes is None or passes(data):
                    passed += 1
                    self.passed, self.packets = passed, packets
                    if passed > known:
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
        return self._stream.taken

    def close(self) -> None:
        self._stream.close()


class _Libpcap(Capture):
    """Read by libpcap."""

    def __init__(self, library: ModuleType, place: str, wanted: Filter) -> None:
        super().__init__()
        self._library = library
        try:
            self._reader = library.open_offline(place)
        except library.PcapError as error:
            raise NotACaptureError(str(error)) from None
        self._link: int = self._reader.datalink()
        try:
            self._reader.setfilter(expression(wanted, self._link))
        except library.PcapError as error:
            self._reader.close()
            raise CaptureError(f"the filter does not suit this capture: {error}") from None

    def run(self, each: Each) -> None:
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
        self._reader.close()


class _File(_Libpcap):
    """A file as it lies. What libpcap does not take of a pcapng, this package reads on."""

    def __init__(self, library: ModuleType, path: Path, wanted: Filter, own: _Own, sections: bool) -> None:
        super().__init__(library, str(path.absolute()), wanted)
        self._own = own
        self._sections = sections
        self._position = 0
        if sections:
            self.dropped = dropped_at_end(path)

    def damaged(self, problem: str, each: Each) -> None:
        """Reads the file again, past what is known."""
        own = self._own
        if not self._sections:
            super().damaged(problem, each)
            return
        own.read(each, self.passed, self._stopped)
        self.passed, self.packets, self.dropped = own.passed, own.packets, own.dropped
        self.truncated, self.problems = own.truncated, own.problems

    def done(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._position = max(self._position, os.lseek(self._reader.getfd(), 0, os.SEEK_CUR))
        return self._position

    def close(self) -> None:
        super().close()
        self._own.close()


def _file(library: ModuleType, path: Path, wanted: Filter, own: _Own, sections: bool) -> Capture:
    try:
        return _File(library, path, wanted, own, sections)
    except NotACaptureError:  # libpcap refuses a header that was found sound
        return own


class _Pumped(_Libpcap):
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
        super().run(each)
        if not self._stopped.is_set():
            self._pump.join()
        self.truncated = self.truncated or self._stream.truncated
        if self._failure:
            self.problems = (*self.problems, self._failure)

    def done(self) -> int:
        return self._stream.taken

    def close(self) -> None:
        super().close()
        self._pump.join(_PATIENCE)
        if not self._pump.is_alive():  # else it waits for a standard input that stays silent
            self._stream.close()


def _write(pipe: IO[bytes], data: bytes) -> None:
    """All of it: a pipe may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]
