"""The developer's team as a Mach-O program's code signature names it. What is signed is not verified.

Load command ``LC_CODE_SIGNATURE`` leads to a list of blobs, one of them the code directory, which names the team.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: fewer bytes where the file ends."""

_UNIVERSAL = b"\xca\xfe\xba\xbe"
_PROGRAM = b"\xcf\xfa\xed\xfe"  # 64 bits, little end first: what every Mac of the last decade runs
_CODE_SIGNATURE = 0x1D
_BLOBS = 0xFADE_0CC0
_DIRECTORY = 0xFADE_0C02
_FIRST_WITH_TEAM = 0x2_0200
_MOST_COMMANDS = 65_536
_MOST_BLOBS = 32
_TEAM = re.compile(rb"[A-Z0-9]{10}(?=\0)")


def team(read: Read) -> str:
    """The team identifier; empty if the program names none. Whatever the bytes are, nothing is raised."""
    try:
        start = 0
        if read(0, 4) == _UNIVERSAL:
            (start,) = struct.unpack(">I", read(16, 4))  # one signature for each architecture: the first will do
        magic, number, size = struct.unpack("<4s12xII", read(start, 24))
        if magic != _PROGRAM:
            return ""
        commands = read(start + 32, min(size, _MOST_COMMANDS))
        at = 0
        for _ in range(number):
            kind, length, offset = struct.unpack_from("<III", commands, at)
            if kind == _CODE_SIGNATURE:
                return _signed(read, start + offset)
            at += max(length, 8)
    except struct.error:
        pass
    return ""


def _signed(read: Read, start: int) -> str:
    magic, number = struct.unpack(">I4xI", read(start, 12))
    index = read(start + 12, 8 * min(number, _MOST_BLOBS)) if magic == _BLOBS else b""
    for _, offset in struct.iter_unpack(">II", index):
        blob = read(start + offset, 52)
        if len(blob) == 52:
            magic, version, named_at = struct.unpack(">I4xI36xI", blob)
            if magic == _DIRECTORY and version >= _FIRST_WITH_TEAM and named_at:
                found = _TEAM.match(read(start + offset + named_at, 11))
                return found[0].decode() if found else ""
    return ""
