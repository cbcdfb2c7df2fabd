"""Recorded captures: pcap and pcapng, compressed or not, from a file or standard input.

libpcap reads where it can: half a microsecond for each packet that passes the filter, next to nothing for the others.
It refuses pcapng of interfaces that differ, and it is not everywhere: then this package reads by itself, to the same
result. A file that ends within a packet is read up to there and says so; a file that is no capture is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Literal

from aimscope_agent.intake.decompress import CompressionError, Stream
from aimscope_agent.intake.packets import Capture, CaptureError, Each, Filter, expression, libpcap, program
from aimscope_agent.intake.pcap_libpcap import File, Pumped
from aimscope_agent.intake.pcap_own import Own
from aimscope_agent.intake.pcap_records import NotACaptureError, Notes, pcap_records
from aimscope_agent.intake.pcapng import MAGIC, pcapng_records

__all__ = ["Capture", "CaptureError", "Each", "Filter", "expression", "libpcap", "open_capture", "program"]


def open_capture(
    path: Path | Literal["-"],
    *,
    filter: Filter,  # noqa: A002
    lighter: Filter = None,
    stdin: IO[bytes] | None = None,
) -> Capture:
    """A recorded capture; ``-`` is standard input. Raises ``CaptureError``.

    ``lighter`` is a filter that is made faster and lets pass at least the same: used for as long as it drops enough.
    """
    if libpcap is None and isinstance(filter, str) and filter:
        raise CaptureError("a filter needs libpcap: install aimscope[gateway]")
    try:
        source = _source(path, stdin)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror}") from None
    try:
        stream = Stream(source, ours=path != "-")
        once = path == "-" or Path(path).is_fifo()  # libpcap would open it again
        return _opened(None if once else Path(path), stream, filter, lighter)
    except (NotACaptureError, CompressionError, CaptureError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if path != "-":
        source.close()
    raise CaptureError(f"{'standard input' if path == '-' else path}: {problem}")


def _source(path: Path | Literal["-"], stdin: IO[bytes] | None) -> IO[bytes]:
    return (stdin or sys.stdin.buffer) if path == "-" else Path(path).open("rb")


def _opened(path: Path | None, stream: Stream, wanted: Filter, lighter: Filter) -> Capture:
    notes = Notes()
    sections = stream.peek(4) == MAGIC
    header = stream.peek(24)
    records = (pcapng_records if sections else pcap_records)(stream, notes)  # looks at the header, whoever reads on
    own = Own(libpcap, stream, records, notes, wanted)
    capture: Capture
    if libpcap is None or (sections and (stream.compression or not path)):
        capture = own  # what libpcap refuses halfway cannot be read again from a stream
    elif path and not stream.compression:
        try:
            capture = File(libpcap, path, header, (lighter, wanted), own)
        except NotACaptureError:  # libpcap refuses a header that was found sound
            capture = own
    else:
        capture = Pumped(libpcap, header, wanted, stream)
    capture.size = path.stat().st_size if path else None
    return capture
