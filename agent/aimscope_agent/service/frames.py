"""What the agent and its children say to each other over a pipe: msgpack, each message after its length."""

from __future__ import annotations

import struct
from typing import IO, Final

import msgspec

from aimscope_agent.config import Config
from aimscope_signatures import wire
from aimscope_signatures.model import Sighting

LARGEST: Final = 1 << 26
SLICE: Final = 400
"""Sightings of one message: so that whoever keeps them needs little memory."""
_LENGTH: Final = struct.Struct(">I")


class Task(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a child is to do."""

    duty: str
    config: Config
    sequence: int
    """Of its looks and its run."""
    uid: str
    """Of its run."""
    mode: str
    trust: str
    """Folder of the signed feeds."""
    policy: str = ""
    key: bytes = b""
    """Of pseudonyms and digests: it does not leave the machine."""
    without: tuple[str, ...] = ()
    """Sensors that are left out, for they ran away before."""
    places: dict[str, bytes] = {}
    """How far logs were read."""
    afresh: bool = False
    """What was kept is lost: logs go on at their end."""
    seed: int = 0
    ahead: int = 0
    """Seconds that this machine's clock is ahead, where that is days: see ``clock``."""


class Stored(msgspec.Struct, frozen=True, tag=True):
    """What was to be kept is kept; or it is not, and ``error`` says why."""

    error: str = ""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Come to an end in good order."""


class Begins(msgspec.Struct, frozen=True, tag=True):
    """A step of the work begins."""

    step: str


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """To be kept, all of it or nothing."""

    sightings: tuple[Sighting, ...] = ()
    places: dict[str, bytes | None] = {}
    looks: tuple[wire.Look, ...] = ()
    runs: tuple[wire.Run, ...] = ()


class Notice(msgspec.Struct, frozen=True, tag=True):
    """What somebody should know; empty: no longer."""

    about: str
    text: str


class Broken(msgspec.Struct, frozen=True, tag=True):
    """It cannot be done, and why. ``passing``: it may be tried again as it is."""

    text: str
    passing: bool = True


ToChild = Task | Stored | Stop
FromChild = Begins | Keep | Notice | Broken
_to_child: Final = msgspec.msgpack.Decoder(ToChild)
_from_child: Final = msgspec.msgpack.Decoder(FromChild)
_encode: Final = msgspec.msgpack.Encoder().encode


class FrameError(Exception):
    """What came is no message."""


def write(pipe: IO[bytes], message: ToChild | FromChild) -> None:
    """Send a message. Raises ``OSError`` where nobody listens."""
    data = _encode(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read_task(pipe: IO[bytes]) -> ToChild | None:
    """What the agent says; ``None`` at the end. Raises ``FrameError``."""
    data = _read(pipe)
    try:
        return None if data is None else _to_child.decode(data)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from None


def read_result(pipe: IO[bytes]) -> FromChild | None:
    """What a child says; ``None`` at the end. Raises ``FrameError``."""
    data = _read(pipe)
    try:
        return None if data is None else _from_child.decode(data)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from None


def _read(pipe: IO[bytes]) -> bytes | None:
    head = _exactly(pipe, _LENGTH.size)
    if head is None:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > LARGEST:
        raise FrameError(f"a message of {size:,} bytes")
    return _exactly(pipe, size)


def _exactly(pipe: IO[bytes], size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = pipe.read(size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)
