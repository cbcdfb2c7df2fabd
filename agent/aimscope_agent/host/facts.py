"""What a host can tell, as frozen values: the same for a live machine and for a recorded one.

Paths are *host paths*: forward slashes on every platform (``C:/Users/ann/…`` on Windows), as the
machine itself would name them, wherever the tree is mounted.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Platform = Literal["linux", "macos", "windows"]


class User(msgspec.Struct, frozen=True):
    """A local account with a home folder."""

    name: str
    home: str


class Process(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running process. Empty where the platform does not tell; ``denied`` lists what it refused to tell."""

    pid: int
    name: str
    exe: str = ""
    argv: tuple[str, ...] = ()
    user: str = ""
    parent: int = 0
    started: int = 0
    signer: str = ""
    env_denied: bool = False


class Socket(msgspec.Struct, frozen=True, omit_defaults=True):
    """A TCP socket: listening where ``remote_address`` is empty, else established."""

    address: str
    port: int
    pid: int = 0
    remote_address: str = ""
    remote_port: int = 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server answered to one read-only HTTP request. ``body`` holds at most its first 64 KiB."""

    status: int
    headers: dict[str, str] = {}
    body: str = ""


class Found(msgspec.Struct, frozen=True):
    """A file or folder that a glob of a sensor matched.

    ``path`` is how it is reported (``~/.cursor/mcp.json``), ``host_path`` where the machine has it,
    ``user`` whose home it lies in (empty outside homes).
    """

    path: str
    host_path: str
    user: str = ""
    folder: bool = False


class Row(msgspec.Struct, frozen=True):
    """One subkey of the Windows registry with its values, as text."""

    key: str
    values: dict[str, str]
