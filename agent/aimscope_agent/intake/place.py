"""How far a file was read, and how it is known again under another name, compressed or copied."""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

import msgspec

HEAD: Final = 4_096
TAIL: Final = 256


class Content(Protocol):
    """What a file holds, decompressed."""

    def part(self, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on, fewer at the end."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is behind us in a file: ``offset`` bytes, ``line`` lines.

    ``head`` and ``tail`` are digests of the first and the last bytes of what was read: by them the same content is
    known again, whatever its name and inode are by then.
    """

    path: str
    device: int
    inode: int
    offset: int = 0
    line: int = 0
    head: str = ""
    head_size: int = 0
    tail: str = ""
    tail_size: int = 0
    ended: bool = False
    """Nothing will be added: a file that is gone, or compressed and read to its end or left out."""


def moved(place: Place, content: Content, block: bytes, *, ended: bool = False) -> Place:
    """The place behind ``block``, which was read at ``place``: whole lines, or the rest of the file."""
    offset = place.offset + len(block)
    head_size, tail_size = min(HEAD, offset), min(TAIL, offset)
    tail = block[-TAIL:] if len(block) >= tail_size else content.part(offset - tail_size, tail_size)
    return msgspec.structs.replace(
        place,
        offset=offset,
        line=place.line + block.count(b"\n") + (bool(block) and not block.endswith(b"\n")),
        head=place.head if head_size == place.head_size else digest(content.part(0, head_size)),
        head_size=head_size,
        tail=digest(tail),
        tail_size=tail_size,
        ended=ended,
    )


def begins(place: Place, content: Content) -> bool:
    """Whether ``content`` has the first bytes of what was read: tells files apart whose inode is the same."""
    return digest(content.part(0, place.head_size)) == place.head


def reaches(place: Place, content: Content) -> bool:
    """Whether ``content`` has the last bytes of what was read, where they were."""
    return digest(content.part(place.offset - place.tail_size, place.tail_size)) == place.tail


def continues(place: Place, content: Content) -> bool:
    """Whether ``content`` begins with what was read. Everything goes on where nothing was read yet."""
    return begins(place, content) and reaches(place, content)


def digest(data: bytes) -> str:
    """Tells one piece of content from another; empty for none."""
    return hashlib.sha256(data).hexdigest()[:32] if data else ""
