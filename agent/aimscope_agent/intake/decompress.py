"""Files and streams, compressed or not, as a stream of their content: gzip, zstd, bzip2, xz.

Nothing is held but the piece being read, so an input that inflates without end is only long.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import IO, Final, Protocol, cast

try:
    import zstandard
except ImportError:  # an agent without the gateway's extra
    zstandard = None  # type: ignore[assignment]

PIECE: Final = 262_144
"""Bytes of content produced at a time, at most."""
_TAKEN = 65_536
_XZ_MEMORY = 256 * 1_048_576
"""An xz file says how much memory its reader needs; 65 MiB is the most that the xz program's levels ask for."""
_LONGEST_MAGIC = 6


class CompressionError(Exception):
    """The compressed input is not sound, or this installation cannot read it. The text says which.

    ``remedy`` is what would help, empty where nothing does; the text has it too.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class _Decoder(Protocol):
    """The standard library's way to decompress piece by piece."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor in the form that bz2's and lzma's have."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


_STANDARD: dict[str, tuple[bytes, Callable[[], _Decoder]]] = {
    "gzip": (b"\x1f\x8b\x08", _Gzip),
    "bzip2": (b"BZh", bz2.BZ2Decompressor),
    "xz": (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)),
}
_ZSTD = (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")
"""A frame of data, and one to be skipped (its lowest digit varies; this is what writers use)."""


class Stream:
    """The content of an input, once, forwards. Methods raise ``CompressionError`` and ``OSError``."""

    def __init__(self, source: IO[bytes], ours: bool = True) -> None:
        self.taken = 0
        """Bytes of the input read so far."""
        self.truncated = False
        """The compressed input ended before its end."""
        self.compression: str | None = None
        self._source = source
        self._ours = ours
        self._more: Callable[[int], bytes] = getattr(source, "read1", source.read)
        self._head = b""
        while len(self._head) < _LONGEST_MAGIC and (piece := self._take(_LONGEST_MAGIC)):
            self._head += piece
        self._pieces = self._content()
        self._ready = b""
        self._at = 0

    def __iter__(self) -> Iterator[bytes]:
        """The content that was not read yet, in pieces."""
        if self._at < len(self._ready):
            yield self._ready[self._at :]
        self._ready, self._at = b"", 0
        yield from self._pieces

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer only at the end."""
        at, end = self._at, self._at + size
        if end <= len(self._ready):
            self._at = end
            return self._ready[at:end]
        parts = [self._ready[at:]]
        missing = size - len(parts[0])
        self._ready, self._at = b"", 0
        while missing > 0 and (piece := next(self._pieces, b"")):
            parts.append(piece[:missing])
            if len(piece) > missing:
                self._ready, self._at = piece, missing
            missing -= len(parts[-1])
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        """What ``read`` would give, left where it is."""
        data = self.read(size)
        self._ready, self._at = data + self._ready[self._at :], 0
        return data

    def close(self) -> None:
        """Lets go of the input, if it is ours to close."""
        if self._ours:
            self._source.close()

    def _take(self, size: int = _TAKEN) -> bytes:
        piece = self._more(size)
        self.taken += len(piece)
        return piece

    def _input(self, size: int = _TAKEN) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._take(size)

    def _content(self) -> Iterator[bytes]:
        for name, (magic, make) in _STANDARD.items():
            if self._head.startswith(magic):
                self.compression = name
                return self._standard(magic, make)
        if self._head[:4] in _ZSTD:
            self.compression = "zstd"
            return self._zstd()
        return iter(lambda: self._input(PIECE), b"")

    def _standard(self, magic: bytes, make: Callable[[], _Decoder]) -> Iterator[bytes]:
        """One compressed member after another; padding and what is no member end the content, as in the tools."""
        decoder = make()
        try:
            while True:
                if decoder.eof:
                    data = decoder.unused_data.lstrip(b"\0")
                    while len(data) < len(magic) and (piece := self._input()):
                        data = (data + piece).lstrip(b"\0")
                    if not data.startswith(magic):
                        return
                    decoder = make()
                else:
                    data = self._input() if decoder.needs_input else b""
                    at_end = decoder.needs_input and not data
                    if at_end and not decoder.eof:
                        # What the limit kept back may still come.
                        rest = decoder.decompress(b"", PIECE) if isinstance(decoder, _Gzip) else b""
                        if rest:
                            yield rest
                        elif not decoder.eof:
                            self.truncated = True
                            return
                        continue
                if content := decoder.decompress(data, PIECE):
                    yield content
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, MemoryError) as error:
            raise CompressionError(f"damaged {self.compression}: {error}") from None

    def _zstd(self) -> Iterator[bytes]:
        if zstandard is None:
            raise CompressionError("compressed with zstd, which is not installed", "pip install 'aimscope[gateway]'")
        frames = _Frames(self._input)
        try:
            source = cast("IO[bytes]", frames)  # nothing but read is asked of it
            with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True) as reader:
                while content := reader.read(PIECE):
                    yield content
        except zstandard.ZstdError as error:
            raise CompressionError(f"damaged zstd: {error}") from None
        self.truncated = not frames.ended


class _Frames:
    """A function that reads zstd, as a file that knows whether the last frame came to its end.

    The library does not tell: an input that breaks off is for it one that is over.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.ended = True
        self._source = read
        self._walk = self._frames()
        self._wanted = next(self._walk)
        self._held = b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes of the input."""
        data = self._source(size)
        at = 0
        while at < len(data):
            if self._wanted < 0:  # to be passed over
                taken = min(-self._wanted, len(data) - at)
                self._wanted += taken
            else:
                taken = min(self._wanted - len(self._held), len(data) - at)
                self._held += data[at : at + taken]
            at += taken
            if self._wanted <= 0 or len(self._held) == self._wanted:
                self._next()
        return data

    def _next(self) -> None:
        if self._wanted < 0:
            return
        found, self._held = self._held, b""
        self._wanted = self._walk.send(found)
        while not self._wanted:
            self._wanted = self._walk.send(b"")

    def _frames(self) -> Generator[int, bytes, None]:
        """Goes from header to header: yields how many bytes of the next it needs, or, negative, how many to leave out.

        RFC 8878, section 3.1.
        """
        while True:
            magic = yield 4
            self.ended = False
            if magic[1:] == _ZSTD[1][1:]:
                yield -int.from_bytes((yield 4), "little")
            else:
                (about,) = yield 1
                alone = about >> 5 & 1  # a single segment: no window, and its size is always there
                yield -((1 - alone) + (0, 1, 2, 4)[about & 3] + (alone, 2, 4, 8)[about >> 6])
                last = 0
                while not last:
                    block = int.from_bytes((yield 3), "little")
                    last = block & 1
                    yield -(1 if block >> 1 & 3 == 1 else block >> 3)  # a repeated byte, or what its size says
                yield -(about & 4)  # the checksum
            self.ended = True
