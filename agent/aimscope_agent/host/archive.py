"""One member of a zip archive (``.jar`` is one too), read where it lies and within bounds, whatever it claims."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO

from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.host.tree import TooLargeError

MOST_MEMBERS = 50_000
MOST_DIRECTORY = 8 * 1_048_576

_ENCRYPTED = 0x1
_ENTRY = b"PK\x01\x02"
_PIECE = 65_536
_UNDERSTOOD = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Both inflate piece by piece; the others may fill memory from one."""


def member(file: IO[bytes], name: str, limit: int) -> bytes:
    """The content of one member.

    ``FileNotFoundError`` if there is none of that name, ``TooLargeError`` if it, the list of members or their number is
    beyond bounds, ``UnreadableError`` if the archive is not sound, encrypted or of a kind that is not understood.
    """
    try:
        # zipfile takes the view for a file: it asks for no more of one than is done here.
        with zipfile.ZipFile(_View(file)) as archive:
            try:
                info = archive.getinfo(name)
            except KeyError:
                raise FileNotFoundError(name) from None
            if info.flag_bits & _ENCRYPTED:
                raise UnreadableError("encrypted")
            if info.compress_type not in _UNDERSTOOD:
                raise UnreadableError("packed in a way that is not understood")
            with archive.open(info) as content:
                return _inflated(content, limit)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, NotImplementedError):
        raise UnreadableError("not a sound archive") from None


def _inflated(content: IO[bytes], limit: int) -> bytes:
    """All of it, by what really comes out: the size in the archive is only a claim."""
    data = bytearray()
    while piece := content.read(_PIECE):
        data += piece
        if len(data) > limit:
            raise TooLargeError(limit)
    return bytes(data)


class _View:
    """A file as zipfile sees it: no single read may be large, nor hold the list of too many members."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset > self._size:
            raise ValueError("beyond the end")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._file.tell(), 0)
        size = left if size < 0 else min(size, left)
        if size > MOST_DIRECTORY:
            raise TooLargeError(MOST_DIRECTORY, f"a list of members larger than {MOST_DIRECTORY >> 20} MiB")
        data = self._file.read(size)
        if data.count(_ENTRY) > MOST_MEMBERS:
            raise TooLargeError(MOST_MEMBERS, f"more than {MOST_MEMBERS:,} members")
        return data
