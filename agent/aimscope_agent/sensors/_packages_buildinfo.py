"""Go's build information in an ELF, Mach-O or PE file: which module a program was built from.

The block stands in a section of its own (ELF, Mach-O) or at the start of the writable data (PE, and what has lost its
table of sections), see https://pkg.go.dev/debug/buildinfo. Only the tables that lead there and the block's first
kilobytes are read; programs built before Go 1.18, whose block only points elsewhere, are not understood.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

import msgspec

Read = Callable[[int, int], bytes]
"""``read(offset, size)``: fewer bytes where the file ends."""
Place = tuple[int, int]
"""Offset and size in the file."""


class Module(msgspec.Struct, frozen=True):
    """The main module of a program; ``version`` is empty for a build from a working copy."""

    path: str
    version: str


def main_module(read: Read) -> Module | None:
    """The main module, if the file is a program that Go has built. Whatever the bytes are, nothing is raised."""
    try:
        start = read(0, 64)
        for places in (places for magic, places in _FORMATS.items() if start.startswith(magic)):
            for offset, size in places(read, start):
                if (module := _module(read, offset, size)) is not None:
                    return module
    except (struct.error, ValueError, IndexError):
        pass
    return None


# the block

_MAGIC = b"\xff Go buildinf:"
_SENTINEL = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_INLINE = 2
_ALIGNED = 16
_SEARCHED = 65_536
_MOST_READ = 4_096
_LONGEST_VERSION = 1_024
_MAIN = re.compile(rb"(?:path\t[^\n]*\n)?mod\t([\x21-\x7e]{1,1024})\t([\x21-\x7e]{0,256})[\t\n]")


def _module(read: Read, offset: int, size: int) -> Module | None:
    data = read(offset, min(size, _SEARCHED))
    at = data.find(_MAGIC)
    while at > 0 and at % _ALIGNED:
        at = data.find(_MAGIC, at + 1)
    if at < 0:
        return None
    block = read(offset + at, _MOST_READ)
    if len(block) < 32 or not block[15] & _INLINE:
        return None
    length, at = _number(block, 32)
    if length > _LONGEST_VERSION:
        return None
    length, at = _number(block, at + length)
    info = block[at : at + length]
    if not info.startswith(_SENTINEL) or (main := _MAIN.match(info, len(_SENTINEL))) is None:
        return None
    version = main[2].decode("ascii")
    return Module(main[1].decode("ascii"), "" if version == "(devel)" else version)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = 0
    for index in range(5):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("number too long")


# where it may stand

_MOST_SECTIONS = 512
_MOST_NAMES = 65_536
_MOST_COMMANDS = 65_536


def _elf(read: Read, start: bytes) -> Iterator[Place]:
    """The first writable segment, where Go's linker puts the block first; where another linker did not, the section."""
    order = "<" if start[5] == 1 else ">"
    wide = start[4] == 2
    segments_at, sections_at = struct.unpack_from(order + ("QQ" if wide else "II"), start, 32 if wide else 28)
    size, number, *sections = struct.unpack_from(order + "5H", start, 54 if wide else 42)
    if size == (56 if wide else 32):
        yield from _elf_segment(read(segments_at, size * min(number, _MOST_SECTIONS)), order, wide)
    if sections_at and sections[0] == (64 if wide else 40):
        yield from _elf_section(read, sections_at, order, wide, sections[1], sections[2])


def _elf_segment(table: bytes, order: str, wide: bool) -> Iterator[Place]:
    for at in range(0, len(table), 56 if wide else 32):
        if wide:
            kind, flags, offset, length = struct.unpack_from(order + "IIQ16xQ", table, at)
        else:
            kind, offset, length, flags = struct.unpack_from(order + "II8xI4xI", table, at)
        if kind == 1 and flags & 3 == 2:  # loaded, writable, not executable
            yield offset, length
            return


def _elf_section(read: Read, at: int, order: str, wide: bool, number: int, index: int) -> Iterator[Place]:
    size = 64 if wide else 40
    table = read(at, size * min(number, _MOST_SECTIONS))
    place = order + ("24xQQ" if wide else "16xII")
    names_at, length = struct.unpack_from(place, table, size * index)
    names = read(names_at, min(length, _MOST_NAMES))
    for entry in range(0, len(table), size):
        (name,) = struct.unpack_from(order + "I", table, entry)
        if names.startswith(b".go.buildinfo\0", name):
            yield struct.unpack_from(place, table, entry)
            return


def _macho(read: Read, start: bytes) -> Iterator[Place]:
    """Section ``__go_buildinfo``, else the data segment."""
    order = "<" if start[0] > 0xC0 else ">"
    wide = start[:4] in (b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf")
    number, size = struct.unpack_from(order + "II", start, 16)
    commands = read(32 if wide else 28, min(size, _MOST_COMMANDS))
    at, data = 0, None
    for _ in range(min(number, _MOST_SECTIONS)):
        kind, length = struct.unpack_from(order + "II", commands, at)
        if kind == (0x19 if wide else 1):
            if wide:
                name, offset, filled, sections = struct.unpack_from(order + "8x16s16xQQ8xI", commands, at)
            else:
                name, offset, filled, sections = struct.unpack_from(order + "8x16s8xII8xI", commands, at)
            if name.rstrip(b"\0") == b"__DATA":
                data = offset, filled
            for index in range(min(sections, length // (80 if wide else 68))):
                if wide:
                    form, entry = "16s24xQI", at + 72 + 80 * index
                else:
                    form, entry = "16s20xII", at + 56 + 68 * index
                section, filled, offset = struct.unpack_from(order + form, commands, entry)
                if section.rstrip(b"\0") == b"__go_buildinfo":
                    yield offset, filled
        if length < 8:
            break
        at += length
    if data:
        yield data


def _pe(read: Read, start: bytes) -> Iterator[Place]:
    """The first sections that hold data to be read and written."""
    (header_at,) = struct.unpack_from("<I", start, 60)
    header = read(header_at, 24)
    if not header.startswith(b"PE\0\0"):
        return
    number, optional = struct.unpack_from("<6xH12xH", header)
    table = read(header_at + 24 + optional, 40 * min(number, 96))
    for at in range(0, len(table), 40):
        size, offset, flags = struct.unpack_from("<16xII12xI", table, at)
        if flags & 0xC000_0040 == 0xC000_0040 and offset:
            yield offset, size


_FORMATS: dict[bytes, Callable[[Read, bytes], Iterator[Place]]] = {
    b"\x7fELF": _elf,
    b"\xcf\xfa\xed\xfe": _macho,
    b"\xce\xfa\xed\xfe": _macho,
    b"\xfe\xed\xfa\xcf": _macho,
    b"\xfe\xed\xfa\xce": _macho,
    b"MZ": _pe,
}
